//! How fast the queue drains, and how fast each class comes: what a wait is foretold from.
//!
//! Only while somebody waits. Then everything that is there to be done is under way, and calls end as fast as they can;
//! at any other time their number says how much was asked for, and not how much could be done. It costs nothing while
//! nobody waits.

use std::time::Duration;

use crate::{
    clock::{Instant, nanos},
    request::Priority,
};

const CLASSES: usize = Priority::ALL.len();
/// How much time with waiters makes a measurement. Shorter ones are noise, longer ones late.
const SLOT: u64 = 50 * MILLI;
/// So many calls at least make a measurement, for callees so slow that a slot sees none…
const ENOUGH: u32 = 4;
/// …but it does not take longer than this, once it has seen one.
const LONGEST: u64 = 300 * MILLI;
/// A callee that stands still for longer than chance explains (where so many calls should have ended: once in fifty times)
/// has stopped: to collect garbage, to fail over. That tells nothing about how fast it goes on, only that it may not for a
/// while: for each measurement without an end, the rate is held to be half of what it was, until a call ends again.
const STOPPED: f64 = 4.0;
const HALT: f64 = 0.5;
/// How much a measurement counts against those before it.
const WEIGHT: f64 = 0.3;
/// Whatever comes of more important classes, so much of the rate is left for the others: where a guess would be "never",
/// it is "fifty times as long".
const LEFT_OVER: f64 = 0.02;
const MILLI: u64 = 1_000_000;
const SECOND: f64 = 1e9;

/// The rates, as far as they are known.
#[derive(Clone, Debug)]
pub(super) struct Drain {
    /// Calls that end a second, while somebody waits.
    rate: Option<f64>,
    /// What is left of that while the callee has stopped; else 1.
    halt: f64,
    /// Requests of each class that come a second, while somebody waits.
    comes: [f64; CLASSES],
    /// Whether somebody waits, and until when time has been counted.
    busy: bool,
    counted: Instant,
    /// The measurement under way: time with waiters, calls that ended, requests that came.
    time: u64,
    ended: u32,
    came: [u32; CLASSES],
    /// The last time that a call ended, or a measurement did.
    last: Instant,
    /// Whether a stop was left out of this measurement. One is an exception; with a second one it is the rule.
    stopped: bool,
}

impl Drain {
    pub(super) fn new() -> Self {
        let never = Instant::from_nanos(0);
        Self {
            rate: None,
            halt: 1.0,
            comes: [0.0; CLASSES],
            busy: false,
            counted: never,
            time: 0,
            ended: 0,
            came: [0; CLASSES],
            last: never,
            stopped: false,
        }
    }

    /// Counts the time until `now`.
    pub(super) fn pass(&mut self, now: Instant) {
        if !self.busy {
            return;
        }
        self.time = self.time.saturating_add(nanos(now.since(self.counted)));
        self.counted = self.counted.max(now);
        let full = self.time >= SLOT && self.ended >= ENOUGH || self.time >= LONGEST && self.ended > 0;
        let stopped = !self.stopped && self.is_stopped(now);
        if full && !stopped {
            self.measure();
            self.last = now;
        } else if self.time >= LONGEST && stopped {
            // What ended before it stopped is forgotten with it.
            self.halt *= HALT;
            self.begin();
            self.last = now;
        }
    }

    /// Whether somebody waits from `now` on.
    pub(super) fn wait(&mut self, busy: bool, now: Instant) {
        if busy && !self.busy {
            // Nobody has waited for so long: whatever came before, less comes now.
            let slots = nanos(now.since(self.counted)) as f64 / SLOT as f64;
            let left = (1.0 - WEIGHT).powf(slots);
            self.comes.iter_mut().for_each(|rate| *rate *= left);
            self.counted = now;
            self.last = now;
        }
        self.busy = busy;
    }

    /// A call ended, and the time until then is counted.
    pub(super) fn end(&mut self, now: Instant) {
        if !self.busy {
            return;
        }
        if !self.stopped && self.is_stopped(now) {
            self.time = self.time.saturating_sub(nanos(now.since(self.last)));
            self.stopped = true;
        }
        self.halt = 1.0;
        self.last = now;
        self.ended = self.ended.saturating_add(1);
    }

    /// So many requests of a class came.
    pub(super) fn come(&mut self, class: usize, requests: u32) {
        if self.busy {
            self.came[class] = self.came[class].saturating_add(requests);
        }
    }

    /// Calls that end a second while somebody waits, if that is known.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate.map(|rate| rate * self.halt)
    }

    /// The same as it was before the callee stopped, if it has: how long a call takes is not to be told from a stop.
    pub(super) fn steady_rate(&self) -> Option<f64> {
        self.rate
    }

    /// Takes `rate` for the rate for as long as none was measured.
    pub(super) fn suppose(&mut self, rate: f64) {
        if self.rate.is_none() && rate.is_finite() && rate > 0.0 {
            self.rate = Some(rate);
        }
    }

    /// What of the rate is left to a class, by those before it.
    pub(super) fn left_for(&self, class: usize) -> Option<f64> {
        let before: f64 = self.comes[..class].iter().sum();
        self.rate().map(|rate| (rate - before).max(LEFT_OVER * rate))
    }

    /// Whether the callee has stopped, as far as can be told.
    fn is_stopped(&self, now: Instant) -> bool {
        let still = nanos(now.since(self.last));
        still >= SLOT && self.rate.unwrap_or(0.0) * still as f64 / SECOND > STOPPED
    }

    fn measure(&mut self) {
        let per_second = |count: u32| f64::from(count) * SECOND / self.time as f64;
        let mix = |before: f64, count: u32| before + WEIGHT * (per_second(count) - before);
        // The first time it may just begin: then a few do not tell.
        self.rate = match self.rate {
            Some(rate) => Some(mix(rate, self.ended)),
            None => Some(per_second(self.ended)).filter(|_| self.ended >= ENOUGH),
        };
        for (rate, came) in self.comes.iter_mut().zip(self.came) {
            *rate = mix(*rate, came);
        }
        self.begin();
    }

    /// Another measurement begins.
    fn begin(&mut self) {
        (self.time, self.ended, self.came, self.stopped) = (0, 0, [0; CLASSES], false);
    }
}

