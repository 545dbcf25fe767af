use super::{super::Control, observe_only, observing};
use crate::{
    event::Hold,
    shuffle_shard::sharded_bulkhead,
    telemetry::{Metric, Page},
};

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
