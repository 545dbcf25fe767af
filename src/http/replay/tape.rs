use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use ::http::HeaderMap;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use crate::{
    error::BoxError,
    sync::{Lock, Turn, Wakeup},
};

/// The errors of a copy of a body that are not the body's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The request was sent again meanwhile, and its body is read there.
    #[error("a later attempt reads this body")]
    Superseded,
    /// The beginning of the body was not kept: it was too large, or failed.
    #[error("the beginning of this body was not kept")]
    NotKept,
}

/// A body that several attempts read, one after the other: what was read, and what is left.
pub(super) struct Tape<B> {
    rest: Rest<B>,
    /// What the rest says of its own length.
    hint: SizeHint,
    /// How much was read.
    read: u64,
    /// All that was read, while it is kept.
    kept: Option<Vec<u8>>,
    trailers: Option<HeaderMap>,
    cap: usize,
    /// The copy that reads, the last one that began to; it takes the reading over from those before.
    reader: u32,
    /// The last copy that was made.
    copies: u32,
    /// Whoever reads and waits for more. Its turn never comes: it is only told to look again.
    waiting: Turn<()>,
}

enum Rest<B> {
    Here(B),
    /// It is being polled just now, not under the lock.
    Polled,
    Ended,
    /// It failed, or panicked.
    Broken,
}

/// How far a copy has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    copy: u32,
    at: u64,
    had_trailers: bool,
}

impl<B: Body> Tape<B> {
    pub(super) fn new(body: B, cap: usize) -> Self {
        let hint = body.size_hint();
        let kept = Some(Vec::new());
        let (rest, waiting) = (Rest::Here(body), Turn::default());
        Self { rest, hint, read: 0, kept, trailers: None, cap, reader: 0, copies: 0, waiting }
    }
}

impl<B> Tape<B> {
    pub(super) fn is_whole(&self) -> bool {
        self.kept.is_some()
    }

    pub(super) fn copy(&mut self) -> Option<Head> {
        self.kept.as_ref()?;
        self.copies = self.copies.checked_add(1)?;
        Some(Head { copy: self.copies, at: 0, had_trailers: false })
    }

    pub(super) fn is_end_stream(&self, head: Head) -> bool {
        let trailers = self.trailers.is_some() && !head.had_trailers;
        matches!(self.rest, Rest::Ended) && head.at == self.read && !trailers
    }

    pub(super) fn size_hint(&self, head: Head) -> SizeHint {
        let (kept, mut hint) = (self.read - head.at.min(self.read), SizeHint::new());
        if let Some(upper) = self.hint.upper().and_then(|upper| upper.checked_add(kept)) {
            hint.set_upper(upper);
        }
        // Never above the upper bound, which `set_lower` would not forgive.
        let lower = self.hint.lower().saturating_add(kept);
        hint.set_lower(hint.upper().map_or(lower, |upper| lower.min(upper)));
        hint
    }

    /// Whom a copy takes the reading over from, if that one waits: from here on the rest wakes the copy alone, and an earlier
    /// attempt's connection would wait for a body that comes no more. To be woken once the lock is gone.
    fn take_over(&mut self, head: Head) -> Wakeup {
        if head.copy > self.reader && self.is_whole() { self.waiting.nudge() } else { Wakeup::nobody() }
    }

    /// What a copy is to do next.
    fn next(&mut self, head: &mut Head, alone: bool) -> Next<B> {
        if head.copy < self.reader {
            return Next::Fail(ReplayError::Superseded);
        }
        if head.copy > self.reader && self.kept.is_none() {
            // Whatever is missing, be it trailers alone, this would be another body.
            return Next::Fail(ReplayError::NotKept);
        }
        self.reader = head.copy;
        if head.at < self.read {
            let from = usize::try_from(head.at).unwrap_or(usize::MAX);
            let Some(kept) = self.kept.as_ref().and_then(|kept| kept.get(from..)) else {
                return Next::Fail(ReplayError::NotKept);
            };
            head.at = self.read;
            return Next::Give(Frame::data(Bytes::copy_from_slice(kept)));
        }
        if alone {
            // Nobody is there who could read it again, nor ever will be: copies are made of copies.
            self.kept = None;
        }
        // Before the rest is asked, which has nothing after them but its end.
        if let (Some(trailers), false) = (&self.trailers, head.had_trailers) {
            head.had_trailers = true;
            return Next::Give(Frame::trailers(trailers.clone()));
        }
        match mem::replace(&mut self.rest, Rest::Polled) {
            Rest::Here(body) => return Next::Poll(body),
            rest => self.rest = rest,
        }
        match self.rest {
            Rest::Here(_) | Rest::Polled => Next::Yield,
            Rest::Ended => Next::End,
            Rest::Broken => Next::Fail(ReplayError::NotKept),
        }
    }

