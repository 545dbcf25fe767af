use std::borrow::Cow;

use super::{
    metric::Metric,
    names::{self, Attributes},
    value::Value,
};
use crate::{event::Hold, stats::Histogram};

/// One number of a layer, as an exporter gets it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// What it is a number of.
    pub metric: Metric,
    /// What tells it from others of the same metric and layer: values from a fixed set.
    pub attributes: Attributes,
    /// The number.
    pub number: Number,
}

/// A number, as its metric's [kind](Metric::kind) has it.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "there is one for each kind of metric")]
pub enum Number {
    /// Only grows.
    Counter(u64),
    /// Comes and goes.
    Gauge(f64),
    /// Spread over buckets. On the heap: most numbers are small.
    Histogram(Box<Histogram>),
}

/// What a layer has to say about itself: how it is set, how it stands, and what it has counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub(crate) settings: Vec<(Cow<'static, str>, Value)>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) hold: Option<Hold>,
}

impl Page {
    /// Says that the setting `name` has this value.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Says how each of many gates is set, by the page of one: not how that one stands, as it is nobody's.
    pub(crate) fn each(&mut self, one: Self) -> &mut Self {
        self.settings.extend(one.settings.into_iter().map(|(name, value)| (format!("each.{name}").into(), value)));
        if let Some(hold) = one.hold.filter(|hold| *hold != Hold::Automatic) {
            self.set("each.hold", format!("{hold:?}"));
        }
        self
    }

    /// Says how many of something there are just now.
    pub fn gauge(&mut self, metric: Metric, attributes: Attributes, number: impl Into<f64>) -> &mut Self {
        self.sample(metric, attributes, Number::Gauge(number.into()))
    }

    /// Says how often something has happened.
    pub fn counter(&mut self, metric: Metric, attributes: Attributes, number: u64) -> &mut Self {
        self.sample(metric, attributes, Number::Counter(number))
    }

    /// Says how something is spread.
    pub fn histogram(&mut self, metric: Metric, attributes: Attributes, histogram: Histogram) -> &mut Self {
        self.sample(metric, attributes, Number::Histogram(Box::new(histogram)))
    }

    /// Says whether the layer is held by hand, or only observes. A layer that never says so cannot be held.
    pub fn hold(&mut self, hold: Hold) -> &mut Self {
        self.hold = Some(hold);
        if hold == Hold::Automatic { self } else { self.gauge(Metric::Held, names::of_hold(hold), 1.0) }
    }

    fn sample(&mut self, metric: Metric, attributes: Attributes, number: Number) -> &mut Self {
        self.samples.push(Sample { metric, attributes, number });
        self
    }
}
