//! What a dead letter carries of its call, and how it is sent again.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use plimsoll::{
    Error, Reason, Stack,
    dead_letter::DeadLetter,
    http::Extensions,
    limit::FixedLimit,
    request::Carried,
    retry::{RetryLayer, Settings},
    surge_queue::{self, SurgeQueue},
    timeout::TimeoutLayer,
    work::{self, Work},
    work_budget::{self, WorkBudget},
};
use tower::{Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

type Letters = Arc<Mutex<Vec<DeadLetter<Request<()>>>>>;

/// Keeps letters, and spends a unit of the request's work for each.
fn keep(letters: &Letters) -> impl Fn(DeadLetter<Request<()>>) + Clone + use<> {
    let letters = letters.clone();
    move |letter| {
        let carried = letter.request.extensions().get::<Work>().expect("carried");
        let here = work::current().expect("the call is under way");
        assert!(carried.spend(1).is_ok() && here.remaining() == carried.remaining());
        letters.lock().expect("unpoisoned").push(letter);
    }
}

fn ten_units()
-> WorkBudget<plimsoll::request::Unasked, plimsoll::request::Unasked, plimsoll::request::Unasked, Extensions> {
    let settings = work_budget::Settings::try_new(9).and_then(|settings| settings.try_with_fuel(10)).expect("valid");
    WorkBudget::new(settings).carry(Extensions)
}

fn reason<T: std::fmt::Debug>(result: Result<T, Error<io::Error>>) -> Reason {
    match result {
        Err(Error::Rejected(rejection)) => rejection.reason(),
        other => panic!("not refused: {other:?}"),
    }
}

/// A letter was kept as it was, with the deadline and the work of a call that had long been answered: whatever was sent again
/// was refused, as if there were no time, and when that was taken out, as if it had spent too much.
#[tokio::test(start_paused = true)]
async fn a_letter_has_the_work_of_its_call_and_is_sent_again_without_it() {
    let letters = Letters::default();
    let calls = Arc::new(Mutex::new(0));
    let counted = calls.clone();
    let budget = ten_units();
    let handle = budget.handle();
    let service = Stack::new()
        .timeout(TimeoutLayer::new(SECOND).carry(Extensions))
        .work_budget(budget)
        .retry(RetryLayer::new(Settings::new()).carry(Extensions).dead_letter(keep(&letters)))
        .service(service_fn(move |_: Request<()>| {
            *counted.lock().expect("unpoisoned") += 1;
            async { Err::<Response<()>, _>(io::Error::other("down")) }
        }));
    assert!(matches!(service.clone().oneshot(Request::new(())).await, Err(Error::Inner(_))));
    let letter = letters.lock().expect("unpoisoned").pop().expect("a letter");
    assert_eq!((handle.snapshot().spent, letter.attempts, *calls.lock().expect("unpoisoned")), (1, 3, 3));

    let mut request = letter.request;
    assert!(request.extensions().get::<Work>().is_some_and(|work| work.spend(0).is_err()), "over with the call");
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(reason(service.clone().oneshot(request.clone()).await), Reason::DeadlineExceeded);
    let mut timeless = request.clone();
    timeless.extensions_mut().remove::<Carried>();
    assert_eq!(reason(service.clone().oneshot(timeless).await), Reason::WorkExhausted);
    assert_eq!(*calls.lock().expect("unpoisoned"), 3, "neither came through");

    request.extensions_mut().insert("what it is about");
    Extensions::forget(&mut request);
    assert!(matches!(service.oneshot(request).await, Err(Error::Inner(_))));
    let letter = letters.lock().expect("unpoisoned").pop().expect("another letter");
    assert_eq!((letter.attempts, *calls.lock().expect("unpoisoned")), (3, 6), "with time and work of its own");
    assert_eq!(letter.request.extensions().get(), Some(&"what it is about"), "and all else that it had");
}

#[tokio::test(start_paused = true)]
async fn who_waited_in_vain_has_the_work_of_the_budget_further_out() {
    let letters = Letters::default();
    let soon = |_: &Request<()>| Some(plimsoll::clock::now().after(SECOND));
    let queue = SurgeQueue::new(surge_queue::Settings::new())
        .deadline_by(soon)
        .dead_letters(keep(&letters))
        .in_front_of(FixedLimit::try_new(1).expect("one"));
    let budget = ten_units();
    let handle = budget.handle();
    let stack = Stack::new().work_budget(budget).timeout(9 * SECOND).surge_queue(queue);
    let mut service =
        stack.service(service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, io::Error>>()));
    let held = service.call(Request::new(()));
    let waited = service.call(Request::new(())).await;
    assert!(matches!(reason(waited), Reason::DeadlineExceeded | Reason::WaitTimeout));
    let letter = letters.lock().expect("unpoisoned").pop().expect("a letter");
    assert_eq!((letter.attempts, handle.snapshot().spent), (0, 1));
    assert!(letter.request.extensions().get::<Work>().is_some_and(|work| work.spend(0).is_err()), "over with the call");
    drop(held);
}
