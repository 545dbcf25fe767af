//! How fast a lane may grow: a burst at once, and then a step at a time.
//!
//! The model is AWS Lambda's scaling: a provisioned place is free to use, a new one costs a token, and tokens do not
//! accumulate beyond one interval's. So what is behind the lane (a pool, a cache, a callee's own scaling) has time to
//! follow.

use std::{num::NonZeroU32, time::Duration};

use crate::{
    clock::{Instant, nanos},
    settings::{InvalidSetting, at_least_one},
};

/// How a lane grows: a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Ramp {
    burst: NonZeroU32,
    step: u32,
    every: Duration,
    idle: Duration,
}

impl Ramp {
    /// Grows to `burst` at once, then by `step` in each interval of `every`; with a `step` of zero, no further. After
    /// ten minutes without use it starts over.
    ///
    /// # Errors
    /// [`InvalidSetting`] if the burst or the interval is zero.
    pub fn try_new(burst: u32, step: u32, every: Duration) -> Result<Self, InvalidSetting> {
        if every.is_zero() {
            return Err(InvalidSetting::new("surge_queue.ramp.every", every, "above zero"));
        }
        let burst = at_least_one("surge_queue.ramp.burst", burst)?;
        Ok(Self { burst, step, every, idle: Duration::from_secs(600) })
    }

    /// No ramp: `concurrency` at once.
    pub(super) const fn steep(concurrency: NonZeroU32) -> Self {
        Self { burst: concurrency, step: 0, every: Duration::MAX, idle: Duration::MAX }
    }

    /// Starts over after this long without use: what was provisioned is gone by then. [`Duration::MAX`] is never.
    pub const fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// How much it grows to at once.
    pub const fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// By how much it grows then, in each interval.
    pub const fn step(&self) -> u32 {
        self.step
    }

    /// The length of an interval.
    pub const fn every(&self) -> Duration {
        self.every
    }

    /// After how long without use it starts over.
    pub const fn idle(&self) -> Duration {
        self.idle
    }
}

/// The places of a lane, as far as they are provisioned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    ramp: Ramp,
    most: u32,
    in_use: u32,
    /// Provisioned: these are free to use.
    warm: u32,
    /// Provisioned in any case.
    floor: u32,
    /// How many more may be provisioned now.
    tokens: u32,
    /// When the interval began, if there has been any use.
    interval: Option<Instant>,
    last_use: Instant,
}

impl Places {
    pub(super) fn new(ramp: Ramp, most: NonZeroU32) -> Self {
        Self {
            ramp,
            most: most.get(),
            in_use: 0,
            warm: 0,
            floor: 0,
            tokens: ramp.burst.get(),
            interval: None,
            last_use: Instant::from_nanos(0),
        }
    }

