use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use plimsoll::{
    Event, Stack,
    event::Stop,
    http::{
        ByStatus, Replay, ReplayBodies, ReplayRequests,
        replay::{ReplayError, is_idempotent},
    },
    retry::{self, RetryLayer},
};
use proptest::prelude::*;
use tower::{Service, ServiceExt, service_fn};

use crate::script::{Broken, Scripted, Step, poll, read, trailers};

const CAP: usize = 8;

fn taped(steps: &[Step]) -> Replay<Scripted> {
    Replay::new(Scripted::new(steps), CAP)
}

fn error(body: &mut Replay<Scripted>) -> ReplayError {
    let error = read(body).end.expect("an end").expect_err("an error");
    *error.downcast_ref().expect("of the replay")
}

#[test]
fn a_body_is_read_again_from_its_beginning_with_its_trailers() {
    let steps = [Step::Data("abc"), Step::Wait, Step::Data("de"), Step::Trailers];
    // However much of it the first attempt has read.
    for polls in 0..6 {
        let mut first = Replay::new(Scripted::new(&steps), 12);
        let mut second = first.again().expect("whole");
        for _ in 0..polls {
            let _ = poll(&mut first);
        }
        drop(first);
        assert!(second.is_whole());
        let again = read(&mut second);
        assert_eq!((&again.data[..], again.trailers), (&b"abcde"[..], Some(trailers())), "after {polls}");
        assert!(again.end.expect("an end").is_ok());
    }
}

#[test]
fn nothing_is_read_ahead() {
    let mut first = taped(&[Step::Data("a"), Step::Hang]);
    let _second = first.again();
    assert!(poll(&mut first).is_ready(), "a body that waits for its answer is sent as it comes");
    assert!(poll(&mut first).is_pending());
}

/// The rest of a body wakes whoever polled it last. A connection that was still sending when the answer came, a 503, say, slept
/// on for ever, and kept the body with it.
#[test]
fn who_waits_for_a_body_that_a_later_attempt_reads_is_told_so() {
    let mut first = taped(&[Step::Data("a"), Step::Hang]);
    let mut second = first.again().expect("whole");
    assert!(poll(&mut first).is_ready());
    let mut sending = tokio_test::task::spawn(first.frame());
    assert!(sending.poll().is_pending() && sending.poll().is_pending());
    assert!(!sending.is_woken());
    assert!(poll(&mut second).is_ready());
    assert!(sending.is_woken());
    let Poll::Ready(Some(Err(error))) = sending.poll() else { panic!("it ends") };
    assert_eq!(error.downcast_ref(), Some(&ReplayError::Superseded));
    assert!(poll(&mut second).is_pending(), "the rest is the second's");
}

#[test]
fn beyond_the_cap_a_body_streams_on_intact_and_is_not_sent_again() {
    let mut first = taped(&[Step::Data("12345"), Step::Data("6789"), Step::Data("end"), Step::Trailers]);
    let mut second = first.again().expect("nothing is known yet");
    let sent = read(&mut first);
    assert_eq!((&sent.data[..], sent.trailers), (&b"123456789end"[..], Some(trailers())));
    assert!(!second.is_whole() && first.again().is_none());
    assert_eq!(error(&mut second), ReplayError::NotKept);
}

#[test]
fn exactly_the_cap_is_kept_and_trailers_count() {
    let mut first = taped(&[Step::Data("12345678")]);
    let mut second = first.again().expect("whole");
    assert_eq!(read(&mut first).data, b"12345678");
    assert_eq!(read(&mut second).data, b"12345678");
    let mut first = taped(&[Step::Data("12"), Step::Trailers]);
    let mut second = first.again().expect("whole");
    assert!(read(&mut first).trailers.is_some());
    assert_eq!(
        (second.is_whole(), error(&mut second)),
        (false, ReplayError::NotKept),
        "two bytes, and seven of trailers"
    );
}

/// A body of trailers alone, which were not kept, looked like an empty one.
#[test]
fn a_body_without_its_trailers_is_another_body() {
    let mut first = Replay::new(Scripted::new(&[Step::Trailers]), 0);
    let mut second = first.again().expect("nothing is known yet");
    assert!(read(&mut first).trailers.is_some());
    assert_eq!(error(&mut second), ReplayError::NotKept);
}

