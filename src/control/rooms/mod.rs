//! What the rooms' handles tell: a file for each room.

mod bulkhead;
mod circuit_breaker;
mod keyed;
mod load_shed;
mod meter;
mod rate_limit;
mod retry;
mod shuffle_shard;
mod surge_queue;
mod timeout;
mod work_budget;

use crate::event::Hold;

/// How a layer stands that only observes, or does not.
const fn observing(observe_only: bool) -> Hold {
    if observe_only { Hold::ObserveOnly } else { Hold::Automatic }
}

/// Holds by these two methods of a handle.
macro_rules! observe_only {
    () => {
        fn hold(&self, hold: Hold) -> bool {
            match hold {
                Hold::Automatic => self.automatic(),
                Hold::ObserveOnly => self.observe_only(),
                Hold::Closed | Hold::Open => return false,
            }
            true
        }
    };
}

use observe_only;
