use std::time::Duration;

use super::{
    outlier::{Place, Record},
    success_rate::Tally,
};
use crate::{
    clock::Instant,
    rejection::{Fault, Reason, Rejection},
    stats::Run,
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
};

/// What calls read and write of a member, all of it atomics. On cache lines of its own: what is beside it in a member is
/// only read.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Vitals {
    /// `calls that were judged:32 | calls under way:32`, so that the end of a call is one write. The upper half wraps.
    calls: AtomicU64,
    failures: AtomicU32,
    row: Run,
    /// Until when it is out, in nanoseconds; 0 if it is not.
    out_until: AtomicU64,
    /// Until when it takes no calls by its own word.
    shut_until: AtomicU64,
    /// Until when it had better get none, if there is another.
    busy_until: AtomicU64,
}

/// Whether a member takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It does.
    Serving,
    /// It does, but said that it has no room.
    Busy,
    /// It does not, until then.
    Absent(Instant),
}

/// For how long a member is passed over that said it is busy, and not for how long.
const A_MOMENT: Duration = Duration::from_millis(100);
/// And one that takes no calls: as long as a hint is believed by default. Without it, one who is believed for ever would be
/// shut for ever.
const A_WHILE: Duration = Duration::from_secs(30);

impl Vitals {
    const UNDER_WAY: u64 = u32::MAX as u64;

    /// A call begins. Its epoch is the answer.
    #[inline]
    pub(super) fn begin(&self) -> u32 {
        self.calls.fetch_add(1, Relaxed);
        self.row.epoch()
    }

    /// A call ends that says nothing about the member.
    #[inline]
    pub(super) fn end(&self) {
        self.calls.fetch_sub(1, Relaxed);
    }

    /// A call ends that succeeded. Of an epoch that is over, it says nothing, here and below.
    #[inline]
    pub(super) fn succeed(&self, epoch: u32) {
        if self.row.epoch() != epoch {
            return self.end();
        }
        // One more above and one fewer below: adding this carries.
        self.calls.fetch_add(Self::UNDER_WAY, Relaxed);
        self.row.succeeded(epoch);
    }

    /// A call ends that failed. How many failed in a row is the answer.
    pub(super) fn fail(&self, epoch: u32) -> u32 {
        if self.row.epoch() != epoch {
            self.end();
            return 0;
        }
        self.calls.fetch_add(Self::UNDER_WAY, Relaxed);
        self.failures.fetch_add(1, Relaxed);
        self.row.failed(epoch);
        self.row.length()
    }

    /// How many calls are under way, those included that wait for the member to become ready.
    #[inline]
    pub(super) fn under_way(&self) -> u32 {
        self.calls.load(Relaxed) as u32
    }

    pub(super) fn failures_in_a_row(&self) -> u32 {
        self.row.length()
    }

    /// How loaded it looks. Each failure in a row counts as a call under way: who fails at once has nothing under way, and
    /// would draw all calls to itself.
    #[inline]
    pub(super) fn load(&self) -> u32 {
        self.under_way().saturating_add(self.row.length())
    }

    #[inline]
    pub(super) fn standing(&self, now: Instant) -> Standing {
        let until = self.out_until.load(Relaxed).max(self.shut_until.load(Relaxed));
        if now.as_nanos() < until {
            Standing::Absent(Instant::from_nanos(until))
        } else if now.as_nanos() < self.busy_until.load(Relaxed) {
            Standing::Busy
        } else {
            Standing::Serving
        }
    }

    /// Until when it takes no calls by its own word, and until when it is busy.
    pub(super) fn word(&self) -> (Instant, Instant) {
        let until = |until: &AtomicU64| Instant::from_nanos(until.load(Relaxed));
        (until(&self.shut_until), until(&self.busy_until))
    }

    /// It refused a call. Who stopped calling what is behind it (an open circuit) takes none; who has no room may have some
    /// any moment, so such a one is only passed over. Refusals that are about the request say nothing; nor does that of a
    /// router further in, where it is one tenant's hand that is out.
    pub(super) fn hear(&self, rejection: &Rejection, max_hint: Duration, now: Instant) {
        if !rejection.reason().is_retryable() || rejection.reason() == Reason::NoShard {
            return;
        }
        match rejection.reason().fault() {
            Fault::Callee => {
                let hint = rejection.retry_after().unwrap_or(A_WHILE).min(max_hint);
                self.shut_until.store(now.after(hint).as_nanos(), Relaxed);
            }
            _ => self.say_busy(rejection.retry_after(), max_hint, now),
        }
    }

