use std::num::NonZeroU32;

use super::values::Probes;
use crate::clock::Instant;

/// The probes of one half-open phase: those under way, each with a lease, and how the others ended.
#[derive(Debug, Default)]
pub(super) struct Round {
    under_way: Vec<Lease>,
    given_out: u32,
    pub(super) succeeded: u32,
    pub(super) failed: u32,
}

#[derive(Debug)]
struct Lease {
    probe: NonZeroU32,
    ends: Instant,
}

/// What a probe said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Good,
    Bad,
    /// It was dropped early or said nothing about the callee: another one may go in its place.
    Nothing,
}

/// What the probes say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    Healthy,
    Failing,
    Unknown,
}

impl Round {
    /// Another probe, if there may be one. Their numbers do not repeat within a round.
    pub(super) fn next(&mut self, probes: Probes, ends: Instant) -> Option<NonZeroU32> {
        let taken = self.under_way() + self.succeeded + self.failed;
        if taken >= probes.of.get() {
            return None;
        }
        self.given_out = self.given_out.checked_add(1).unwrap_or(1);
        let probe = NonZeroU32::new(self.given_out)?;
        self.under_way.push(Lease { probe, ends });
        Some(probe)
    }

    /// `probe` spoke. A probe that was lost before is not listened to any more.
    pub(super) fn hear(&mut self, probe: NonZeroU32, word: Word) {
        let Some(at) = self.under_way.iter().position(|lease| lease.probe == probe) else { return };
        self.under_way.swap_remove(at);
        match word {
            Word::Good => self.succeeded += 1,
            Word::Bad => self.failed += 1,
            Word::Nothing => {}
        }
    }

    /// Gives up on probes whose lease is over.
    pub(super) fn lose(&mut self, now: Instant) {
        let before = self.under_way();
        self.under_way.retain(|lease| now < lease.ends);
        self.failed += before - self.under_way();
    }

    /// The circuit closes on enough successes, and opens as soon as there can no longer be enough.
    pub(super) fn sum(&self, probes: Probes) -> Sum {
        if self.succeeded >= probes.successes.get() {
            Sum::Healthy
        } else if self.failed > probes.of.get() - probes.successes.get() {
            Sum::Failing
        } else {
            Sum::Unknown
        }
    }

    pub(super) fn under_way(&self) -> u32 {
        self.under_way.len() as u32
    }

    /// When the next lease is over; never, if no probe is under way.
    pub(super) fn next_end(&self) -> Instant {
        self.under_way.iter().map(|lease| lease.ends).min().unwrap_or(Instant::FAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Instant = Instant::from_nanos(100);

    #[test]
    fn no_more_go_out_than_may_and_an_early_return_makes_room() {
        let (mut round, two) = (Round::default(), Probes::try_new(2, 2).expect("two of two"));
        let first = round.next(two, LATER).expect("room");
        round.next(two, LATER).expect("room");
        assert_eq!(round.next(two, LATER), None);
        round.hear(first, Word::Nothing);
        let third = round.next(two, LATER).expect("room again");
        assert_ne!(third, first);
        round.hear(third, Word::Good);
        assert_eq!((round.sum(two), round.next(two, LATER)), (Sum::Unknown, None));
    }

    #[test]
    fn it_ends_as_soon_as_the_end_is_sure() {
        let two_of_three = Probes::try_new(2, 3).expect("two of three");
        let mut round = Round { failed: 1, succeeded: 1, ..Round::default() };
        assert_eq!(round.sum(two_of_three), Sum::Unknown);
        round.failed = 2;
        assert_eq!(round.sum(two_of_three), Sum::Failing);
        round = Round { succeeded: 2, ..Round::default() };
        assert_eq!(round.sum(two_of_three), Sum::Healthy);
    }

    #[test]
    fn a_lost_probe_is_not_listened_to_any_more() {
        let (mut round, one) = (Round::default(), Probes::try_new(1, 1).expect("one"));
        let probe = round.next(one, LATER).expect("room");
        round.lose(Instant::from_nanos(99));
        assert_eq!((round.under_way(), round.failed), (1, 0));
        round.lose(LATER);
        round.hear(probe, Word::Good);
        assert_eq!((round.succeeded, round.failed), (0, 1));
    }
}
