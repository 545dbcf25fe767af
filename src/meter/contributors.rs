use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    num::NonZeroU32,
    sync::Arc,
};

use crate::{
    clock::Moment,
    gate::{Admission, Ending, Gate, Never},
    rejection::Rejection,
    request::{CostOf, KeyOf, Unasked},
    settings::{InvalidSetting, at_least_one},
    stats::{Known, SpaceSaving},
    sync::Lock,
};

/// Tells which keys (tenants, routes, callers) ask for most, and which are refused most. A gate that admits everything.
///
/// It keeps a fixed number of keys, whatever comes: the Space-Saving algorithm (Metwally, Agrawal, El Abbadi, 2005). A
/// count is never too small, and too large by at most the error beside it. The error is at most everything counted
/// divided by the number of places; every key with more than that is among those kept. Twenty places for each key of
/// interest is a good number.
///
/// Gates right before and behind it in a stack share their refusals with it: put it beside the one that refuses. The
/// key of a refused request is asked for once more. Keys are told apart by 64 bits of a hash with a random seed, so two
/// are counted as one about never.
///
/// Clones share what was counted: keep one to read it. Each call costs a hash of the key and a lock for a moment, for
/// O(log places) work and no allocation; two threads may have to wait for each other there, as nowhere else in a stack.
/// Reading clones the keys under that lock: a number or an `Arc<str>` is better than a `String`.
///
/// ```
/// use plimsoll::{Stack, bulkhead, meter::Contributors};
/// use tower::{ServiceExt, service_fn};
///
/// #[derive(Clone)]
/// struct Request { tenant: u64, rows: u32 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tenants = Contributors::try_new(100, |r: &Request| r.tenant)?.cost_by(|r: &Request| r.rows);
/// let stack = Stack::new().gate(tenants.clone()).bulkhead(bulkhead::Settings::try_new(64)?);
/// let service = stack.service(service_fn(|r: Request| async move { Ok::<_, std::io::Error>(r.rows) }));
///
/// for (tenant, rows) in [(1, 10), (2, 500), (1, 10)] {
///     service.clone().oneshot(Request { tenant, rows }).await?;
/// }
/// let standings = tenants.standings();
/// assert_eq!((standings.asked[0].key, standings.asked[0].count), (2, 500));
/// assert!(standings.refused.is_empty());
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Contributors<K, F, W = Unasked> {
    state: Arc<State<K>>,
    key: F,
    cost: W,
}

struct State<K> {
    asked: Lock<SpaceSaving<K>>,
    refused: Lock<SpaceSaving<K>>,
    hasher: RandomState,
    places: NonZeroU32,
}

/// Who asked for most and who was refused most, the largest first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standings<K> {
    /// Whose requests came here.
    pub asked: Vec<Standing<K>>,
    /// Whose requests were refused, here or by a gate beside it.
    pub refused: Vec<Standing<K>>,
    /// All that came here.
    pub asked_in_all: u64,
    /// All that was refused.
    pub refused_in_all: u64,
}

/// What is known of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing<K> {
    /// The key.
    pub key: K,
    /// The most that it can be: requests, or what they cost.
    pub count: u64,
    /// By how much that may be too large.
    pub error: u64,
}

impl<K, F> Contributors<K, F> {
    /// Keeps the top `places` keys, at most a million, of each list. `key` says whose a request is:
    /// `|r: &Req| r.tenant`.
    pub fn new<Req>(places: NonZeroU32, key: F) -> Self
    where
        F: KeyOf<Req, Key = K>,
    {
        let sketch = || Lock::new(SpaceSaving::new(places.get()));
        let state = State { asked: sketch(), refused: sketch(), hasher: RandomState::new(), places };
        Self { state: Arc::new(state), key, cost: Unasked }
    }

    /// As [`new`](Self::new), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `places` is zero.
    pub fn try_new<Req>(places: u32, key: F) -> Result<Self, InvalidSetting>
    where
        F: KeyOf<Req, Key = K>,
    {
        at_least_one("contributors.places", places).map(|places| Self::new(places, key))
    }
}

impl<K, F, W> Contributors<K, F, W> {
    /// Counts what requests cost, and not just requests: `|r: &Req| r.rows`.
    pub fn cost_by<New>(self, cost: New) -> Contributors<K, F, New> {
        Contributors { state: self.state, key: self.key, cost }
    }

    /// Who has most, at this moment.
    pub fn standings(&self) -> Standings<K>
    where
        K: Clone,
    {
        let look = |sketch: &Lock<SpaceSaving<K>>| {
            let sketch = sketch.lock();
            (sketch.known(), sketch.total())
        };
        let ((asked, asked_in_all), (refused, refused_in_all)) = (look(&self.state.asked), look(&self.state.refused));
        let standing = |Known { key, count, error }| Standing { key, count, error };
        Standings {
            asked: asked.into_iter().map(standing).collect(),
            refused: refused.into_iter().map(standing).collect(),
            asked_in_all,
            refused_in_all,
        }
    }

    /// Forgets everything: for a collector that wants the largest since its last visit.
    pub fn reset(&self) {
        for sketch in [&self.state.asked, &self.state.refused] {
            let new = SpaceSaving::new(self.state.places.get());
            let old = std::mem::replace(&mut *sketch.lock(), new);
            // Not under the lock: these are the user's keys.
            drop(old);
        }
    }

    fn count<Req>(&self, sketch: &Lock<SpaceSaving<K>>, req: &Req)
    where
        K: Hash,
        F: KeyOf<Req, Key = K>,
        W: CostOf<Req>,
    {
        let (key, cost) = (self.key.key(req), self.cost.cost(req));
        let hash = self.state.hasher.hash_one(&key);
        let spare = sketch.lock().count(key, hash, cost.into());
        drop(spare);
    }
}

impl<K, F: Clone, W: Clone> Clone for Contributors<K, F, W> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), key: self.key.clone(), cost: self.cost.clone() }
    }
}

/// Whatever the closures are: they need not be `Debug`.
impl<K, F, W> fmt::Debug for Contributors<K, F, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contributors").field("places", &self.state.places).finish_non_exhaustive()
    }
}

impl<Req, K, F, W> Gate<Req> for Contributors<K, F, W>
where
    K: Hash,
    F: KeyOf<Req, Key = K>,
    W: CostOf<Req>,
{
    type Permit = ();
    type Wait = Never;

    const GOES_ALONG: bool = false;

    fn admit(&self, req: &Req, _: &Moment) -> Admission<(), Never> {
        self.count(&self.state.asked, req);
        Admission::Admitted(())
    }

    fn refused(&self, req: Req, _: &Rejection) -> Option<Req> {
        self.count(&self.state.refused, &req);
        Some(req)
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {}
}
