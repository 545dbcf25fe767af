//! Where you look at what happens: counters, and `tracing`.

mod counters;
mod metric;
mod names;
mod sample;
#[cfg(feature = "tracing")]
mod sieve;
#[cfg(feature = "tracing")]
mod tracing;
mod value;

#[cfg(feature = "serde")]
pub(crate) use self::names::hold_name;
#[cfg(feature = "tracing")]
pub use self::tracing::Tracing;
pub use self::{
    counters::Counters,
    metric::{Kind, Metric},
    names::Attributes,
    sample::{Number, Page, Sample},
    value::Value,
};
pub use crate::stats::Histogram;
