use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::tape::{self, Head, Tape};
use crate::{error::BoxError, sync::Lock};

/// The body of a request that may be sent again. Made by [`ReplayBodies`](super::ReplayBodies); see the [module](super).
///
/// **Cancel safety**: dropping one attempt's body leaves the rest of it to the next attempt. Polling the body of a
/// later attempt ends an earlier one's, which a connection may still hold, with [`Superseded`].
///
/// [`Superseded`]: super::ReplayError::Superseded
pub struct Replay<B>(Source<B>);

enum Source<B> {
    Empty,
    /// Known to be larger than what is kept.
    Once(B),
    Taped(Arc<Lock<Tape<B>>>, Head),
}

impl<B: Body> Replay<B> {
    /// This body, of which up to `cap` bytes are kept while it is read.
    pub fn new(body: B, cap: usize) -> Self {
        Self(if body.is_end_stream() {
            Source::Empty
        } else if usize::try_from(body.size_hint().lower()).is_ok_and(|least| least <= cap) {
            Source::Taped(Arc::new(Lock::new(Tape::new(body, cap))), Head::default())
        } else {
            Source::Once(body)
        })
    }
}

impl<B> Replay<B> {
    /// The same body again, from its beginning; `None` if that was not kept.
    pub fn again(&self) -> Option<Self> {
        match &self.0 {
            Source::Empty => Some(Self(Source::Empty)),
            Source::Once(_) => None,
            Source::Taped(tape, _) => {
                let head = tape.lock().copy()?;
                Some(Self(Source::Taped(Arc::clone(tape), head)))
            }
        }
    }

    /// Whether all of it can still be read, from its beginning.
    pub fn is_whole(&self) -> bool {
        match &self.0 {
            Source::Empty => true,
            Source::Once(_) => false,
            Source::Taped(tape, _) => tape.lock().is_whole(),
        }
    }
}

impl<B> Body for Replay<B>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Source::Empty => Poll::Ready(None),
            Source::Once(body) => Pin::new(body)
                .poll_frame(cx)
                .map_ok(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
                .map_err(Into::into),
            Source::Taped(tape, head) => tape::poll_frame(tape, head, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Empty => true,
            Source::Once(body) => body.is_end_stream(),
            Source::Taped(tape, head) => tape.lock().is_end_stream(*head),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Empty => SizeHint::with_exact(0),
            Source::Once(body) => body.size_hint(),
            Source::Taped(tape, head) => tape.lock().size_hint(*head),
        }
    }
}

impl<B> fmt::Debug for Replay<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Empty => "Replay(empty)",
            Source::Once(_) => "Replay(once)",
            Source::Taped(..) => "Replay(taped)",
        })
    }
}