/// Nanoseconds as a duration, whatever came of a division.
pub(super) fn duration(nanos: f64) -> Duration {
    Duration::from_nanos(nanos as u64)
}

/// How long `ahead` take at `rate`, in nanoseconds; may be infinite.
pub(super) fn wait(ahead: u64, rate: f64) -> f64 {
    ahead as f64 * SECOND / rate
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_nanos(1 << 62);

    fn at(millis: u64) -> Instant {
        START.after(Duration::from_millis(millis))
    }

    /// A callee that ends a call every `every` milliseconds, while somebody waits.
    fn drained(drain: &mut Drain, from: u64, until: u64, every: usize) -> f64 {
        drain.wait(true, at(from));
        for now in (from + every as u64..=until).step_by(every) {
            drain.pass(at(now));
            drain.end(at(now));
        }
        drain.rate().unwrap_or(0.0)
    }

    #[track_caller]
    fn close(rate: f64, to: f64) {
        assert!((rate - to).abs() < to / 10.0, "{rate} is not nearly {to}");
    }

    #[test]
    fn nothing_is_known_at_first_and_a_slot_tells() {
        let mut drain = Drain::new();
        assert_eq!(drained(&mut drain, 0, 45, 5), 0.0);
        close(drained(&mut drain, 45, 200, 5), 200.0);
    }

    #[test]
    fn a_callee_that_has_not_answered_yet_is_not_known_to_be_slow() {
        let mut drain = Drain::new();
        drain.wait(true, at(0));
        (0..5000).for_each(|now| drain.pass(at(now)));
        drain.end(at(5000));
        drain.pass(at(5001));
        assert_eq!(drain.rate(), None, "one in five seconds is how it begins");
        assert!(drained(&mut drain, 5001, 5100, 2) > 5.0);
    }

    #[test]
    fn time_in_which_nobody_waits_is_not_counted() {
        let mut drain = Drain::new();
        for round in 0..20 {
            drained(&mut drain, round * 1000, round * 1000 + 30, 5);
            drain.pass(at(round * 1000 + 30));
            drain.wait(false, at(round * 1000 + 30));
            drain.end(at(round * 1000 + 500));
        }
        close(drain.rate().expect("known"), 200.0);
    }

    #[test]
    fn a_slow_callee_is_not_taken_for_a_stopped_one() {
        close(drained(&mut Drain::new(), 0, 10_000, 77), 13.0);
    }

    #[test]
    fn a_callee_that_turned_slow_is_believed_within_half_a_second() {
        let mut drain = Drain::new();
        drained(&mut drain, 0, 1000, 1);
        assert!(drained(&mut drain, 1000, 1500, 5) < 250.0);
        let mut drain = Drain::new();
        drained(&mut drain, 0, 1000, 15);
        assert!(drained(&mut drain, 1000, 3000, 80) < 20.0, "each gap is as long as a stop");
    }

    #[test]
    fn a_stop_tells_nothing_about_how_fast_it_goes_on() {
        let mut drain = Drain::new();
        drained(&mut drain, 0, 1000, 2);
        for now in 1000..1200 {
            drain.pass(at(now));
        }
        drain.end(at(1200));
        close(drained(&mut drain, 1200, 1300, 2), 500.0);
    }

    #[test]
    fn a_long_stop_is_seen_and_forgotten_when_it_ends() {
        let mut drain = Drain::new();
        drained(&mut drain, 0, 1000, 2);
        for now in 1000..3000 {
            drain.pass(at(now));
        }
        assert!(drain.rate().expect("known") < 100.0);
        close(drained(&mut drain, 3000, 3002, 2), 500.0);
    }

    #[test]
    fn a_class_has_what_those_before_it_leave() {
        let mut drain = Drain::new();
        drain.wait(true, at(0));
        for now in (0..1000).step_by(2) {
            drain.pass(at(now));
            drain.end(at(now));
            drain.come(0, if now % 10 == 0 { 1 } else { 0 });
            drain.come(1, 1);
        }
        close(drain.left_for(0).expect("known"), 500.0);
        close(drain.left_for(1).expect("known"), 400.0);
        close(drain.left_for(2).expect("known"), 10.0);
    }

    #[test]
    fn a_clock_that_jumps_does_no_harm() {
        let mut drain = Drain::new();
        drained(&mut drain, 100_000, 101_000, 2);
        drain.pass(at(0));
        drain.end(at(0));
        drain.pass(Instant::FAR);
        drain.pass(at(0));
        assert!(drain.rate().is_some_and(f64::is_finite));
        assert!(drain.left_for(3).is_some_and(|rate| rate >= 0.0));
        assert_eq!(duration(wait(1, 0.0)), Duration::from_nanos(u64::MAX));
    }
}
