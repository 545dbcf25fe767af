use std::{
    fmt,
    num::NonZeroUsize,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Admission, Ending, Gate};
use crate::{
    clock::{Instant, Moment},
    event::{Events, Observer},
    rejection::Rejection,
    request::KeyOf,
    settings::InvalidSetting,
};

/// A gate for each kind of request: a limit for each route, say. Behind one limit, a cheap route and a costly one would
/// spoil each other's measurements, and one that hangs would take the others' places.
///
/// For keys that are not known beforehand, such as tenants, there is [`Keyed`](crate::keyed::Keyed).
///
/// The kinds are few, and known when it is built: each has a gate of its own from the beginning. A request of kind `n`
/// meets the `n`th gate, counted from 0, or the last if there is no such gate. Clones share all gates. It costs one
/// question more than the gate alone, and permits and waits are a word longer; cancel safety, refusals and waits are
/// those of the gate.
///
/// A load shedder for each route:
///
/// ```
/// use plimsoll::{InvalidSetting, Stack, gate::PerKind, load_shed::{LoadShed, Settings}};
///
/// struct Request { path: &'static str }
///
/// # fn main() -> Result<(), InvalidSetting> {
/// let sheds = ["search", "orders", "others"].map(|name| LoadShed::new(Settings::new().with_name(name)));
/// let [search, ..] = sheds.each_ref().map(LoadShed::handle);
/// let per_route = PerKind::try_new(sheds, |r: &Request| match r.path {
///     "/search" => 0,
///     "/orders" => 1,
///     _ => 2,
/// })?;
/// let stack = Stack::new().per_kind(per_route);
/// assert_eq!(search.snapshot().limit, 4);
/// # let _ = stack;
/// # Ok(())
/// # }
/// ```
///
/// The whole of [overload control](crate::Stack::overload_control), for each of two kinds:
///
/// ```
/// use std::num::NonZeroUsize;
/// use plimsoll::{Stack, gate::PerKind, load_shed::{self, LoadShed}, request::Priority, surge_queue::{Settings, SurgeQueue}};
///
/// struct Request { is_report: bool, priority: Priority }
///
/// let control = |kind| {
///     let shed = LoadShed::new(load_shed::Settings::new().with_name(["orders", "reports"][kind]));
///     SurgeQueue::new(Settings::new()).priority_by(|r: &Request| r.priority).in_front_of(shed)
/// };
/// const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
/// let stack = Stack::new().per_kind(PerKind::new(TWO, control, |r: &Request| r.is_report.into()));
/// # let _ = stack;
/// ```
#[must_use]
pub struct PerKind<G, K> {
    gates: Arc<Gates<G>>,
    kind: K,
}

/// One at least.
struct Gates<G> {
    last: G,
    others: Box<[G]>,
    events: Events,
}

impl<G, K> PerKind<G, K> {
    /// As many gates as `kinds` says, each made by `make` from its number. `kind` says which one a request meets:
    /// `|r: &Req| r.route`.
    pub fn new<Req>(kinds: NonZeroUsize, mut make: impl FnMut(usize) -> G, kind: K) -> Self
    where
        G: Gate<Req>,
        K: KeyOf<Req, Key = usize>,
    {
        let others = (0..kinds.get() - 1).map(&mut make).collect();
        Self::of(others, make(kinds.get() - 1), kind)
    }

    /// These gates. `kind` says which one a request meets: `|r: &Req| r.route`.
    ///
    /// # Errors
    /// [`InvalidSetting`] if there is none.
    pub fn try_new<Req>(gates: impl IntoIterator<Item = G>, kind: K) -> Result<Self, InvalidSetting>
    where
        G: Gate<Req>,
        K: KeyOf<Req, Key = usize>,
    {
        let mut gates: Vec<_> = gates.into_iter().collect();
        let last = gates.pop().ok_or_else(|| InvalidSetting::new("per_kind.gates", 0, "at least 1"))?;
        Ok(Self::of(gates, last, kind))
    }

    fn of<Req>(others: Vec<G>, last: G, kind: K) -> Self
    where
        G: Gate<Req>,
    {
        let events = Events::default();
        others.iter().chain([&last]).filter_map(Gate::events).for_each(|own| own.join(&events));
        Self { gates: Arc::new(Gates { last, others: others.into(), events }), kind }
    }

