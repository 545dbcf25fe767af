//! Inner services that are hard to please.

use std::{
    cell::Cell,
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use plimsoll::testing::Mock;
use tower::Service;

use super::kit::{Ask, Boom, Kit};

type Inner = Mock<Ask, u32, Boom>;

/// Panics when an instance is called that was not itself polled until it was ready. A clone has not been. And counts
/// the instances that were asked, are not called, and live on: a place in some queue is left behind with each.
pub(crate) struct Picky {
    inner: Inner,
    ready: bool,
    asked: Option<Asked>,
    left_behind: Rc<Cell<usize>>,
}

/// One who was asked, until it is called or dropped.
struct Asked(Rc<Cell<usize>>);

impl Asked {
    fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

pub(crate) fn picky(kit: &Kit) -> Picky {
    Picky { inner: kit.mock(), ready: false, asked: None, left_behind: Rc::clone(&kit.left_behind) }
}

impl Clone for Picky {
    fn clone(&self) -> Self {
        let left_behind = Rc::clone(&self.left_behind);
        Self { inner: self.inner.clone(), ready: false, asked: None, left_behind }
    }
}

impl Service<Ask> for Picky {
    type Response = u32;
    type Error = Boom;
    type Future = <Inner as Service<Ask>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Boom>> {
        let polled = self.inner.poll_ready(cx);
        self.ready = matches!(polled, Poll::Ready(Ok(())));
        self.asked.get_or_insert_with(|| Asked::new(&self.left_behind));
        polled
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        assert!(mem::take(&mut self.ready), "called an instance that was not polled ready");
        self.asked = None;
        self.inner.call(ask)
    }
}

/// Stays on its thread, and so does its future.
#[derive(Clone)]
pub(crate) struct Unsend(Inner, Rc<()>);

pub(crate) fn unsend(kit: &Kit) -> Unsend {
    Unsend(kit.mock(), Rc::new(()))
}

impl Service<Ask> for Unsend {
    type Response = u32;
    type Error = Boom;
    type Future = Pin<Box<dyn Future<Output = Result<u32, Boom>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Boom>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let (future, kept) = (self.0.call(ask), Rc::clone(&self.1));
        Box::pin(async move {
            let response = future.await;
            drop(kept);
            response
        })
    }
}

/// There is only one of it.
pub(crate) struct Unclone(Inner);

pub(crate) fn unclone(kit: &Kit) -> Unclone {
    Unclone(kit.mock())
}

impl Service<Ask> for Unclone {
    type Response = u32;
    type Error = Boom;
    type Future = <Inner as Service<Ask>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Boom>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        self.0.call(ask)
    }
}
