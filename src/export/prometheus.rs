use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, LabelSetEncoder, MetricEncoder},
    metrics::{MetricType, exemplar::Exemplar},
    registry::Unit,
};

use crate::{
    control::{Layer, Registry},
    telemetry::{Attributes, Histogram, Kind, Metric, Number, Sample},
};

/// A collector for a `prometheus-client` registry: on each scrape it reports how all layers stand.
///
/// Names are those of [`Metric`] with underscores, and the suffixes of OpenMetrics: `plimsoll_refusals_total`,
/// `plimsoll_call_duration_seconds_bucket`. Labels likewise: `plimsoll_layer`, `plimsoll_reason`.
///
/// ```
/// use plimsoll::{Stack, bulkhead, export::Prometheus};
/// use prometheus_client::{encoding::text::encode, registry::Registry};
///
/// let stack = Stack::new().bulkhead(bulkhead::Settings::try_new(64)?.with_name("db")).counted();
/// let mut registry = Registry::default();
/// registry.register_collector(Box::new(Prometheus::new(stack.control())));
///
/// // On each scrape:
/// let mut text = String::new();
/// encode(&mut text, &registry)?;
/// assert!(text.contains("plimsoll_limit{plimsoll_layer=\"db\"} 64.0\n"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prometheus(Registry);

impl Prometheus {
    /// Reports these layers.
    pub const fn new(registry: Registry) -> Self {
        Self(registry)
    }
}

impl Collector for Prometheus {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self.0.snapshot();
        for metric in Metric::ALL {
            let mut numbers = snapshot.numbers_of(*metric).peekable();
            if numbers.peek().is_none() {
                continue;
            }
            let name = metric.name().replace('.', "_");
            let help = format!("{}.", metric.description());
            let unit = (metric.unit() == "s").then_some(Unit::Seconds);
            let kind = match metric.kind() {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut family = encoder.encode_descriptor(&name, &help, unit.as_ref(), kind)?;
            for (layer, sample) in numbers {
                let labels = Labels::new(layer, sample);
                encode(family.encode_family(&labels)?, &sample.number)?;
            }
        }
        Ok(())
    }
}

fn encode(mut encoder: MetricEncoder<'_>, number: &Number) -> fmt::Result {
    const NO_EXEMPLAR: Option<&Exemplar<Labels, f64>> = None;
    match number {
        Number::Counter(count) => encoder.encode_counter(count, NO_EXEMPLAR),
        Number::Gauge(gauge) => encoder.encode_gauge(gauge),
        Number::Histogram(histogram) => encoder.encode_histogram::<Labels>(
            histogram.sum().as_secs_f64(),
            histogram.count(),
            &buckets(histogram),
            None,
        ),
    }
}

/// The bucket without a bound is written as infinity.
fn buckets(histogram: &Histogram) -> Vec<(f64, u64)> {
    let bound = |bound: Option<std::time::Duration>| bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64());
    histogram.buckets().map(|(upper, count)| (bound(upper), count)).collect()
}

/// What tells a number from others of its metric.
#[derive(Clone, Debug)]
struct Labels {
    layer: Arc<str>,
    attributes: Attributes,
}

impl Labels {
    fn new(layer: &Layer, sample: &Sample) -> Self {
        Self { layer: Arc::clone(&layer.label), attributes: sample.attributes }
    }
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let layer = [("plimsoll.layer", &*self.layer)];
        for (key, value) in layer.iter().chain(self.attributes) {
            use prometheus_client::encoding::EncodeLabel;
            (&*key.replace('.', "_"), *value).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}
