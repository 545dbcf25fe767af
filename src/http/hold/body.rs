use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::http::{Response, StatusCode, header::CONTENT_LENGTH};
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    classify::{Failure, Outcome},
    gate::{Ending, Gate, Held, watch},
    http::fields::{digits, only},
};

pin_project! {
    /// The body of a response, with a permit that is held until the body ends. See the [module](super).
    ///
    /// **Cancel safety**: dropping it settles the permit.
    pub struct HeldBody<B, G, C, Req>
    where
        G: Gate<Req>,
    {
        #[pin]
        body: B,
        // Until it is settled.
        held: Option<Held<G, C, Req>>,
        // What the judge made of the head.
        outcome: Outcome,
        // How much is still to come, where that is known.
        left: Option<u64>,
    }
}

impl<B, G, C, Req> HeldBody<B, G, C, Req>
where
    G: Gate<Req>,
{
    pub(super) fn settled(body: B) -> Self {
        Self { body, held: None, outcome: Outcome::Ignored, left: None }
    }
}

impl<B, G, C, Req> HeldBody<B, G, C, Req>
where
    B: Body,
    G: Gate<Req>,
{
    /// The response, whose body settles what is held; at once, if there is none.
    pub(super) fn respond(
        response: Response<B>,
        mut held: Held<G, C, Req>,
        outcome: Outcome,
        bodiless: fn(StatusCode) -> bool,
    ) -> Response<Self> {
        let (head, body) = response.into_parts();
        let bodiless = bodiless(head.status)
            || head.status.is_informational()
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let (ended, exact) = watch(&mut held, |_| (body.is_end_stream(), body.size_hint().exact()));
        // The field, where it is there: a server sends so much, and then lets go of the body.
        let left = only(&head.headers, CONTENT_LENGTH).and_then(digits).or(exact);
        if bodiless || ended || left == Some(0) {
            held.settle(Ending::Finished(outcome));
            return Response::from_parts(head, Self::settled(body));
        }
        Response::from_parts(head, Self { body, held: Some(held), outcome, left })
    }
}

impl<B, G, C, Req> Body for HeldBody<B, G, C, Req>
where
    B: Body,
    G: Gate<Req>,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut me = self.project();
        let Some(held) = me.held else { return me.body.poll_frame(cx) };
        // A step of the call, as its gates see it: what they keep on its thread, and measure, is there for its body too.
        let (frame, ended) = held.step(|| {
            let frame = me.body.as_mut().poll_frame(cx);
            let ended = frame.is_ready() && me.body.is_end_stream();
            (frame, ended)
        });
        let frame = ready!(frame);
        let outcome = match &frame {
            Some(Ok(frame)) => {
                if let (Some(left), Some(data)) = (me.left.as_mut(), frame.data_ref()) {
                    *left = left.saturating_sub(data.remaining() as u64);
                }
                (ended || frame.is_trailers() || *me.left == Some(0)).then_some(*me.outcome)
            }
            Some(Err(_)) => Some(match *me.outcome {
                failure @ Outcome::Failure(_) => failure,
                _ => Outcome::Failure(Failure::Transient),
            }),
            None => Some(*me.outcome),
        };
        if let (Some(outcome), Some(mut held)) = (outcome, me.held.take_if(|_| outcome.is_some())) {
            held.settle(Ending::Finished(outcome));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
