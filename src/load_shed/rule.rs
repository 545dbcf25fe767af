use std::{fmt, time::Duration};

use super::{settings::Settings, window::Window};
use crate::clock::Instant;

/// Decides how many requests may be under way, from how long they take.
///
/// A rule is a machine that is shown windows of calls: [`look`](Self::look) sees the window so far, and either lets it
/// go on or closes it, which is when a rule changes its limit. It is never called by two threads at once, and only a
/// few times in each window rather than on every call, so it may take a microsecond. It reads no clock: the window says
/// the time.
///
/// Whatever it does, calls go on. A panic in it is caught: the limit stays what it was, and the rule is left alone for
/// a second. It is called under a lock of the load shedder, and must not use that load shedder's
/// [`Handle`](super::Handle).
///
/// ```
/// use std::time::Duration;
/// use plimsoll::load_shed::{LoadShed, Rule, Step, Settings, Window};
///
/// /// Steers by the slowest twentieth.
/// #[derive(Debug)]
/// struct Target { limit: f64, p95: f64 }
///
/// impl Rule for Target {
///     fn limit(&self) -> f64 {
///         self.limit
///     }
///
///     fn look(&mut self, window: &Window<'_>) -> Step {
///         let after = window.began().after(Duration::from_millis(100));
///         if window.now() < after || window.calls() < 50 {
///             return Step::gather(window, after);
///         }
///         match window.quantile(0.95) {
///             Some(p95) if p95 > self.p95 => self.limit *= 0.9,
///             _ if window.bound() > 0.5 => self.limit += 1.0,
///             _ => {}
///         }
///         Step::CLOSE
///     }
/// }
///
/// let shed = LoadShed::with_rule(Settings::new(), |_| Target { limit: 10.0, p95: 0.2 });
/// ```
pub trait Rule: fmt::Debug + Send {
    /// How many may be under way. It is clamped between 1 and the largest limit; NaN leaves the limit as it was.
    fn limit(&self) -> f64;

    /// Looks at the window so far.
    fn look(&mut self, window: &Window<'_>) -> Step;

    /// Whether it is just now trying something out, for a snapshot.
    fn is_probing(&self) -> bool {
        false
    }

    /// Whether no request at all may go beyond the limit. By default one does, now and then, where all places are taken
    /// and nothing is answered: to see whether the service stands still or is full of streams. Asked once, when the
    /// load shedder is made. Parked calls do not count in any case.
    fn is_strict(&self) -> bool {
        false
    }

    /// How long a call takes when nothing waits inside the service, in seconds, as far as this rule knows.
    fn baseline(&self) -> Option<f64> {
        None
    }

    /// Goes by these settings from now on, if it goes by any, and keeps what it has learned.
    fn update(&mut self, settings: &Settings) {
        let _ = settings;
    }
}

/// What a [`Rule`] makes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a rule must answer with one of two")]
pub enum Step {
    /// It is too early to tell. The window goes on, and is looked at again once it is this late and a call has ended.
    Gather(Instant),
    /// The window is closed, and the next begins after this long: calls that end until then still show the state
    /// before.
    Close(Duration),
}

impl Step {
    /// Closes the window; the next one begins at once.
    pub const CLOSE: Self = Self::Close(Duration::ZERO);

    /// Goes on at least until `full`, and from then on looks every few milliseconds.
    pub fn gather(window: &Window<'_>, full: Instant) -> Self {
        Self::Gather(full.max(window.now().after(Duration::from_millis(2))))
    }
}
