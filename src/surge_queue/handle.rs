use std::{fmt, sync::Arc, time::Duration};

use super::{drain, room::CLASSES, settings::Settings, state::State};
use crate::{clock, limit::Limit, sync::atomic::Ordering::Relaxed};

/// Looks at a queue and changes it while it serves. A clone costs a reference count.
pub struct Handle<L: Limit>(Arc<State<L, L::Permit>>);

/// A queue at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its settings.
    pub settings: Settings,
    /// The limit that it is in front of.
    pub limit: u32,
    /// Requests that wait in the first lane, by class, the most important first.
    pub waiting: [u32; CLASSES],
    /// Tenants with requests waiting, by class.
    pub tenants: [u32; CLASSES],
    /// How long the oldest waiting request has waited.
    pub oldest: Option<Duration>,
    /// How many calls end per second while somebody waits, once that has been measured.
    pub drain_rate: Option<f64>,
    /// The forecast: how long a request that came now would wait, by class, once that can be told.
    pub foretold_wait: [Option<Duration>; CLASSES],
    /// The second lane, if there is one or was.
    pub surge: Option<Lane>,
    /// Requests that were handed to the dead-letter sink.
    pub dead_letters: u64,
    /// Those on which the sink panicked.
    pub dead_letters_lost: u64,
    /// Whether the queue is standing: it has not been empty for a while.
    pub standing: bool,
    /// Whether nobody may wait any more.
    pub closed: bool,
    /// Whether it only observes.
    pub observe_only: bool,
}

/// The second lane at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lane {
    /// Requests that wait, by class, the most important first.
    pub waiting: [u32; CLASSES],
    /// Its own places that are in use.
    pub in_use: u32,
    /// Its own places that are provisioned, by the ramp or by hand.
    pub provisioned: u32,
    /// Places of the limit that are on loan to it.
    pub lent: u32,
    /// All requests that ever came here: moved from the first lane, or sent here on arrival.
    pub demoted: u64,
}

impl<L: Limit> Handle<L> {
    pub(super) fn new(state: Arc<State<L, L::Permit>>) -> Self {
        Self(state)
    }

    /// The limit that it is in front of.
    pub fn limit(&self) -> &L {
        &self.0.limit
    }

    /// The queue as it is at this moment. It looks at every tenant with requests waiting.
    pub fn snapshot(&self) -> Snapshot {
        let now = clock::now();
        let room = self.0.room.lock();
        Snapshot {
            settings: room.settings,
            limit: self.0.limit.limit(),
            waiting: std::array::from_fn(|class| room.lines.waiting(class)),
            tenants: std::array::from_fn(|class| room.lines.tenants(class)),
            oldest: room.lines.oldest().map(|since| now.since(since)),
            drain_rate: room.drain.rate(),
            foretold_wait: std::array::from_fn(|class| room.foretell(class).map(drain::duration)),
            surge: room.lane.as_ref().map(|lane| Lane {
                waiting: std::array::from_fn(|class| room.lines.waiting(CLASSES + class)),
                in_use: lane.places.in_use(),
                provisioned: lane.places.warm(),
                lent: lane.lent,
                demoted: lane.demoted,
            }),
            dead_letters: self.0.letters.load(Relaxed),
            dead_letters_lost: self.0.letters_lost.load(Relaxed),
            standing: room.is_standing(now),
            closed: room.closed,
            observe_only: self.0.observing.load(Relaxed),
        }
    }

    /// Goes by `settings` from now on; the name stays. Requests that already wait keep the bound on their wait.
    ///
    /// A second lane that is taken away lets nobody in any more, and serves the requests in it. One whose ramp gets a
    /// larger burst may grow by the difference at once.
    pub fn update(&self, settings: Settings) {
        self.0.set(|room| room.set(settings.with_name(room.settings.name)));
    }

    /// Keeps this many places of the second lane provisioned from now on whatever the ramp says, but no more than the
    /// lane has: for a surge that you know will come. The latest call counts.
    pub fn prewarm(&self, places: u32) {
        self.0.set(|room| {
            if let Some(lane) = &mut room.lane {
                lane.places.prewarm(places);
            }
        });
    }

    /// Decides as before whether there is a place, but refuses nobody and makes nobody wait, not even those that wait
    /// already: it announces [`WouldRefuse`](crate::Event::WouldRefuse) instead. For trying a limit on real traffic.
    pub fn observe_only(&self) {
        self.0.observe_only(true);
    }

    /// Refuses again, after [`observe_only`](Self::observe_only).
    pub fn automatic(&self) {
        self.0.observe_only(false);
    }

    /// Lets no more requests in to wait: for a shutdown. Those that wait are served; newcomers that find a place are
    /// let in; the others are refused as by a full queue.
    pub fn drain(&self) {
        self.0.close(true);
    }

    /// Lets nobody wait any more, and refuses those that do, as if their time were up.
    pub fn close(&self) {
        self.0.close(true);
        self.0.send_away();
    }

    /// Lets requests wait again, after [`drain`](Self::drain) or [`close`](Self::close).
    pub fn open(&self) {
        self.0.close(false);
    }
}

impl<L: Limit> Clone for Handle<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: Limit> fmt::Debug for Handle<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.snapshot()).finish()
    }
}
