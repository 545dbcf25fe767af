use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use plimsoll::{
    BoxError, Reason, Refusal, Stack, clock,
    http::body_timeout::{BodyTimeout, BodyTooSlow, Settings, Slow, TimedBody},
};
use tower::{ServiceExt, service_fn};

use crate::script::{Broken, Scripted, Step, poll, read, trailers};

const SECOND: Duration = Duration::from_secs(1);

fn slow(error: &BoxError) -> Slow {
    error.downcast_ref::<BodyTooSlow>().expect("ours").slow()
}

/// `frames` of so many bytes, so long apart.
fn dripping(frames: usize, bytes: usize, apart: Duration) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
    let frames = stream::iter(0..frames).then(move |_| async move {
        tokio::time::sleep(apart).await;
        Ok(Frame::data(Bytes::from(vec![b'x'; bytes])))
    });
    StreamBody::new(Box::pin(frames))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_hangs_fails_when_its_time_is_up_and_is_let_go_of() {
    let gone = Arc::new(AtomicUsize::new(0));
    let hung = Scripted::new(&[Step::Data("begin"), Step::Hang]).counted(&gone);
    let mut body = TimedBody::new(hung, &Settings::new(3 * SECOND).with_name("uploads"));
    assert!(body.frame().await.expect("a frame").is_ok());
    let start = clock::now();
    let error = body.frame().await.expect("an end").expect_err("too slow");
    assert_eq!((slow(&error), clock::now().since(start)), (Slow::Idle, 3 * SECOND));
    assert_eq!(gone.load(SeqCst), 1);
    let rejection = error.rejection().expect("found by those who look");
    assert_eq!((rejection.reason(), rejection.layer(), rejection.was_dispatched()), (Reason::Timeout, "uploads", true));
    assert!(body.frame().await.is_none() && body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_is_not_cut_off_however_long_it_is() {
    let collected = TimedBody::new(dripping(100, 10, 2 * SECOND), &Settings::new(3 * SECOND)).collect().await;
    assert_eq!(collected.expect("in time").to_bytes().len(), 1000);
}

/// A byte within each idle time kept a connection for as long as the sender liked.
#[tokio::test(start_paused = true)]
async fn a_body_that_drips_fails() {
    let settings = Settings::new(30 * SECOND).try_with_rate(240, 5 * SECOND).expect("valid");
    let start = clock::now();
    let error = TimedBody::new(dripping(1000, 1, SECOND), &settings).collect().await.expect_err("too slow");
    assert_eq!(slow(&error), Slow::Rate);
    assert_eq!(clock::now().since(start), 5 * SECOND + Duration::from_millis(21), "and what five bytes are worth");
    let brisk = TimedBody::new(dripping(1000, 300, SECOND), &settings).collect().await;
    assert!(brisk.is_ok());
}

/// It is not the sender's fault that nobody reads.
#[tokio::test(start_paused = true)]
async fn time_in_which_nobody_reads_does_not_count() {
    let steps = [Step::Data("a"), Step::Data("b"), Step::Hang];
    let settings = Settings::new(SECOND).try_with_rate(1000, SECOND).expect("valid");
    let mut body = TimedBody::new(Scripted::new(&steps), &settings);
    assert!(body.frame().await.expect("a frame").is_ok());
    tokio::time::advance(100 * SECOND).await;
    assert!(body.frame().await.expect("a frame").is_ok());
    tokio::time::advance(100 * SECOND).await;
    assert!(poll(&mut body).is_pending());
}

#[test]
fn what_is_there_at_once_needs_neither_timer_nor_runtime() {
    let steps = [Step::Data("all"), Step::Data(" there"), Step::Trailers];
    let settings = Settings::new(SECOND).try_with_rate(1, SECOND).expect("valid");
    let read = read(&mut TimedBody::new(Scripted::new(&steps), &settings));
    assert_eq!((read.data, read.trailers), (b"all there".to_vec(), Some(trailers())));
    let mut for_ever = TimedBody::new(Scripted::new(&[Step::Hang]), &Settings::new(Duration::MAX));
    assert!(poll(&mut for_ever).is_pending(), "and what may take for ever, too");
}

#[test]
fn ends_and_errors_of_the_body_pass_unchanged() {
    let settings = Settings::new(SECOND);
    let failed = read(&mut TimedBody::new(Scripted::new(&[Step::Data("x"), Step::Fail]), &settings));
    let error = failed.end.expect("an end").expect_err("broken");
    assert_eq!(error.downcast_ref(), Some(&Broken));
    let told = TimedBody::new(Full::<Bytes>::from("12345"), &settings);
    assert_eq!((told.size_hint().exact(), told.is_end_stream()), (Some(5), false));
}

#[tokio::test(start_paused = true)]
async fn bodies_of_requests_and_of_responses_are_timed_by_a_layer() {
    let echo =
        service_fn(
            |req: Request<TimedBody<Scripted>>| async move { Ok::<_, Infallible>(Response::new(req.into_body())) },
        );
    let stack = Stack::new().layer(BodyTimeout::requests(SECOND)).wrap(echo);
    let mut body = stack.oneshot(Request::new(Scripted::new(&[Step::Hang]))).await.expect("answered").into_body();
    assert!(matches!(body.frame().await, Some(Err(error)) if slow(&error) == Slow::Idle));

    let hung = service_fn(|(): ()| async { Ok::<_, Infallible>(Response::new(Scripted::new(&[Step::Hang]))) });
    let stack = Stack::new().layer(BodyTimeout::responses(SECOND)).wrap(hung);
    let mut body = stack.oneshot(()).await.expect("answered").into_body();
    assert!(matches!(body.frame().await, Some(Err(error)) if slow(&error) == Slow::Idle));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    assert!(Settings::try_new(Duration::ZERO).is_err());
    assert!(Settings::new(SECOND).try_with_rate(0, SECOND).is_err());
    assert!(Settings::new(SECOND).try_with_rate(1, Duration::ZERO).is_err());
    let most = Settings::new(Duration::MAX).try_with_rate(u32::MAX, Duration::MAX).expect("valid");
    assert!(matches!(poll(&mut TimedBody::new(Scripted::new(&[Step::Data("x")]), &most)), Poll::Ready(Some(Ok(_)))));
}
