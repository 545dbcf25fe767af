//! Over every kind of error, each of which keeps its identity.

use std::{convert::Infallible, io, num::NonZeroU32, time::Duration};

use plimsoll::{
    BoxError, Error, Reason, Refusal, Rejection, Stack,
    bulkhead::{self, Bulkhead},
    circuit_breaker,
    keyed::{self, Keyed},
    load_shed,
    rate_limit::{Quota, RateLimit},
    retry, surge_queue,
    testing::{Mock, Reply},
    work_budget,
};
use tower::{Service, ServiceExt, service_fn};

use crate::{is_full, one, refusal};

#[tokio::test]
async fn service_goes_over_a_service_that_cannot_fail() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), Infallible>::hang());
    let error: Error<Infallible> = refusal(Stack::new().bulkhead(one()).service(inner)).await;
    assert!(matches!(error, Error::Rejected(rejection) if is_full(&rejection)));
}

#[tokio::test]
async fn service_goes_over_a_foreign_error() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let error: Error<io::Error> = refusal(Stack::new().bulkhead(one()).service(inner)).await;
    assert!(error.rejection().is_some_and(is_full));
}

#[tokio::test]
async fn wrap_keeps_a_boxed_error() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), BoxError>::hang());
    let error: BoxError = refusal(Stack::new().bulkhead(one()).wrap(inner)).await;
    assert!(error.downcast_ref().is_some_and(is_full));
}

#[derive(Debug, thiserror::Error)]
enum AppError {
    #[error(transparent)]
    Refused(#[from] Rejection),
    #[error("no such customer")]
    NotFound,
}

impl Refusal for AppError {
    fn rejection(&self) -> Option<&Rejection> {
        if let Self::Refused(rejection) = self { Some(rejection) } else { None }
    }
}

#[tokio::test]
async fn wrap_keeps_an_applications_error() {
    let (inner, _) = Mock::new(|call, (): &()| match call {
        0 => Reply::<(), AppError>::hang(),
        _ => Reply::err(AppError::NotFound),
    });
    let stack = Stack::new().timeout(Duration::from_secs(1)).bulkhead(one());
    let service = stack.wrap(inner);
    assert!(matches!(refusal(service.clone()).await, AppError::Refused(rejection) if is_full(&rejection)));
    assert!(matches!(service.oneshot(()).await, Err(AppError::NotFound)));
}

/// Rooms that only refuse ask no more of an error than that it can hold a refusal.
#[tokio::test]
async fn a_stack_that_judges_nothing_asks_only_for_from() {
    #[derive(Debug)]
    struct Plain(Rejection);

    impl From<Rejection> for Plain {
        fn from(rejection: Rejection) -> Self {
            Self(rejection)
        }
    }

    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), Plain>::hang());
    let stack = Stack::new().timeout(Duration::from_secs(1)).bulkhead(one());
    assert!(is_full(&refusal(stack.wrap(inner)).await.0));
}

#[cfg(feature = "anyhow")]
#[tokio::test]
async fn wrap_keeps_anyhow() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), anyhow::Error>::hang());
    let error: anyhow::Error = refusal(Stack::new().bulkhead(one()).wrap(inner)).await;
    assert!(error.rejection().is_some_and(is_full));
}

#[tokio::test]
async fn a_foreign_layer_in_the_middle_may_box_errors() {
    let (inner, _) = Mock::new(|_, (): &()| Reply::<(), io::Error>::hang());
    let stack = Stack::new()
        .bulkhead(bulkhead::Settings::try_new(9).expect("valid").with_name("outer"))
        .layer(tower::timeout::TimeoutLayer::new(Duration::from_secs(1)))
        .bulkhead(one().with_name("inner"));
    let error: BoxError = refusal(stack.service(inner)).await;
    let rejection = error.rejection().expect("found through the box");
    assert_eq!((rejection.layer(), rejection.reason()), ("inner", Reason::BulkheadFull));
}

/// Five layers over every kind of error: those that `service` takes, and those that `wrap` keeps.
#[tokio::test]
async fn the_whole_stack_goes_over_every_kind_of_error() {
    fn hang<E: Send + 'static>() -> Mock<(), (), E> {
        Mock::new(|_, (): &()| Reply::hang()).0
    }
    let stack = client!(circuit_breaker::Settings::new());
    assert!(refusal(stack.service(hang::<Infallible>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.service(hang::<io::Error>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.wrap(hang::<BoxError>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.wrap(hang::<AppError>())).await.rejection().is_some_and(is_full));
    #[cfg(feature = "anyhow")]
    assert!(refusal(stack.wrap(hang::<anyhow::Error>())).await.rejection().is_some_and(is_full));
    let foreign = stack.layer(tower::timeout::TimeoutLayer::new(Duration::from_secs(9))).bulkhead(one());
    assert!(refusal(foreign.service(hang::<io::Error>())).await.rejection().is_some_and(is_full));
}

/// Room for more than the bulkheads further in have, and fuel.
fn seats() -> work_budget::Settings {
    work_budget::Settings::try_new(9).and_then(|settings| settings.try_with_fuel(9)).expect("valid")
}

/// The order of a server: the deadline, who waits and how many are under way, what one may do, and places further in.
macro_rules! server {
    ($queue:expr, $shed:expr) => {{
        let often = Quota::per_second(NonZeroU32::MAX);
        let stack = Stack::new().metered("callers").timeout(Duration::from_secs(2)).overload_control($queue, $shed);
        stack
            .keyed(Keyed::new(keyed::Settings::new(), |(): &()| 7, move |_: &u8| RateLimit::new(often)))
            .work_budget(seats())
            .metered("within")
            .bulkhead(one())
    }};
}

#[tokio::test]
async fn a_server_goes_over_every_kind_of_error() {
    fn hang<E: Send + 'static>() -> Mock<(), (), E> {
        Mock::new(|_, (): &()| Reply::hang()).0
    }
    let stack = server!(surge_queue::Settings::new(), load_shed::Settings::new());
    assert!(refusal(stack.service(hang::<Infallible>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.service(hang::<io::Error>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.wrap(hang::<BoxError>())).await.rejection().is_some_and(is_full));
    assert!(refusal(stack.wrap(hang::<AppError>())).await.rejection().is_some_and(is_full));
}

/// One error type for a stack, whatever is in it: what a compiler message says of it stays short. A peer's five layers
/// had an error of five names, one in another, and changing their order changed it.
#[test]
fn the_error_of_a_deep_stack_is_one_error() {
    fn error_of<S: Service<()>>(_: &S) -> &'static str {
        std::any::type_name::<S::Error>()
    }
    let inner = service_fn(|(): ()| async { Ok::<_, io::Error>(()) });
    let deep = client!(circuit_breaker::Settings::new()).service(inner);
    assert_eq!(error_of(&deep), "plimsoll::error::Error<std::io::error::Error>");
    let shuffled = Stack::new().circuit_breaker(circuit_breaker::Settings::new()).retry(retry::Settings::new());
    assert_eq!(error_of(&shuffled.service(inner)), error_of(&deep));
}
