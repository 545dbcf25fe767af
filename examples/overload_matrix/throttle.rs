//! Clients that hold themselves back: the adaptive throttling of the SRE book, by class.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;
use futures_util::future::{Either, Map, Ready, ready};
use plimsoll::{
    Error, Reason, Refusal, Rejection,
    clock::{self, Instant},
    testing::Verdict,
};
use tower::{Layer, Service};

use crate::columns::Ask;

/// How many requests there may be for each one that is accepted.
const K: f64 = 2.0;
/// How long a request is remembered.
const MEMORY: Duration = Duration::from_secs(30);
/// Under this name it refuses.
const NAME: &str = "throttle";

/// Refuses on the client's side, without asking the server, with the probability
/// max(0, (requests − K · accepted) / (requests + 1)), for each class of its own: one for all would hold back the critical
/// for what happened to the rest.
///
/// Source: *Site Reliability Engineering* (2016), "Handling Overload"; its window is two minutes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throttle(Arc<[Mutex<Class>; 4]>);

/// What a class has asked for and got: counts for each second.
#[derive(Debug, Default)]
struct Class {
    seconds: VecDeque<(Instant, f64, f64)>,
    asked: f64,
    accepted: f64,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

impl Class {
    fn add(&mut self, now: Instant, asked: f64, accepted: f64) {
        while let Some((since, old_asked, old_accepted)) = self.seconds.front().copied()
            && now.since(since) > MEMORY
        {
            self.asked -= old_asked;
            self.accepted -= old_accepted;
            self.seconds.pop_front();
        }
        match self.seconds.back_mut() {
            Some((since, a, b)) if now.since(*since) < Duration::from_secs(1) => (*a, *b) = (*a + asked, *b + accepted),
            _ => self.seconds.push_back((now, asked, accepted)),
        }
        self.asked += asked;
        self.accepted += accepted;
    }

    fn refusal(&self) -> f64 {
        ((self.asked - K * self.accepted) / (self.asked + 1.0)).max(0.0)
    }
}

impl<S> Layer<S> for Throttle {
    type Service = Throttled<S>;

    fn layer(&self, inner: S) -> Throttled<S> {
        Throttled { inner, throttle: self.clone() }
    }
}

/// A service with a [`Throttle`] in front.
#[derive(Clone, Debug)]
pub(crate) struct Throttled<S> {
    inner: S,
    throttle: Throttle,
}

/// Counts what was accepted.
type Count<E> = Box<dyn FnOnce(Result<(), Error<E>>) -> Result<(), Error<E>> + Send>;

impl<S, E> Service<Ask> for Throttled<S>
where
    S: Service<Ask, Response = (), Error = Error<E>>,
    E: 'static,
{
    type Response = ();
    type Error = Error<E>;
    type Future = Either<Map<S::Future, Count<E>>, Ready<Result<(), Error<E>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error<E>>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let (throttle, class) = (self.throttle.clone(), usize::from(ask.class.min(3)));
        let mut counts = throttle.0[class].lock().unwrap_or_else(PoisonError::into_inner);
        // What is refused here counts as asked too: else it would forget that there is more than enough.
        counts.add(clock::now(), 1.0, 0.0);
        if dice(ask) < counts.refusal() {
            return Either::Right(ready(Err(Error::Rejected(Rejection::new(Reason::LimitReached, NAME)))));
        }
        drop(counts);
        let count: Count<E> = Box::new(move |result| {
            let mut counts = throttle.0[class].lock().unwrap_or_else(PoisonError::into_inner);
            let refused = matches!(&result, Err(Error::Rejected(_)));
            counts.add(clock::now(), 0.0, f64::from(u8::from(!refused)));
            drop(counts);
            result
        });
        Either::Left(self.inner.call(ask).map(count))
    }
}

/// A number from 0 to 1, another one for each attempt.
fn dice(ask: Ask) -> f64 {
    let mixed = (ask.random ^ u64::from(ask.attempt)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 11) as f64 / (1_u64 << 53) as f64
}

/// What was held back here never came to the server: a failure, and not a refusal of its.
pub(crate) fn judge<E>(result: Result<&(), &Error<E>>) -> Verdict
where
    Error<E>: Refusal,
{
    match result.map_err(Refusal::rejection) {
        Ok(()) => Verdict::Success,
        Err(Some(rejection)) if rejection.layer() != NAME => Verdict::Refused(rejection.reason()),
        Err(_) => Verdict::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_back_what_is_beyond_twice_of_what_is_accepted() {
        let mut class = Class::default();
        class.add(Instant::from_nanos(0), 100.0, 50.0);
        assert_eq!(class.refusal(), 0.0, "half of them is good enough");
        class.add(Instant::from_nanos(0), 100.0, 0.0);
        assert!((class.refusal() - 100.0 / 201.0).abs() < 1e-9);
    }

    #[test]
    fn it_forgets_what_was_half_a_minute_ago() {
        let mut class = Class::default();
        class.add(Instant::from_nanos(0), 1000.0, 0.0);
        class.add(Instant::from_nanos(0).after(MEMORY), 1.0, 1.0);
        assert!(class.refusal() > 0.99, "not yet");
        class.add(Instant::from_nanos(1).after(MEMORY), 1.0, 1.0);
        assert_eq!(class.refusal(), 0.0);
    }

    #[test]
    fn each_attempt_has_dice_of_its_own() {
        let ask = |random, attempt| Ask { class: 0, tenant: 0, deadline: None, attempt, random };
        let mean = (0..10_000).map(|number| dice(ask(number << 40, 1))).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        assert_ne!(dice(ask(7, 1)), dice(ask(7, 2)));
    }
}
