use metrics::{Key, Label, Level, Metadata, SharedString, Unit, with_recorder};

use super::delta::Before;
use crate::{
    control::{Layer, Registry},
    telemetry::{Histogram, Kind, Metric, Number, Sample},
};

/// Publishes through the `metrics` facade, to whatever recorder is installed.
///
/// Counters and gauges are set to their values. The facade's histograms take single values: each bucket's upper bound
/// is recorded once for each call that has come into it since the last time, so a recorder with buckets of its own
/// shows calls a bucket too high at most.
///
/// ```
/// use plimsoll::{Stack, bulkhead, export::Facade};
///
/// let stack = Stack::new().bulkhead(bulkhead::Settings::try_new(64)?.with_name("db")).counted();
/// let mut facade = Facade::new(stack.control());
/// facade.describe();
///
/// // Every few seconds, or before each scrape:
/// facade.publish();
/// # Ok::<_, plimsoll::InvalidSetting>(())
/// ```
#[derive(Debug)]
pub struct Facade {
    registry: Registry,
    before: Before,
}

const METADATA: Metadata<'static> = Metadata::new("plimsoll", Level::INFO, Some(module_path!()));

impl Facade {
    /// Publishes these layers.
    pub fn new(registry: Registry) -> Self {
        Self { registry, before: Before::default() }
    }

    /// Tells the recorder what the names mean. Call it once, after the recorder is installed.
    pub fn describe(&self) {
        with_recorder(|recorder| {
            for metric in Metric::ALL {
                let unit = Some(if metric.unit() == "s" { Unit::Seconds } else { Unit::Count });
                let says = SharedString::const_str(metric.description());
                match metric.kind() {
                    Kind::Counter => recorder.describe_counter(metric.name().into(), unit, says),
                    Kind::Gauge => recorder.describe_gauge(metric.name().into(), unit, says),
                    Kind::Histogram => recorder.describe_histogram(metric.name().into(), unit, says),
                }
            }
        });
    }

    /// Tells the recorder how all layers stand now.
    pub fn publish(&mut self) {
        let snapshot = self.registry.snapshot();
        let news = self.before.since(&snapshot);
        with_recorder(|recorder| {
            for (place, sample, new) in &news {
                let Some(layer) = snapshot.layers.get(*place) else { continue };
                let key = key(layer, sample);
                match (&sample.number, new) {
                    (Number::Counter(count), _) => recorder.register_counter(&key, &METADATA).absolute(*count),
                    (Number::Gauge(gauge), _) => recorder.register_gauge(&key, &METADATA).set(*gauge),
                    (Number::Histogram(_), Number::Histogram(new)) => {
                        record(&recorder.register_histogram(&key, &METADATA), new);
                    }
                    (Number::Histogram(_), _) => {}
                }
            }
        });
    }
}

fn key(layer: &Layer, sample: &Sample) -> Key {
    let labels = [Label::new("plimsoll.layer", layer.label.to_string())].into_iter();
    let labels = labels.chain(sample.attributes.iter().map(|(key, value)| Label::from_static_parts(key, value)));
    Key::from_parts(sample.metric.name(), labels.collect::<Vec<_>>())
}

fn record(histogram: &metrics::Histogram, new: &Histogram) {
    let mut low = std::time::Duration::ZERO;
    for (bound, count) in new.buckets() {
        low = bound.unwrap_or(low);
        if count > 0 {
            histogram.record_many(low.as_secs_f64(), usize::try_from(count).unwrap_or(usize::MAX));
        }
    }
}
