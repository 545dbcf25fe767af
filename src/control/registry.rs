use std::{any::Any, error, fmt, sync::Arc};

use super::{
    Control,
    snapshot::{Description, Layer, Snapshot},
};
use crate::{event::Hold, telemetry::Counters};

/// The layers of a stack by their names, in order: to look at all of them at once, and to change each while it serves.
///
/// [`Stack::control`](crate::Stack::control) returns it. A clone is cheap, and reaches the same layers. It keeps their
/// state alive, but no requests, and no services except those of a router's members.
///
/// # Names
/// A layer has the name that its settings give it. Where several have the same name, each gets a *label* of its own:
/// the first its name, the second `name#2`, and so on. A label means that one layer; a name, given to
/// [`hold`](Self::hold), means all layers of that name that can be held so.
#[derive(Clone, Default)]
pub struct Registry {
    layers: Arc<Vec<Entry>>,
    counters: Option<Counters>,
    /// What others count of their layers, which are among these.
    others: Vec<Counters>,
}

#[derive(Clone)]
struct Entry {
    label: Arc<str>,
    name: &'static str,
    control: Arc<dyn Control>,
    /// Who counts for it, if it is one of the others.
    counted_by: Option<Counters>,
}

impl Registry {
    /// A registry of no layers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer, further in than all before, by its handle.
    #[must_use]
    pub fn with(mut self, handle: impl Control) -> Self {
        self.add(Arc::new(handle));
        self
    }

    /// Adds the layers of `inner`, further in than all before: of a stack within a stack, of one behind another, or of
    /// one on a route of its own. What each of the two [counts](crate::Stack::counted) is shown with its own layers,
    /// whatever their names.
    #[must_use]
    pub fn and(mut self, inner: &Self) -> Self {
        for entry in inner.layers.iter() {
            self.add_counted(Arc::clone(&entry.control), inner.counter_of(entry).cloned());
        }
        for counters in inner.counters.iter().chain(&inner.others) {
            if !self.all_counters().any(|known| known.is(counters)) {
                self.others.push(counters.clone());
            }
        }
        self
    }

