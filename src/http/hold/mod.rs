//! Hold the permit until the last byte.
//!
//! A service answers as soon as it has the head of its response. The page, report or event stream is then still to be
//! made and sent, and a bulkhead that takes its permit back at the head limits how many responses *begin* at once, not
//! how many are under way. [`Stack::until_body_ends`](crate::Stack::until_body_ends) after a gate, or [`UntilBodyEnds`]
//! around one, makes it hold on until the response's body
//!
//! | | settles with |
//! |---|---|
//! | ended | what the judge made of the head |
//! | failed | a failure: the head's own, or else a transient one |
//! | was dropped before its end | [`Ending::Cancelled`](crate::gate::Ending::Cancelled): the client left |
//! | panicked | [`Ending::Panicked`](crate::gate::Ending::Panicked) |
//!
//! exactly once, at that moment. A body has ended with its last frame where that can be known, by `is_end_stream` or
//! `Content-Length`, since servers do not poll such a body again. An answer without a body (to `HEAD`; 2xx to
//! `CONNECT`; 1xx, 204, 304; empty) is over with its head, and so is a call that is refused or fails.
//!
//! A body is polled within the gates that hold on for it, as the call was ([`Gate::around`](crate::Gate::around)). A
//! [work budget's](crate::work_budget) handle stays open, [`work::current`](crate::work::current) finds it while the
//! body makes its frames, and polls of the body count as busy time. No gate ends a body, though
//! ([`Gate::bound`](crate::Gate::bound) is not asked any more): a body's error type is its own, and a body that stopped
//! without an error would look complete. The code that makes it spends from its work, and fails by itself when that is
//! used up; [`BodyTimeout`](super::BodyTimeout) bounds how long it takes.
//!
//! A client that stops reading keeps the place for as long as its connection lives, as nobody polls the body then.
//! Bound that where connections are bounded: by hyper's HTTP/2 keep-alive, or the system's `TCP_USER_TIMEOUT`.
//!
//! Gates learn from how long calls take, and now calls take as long as their bodies. Keep a load shedder that should
//! learn how quickly answers *begin* out of this, as here:
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
