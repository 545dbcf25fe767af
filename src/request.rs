//! What we ask of a request, and what it carries from layer to layer.

use std::{cell::Cell, time::Duration};

use crate::clock::{self, Instant};

/// Writes one question to a request: a trait with one method, which closures over `&Req` answer.
macro_rules! asks {
    ($(#[$doc:meta])* $trait:ident, $method:ident -> $answer:ty) => {
        $(#[$doc])*
        #[diagnostic::on_unimplemented(
            message = "`{Self}` does not answer this question to requests `{Req}`",
            note = "a closure says the type of the request and answers with exactly this type: `|req: &Request| …`"
        )]
        pub trait $trait<Req> {
            /// The answer for this request. It runs before the request is admitted; a panic in it loses nothing.
            fn $method(&self, req: &Req) -> $answer;
        }

        impl<F: Fn(&Req) -> $answer, Req> $trait<Req> for F {
            #[inline]
            fn $method(&self, req: &Req) -> $answer {
                self(req)
            }
        }
    };
}

asks! {
    /// How much a request weighs: how many permits it takes. A closure such as `|r: &Req| r.items` qualifies.
    CostOf, cost -> u32
}

asks! {
    /// By when the caller wants the answer; `None` where it has not said.
    DeadlineOf, deadline -> Option<Instant>
}

asks! {
    /// How long a request may take; `None` where nothing special is known. [`Duration::MAX`] is for ever.
    TimeoutOf, timeout -> Option<Duration>
}

asks! {
    /// How important a request is. A closure such as `|r: &Req| r.priority` qualifies.
    PriorityOf, priority -> Priority
}

asks! {
    /// Whether a request passes without being refused, delayed or counted: a health check. A closure such as
    /// `|r: &Req| r.path == "/health"` qualifies.
    ExemptOf, exempt -> bool
}

/// Whose a request is, as a number: an identifier, or a hash of a name. A closure such as `|r: &Req| r.tenant` qualifies.
pub trait TenantOf<Req> {
    /// The tenant of this request; `None` where there are no tenants. It runs before the request is admitted; a panic in
    /// it loses nothing.
    fn tenant(&self, req: &Req) -> Option<u64>;
}

impl<F: Fn(&Req) -> u64, Req> TenantOf<Req> for F {
    #[inline]
    fn tenant(&self, req: &Req) -> Option<u64> {
        Some(self(req))
    }
}

/// How important a request is to those who run the service, in four classes.
///
/// Whoever may set it decides who is served under overload: take it from what you know (a route, a verified caller), not
/// from a stranger's header.
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

/// To whom or what a request belongs: a tenant, an endpoint, a compartment. A closure such as
/// `|r: &Req| r.tenant` qualifies.
pub trait KeyOf<Req> {
    /// The key, an owned value.
    type Key;

    /// The key of this request. It runs before the request is admitted; a panic in it loses nothing.
    fn key(&self, req: &Req) -> Self::Key;
}

impl<F: Fn(&Req) -> Key, Req, Key> KeyOf<Req> for F {
    type Key = Key;

    #[inline]
    fn key(&self, req: &Req) -> Key {
        self(req)
    }
}

/// The answer to every question where the user has not given one: each request weighs 1, is of
/// [normal](Priority::Normal) priority, has no deadline and no privilege, and all belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unasked;

impl<Req> CostOf<Req> for Unasked {
    #[inline]
    fn cost(&self, _: &Req) -> u32 {
        1
    }
}

impl<Req> DeadlineOf<Req> for Unasked {
    #[inline]
    fn deadline(&self, _: &Req) -> Option<Instant> {
        None
    }
}

impl<Req> TimeoutOf<Req> for Unasked {
    #[inline]
    fn timeout(&self, _: &Req) -> Option<Duration> {
        None
    }
}

impl<Req> PriorityOf<Req> for Unasked {
    #[inline]
    fn priority(&self, _: &Req) -> Priority {
        Priority::Normal
    }
}