    /// The labels of the layers, the outermost first.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|entry| &*entry.label)
    }

    /// The layer with this label.
    ///
    /// # Errors
    /// [`NoSuchLayer`] if there is none.
    pub fn layer(&self, label: &str) -> Result<&dyn Control, NoSuchLayer> {
        let found = self.layers.iter().find(|entry| &*entry.label == label);
        found.map(|entry| &*entry.control).ok_or_else(|| self.no_such(label, Wanted::Any))
    }

    /// The handle of the layer with this label, or else of the first layer of this name that has such a handle: a retry
    /// and a circuit breaker may both be named after what they protect.
    ///
    /// ```
    /// use plimsoll::{Stack, bulkhead};
    ///
    /// let stack = Stack::new().bulkhead(bulkhead::Settings::try_new(64)?.with_name("db"));
    /// let registry = stack.control();
    /// let db = registry.handle::<bulkhead::Handle>("db")?;
    /// db.update(bulkhead::Settings::try_new(32)?);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NoSuchLayer`] if there is none.
    pub fn handle<H: Control>(&self, label: &str) -> Result<&H, NoSuchLayer> {
        let labelled = self.layers.iter().filter(|entry| &*entry.label == label);
        let named = self.layers.iter().filter(|entry| entry.name == label);
        let mut handles = labelled.chain(named).filter_map(|entry| (&*entry.control as &dyn Any).downcast_ref());
        handles.next().ok_or_else(|| self.no_such(label, Wanted::Handle(std::any::type_name::<H>())))
    }

    /// All handles of this kind.
    pub(crate) fn handles<H: Control>(&self) -> impl Iterator<Item = &H> {
        self.layers.iter().filter_map(|entry| (&*entry.control as &dyn Any).downcast_ref())
    }

    /// Holds the layer with this label by hand, or all layers of this name that can be held so: open or closed
    /// (circuits), only observing, or automatic again.
    ///
    /// # Errors
    /// [`NoSuchLayer`] if there is none that can be.
    pub fn hold(&self, label: &str, hold: Hold) -> Result<(), NoSuchLayer> {
        let labelled = |entry: &&Entry| &*entry.label == label && entry.name != label;
        let named = |entry: &&Entry| entry.name == label;
        let layers = self.layers.iter().filter(|entry| labelled(entry) || named(entry));
        let held = layers.filter(|entry| entry.control.hold(hold)).count();
        if held > 0 { Ok(()) } else { Err(self.no_such(label, Wanted::Hold(hold))) }
    }

    /// Sets every layer that can be so to only observe, or to be automatic again. Returns how many can.
    pub fn hold_all(&self, hold: Hold) -> usize {
        self.layers.iter().filter(|entry| entry.control.hold(hold)).count()
    }

    /// The layers with their settings, in order, at this moment.
    pub fn describe(&self) -> Description {
        Description(self.pages().collect())
    }

    /// All layers at this moment: how they are set, how they stand, and what was counted of them. Each is looked at
    /// once, one after another, while calls go on.
    pub fn snapshot(&self) -> Snapshot {
        let mut layers: Vec<_> = self.pages().collect();
        for counters in self.all_counters() {
            for name in counters.layers() {
                let samples = counters.samples(name);
                let counts_for = |entry: &Entry| self.counter_of(entry).is_some_and(|own| own.is(counters));
                let place = self.layers.iter().position(|entry| entry.name == name && counts_for(entry));
                match place.and_then(|place| layers.get_mut(place)) {
                    Some(layer) => layer.samples.extend(samples),
                    None if samples.is_empty() => {}
                    None => {
                        let taken = |label: &str| layers.iter().any(|layer| &*layer.label == label);
                        let label = free_label(name, layers.len(), taken);
                        layers.push(Layer::counted(label, name, samples));
                    }
                }
            }
        }
        Snapshot { layers }
    }

    fn all_counters(&self) -> impl Iterator<Item = &Counters> {
        self.counters.iter().chain(&self.others)
    }

    fn counter_of<'a>(&'a self, entry: &'a Entry) -> Option<&'a Counters> {
        entry.counted_by.as_ref().or(self.counters.as_ref())
    }

    fn no_such(&self, label: &str, wanted: Wanted) -> NoSuchLayer {
        NoSuchLayer { label: label.to_owned(), wanted, there_are: self.labels().map(str::to_owned).collect() }
    }

    fn pages(&self) -> impl Iterator<Item = Layer> + '_ {
        self.layers.iter().map(|Entry { label, name, control, .. }| Layer::of(Arc::clone(label), name, &**control))
    }

    pub(crate) fn add(&mut self, control: Arc<dyn Control>) {
        self.add_counted(control, None);
    }

    fn add_counted(&mut self, control: Arc<dyn Control>, counted_by: Option<Counters>) {
        let name = control.name();
        if let (Some(counters), None) = (&self.counters, &counted_by) {
            counters.add(name);
        }
        let layers = Arc::make_mut(&mut self.layers);
        let label = free_label(name, layers.len(), |label| layers.iter().any(|entry| &*entry.label == label));
        layers.push(Entry { label, name, control, counted_by });
    }

    /// Shows what `counters` count, with all layers added before or after this call.
    pub(crate) fn count_by(&mut self, counters: Counters) {
        let own = self.layers.iter().filter(|entry| entry.counted_by.is_none());
        own.for_each(|entry| counters.add(entry.name));
        self.counters = Some(counters);
    }
}

/// A name, or, if that is taken, the name with a number: one more than there are labels, so that one is free.
fn free_label(name: &'static str, labels: usize, taken: impl Fn(&str) -> bool) -> Arc<str> {
    if !taken(name) {
        return name.into();
    }
    let mut numbered = (2..=labels + 2).map(|number| format!("{name}#{number}"));
    numbered.find(|label| !taken(label)).unwrap_or_default().into()
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registry ")?;
        f.debug_list().entries(self.labels()).finish()
    }
}

/// There is no such layer: which label was asked for, what was wanted of it, and which layers there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchLayer {
    label: String,
    wanted: Wanted,
    there_are: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Any,
    Handle(&'static str),
    Hold(Hold),
}

impl NoSuchLayer {
    /// The label, or name, that was asked for.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl fmt::Display for NoSuchLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no layer {:?}", self.label)?;
        match self.wanted {
            Wanted::Any => {}
            Wanted::Handle(handle) => write!(f, " with a {}", as_written(handle))?,
            Wanted::Hold(hold) => write!(f, " that can be held: {hold:?}")?,
        }
        match self.there_are.as_slice() {
            [] => f.write_str("; there are none at all"),
            labels => write!(f, "; there are: {}", labels.join(", ")),
        }
    }
}

impl error::Error for NoSuchLayer {}

/// The name of a type as whoever uses it writes it: ours without the crate, and without the file that it is in, which is
/// private.
fn as_written(name: &str) -> String {
    let is_path = |letter: char| letter == ':' || letter == '_' || letter.is_alphanumeric();
    let parts = name.split_inclusive(|letter| !is_path(letter)).map(|part| {
        let (path, end) = part.split_at(part.trim_end_matches(|letter| !is_path(letter)).len());
        match path.split("::").collect::<Vec<_>>().as_slice() {
            ["plimsoll", room @ .., _file, name] if !room.is_empty() => format!("{}::{name}{end}", room.join("::")),
            ["plimsoll", room @ ..] => room.join("::") + end,
            _ => part.to_owned(),
        }
    });
    parts.collect()
}
