use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::{Body, Frame};
use plimsoll::{
    Error, Event, Outcome, Reason, Rejection, Stack,
    bulkhead::{self, Bulkhead},
    classify::Failure,
    clock::Moment,
    gate::{Admission, Ending, Gate, GateLayer, Never},
    http::{ByStatus, UntilBodyEnds},
    work::{self, Exhausted, Work},
    work_budget::{self, WorkBudget},
};
use proptest::prelude::*;
use tower::{Layer, Service, service_fn};

use crate::script::{Scripted, Step, poll, read};

/// A gate that lets all pass, and writes down how each ended.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<(usize, Vec<Ending>)>>);

impl Book {
    /// How many are under way, and how the others ended.
    fn read(&self) -> (usize, Vec<Ending>) {
        let book = self.0.lock().expect("unpoisoned");
        (book.0 - book.1.len(), book.1.clone())
    }
}

impl<Req> Gate<Req> for Book {
    type Permit = ();
    type Wait = Never;

    fn admit(&self, _: &Req, _: &Moment) -> Admission<(), Never> {
        self.0.lock().expect("unpoisoned").0 += 1;
        Admission::Admitted(())
    }

    fn settle(&self, (): (), ending: Ending, _: &Moment) {
        self.0.lock().expect("unpoisoned").1.push(ending);
    }
}

const GOOD: Ending = Ending::Finished(Outcome::Success);

fn respond(response: Response<Scripted>, method: Method) -> (Book, Response<impl Body<Data = bytes::Bytes> + Unpin>) {
    let book = Book::default();
    let response = Mutex::new(Some(response));
    let inner = service_fn(move |_: Request<()>| {
        let response = response.lock().expect("unpoisoned").take().expect("once");
        async { Ok::<_, Infallible>(response) }
    });
    let inner = tower::ServiceExt::<Request<()>>::boxed_clone(CloneOnce(Arc::new(Mutex::new(inner))));
    let stack = Stack::new().classify(ByStatus::new()).gate(book.clone()).until_body_ends();
    let mut request = Request::new(());
    *request.method_mut() = method;
    let response = tokio_test::block_on(stack.service(inner).call(request)).expect("answered");
    (book, response)
}

/// Makes a service `Clone` that is called once.
struct CloneOnce<S>(Arc<Mutex<S>>);

impl<S> Clone for CloneOnce<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Service<Req>, Req> Service<Req> for CloneOnce<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.0.lock().expect("unpoisoned").poll_ready(cx)
    }

    fn call(&mut self, req: Req) -> S::Future {
        self.0.lock().expect("unpoisoned").call(req)
    }
}

fn get(body: Scripted) -> (Book, impl Body<Data = bytes::Bytes> + Unpin) {
    let (book, response) = respond(Response::new(body), Method::GET);
    (book, response.into_body())
}

#[test]
fn a_permit_is_held_until_the_body_ends_and_settled_then() {
    let (book, mut body) = get(Scripted::new(&[Step::Data("a"), Step::Wait, Step::Data("b")]));
    assert_eq!(book.read(), (1, vec![]));
    assert!(poll(&mut body).is_ready() && poll(&mut body).is_pending() && poll(&mut body).is_ready());
    assert_eq!(book.read(), (1, vec![]), "it has not said that it ended");
    assert_eq!(read(&mut body).data, b"");
    assert_eq!(book.read(), (0, vec![GOOD]));
    drop(body);
    assert_eq!(book.read(), (0, vec![GOOD]), "once");
}

#[test]
fn a_body_that_fails_is_a_failure() {
    let (book, mut body) = get(Scripted::new(&[Step::Data("a"), Step::Fail]));
    assert!(read(&mut body).end.expect("an end").is_err());
    assert_eq!(book.read().1, [Ending::Finished(Outcome::Failure(Failure::Transient))]);
}

