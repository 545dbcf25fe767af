//! Hold the permit until the last byte.
//!
//! A service answers as soon as it has the head of its response. A page, a report or an event stream is then still to be
//! made and sent, and a bulkhead that takes its permit back at the head limits how many responses *begin* at once, not how
//! many are under way. [`Stack::until_body_ends`](crate::Stack::until_body_ends) after a gate, or [`UntilBodyEnds`] around
//! one, lets it hold on until the response's body
//!
//! | | settles with |
//! |---|---|
//! | ended | what the judge made of the head |
//! | failed | a failure: the head's own, else a transient one |
//! | was dropped before its end | [`Ending::Cancelled`](crate::gate::Ending::Cancelled): the client left |
//! | panicked | [`Ending::Panicked`](crate::gate::Ending::Panicked) |
//!
//! exactly once, at that moment. A body has ended with its last frame where that can be known: by what it says of itself or
//! by `Content-Length`, since servers do not ask such a body again. An answer without a body (to `HEAD`; 2xx to `CONNECT`;
//! 1xx, 204, 304; empty) is over with its head, and so is whatever is refused or fails.
//!
//! A body is polled within the gates that hold on for it, as the call was ([`Gate::around`](crate::Gate::around)). A
//! [work budget's](crate::work_budget) handle stays open, is found by [`work::current`](crate::work::current) while the body
//! makes its frames, and the time of its polls is taken. No gate ends a body, though
//! ([`Gate::bound`](crate::Gate::bound) is not asked any more): its errors are of a type of its own, and one that stopped
//! without one would look as if it were whole. Whoever makes it spends from its work, and fails by itself when that is used
//! up; [`BodyTimeout`](super::BodyTimeout) bounds how long it takes.
//!
//! A client that stops reading keeps the place for as long as its connection is kept, as nobody polls the body then. That is
//! bounded where connections are: by hyper's keep-alive of HTTP/2, or the system's `TCP_USER_TIMEOUT`.
//!
//! Gates learn from how long calls take, and now these take as long as their bodies. A load shedder that is to find out how
//! quickly answers are *begun* should not be told so: put it into the stack apart.
//!
//! ```
//! use plimsoll::{Stack, bulkhead, load_shed, surge_queue};
//!
//! let stack = Stack::new()
//!     .bulkhead(bulkhead::Settings::try_new(64)?.with_name("downloads"))
//!     .until_body_ends()
//!     .overload_control(surge_queue::Settings::new(), load_shed::Settings::new());
//! # let _ = stack;
//! # Ok::<_, plimsoll::InvalidSetting>(())
//! ```
//!
//! It costs a few words in the response, and nothing is boxed.

mod body;
mod future;
mod service;

pub use self::{
    body::HeldBody,
    future::ResponseFuture,
    service::{Holding, UntilBodyEnds},
};
