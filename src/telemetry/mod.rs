//! Where to look at what happens: counters and `tracing`; and the names of everything that can be measured.
//!
//! # Choose what it costs
//! What a layer knows anyway (limits, states, queues, budgets) is there when somebody looks, and costs a call nothing.
//! The rest is chosen separately. The table is for a stack of nine layers of all kinds, where a call takes about 1800
//! instructions and 245 ns, and for a refusal by a bulkhead alone, 150 instructions and 13 ns:
//!
//! | what | a call that is let in | a refusal | tells |
//! |---|--:|--:|---|
//! | nothing | 0 | 0 | what layers know about themselves |
//! | [`Stack::counted`](crate::Stack::counted) | + 4 instructions; 8 ns for each timeout | + 145, 7 ns | refusals by reason; trips, moves, retries and why they stopped |
//! | [`Stack::metered`](crate::Stack::metered), beside gates that read the clock | + 70 to 165, up to 5 ns | | calls, how they end, how long they take |
//! | the same, in a group of its own | + 620, 75 ns | | the same, at another place |
//! | both, and [`Tracing`] with nobody listening | as counters, + 50 to 160 | + 215, 8 ns | the same, and lines in a log |
//! | a meter that [announces each call](crate::meter::Settings::with_events) | + 530, 26 ns | | single calls, to an observer |
//!
//! (`cargo bench --bench watching`. Instructions are callgrind's; they repeat exactly, and differ by some tens with
//! what the compiler makes of the rest.) A timeout with a listener keeps a pointer to it while a call runs: few
//! instructions, but two of them atomic. All other layers have such a pointer anyway. None of this allocates or locks,
//! on the path of a call or of a refusal.
//!
//! # Several observers
//! A stack has one [observer](crate::Observer): two become one by [`Observer::and`](crate::Observer::and). Counters
//! take no observer's place. What is counted or announced never holds anything from a request.

mod advise;
mod counters;
mod metric;
mod names;
mod sample;
#[cfg(feature = "tracing")]
mod sieve;
#[cfg(feature = "tracing")]
mod tracing;
mod value;

pub(crate) use self::advise::advise;
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