#[test]
fn a_failure_that_the_head_told_of_is_kept() {
    for (steps, status, failure) in
        [(&[Step::Data("a")][..], 503, Failure::Overload), (&[Step::Data("a"), Step::Fail], 504, Failure::Timeout)]
    {
        let mut response = Response::new(Scripted::new(steps));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        let (book, response) = respond(response, Method::GET);
        assert_eq!(book.read(), (1, vec![]), "it still streams");
        let _ = read(&mut response.into_body());
        assert_eq!(book.read(), (0, vec![Ending::Finished(Outcome::Failure(failure))]));
    }
}

#[test]
fn a_client_that_leaves_gives_the_permit_back() {
    let (book, mut body) = get(Scripted::new(&[Step::Data("a"), Step::Data("b")]));
    assert!(poll(&mut body).is_ready());
    drop(body);
    assert_eq!(book.read(), (0, vec![Ending::Cancelled]));
    let (book, body) = get(Scripted::new(&[Step::Data("a")]));
    drop(body);
    assert_eq!(book.read(), (0, vec![Ending::Cancelled]), "before the first byte, too");
}

#[test]
fn a_body_that_panics_gives_the_permit_back_at_once() {
    let (book, mut body) = get(Scripted::new(&[Step::Panic]));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut body).is_ready())).is_err());
    assert_eq!(book.read(), (0, vec![Ending::Panicked]));
    drop(body);
    assert_eq!(book.read(), (0, vec![Ending::Panicked]));
}

/// hyper lets go of a body that has said that it ended, or has sent its length, without asking it again: good calls looked
/// as if their clients had left.
#[test]
fn the_last_byte_is_the_end_where_that_is_known() {
    let two = || Scripted::new(&[Step::Data("a"), Step::Data("b")]);
    for telling in [two().telling(), two().ending()] {
        let (book, mut body) = get(telling);
        assert!(poll(&mut body).is_ready());
        assert_eq!(book.read(), (1, vec![]));
        assert!(poll(&mut body).is_ready());
        assert_eq!(book.read(), (0, vec![GOOD]));
    }

    let steps = [Step::Data("ab"), Step::Data("cd"), Step::Data("more than was said")];
    // By the field, whatever the body says of itself.
    for body in [Scripted::new(&steps), Scripted::new(&steps).telling()] {
        let response = Response::builder().header(CONTENT_LENGTH, 4).body(body).expect("valid");
        let (book, response) = respond(response, Method::GET);
        let mut body = response.into_body();
        assert!(poll(&mut body).is_ready());
        assert_eq!(book.read(), (1, vec![]));
        assert!(poll(&mut body).is_ready());
        assert_eq!(book.read(), (0, vec![GOOD]));
    }

    let (book, mut body) = get(Scripted::new(&[Step::Data("a"), Step::Trailers]));
    assert!(poll(&mut body).is_ready() && poll(&mut body).is_ready());
    assert_eq!(book.read(), (0, vec![GOOD]), "nothing comes after trailers");
}

#[test]
fn an_answer_without_a_body_is_over_with_its_head() {
    let full = || Scripted::new(&[Step::Data("a")]);
    for (method, status) in
        [(Method::HEAD, 200), (Method::CONNECT, 200), (Method::GET, 204), (Method::GET, 304), (Method::GET, 101)]
    {
        let mut response = Response::new(full());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        let (book, _response) = respond(response, method);
        assert_eq!(book.read(), (0, vec![GOOD]), "{status}");
    }
    let mut refused = Response::new(full());
    *refused.status_mut() = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    let (book, _response) = respond(refused, Method::CONNECT);
    assert_eq!(book.read(), (1, vec![]), "no tunnel, and a body that says why (RFC 9112, section 6.3)");
    let (book, _body) = get(Scripted::new(&[]).telling());
    assert_eq!(book.read(), (0, vec![GOOD]), "an empty one");
    let response = Response::builder().header(CONTENT_LENGTH, 0).body(full()).expect("valid");
    assert_eq!(respond(response, Method::GET).0.read(), (0, vec![GOOD]));
}

