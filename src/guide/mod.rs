//! The manual: how stacks are put together, and why the house is as it is. The pages of the rooms say the rest.
//!
//! * [`order`]: which layer goes where, and what breaks if two are swapped
//! * [`overload`]: bulkhead, load shedder, surge queue: which, and where
//! * [`errors`]: one error type, and which of `service` and `wrap` you need
//! * [`readiness`]: why gates are always ready, and what that asks of the inner service
//! * [`compile`]: what the compiler wants, and a service in a struct
//! * [`observing`]: what a stack tells of itself, and how it is changed while it serves
//! * [`testing`]: how to test what your service does when things fail
//! * [`design`]: questions that begin with "why"

/// Which layer goes where, and what breaks if two are swapped.
#[doc = include_str!("order.md")]
pub mod order {}

/// Bulkhead, load shedder, surge queue: which one, and where.
#[doc = include_str!("overload.md")]
pub mod overload {}

/// One error type, and which of `service` and `wrap` you need.
#[doc = include_str!("errors.md")]
pub mod errors {}

/// Why gates are always ready, and what that asks of the inner service.
#[doc = include_str!("readiness.md")]
pub mod readiness {}

/// What the compiler wants when a stack does not compile, and how to keep a service in a struct.
#[doc = include_str!("compile.md")]
pub mod compile {}

/// What a stack tells of itself, where that is seen, and how it is changed while it serves.
#[doc = include_str!("observing.md")]
pub mod observing {}

/// How to test what your service does when things fail.
#[doc = include_str!("testing.md")]
pub mod testing {}

/// Questions that begin with "why".
#[doc = include_str!("design.md")]
pub mod design {}
