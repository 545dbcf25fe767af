//! A client's stack: its settings.

mod asks;
mod rooms;
mod stack;

use std::{fmt, time::Duration};

use tower_layer::Identity;

use self::rooms::Rooms;
pub use self::{
    asks::{Asks, Never},
    stack::ClientStack,
};
use super::{End, observer::Shared};
use crate::event::Observer;

/// A client's stack, to be set and built: see the [page](super) for what is in it, in which order, and why.
///
/// It is a plain value: [`stack`](Self::stack) may be called more than once, and returns a stack with state of its own
/// each time: one for each callee, if the same settings suit them all. Its type parameters are `B`, the layer just
/// outside the retry, `I`, the innermost one, and `A`, the questions; nobody has to write them.
#[derive(Clone)]
#[must_use]
pub struct Client<B = Identity, I = Identity, A = Asks> {
    rooms: Rooms,
    observer: Option<Shared>,
    before: B,
    innermost: I,
    asks: A,
}

impl Client {
    /// The defaults: all five layers.
    pub fn new() -> Self {
        Self {
            rooms: Rooms::new(),
            observer: None,
            before: Identity::new(),
            innermost: Identity::new(),
            asks: Asks::NONE,
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl<B, I, A> Client<B, I, A> {
    /// Puts other layers just outside the retry, and innermost. The stacks for HTTP and gRPC have some, and set them
    /// themselves.
    pub fn ends<NewB: End, NewI: End>(self, before: NewB, innermost: NewI) -> Client<NewB, NewI, A> {
        self.map(|_| before, |_| innermost)
    }

    /// Lets `observer` hear what happens in every room.
    pub fn observe(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Shared::new(observer));
        self
    }

    /// The same with other ends.
    pub(super) fn map<NewB, NewI>(
        self,
        before: impl FnOnce(B) -> NewB,
        innermost: impl FnOnce(I) -> NewI,
    ) -> Client<NewB, NewI, A> {
        let (before, innermost) = (before(self.before), innermost(self.innermost));
        Client { rooms: self.rooms, observer: self.observer, before, innermost, asks: self.asks }
    }
}

/// How long a call takes at most.
const TOTAL: Duration = Duration::from_secs(10);
/// How long an attempt takes at most: three of them, and the pauses between, are less than that.
const ATTEMPT: Duration = Duration::from_secs(3);
/// How many calls are under way at most.
const AT_ONCE: u32 = 100;

/// Whatever the questions are: closures are not `Debug`.
impl<B, I, A> fmt::Debug for Client<B, I, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("rooms", &self.rooms).finish_non_exhaustive()
    }
}
