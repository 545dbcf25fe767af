use opentelemetry::{KeyValue, metrics::Meter};

use crate::{
    control::{Layer, Registry},
    telemetry::{Kind, Metric, Number, Sample},
};

/// Observable instruments, of a meter of yours: whenever its provider's reader collects, they ask how all layers stand.
///
/// There are no observable histograms. A histogram becomes three counters: `….count`, `….sum`, and `….bucket` with an
/// attribute `le`, the upper bound in seconds: each bucket counts everything up to its bound, as in Prometheus.
///
/// ```
/// use plimsoll::{Stack, bulkhead, export::OpenTelemetry};
///
/// let stack = Stack::new().bulkhead(bulkhead::Settings::try_new(64)?.with_name("db")).counted();
/// OpenTelemetry::new(stack.control()).register(&opentelemetry::global::meter("plimsoll"));
/// # Ok::<_, plimsoll::InvalidSetting>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenTelemetry(Registry);

impl OpenTelemetry {
    /// Tells of these layers.
    pub const fn new(registry: Registry) -> Self {
        Self(registry)
    }

    /// Makes an instrument of `meter` for each [`Metric`]: once, as each call makes its own. They work as long as the meter's
    /// provider does.
    pub fn register(&self, meter: &Meter) {
        let registry = &self.0;
        for metric in Metric::ALL.iter().copied() {
            match metric.kind() {
                Kind::Counter => counter(meter, registry, metric, metric.name().to_owned(), of_counter),
                Kind::Gauge => gauge(meter, registry, metric),
                Kind::Histogram => {
                    let name = |part: &str| format!("{}.{part}", metric.name());
                    counter(meter, registry, metric, name("count"), of_count);
                    counter(meter, registry, metric, name("bucket"), of_buckets);
                    sum(meter, registry, metric, name("sum"));
                }
            }
        }
    }
}

/// What one sample is to an instrument: numbers, each with an attribute or without.
type Read = fn(&Number) -> Vec<(u64, Option<KeyValue>)>;

fn counter(meter: &Meter, registry: &Registry, metric: Metric, name: String, read: Read) {
    let registry = registry.clone();
    let unit = if metric.kind() == Kind::Histogram { "{call}" } else { metric.unit() };
    let builder = meter.u64_observable_counter(name).with_unit(unit).with_description(metric.description());
    let observed = builder.with_callback(move |instrument| {
        for (layer, sample) in registry.snapshot().numbers_of(metric) {
            for (number, more) in read(&sample.number) {
                let attributes: Vec<_> = attributes(layer, sample).chain(more).collect();
                instrument.observe(number, &attributes);
            }
        }
    });
    // There is nothing to keep: the provider has the callback.
    let _ = observed.build();
}

fn gauge(meter: &Meter, registry: &Registry, metric: Metric) {
    let registry = registry.clone();
    let builder = meter.f64_observable_gauge(metric.name()).with_unit(metric.unit());
    let observed = builder.with_description(metric.description()).with_callback(move |instrument| {
        for (layer, sample) in registry.snapshot().numbers_of(metric) {
            if let Number::Gauge(number) = sample.number {
                instrument.observe(number, &attributes(layer, sample).collect::<Vec<_>>());
            }
        }
    });
    let _ = observed.build();
}

fn sum(meter: &Meter, registry: &Registry, metric: Metric, name: String) {
    let registry = registry.clone();
    let builder = meter.f64_observable_counter(name).with_unit(metric.unit());
    let observed = builder.with_description(metric.description()).with_callback(move |instrument| {
        for (layer, sample) in registry.snapshot().numbers_of(metric) {
            if let Number::Histogram(histogram) = &sample.number {
                let attributes: Vec<_> = attributes(layer, sample).collect();
                instrument.observe(histogram.sum().as_secs_f64(), &attributes);
            }
        }
    });
    let _ = observed.build();
}

fn of_counter(number: &Number) -> Vec<(u64, Option<KeyValue>)> {
    if let Number::Counter(count) = number { vec![(*count, None)] } else { Vec::new() }
}

fn of_count(number: &Number) -> Vec<(u64, Option<KeyValue>)> {
    if let Number::Histogram(histogram) = number { vec![(histogram.count(), None)] } else { Vec::new() }
}

fn of_buckets(number: &Number) -> Vec<(u64, Option<KeyValue>)> {
    let Number::Histogram(histogram) = number else { return Vec::new() };
    let mut below: u64 = 0;
    let buckets = histogram.buckets().map(|(bound, count)| {
        below = below.wrapping_add(count);
        let bound = bound.map_or("+Inf".to_owned(), |bound| bound.as_secs_f64().to_string());
        (below, Some(KeyValue::new("le", bound)))
    });
    buckets.collect()
}

fn attributes<'a>(layer: &'a Layer, sample: &'a Sample) -> impl Iterator<Item = KeyValue> + 'a {
    let layer = KeyValue::new("plimsoll.layer", layer.label.to_string());
    [layer].into_iter().chain(sample.attributes.iter().map(|(key, value)| KeyValue::new(*key, *value)))
}
