use std::time::Duration;

use super::{Counts, Mark};
use crate::{
    clock::{Instant, nanos},
    sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
        fence,
    },
};

/// The results of the last while, in ten buckets.
///
/// ```text
///  period      …  41    42    43    44    45    46    47    48    49    50
///  bucket        [ 1 ] [ 2 ] [ 3 ] [ 4 ] [ 5 ] [ 6 ] [ 7 ] [ 8 ] [ 9 ] [ 0 ] ← now
///                  └ the next period, 51, takes this one over
/// ```
///
/// Periods are numbered on a scale that only rises. Every word of a bucket carries the number of the period that it
/// counts, so a bucket is taken over by whoever first records in a later period, and a gap without calls clears the
/// window with nobody at work: what is stamped with a period that has left the window is not read. A result of a
/// period older than its bucket's is dropped. The number has 40 bits of periods of 10 ms and more: it does not wrap
/// in 348 years.
///
/// A restart moves the scale on by more than a window, so that what was recorded before it, or by a late thread of
/// an older epoch after it, is outside.
///
/// The window slides in steps of a period: it covers between nine and ten tenths of its length. A bucket that has
/// counted 16 million calls counts no more.
#[derive(Debug)]
pub(crate) struct TimeWindow {
    /// 0 while the scale is being changed.
    epoch: AtomicU64,
    scale: Scale<AtomicU64>,
    buckets: [Bucket; BUCKETS as usize],
}

const BUCKETS: u64 = 10;

/// Which period a moment is in.
#[derive(Clone, Copy, Debug, Default)]
struct Scale<N> {
    /// When the epoch began.
    origin: N,
    /// The number of the period that it began in.
    first: N,
    /// The length of a period, in nanoseconds.
    period: N,
}

#[derive(Debug, Default)]
struct Bucket {
    calls: Count,
    failures: Count,
    slow: Count,
}

impl TimeWindow {
    /// The shortest window: its periods are 10 ms long.
    pub(crate) const SHORTEST: Duration = Duration::from_millis(100);

    /// A window that holds nothing, and records nothing until it is [restarted](Self::restart).
    pub(crate) fn new() -> Self {
        Self { epoch: AtomicU64::new(0), scale: Scale::default(), buckets: Default::default() }
    }

    /// Forgets, and holds the results of `epoch` over `length` from now on, at least
    /// [`SHORTEST`](Self::SHORTEST). The owner calls this from one thread at a time, before it lets the others know
    /// of `epoch`, which is not zero.
    pub(crate) fn restart(&self, epoch: u32, length: Duration, now: Instant) {
        let last = self.scale.load().number(now);
        self.epoch.store(0, Relaxed);
        fence(Release);
        self.scale.origin.store(now.as_nanos(), Relaxed);
        self.scale.first.store(last.saturating_add(2 * BUCKETS).min(Count::LAST), Relaxed);
        self.scale.period.store(nanos(length.max(Self::SHORTEST)).div_ceil(BUCKETS), Relaxed);
        self.epoch.store(u64::from(epoch), Release);
    }

    /// Records a result of `epoch`.
    pub(crate) fn record(&self, epoch: u32, mark: Mark, now: Instant) {
        let Some(scale) = self.scale_of(Some(epoch)) else { return };
        let number = scale.number(now);
        let Some(bucket) = self.buckets.get((number % BUCKETS) as usize) else { return };
        // The call before its properties: a reader finds no more failures than calls.
        if bucket.calls.add(number) {
            if mark.failed {
                bucket.failures.add(number);
            }
            if mark.slow {
                bucket.slow.add(number);
            }
        }
    }

    /// What the window holds at `now`. Thirty loads.
    pub(crate) fn counts(&self, now: Instant) -> Counts {
        let Some(scale) = self.scale_of(None) else { return Counts::default() };
        let newest = scale.number(now);
        let oldest = newest.saturating_sub(BUCKETS - 1).max(scale.first);
        let mut counts = Counts::default();
        for bucket in &self.buckets {
            counts.failures += bucket.failures.within(oldest, newest);
            counts.slow += bucket.slow.within(oldest, newest);
            counts.calls += bucket.calls.within(oldest, newest);
        }
        counts
    }

    /// The scale, whole, unless it is being changed or is not that of `epoch`.
    fn scale_of(&self, epoch: Option<u32>) -> Option<Scale<u64>> {
        let before = self.epoch.load(Acquire);
        let scale = self.scale.load();
        fence(Acquire);
        let unchanged = before != 0 && before == self.epoch.load(Relaxed);
        (unchanged && epoch.is_none_or(|epoch| u64::from(epoch) == before)).then_some(scale)
    }
}

impl Scale<AtomicU64> {
    fn load(&self) -> Scale<u64> {
        Scale { origin: self.origin.load(Relaxed), first: self.first.load(Relaxed), period: self.period.load(Relaxed) }
    }
}

impl Scale<u64> {
    fn number(self, now: Instant) -> u64 {
        let elapsed = now.as_nanos().saturating_sub(self.origin);
        self.first.saturating_add(elapsed.checked_div(self.period).unwrap_or(0)).min(Count::LAST)
    }
}

