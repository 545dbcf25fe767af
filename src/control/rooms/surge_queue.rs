use super::{super::Control, observe_only, observing};
use crate::{
    event::Hold,
    limit::Limit,
    surge_queue,
    telemetry::{Attributes, Metric, Page},
};

/// The attribute of each class of requests.
const CLASSES: [Attributes; 4] = [
    &[("plimsoll.class", "critical")],
    &[("plimsoll.class", "normal")],
    &[("plimsoll.class", "sheddable")],
    &[("plimsoll.class", "background")],
];

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
            page.set("surge.ttl", surge.ttl()).set("surge.demotion_after", surge.demotion_after());
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