impl<Req> ExemptOf<Req> for Unasked {
    #[inline]
    fn exempt(&self, _: &Req) -> bool {
        false
    }
}

impl<Req> TenantOf<Req> for Unasked {
    #[inline]
    fn tenant(&self, _: &Req) -> Option<u64> {
        None
    }
}

impl<Req> KeyOf<Req> for Unasked {
    type Key = usize;

    #[inline]
    fn key(&self, _: &Req) -> usize {
        0
    }
}

/// What the layers of a stack tell one another about the request under way.
///
/// It travels in two ways. *Scoped*: while a layer calls or polls what is further in, [`current`] gives the value
/// on that thread; this needs nothing of the request type, and is lost across `spawn` and `Buffer`. *Carried*: a
/// request type that has room for it takes it along, through [`Carry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Carried {
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    /// When the answer is of no use any more; [`Instant::FAR`] if nobody has said.
    pub deadline: Instant,
    /// Whether a retry layer further out tries again already. An inner one then leaves it at one attempt, so that
    /// tries do not multiply.
    pub retrying: bool,
    /// Which members of a fleet earlier attempts went to, so that the next one goes to another.
    pub tried: Tried,
}

impl Carried {
    /// Nothing known: a first attempt with no deadline.
    pub const NONE: Self = Self { attempt: 1, deadline: Instant::FAR, retrying: false, tried: Tried::NONE };
}

impl Default for Carried {
    fn default() -> Self {
        Self::NONE
    }
}

/// Which members of a fleet a request was sent to: the last [`MOST`](Self::MOST) of them, in that order. Plain data, 16 bytes.
///
/// A member is known by the lower half of its identity. Two of a hundred members look the same with a probability of one
/// in a million; one of them is then tried later than it might have been, and nothing else is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried([u32; Self::MOST]);

impl Tried {
    /// How many are remembered. A retry gives up earlier than a fifth member, mostly.
    pub const MOST: usize = 4;

    /// None.
    pub const NONE: Self = Self([0; Self::MOST]);

    /// The member with this identity was tried, last of all. The oldest is forgotten if there are too many.
    pub fn add(&mut self, member: u64) {
        let member = Self::short(member);
        let known = self.0.iter().position(|tried| *tried == member || *tried == 0);
        let from = known.unwrap_or(0);
        self.0[from] = member;
        let behind = self.0[from..].iter().position(|tried| *tried == 0).unwrap_or(self.0.len() - from);
        self.0[from..from + behind].rotate_left(1);
    }

    /// When the member with this identity was tried: 0 if it is the one that was tried longest ago. `None` if it was
    /// not, as far as is remembered.
    #[inline]
    pub fn order_of(&self, member: u64) -> Option<usize> {
        let member = Self::short(member);
        self.0.iter().position(|tried| *tried == member)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.iter().filter(|tried| **tried != 0).count()
    }

    /// Whether none was tried.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// Zero stands for nobody.
    #[inline]
    const fn short(member: u64) -> u32 {
        match member as u32 {
            0 => u32::MAX,
            short => short,
        }
    }
}

/// How a request type carries a [`Carried`] from layer to layer, to the inner service, and across `spawn`.
///
/// The default, [`Scoped`], carries nothing. With feature `http`, `plimsoll::http::Extensions` puts it among the
/// request's extensions. For a request type of your own, implement it on a unit struct.
pub trait Carry<Req> {
    /// Whether there is any point in [`insert`](Self::insert): what it costs to know is then not spent.
    const CARRIES: bool = true;

    /// What the request carries, if anything.
    fn get(&self, req: &Req) -> Option<Carried>;

    /// Lets the request carry this from here on.
    fn insert(&self, req: &mut Req, carried: Carried);
}

/// Requests carry nothing; layers see the scoped value only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scoped;

impl<Req> Carry<Req> for Scoped {
    const CARRIES: bool = false;

    #[inline]
    fn get(&self, _: &Req) -> Option<Carried> {
        None
    }

    #[inline]
    fn insert(&self, _: &mut Req, _: Carried) {}
}

