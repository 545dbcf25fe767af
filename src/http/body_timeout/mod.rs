//! Don't wait for ever for the next byte.
//!
//! A timeout ends with the head of a response; a body may then hang for as long as it likes, and one that comes a byte a
//! second keeps a connection, a handler and a permit for hours (*slow loris*). [`BodyTimeout`] bounds the wait for each frame
//! and, if asked, sees that enough comes.
//!
//! * [`BodyTimeout::requests`], on a server, holds callers to send what they have begun; on a client, your own bodies.
//! * [`BodyTimeout::responses`], on a client, holds callees; on a server, your own handlers.
//!
//! Only time counts in which somebody waits for the body: it is not held against a caller that the handler is slow to read.
//! So a server's own *response* cannot be timed for a client that is slow to take it, since nobody waits for the body then.
//!
//! When the time is up the body fails with a [`BodyTooSlow`], in a `BoxError` beside the body's own errors, and what was
//! inside it is dropped. Its source is a [`Rejection`](crate::Rejection) with [`Reason::Timeout`](crate::Reason::Timeout),
//! so that whoever [looks for one](crate::Refusal) finds it. A timer is armed when the body is pending: one
//! that is there at once needs neither clock nor timer, one that has to be waited for costs one allocation. Timers need a
//! tokio runtime with time enabled.
//!
//! | setting | default | why |
//! |---|---|---|
//! | [idle](Settings::new) | none, you say | only you know how long your callers' networks stall |
//! | [rate](Settings::with_rate) | none | event streams are slow, and well |
//! | name | `body_timeout` | give each its own where there are two |
//!
//! ```
//! use std::{num::NonZeroU32, time::Duration};
//! use plimsoll::{Stack, http::body_timeout::{BodyTimeout, Settings}};
//!
//! // Kestrel's minimum: 240 bytes a second, after a grace of five seconds.
//! let rate = NonZeroU32::new(240).ok_or("not zero")?;
//! let uploads = Settings::new(Duration::from_secs(30)).with_rate(rate, Duration::from_secs(5));
//! let stack = Stack::new().layer(BodyTimeout::requests(uploads));
//! # let _ = stack;
//! # Ok::<_, &str>(())
//! ```

mod body;
mod future;
mod pace;
mod service;
mod settings;

pub use self::{
    body::{BodyTooSlow, Slow, TimedBody},
    future::ResponseFuture,
    service::{BodyTimeout, Requests, Responses, Timing},
    settings::Settings,
};
