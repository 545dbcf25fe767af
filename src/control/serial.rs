//! Snapshots and descriptions as maps of what their fields hold.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::snapshot::{Description, Layer, Snapshot};
use crate::telemetry::{Histogram, Number, Sample, Value, hold_name};

/// As a map of `layers`: a list.
impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("layers", &self.layers)])
    }
}

/// As a list of layers: of each the label, the room and the settings.
impl Serialize for Description {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.layers().iter().map(|layer| Entries { layer, samples: false }))
    }
}

/// As a map: `layer` is its label. Times are in seconds, and null where they are for ever.
impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Entries { layer: self, samples: true }.serialize(serializer)
    }
}

struct Entries<'a> {
    layer: &'a Layer,
    samples: bool,
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Layer { label, room, hold, settings, samples, .. } = self.layer;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("layer", &**label)?;
        map.serialize_entry("room", room)?;
        if let Some(hold) = hold {
            map.serialize_entry("hold", hold_name(*hold))?;
        }
        map.serialize_entry("settings", &Pairs(settings))?;
        if self.samples {
            map.serialize_entry("metrics", samples)?;
        }
        map.end()
    }
}

struct Pairs<'a>(&'a [(Cow<'static, str>, Value)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// As the plain value it is: a time in seconds; null where it is not set, or for ever.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unset | Self::Time(std::time::Duration::MAX) => serializer.serialize_none(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Whole(whole) => serializer.serialize_u64(*whole),
            Self::Real(real) => serializer.serialize_f64(*real),
            Self::Time(time) => serializer.serialize_f64(time.as_secs_f64()),
            Self::Word(word) => serializer.serialize_str(word),
        }
    }
}

/// As a map of its name, its attributes, and its value.
impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", self.metric.name())?;
        for (key, value) in self.attributes {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("value", &self.number)?;
        map.end()
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Counter(count) => serializer.serialize_u64(*count),
            Self::Gauge(gauge) => serializer.serialize_f64(*gauge),
            Self::Histogram(histogram) => histogram.serialize(serializer),
        }
    }
}

/// As a map of the count, the sum in seconds, and the buckets that hold something: pairs of the upper bound in seconds,
/// null for the last, and the count.
impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let held = self.buckets().filter(|(_, count)| *count > 0);
        let buckets: Vec<_> = held.map(|(bound, count)| (bound.map(|bound| bound.as_secs_f64()), count)).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("count", &self.count())?;
        map.serialize_entry("sum", &self.sum().as_secs_f64())?;
        map.serialize_entry("buckets", &buckets)?;
        map.end()
    }
}
