use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{Request, Response, StatusCode};
use plimsoll::{
    Error, Reason, Rejection, Stack,
    http::{AnnounceQuota, Quota, RespondRejections},
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// Two a minute, whoever asks.
#[tokio::test]
async fn answers_and_refusals_say_what_is_left_after_them() {
    let left = Arc::new(AtomicU64::new(2));
    let (told, taken) = (Arc::clone(&left), left);
    let minute = Quota::new("minute", 2).with_window(Duration::from_secs(60));
    let announce = AnnounceQuota::new(move |_: &Request<()>| {
        let told = Arc::clone(&told);
        move || Some(minute.left(told.load(SeqCst), Duration::from_secs(30)))
    });
    let limited = service_fn(move |_: Request<()>| {
        let left = taken.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        async move {
            let refused = Rejection::new(Reason::RateLimited, "minute").with_retry_after(Duration::from_millis(12_300));
            left.map(|_| Response::new(())).map_err(|_| Error::<Infallible>::from(refused))
        }
    });
    let mut service = ServiceBuilder::new().layer(announce).layer(RespondRejections::new()).service(limited);
    let mut ask = async || {
        let response = service.ready().await.expect("ready").call(Request::new(())).await.expect("infallible");
        let field = |name| response.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned());
        assert_eq!(field("ratelimit-policy").as_deref(), Some(r#""minute";q=2;w=60"#));
        (response.status(), field("ratelimit").expect("told"), field("retry-after"))
    };
    assert_eq!(ask().await, (StatusCode::OK, r#""minute";r=1;t=30"#.to_owned(), None));
    assert_eq!(ask().await, (StatusCode::OK, r#""minute";r=0;t=30"#.to_owned(), None));
    let (status, limit, after) = ask().await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((limit.as_str(), after.as_deref()), (r#""minute";r=0;t=13"#, Some("13")));
}

#[tokio::test]
async fn several_quotas_or_none_are_announced_and_errors_pass() {
    let inner = || {
        service_fn(
            |fails: Request<bool>| async move { if fails.into_body() { Err("no") } else { Ok(Response::new(())) } },
        )
    };
    let both = AnnounceQuota::new(|_: &Request<bool>| || [Quota::new("a", 1), Quota::new("b", 2)]);
    let stack = ServiceBuilder::new().layer(both).service(inner());
    let response = stack.clone().oneshot(Request::new(false)).await.expect("answered");
    assert_eq!(response.headers().get_all("ratelimit-policy").iter().count(), 2);
    assert_eq!(stack.oneshot(Request::new(true)).await.expect_err("passes"), "no");
    let none = ServiceBuilder::new().layer(AnnounceQuota::new(|_: &Request<bool>| || None::<Quota>)).service(inner());
    assert!(none.oneshot(Request::new(false)).await.expect("answered").headers().is_empty());
}

#[test]
fn a_panic_of_who_knows_the_numbers_loses_nothing() {
    let announce = AnnounceQuota::new(|req: &Request<bool>| {
        let panics = *req.body();
        move || if panics { panic!("scripted") } else { None::<Quota> }
    });
    let inner = service_fn(|_: Request<bool>| async { Ok::<_, Infallible>(Response::new(())) });
    let service = Stack::new().layer(announce).wrap(inner);
    let call =
        |panics| catch_unwind(AssertUnwindSafe(|| tokio_test::block_on(service.clone().oneshot(Request::new(panics)))));
    assert!(call(true).is_err());
    assert!(call(false).expect("no panic").is_ok());
}