    /// How many kinds have a gate of their own.
    pub fn kinds(&self) -> usize {
        self.gates.others.len().saturating_add(1)
    }

    /// Lets `observer` hear what happens in all of the gates that have no observer of their own. In
    /// [`Stack::per_kind`](crate::Stack::per_kind), the stack's observer hears it unless this was called. Nobody but
    /// these two hears of refusals.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.gates.events.observe(observer);
        self
    }

    pub(crate) fn join(&self, events: &Events) {
        self.gates.events.join(events);
    }

    #[inline]
    fn gate(&self, kind: usize) -> &G {
        self.gates.others.get(kind).unwrap_or(&self.gates.last)
    }
}

impl<G, K: Clone> Clone for PerKind<G, K> {
    fn clone(&self) -> Self {
        Self { gates: Arc::clone(&self.gates), kind: self.kind.clone() }
    }
}

/// Whatever the question is: closures are not `Debug`.
impl<G: fmt::Debug, K> fmt::Debug for PerKind<G, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.gates.others.iter().chain([&self.gates.last])).finish()
    }
}

impl<Req, G, K> Gate<Req> for PerKind<G, K>
where
    G: Gate<Req>,
    K: KeyOf<Req, Key = usize>,
{
    type Permit = (usize, G::Permit);
    type Wait = (usize, G::Wait);

    const GOES_ALONG: bool = G::GOES_ALONG;

    #[inline]
    fn admit(&self, req: &Req, now: &Moment) -> Admission<Self::Permit, Self::Wait> {
        let kind = self.kind.key(req);
        self.gate(kind).admit(req, now).map(|permit| (kind, permit), |wait| (kind, wait))
    }

    fn poll_wait(
        &self,
        (kind, wait): &mut Self::Wait,
        req: &Req,
        now: &Moment,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Permit, Rejection>> {
        self.gate(*kind).poll_wait(wait, req, now, cx).map_ok(|permit| (*kind, permit))
    }

    fn wait_until(&self, (kind, wait): &Self::Wait) -> Instant {
        self.gate(*kind).wait_until(wait)
    }

    fn abandon(&self, (kind, wait): Self::Wait) {
        self.gate(kind).abandon(wait);
    }

    /// Offers it to the gate that the request met, which the request is asked for once more.
    fn refused(&self, req: Req, rejection: &Rejection) -> Option<Req> {
        let kind = self.kind.key(&req);
        self.gate(kind).refused(req, rejection)
    }

    #[inline]
    fn dispatch<T>(&self, (kind, permit): Self::Permit, req: Req, call: impl FnOnce(Req) -> T) -> T {
        self.gate(kind).dispatch(permit, req, call)
    }

    #[inline]
    fn around<T>(&self, (kind, permit): Self::Permit, step: impl FnOnce() -> T) -> T {
        self.gate(kind).around(permit, step)
    }

    #[inline]
    fn bound(&self, (kind, permit): Self::Permit) -> Option<Rejection> {
        self.gate(kind).bound(permit)
    }

    #[inline]
    fn settle(&self, (kind, permit): Self::Permit, ending: Ending, now: &Moment) {
        self.gate(kind).settle(permit, ending, now);
    }

    fn is_neutral(&self, now: &Moment) -> bool {
        self.gates.others.iter().chain([&self.gates.last]).all(|gate| gate.is_neutral(now))
    }

    fn events(&self) -> Option<&Events> {
        Some(&self.gates.events)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        task::Waker,
    };

    use super::*;
    use crate::{
        event::Event,
        rejection::{Reason, Rejection},
    };

    /// Lets one in, and the next one wait; who waits is let in when asked again. Refuses what is empty.
    #[derive(Default)]
    struct One {
        events: Events,
        inside: AtomicUsize,
        left: AtomicUsize,
        refused: AtomicUsize,
    }

    impl Gate<&'static str> for One {
        type Permit = u32;
        type Wait = u64;

        fn admit(&self, req: &&'static str, _: &Moment) -> Admission<u32, u64> {
            if req.is_empty() {
                self.events.emit(|| Event::Demoted { layer: "one" });
                return Admission::Refused(Rejection::new(Reason::Custom, "one"));
            }
            if self.inside.fetch_add(1, SeqCst) == 0 { Admission::Admitted(7) } else { Admission::Waiting(9) }
        }

        fn poll_wait(
            &self,
            _: &mut u64,
            _: &&'static str,
            _: &Moment,
            _: &mut Context<'_>,
        ) -> Poll<Result<u32, Rejection>> {
            Poll::Ready(Ok(8))
        }

        fn wait_until(&self, wait: &u64) -> Instant {
            Instant::from_nanos(*wait)
        }

        fn abandon(&self, _: u64) {
            self.left.fetch_add(1, SeqCst);
        }

        fn refused(&self, _: &'static str, _: &Rejection) -> Option<&'static str> {
            self.refused.fetch_add(1, SeqCst);
            None
        }

        fn settle(&self, _: u32, _: Ending, _: &Moment) {
            self.inside.fetch_sub(1, SeqCst);
        }

        fn events(&self) -> Option<&Events> {
            Some(&self.events)
        }
    }

    /// Three gates, met by how long a request is.
    fn three() -> PerKind<Arc<One>, impl Fn(&&'static str) -> usize + Clone> {
        let three = NonZeroUsize::new(3).expect("not zero");
        PerKind::new(three, |_| Arc::new(One::default()), |req: &&'static str| req.len())
    }

    #[test]
    fn each_kind_meets_its_own_gate_and_what_there_is_none_for_the_last() {
        let (gates, now) = (three(), Moment::new());
        assert_eq!(gates.kinds(), 3);
        assert_eq!(gates.admit(&"a", &now), Admission::Admitted((1, 7)));
        assert_eq!(gates.admit(&"a far one", &now), Admission::Admitted((9, 7)));
        assert_eq!(gates.admit(&"aa", &now), Admission::Waiting((2, 9)), "the same as the far one");
        assert_eq!(gates.admit(&"a", &now), Admission::Waiting((1, 9)));
        gates.settle((9, 7), Ending::Cancelled, &now);
        gates.settle((usize::MAX, 7), Ending::Cancelled, &now);
        let inside = |kind| gates.gate(kind).inside.load(SeqCst);
        assert_eq!([inside(0), inside(1), inside(2)], [0, 2, 0]);
    }

    #[test]
    fn a_wait_is_that_of_its_gate() {
        let (gates, now, mut wait) = (three(), Moment::new(), (1, 5));
        assert_eq!(gates.wait_until(&wait), Instant::from_nanos(5));
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(gates.poll_wait(&mut wait, &"a", &now, &mut cx), Poll::Ready(Ok((1, 8))));
        gates.abandon(wait);
        assert_eq!((gates.gate(1).left.load(SeqCst), gates.gate(2).left.load(SeqCst)), (1, 0));
    }

    #[test]
    fn what_is_refused_is_offered_to_the_gate_that_it_met() {
        let gates = three();
        let rejection = Rejection::new(Reason::Custom, "one");
        assert_eq!(gates.refused("a", &rejection), None);
        assert_eq!((gates.gate(1).refused.load(SeqCst), gates.gate(0).refused.load(SeqCst)), (1, 0));
    }

    #[test]
    fn the_gates_are_heard_through_it_and_its_clones_meet_the_same_ones() {
        let heard = Arc::new(AtomicUsize::new(0));
        let gates = three();
        let counter = Arc::clone(&heard);
        let clone = gates.clone().observe(move |_: &Event| {
            counter.fetch_add(1, SeqCst);
        });
        assert!(matches!(gates.admit(&"", &Moment::new()), Admission::Refused(_)));
        assert_eq!(heard.load(SeqCst), 1);
        assert!(Arc::ptr_eq(gates.gate(1), clone.gate(1)));
    }

    #[test]
    fn no_gates_are_refused_by_name() {
        let none = PerKind::<One, _>::try_new([], |req: &&'static str| req.len());
        assert_eq!(none.map(|gates| gates.kinds()).expect_err("none").setting(), "per_kind.gates");
        let one = PerKind::try_new([One::default()], |req: &&'static str| req.len()).expect("one");
        assert_eq!(one.kinds(), 1);
    }
}
