use super::super::Control;
use crate::{
    meter,
    telemetry::{Metric, Page},
};

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
