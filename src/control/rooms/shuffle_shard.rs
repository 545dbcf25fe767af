use super::{super::Control, observe_only, observing};
use crate::{
    event::Hold,
    shuffle_shard::{self, Exhausted, Health, sharded_bulkhead},
    telemetry::{Attributes, Metric, Page},
};

/// How a member can be.
const STATES: [Attributes; 5] = [
    &[("plimsoll.state", "serving")],
    &[("plimsoll.state", "busy")],
    &[("plimsoll.state", "shut")],
    &[("plimsoll.state", "ejected")],
    &[("plimsoll.state", "held")],
];

const fn state(health: &Health) -> usize {
    match health {
        Health::Serving => 0,
        Health::Busy(_) => 1,
        Health::Shut(_) => 2,
        Health::Ejected(_) => 3,
        Health::Held => 4,
    }
}

/// Of the members themselves there may be any number, and they come and go: how many are how is told here, and each is
/// looked at through [`shuffle_shard::Handle::snapshot`].
impl Control for shuffle_shard::Handle {
    fn room(&self) -> &'static str {
        "shuffle_shard"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        let (settings, outliers) = (now.settings, now.settings.outliers());
        page.set("consecutive_failures", outliers.consecutive_failures());
        page.set("success_rate", outliers.success_rate().is_some()).set("interval", outliers.interval());
        page.set("ejection_time", outliers.base_ejection_time()).set("ejection_time.max", outliers.max_ejection_time());
        page.set("max_ejected", outliers.max_ejected()).set("panic_below", outliers.panic_below());
        let spill = if let Exhausted::Spill(share) = settings.exhausted() { Some(share) } else { None };
        page.set("spill", spill).set("hung_after", settings.hung_after()).set("max_hint", settings.max_hint());
        let mut states = [0_u32; STATES.len()];
        for member in &now.members {
            states[state(&member.health)] += 1;
        }
        for (members, attributes) in states.into_iter().zip(STATES) {
            page.gauge(Metric::Shards, attributes, members);
        }
        let in_flight: u64 = now.members.iter().map(|member| u64::from(member.in_flight)).sum();
        page.gauge(Metric::InUse, &[], in_flight as f64).gauge(Metric::ShardPanic, &[], u32::from(now.panic));
        page.counter(Metric::Spilled, &[], now.spilled).counter(Metric::Resent, &[], now.resent);
    }
}

impl Control for sharded_bulkhead::Handle {
    fn room(&self) -> &'static str {
        "sharded_bulkhead"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        let settings = now.settings;
        page.set("permits", settings.permits()).set("cells", settings.cells());
        page.set("hand", settings.hand_size().get());
        let limit = u64::from(settings.permits().get()).saturating_mul(settings.cells().into());
        page.gauge(Metric::Limit, &[], limit as f64).gauge(Metric::InUse, &[], now.in_use() as f64);
        page.gauge(Metric::CellsFull, &[], now.full() as f64).hold(observing(now.observe_only));
    }

    observe_only!();
}
