use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    described::Described,
    handle::Handle,
    newcomer::{Factory, Met},
    place::{Permit, Place, Wait},
    settings::Settings,
    state::{Behind, State},
};
use crate::{
    clock::{Instant, Moment},
    event::{Events, Observer},
    gate::{Admission, Ending, Gate},
    rejection::{Reason, Rejection},
    request::KeyOf,
    telemetry::Page,
};

/// A gate for each key; see the [module](super). Clones share all of them; [`fresh`](Self::fresh) does not.
///
/// `K` is the key, `G` the gate of each key, `Q` the question for the key, `M` the factory of gates, and `S` the
/// hasher.
#[must_use]
pub struct Keyed<K, G, Q, M, S = RandomState> {
    state: Arc<State<K, G, S>>,
    key: Q,
    make: Arc<M>,
    shared_as: Option<Arc<K>>,
}

impl<K, G, Q, M> Keyed<K, G, Q, M> {
    /// A gate for each key that `key` finds in a request, `|r: &Req| r.tenant`, as `make` makes it for that key. The
    /// first request for a key makes its gate; [`fresh`](crate::bulkhead::Bulkhead::fresh) makes one from another:
    /// `move |_| bulkhead.fresh()`.
    ///
    /// `make` is called without a lock, and may be called in vain, if two requests for a new key come at once.
    pub fn new<Req>(settings: Settings, key: Q, make: M) -> Self
    where
        K: Eq + Hash,
        G: Gate<Req>,
        Q: KeyOf<Req, Key = K>,
        M: Fn(&K) -> G,
    {
        Self::of(settings, key, make)
    }

    /// As [`new`](Self::new), where the type of the request is not known yet.
    pub(crate) fn of(settings: Settings, key: Q, make: M) -> Self {
        let state = State::new(settings, RandomState::new(), Events::default());
        Self { state: Arc::new(state), key, make: Arc::new(make), shared_as: None }
    }
}

impl<K, G, Q, M, S> Keyed<K, G, Q, M, S> {
    /// Hashes keys by `hasher`. By default that is the standard library's, with a seed from the operating system:
    /// nobody can guess which keys share a shard. With a fixed one, which keys share a shard, and which is forgotten
    /// first, is the same in every run. But strangers who know a fixed one can choose keys that collide, and make one
    /// shard slow: a call for any key in it is compared with all the keys in it, under its lock. Their number stays
    /// bounded, and the other shards are not slowed.
    ///
    /// The state is new: take the [`handle`](Self::handle) afterwards.
    pub fn with_hasher<H>(self, hasher: H) -> Keyed<K, G, Q, M, H> {
        let state = self.state.fresh(hasher);
        Keyed { state: Arc::new(state), key: self.key, make: self.make, shared_as: self.shared_as }
    }

    /// Makes the gate that keys without a place [share](super::Overflow::Share), as if it were for this key. Without
    /// this, it is made for the first key that needs it, which a stranger may choose: call this where some keys are
    /// given more than others.
    pub fn overflow_as(mut self, key: K) -> Self {
        self.shared_as = Some(Arc::new(key));
        self
    }

    /// Tells how each gate is set, in what a stack [describes](crate::Stack::describe) and in its snapshots: as that of `key`
    /// would be if it were made now, with what [`update_gates`](Handle::update_gates) does to it. `tell` writes it down, as a
    /// room's handle does. Without it nothing is told of the gates, as each may be set otherwise. The first call counts.
    ///
    /// For each look such a gate is made, and dropped after it; no key gets a place by that.
    ///
    /// ```
    /// use plimsoll::{Stack, control::Control, keyed::{Keyed, Settings}, rate_limit::{Quota, RateLimit}};
    ///
    /// struct Request { tenant: u64 }
    ///
    /// let limit = RateLimit::new(Quota::try_per_second(100)?);
    /// let tenants = Keyed::new(Settings::new(), |r: &Request| r.tenant, move |_| limit.fresh());
    /// let stack = Stack::new().keyed(tenants.described_as(0, |limit, page| limit.handle().tell(page)));
    /// assert!(stack.describe().to_string().contains("each.quotas 100 per 1s, burst 100"));
    /// # Ok::<_, plimsoll::InvalidSetting>(())
    /// ```
    pub fn described_as(self, key: K, tell: impl Fn(&G, &mut Page) + Send + Sync + 'static) -> Self
    where
        M: Fn(&K) -> G + Send + Sync + 'static,
    {
        let make = Arc::clone(&self.make);
        let described = Described { key, make: Box::new(move |key| make(key)), tell: Box::new(tell) };
        let _ = self.state.described.set(Arc::new(described));
        self
    }

    /// The same settings, question, factory, changes and observer, but no keys: for another dependency.
    pub fn fresh(&self) -> Self
    where
        Q: Clone,
        S: Clone,
    {
        Self {
            state: Arc::new(self.state.fresh(self.state.hasher.clone())),
            key: self.key.clone(),
            make: Arc::clone(&self.make),
            shared_as: self.shared_as.clone(),
        }
    }

    /// A handle that looks at the gates and changes them while they serve. Take it before this goes into the stack.
    pub fn handle(&self) -> Handle<K, G, S> {
        Handle::new(Arc::clone(&self.state))
    }

    /// Lets `observer` hear what happens here, and in all of the gates that have no observer of their own. In a stack,
    /// the stack's observer hears it unless this was called, and hears of refusals in any case. Only the first observer
    /// is heard.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.state.events.observe(observer);
        self
    }

    pub(crate) fn join(&self, events: &Events) {
        self.state.events.join(events);
    }

