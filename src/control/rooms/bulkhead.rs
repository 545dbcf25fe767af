use super::{super::Control, observe_only, observing};
use crate::{
    bulkhead,
    event::Hold,
    telemetry::{Metric, Page},
};

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
