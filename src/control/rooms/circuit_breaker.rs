use super::super::Control;
use crate::{
    circuit_breaker::{self, State},
    event::Hold,
    telemetry::{Attributes, Metric, Page},
};

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
