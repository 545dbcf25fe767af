use std::{mem, sync::Arc};

use super::fleet::Member;
use crate::{
    classify::{Classify, Failure, Outcome},
    clock::{self, Instant},
    error::Refusal,
    request,
};

/// One call to one member, from when that is asked whether it is ready until the call is over, however that comes about.
pub(super) struct Flight<S> {
    member: Arc<Member<S>>,
    began: Instant,
    epoch: u32,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Boarding,
    Dispatched,
    Landed,
}

/// What a call says about its member.
enum Word {
    Good,
    Bad,
    Nothing,
}

impl<S> Flight<S> {
    #[inline]
    pub(super) fn board(member: &Arc<Member<S>>, now: Instant) -> Self {
        let epoch = member.vitals.begin();
        Self { member: Arc::clone(member), began: now, epoch, stage: Stage::Boarding }
    }

    #[inline]
    pub(super) fn member(&self) -> &Arc<Member<S>> {
        &self.member
    }

    /// From here on the member has the request, and whoever retries it knows where it went.
    #[inline]
    pub(super) fn dispatched(&mut self) {
        self.stage = Stage::Dispatched;
        request::note_tried(self.member.id);
    }

    /// Whether the call is over already.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Landed
    }

    /// The call is over, or its member failed to become ready for it. Whether what it refuses goes to another.
    #[inline]
    pub(super) fn finish<Res, E: Refusal>(
        &mut self,
        result: Result<&Res, &E>,
        judge: &impl Classify<Res, E>,
        goes_on: bool,
    ) {
        if let Err(error) = result
            && self.refused(error, goes_on)
        {
            return;
        }
        let outcome = watch(self, |_| judge.classify(result));
        match outcome {
            Outcome::Success => self.land(Word::Good),
            Outcome::Failure(failure @ (Failure::Overload | Failure::Throttled(_))) => {
                let Member { vitals, watch, .. } = &*self.member;
                vitals.say_busy(failure.retry_after(), watch.max_hint(), clock::now());
                self.land(Word::Nothing);
            }
            Outcome::Failure(_) => self.land(Word::Bad),
            Outcome::Ignored => self.land(Word::Nothing),
        }
    }

    /// Whether the member, or what is around it, refused the request before it was dispatched: it says "not now", and has
    /// not failed.
    ///
    /// One that lets others through (its circuit is on the ramp) refuses the more, the more it is called. Where its refusals
    /// are answers, it is kept away from, and comes back late and all at once. Where another takes what it refuses, it loses
    /// nothing by being called, and has as much as its ramp allows.
    #[cold]
    fn refused(&mut self, error: &impl Refusal, goes_on: bool) -> bool {
        let Some(rejection) = error.rejection().copied().filter(|rejection| !rejection.was_dispatched()) else {
            return false;
        };
        if self.stage == Stage::Boarding {
            request::note_tried(self.member.id);
        }
        if !(goes_on && rejection.is_in_part()) {
            self.member.vitals.hear(&rejection, self.member.watch.max_hint(), clock::now());
        }
        self.land(Word::Nothing);
        true
    }

    /// The request goes elsewhere.
    pub(super) fn give_up(&mut self) {
        self.land(Word::Nothing);
    }

    #[inline]
    fn land(&mut self, word: Word) {
        if self.stage == Stage::Landed {
            return;
        }
        let was_boarding = self.stage == Stage::Boarding;
        self.stage = Stage::Landed;
        match word {
            Word::Good => self.member.vitals.succeed(self.epoch),
            Word::Nothing => self.member.vitals.end(),
            Word::Bad => self.fail(was_boarding),
        }
    }

    #[cold]
    fn fail(&self, was_boarding: bool) {
        if was_boarding {
            request::note_tried(self.member.id);
        }
        let Member { id, vitals, watch, .. } = &*self.member;
        let row = vitals.fail(self.epoch);
        if row >= watch.row() {
            watch.judge(*id, vitals, self.epoch, row, clock::now());
        }
    }

    /// Who leaves soon says nothing about the member; who waited for long was kept waiting.
    #[cold]
    fn cancelled(&mut self) {
        let hung_after = self.member.watch.hung_after();
        let hung = self.stage == Stage::Dispatched
            && hung_after != u64::MAX
            && clock::nanos(clock::now().since(self.began)) >= hung_after;
        self.land(if hung { Word::Bad } else { Word::Nothing });
    }
}

impl<S> Drop for Flight<S> {
    #[inline]
    fn drop(&mut self) {
        if self.stage != Stage::Landed {
            self.cancelled();
        }
    }
}

/// Runs `inner`; if it panics, the call has failed, at once: a runtime may catch the panic first, and drop the future
/// after.
#[inline]
pub(super) fn watch<S, T>(flight: &mut Flight<S>, inner: impl FnOnce(&Flight<S>) -> T) -> T {
    struct Unwinding<'a, S>(&'a mut Flight<S>);

    impl<S> Drop for Unwinding<'_, S> {
        #[cold]
        fn drop(&mut self) {
            self.0.land(Word::Bad);
        }
    }

    let unwinding = Unwinding(flight);
    let output = inner(unwinding.0);
    mem::forget(unwinding);
    output
}
