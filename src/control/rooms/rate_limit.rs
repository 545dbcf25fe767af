use super::{super::Control, observe_only, observing};
use crate::{
    event::Hold,
    rate_limit,
    telemetry::{Attributes, Metric, Page},
};

/// The attribute of each quota, by its place in the settings.
const QUOTAS: [Attributes; rate_limit::MAX_QUOTAS] =
    [&[("plimsoll.quota", "1")], &[("plimsoll.quota", "2")], &[("plimsoll.quota", "3")], &[("plimsoll.quota", "4")]];

impl Control for rate_limit::Handle {
    fn room(&self) -> &'static str {
        "rate_limit"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        let settings = now.settings;
        let quotas: Vec<_> = settings.quotas().iter().map(ToString::to_string).collect();
        page.set("quotas", quotas.join("; "));
        page.set("max_waiting", settings.max_waiting()).set("max_wait", settings.max_wait());
        page.set("refunds", settings.refunds()).set("max_hint", settings.max_hint());
        for (remaining, attributes) in now.remaining.iter().flatten().zip(QUOTAS) {
            page.gauge(Metric::Quota, attributes, remaining.limit);
            page.gauge(Metric::QuotaRemaining, attributes, remaining.remaining);
        }
        page.gauge(Metric::Waiting, &[], now.waiting as f64).gauge(Metric::Pause, &[], now.pause.as_secs_f64());
        page.hold(observing(now.observe_only));
    }

    observe_only!();
}
