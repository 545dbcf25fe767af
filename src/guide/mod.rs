//! The manual: how stacks are put together, and why the house is as it is. The pages of the rooms say the rest.
//!
//! * [`order`]: which layer goes where, and what breaks if two are swapped
//! * [`errors`]: one error type, and which of `service` and `wrap` you need
//! * [`readiness`]: why gates are always ready, and what that asks of the inner service
//! * [`testing`](self::test): how to test what your service does when things fail
//! * [`design`]: questions that begin with "why"

/// Which layer goes where, and what breaks if two are swapped.
#[doc = include_str!("order.md")]
pub mod order {}

/// One error type, and which of `service` and `wrap` you need.
#[doc = include_str!("errors.md")]
pub mod errors {}

/// Why gates are always ready, and what that asks of the inner service.
#[doc = include_str!("readiness.md")]
pub mod readiness {}

/// How to test what your service does when things fail.
#[doc = include_str!("test.md")]
pub mod test {}

/// Questions that begin with "why".
#[doc = include_str!("design.md")]
pub mod design {}