    /// Notes what was read on the way to the reader.
    fn note(&mut self, head: &mut Head, frame: &Frame<Bytes>) {
        let cap = self.cap as u64;
        if let Some(data) = frame.data_ref() {
            self.read = self.read.saturating_add(data.len() as u64);
            head.at = self.read;
            match &mut self.kept {
                Some(kept) if self.read <= cap => {
                    // Doubled when it is full, as ever, but never beyond the cap: what is kept takes no more than that.
                    if kept.capacity() - kept.len() < data.len() {
                        let whole = kept.len() + data.len();
                        let room = kept.capacity().saturating_mul(2).min(self.cap).max(whole);
                        kept.reserve_exact(room - kept.len());
                    }
                    kept.extend_from_slice(data);
                }
                kept => *kept = None,
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            head.had_trailers = true;
            let sizes = trailers.iter().map(|(name, value)| (name.as_str().len() + value.len()) as u64);
            if self.kept.is_some() && sizes.sum::<u64>().saturating_add(self.read) <= cap {
                self.trailers = Some(trailers.clone());
            } else {
                self.kept = None;
            }
        } else {
            self.kept = None;
        }
    }
}

enum Next<B> {
    Give(Frame<Bytes>),
    Poll(B),
    /// Another thread polls the rest at this instant, for a copy that has been overtaken.
    Yield,
    End,
    Fail(ReplayError),
}

/// The rest of a body outside of its tape, to be polled there: no lock is held while somebody else's code runs. If that
/// panics the tape is broken, and says so.
struct Outside<'a, B>(&'a Lock<Tape<B>>);

impl<B> Drop for Outside<'_, B> {
    fn drop(&mut self) {
        let mut tape = self.0.lock();
        (tape.rest, tape.kept) = (Rest::Broken, None);
    }
}

/// The next frame for the copy that has come to `head`.
pub(super) fn poll_frame<B>(
    shared: &Arc<Lock<Tape<B>>>,
    head: &mut Head,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    let alone = Arc::strong_count(shared) == 1;
    let (overtaken, next) = {
        let mut tape = shared.lock();
        (tape.take_over(*head), tape.next(head, alone))
    };
    overtaken.wake();
    let mut body = match next {
        Next::Poll(body) => body,
        Next::Give(frame) => return Poll::Ready(Some(Ok(frame))),
        Next::End => return Poll::Ready(None),
        Next::Fail(error) => return Poll::Ready(Some(Err(error.into()))),
        Next::Yield => {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
    };
    let outside = Outside(&**shared);
    let polled = std::pin::Pin::new(&mut body).poll_frame(cx);
    let polled = polled.map_ok(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())));
    let (ended, hint) = (body.is_end_stream(), body.size_hint());
    mem::forget(outside);

    // Outlives the lock: what was told before is dropped then.
    let mut waker = (polled.is_pending() && !alone).then(|| cx.waker().clone());
    let mut tape = shared.lock();
    tape.hint = hint;
    if let Poll::Ready(Some(Ok(frame))) = &polled {
        tape.note(head, frame);
    }
    // What is over is let go of now, but not under the lock: it may have a `Drop` of its own.
    let over = match &polled {
        Poll::Ready(Some(Err(_))) => {
            (tape.rest, tape.kept) = (Rest::Broken, None);
            Some(body)
        }
        Poll::Ready(None) => {
            (tape.rest, tape.hint) = (Rest::Ended, SizeHint::with_exact(0));
            Some(body)
        }
        Poll::Ready(Some(Ok(_))) if ended => {
            (tape.rest, tape.hint) = (Rest::Ended, SizeHint::with_exact(0));
            Some(body)
        }
        _ => {
            tape.rest = Rest::Here(body);
            None
        }
    };
    let overtaken = head.copy < tape.reader;
    if waker.is_some() && !overtaken {
        tape.waiting.has_come(&mut waker);
    }
    drop(tape);
    drop(over);
    if overtaken { Poll::Ready(Some(Err(ReplayError::Superseded.into()))) } else { polled.map_err(Into::into) }
}
