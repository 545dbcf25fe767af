use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};

use super::delta::Before;
use crate::{
    control::Registry,
    telemetry::{Attributes, Histogram, Metric, Number},
};

/// Writes log lines that CloudWatch turns into metrics: its embedded metric format. On AWS Lambda, on ECS with the
/// `awslogs` driver, or beside the CloudWatch agent, nothing else is needed.
///
/// Each line is one JSON object, for one layer and one set of attributes. Counters are written as their increase since
/// the last time, as CloudWatch adds up; gauges as they are; histograms as the middle of each bucket and its increase.
/// A counter that has not increased is left out. Layers and attributes are dimensions.
///
/// ```
/// use plimsoll::{Stack, bulkhead, export::Emf};
///
/// let stack = Stack::new().bulkhead(bulkhead::Settings::try_new(64)?.with_name("db")).counted();
/// let mut emf = Emf::new(stack.control(), "shop");
///
/// // Each minute; the time is in milliseconds since 1970.
/// for line in emf.lines(1_700_000_000_000) {
///     println!("{line}");
/// }
/// # Ok::<_, plimsoll::InvalidSetting>(())
/// ```
#[derive(Debug)]
pub struct Emf {
    registry: Registry,
    namespace: String,
    before: Before,
}

impl Emf {
    /// Lines about these layers, in this namespace.
    pub fn new(registry: Registry, namespace: impl Into<String>) -> Self {
        Self { registry, namespace: namespace.into(), before: Before::default() }
    }

    /// The lines for the time since the last call. `unix_millis` is the time now, in milliseconds since 1970: nothing
    /// here reads a clock that a test could not move.
    pub fn lines(&mut self, unix_millis: u64) -> Vec<String> {
        let snapshot = self.registry.snapshot();
        let mut lines = BTreeMap::<(usize, Attributes), Vec<_>>::new();
        for (place, sample, number) in self.before.since(&snapshot) {
            if let Some(value) = value(&number) {
                lines.entry((place, sample.attributes)).or_default().push((sample.metric, value));
            }
        }
        let label = |place: usize| snapshot.layers.get(place).map_or("", |layer| &*layer.label);
        let lines = lines.into_iter();
        lines.map(|((place, attributes), metrics)| self.line(unix_millis, label(place), attributes, metrics)).collect()
    }

    fn line(&self, millis: u64, label: &str, attributes: Attributes, metrics: Vec<(Metric, Value)>) -> String {
        let label = dimension(label);
        let dimensions: Vec<_> = [("plimsoll.layer", &*label)].into_iter().chain(attributes.iter().copied()).collect();
        let keys: Vec<_> = dimensions.iter().map(|(key, _)| *key).collect();
        let definitions = metrics.iter().map(|(metric, _)| json!({"Name": metric.name(), "Unit": unit(*metric)}));
        let definitions: Vec<_> = definitions.collect();
        let directive = json!({"Namespace": self.namespace, "Dimensions": [keys], "Metrics": definitions});
        let mut line = Map::new();
        line.insert("_aws".to_owned(), json!({"Timestamp": millis, "CloudWatchMetrics": [directive]}));
        line.extend(dimensions.into_iter().map(|(key, value)| (key.to_owned(), value.into())));
        line.extend(metrics.into_iter().map(|(metric, value)| (metric.name().to_owned(), value)));
        Value::Object(line).to_string()
    }
}

/// CloudWatch has no use for an empty dimension, nor for one of more than 1024 bytes.
fn dimension(label: &str) -> String {
    let cut: String = label.chars().filter(|letter| !letter.is_control()).take(250).collect();
    if cut.trim().is_empty() { "unnamed".to_owned() } else { cut }
}

fn unit(metric: Metric) -> &'static str {
    match metric.unit() {
        "s" => "Seconds",
        "1" => "None",
        _ => "Count",
    }
}

/// `None` where there is nothing to tell, or nothing that JSON can say.
fn value(number: &Number) -> Option<Value> {
    match number {
        Number::Counter(0) => None,
        Number::Counter(count) => Some((*count).into()),
        Number::Gauge(gauge) => gauge.is_finite().then(|| (*gauge).into()),
        Number::Histogram(histogram) => spread(histogram),
    }
}

/// Values and how often they came. There are fewer buckets than the hundred values that a line may hold.
fn spread(histogram: &Histogram) -> Option<Value> {
    let mut low = Duration::ZERO;
    let (mut values, mut counts) = (Vec::new(), Vec::new());
    for (high, count) in histogram.buckets() {
        let high = high.unwrap_or(low);
        if count > 0 {
            values.push((low + (high - low) / 2).as_secs_f64());
            counts.push(count);
        }
        low = high;
    }
    (!values.is_empty()).then(|| json!({"Values": values, "Counts": counts}))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JSON has no word for either, and a line with `null` for a number is dropped whole, with all that it has to tell.
    #[test]
    fn what_json_cannot_say_is_left_out() {
        assert_eq!([f64::NAN, f64::INFINITY].map(|gauge| value(&Number::Gauge(gauge))), [None, None]);
        assert_eq!(value(&Number::Gauge(0.5)), Some(json!(0.5)));
        assert_eq!(value(&Number::Histogram(Box::new(Histogram::EMPTY))), None);
    }
}
