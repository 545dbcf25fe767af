//! The contract of tower's `Service`, held by every layer and every stack, over inner services of every kind.
#![cfg(feature = "testing")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod panics;
mod readiness;
mod subjects;
mod types;
mod wakers;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use plimsoll::testing::Mock;
use support::{
    finding::Kind,
    kit::{Boom, Kit},
};

#[track_caller]
fn assert_nothing_held(kit: &Kit) {
    let remains = kit.remains(Kind::Leak, "after all");
    assert!(remains.is_empty(), "{remains:?}");
}

type Scripted = Mock<(), u32, Boom>;

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
