use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Sleep;

pub use super::pace::Slow;
use super::{Settings, pace::Pace};
use crate::{
    clock::{self, Instant},
    error::BoxError,
    rejection::{Reason, Rejection},
};

/// A body made its reader wait too long. The source of this error is the [`Rejection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyTooSlow {
    slow: Slow,
    rejection: Rejection,
}

impl BodyTooSlow {
    /// In what way.
    pub const fn slow(&self) -> Slow {
        self.slow
    }
}

impl fmt::Display for BodyTooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.slow {
            Slow::Idle => "nothing of the body came for too long",
            Slow::Rate => "the body came too slowly",
        })
    }
}

impl std::error::Error for BodyTooSlow {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.rejection)
    }
}

pin_project! {
    /// A body that may not make its reader wait too long. See the [module](super).
    ///
    /// **Cancel safety**: it holds nothing but the inner body and a timer.
    pub struct TimedBody<B> {
        // Until it ends, or was too slow.
        #[pin]
        body: Option<B>,
        // Made when somebody first waits, on the heap: who does not wait does not pay, and the body stays as movable as it is.
        sleep: Option<Pin<Box<Sleep>>>,
        // When the timer ends.
        armed: Instant,
        pace: Pace,
        name: &'static str,
    }
}

impl<B> TimedBody<B> {
    /// This body, timed by `settings`.
    pub fn new(body: B, settings: &Settings) -> Self {
        Self { body: Some(body), sleep: None, armed: Instant::FAR, pace: Pace::new(settings), name: settings.name() }
    }
}

impl<B> Body for TimedBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut me = self.project();
        let Some(body) = me.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        match body.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                // What was there at once needs no clock.
                me.pace.came(bytes, me.pace.is_waiting().then(clock::now));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(other) => Poll::Ready(other.map(|result| result.map_err(Into::into))),
            Poll::Pending if !me.pace.is_bounded() => Poll::Pending,
            Poll::Pending => {
                let now = clock::now();
                let until = me.pace.wait(now);
                if now < until {
                    if *me.armed != until {
                        *me.armed = until;
                        arm(me.sleep, until);
                    }
                    let Some(sleep) = me.sleep else { return Poll::Pending };
                    ready!(sleep.as_mut().poll(cx));
                }
                // Let go of before it is told.
                me.body.set(None);
                *me.sleep = None;
                let rejection = Rejection::new(Reason::Timeout, me.name).dispatched();
                Poll::Ready(Some(Err(BodyTooSlow { slow: me.pace.verdict(), rejection }.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Sets the timer, where it can be set that far.
fn arm(sleep: &mut Option<Pin<Box<Sleep>>>, until: Instant) {
    match (clock::sleep_until(until), &mut *sleep) {
        (Some(next), Some(sleep)) => sleep.set(next),
        (next, _) => *sleep = next.map(Box::pin),
    }
}
