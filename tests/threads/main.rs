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
mod meter;
mod rate_limit;
mod retry;
mod shuffle_shard;
mod surge_queue;
mod work_budget;

use std::io;

use crowd::{Breath, drive};
use rng::Rng;
use tower::Service;

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

/// Answers whatever is asked, not at once.
async fn breathe<T>(_: T) -> io::Result<()> {
    Breath::default().await;
    Ok(())
}

/// A thousand calls of all weights and into all compartments, of which many are given up on.
fn ask_on_and_on(mut service: impl Service<Ask>, mut rng: Rng) {
    for _ in 0..1000 {
        let ask = Ask { weight: rng.below(6) as u32, compartment: rng.below(4) };
        let patience = patience(&mut rng, 4);
        let _ = drive(service.call(ask), patience);
    }
}
