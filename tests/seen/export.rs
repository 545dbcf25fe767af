//! What exporters write, to the letter.

use plimsoll::{Stack, control::Registry, meter::Meter};
use tower::{Service, ServiceExt};

use crate::{Ask, MS, obedient, one};

/// A name that needs escaping, one refusal, one success of 4 ms, and one failure of 30 ms.
async fn seen() -> (Registry, impl Drop) {
    struct Held<F>(#[allow(dead_code, reason = "held")] F);
    impl<F> Drop for Held<F> {
        fn drop(&mut self) {}
    }
    let stack = Stack::new().metered(Meter::new("front")).bulkhead(one().with_name("d\"b\\\n")).counted();
    let service = stack.service(obedient());
    assert!(service.clone().oneshot(Ask::Answer(4 * MS)).await.is_ok());
    assert!(service.clone().oneshot(Ask::Fail(30 * MS)).await.is_err());
    let mut clone = service.clone();
    let held = clone.call(Ask::Hang);
    assert!(service.oneshot(Ask::Hang).await.is_err());
    (stack.control(), Held(held))
}

#[cfg(feature = "prometheus")]
#[tokio::test(start_paused = true)]
async fn prometheus_text_is_what_prometheus_reads() {
    use plimsoll::export::Prometheus;
    use prometheus_client::{encoding::text::encode, registry};

    let (control, _held) = seen().await;
    let mut registry = registry::Registry::default();
    registry.register_collector(Box::new(Prometheus::new(control)));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string");
    // Of buckets, those around the two times; the others are as wide as long.
    let told: Vec<_> = text
        .lines()
        .filter(|line| {
            !line.contains("_bucket{")
                || line.contains("le=\"0.005\"")
                || line.contains("le=\"0.03\"")
                || line.contains("le=\"+Inf\"")
        })
        .collect();
    let expected = r#"# HELP plimsoll_calls_active Calls past a meter that have not ended.
# TYPE plimsoll_calls_active gauge
plimsoll_calls_active{plimsoll_layer="front"} 1.0
# HELP plimsoll_calls Calls past a meter that ended.
# TYPE plimsoll_calls counter
plimsoll_calls_total{plimsoll_layer="front",plimsoll_outcome="success"} 1
plimsoll_calls_total{plimsoll_layer="front",plimsoll_outcome="failure",error_type="overload"} 0
plimsoll_calls_total{plimsoll_layer="front",plimsoll_outcome="failure",error_type="permanent"} 0
plimsoll_calls_total{plimsoll_layer="front",plimsoll_outcome="failure",error_type="pushed_back"} 0
plimsoll_calls_total{plimsoll_layer="front",plimsoll_outcome="failure",error_type="throttled"} 0
plimsoll_calls_total{plimsoll_layer="front",plimsoll_outcome="failure",error_type="timeout"} 0
plimsoll_calls_total{plimsoll_layer="front",plimsoll_outcome="failure",error_type="transient"} 1
plimsoll_calls_total{plimsoll_layer="front",plimsoll_outcome="ignored"} 0
plimsoll_calls_total{plimsoll_layer="front",plimsoll_outcome="cancelled"} 0
plimsoll_calls_total{plimsoll_layer="front",plimsoll_outcome="panicked"} 0
plimsoll_calls_total{plimsoll_layer="front",plimsoll_outcome="undispatched"} 1
# HELP plimsoll_call_duration_seconds How long answered calls past a meter took.
# TYPE plimsoll_call_duration_seconds histogram
# UNIT plimsoll_call_duration_seconds seconds
plimsoll_call_duration_seconds_sum{plimsoll_layer="front",plimsoll_outcome="success"} 0.004
plimsoll_call_duration_seconds_count{plimsoll_layer="front",plimsoll_outcome="success"} 1
plimsoll_call_duration_seconds_bucket{le="0.005",plimsoll_layer="front",plimsoll_outcome="success"} 1
plimsoll_call_duration_seconds_bucket{le="0.03",plimsoll_layer="front",plimsoll_outcome="success"} 1
plimsoll_call_duration_seconds_bucket{le="+Inf",plimsoll_layer="front",plimsoll_outcome="success"} 1
plimsoll_call_duration_seconds_sum{plimsoll_layer="front",plimsoll_outcome="failure"} 0.03
plimsoll_call_duration_seconds_count{plimsoll_layer="front",plimsoll_outcome="failure"} 1
plimsoll_call_duration_seconds_bucket{le="0.005",plimsoll_layer="front",plimsoll_outcome="failure"} 0
plimsoll_call_duration_seconds_bucket{le="0.03",plimsoll_layer="front",plimsoll_outcome="failure"} 1
plimsoll_call_duration_seconds_bucket{le="+Inf",plimsoll_layer="front",plimsoll_outcome="failure"} 1
# HELP plimsoll_refusals Requests that were refused or given up on.
# TYPE plimsoll_refusals counter
plimsoll_refusals_total{plimsoll_layer="d\"b\\\n",plimsoll_reason="bulkhead_full"} 1
# HELP plimsoll_limit How many may be under way.
# TYPE plimsoll_limit gauge
plimsoll_limit{plimsoll_layer="d\"b\\\n"} 1.0
# HELP plimsoll_in_use Permits or places in use.
# TYPE plimsoll_in_use gauge
plimsoll_in_use{plimsoll_layer="d\"b\\\n"} 1.0
# HELP plimsoll_queue_depth Requests that wait.
# TYPE plimsoll_queue_depth gauge
plimsoll_queue_depth{plimsoll_layer="d\"b\\\n"} 0.0
# EOF"#;
    assert_eq!(told.join("\n"), expected);
}

#[cfg(feature = "emf")]
#[tokio::test(start_paused = true)]
async fn emf_lines_hold_what_has_come_since_the_last_time() {
    let (control, held) = seen().await;
    let mut emf = plimsoll::export::Emf::new(control, "shop");
    let lines = emf.lines(1_700_000_000_000);
    let expected = [
        r#"{"_aws":{"CloudWatchMetrics":[{"Dimensions":[["plimsoll.layer"]],"Metrics":[{"Name":"plimsoll.calls.active","Unit":"Count"}],"Namespace":"shop"}],"Timestamp":1700000000000},"plimsoll.calls.active":1.0,"plimsoll.layer":"front"}"#,
        r#"{"_aws":{"CloudWatchMetrics":[{"Dimensions":[["plimsoll.layer","plimsoll.outcome"]],"Metrics":[{"Name":"plimsoll.call.duration","Unit":"Seconds"}],"Namespace":"shop"}],"Timestamp":1700000000000},"plimsoll.call.duration":{"Counts":[1],"Values":[0.025]},"plimsoll.layer":"front","plimsoll.outcome":"failure"}"#,
        r#"{"_aws":{"CloudWatchMetrics":[{"Dimensions":[["plimsoll.layer","plimsoll.outcome","error.type"]],"Metrics":[{"Name":"plimsoll.calls","Unit":"Count"}],"Namespace":"shop"}],"Timestamp":1700000000000},"error.type":"transient","plimsoll.calls":1,"plimsoll.layer":"front","plimsoll.outcome":"failure"}"#,
        r#"{"_aws":{"CloudWatchMetrics":[{"Dimensions":[["plimsoll.layer","plimsoll.outcome"]],"Metrics":[{"Name":"plimsoll.calls","Unit":"Count"},{"Name":"plimsoll.call.duration","Unit":"Seconds"}],"Namespace":"shop"}],"Timestamp":1700000000000},"plimsoll.call.duration":{"Counts":[1],"Values":[0.004]},"plimsoll.calls":1,"plimsoll.layer":"front","plimsoll.outcome":"success"}"#,
        r#"{"_aws":{"CloudWatchMetrics":[{"Dimensions":[["plimsoll.layer","plimsoll.outcome"]],"Metrics":[{"Name":"plimsoll.calls","Unit":"Count"}],"Namespace":"shop"}],"Timestamp":1700000000000},"plimsoll.calls":1,"plimsoll.layer":"front","plimsoll.outcome":"undispatched"}"#,
        r#"{"_aws":{"CloudWatchMetrics":[{"Dimensions":[["plimsoll.layer"]],"Metrics":[{"Name":"plimsoll.limit","Unit":"Count"},{"Name":"plimsoll.in_use","Unit":"Count"},{"Name":"plimsoll.queue.depth","Unit":"Count"}],"Namespace":"shop"}],"Timestamp":1700000000000},"plimsoll.in_use":1.0,"plimsoll.layer":"d\"b\\","plimsoll.limit":1.0,"plimsoll.queue.depth":0.0}"#,
        r#"{"_aws":{"CloudWatchMetrics":[{"Dimensions":[["plimsoll.layer","plimsoll.reason"]],"Metrics":[{"Name":"plimsoll.refusals","Unit":"Count"}],"Namespace":"shop"}],"Timestamp":1700000000000},"plimsoll.layer":"d\"b\\","plimsoll.reason":"bulkhead_full","plimsoll.refusals":1}"#,
    ];
    assert_eq!(lines, expected);
    drop(held);
    let lines = emf.lines(1);
    assert_eq!(lines.len(), 3, "gauges, and a call that was cancelled: {lines:?}");
    assert!(
        lines[1].contains(r#""plimsoll.calls":1,"plimsoll.layer":"front","plimsoll.outcome":"cancelled""#),
        "{lines:?}"
    );
}

/// What CloudWatch would drop as a dimension.
#[cfg(feature = "emf")]
#[test]
fn emf_dimensions_are_never_empty_and_never_too_long() {
    let long: &'static str = String::leak("ü".repeat(2000));
    for (name, expected) in [("", "unnamed"), (" \n ", "unnamed"), (long, &*"ü".repeat(250))] {
        let stack = Stack::new().bulkhead(one().with_name(name));
        let lines = plimsoll::export::Emf::new(stack.control(), "x").lines(0);
        let line: serde_json::Value = serde_json::from_str(&lines[0]).expect("json");
        assert_eq!(line["plimsoll.layer"], expected);
    }
}

#[cfg(feature = "metrics")]
mod facade {
    use std::sync::{Arc, Mutex};

    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString,
        Unit, with_local_recorder,
    };

    use super::*;

    /// Keeps a line for each thing that it is told.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    struct Series(Lines, String);

    impl Lines {
        fn push(&self, line: String) {
            self.0.lock().expect("unpoisoned").push(line);
        }

        fn take(&self) -> Vec<String> {
            std::mem::take(&mut *self.0.lock().expect("unpoisoned"))
        }

        fn series(&self, key: &Key) -> Arc<Series> {
            let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            Arc::new(Series(self.clone(), format!("{} {}", key.name(), labels.join(","))))
        }
    }

    impl CounterFn for Series {
        fn increment(&self, _: u64) {}

        fn absolute(&self, value: u64) {
            self.0.push(format!("{} is {value}", self.1));
        }
    }

    impl GaugeFn for Series {
        fn increment(&self, _: f64) {}

        fn decrement(&self, _: f64) {}

        fn set(&self, value: f64) {
            self.0.push(format!("{} is {value}", self.1));
        }
    }

    impl HistogramFn for Series {
        fn record(&self, _: f64) {}

        fn record_many(&self, value: f64, count: usize) {
            self.0.push(format!("{} has {count} more of {value}", self.1));
        }
    }

    impl Recorder for Lines {
        fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
            self.push(format!("{} counts", key.as_str()));
        }

        fn describe_gauge(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
            self.push(format!("{} comes and goes", key.as_str()));
        }

        fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
            self.push(format!("{} is spread, in {unit:?}", key.as_str()));
        }

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.series(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.series(key))
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.series(key))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_facades_recorder_hears_everything_and_each_time_of_a_histogram_once() {
        let (control, _held) = seen().await;
        let lines = Lines::default();
        let mut facade = plimsoll::export::Facade::new(control);
        with_local_recorder(&lines, || facade.describe());
        let described = lines.take();
        assert_eq!(described.len(), plimsoll::telemetry::Metric::ALL.len());
        assert!(described.contains(&"plimsoll.call.duration is spread, in Some(Seconds)".to_owned()));
        with_local_recorder(&lines, || facade.publish());
        let first = lines.take();
        for line in [
            "plimsoll.calls.active plimsoll.layer=front is 1",
            "plimsoll.calls plimsoll.layer=front,plimsoll.outcome=failure,error.type=transient is 1",
            "plimsoll.call.duration plimsoll.layer=front,plimsoll.outcome=success has 1 more of 0.005",
            "plimsoll.call.duration plimsoll.layer=front,plimsoll.outcome=failure has 1 more of 0.03",
            "plimsoll.refusals plimsoll.layer=d\"b\\\n,plimsoll.reason=bulkhead_full is 1",
        ] {
            assert!(first.iter().any(|other| other == line), "{line} is not in {first:#?}");
        }
        with_local_recorder(&lines, || facade.publish());
        let second = lines.take();
        assert_eq!((first.len() - second.len(), second.iter().any(|line| line.contains("more"))), (2, false));
    }

    /// There is no bound above it, and none is not nothing: the slowest calls of all would be told as the quickest.
    #[tokio::test(start_paused = true)]
    async fn what_is_longer_than_any_bound_is_told_as_the_longest_of_them() {
        let stack = Stack::new().metered(Meter::new("slow"));
        assert!(stack.service(obedient()).oneshot(Ask::Answer(200_000 * MS)).await.is_ok());
        let (lines, mut facade) = (Lines::default(), plimsoll::export::Facade::new(stack.control()));
        with_local_recorder(&lines, || facade.publish());
        let told: Vec<_> = lines.take().into_iter().filter(|line| line.contains("more")).collect();
        assert_eq!(told, ["plimsoll.call.duration plimsoll.layer=slow,plimsoll.outcome=success has 1 more of 100"]);
    }
}

