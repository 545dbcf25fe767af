//! What has come since the last time, for systems that want that and not the whole.

use std::{collections::HashMap, sync::Arc};

use crate::{
    control::{Layer, Snapshot},
    telemetry::{Attributes, Histogram, Metric, Number, Sample},
};

/// What was counted the last time.
#[derive(Debug, Default)]
pub(super) struct Before(HashMap<Series, Number>);

type Series = (Arc<str>, Metric, Attributes);

impl Before {
    /// Of every number what is new: of counters and histograms what has come since the last time, of gauges the number
    /// as it is. A counter that is smaller than it was has begun anew, and is new as a whole. The number of the layer
    /// in the snapshot comes first.
    pub(super) fn since<'a>(&mut self, snapshot: &'a Snapshot) -> Vec<(usize, &'a Sample, Number)> {
        let mut news = Vec::new();
        for (place, layer) in snapshot.layers.iter().enumerate() {
            news.extend(layer.samples.iter().map(|sample| (place, sample, self.new_of(layer, sample))));
        }
        news
    }

    fn new_of(&mut self, layer: &Layer, sample: &Sample) -> Number {
        if matches!(sample.number, Number::Gauge(_)) {
            return sample.number.clone();
        }
        let series = (Arc::clone(&layer.label), sample.metric, sample.attributes);
        match (&sample.number, self.0.insert(series, sample.number.clone())) {
            (Number::Counter(now), Some(Number::Counter(before))) => {
                Number::Counter(now.checked_sub(before).unwrap_or(*now))
            }
            (Number::Histogram(now), Some(Number::Histogram(before))) => {
                Number::Histogram(Box::new(less(now, &before)))
            }
            (whole, _) => whole.clone(),
        }
    }
}

/// One histogram without an earlier one of the same series; the whole if that has begun anew.
fn less(now: &Histogram, before: &Histogram) -> Histogram {
    let counts: Option<Vec<_>> =
        now.counts.iter().zip(before.counts).map(|(now, then)| now.checked_sub(then)).collect();
    match counts.and_then(|counts| counts.try_into().ok()) {
        Some(counts) => Histogram { counts, nanos: now.nanos.wrapping_sub(before.nanos) },
        None => *now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(number: Number) -> Snapshot {
        let sample = Sample { metric: Metric::Calls, attributes: &[], number };
        let layer = Layer {
            label: "db".into(),
            name: "db",
            room: "meter",
            hold: None,
            settings: vec![],
            samples: vec![sample],
        };
        Snapshot { layers: vec![layer] }
    }

    #[test]
    fn what_has_come_is_told_once_and_what_began_anew_as_a_whole() {
        let mut before = Before::default();
        let mut tell = |number| before.since(&snapshot(number)).remove(0).2;
        for (now, new) in [(5, 5), (5, 0), (12, 7), (3, 3)] {
            assert_eq!(tell(Number::Counter(now)), Number::Counter(new));
        }
        let of = |first, last| {
            let mut histogram = Histogram::EMPTY;
            (histogram.counts[0], histogram.counts[9], histogram.nanos) = (first, last, first + last);
            Number::Histogram(Box::new(histogram))
        };
        assert_eq!([tell(of(1, 1)), tell(of(1, 4)), tell(of(0, 4))], [of(1, 1), of(0, 3), of(0, 4)]);
        assert_eq!([tell(Number::Gauge(2.0)), tell(Number::Gauge(2.0))], [Number::Gauge(2.0), Number::Gauge(2.0)]);
    }
}
