//! What the rooms' handles tell: a block for each.

use super::Control;
use crate::{
    bulkhead,
    circuit_breaker::{self, State},
    event::Hold,
    limit::Limit,
    load_shed, meter, retry, surge_queue,
    telemetry::{Attributes, Metric, Page},
    timeout,
};

/// The attribute of each class of requests.
const CLASSES: [Attributes; 4] = [
    &[("plimsoll.class", "critical")],
    &[("plimsoll.class", "normal")],
    &[("plimsoll.class", "sheddable")],
    &[("plimsoll.class", "background")],
];

/// How a layer stands that only observes or does not.
const fn observing(observe_only: bool) -> Hold {
    if observe_only { Hold::ObserveOnly } else { Hold::Automatic }
}

/// Holds by these two methods of a handle.
macro_rules! observe_only {
    () => {
        fn hold(&self, hold: Hold) -> bool {
            match hold {
                Hold::Automatic => self.automatic(),
                Hold::ObserveOnly => self.observe_only(),
                Hold::Closed | Hold::Open => return false,
            }
            true
        }
    };
}

impl Control for bulkhead::Handle {
    fn room(&self) -> &'static str {
        "bulkhead"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        let settings = now.settings;
        page.set("limit", settings.limit());
        page.set("max_waiting", settings.max_waiting()).set("max_wait", settings.max_wait());
        page.set("order", format!("{:?}", settings.order()));
        let guaranteed = settings.compartments().iter().filter(|permits| **permits > 0).map(u32::to_string);
        let guaranteed: Vec<_> = guaranteed.collect();
        page.set("compartments", if guaranteed.is_empty() { None } else { Some(guaranteed.join("+")) });
        page.gauge(Metric::Limit, &[], settings.limit().get()).gauge(Metric::InUse, &[], now.in_use);
        page.gauge(Metric::Waiting, &[], now.waiting as f64).hold(observing(now.observe_only));
    }

    observe_only!();
}

impl Control for timeout::Handle {
    fn room(&self) -> &'static str {
        "timeout"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        page.set("limit", self.snapshot().settings.limit());
    }
}

impl Control for circuit_breaker::Handle {
    fn room(&self) -> &'static str {
        "circuit_breaker"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        let settings = now.settings;
        page.set("consecutive_failures", settings.consecutive_failures()).set("failure_rate", settings.failure_rate());
        let slow = settings.slow_calls();
        page.set("slow_after", slow.map(|(after, _)| after)).set("slow_call_rate", slow.map(|(_, share)| share));
        let window = settings.window();
        page.set("window.calls", window.calls()).set("window.length", window.length());
        page.set("window.minimum", window.minimum()).set("hung_after", settings.hung_after());
        page.set("open_time", settings.open_time().first()).set("open_time.max", settings.open_time().max());
        page.set("max_hint", settings.max_hint()).set("calm", settings.calm());
        page.set("probes.successes", settings.probes().successes()).set("probes.of", settings.probes().of());
        page.set("probe_lease", settings.probe_lease()).set("ramp", settings.ramp());
        let states: [(State, Attributes); 4] = [
            (State::Closed, &[("plimsoll.state", "closed")]),
            (State::Open, &[("plimsoll.state", "open")]),
            (State::HalfOpen, &[("plimsoll.state", "half_open")]),
            (State::Ramping, &[("plimsoll.state", "ramping")]),
        ];
        for (state, attributes) in states {
            page.gauge(Metric::CircuitState, attributes, u32::from(state == now.state));
        }
        page.gauge(Metric::CircuitWindow, &[("plimsoll.outcome", "any")], now.counts.calls);
        page.gauge(Metric::CircuitWindow, &[("plimsoll.outcome", "failure")], now.counts.failures);
        page.gauge(Metric::CircuitWindow, &[("plimsoll.outcome", "slow")], now.counts.slow);
        page.hold(now.hold);
    }

    fn hold(&self, hold: Hold) -> bool {
        match hold {
            Hold::Automatic => self.automatic(),
            Hold::Closed => self.force_closed(),
            Hold::ObserveOnly => self.observe_only(),
            Hold::Open => self.force_open(),
        }
        true
    }
}

