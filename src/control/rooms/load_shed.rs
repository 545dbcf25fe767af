use super::{super::Control, observe_only, observing};
use crate::{
    event::Hold,
    load_shed,
    telemetry::{Attributes, Metric, Page},
};

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
