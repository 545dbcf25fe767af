//! A rule of one's own, whatever it says.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use plimsoll::{
    Reason, Stack,
    load_shed::{LoadShed, Rule, Settings, Step, Window},
};
use tokio::time::advance;
use tokio_test::assert_ready_ok;
use tower::Service;

use crate::{Panic, SECOND, Takes, call, callee, held, limits, look, refusal};

/// Answers with this, or panics at every word.
#[derive(Debug)]
struct Says(Option<f64>);

impl Rule for Says {
    fn limit(&self) -> f64 {
        self.0.expect("a rule that panics")
    }

    fn look(&mut self, _: &Window<'_>) -> Step {
        self.0.map(|_| Step::CLOSE).expect("a rule that panics")
    }

    fn baseline(&self) -> Option<f64> {
        Some(self.0.expect("a rule that panics"))
    }

    fn is_probing(&self) -> bool {
        self.0.map(|_| true).expect("a rule that panics")
    }

    fn update(&mut self, _: &Settings) {
        self.0.expect("a rule that panics");
    }
}

#[tokio::test(start_paused = true)]
async fn may_say_anything_and_one_is_served_at_least() {
    let says = [
        (Some(0.0), 1),
        (Some(-1.0), 1),
        (Some(f64::NEG_INFINITY), 1),
        (Some(f64::INFINITY), 9),
        (Some(1e300), 9),
        (Some(f64::MIN_POSITIVE), 1),
        (Some(f64::NAN), 3),
        (None, 3),
    ];
    for (says, limit) in says {
        let (mut service, handle) = behind!(LoadShed::with_rule(limits(3, 9), move |_| Says(says)));
        for _ in 0..10 {
            look(&mut service).await;
            service.call(Takes(20)).await.expect("answered");
        }
        let calls = held(&mut service, limit);
        assert_eq!(refusal(&mut service).reason(), Reason::LimitReached, "{says:?}");
        let snapshot = handle.snapshot();
        assert_eq!((snapshot.limit, snapshot.in_use), (limit as u32, limit as u32), "{says:?}");
        assert!(format!("{handle:?}").contains("limit"));
        drop(calls);
        handle.update(limits(1, 2));
        assert_eq!(handle.snapshot().limit, 2.min(limit as u32));
        assert_eq!(handle.snapshot().in_use, 0);
    }
}

/// A permit is given back while a call unwinds, which is when the rule may be asked: a second panic would abort.
#[tokio::test(start_paused = true)]
async fn may_panic_while_a_call_does() {
    let (mut service, handle) = behind!(LoadShed::with_rule(limits(3, 9), |_| Says(None)));
    for _ in 0..5 {
        advance(2 * SECOND).await;
        let mut panics = call(&mut service, Panic);
        assert!(catch_unwind(AssertUnwindSafe(|| panics.poll())).is_err());
    }
    assert_eq!(handle.snapshot().in_use, 0);
    assert_ready_ok!(call(&mut service, Takes(0)).poll());
}

#[derive(Debug)]
struct Never;

impl Rule for Never {
    fn limit(&self) -> f64 {
        2.0
    }

    fn look(&mut self, _: &Window<'_>) -> Step {
        Step::Close(Duration::MAX)
    }
}

#[tokio::test(start_paused = true)]
async fn may_wish_never_to_look_again() {
    let (mut service, handle) = behind!(LoadShed::with_rule(limits(1, 9), |_| Never));
    for _ in 0..5 {
        look(&mut service).await;
    }
    assert_eq!((handle.snapshot().limit, handle.snapshot().in_use), (2, 0));
}