#[test]
fn a_body_known_to_be_beyond_the_cap_is_not_kept_at_all() {
    let mut body = Replay::new(Scripted::new(&[Step::Data("123456789")]).telling(), CAP);
    assert_eq!(format!("{body:?}"), "Replay(once)");
    assert!(body.again().is_none() && !body.is_whole());
    assert_eq!((body.size_hint().exact(), read(&mut body).data), (Some(9), b"123456789".to_vec()));
    let mut empty = Replay::new(Scripted::new(&[]).telling(), 0);
    assert_eq!(format!("{empty:?}"), "Replay(empty)");
    assert!(empty.again().is_some_and(|copy| copy.is_whole()) && read(&mut empty).end.is_some());
}

#[test]
fn errors_and_early_ends_pass_unchanged_and_there_is_no_second_attempt() {
    let mut first = taped(&[Step::Data("a"), Step::Fail]);
    let mut second = first.again().expect("whole");
    let failed = read(&mut first);
    assert_eq!(failed.data, b"a");
    assert_eq!(failed.end.expect("an end").expect_err("broken").downcast_ref(), Some(&Broken));
    assert!(!second.is_whole());
    assert_eq!(error(&mut second), ReplayError::NotKept);
}

/// A connection may still have the body of the first attempt when the second is sent. A peer panicked here.
#[test]
fn a_later_attempt_takes_the_reading_over() {
    let mut first = taped(&[Step::Data("a"), Step::Data("b"), Step::Data("c")]);
    let mut second = first.again().expect("whole");
    assert!(poll(&mut first).is_ready());
    assert!(poll(&mut second).is_ready());
    assert_eq!(error(&mut first), ReplayError::Superseded);
    let rest = read(&mut second);
    assert_eq!((&rest.data[..], rest.end.expect("an end").is_ok()), (&b"bc"[..], true));
}

/// At the very instant at which the connection of the first attempt polls.
#[test]
fn a_later_attempt_waits_out_a_poll_of_another_thread() {
    use std::sync::mpsc::{Receiver, Sender, channel};

    struct Slow(Sender<()>, Receiver<()>);
    impl Body for Slow {
        type Data = Bytes;
        type Error = Broken;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
            self.0.send(()).expect("the test is there");
            let _ = self.1.recv();
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"slow")))))
        }
    }
    let ((entered, enters), (leave, leaves)) = (channel(), channel());
    let mut first = Replay::new(Slow(entered, leaves), CAP);
    let mut second = first.again().expect("whole");
    std::thread::scope(|scope| {
        let polling = scope.spawn(|| match poll(&mut first) {
            Poll::Ready(Some(Err(error))) => error.downcast_ref().copied(),
            _ => None,
        });
        enters.recv().expect("it polls");
        assert!(poll(&mut second).is_pending());
        leave.send(()).expect("it waits");
        assert_eq!(polling.join().expect("no panic"), Some(ReplayError::Superseded));
    });
    let frame = match poll(&mut second) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        _ => None,
    };
    assert_eq!(frame.as_deref(), Some(&b"slow"[..]), "what the first one read is not lost");
}

#[test]
fn a_body_that_panics_is_not_sent_again() {
    let mut first = taped(&[Step::Data("a"), Step::Panic]);
    let mut second = first.again().expect("whole");
    assert!(catch_unwind(AssertUnwindSafe(|| read(&mut first))).is_err());
    assert!(!second.is_whole());
    assert_eq!(error(&mut second), ReplayError::NotKept);
}

#[test]
fn what_nobody_will_send_again_is_not_kept() {
    let mut only = taped(&[Step::Data("a"), Step::Data("b")]);
    assert!(poll(&mut only).is_ready());
    assert!(!only.is_whole() && only.again().is_none());
    assert_eq!(read(&mut only).data, b"b");
}

#[test]
fn a_length_that_is_told_is_told_again() {
    let mut first = Replay::new(Scripted::new(&[Step::Data("abc"), Step::Data("de")]).telling(), CAP);
    let second = first.again().expect("whole");
    assert_eq!([first.size_hint().exact(), second.size_hint().exact()], [Some(5), Some(5)]);
    assert!(poll(&mut first).is_ready());
    assert_eq!([first.size_hint().exact(), second.size_hint().exact()], [Some(2), Some(5)]);
    assert!(poll(&mut first).is_ready() && first.is_end_stream());
    assert_eq!((second.size_hint().exact(), second.is_end_stream()), (Some(5), false));
}

