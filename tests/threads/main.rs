//! Many threads at once, for a moment: nothing is lost, nobody is forgotten, and no circuit gets stuck.

#[path = "../support/crowd.rs"]
mod crowd;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../support/rng.rs"]
mod rng;

mod bulkhead;
mod circuit_breaker;
mod keyed;
mod load_shed;
mod rate_limit;
mod retry;
mod shuffle_shard;
mod surge_queue;
mod work_budget;

use rng::Rng;

const THREADS: u64 = 4;

#[derive(Clone, Copy)]
struct Ask {
    weight: u32,
    compartment: usize,
}

/// For ever, or fewer than so many polls, and then no more: to be given up on, or not.
fn patience(rng: &mut Rng, polls: usize) -> u32 {
    if rng.below(2) == 0 { u32::MAX } else { rng.below(polls) as u32 }
}
