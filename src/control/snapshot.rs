use std::{borrow::Cow, fmt, sync::Arc};

use super::Control;
use crate::{
    event::Hold,
    telemetry::{Metric, Number, Page, Sample, Value},
};

/// All layers of a stack at one moment. Made by [`Registry::snapshot`](super::Registry::snapshot); with feature `serde`
/// it is `Serialize`.
///
/// It is what exporters translate, by the one walk over it: [`numbers`](Self::numbers).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The layers, the outermost first; after them, unknown layers that were counted.
    pub layers: Vec<Layer>,
}

/// The layers of a stack with their settings, in order. Made by [`Registry::describe`](super::Registry::describe). It
/// prints as a line for each layer; with feature `serde` it is `Serialize`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description(pub(super) Vec<Layer>);

/// One layer at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Layer {
    /// Its name, or, where others have the same, the name with a number.
    pub label: Arc<str>,
    /// Its name.
    pub name: &'static str,
    /// What kind of layer it is: the name of the room, `gate` or `layer`.
    pub room: &'static str,
    /// Whether it is held by hand; `None` if it cannot be.
    pub hold: Option<Hold>,
    /// Its settings: names and values.
    pub settings: Vec<(Cow<'static, str>, Value)>,
    /// Its numbers.
    pub samples: Vec<Sample>,
}

impl Snapshot {
    /// Every number of every layer.
    pub fn numbers(&self) -> impl Iterator<Item = (&Layer, &Sample)> {
        self.layers.iter().flat_map(|layer| layer.samples.iter().map(move |sample| (layer, sample)))
    }

    /// The numbers of one metric, of every layer that has it.
    pub fn numbers_of(&self, metric: Metric) -> impl Iterator<Item = (&Layer, &Sample)> {
        self.numbers().filter(move |(_, sample)| sample.metric == metric)
    }

    /// The layer with this label.
    pub fn layer(&self, label: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| &*layer.label == label)
    }
}

impl Description {
    /// The layers, the outermost first.
    pub fn layers(&self) -> &[Layer] {
        &self.0
    }
}

impl Layer {
    pub(super) fn of(label: Arc<str>, name: &'static str, control: &dyn Control) -> Self {
        let mut page = Page::default();
        control.tell(&mut page);
        let Page { settings, samples, hold } = page;
        Self { label, name, room: control.room(), hold, settings, samples }
    }

    /// Of which nothing is known but what was counted.
    pub(super) fn counted(label: Arc<str>, name: &'static str, samples: Vec<Sample>) -> Self {
        Self { label, name, room: "unknown", hold: None, settings: Vec::new(), samples }
    }

    /// The setting of this name.
    pub fn setting(&self, name: &str) -> Option<&Value> {
        self.settings.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The number of this metric whose last attribute has this value: `""` where it has no attributes.
    pub fn number(&self, metric: Metric, value: &str) -> Option<&Number> {
        let same = |sample: &&Sample| {
            sample.metric == metric && sample.attributes.last().map_or("", |(_, other)| *other) == value
        };
        self.samples.iter().find(same).map(|sample| &sample.number)
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Layer { label, room, hold, settings, .. }) in self.0.iter().enumerate() {
            let line = if place > 0 { "\n" } else { "" };
            write!(f, "{line}{}. {room}", place + 1)?;
            if **label != **room {
                write!(f, " {:?}", &**label)?;
            }
            let mut colon = ": ";
            for (name, value) in settings {
                write!(f, "{colon}{name} {value}")?;
                colon = ", ";
            }
            match hold {
                None | Some(Hold::Automatic) => {}
                Some(Hold::ObserveOnly) => f.write_str(" (only observes)")?,
                Some(Hold::Open) => f.write_str(" (held open)")?,
                Some(Hold::Closed) => f.write_str(" (held closed)")?,
            }
        }
        Ok(())
    }
}