/// A body says what it likes; the sum of what is kept and what is left must not overflow.
#[test]
fn a_length_that_is_a_lie_harms_nobody() {
    struct Liar;
    impl Body for Liar {
        type Data = Bytes;
        type Error = Broken;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"endless")))))
        }
        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::new();
            hint.set_upper(u64::MAX);
            hint
        }
    }
    let mut body = Replay::new(Liar, usize::MAX);
    let copy = body.again().expect("whole");
    for _ in 0..3 {
        assert!(poll(&mut body).is_ready());
    }
    assert_eq!((copy.size_hint().lower(), copy.size_hint().upper()), (21, None));
    let endless = Replay::new(Liar, 0);
    assert_eq!(endless.size_hint().lower(), 0);
}

/// What a callee reads of each attempt before it answers with this status, and what came of it.
struct Callee {
    seen: Arc<Mutex<Vec<String>>>,
    stops: Arc<Mutex<Vec<Stop>>>,
}

/// Sends `body` to a callee that fails `failures` times.
fn send(failures: usize, request: Request<Scripted>, replay: ReplayRequests) -> (u16, Callee) {
    let callee = Callee { seen: Arc::default(), stops: Arc::default() };
    let (seen, stops) = (Arc::clone(&callee.seen), Arc::clone(&callee.stops));
    let inner = service_fn(move |req: Request<Replay<Scripted>>| {
        let seen = Arc::clone(&seen);
        async move {
            let read = req.into_body().collect().await.map_err(|_| "the body failed")?;
            let mut seen = seen.lock().expect("unpoisoned");
            seen.push(String::from_utf8(read.to_bytes().to_vec()).expect("text"));
            let status = if seen.len() <= failures { 502 } else { 200 };
            Ok::<_, &'static str>(Response::builder().status(status).body(Scripted::new(&[Step::Fail])).expect("valid"))
        }
    });
    let stack = Stack::new()
        .classify(ByStatus::new())
        .layer(ReplayBodies::new().with_cap(CAP))
        .retry(RetryLayer::new(retry::Settings::new()).replay(replay))
        .observe(move |event: &Event| {
            if let Event::RetryStopped { stop, .. } = event {
                stops.lock().expect("unpoisoned").push(*stop);
            }
        });
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let response = runtime.block_on(stack.service(inner).oneshot(request)).expect("answered");
    (response.status().as_u16(), callee)
}

fn request(method: &str, steps: &[Step]) -> Request<Scripted> {
    Request::builder().method(method).body(Scripted::new(steps)).expect("valid")
}

#[test]
fn a_put_is_tried_again_with_all_of_its_body() {
    let (status, callee) = send(2, request("PUT", &[Step::Data("abc"), Step::Data("de")]), ReplayRequests::new());
    assert_eq!(
        (status, &callee.seen.lock().expect("unpoisoned")[..]),
        (200, &["abcde", "abcde", "abcde"].map(str::to_owned)[..])
    );
}

#[test]
fn a_large_put_is_sent_once_and_the_retry_says_why_it_stopped() {
    let (status, callee) = send(1, request("PUT", &[Step::Data("123456789")]), ReplayRequests::new());
    assert_eq!((status, callee.seen.lock().expect("unpoisoned").len()), (502, 1));
    assert_eq!(*callee.stops.lock().expect("unpoisoned"), [Stop::NotReplayable]);
}

#[test]
fn a_post_is_tried_again_if_the_callee_knows_it_by_a_key() {
    let post = |key: Option<&str>| {
        let mut request = request("POST", &[Step::Data("abc")]);
        if let Some(key) = key {
            request.headers_mut().insert("idempotency-key", key.parse().expect("a value"));
        }
        send(1, request, ReplayRequests::new()).0
    };
    assert_eq!([post(None), post(Some("")), post(Some("8e03978e"))], [502, 502, 200]);
}

#[test]
fn which_requests_may_be_repeated_is_the_users_to_say() {
    let search =
        ReplayRequests::when(|req: &Request<Replay<Full<Bytes>>>| is_idempotent(req) || req.uri().path() == "/search");
    let copies = |path: &str| {
        let request = Request::post(path).body(Replay::new(Full::from("q"), CAP)).expect("valid");
        retry::Replay::replay(&search, &request, 2).is_some()
    };
    assert_eq!([copies("/search"), copies("/buy")], [true, false]);
    for (method, safe) in [
        ("GET", true),
        ("HEAD", true),
        ("OPTIONS", true),
        ("TRACE", true),
        ("PUT", true),
        ("DELETE", true),
        ("POST", false),
        ("PATCH", false),
        ("CONNECT", false),
        ("BREW", false),
    ] {
        assert_eq!(is_idempotent(&Request::builder().method(method).body(()).expect("valid")), safe, "{method}");
    }
}

