use super::{assign::Assign, seeker::Seeker, waiting::Waiting};
use crate::{
    error::Refusal,
    request::{self, Carry, Replay},
};

/// A copy of a request that a member has, to be sent to another if that one refuses it.
///
/// On the heap: whoever asks for none does not pay for the room.
pub(super) struct Spare<S, Req, A>(Box<Inner<S, Req, A>>);

struct Inner<S, Req, A> {
    seeker: Seeker<S, A>,
    /// Who has the request.
    member: u64,
    copy: Req,
}

impl<S, Req, A: Assign> Spare<S, Req, A> {
    /// Made before `req` is sent to `member`. None where nobody else could get it, or it cannot be had again.
    #[inline]
    pub(super) fn keep(
        req: &Req,
        member: u64,
        replay: &impl Replay<Req>,
        has_more: bool,
        seeker: impl FnOnce() -> Seeker<S, A>,
    ) -> Option<Self> {
        let copy = if has_more { replay.replay(req, request::attempt())? } else { return None };
        Some(Self(Box::new(Inner { seeker: seeker(), member, copy })))
    }

    /// Sends the copy on its way to another member. Where it is no longer whole, the refusal is the answer.
    pub(super) fn send<E: Refusal, K: Carry<Req>>(
        self,
        refused: E,
        replay: &impl Replay<Req>,
        carry: &K,
    ) -> Result<(Waiting<S, A, E>, Req), E> {
        let Inner { mut seeker, member, mut copy } = *self.0;
        if !replay.is_whole(&copy) {
            return Err(refused);
        }
        seeker.leave_out(member);
        if K::CARRIES {
            let mut carried = carry.get(&copy).unwrap_or_else(request::current);
            carried.tried.add(member);
            carry.insert(&mut copy, carried);
        }
        Ok((Waiting::after_refusal(seeker, refused), copy))
    }
}

/// Whether a request that a member refused so may go to another. Only what no callee has seen, and only where a later try could
/// succeed.
pub(super) fn may_go_on(error: &impl Refusal) -> bool {
    let rejection = error.rejection();
    rejection.is_some_and(|rejection| !rejection.was_dispatched() && rejection.reason().is_retryable())
}
