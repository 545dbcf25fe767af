//! What stands at the ends of a ready-made stack, and how its rooms get in.

use tower_layer::Identity;

use super::Perhaps;
use crate::{
    Stack,
    builder::{Close, Within},
    control::Opaque,
};

/// A layer at an end of a ready-made stack: an annex's, or [`Identity`] where there is none.
pub trait End: sealed::Sealed + Sized {
    /// What it is called in a description. `None` if it is not there.
    fn name(&self) -> Option<&'static str>;
}

pub(super) mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for Identity {}

impl End for Identity {
    fn name(&self) -> Option<&'static str> {
        None
    }
}

impl<E: End> sealed::Sealed for Perhaps<E> {}

impl<E: End> End for Perhaps<E> {
    fn name(&self) -> Option<&'static str> {
        self.get().and_then(End::name)
    }
}

/// Puts an end into a stack, further in than all before.
pub(super) fn put<E: End, L, G: Close<C>, C: Clone>(stack: Stack<L, G, C>, end: E) -> Within<E, L, G, C> {
    let stack = match end.name() {
        Some(name) => stack.with_handle(Opaque::named("layer", name)),
        None => stack,
    };
    stack.nest(end)
}

/// Joins a room to a stack, and tells the stack of it, if it is there.
macro_rules! enter {
    ($stack:expr, $room:expr) => {
        match &$room {
            Some(room) => {
                room.join(&$stack.events());
                $stack.with_handle(room.handle())
            }
            None => $stack,
        }
    };
}

pub(super) use enter;
