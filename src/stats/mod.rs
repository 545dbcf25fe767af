//! Sliding windows over the results of calls, and how their times are spread: pure, without a lock, and O(1) a call.
//!
//! A window belongs to an *epoch*, a number that its owner raises to make it forget. A result is recorded for the
//! epoch in which it was looked at; one of an older epoch changes nothing that can be read, however late its
//! thread gets to it.

mod count_window;
mod histogram;
mod run;
mod space_saving;
mod time_window;

pub use self::histogram::Histogram;
pub(crate) use self::{
    count_window::CountWindow,
    histogram::{BUCKETS, bucket},
    run::Run,
    space_saving::{Known, SpaceSaving},
    time_window::TimeWindow,
};

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls whose result said something about the callee.
    pub calls: u32,
    /// Those of them that failed.
    pub failures: u32,
    /// Those of them that were slow, failed or not.
    pub slow: u32,
}

/// One result, as a window sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}
