use super::super::Control;
use crate::{
    keyed,
    telemetry::{Metric, Page},
};

/// There may be any number of gates: each is looked at through [`keyed::Handle::get`]. Only how they are set is told
/// here, if [somebody said](keyed::Keyed::described_as) how that is known.
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
        if let Some(each) = self.each() {
            page.each(each);
        }
        page.gauge(Metric::Keys, &[], now.keys as f64).gauge(Metric::KeysLimit, &[], self.capacity() as f64);
        page.counter(Metric::KeysForgotten, &[("plimsoll.why", "room")], now.evicted);
        page.counter(Metric::KeysForgotten, &[("plimsoll.why", "idle")], now.expired);
        page.counter(Metric::KeysOverflowed, &[], now.overflowed);
    }
}