    /// Takes a place, if there is one or one may be provisioned.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.pass(now);
        if self.in_use >= self.most {
            return false;
        }
        if self.in_use >= self.warm {
            if self.tokens == 0 {
                return false;
            }
            self.tokens -= 1;
            self.warm += 1;
        }
        self.in_use += 1;
        self.last_use = self.last_use.max(now);
        true
    }

    /// A place is free again. It stays provisioned.
    pub(super) fn put_back(&mut self, now: Instant) {
        self.in_use = self.in_use.saturating_sub(1);
        self.last_use = self.last_use.max(now);
    }

    /// Has so many provisioned from now on, whether they are used or not.
    pub(super) fn prewarm(&mut self, places: u32) {
        self.floor = places.min(self.most);
        self.warm = self.warm.max(self.floor);
    }

    /// Sets it anew. What is in use stays so; what is beyond is not replaced.
    pub(super) fn set(&mut self, ramp: Ramp, most: NonZeroU32) {
        let (before, burst) = (self.ramp.burst.get(), ramp.burst.get());
        (self.ramp, self.most) = (ramp, most.get());
        self.floor = self.floor.min(self.most);
        self.warm = self.warm.min(self.most);
        // What a burst grew by is there at once: without a ramp, nothing else would ever come.
        self.tokens = self.tokens.saturating_add(burst.saturating_sub(before)).min(burst);
    }

    /// Whether it is the ramp that keeps others out, and not the number of places: then more fit in after an interval.
    pub(super) fn is_growing(&self) -> bool {
        self.warm < self.most && self.ramp.step > 0
    }

    pub(super) const fn in_use(&self) -> u32 {
        self.in_use
    }

    /// How many are provisioned.
    pub(super) const fn warm(&self) -> u32 {
        self.warm
    }

    fn pass(&mut self, now: Instant) {
        if self.in_use == 0 && self.interval.is_some() && nanos(now.since(self.last_use)) >= nanos(self.ramp.idle) {
            (self.warm, self.tokens, self.interval) = (self.floor, self.ramp.burst.get(), None);
        }
        let began = *self.interval.get_or_insert(now);
        let passed = nanos(now.since(began)) / nanos(self.ramp.every).max(1);
        if passed > 0 {
            self.interval = Some(began.after(Duration::from_nanos(passed.saturating_mul(nanos(self.ramp.every)))));
            self.tokens = self.tokens.max(self.ramp.step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_nanos(1 << 62);
    const MINUTE: Duration = Duration::from_secs(60);

    fn places(burst: u32, step: u32, most: u32) -> Places {
        Places::new(Ramp::try_new(burst, step, MINUTE).expect("valid"), NonZeroU32::new(most).expect("not zero"))
    }

    fn taken(places: &mut Places, asked: u32, now: Instant) -> u32 {
        (0..asked).map(|_| u32::from(places.take(now))).sum()
    }

    fn minute(minutes: u32) -> Instant {
        START.after(MINUTE * minutes)
    }

    /// The published example of Lambda's burst scaling: 10,000 requests over so many minutes, each minute's at once.
    #[test]
    fn a_burst_of_3000_and_500_a_minute_throttle_what_lambda_throttles() {
        for (minutes, throttled) in [(1, 7000), (2, 3500), (3, 333), (4, 0)] {
            let mut places = places(3000, 500, 10_000);
            let mut refused = 0;
            for now in 0..minutes {
                let asked = 10_000 / minutes;
                let took = taken(&mut places, asked, minute(now));
                refused += asked - took;
                (0..took).for_each(|_| places.put_back(minute(now)));
            }
            assert_eq!(refused, throttled, "over {minutes} minutes");
        }
    }

    #[test]
    fn nothing_accumulates_beyond_one_step() {
        let mut places = places(10, 3, 100);
        assert_eq!(taken(&mut places, 100, START), 10);
        assert_eq!(taken(&mut places, 100, minute(1)), 3);
        assert_eq!(taken(&mut places, 100, minute(9)), 3);
        assert_eq!(taken(&mut places, 100, minute(9)), 0);
        assert_eq!((places.in_use(), places.warm(), places.is_growing()), (16, 16, true));
    }

    #[test]
    fn it_ends_at_the_most_and_starts_over_when_idle() {
        let mut places = places(4, 4, 6);
        assert_eq!(taken(&mut places, 9, START), 4);
        assert_eq!(taken(&mut places, 9, minute(1)), 2);
        assert!(!places.is_growing());
        (0..6).for_each(|_| places.put_back(minute(1)));
        assert_eq!(taken(&mut places, 9, minute(10)), 6, "provisioned");
        (0..6).for_each(|_| places.put_back(minute(10)));
        assert_eq!(taken(&mut places, 9, minute(20)), 4, "ten minutes later it is not");
    }

    #[test]
    fn what_is_prewarmed_needs_no_ramp() {
        let mut places = places(1, 1, 8);
        places.prewarm(5);
        assert_eq!(taken(&mut places, 9, START), 6);
        places.prewarm(99);
        assert_eq!(taken(&mut places, 9, START), 2);
    }

    #[test]
    fn a_shrunken_lane_is_worked_off() {
        let mut places = places(4, 4, 4);
        assert_eq!(taken(&mut places, 9, START), 4);
        places.set(Ramp::steep(NonZeroU32::MIN), NonZeroU32::MIN);
        (0..3).for_each(|_| places.put_back(START));
        assert!(!places.take(START), "one is in use still");
        places.put_back(START);
        assert!(places.take(START));
    }

    /// A lane without a ramp had used up what it may grow at once, and stayed as it was for ever.
    #[test]
    fn a_lane_that_is_made_larger_grows_at_once_by_what_its_burst_grew() {
        let (four, eight) = (NonZeroU32::MIN.saturating_add(3), NonZeroU32::MIN.saturating_add(7));
        let mut places = Places::new(Ramp::steep(four), four);
        assert_eq!(taken(&mut places, 9, START), 4);
        places.set(Ramp::steep(eight), eight);
        assert_eq!(taken(&mut places, 9, START), 4, "eight in all");
        places.set(Ramp::steep(NonZeroU32::MIN), NonZeroU32::MIN);
        (0..8).for_each(|_| places.put_back(START));
        places.set(Ramp::steep(four), four);
        assert_eq!(taken(&mut places, 9, START), 4, "and back");
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_clocks_may_jump() {
        assert!(Ramp::try_new(0, 1, MINUTE).is_err());
        assert!(Ramp::try_new(1, 1, Duration::ZERO).is_err());
        let mut places = Places::new(Ramp::try_new(1, u32::MAX, Duration::MAX).expect("valid"), NonZeroU32::MAX);
        assert_eq!(taken(&mut places, 2, Instant::FAR), 1);
        assert_eq!(taken(&mut places, 2, Instant::from_nanos(0)), 0);
    }
}
