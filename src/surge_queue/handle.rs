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
    /// Tenants that have somebody waiting, by class.
    pub tenants: [u32; CLASSES],
    /// How long the oldest of those who wait has done so.
    pub oldest: Option<Duration>,
    /// Calls that end a second while somebody waits, once that was measured.
    pub drain_rate: Option<f64>,
    /// How long a request that came now would wait, by class, once that can be told.
    pub foretold_wait: [Option<Duration>; CLASSES],
    /// The second lane, if there is one or was.
    pub surge: Option<Lane>,
    /// Requests that were handed to the dead-letter sink.
    pub dead_letters: u64,
    /// Those at which it panicked.
    pub dead_letters_lost: u64,
    /// Whether the queue has not been empty for a while.
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
    /// Places of the limit that are lent to it.
    pub lent: u32,
    /// Requests that ever came here: moved from the first lane, or sent here on arrival.
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

    /// The queue as it is at this moment. It looks at every tenant that has somebody waiting.
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

    /// Sets it like this from now on; the name stays. Whoever waits already keeps the bound on their wait.
    ///
    /// A second lane that is taken away lets nobody in any more, and serves who is in it. One whose burst is made larger may
    /// grow by that at once.
    pub fn update(&self, settings: Settings) {
        self.0.set(|room| room.set(settings.with_name(room.settings.name)));
    }

    /// Has so many places of the second lane provisioned from now on, past the ramp, at most as many as it has: for a
    /// surge that is known to come. The latest call counts.
    pub fn prewarm(&self, places: u32) {
        self.0.set(|room| {
            if let Some(lane) = &mut room.lane {
                lane.places.prewarm(places);
            }
        });
    }

    /// Decides as ever whether there is a place, but never refuses and lets nobody wait, those who do already included:
    /// instead, it announces [`WouldRefuse`](crate::Event::WouldRefuse). To try a limit on real traffic.
    pub fn observe_only(&self) {
        self.0.observe_only(true);
    }

    /// Refuses again, after [`observe_only`](Self::observe_only).
    pub fn automatic(&self) {
        self.0.observe_only(false);
    }

    /// Lets nobody in to wait any more: for a shutdown. Whoever waits is served; whoever finds a place is let in; the others are
    /// refused as by a full queue.
    pub fn drain(&self) {
        self.0.close(true);
    }

    /// Lets nobody wait any more, and turns away who does, as if their time were up.
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
