//! Requests that were given up on, and the sinks that take them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{event::Stop, rejection::Rejection};

/// A request that was given up on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter<Req> {
    /// The request: the copy that another attempt would have sent, or the very one that was never sent.
    pub request: Req,
    /// How often it was sent.
    pub attempts: u32,
    /// Why it was given up on.
    pub cause: Cause,
}

/// Why a request was given up on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// It failed, and was not tried again.
    Stopped(Stop),
    /// It waited in a queue, and was refused.
    Refused(Rejection),
}

/// Takes requests that were given up on: to store them, to queue them, to tell somebody.
///
/// The layer that gives up says which requests it hands over: see
/// [`RetryLayer::dead_letter`](crate::retry::RetryLayer::dead_letter) and
/// [`SurgeQueue::dead_letters`](crate::surge_queue::SurgeQueue::dead_letters). A request whose caller has left is
/// handed to nobody.
///
/// A closure qualifies:
///
/// ```
/// use std::sync::mpsc;
/// use plimsoll::{dead_letter::DeadLetter, retry::{RetryLayer, Settings}};
///
/// let (morgue, letters) = mpsc::sync_channel::<DeadLetter<u64>>(100);
/// let retry = RetryLayer::new(Settings::new()).dead_letter(move |letter: DeadLetter<u64>| {
///     let _ = morgue.try_send(letter);
/// });
/// ```
///
/// # Sending one again
/// The sink is called while the call is under way. What the request carries is still valid then: there may be time
/// left, and its [`Work`](crate::work::Work), in the request or [on this thread](crate::work::current), is open to
/// whatever the sink does on its behalf. Once the caller has its answer, all of that is over, in a letter as in any
/// other copy. Sent again as it is, the request would be refused at once, for want of time or of work.
///
/// A letter that is sent again is a request of its own. So whoever keeps letters removes from them what belonged to the
/// call: for HTTP by `plimsoll::http::Extensions::forget`, for a request type of your own whatever its
/// [`Carry`](crate::request::Carry) and [`CarryWork`](crate::work::CarryWork) put there.
///
/// # What it may cost
/// The sink runs in the call path before the caller gets its answer, never under a lock, and should be quick: one that
/// may be full has to drop what it cannot take, and not wait. A panic in it is caught: it cannot cost the caller its
/// answer.
pub trait DeadLetters<Req> {
    /// Takes a request that was given up on.
    fn accept(&self, letter: DeadLetter<Req>);

    /// Whether anybody wants letters. If not, no copies are made for them.
    fn wanted(&self) -> bool {
        true
    }
}

impl<F: Fn(DeadLetter<Req>), Req> DeadLetters<Req> for F {
    fn accept(&self, letter: DeadLetter<Req>) {
        self(letter);
    }
}

/// Nobody wants letters: the default.
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

/// Hands a letter to `sink`. Whether it was taken, that is: without a panic.
pub(crate) fn hand_over<Req>(sink: &impl DeadLetters<Req>, request: Req, attempts: u32, cause: Cause) -> bool {
    let letter = DeadLetter { request, attempts, cause };
    catch_unwind(AssertUnwindSafe(|| sink.accept(letter))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_that_panics_costs_nobody_an_answer() {
        let sink = |_: DeadLetter<u32>| panic!("full");
        assert!(!hand_over(&sink, 1, 1, Cause::Stopped(Stop::Attempts)));
        assert!(hand_over(&Discard, 1, 1, Cause::Stopped(Stop::Attempts)));
    }
}