/// The scoped value: what is known, and a time limit whose clock has not been read yet. A call that is answered at
/// once never needs the time, so a timeout reads the clock only for who asks.
///
/// In cells, so that a scope touches what it changes and nothing else.
struct Current {
    attempt: Cell<u32>,
    retrying: Cell<bool>,
    tried: Cell<Tried>,
    deadline: Cell<Instant>,
    /// In nanoseconds; `u64::MAX` is none.
    limit: Cell<u64>,
}

thread_local! {
    static CURRENT: Current = const {
        Current {
            attempt: Cell::new(Carried::NONE.attempt),
            retrying: Cell::new(Carried::NONE.retrying),
            tried: Cell::new(Carried::NONE.tried),
            deadline: Cell::new(Carried::NONE.deadline),
            limit: Cell::new(u64::MAX),
        }
    };
}

/// What the layers around this call say about the request under way, on this thread, during this poll.
pub fn current() -> Carried {
    CURRENT.with(|current| {
        let limit = current.limit.get();
        let mut deadline = current.deadline.get();
        if limit != u64::MAX {
            deadline = deadline.min(clock::now().after(Duration::from_nanos(limit)));
        }
        let (attempt, retrying, tried) = (current.attempt.get(), current.retrying.get(), current.tried.get());
        Carried { attempt, deadline, retrying, tried }
    })
}

/// Whether a retry layer further out tries again already.
#[inline]
pub(crate) fn is_retrying() -> bool {
    CURRENT.with(|current| current.retrying.get())
}

/// Which members earlier attempts of the request under way went to.
#[inline]
pub(crate) fn tried() -> Tried {
    CURRENT.with(|current| current.tried.get())
}

/// Tells the retry layer further out, if there is one, where this attempt goes.
#[inline]
pub(crate) fn note_tried(member: u64) {
    CURRENT.with(|current| {
        // Where nobody retries, nobody would take it away again.
        if current.retrying.get() {
            let mut tried = current.tried.get();
            tried.add(member);
            current.tried.set(tried);
        }
    });
}

/// Says which attempt this is, until it is dropped: around one call or one poll, never across an await.
///
/// Alone of all scopes it has something to bring out again: where the attempt went.
#[must_use]
pub(crate) struct Attempting<'a> {
    outer: (u32, bool),
    tried: &'a mut Tried,
}

impl<'a> Attempting<'a> {
    #[inline]
    pub(crate) fn enter(attempt: u32, tried: &'a mut Tried) -> Self {
        CURRENT.with(|current| {
            let outer = (current.attempt.replace(attempt), current.retrying.replace(true));
            // Inside another retry's scope the list is that one's, and is added to.
            if !outer.1 {
                current.tried.set(*tried);
            }
            Self { outer, tried }
        })
    }
}

impl Drop for Attempting<'_> {
    /// Also when unwinding: a panic further in must not leave its number to whoever polls next on this thread.
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| {
            *self.tried = current.tried.get();
            if !self.outer.1 {
                current.tried.set(Tried::NONE);
            }
            current.attempt.set(self.outer.0);
            current.retrying.set(self.outer.1);
        });
    }
}

/// Says how long the answer is of use, until it is dropped: around one call or one poll, never across an await.
#[must_use]
pub(crate) struct Within {
    outer: (Instant, u64),
}

impl Within {
    /// Until `deadline`, and for no more than `limit` nanoseconds from now, nor longer than was said further out.
    #[inline]
    pub(crate) fn enter(limit: u64, deadline: Instant) -> Self {
        CURRENT.with(|current| {
            let outer = (current.deadline.get(), current.limit.get());
            current.deadline.set(outer.0.min(deadline));
            current.limit.set(outer.1.min(limit));
            Self { outer }
        })
    }
}

