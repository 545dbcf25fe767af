use super::Client;
use crate::{
    classify::Standard,
    request::Unasked,
    retry::{CloneRequest, Replay},
};

/// The questions that a [`Client`] asks about requests and results, each once for all rooms: `R` for a copy to try
/// again, `C` how the call went, `D` by when the answer is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Asks<R = CloneRequest, C = Standard, D = Unasked> {
    pub(super) replay: R,
    pub(super) judge: C,
    pub(super) deadline: D,
}

impl Asks {
    /// Requests are cloned, and nothing else is asked.
    pub(super) const NONE: Self = Self { replay: CloneRequest, judge: Standard, deadline: Unasked };
}

/// Makes no copies: requests need not be `Clone` where nothing is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Never;

impl<Req> Replay<Req> for Never {
    #[inline]
    fn replay(&self, _: &Req, _: u32) -> Option<Req> {
        None
    }
}

impl<B, I, R, C, D> Client<B, I, Asks<R, C, D>> {
    /// Copies a request for another attempt, `|req: &Req, attempt: u32| -> Option<Req>`; `None` means not to send it
    /// again. By default every request is cloned, so *say here what must not be sent twice*.
    pub fn replay<F>(self, replay: F) -> Client<B, I, Asks<F, C, D>> {
        self.ask(|Asks { judge, deadline, .. }| Asks { replay, judge, deadline })
    }

    /// Judges results for the retry, and, in matters of [health](super::super::Health), for the circuit breaker. A
    /// closure over `Result<&Response, &plimsoll::Error<E>>` qualifies. By default an answer is a success.
    pub fn classify<F>(self, judge: F) -> Client<B, I, Asks<R, F, D>> {
        self.ask(|Asks { replay, deadline, .. }| Asks { replay, judge, deadline })
    }

    /// Says by when the answer to a request is wanted, `|r: &Req| r.deadline`: the call ends then, or by the total
    /// timeout if that is earlier. Timeouts further out in the same task are known without it.
    pub fn deadline_by<F>(self, deadline: F) -> Client<B, I, Asks<R, C, F>> {
        self.ask(|Asks { replay, judge, .. }| Asks { replay, judge, deadline })
    }

    /// Tries nothing again, and asks for no copies: for requests that must not be sent twice, and where somebody
    /// further out retries.
    pub fn without_retry(mut self) -> Client<B, I, Asks<Never, C, D>> {
        self.rooms.retry = None;
        self.replay(Never)
    }

    fn ask<New>(self, ask: impl FnOnce(Asks<R, C, D>) -> New) -> Client<B, I, New> {
        let Self { rooms, observer, before, innermost, asks } = self;
        Client { rooms, observer, before, innermost, asks: ask(asks) }
    }
}
