//! The manual: which layers to take, how stacks are put together, and why the house is built as it is. The rooms' own
//! pages say the rest.
//!
//! To begin:
//! * [`choose`]: which layer for which problem, and the smallest stacks that do something
//! * [`order`]: which layer goes where, and what breaks if two are swapped
//! * [`migrating`]: from tower's own layers, and from tower-resilience
//!
//! What can go wrong:
//! * [`overload`]: bulkhead, load shedder, surge queue: which one, and where
//! * [`isolation`]: who harms whom, and what keeps them apart
//! * [`deadlines`]: how long a caller waits, who heeds it, and how it travels
//! * [`errors`]: one error type, and which of `service` and `wrap` you need
//! * [`readiness`]: why gates are always ready, and what that asks of the inner service
//!
//! In service:
//! * [`tuning`]: every default, with its reason and its source, and when to change it
//! * [`observing`]: what a stack says about itself, and how to change it while it serves
//! * [`testing`]: how to test what your service does when things fail
//!
//! And:
//! * [`compile`]: what the compiler wants, and a service in a struct
//! * [`limitations`]: what this library does not do
//! * [`design`]: questions that begin with "why"
//!
//! A ❌ marks a common mistake, and the ✅ after it what to do instead. The code below a ❌ is tested like any other, so
//! the harm is there to be seen.

/// Which layer for which problem, and the smallest stacks that do something.
#[doc = include_str!("choose.md")]
pub mod choose {}

/// Which layer goes where, and what breaks if two are swapped.
#[doc = include_str!("order.md")]
pub mod order {}

/// From tower's own layers, and from tower-resilience.
#[doc = include_str!("migrating.md")]
pub mod migrating {}

/// Bulkhead, load shedder, surge queue: which one, and where.
#[doc = include_str!("overload.md")]
pub mod overload {}

/// Who harms whom, and what keeps them apart.
#[doc = include_str!("isolation.md")]
pub mod isolation {}

/// How long a caller waits, who heeds it, and how it travels.
#[doc = include_str!("deadlines.md")]
pub mod deadlines {}

/// One error type, and which of `service` and `wrap` you need.
#[doc = include_str!("errors.md")]
pub mod errors {}

/// Why gates are always ready, and what that asks of the inner service.
#[doc = include_str!("readiness.md")]
pub mod readiness {}

/// Every default, with its reason and its source, and when to change it.
#[doc = include_str!("tuning.md")]
pub mod tuning {}

/// What a stack says about itself, where to see it, and how to change it while it serves.
#[doc = include_str!("observing.md")]
pub mod observing {}

/// How to test what your service does when things fail.
#[doc = include_str!("testing.md")]
pub mod testing {}

/// What the compiler wants when a stack does not compile, and how to keep a service in a struct.
#[doc = include_str!("compile.md")]
pub mod compile {}

/// What this library does not do, and what to do instead.
#[doc = include_str!("limitations.md")]
pub mod limitations {}

/// Questions that begin with "why".
#[doc = include_str!("design.md")]
pub mod design {}