    /// The gate that goes along with a call, and its permit. One short lock, and none where no gate does.
    #[inline]
    fn along<Req>(&self, permit: Permit<G::Permit>) -> Option<(Behind<'_, K, G>, G::Permit)>
    where
        G: Gate<Req>,
    {
        let (place, permit) = permit.0.filter(|_| G::GOES_ALONG)?;
        // Whoever has a permit holds the entry, so it is there.
        Some((self.state.at(place)?, permit))
    }
}

impl<K, G, Q: Clone, M, S> Clone for Keyed<K, G, Q, M, S> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            key: self.key.clone(),
            make: Arc::clone(&self.make),
            shared_as: self.shared_as.clone(),
        }
    }
}

/// Whatever the question and the keys are: closures are not `Debug`, and keys are not for logs.
impl<K, G, Q, M, S> fmt::Debug for Keyed<K, G, Q, M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("snapshot", &self.handle().snapshot()).finish_non_exhaustive()
    }
}

impl<Req, K, G, Q, M, S> Gate<Req> for Keyed<K, G, Q, M, S>
where
    K: Eq + Hash,
    G: Gate<Req>,
    Q: KeyOf<Req, Key = K>,
    M: Fn(&K) -> G,
    S: BuildHasher,
{
    type Permit = Permit<G::Permit>;
    type Wait = Wait<G::Wait>;

    const GOES_ALONG: bool = G::GOES_ALONG;

    /// A key that is there: its hash, and one short lock. Another: a clock reading, two short locks, and its gate.
    #[inline]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Self::Permit, Self::Wait> {
        let state = &*self.state;
        let key = self.key.key(req);
        let hash = state.hash(&key);
        let met = match state.come(hash, &key) {
            Some((place, visit)) => Met::Own(place, visit),
            None => {
                let factory = Factory { make: &*self.make, shared_as: self.shared_as.as_deref() };
                state.welcome(key, hash, &factory, now)
            }
        };
        match met {
            Met::Own(place, visit) => {
                let answer = visit.entry.gate.admit(req, now);
                if !matches!(answer, Admission::Refused(_)) {
                    visit.stay();
                }
                placed(place, answer)
            }
            Met::Shared(gate) => placed(Place::SHARED, gate.admit(req, now)),
            Met::Open => Admission::Admitted(Permit(None)),
            Met::Full => Admission::Refused(Rejection::new(Reason::KeysFull, state.name)),
        }
    }

    fn poll_wait(
        &self,
        wait: &mut Self::Wait,
        req: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Permit, Rejection>> {
        let Wait { place, wait } = wait;
        // Whoever waits holds the entry, so it is there.
        let Some(gate) = self.state.at(*place) else {
            return Poll::Ready(Err(Rejection::new(Reason::KeysFull, self.state.name)));
        };
        let polled = gate.poll_wait(wait, req, now, cx);
        if let Poll::Ready(Err(_)) = polled {
            gate.send_away();
        }
        polled.map_ok(|permit| Permit(Some((*place, permit))))
    }

    fn wait_until(&self, wait: &Self::Wait) -> Instant {
        self.state.at(wait.place).map_or(Instant::FAR, |gate| gate.wait_until(&wait.wait))
    }

    fn abandon(&self, wait: Self::Wait) {
        if let Some(gate) = self.state.go(wait.place) {
            gate.abandon(wait.wait);
        }
    }

    /// Offers it to the gate of its key, which the request is asked for once more; if that has no place, to the one
    /// that those share, if there is one. No gate is made for it.
    fn refused(&self, req: Req, rejection: &Rejection) -> Option<Req> {
        let key = self.key.key(&req);
        match (self.state.visit(&key), self.state.shared.get()) {
            (Some(entry), _) => entry.gate.refused(req, rejection),
            (None, Some(gate)) => gate.refused(req, rejection),
            (None, None) => Some(req),
        }
    }

    #[inline]
    fn dispatch<T>(&self, permit: Self::Permit, req: Req, call: impl FnOnce(Req) -> T) -> T {
        match self.along(permit) {
            Some((gate, permit)) => gate.dispatch(permit, req, call),
            None => call(req),
        }
    }

    #[inline]
    fn around<T>(&self, permit: Self::Permit, step: impl FnOnce() -> T) -> T {
        match self.along(permit) {
            Some((gate, permit)) => gate.around(permit, step),
            None => step(),
        }
    }

    #[inline]
    fn bound(&self, permit: Self::Permit) -> Option<Rejection> {
        let (gate, permit) = self.along(permit)?;
        gate.bound(permit)
    }

    /// One short lock.
    #[inline]
    fn settle(&self, permit: Self::Permit, ending: Ending, now: &Moment) {
        if let Some((place, permit)) = permit.0
            && let Some(gate) = self.state.go(place)
        {
            gate.settle(permit, ending, now);
        }
    }

    /// Whether it has few keys, eight at most, and their gates all are; and the shared one.
    fn is_neutral(&self, now: &Moment) -> bool {
        self.state.shared.get().is_none_or(|gate| gate.is_neutral(now))
            && self.state.few().is_some_and(|few| few.iter().flatten().all(|entry| entry.gate.is_neutral(now)))
    }

    fn events(&self) -> Option<&Events> {
        Some(&self.state.events)
    }
}

/// The answer of the gate at `place`.
#[inline]
fn placed<P, W>(place: Place, answer: Admission<P, W>) -> Admission<Permit<P>, Wait<W>> {
    answer.map(|permit| Permit(Some((place, permit))), |wait| Wait { place, wait })
}
