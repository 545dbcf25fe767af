use super::super::Control;
use crate::{
    keyed,
    telemetry::{Metric, Page},
};

/// Of the keys' gates there may be any number: each is looked at through [`keyed::Handle::get`], and none is told of
/// here.
impl<K, G, S> Control for keyed::Handle<K, G, S>
where
    K: Send + Sync + 'static,
    G: Send + Sync + 'static,
    S: Send + Sync + 'static,
{
    fn room(&self) -> &'static str {
        "keyed"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        let settings = now.settings;
        page.set("capacity", settings.capacity()).set("idle", settings.idle());
        page.set("overflow", format!("{:?}", settings.overflow()));
        page.gauge(Metric::Keys, &[], now.keys as f64).gauge(Metric::KeysLimit, &[], self.capacity() as f64);
        page.counter(Metric::KeysForgotten, &[("plimsoll.why", "room")], now.evicted);
        page.counter(Metric::KeysForgotten, &[("plimsoll.why", "idle")], now.expired);
        page.counter(Metric::KeysOverflowed, &[], now.overflowed);
    }
}