#[test]
fn a_copy_is_the_whole_request() {
    let request =
        Request::put("/x?y=1").version(http::Version::HTTP_2).header("a", "1").header("a", "2").extension(7u8);
    let request = request.body(Replay::new(Full::<Bytes>::from("b"), CAP)).expect("valid");
    let copy = retry::Replay::replay(&ReplayRequests::new(), &request, 2).expect("idempotent");
    assert_eq!((copy.method(), copy.uri(), copy.version()), (request.method(), request.uri(), request.version()));
    assert_eq!((copy.headers(), copy.extensions().get::<u8>()), (request.headers(), Some(&7)));
}

/// The caller has the first bytes: a second answer would be another one.
#[test]
fn a_response_whose_body_fails_is_not_tried_again() {
    let (status, callee) = send(0, request("PUT", &[Step::Data("abc")]), ReplayRequests::new());
    assert_eq!((status, callee.seen.lock().expect("unpoisoned").len()), (200, 1));
}

/// A copy that goes bad while the retry waits for its turn would be a request with half a body.
#[tokio::test(start_paused = true)]
async fn a_body_that_outgrows_the_tape_during_the_delay_is_not_sent() {
    let calls = Arc::new(AtomicUsize::new(0));
    let left_behind: Arc<Mutex<Vec<Replay<Scripted>>>> = Arc::default();
    let (counter, connection) = (Arc::clone(&calls), Arc::clone(&left_behind));
    let inner = service_fn(move |req: Request<Replay<Scripted>>| {
        counter.fetch_add(1, SeqCst);
        // Answered before the body was read, which its connection still has.
        connection.lock().expect("unpoisoned").push(req.into_body());
        async { Ok::<_, &'static str>(Response::builder().status(502).body(()).expect("valid")) }
    });
    let stack = Stack::new()
        .classify(ByStatus::new())
        .layer(ReplayBodies::new().with_cap(CAP))
        .retry(RetryLayer::new(retry::Settings::new().with_backoff(slow())).replay(ReplayRequests::new()));
    let mut service = stack.service(inner);
    let mut call = Box::pin(service.call(request("PUT", &[Step::Data("123456789")])));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "in its delay");
    let sent = read(&mut left_behind.lock().expect("unpoisoned")[0]).data;
    assert_eq!(sent, b"123456789", "the connection has sent it meanwhile");
    assert_eq!(call.await.expect("the last answer").status(), 502);
    assert_eq!(calls.load(SeqCst), 1);
}

fn slow() -> retry::Backoff {
    retry::Backoff::new().with_jitter(retry::Jitter::None)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop::sample::select(&[Step::Data(""), Step::Data("a"), Step::Data("bcd"), Step::Wait][..]);
    (prop::collection::vec(step, 0..10), any::<bool>()).prop_map(|(mut steps, trailers)| {
        steps.extend(trailers.then_some(Step::Trailers));
        steps
    })
}

proptest! {
    /// Attempts that read as far as they like and leave: each that reads on to the end has the very body, or an error.
    #[test]
    fn every_attempt_reads_the_very_body_or_fails(
        steps in steps(), cap in 0usize..30, reads in prop::collection::vec(0usize..12, 1..4), tells: bool,
    ) {
        let script = || if tells { Scripted::new(&steps).telling() } else { Scripted::new(&steps) };
        let expected = read(&mut script());
        let mut attempt = Replay::new(script(), cap);
        for polls in reads {
            let next = attempt.again();
            for _ in 0..polls {
                let _ = poll(&mut attempt);
            }
            let whole = next.as_ref().is_some_and(Replay::is_whole);
            let Some(mut copy) = next else { break };
            // The longest that can be kept: all data, and what the trailers take.
            let size = expected.data.len() + if expected.trailers.is_some() { 7 } else { 0 };
            prop_assert!(whole || size > cap, "{size} of {cap}");
            if !whole {
                prop_assert!(read(&mut copy).end.expect("an end").is_err());
                break;
            }
            attempt = copy;
        }
        let whole = attempt.is_whole();
        let last = read(&mut attempt);
        if whole && last.end.as_ref().is_some_and(Result::is_ok) {
            prop_assert_eq!(last.data, expected.data);
            prop_assert_eq!(last.trailers, expected.trailers);
        }
    }
}
