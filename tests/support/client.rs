//! One caller of a service, driven step by step: ask whether it is ready, call, poll.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use plimsoll::{Refusal, Rejection};
use tower::Service;

use super::{
    flag::Flag,
    kit::Ask,
    quiet::{catch, is_scripted},
};

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answered,
    /// An error that is no refusal of ours.
    Failed,
    Panicked(String),
    Refused(Rejection),
}

/// How far a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not ready yet, or not asked.
    Unready,
    Ready,
    /// Called, and the future has not been polled.
    Called,
    Pending,
    Ended(End),
}

pub(crate) struct Client<S: Service<Ask>> {
    pub(crate) ask: Ask,
    pub(crate) stage: Stage,
    pub(crate) flag: Arc<Flag>,
    /// Whether it may only go on once its flag is up.
    parked: bool,
    called: bool,
    service: Option<S>,
    future: Option<Pin<Box<S::Future>>>,
}

impl<S> Client<S>
where
    S: Service<Ask>,
    S::Error: Refusal,
{
    pub(crate) fn new(service: S, ask: Ask) -> Self {
        let (stage, flag) = (Stage::Unready, Flag::new());
        Self { ask, stage, flag, parked: false, called: false, service: Some(service), future: None }
    }

    /// Whether a task that keeps to the rules would be polled now: never yet, or woken.
    pub(crate) fn may_step(&self) -> bool {
        !self.has_ended() && (!self.parked || self.flag.is_up())
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended(_))
    }

    pub(crate) fn was_called(&self) -> bool {
        self.called
    }

    /// One step on. Whether the call has ended.
    pub(crate) fn step(&mut self) -> bool {
        self.flag.lower();
        self.parked = false;
        let next = catch(|| self.go_on()).unwrap_or_else(|message| Stage::Ended(End::Panicked(message)));
        self.stage = next;
        self.has_ended()
    }

    /// Steps until there is nothing more that it may do.
    pub(crate) fn settle_down(&mut self) {
        while self.may_step() {
            self.step();
        }
    }

    /// The task moves: from now on another flag is its own. The old one is returned.
    pub(crate) fn move_to_new_flag(&mut self) -> Arc<Flag> {
        std::mem::replace(&mut self.flag, Flag::new())
    }

    fn go_on(&mut self) -> Stage {
        let waker = self.flag.waker();
        let mut cx = Context::from_waker(&waker);
        match &self.stage {
            Stage::Unready => match self.service().poll_ready(&mut cx) {
                Poll::Pending => self.park(Stage::Unready),
                Poll::Ready(Ok(())) => Stage::Ready,
                Poll::Ready(Err(error)) => ended(Err::<(), _>(error)),
            },
            Stage::Ready => {
                self.called = true;
                let ask = self.ask;
                self.future = Some(Box::pin(self.service().call(ask)));
                Stage::Called
            }
            Stage::Called | Stage::Pending | Stage::Ended(_) => {
                match self.future.as_mut().expect("called").as_mut().poll(&mut cx) {
                    Poll::Pending => self.park(Stage::Pending),
                    Poll::Ready(result) => ended(result),
                }
            }
        }
    }

    fn park(&mut self, stage: Stage) -> Stage {
        self.parked = true;
        stage
    }

    fn service(&mut self) -> &mut S {
        self.service.as_mut().expect("not dropped")
    }

    pub(crate) fn drop_future(&mut self) {
        self.future = None;
    }

    pub(crate) fn drop_service(&mut self) {
        self.service = None;
    }

    /// The panic that it ended with, if that is in no script.
    pub(crate) fn foreign_panic(&self) -> Option<&str> {
        match &self.stage {
            Stage::Ended(End::Panicked(message)) if !is_scripted(message) => Some(message),
            _ => None,
        }
    }
}

fn ended<T, E: Refusal>(result: Result<T, E>) -> Stage {
    Stage::Ended(match result {
        Ok(_) => End::Answered,
        Err(error) => error.rejection().map_or(End::Failed, |rejection| End::Refused(*rejection)),
    })
}
