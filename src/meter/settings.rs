/// The settings of a [`Meter`](super::Meter): a plain value. Wherever one is asked for, a name will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    name: &'static str,
    times: bool,
    events: bool,
}

impl Settings {
    /// The defaults: it counts and times, and announces nothing.
    pub const fn new() -> Self {
        Self { name: "meter", times: true, events: false }
    }

    /// The name under which its numbers are found. By default `meter`.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Counts only, and does not measure how long calls take: for a stack in which nobody else reads the clock.
    pub const fn without_times(mut self) -> Self {
        self.times = false;
        self
    }

    /// Announces each call, when it is [admitted](crate::Event::Admitted) and when it is
    /// [settled](crate::Event::Settled): for an observer that wants to hear of single calls and can pay for it.
    pub const fn with_events(mut self) -> Self {
        self.events = true;
        self
    }

    /// The name under which its numbers are found.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it measures how long calls take.
    pub const fn times(&self) -> bool {
        self.times
    }

    /// Whether it announces each call.
    pub const fn events(&self) -> bool {
        self.events
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl From<&'static str> for Settings {
    fn from(name: &'static str) -> Self {
        Self::new().with_name(name)
    }
}
