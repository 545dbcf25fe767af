//! Of whom a letter is written.

use std::sync::{Arc, Mutex};

use plimsoll::{
    Reason, Stack, bulkhead,
    chance::Chance,
    clock,
    dead_letter::{Cause, DeadLetter},
    request::Priority::Background,
    surge_queue::SurgeQueue,
};
use tokio::time::advance;
use tower::Service;

use crate::{Ask, MILLI, SECOND, ask, callee, fixed, pending, poll_woken, refusal, refused, settings};

type Letters = Arc<Mutex<Vec<DeadLetter<Ask>>>>;

macro_rules! writing {
    ($settings:expr) => {{
        let letters = Letters::default();
        let sink = letters.clone();
        let queue = asking!($settings, 1);
        let queue = queue.dead_letters(move |letter: DeadLetter<Ask>| sink.lock().expect("unpoisoned").push(letter));
        (queue, letters)
    }};
}

fn received(letters: &Letters) -> Vec<(Ask, Reason)> {
    let letters = letters.lock().expect("unpoisoned");
    let written = letters.iter().map(|letter| match letter.cause {
        Cause::Refused(rejection) => (letter.request, rejection.reason()),
        other => panic!("{other:?}"),
    });
    written.collect()
}

#[tokio::test(start_paused = true)]
async fn is_written_of_what_expired_and_of_what_was_displaced() {
    let (queue, letters) = writing!(settings().try_with_max_waiting(1).expect("valid"));
    let (mut service, _, handle) = behind!(queue);
    let _held = pending(&mut service, [ask(0)]);
    let mut low = pending(&mut service, [Ask { priority: Background, ..ask(1) }]);
    let mut high = pending(&mut service, [ask(2)]);
    assert_eq!(poll_woken(&mut low).len(), 1);
    advance(SECOND).await;
    assert_eq!(poll_woken(&mut high).len(), 1);
    let (low, high) = (Ask { priority: Background, ..ask(1) }, ask(2));
    assert_eq!(received(&letters), [(low, Reason::Displaced), (high, Reason::WaitTimeout)]);
    assert_eq!(handle.snapshot().dead_letters, 2);
}

#[tokio::test(start_paused = true)]
async fn is_not_written_of_who_left_nor_of_who_was_refused_on_arrival() {
    let (queue, letters) = writing!(settings().try_with_max_waiting(1).expect("valid"));
    let (mut service, _, handle) = behind!(queue);
    let _held = pending(&mut service, [ask(0)]);
    let left = pending(&mut service, [ask(1)]);
    assert_eq!(refused(&mut service, ask(2)).reason(), Reason::QueueFull);
    drop(left);
    assert_eq!((received(&letters).len(), handle.snapshot().dead_letters), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn is_not_written_of_what_another_gate_refused() {
    let (queue, letters) = writing!(settings());
    let (inner, _) = callee();
    let full = bulkhead::Settings::try_new(1).expect("valid").with_wait(1, MILLI);
    let bulkhead = bulkhead::Bulkhead::new(full);
    let mut service = Stack::new().bulkhead(bulkhead).surge_queue(queue).service(inner);
    let _held = pending(&mut service, [ask(0)]);
    assert_eq!(refusal(service.call(ask(1)).await).layer(), "bulkhead");
    assert_eq!(received(&letters).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn that_a_sink_panics_at_costs_nobody_an_answer() {
    let queue = asking!(settings(), 1).dead_letters(|_: DeadLetter<Ask>| panic!("the sink is full"));
    let (mut service, _, handle) = behind!(queue);
    let _held = pending(&mut service, [ask(0)]);
    assert_eq!(refusal(service.call(ask(1)).await).reason(), Reason::WaitTimeout);
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.dead_letters, snapshot.dead_letters_lost), (0, 1));
}