impl Drop for Within {
    /// Also when unwinding, as [`Attempting`].
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| {
            current.deadline.set(self.outer.0);
            current.limit.set(self.outer.1);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_end() {
        let known = || (current().attempt, current().retrying);
        let (mut first, mut second) = (Tried::NONE, Tried::NONE);
        let outer = Attempting::enter(2, &mut first);
        {
            let _inner = Attempting::enter(3, &mut second);
            assert_eq!(known(), (3, true));
        }
        assert_eq!(known(), (2, true));
        drop(outer);
        assert_eq!(current(), Carried::NONE);
    }

    #[test]
    fn what_was_tried_comes_out_of_its_scope_and_goes_into_the_next() {
        note_tried(1);
        assert_eq!(current(), Carried::NONE, "nobody retries");
        let mut kept = Tried::NONE;
        let scope = Attempting::enter(1, &mut kept);
        note_tried(1);
        drop(scope);
        assert_eq!(current(), Carried::NONE);
        let mut inner = Tried::NONE;
        let scope = Attempting::enter(2, &mut kept);
        let nested = Attempting::enter(2, &mut inner);
        note_tried(2);
        drop(nested);
        drop(scope);
        assert_eq!([1, 2].map(|member| kept.order_of(member)), [Some(0), Some(1)], "added to by a nested retry");
        assert_eq!(inner, kept);
        assert_eq!(current(), Carried::NONE);
    }

    #[test]
    fn the_last_few_tried_are_remembered_in_their_order() {
        let mut tried = Tried::NONE;
        let order = |tried: &Tried| (1..=6).map(|member| tried.order_of(member)).collect::<Vec<_>>();
        assert_eq!((tried.is_empty(), tried.len()), (true, 0));
        (1..=3).for_each(|member| tried.add(member));
        tried.add(1);
        assert_eq!(order(&tried), [Some(2), Some(0), Some(1), None, None, None]);
        (4..=5).for_each(|member| tried.add(member));
        assert_eq!(order(&tried), [Some(1), None, Some(0), Some(2), Some(3), None]);
        tried.add(1);
        assert_eq!((order(&tried)[0], tried.len(), tried.is_empty()), (Some(3), 4, false));
    }

    #[test]
    fn a_member_whose_short_name_would_be_nobodys_is_remembered() {
        let mut tried = Tried::NONE;
        tried.add(7 << 32);
        assert_eq!((tried.order_of(7 << 32), tried.len()), (Some(0), 1));
        assert_eq!(Tried::NONE.order_of(7 << 32), None);
    }

    #[test]
    fn a_panic_ends_its_scopes() {
        let caught = std::panic::catch_unwind(|| {
            let mut tried = Tried::NONE;
            let _scopes = (Attempting::enter(9, &mut tried), Within::enter(1, Instant::from_nanos(1)));
            panic!("further in");
        });
        assert!(caught.is_err());
        assert_eq!(current(), Carried::NONE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_nearest_end_of_all_scopes_is_the_deadline() {
        let now = clock::now();
        let _outer = Within::enter(clock::nanos(Duration::from_secs(3)), Instant::FAR);
        assert_eq!(current().deadline, now.after(Duration::from_secs(3)));
        let _inner = Within::enter(u64::MAX, now.after(Duration::from_secs(2)));
        assert_eq!(current().deadline, now.after(Duration::from_secs(2)));
        let _innermost = Within::enter(clock::nanos(Duration::from_secs(5)), Instant::FAR);
        assert_eq!(current().deadline, now.after(Duration::from_secs(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_limit_further_in_puts_nothing_off() {
        let now = clock::now();
        let _outer = Within::enter(clock::nanos(Duration::from_secs(3)), Instant::FAR);
        let _inner = Within::enter(clock::nanos(Duration::from_secs(5)), Instant::FAR);
        assert_eq!(current().deadline, now.after(Duration::from_secs(3)));
    }

    #[test]
    fn closures_answer_questions() {
        let key = |text: &&str| text.len();
        assert_eq!(KeyOf::key(&key, &"tenant"), 6);
        let cost = |text: &&str| text.len() as u32;
        assert_eq!(CostOf::cost(&cost, &"four"), 4);
        assert_eq!(CostOf::cost(&Unasked, &"four"), 1);
    }
}
