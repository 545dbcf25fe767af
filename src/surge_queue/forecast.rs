//! What the room foretells: how long a wait would be, and how long it may be.

use std::time::Duration;

use super::{
    drain,
    room::{Arrival, Room},
};
use crate::{
    clock::{Instant, nanos},
    request::Priority,
};

const MILLI: f64 = 1e6;
/// How long most may wait in a standing queue, as a part of the burst: waiting does not help against a load.
const TARGET: f64 = 0.1;
/// What is left of the burst, in a standing queue, to those who are few and so cannot be the load.
const SPARSE_SHARE: f64 = 0.3;
/// So many at most, of one tenant of several, are few.
const SPARSE: u64 = 3;
/// How much of a call's time a room bridges at least: where calls take long, so do the gaps between them.
const SCALE: f64 = 0.75;
/// How many bursts somebody waits at most. What is foretold to take one may take two.
const PATIENCE: f64 = 2.0;
/// How long a refusal may be repeated without another look.
const SHUT: f64 = 4.0 * MILLI;
/// When to come back, at least and at most.
const SOONEST: f64 = 50.0 * MILLI;
const LATEST: f64 = 30_000.0 * MILLI;
/// The longest time that a call is supposed to take, where only Little's law tells.
const LITTLE: f64 = 1_000.0 * MILLI;
/// How many may wait where nobody says how many: so many, so many times the limit, or what is served in so many bursts,
/// whichever is most; and at most so many.
const PLACES: f64 = 64.0;
const TIMES_LIMIT: f64 = 4.0;
const BURSTS: f64 = 1.5;
const MOST: f64 = 65_536.0;

impl<T> Room<T> {
    /// What the limit has to say.
    pub(super) fn learn(&mut self, limit: u32, latency: Option<Duration>) {
        self.limit = limit.max(1);
        self.latency = latency.filter(|latency| !latency.is_zero()).map(|latency| nanos(latency) as f64);
        if let Some(latency) = self.latency {
            // Little's law: until it is measured, this is how fast so many calls end.
            self.drain.suppose(f64::from(self.limit) * 1e9 / latency);
        }
    }

    /// How long a request of a class would wait, if it can be told, in nanoseconds; of a tenant that has nobody here,
    /// where there are tenants.
    pub(super) fn foretell(&self, class: usize) -> Option<f64> {
        self.drain.left_for(class).map(|rate| drain::wait(self.ahead(class, self.newcomer(class)), rate))
    }

    /// When somebody of a class should come back.
    pub(super) fn retry_after(&self, class: usize) -> Duration {
        Self::come_back(self.foretell(class).unwrap_or(0.0))
    }

    /// When somebody should come back who would wait so long now.
    pub(super) fn come_back(wait: f64) -> Duration {
        drain::duration(wait.clamp(SOONEST, LATEST))
    }

    /// How many are served before the last of `own` of a tenant, itself included. The others of its class come before
    /// it in turn, not all of them.
    pub(super) fn ahead(&self, class: usize, own: u64) -> u64 {
        let better: u64 = (0..class).map(|class| u64::from(self.lines.waiting(class))).sum();
        let tenants = u64::from(self.lines.tenants(class)) + u64::from(own == 1);
        better + (u64::from(self.lines.waiting(class)) + 1).min(own.saturating_mul(tenants))
    }

    /// How long a tenant's `own`th of a class may be foretold to wait, in nanoseconds.
    pub(super) fn budget(&self, class: usize, own: u64, now: Instant) -> f64 {
        let calm = class == Priority::Critical.level() || !self.is_standing(now);
        let sparse = own == 1 || self.lines.tenants(class) > 1 && own <= SPARSE;
        let share = match (calm, sparse) {
            (true, _) => 1.0,
            (false, true) => SPARSE_SHARE,
            (false, false) => TARGET,
        };
        share * self.bridge()
    }

    /// Until when everybody of a class would be refused, even whose tenant has nobody here.
    pub(super) fn shut(&self, arrival: &Arrival) -> Option<Instant> {
        let Arrival { class, now, .. } = *arrival;
        let over = self.foretell(class)? - self.budget(class, self.newcomer(class), now);
        (over > 0.0).then(|| now.after(drain::duration(over.min(SHUT))))
    }

    /// The last moment at which a call can still begin that has to end by `deadline`.
    pub(super) fn in_time(&self, deadline: Instant) -> Instant {
        if deadline == Instant::FAR {
            return deadline;
        }
        deadline.before(drain::duration(self.latency().unwrap_or(0.0)))
    }

    /// How long anybody waits at most in the first lane.
    pub(super) fn patience(&self) -> Duration {
        match self.lane.as_ref().and_then(|lane| lane.open()?.demotion_after) {
            Some(age) => age,
            None => drain::duration(PATIENCE * self.bridge()),
        }
    }

    /// The configured burst, in nanoseconds.
    pub(super) fn burst(&self) -> f64 {
        nanos(self.settings.burst) as f64
    }

    /// How many may wait in the first lane.
    pub(super) fn places(&self) -> f64 {
        match self.settings.max_waiting {
            Some(places) => f64::from(places.get()),
            None => {
                let burst = BURSTS * self.drain.steady_rate().unwrap_or(0.0) * self.bridge() / 1e9;
                PLACES.max(TIMES_LIMIT * f64::from(self.limit)).max(burst).min(MOST)
            }
        }
    }

    /// Which of its tenant's the next to come would be: the first, where there are tenants.
    fn newcomer(&self, class: usize) -> u64 {
        if self.tenanted { 1 } else { u64::from(self.lines.waiting(class)) + 1 }
    }

    /// How long a call takes: by the limit, else by Little's law. That cannot tell a slow callee from one that has
    /// stopped, so it is not believed without end.
    fn latency(&self) -> Option<f64> {
        let little = || Some(drain::wait(u64::from(self.limit), self.drain.steady_rate()?).min(LITTLE));
        self.latency.or_else(little)
    }

    /// How long a burst it bridges, in nanoseconds.
    fn bridge(&self) -> f64 {
        self.burst().max(SCALE * self.latency().unwrap_or(0.0))
    }
}