    /// It has no room.
    pub(super) fn say_busy(&self, hint: Option<Duration>, max_hint: Duration, now: Instant) {
        let hint = hint.unwrap_or(A_MOMENT).min(max_hint);
        self.busy_until.store(now.after(hint).as_nanos(), Relaxed);
    }

    /// Forgets what it said of itself.
    pub(super) fn forgive(&self) {
        self.shut_until.store(0, Relaxed);
        self.busy_until.store(0, Relaxed);
    }

    /// Lets calls know what was decided about it. In a panic, only who is held stays out.
    pub(super) fn publish(&self, record: &Record, panic: bool) {
        let until = match record.place {
            Place::Held => Instant::FAR,
            Place::Out { until } if !panic => until,
            Place::Out { .. } | Place::In => Instant::from_nanos(0),
        };
        if record.epoch != self.row.epoch() {
            self.row.resume(record.epoch, record.strikes);
        }
        self.out_until.store(until.as_nanos(), Release);
    }

    /// What came of its calls since this was last asked. Of whom nothing was seen meanwhile, nothing is held against them:
    /// a member that had failed, and is not called because of that, would never be seen to succeed.
    pub(super) fn take_tally(&self) -> Tally {
        let calls = (self.calls.fetch_and(Self::UNDER_WAY, AcqRel) >> 32) as u32;
        let failures = self.failures.swap(0, Acquire);
        if calls == 0 {
            self.row.restart(self.row.epoch());
        }
        Tally { calls, failures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_nanos(1 << 62);
    const SECOND: Duration = Duration::from_secs(1);

    fn record(place: Place, epoch: u32, strikes: u32) -> Record {
        Record { id: 1, place, streak: 0, epoch, strikes, tally: Tally::default() }
    }

    #[test]
    fn calls_are_counted_once_whichever_way_they_end() {
        let vitals = Vitals::default();
        let epochs: Vec<_> = (0..5).map(|_| vitals.begin()).collect();
        assert_eq!((vitals.under_way(), vitals.load()), (5, 5));
        vitals.succeed(epochs[0]);
        vitals.succeed(epochs[1]);
        assert_eq!(vitals.fail(epochs[2]), 1);
        vitals.end();
        assert_eq!((vitals.under_way(), vitals.load()), (1, 2), "a failure looks like load");
        assert_eq!(vitals.take_tally(), Tally { calls: 3, failures: 1 });
        assert_eq!((vitals.under_way(), vitals.take_tally()), (1, Tally::default()));
        vitals.succeed(epochs[4]);
        assert_eq!((vitals.under_way(), vitals.take_tally()), (0, Tally { calls: 1, failures: 0 }));
    }

    #[test]
    fn a_count_that_wraps_leaves_what_is_under_way_alone() {
        let vitals = Vitals::default();
        vitals.calls.store(u64::MAX << 32 | 1, Relaxed);
        vitals.succeed(0);
        assert_eq!((vitals.under_way(), vitals.take_tally().calls), (0, 0));
    }

    #[test]
    fn failures_are_forgotten_of_whom_nothing_is_seen() {
        let vitals = Vitals::default();
        let epoch = vitals.begin();
        vitals.fail(epoch);
        vitals.take_tally();
        assert_eq!(vitals.load(), 1, "it was seen to fail");
        vitals.take_tally();
        assert_eq!(vitals.load(), 0);
    }

    #[test]
    fn an_open_circuit_takes_a_member_out_and_a_full_one_is_passed_over() {
        let vitals = Vitals::default();
        let hear = |reason, after| vitals.hear(&Rejection::new(reason, "x").with_retry_after(after), 30 * SECOND, NOW);
        hear(Reason::BulkheadFull, SECOND);
        assert_eq!(vitals.standing(NOW), Standing::Busy);
        assert_eq!(vitals.standing(NOW.after(SECOND)), Standing::Serving);
        hear(Reason::CircuitOpen, 5 * SECOND);
        let until = NOW.after(5 * SECOND);
        assert_eq!(vitals.standing(NOW), Standing::Absent(until));
        assert_eq!(vitals.standing(until), Standing::Serving);
        hear(Reason::CircuitOpen, Duration::MAX);
        assert_eq!(vitals.standing(NOW), Standing::Absent(NOW.after(30 * SECOND)), "believed up to a limit");
        vitals.forgive();
        assert_eq!(vitals.standing(NOW), Standing::Serving);
    }

    /// Else a member that asks to be spared for a year would be passed over for a year.
    #[test]
    fn that_a_member_is_busy_is_believed_up_to_a_limit_too() {
        let (full, throttled) = (Vitals::default(), Vitals::default());
        full.hear(&Rejection::new(Reason::BulkheadFull, "x").with_retry_after(Duration::MAX), 30 * SECOND, NOW);
        throttled.say_busy(Some(Duration::MAX), 30 * SECOND, NOW);
        for vitals in [full, throttled] {
            assert_eq!(vitals.standing(NOW.after(29 * SECOND)), Standing::Busy);
            assert_eq!(vitals.standing(NOW.after(30 * SECOND)), Standing::Serving);
        }
    }

    #[test]
    fn who_does_not_say_for_how_long_is_shut_for_a_while_or_busy_for_a_moment() {
        let (shut, full) = (Vitals::default(), Vitals::default());
        shut.hear(&Rejection::new(Reason::CircuitOpen, "x"), SECOND, NOW);
        full.hear(&Rejection::new(Reason::BulkheadFull, "x"), SECOND, NOW);
        assert_eq!(shut.standing(NOW), Standing::Absent(NOW.after(SECOND)));
        assert_eq!(full.standing(NOW), Standing::Busy);
        assert_eq!(full.standing(NOW.after(A_MOMENT)), Standing::Serving);
        shut.hear(&Rejection::new(Reason::CircuitOpen, "x"), Duration::MAX, NOW);
        assert_eq!(shut.standing(NOW), Standing::Absent(NOW.after(A_WHILE)), "and not for ever, whoever is believed");
    }

    /// Calls that hung since before their member was put out ended after it was back, and counted in its share of successes.
    #[test]
    fn calls_of_an_older_epoch_end_and_are_not_counted() {
        let vitals = Vitals::default();
        let old = [vitals.begin(), vitals.begin()];
        vitals.publish(&record(Place::In, 2, 4), false);
        assert_eq!(vitals.fail(old[0]), 0);
        vitals.succeed(old[1]);
        assert_eq!((vitals.under_way(), vitals.load()), (0, 4));
        let new = vitals.begin();
        vitals.fail(new);
        assert_eq!(vitals.take_tally(), Tally { calls: 1, failures: 1 });
    }

    #[test]
    fn refusals_that_are_about_the_request_say_nothing() {
        let vitals = Vitals::default();
        // That a fleet further in has nobody for this tenant is said of a hand, and not of all that goes through here.
        let about_it = |reason: &&Reason| !reason.is_retryable() || **reason == Reason::NoShard;
        for reason in Reason::ALL.iter().filter(about_it) {
            vitals.hear(&Rejection::new(*reason, "x"), SECOND, NOW);
            assert_eq!(vitals.standing(NOW), Standing::Serving, "{reason:?}");
        }
    }

    #[test]
    fn in_a_panic_only_who_is_held_is_out() {
        let vitals = Vitals::default();
        let until = NOW.after(SECOND);
        vitals.publish(&record(Place::Out { until }, 1, 0), false);
        assert_eq!(vitals.standing(NOW), Standing::Absent(until));
        vitals.publish(&record(Place::Out { until }, 1, 0), true);
        assert_eq!(vitals.standing(NOW), Standing::Serving);
        vitals.publish(&record(Place::Held, 2, 0), true);
        assert_eq!(vitals.standing(NOW), Standing::Absent(Instant::FAR));
    }

    #[test]
    fn who_returns_has_strikes_until_it_succeeds_and_older_calls_do_not_count() {
        let vitals = Vitals::default();
        let old = vitals.begin();
        vitals.publish(&record(Place::In, 2, 4), false);
        vitals.succeed(old);
        assert_eq!(vitals.load(), 4);
        let new = vitals.begin();
        assert_eq!(vitals.load(), 5);
        vitals.succeed(new);
        assert_eq!(vitals.load(), 0);
    }
}
