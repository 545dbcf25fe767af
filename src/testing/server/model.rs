//! What a modelled server is like: a plain value.

use std::time::Duration;

use super::law::Law;
use crate::{
    clock::nanos,
    testing::{
        curve::{Curve, Piece, secs},
        span::{Draw, Span, unit},
    },
};

/// What a modelled server is like: how it is shared among its requests, how much work they are, how its speed changes,
/// and what it does about callers that are gone.
///
/// Nonsensical numbers (no cores, a share that is NaN) make a server that hangs or a term that is left out, never a
/// panic.
#[derive(Clone, Debug)]
#[must_use]
pub struct Model {
    pub(super) law: Law,
    work: Span,
    /// By class, where it differs.
    work_of: Vec<(u8, Span)>,
    /// Other work, for a share of the requests that changes.
    mix: Option<(Curve, Span)>,
    delay: Option<Span>,
    pub(super) delay_first: bool,
    pub(super) delay_scale: Curve,
    holders: Option<(f64, Span)>,
    /// By class, for those of whose requests all hold.
    hold_of: Vec<(u8, Span)>,
    pub(super) speed: Curve,
    failures: Curve,
    pub(super) cancels: bool,
    pub(super) refusal_cost: f64,
}

/// What one request asks of a server, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Task {
    /// Seconds of work, at the speed of a job that is alone.
    pub(super) work: f64,
    /// Seconds of waiting for something else: a database, another service.
    pub(super) delay: f64,
    /// Seconds for which it keeps its place and does nothing.
    pub(super) hold: f64,
    pub(super) fails: bool,
}

impl Model {
    /// Processor sharing: `cores` cores, evenly shared among all requests that are there. No queue, and no loss however
    /// many there are; see [`penalty`](Self::penalty).
    pub fn cores(cores: u32) -> Self {
        Self::of(Law::Cores { cores, knee: cores, linear: 0.0, square: 0.0 })
    }

    /// The server of most overload scenarios: 8 cores, 10 ms of work (lognormal, σ = 0.8), so 800 requests a second; it
    /// does 98 % of that with 16 requests in flight, 85 % with 64, 47 % with 200, 4 % with 1000.
    pub fn knee() -> Self {
        Self::cores(8).penalty(0.016, 0.00128).work(Span::lognormal(Duration::from_millis(10), 0.8))
    }

    /// The [Universal Scalability Law](http://www.perfdynamics.com/Manifesto/USLscalability.html): N requests go at N /
    /// (1 + σ(N − 1) + κN(N − 1)) times the speed of one. Contention σ flattens the curve, coherency κ bends it down
    /// again: the peak is at √((1 − σ) / κ).
    pub fn usl(sigma: f64, kappa: f64) -> Self {
        Self::of(Law::Usl { sigma, kappa })
    }

    /// `workers` workers that each do one request at a time, and a first-in-first-out queue without bound in front of
    /// them that nobody outside can see: a thread pool, a connection pool.
    pub fn pool(workers: u32) -> Self {
        Self::of(Law::Pool { workers })
    }

    fn of(law: Law) -> Self {
        Self {
            law,
            work: Span::constant(Duration::from_millis(10)),
            work_of: Vec::new(),
            mix: None,
            delay: None,
            delay_first: false,
            delay_scale: Curve::constant(1.0),
            holders: None,
            hold_of: Vec::new(),
            speed: Curve::constant(1.0),
            failures: Curve::constant(0.0),
            cancels: false,
            refusal_cost: 0.0,
        }
    }

    /// Makes cores lose speed to too many requests at work: with x = (N − cores) / cores, if above 0, to 1 / (1 +
    /// `linear`·x + `square`·x²). Only for [`cores`](Self::cores).
    pub fn penalty(mut self, linear: f64, square: f64) -> Self {
        if let Law::Cores { cores, knee, .. } = self.law {
            self.law = Law::Cores { cores, knee, linear, square };
        }
        self
    }

    /// Makes the [penalty](Self::penalty) begin at this many requests at work, in place of the number of cores: x = (N
    /// − `requests`) / `requests`. Zero counts as one.
    pub fn knee_at(mut self, requests: u32) -> Self {
        if let Law::Cores { cores, linear, square, .. } = self.law {
            self.law = Law::Cores { cores, knee: requests, linear, square };
        }
        self
    }

    /// Makes cores go at full speed with up to `requests` requests at once, and at the share `left` of that with more:
    /// a machine that begins to swap. Only for [`cores`](Self::cores).
    pub fn cliff(mut self, requests: u32, left: f64) -> Self {
        if let Law::Cores { cores, .. } = self.law {
            self.law = Law::Cliff { cores, jobs: requests, left };
        }
        self
    }

    /// How much work a request is: the time it takes when it is alone. By default 10 ms.
    pub fn work(mut self, work: impl Into<Span>) -> Self {
        self.work = work.into();
        self
    }

    /// How much work the requests of `class` are. The last word for a class counts.
    pub fn work_of(mut self, class: u8, work: impl Into<Span>) -> Self {
        self.work_of.retain(|(known, _)| *known != class);
        self.work_of.push((class, work.into()));
        self
    }

    /// Gives a share of the requests, which may change over time, this work instead: a mix that shifts. A share above 1
    /// counts as 1. Classes with work of their own are left out.
    pub fn mix(mut self, share: impl Into<Curve>, work: impl Into<Span>) -> Self {
        self.mix = Some((share.into(), work.into()));
        self
    }