impl Control for load_shed::Handle {
    fn room(&self) -> &'static str {
        "load_shed"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        let settings = now.settings;
        page.set("initial_limit", settings.initial_limit()).set("max_limit", settings.max_limit());
        page.set("bottleneck", format!("{:?}", settings.bottleneck()));
        page.gauge(Metric::Limit, &[], now.limit).gauge(Metric::InUse, &[], now.in_use);
        page.gauge(Metric::Parked, &[], now.parked);
        let estimates: [(_, Attributes); 2] =
            [(now.latency, &[("plimsoll.estimate", "mean")]), (now.baseline, &[("plimsoll.estimate", "baseline")])];
        for (time, attributes) in estimates {
            if let Some(time) = time {
                page.gauge(Metric::CallTime, attributes, time.as_secs_f64());
            }
        }
        page.hold(observing(now.observe_only));
    }

    observe_only!();
}

impl<L> Control for surge_queue::Handle<L>
where
    L: Limit<Permit: Send> + Send + Sync + 'static,
{
    fn room(&self) -> &'static str {
        "surge_queue"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        let settings = now.settings;
        page.set("burst", settings.burst()).set("max_waiting", settings.max_waiting());
        if let Some(surge) = settings.surge() {
            page.set("surge.concurrency", surge.concurrency()).set("surge.max_waiting", surge.max_waiting());
            page.set("surge.ttl", surge.ttl()).set("surge.demote_after", surge.demote_after());
            page.set("surge.lending", surge.lending()).set("surge.ramp.burst", surge.ramp().burst());
            page.set("surge.ramp.step", surge.ramp().step()).set("surge.ramp.every", surge.ramp().every());
        }
        page.gauge(Metric::Limit, &[], now.limit);
        let second = now.surge.map_or([0; 4], |lane| lane.waiting);
        for (class, attributes) in CLASSES.into_iter().enumerate() {
            page.gauge(Metric::Waiting, attributes, now.waiting[class].saturating_add(second[class]));
            if let Some(wait) = now.foretold_wait[class] {
                page.gauge(Metric::ForetoldWait, attributes, wait.as_secs_f64());
            }
        }
        page.gauge(Metric::OldestWait, &[], now.oldest.unwrap_or_default().as_secs_f64());
        page.gauge(Metric::Standing, &[], u32::from(now.standing));
        page.counter(Metric::DeadLetters, &[], now.dead_letters).hold(observing(now.observe_only));
    }

    observe_only!();
}

impl Control for retry::Handle {
    fn room(&self) -> &'static str {
        "retry"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        let (settings, backoff) = (now.settings, now.settings.backoff());
        page.set("attempts", settings.attempts()).set("backoff.base", backoff.base());
        page.set("backoff.throttled_base", backoff.throttled_base()).set("backoff.cap", backoff.cap());
        page.set("backoff.jitter", format!("{:?}", backoff.jitter())).set("max_hint", settings.max_hint());
        if let Some(budget) = self.budget().map(retry::Budget::settings) {
            page.set("budget.ratio", budget.ratio()).set("budget.cap", budget.cap());
            page.set("budget.refill", budget.refill());
        }
        page.counter(Metric::RetriesSent, &[], now.retries).counter(Metric::RetriesStopped, &[], now.stopped);
        if let Some(balance) = now.balance {
            page.gauge(Metric::Budget, &[], balance);
        }
    }
}

impl Control for meter::Handle {
    fn room(&self) -> &'static str {
        "meter"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        page.set("times", now.settings.times()).set("events", now.settings.events());
        page.gauge(Metric::CallsActive, &[], now.active as f64);
        for (ended, attributes) in meter::ENDED {
            page.counter(Metric::Calls, attributes, now.ended(ended));
        }
        page.histogram(Metric::CallDuration, &[("plimsoll.outcome", "success")], now.successes);
        page.histogram(Metric::CallDuration, &[("plimsoll.outcome", "failure")], now.failures);
    }
}
