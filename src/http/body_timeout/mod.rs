//! Don't wait for ever for the next byte.
//!
//! A timeout is over with the head of a response; the body may then hang for as long as it likes, and one that comes a
//! byte a second keeps a connection, a handler and a permit for hours (*slow loris*). [`BodyTimeout`] bounds the wait
//! for each frame and, if asked, sets a minimum rate.
//!
//! * [`BodyTimeout::requests`], on a server, makes callers send what they have begun; on a client, it times your own
//!   bodies.
//! * [`BodyTimeout::responses`], on a client, does the same to callees; on a server, to your own handlers.
//!
//! Time counts only while somebody waits for the body: a caller is not blamed for a handler that is slow to read. So a
//! server's own *response* cannot be timed against a client that is slow to take it, since nobody waits for the body
//! then.
//!
//! When the time is up the body fails with a [`BodyTooSlow`], in a `BoxError` beside the body's own errors, and what
//! was inside it is dropped. Its source is a [`Rejection`](crate::Rejection) with
//! [`Reason::Timeout`](crate::Reason::Timeout), so that code that [looks for one](crate::Refusal) finds it. A timer is
//! armed when the body is pending: a body that is there at once needs neither clock nor timer, one that has to be
//! waited for costs one allocation. Timers need a tokio runtime with time enabled.
//!
//! | setting | default | why |
//! |---|---|---|
//! | [idle](Settings::new) | none: you choose | only you know how long your callers' networks stall |
//! | [rate](Settings::with_rate) | none | event streams are slow by nature |
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