#[test]
fn refusals_and_errors_hold_nothing() {
    let book = Book::default();
    let refuses = service_fn(|_: Request<()>| async {
        Err::<Response<Scripted>, _>(Error::<()>::from(Rejection::new(Reason::Custom, "t")))
    });
    let mut service = Stack::new().gate(book.clone()).until_body_ends().wrap(refuses);
    assert!(tokio_test::block_on(service.call(Request::new(()))).is_err());
    assert_eq!(book.read(), (0, vec![Ending::Finished(Outcome::Ignored)]));
}

/// A bulkhead of one let any number of downloads stream at once.
#[tokio::test(start_paused = true)]
async fn a_bulkhead_counts_what_streams() {
    let bulkhead = Bulkhead::new(bulkhead::Settings::try_new(1).expect("valid").with_wait(9, Duration::MAX));
    let handle = bulkhead.handle();
    let inner =
        service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Scripted::new(&[Step::Data("a")]))) });
    let service = Stack::new().bulkhead(bulkhead).until_body_ends().service(inner);
    let first = service.clone().call(Request::new(())).await.expect("let in");
    let mut second = tokio_test::task::spawn(service.clone().call(Request::new(())));
    assert!(second.poll().is_pending());
    assert_eq!((handle.snapshot().in_use, handle.snapshot().waiting), (1, 1));
    read(&mut first.into_body());
    assert!(second.is_woken());
    drop(second.await.expect("let in"));
    assert_eq!(handle.snapshot().in_use, 0);
}

#[test]
fn a_layer_of_its_own_does_the_same_and_its_clones_meet_one_gate() {
    let bulkhead = Bulkhead::new(bulkhead::Settings::try_new(1).expect("valid"));
    let layer = UntilBodyEnds::new(GateLayer::<Bulkhead>::new(bulkhead));
    let inner =
        service_fn(|_: Request<()>| async { Ok::<_, Error<()>>(Response::new(Scripted::new(&[Step::Data("a")]))) });
    let (mut first, mut second) = (layer.layer(inner), layer.clone().layer(inner));
    let held = tokio_test::block_on(first.call(Request::new(()))).expect("let in");
    let full = tokio_test::block_on(second.clone().call(Request::new(())));
    assert!(matches!(full, Err(Error::Rejected(rejection)) if rejection.reason() == Reason::BulkheadFull));
    drop(held);
    assert!(tokio_test::block_on(second.call(Request::new(()))).is_ok());
}

/// A body that does work of the request's for each of its frames, and keeps its thread for 300 ms.
struct Working {
    frames: u32,
    work: Arc<Mutex<Option<Work>>>,
}

impl Body for Working {
    type Data = Bytes;
    type Error = Exhausted;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Exhausted>>> {
        let Some(left) = self.frames.checked_sub(1) else { return Poll::Ready(None) };
        self.frames = left;
        // Its first poll sets the clock forward, and is pending after that.
        let _ = pin!(tokio::time::advance(Duration::from_millis(300))).poll(cx);
        let work = work::current().expect("a work budget holds on for this body");
        let spent = work.spend(3);
        *self.work.lock().expect("unpoisoned") = Some(work);
        Poll::Ready(Some(spent.map(|()| Frame::data(Bytes::from_static(b"row")))))
    }
}

