//! What a stack tells of itself, and what it lets itself be told: through the public door, time paused.
#![cfg(feature = "testing")]

#[allow(dead_code, reason = "other suites use the rest")]
#[path = "../support/crowd.rs"]
mod crowd;

mod contributors;
mod control;
mod counted;
#[cfg(any(feature = "prometheus", feature = "metrics", feature = "opentelemetry", feature = "emf"))]
mod export;
mod load;
mod meter;
#[cfg(feature = "tracing")]
mod tracing;

use std::{io, num::NonZeroU32, time::Duration};

use plimsoll::{
    bulkhead,
    testing::{Mock, Reply},
};

const MS: Duration = Duration::from_millis(1);

fn one() -> bulkhead::Settings {
    bulkhead::Settings::new(NonZeroU32::MIN)
}

/// A callee that never answers.
fn hanging() -> Mock<(), (), io::Error> {
    Mock::new(|_, (): &()| Reply::hang()).0
}

/// A callee that does as the request says.
fn obedient() -> Mock<Ask, (), io::Error> {
    Mock::new(|_, ask: &Ask| match ask {
        Ask::Answer(after) => Reply::ok(()).after(*after),
        Ask::Fail(after) => Reply::err(io::Error::other("down")).after(*after),
        Ask::Hang => Reply::hang(),
        Ask::Panic => Reply::panic(),
    })
    .0
}

#[derive(Clone, Copy, Debug)]
enum Ask {
    Answer(Duration),
    Fail(Duration),
    Hang,
    Panic,
}
