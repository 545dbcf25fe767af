use crate::event::Stop;

/// A request that was given up on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter<Req> {
    /// The copy that another attempt would have sent.
    pub request: Req,
    /// How often it was sent.
    pub attempts: u32,
    /// Why it was not sent again.
    pub stop: Stop,
}

impl<Req> DeadLetter<Req> {
    pub(super) fn new(request: Req, attempts: u32, stop: Stop) -> Self {
        Self { request, attempts, stop }
    }
}

/// Takes requests that were given up on: to store, to queue, to tell somebody.
///
/// It hears of every request whose attempts ended in a failure, with the request itself, wherever there is a copy of
/// it: not of one that cannot be replayed, nor of one that a retry layer further out still tries. So that the last
/// attempt's request is there too, one more copy of each request is made than without a sink.
///
/// A closure qualifies:
///
/// ```
/// use std::sync::mpsc;
/// use plimsoll::retry::{DeadLetter, RetryLayer, Settings};
///
/// let (morgue, letters) = mpsc::sync_channel::<DeadLetter<u64>>(100);
/// let retry = RetryLayer::new(Settings::new()).dead_letter(move |letter: DeadLetter<u64>| {
///     let _ = morgue.try_send(letter);
/// });
/// ```
///
/// It runs in the call path before the caller gets its answer, and should be quick. A panic in it reaches the
/// caller.
pub trait DeadLetters<Req> {
    /// Takes a request that was given up on.
    fn accept(&self, letter: DeadLetter<Req>);

    /// Whether anybody wants them. If not, no copy is made for them.
    fn wanted(&self) -> bool {
        true
    }
}

impl<F: Fn(DeadLetter<Req>), Req> DeadLetters<Req> for F {
    fn accept(&self, letter: DeadLetter<Req>) {
        self(letter);
    }
}

/// Nobody wants them: the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discard;

impl<Req> DeadLetters<Req> for Discard {
    #[inline]
    fn accept(&self, _: DeadLetter<Req>) {}

    #[inline]
    fn wanted(&self) -> bool {
        false
    }
}
