use serde::{Serialize, Serializer, ser::SerializeMap};

use super::Report;
use crate::rejection::Reason;

/// The quantiles that are written.
const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];

/// A map of what the methods say, under their names. Times are in milliseconds, latencies are a map of quantiles,
/// refusals a map of reasons, and `answers` those of each 100 ms.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", self.name())?;
        map.serialize_entry("goodput", &self.goodput())?;
        map.serialize_entry("best", &self.best())?;
        map.serialize_entry("requests", &self.requests())?;
        map.serialize_entry("successes", &self.successes())?;
        map.serialize_entry("success", &self.success())?;
        map.serialize_entry("classes", self.classes())?;
        map.serialize_entry("tenants", self.tenants())?;
        map.serialize_entry("attempts", &self.attempts())?;
        map.serialize_entry("attempts_per_request", &self.attempts_per_request())?;
        map.serialize_entry("answered", &self.answered())?;
        map.serialize_entry("refused", &self.refused())?;
        map.serialize_entry("refused_for", &Reasons(self))?;
        map.serialize_entry("failed", &self.failed())?;
        map.serialize_entry("timed_out", &self.timed_out())?;
        map.serialize_entry("latency", &Quantiles(&|quantile| self.latency(quantile)))?;
        map.serialize_entry("mean_latency", &ms(self.mean_latency()))?;
        map.serialize_entry("time_to_refuse", &Quantiles(&|quantile| self.time_to_refuse(quantile)))?;
        map.serialize_entry("mean_time_to_refuse", &ms(self.mean_time_to_refuse()))?;
        map.serialize_entry("wasted", &self.wasted())?;
        map.serialize_entry("peak_in_flight", &self.peak_in_flight())?;
        map.serialize_entry("answers", &self.tally.answer_bins)?;
        map.serialize_entry("loads", self.loads())?;
        map.end()
    }
}

struct Reasons<'a>(&'a Report);

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = Reason::ALL.iter().map(|reason| (format!("{reason:?}"), self.0.refused_for(*reason)));
        serializer.collect_map(counts.filter(|(_, count)| *count > 0))
    }
}

struct Quantiles<'a>(&'a dyn Fn(f64) -> std::time::Duration);

impl Serialize for Quantiles<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(QUANTILES.map(|(name, quantile)| (name, ms((self.0)(quantile)))))
    }
}

fn ms(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