#[cfg(feature = "opentelemetry")]
mod opentelemetry_instruments {
    use std::sync::{Arc, Mutex};

    use opentelemetry::{
        KeyValue,
        metrics::{
            AsyncInstrument, AsyncInstrumentBuilder, Callback, InstrumentProvider, Meter, ObservableCounter,
            ObservableGauge,
        },
    };

    use super::*;

    type Reader = Box<dyn Fn(&Lines) + Send + Sync>;

    /// Keeps the callbacks, and asks them when told to: what a reader of the SDK does.
    #[derive(Default)]
    struct Provider(Mutex<Vec<Reader>>);

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    struct Instrument<'a>(&'a Lines, &'a str);

    impl<T: std::fmt::Display> AsyncInstrument<T> for Instrument<'_> {
        fn observe(&self, number: T, attributes: &[KeyValue]) {
            let attributes: Vec<_> = attributes.iter().map(|pair| format!("{}={}", pair.key, pair.value)).collect();
            self.0.0.lock().expect("unpoisoned").push(format!("{} {} is {number}", self.1, attributes.join(",")));
        }
    }

    impl Provider {
        fn keep<T: std::fmt::Display + 'static>(&self, name: &str, unit: Option<&str>, callbacks: Vec<Callback<T>>) {
            let name = format!("{name} [{}]", unit.unwrap_or_default());
            let read = move |lines: &Lines| callbacks.iter().for_each(|callback| callback(&Instrument(lines, &name)));
            self.0.lock().expect("unpoisoned").push(Box::new(read));
        }
    }

    impl InstrumentProvider for Provider {
        fn u64_observable_counter(
            &self,
            builder: AsyncInstrumentBuilder<'_, ObservableCounter<u64>, u64>,
        ) -> ObservableCounter<u64> {
            self.keep(&builder.name, builder.unit.as_deref(), builder.callbacks);
            ObservableCounter::new()
        }

        fn f64_observable_counter(
            &self,
            builder: AsyncInstrumentBuilder<'_, ObservableCounter<f64>, f64>,
        ) -> ObservableCounter<f64> {
            self.keep(&builder.name, builder.unit.as_deref(), builder.callbacks);
            ObservableCounter::new()
        }

        fn f64_observable_gauge(
            &self,
            builder: AsyncInstrumentBuilder<'_, ObservableGauge<f64>, f64>,
        ) -> ObservableGauge<f64> {
            self.keep(&builder.name, builder.unit.as_deref(), builder.callbacks);
            ObservableGauge::new()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_number_is_observed_when_the_reader_asks() {
        let (control, _held) = seen().await;
        let provider = Arc::new(Provider::default());
        plimsoll::export::OpenTelemetry::new(control).register(&Meter::new(provider.clone()));
        let lines = Lines::default();
        provider.0.lock().expect("unpoisoned").iter().for_each(|read| read(&lines));
        let lines = lines.0.into_inner().expect("unpoisoned");
        for line in [
            "plimsoll.calls.active [{call}] plimsoll.layer=front is 1",
            "plimsoll.calls [{call}] plimsoll.layer=front,plimsoll.outcome=failure,error.type=transient is 1",
            "plimsoll.call.duration.count [{call}] plimsoll.layer=front,plimsoll.outcome=success is 1",
            "plimsoll.call.duration.sum [s] plimsoll.layer=front,plimsoll.outcome=failure is 0.03",
            "plimsoll.call.duration.bucket [{call}] plimsoll.layer=front,plimsoll.outcome=success,le=0.003 is 0",
            "plimsoll.call.duration.bucket [{call}] plimsoll.layer=front,plimsoll.outcome=success,le=0.005 is 1",
            "plimsoll.call.duration.bucket [{call}] plimsoll.layer=front,plimsoll.outcome=success,le=+Inf is 1",
            "plimsoll.refusals [{request}] plimsoll.layer=d\"b\\\n,plimsoll.reason=bulkhead_full is 1",
            "plimsoll.in_use [{permit}] plimsoll.layer=d\"b\\\n is 1",
        ] {
            assert!(lines.iter().any(|other| other == line), "{line} is not in {lines:#?}");
        }
    }
}