    /// Makes a request wait after its work is done for something else, which costs this server nothing: a database, a
    /// service further on. Any number may wait at once.
    pub fn delay(mut self, delay: impl Into<Span>) -> Self {
        (self.delay, self.delay_first) = (Some(delay.into()), false);
        self
    }

    /// As [`delay`](Self::delay), but before its work is done.
    pub fn delay_first(mut self, delay: impl Into<Span>) -> Self {
        (self.delay, self.delay_first) = (Some(delay.into()), true);
        self
    }

    /// Multiplies delays by this, also those under way, without loss of capacity. Zero never ends them.
    pub fn delay_scale(mut self, scale: impl Into<Curve>) -> Self {
        self.delay_scale = scale.into();
        self
    }

    /// Makes a share of the requests keep their places for a while without any work: streams, long polls. Their clients
    /// give up on them as on others; for more patient clients, see [`hold_of`](Self::hold_of).
    pub fn holders(mut self, share: f64, hold: impl Into<Span>) -> Self {
        self.holders = Some((share, hold.into()));
        self
    }

    /// Makes all requests of `class` keep their places for this long without any work. In a load of their own, their
    /// clients can be as patient as those of streams are. The last word for a class counts.
    pub fn hold_of(mut self, class: u8, hold: impl Into<Span>) -> Self {
        self.hold_of.retain(|(known, _)| *known != class);
        self.hold_of.push((class, hold.into()));
        self
    }

    /// How fast it is, over time: 1 is as built, 0 stands still, 0.2 is five times slower. Requests that are under way
    /// feel it at once.
    pub fn speed(mut self, speed: impl Into<Curve>) -> Self {
        self.speed = speed.into();
        self
    }

    /// Makes a share of the requests, which may change over time, fail with [`Broken`](super::Broken) when their time
    /// is over.
    pub fn failures(mut self, share: impl Into<Curve>) -> Self {
        self.failures = share.into();
        self
    }

    /// Makes it stop working on a request whose future was dropped. By default it works on to the end, for nobody, as
    /// most servers do.
    pub const fn cancels(mut self) -> Self {
        self.cancels = true;
        self
    }

    /// What a refused attempt still costs this server in time on one core: accepting, parsing, answering. It is taken
    /// from the requests under way.
    pub const fn refusal_cost(mut self, cost: Duration) -> Self {
        self.refusal_cost = cost.as_secs_f64();
        self
    }

    /// How many requests a second it can do at that time, at its best: the peak of its law and speed, over the mean
    /// work of requests without a class of their own. Infinite if those are no work.
    pub fn capacity(&self, since_start: Duration) -> f64 {
        self.capacity_piece(nanos(since_start)).value
    }

    /// The same, and until when it holds.
    pub(super) fn capacity_piece(&self, at: u64) -> Piece {
        let speed = self.speed.piece(at);
        let mixed = self.mix.as_ref().map_or(u64::MAX, |(share, _)| share.piece(at).until);
        let peak = self.law.peak() * speed.value;
        // A server that stands still does nothing, even if that is no work.
        let value = if peak > 0.0 { peak / self.mean_work(None, at) } else { 0.0 };
        Piece { value, until: speed.until.min(mixed) }
    }

    /// The mean work of a request, in seconds.
    pub(super) fn mean_work(&self, class: Option<u8>, at: u64) -> f64 {
        if class.is_some_and(|class| of_class(&self.hold_of, class).is_some()) {
            return 0.0;
        }
        let working = 1.0 - self.holders.map_or(0.0, |(share, _)| if share > 0.0 { share.min(1.0) } else { 0.0 });
        working
            * match (class.and_then(|class| of_class(&self.work_of, class)), &self.mix) {
                (Some(own), _) => own.mean_secs(),
                (None, Some((share, other))) => {
                    let share = share.at(Duration::from_nanos(at)).min(1.0);
                    self.work.mean_secs() * (1.0 - share) + other.mean_secs() * share
                }
                (None, None) => self.work.mean_secs(),
            }
    }

    /// What a request of this class that comes at `at` asks for.
    pub(super) fn draw(&self, class: u8, at: u64, random: Draw<'_>) -> Task {
        let at = Duration::from_nanos(at);
        let mut task = Task { fails: unit(random()) < self.failures.at(at), ..Task::default() };
        let holds = match (of_class(&self.hold_of, class), self.holders) {
            (Some(hold), _) => Some(hold),
            (None, Some((share, hold))) if unit(random()) < share => Some(hold),
            _ => None,
        };
        if let Some(hold) = holds {
            task.hold = hold.draw(random);
            return task;
        }
        let work = match (of_class(&self.work_of, class), &self.mix) {
            (Some(own), _) => own,
            (None, Some((share, other))) if unit(random()) < share.at(at) => *other,
            _ => self.work,
        };
        task.work = work.draw(random);
        task.delay = self.delay.map_or(0.0, |delay| delay.draw(random));
        task
    }
}

fn of_class(spans: &[(u8, Span)], class: u8) -> Option<Span> {
    spans.iter().find(|(known, _)| *known == class).map(|(_, span)| *span)
}

/// Seconds from nanoseconds, for what is reckoned in both.
pub(super) fn seconds(from: u64, to: u64) -> f64 {
    secs(to.saturating_sub(from))
}
