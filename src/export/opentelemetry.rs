use opentelemetry::{
    KeyValue,
    metrics::{Meter, ObservableCounter, ObservableGauge},
};

use crate::{
    control::{Layer, Registry},
    telemetry::{Kind, Metric, Number, Sample},
};

/// The instruments that [`observe`] made. They work as long as their meter's provider does, whether this is kept or
/// not.
#[derive(Debug)]
#[allow(dead_code, reason = "what its name says; there is nothing to do with it")]
pub struct Instruments {
    counters: Vec<ObservableCounter<u64>>,
    sums: Vec<ObservableCounter<f64>>,
    gauges: Vec<ObservableGauge<f64>>,
}

/// Makes an observable instrument in `meter` for each [`Metric`]: whenever the provider's reader collects, it reads how
/// the layers stand.
///
/// There are no observable histograms. A histogram becomes three counters: `….count`, `….sum`, and `….bucket` with an
/// attribute `le`, the upper bound in seconds: each bucket counts everything up to its bound, as in Prometheus.
///
/// ```
/// use plimsoll::{Stack, bulkhead, export};
///
/// let stack = Stack::new().bulkhead(bulkhead::Settings::try_new(64)?.with_name("db")).counted();
/// let _instruments = export::observe(&opentelemetry::global::meter("plimsoll"), &stack.control());
/// # Ok::<_, plimsoll::InvalidSetting>(())
/// ```
pub fn observe(meter: &Meter, registry: &Registry) -> Instruments {
    let mut made = Instruments { counters: Vec::new(), sums: Vec::new(), gauges: Vec::new() };
    for metric in Metric::ALL.iter().copied() {
        match metric.kind() {
            Kind::Counter => made.counters.push(counter(meter, registry, metric, metric.name().to_owned(), of_counter)),
            Kind::Gauge => made.gauges.push(gauge(meter, registry, metric)),
            Kind::Histogram => {
                let name = |part: &str| format!("{}.{part}", metric.name());
                made.counters.push(counter(meter, registry, metric, name("count"), of_count));
                made.counters.push(counter(meter, registry, metric, name("bucket"), of_buckets));
                made.sums.push(sum(meter, registry, metric, name("sum")));
            }
        }
    }
    made
}

/// What one sample is to an instrument: numbers, each with an attribute or without.
type Read = fn(&Number) -> Vec<(u64, Option<KeyValue>)>;

fn counter(meter: &Meter, registry: &Registry, metric: Metric, name: String, read: Read) -> ObservableCounter<u64> {
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
    observed.build()
}

fn gauge(meter: &Meter, registry: &Registry, metric: Metric) -> ObservableGauge<f64> {
    let registry = registry.clone();
    let builder = meter.f64_observable_gauge(metric.name()).with_unit(metric.unit());
    let observed = builder.with_description(metric.description()).with_callback(move |instrument| {
        for (layer, sample) in registry.snapshot().numbers_of(metric) {
            if let Number::Gauge(number) = sample.number {
                instrument.observe(number, &attributes(layer, sample).collect::<Vec<_>>());
            }
        }
    });
    observed.build()
}

fn sum(meter: &Meter, registry: &Registry, metric: Metric, name: String) -> ObservableCounter<f64> {
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
    observed.build()
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
