/// How important a request is to those who run the service, in four classes.
///
/// Whoever may set it decides who is served under overload: take it from what you know (a route, a verified caller),
/// not from a stranger's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "queues keep an array of them")]
pub enum Priority {
    /// What the service exists for; people notice at once when it fails.
    Critical,
    /// Everything that nobody has said anything else about.
    #[default]
    Normal,
    /// What can be left out for some minutes: suggestions, previews, polling.
    Sheddable,
    /// What nobody waits for: batches, crawlers, warm-ups.
    Background,
}

impl Priority {
    /// Every class, the most important first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::Normal, Self::Sheddable, Self::Background];

    /// The class of a number, 0 the most important: for priorities that come from elsewhere. Whatever is above 3 is
    /// [`Background`](Self::Background).
    pub const fn from_level(level: u32) -> Self {
        match level {
            0 => Self::Critical,
            1 => Self::Normal,
            2 => Self::Sheddable,
            _ => Self::Background,
        }
    }

    /// Its number: 0 to 3, 0 the most important.
    pub const fn level(self) -> usize {
        self as usize
    }
}