/// How a body of so many frames ended behind a budget that holds on for it: how many there were, and whether it was whole;
/// the budget; and what was announced.
async fn work_through(frames: u32, budget: WorkBudget) -> ((usize, bool), work_budget::Snapshot, Vec<Event>) {
    let (heard, late) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(None)));
    let (log, work) = (heard.clone(), late.clone());
    let budget = budget.observe(move |event: &Event| log.lock().expect("unpoisoned").push(*event));
    let handle = budget.handle();
    let inner = service_fn(move |_: Request<()>| {
        let work = work.clone();
        async move { Ok::<_, Infallible>(Response::new(Working { frames, work })) }
    });
    let mut service = Stack::new().work_budget(budget).until_body_ends().service(inner);
    let mut body = service.call(Request::new(())).await.expect("let in").into_body();
    let (mut made, mut whole) = (0, true);
    while let Poll::Ready(Some(frame)) = poll(&mut body) {
        (made, whole) = (made + usize::from(frame.is_ok()), frame.is_ok());
        assert!(work::current().is_none(), "only while it is polled");
        if !whole {
            break;
        }
    }
    let late = late.lock().expect("unpoisoned").take().expect("a frame");
    assert!(late.spend(0).is_err(), "over with the body");
    let heard = heard.lock().expect("unpoisoned").clone();
    ((made, whole), handle.snapshot(), heard)
}

fn ten_units() -> work_budget::Settings {
    work_budget::Settings::try_new(1).and_then(|settings| settings.try_with_fuel(10)).expect("valid")
}

/// The permit was held for the body, but the gates did not go along with it: a handler that streamed had no work to spend
/// from, and whoever makes rows in a body makes them all there.
#[tokio::test(start_paused = true)]
async fn a_body_spends_from_the_work_of_its_request() {
    let (end, budget, _) = work_through(2, WorkBudget::new(ten_units())).await;
    assert_eq!((end, budget.spent, budget.exhausted, budget.seats.in_use), ((2, true), 6, 0, 0));
    let (end, budget, _) = work_through(9, WorkBudget::new(ten_units())).await;
    assert_eq!((end, budget.spent, budget.exhausted, budget.seats.in_use), ((3, false), 9, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_polls_of_a_body_are_timed_and_none_is_cut_off() {
    let settings = ten_units().with_long_poll(Duration::from_millis(250)).with_max_busy(Duration::from_millis(500));
    let took = Duration::from_millis(300);
    let long = Event::LongPoll { layer: "work_budget", took };
    let (end, _, heard) = work_through(2, WorkBudget::new(settings)).await;
    assert_eq!(
        (end, heard),
        ((2, true), vec![long, long]),
        "nobody could tell a body that was cut off from a whole one"
    );
    let observing = WorkBudget::new(settings);
    observing.handle().observe_only();
    let (_, _, heard) = work_through(2, observing).await;
    assert_eq!(heard, [long, long], "and one that only observes announces no end that would never come");
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop::sample::select(
        &[Step::Data(""), Step::Data("a"), Step::Data("bcd"), Step::Trailers, Step::Wait, Step::Fail, Step::Panic][..],
    );
    prop::collection::vec(step, 0..8)
}

proptest! {
    /// A client that leaves at any step of any body.
    #[test]
    fn whatever_a_body_does_it_is_settled_once_and_truly(steps in steps(), polls in 0usize..12, tells: bool) {
        let body = Scripted::new(&steps);
        let (book, mut body) = get(if tells { body.telling() } else { body });
        let mut seen = None;
        for _ in 0..polls {
            let frame = catch_unwind(AssertUnwindSafe(|| match poll(&mut body) {
                std::task::Poll::Ready(None) => Some(GOOD),
                std::task::Poll::Ready(Some(Err(_))) => Some(Ending::Finished(Outcome::Failure(Failure::Transient))),
                std::task::Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Some(GOOD),
                _ => None,
            }));
            seen = seen.or(frame.unwrap_or(Some(Ending::Panicked)));
            if seen.is_some() {
                break;
            }
        }
        if tells && body.is_end_stream() && seen.is_none() {
            seen = Some(GOOD);
        }
        drop(body);
        let (held, endings) = book.read();
        prop_assert_eq!((held, endings.len()), (0, 1));
        // A body that tells its length is over with its last byte, whatever still comes.
        let length_reached = tells && endings[0] == GOOD;
        prop_assert!(endings[0] == seen.unwrap_or(Ending::Cancelled) || length_reached, "{:?} {:?}", endings, seen);
    }
}