/// How often something happened in a period: `period:40 | count:24`.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    const BITS: u32 = 24;
    const FULL: u64 = (1 << Self::BITS) - 1;
    const LAST: u64 = (1 << (64 - Self::BITS)) - 1;

    /// Counts one in the period `number`. `false` if the bucket counts a later period, or is full.
    fn add(&self, number: u64) -> bool {
        let mut word = self.0.load(Acquire);
        loop {
            let counts = word >> Self::BITS;
            if counts > number || counts == number && word & Self::FULL == Self::FULL {
                return false;
            }
            let next = if counts == number { word + 1 } else { number << Self::BITS | 1 };
            match self.0.compare_exchange_weak(word, next, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// The count, if it is of a period between these two.
    fn within(&self, oldest: u64, newest: u64) -> u32 {
        let word = self.0.load(Acquire);
        let counts = word >> Self::BITS;
        if oldest <= counts && counts <= newest { (word & Self::FULL) as u32 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    const OK: Mark = Mark { failed: false, slow: false };
    const FAILED: Mark = Mark { failed: true, slow: false };
    const START: Instant = Instant::from_nanos(1 << 62);
    const SECOND: Duration = Duration::from_secs(1);

    fn window() -> TimeWindow {
        let window = TimeWindow::new();
        window.restart(1, 10 * SECOND, START);
        window
    }

    #[test]
    fn a_result_leaves_after_the_length_of_the_window() {
        let window = window();
        window.record(1, FAILED, START);
        for seconds in 0..10 {
            assert_eq!(window.counts(START.after(seconds * SECOND)).failures, 1, "after {seconds} s");
        }
        assert_eq!(window.counts(START.after(10 * SECOND)), Counts::default());
    }

    #[test]
    fn a_gap_clears_however_long_it_is() {
        let window = window();
        for power in 0..58 {
            let then = START.after(Duration::from_nanos(1 << power));
            window.restart(power + 2, 10 * SECOND, START);
            window.record(power + 2, FAILED, START);
            window.record(power + 2, OK, then);
            let expected = if then.since(START) < 10 * SECOND { 2 } else { 1 };
            assert_eq!(window.counts(then).calls, expected, "2^{power} ns");
        }
    }

    #[test]
    fn a_result_older_than_its_bucket_is_dropped() {
        let window = window();
        window.record(1, OK, START.after(10 * SECOND));
        window.record(1, FAILED, START);
        assert_eq!(window.counts(START.after(10 * SECOND)), Counts { calls: 1, failures: 0, slow: 0 });
    }

    #[test]
    fn a_late_writer_of_an_older_epoch_leaves_no_trace() {
        let window = window();
        window.record(1, FAILED, START);
        window.restart(2, SECOND, START);
        window.record(1, FAILED, START);
        assert_eq!(window.counts(START), Counts::default());
    }

    #[test]
    fn a_full_bucket_counts_no_more_and_does_not_spill_over() {
        let count = Count(AtomicU64::new(7 << Count::BITS | Count::FULL));
        assert!(!count.add(7));
        assert_eq!(u64::from(count.within(7, 7)), Count::FULL);
        assert!(count.add(8));
        assert_eq!(count.within(7, 8), 1);
    }

    #[test]
    fn threads_lose_nothing() {
        let window = window();
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let window = &window;
                scope.spawn(move || {
                    for n in 0..1000 {
                        let then = START.after(Duration::from_millis(n * 9 + thread));
                        window.record(1, Mark { failed: n % 2 == 0, slow: n % 4 == 0 }, then);
                    }
                });
            }
        });
        let counts = window.counts(START.after(Duration::from_millis(9_999)));
        assert_eq!(counts, Counts { calls: 4000, failures: 2000, slow: 1000 });
    }

    #[derive(Clone, Debug)]
    enum Step {
        Record(bool, bool),
        Pass(u64),
        Restart(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            10 => any::<(bool, bool)>().prop_map(|(failed, slow)| Step::Record(failed, slow)),
            8 => (0..3_000_u64).prop_map(Step::Pass),
            1 => (0..u64::MAX / 2_000_000).prop_map(Step::Pass),
            1 => (0..100_000_u64).prop_map(Step::Restart),
        ]
    }

    proptest! {
        /// The model keeps every result with the period that it fell into.
        #[test]
        fn it_is_the_last_ten_periods_and_nothing_else(steps in prop::collection::vec(step(), 0..300)) {
            let (window, mut epoch, mut now, mut origin, mut length) = (window(), 1, START, START, 10 * SECOND);
            let mut model: Vec<(u128, bool, bool)> = Vec::new();
            for step in steps {
                let period = |at: Instant, origin: Instant, length: Duration| {
                    at.since(origin).as_nanos() / u128::from(nanos(length.max(TimeWindow::SHORTEST)).div_ceil(10))
                };
                match step {
                    Step::Record(failed, slow) => {
                        window.record(epoch, Mark { failed, slow }, now);
                        model.push((period(now, origin, length), failed, slow));
                    }
                    // Half the scale, at most: beyond that a clock has no more moments.
                    Step::Pass(millis) => {
                        let then = now.after(Duration::from_millis(millis));
                        if then.since(START) < Duration::from_secs(5_000_000_000) {
                            now = then;
                        }
                    }
                    Step::Restart(millis) => {
                        (epoch, origin, length) = (epoch + 1, now, Duration::from_millis(millis));
                        window.restart(epoch, length, now);
                        model.clear();
                    }
                }
                let current = period(now, origin, length);
                model.retain(|(at, ..)| current - at < 10);
                let count = |wanted: fn(&&(u128, bool, bool)) -> bool| model.iter().filter(wanted).count() as u32;
                let expected =
                    Counts { calls: count(|_| true), failures: count(|r| r.1), slow: count(|r| r.2) };
                prop_assert_eq!(window.counts(now), expected);
            }
        }
    }
}
