use super::{super::Control, observe_only, observing};
use crate::{
    event::Hold,
    telemetry::{Attributes, Metric, Page},
    work_budget::{self, Usage},
};

impl Control for work_budget::Handle {
    fn room(&self) -> &'static str {
        "work_budget"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        let settings = now.settings;
        page.set("seats", settings.seats()).set("width", settings.width());
        // By default no number of units takes a second seat.
        let per_seat = settings.fuel_per_seat().get();
        page.set("fuel_per_seat", (per_seat < u64::MAX).then_some(per_seat));
        page.set("fuel", settings.fuel().map(|fuel| fuel.get()));
        page.set("headroom", settings.headroom()).set("over_cost", format!("{:?}", settings.over_cost()));
        page.set("max_waiting", settings.max_waiting()).set("max_wait", settings.max_wait());
        page.set("correction", settings.correction()).set("max_page", settings.max_page());
        page.set("max_busy", settings.max_busy()).set("long_poll", settings.long_poll());
        let lanes: [(Usage, Attributes); 2] =
            [(now.seats, &[("plimsoll.lane", "ordinary")]), (now.demoted, &[("plimsoll.lane", "demoted")])];
        for (usage, attributes) in lanes {
            page.gauge(Metric::Limit, attributes, usage.capacity).gauge(Metric::InUse, attributes, usage.in_use);
            page.gauge(Metric::Waiting, attributes, usage.waiting as f64);
        }
        page.counter(Metric::WorkGranted, &[], now.granted).counter(Metric::WorkSpent, &[], now.spent);
        page.counter(Metric::WorkExhausted, &[], now.exhausted);
        if let Some(spread) = now.spread {
            page.gauge(Metric::WorkSpread, &[("plimsoll.quantile", "0.5")], spread.median as f64);
            page.gauge(Metric::WorkSpread, &[("plimsoll.quantile", "0.99")], spread.p99 as f64);
        }
        page.hold(observing(now.observe_only));
    }

    observe_only!();
}
