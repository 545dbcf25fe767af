//! The circuit breaker through the public door.

mod control;
mod probe;
mod trip;

use std::{
    future::{Future, pending, poll_fn},
    io,
    num::NonZeroU32,
    pin::Pin,
    task::Poll,
    time::Duration,
};

use plimsoll::{
    Error, Reason, Stack,
    chance::Chance,
    circuit_breaker::{CircuitBreaker, Handle, OpenTime, Settings},
};
use tokio::{sync::oneshot, time};
use tower::{Service, ServiceExt, service_fn};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<u32, Error<io::Error>>;

/// What the callee does with a call.
enum Script {
    Ok,
    Fail,
    Hang,
    Panic,
    Take(Duration),
    /// Answers when, and as, the test says.
    Asked(oneshot::Receiver<bool>),
}

async fn callee(script: Script) -> Result<u32, io::Error> {
    match script {
        Script::Ok => Ok(7),
        Script::Fail => Err(io::Error::other("disk on fire")),
        Script::Hang => pending().await,
        Script::Panic => panic!("callee"),
        Script::Take(duration) => {
            time::sleep(duration).await;
            Ok(7)
        }
        Script::Asked(answer) => match answer.await {
            Ok(true) => Ok(7),
            _ => Err(io::Error::other("disk on fire")),
        },
    }
}

fn n(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("not zero")
}

/// Opens after three failures in a row, for ten seconds at most; no ramp.
fn three() -> Settings {
    Settings::new()
        .with_consecutive_failures(n(3))
        .with_open_time(OpenTime::constant(10 * SECOND))
        .with_ramp(Duration::ZERO)
}

fn guarded(
    settings: Settings,
) -> (impl Service<Script, Response = u32, Error = Error<io::Error>, Future: Send> + Clone + Send + 'static, Handle) {
    let breaker = CircuitBreaker::new(settings).chance(Chance::seeded(7));
    let handle = breaker.handle();
    (Stack::new().circuit_breaker(breaker).service(service_fn(callee)), handle)
}

async fn ask(
    service: &(impl Service<Script, Response = u32, Error = Error<io::Error>> + Clone),
    script: Script,
) -> Answer {
    service.clone().oneshot(script).await
}

fn refused(answer: &Answer) -> bool {
    matches!(answer, Err(Error::Rejected(rejection)) if rejection.reason() == Reason::CircuitOpen)
}

async fn trip(service: &(impl Service<Script, Response = u32, Error = Error<io::Error>> + Clone)) {
    for _ in 0..3 {
        assert!(matches!(ask(service, Script::Fail).await, Err(Error::Inner(_))));
    }
}

/// Polls once, and lets it be.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
