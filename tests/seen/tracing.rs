//! What is written where, without a subscriber of anybody's: one that keeps lines.

use std::{
    fmt::Write,
    io,
    sync::{Arc, Mutex},
};

use plimsoll::{
    Event, Observer, Reason, Rejection, Stack,
    event::{Hold, Trip},
    retry,
    telemetry::Tracing,
    testing::{Mock, Reply},
};
use tower::ServiceExt;
use tracing::{
    Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_core::span::Current;

use crate::MS;

/// A line for each event, and one for each value that a span gets later.
#[derive(Clone)]
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    level: Level,
    span: Arc<Mutex<Option<&'static Metadata<'static>>>>,
}

impl Lines {
    fn up_to(level: Level) -> Self {
        Self { lines: Arc::default(), level, span: Arc::default() }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().expect("unpoisoned"))
    }

    fn push(&self, line: String) {
        self.lines.lock().expect("unpoisoned").push(line);
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        }
        .expect("a string");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() || *metadata.level() <= self.level
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        *self.span.lock().expect("unpoisoned") = Some(attributes.metadata());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let mut fields = Fields("span".to_owned());
        values.record(&mut fields);
        self.push(fields.0);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(format!("{} {}", event.metadata().target(), event.metadata().level()));
        event.record(&mut fields);
        self.push(fields.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}

    /// There is one span in these tests, and it is always entered.
    fn current_span(&self) -> Current {
        let metadata = self.span.lock().expect("unpoisoned");
        metadata.map_or_else(Current::none, |metadata| Current::new(span::Id::from_u64(1), metadata))
    }
}

const REFUSED: Event = Event::Refused(Rejection::new(Reason::BulkheadFull, "db"));

#[test]
fn what_opens_is_a_warning_and_what_closes_is_information() {
    let lines = Lines::up_to(Level::INFO);
    tracing::subscriber::with_default(lines.clone(), || {
        let observer = Tracing::new();
        let layer = "db";
        for event in [
            Event::CircuitOpened { layer, trip: Trip::FailureRate, open_for: MS },
            Event::CircuitClosed { layer },
            Event::CircuitHeld { layer, hold: Hold::Open },
            Event::CircuitHeld { layer, hold: Hold::Automatic },
            Event::QueueStanding { layer },
            Event::QueueDrained { layer },
            Event::BulkheadResized { layer, from: 1, to: 2 },
            // Below the level: not there.
            Event::LimitChanged { layer, from: 1, to: 2 },
            REFUSED,
            Event::Admitted { layer },
        ] {
            observer.observe(&event);
        }
    });
    let expected = [
        "plimsoll WARN circuit opened layer=\"db\" trip=FailureRate open_for=1ms",
        "plimsoll INFO circuit closed layer=\"db\"",
        "plimsoll WARN circuit held layer=\"db\" hold=Open",
        "plimsoll INFO circuit automatic again layer=\"db\"",
        "plimsoll WARN queue standing layer=\"db\"",
        "plimsoll INFO queue drained layer=\"db\"",
        "plimsoll INFO bulkhead resized layer=\"db\" from=1 to=2",
    ];
    assert_eq!(lines.take(), expected);
}

/// By tokio's clock, so that it is the same each time.
#[tokio::test(start_paused = true)]
async fn refusals_are_written_so_often_a_second_and_then_said_how_many_there_were() {
    let lines = Lines::up_to(Level::DEBUG);
    let _guard = tracing::subscriber::set_default(lines.clone());
    let observer = Tracing::new().with_most_a_second(2);
    // To the beginning of a second, whatever time it is.
    tokio::time::advance(1000 * MS).await;
    (0..2).for_each(|_| observer.observe(&REFUSED));
    let second = plimsoll::clock::now();
    lines.take();
    let into = second.as_nanos() % 1_000_000_000;
    tokio::time::advance(std::time::Duration::from_nanos(1_000_000_000 - into)).await;

    (0..100).for_each(|_| observer.observe(&REFUSED));
    observer.observe(&Event::Refused(Rejection::new(Reason::Timeout, "other")));
    let refused = |left: u32| format!("plimsoll DEBUG refused layer=\"db\" reason=BulkheadFull left_out={left}");
    let other = "plimsoll DEBUG refused layer=\"other\" reason=Timeout left_out=0".to_owned();
    assert_eq!(lines.take(), [refused(0), refused(0), other]);
    tokio::time::advance(1000 * MS).await;
    observer.observe(&REFUSED);
    assert_eq!(lines.take(), [refused(98)]);
    // None at all: no line, whatever comes.
    Tracing::new().with_most_a_second(0).observe(&REFUSED);
    assert!(lines.take().is_empty());
}

/// One that only observes stands beside one that refuses. A flood at the one must not hide what the other would do.
#[tokio::test(start_paused = true)]
async fn what_would_be_refused_is_counted_apart_from_what_is() {
    let lines = Lines::up_to(Level::DEBUG);
    let _guard = tracing::subscriber::set_default(lines.clone());
    let observer = Tracing::new().with_most_a_second(1);
    (0..9).for_each(|_| observer.observe(&REFUSED));
    lines.take();
    observer.observe(&Event::WouldRefuse(Rejection::new(Reason::BulkheadFull, "trial")));
    assert_eq!(lines.take(), ["plimsoll DEBUG would refuse layer=\"trial\" reason=BulkheadFull left_out=0"]);
}

/// A handler that computes for too long does so at each request, and a warning for each would be one flood more.
#[tokio::test(start_paused = true)]
async fn long_polls_are_written_so_often_a_second_too() {
    let lines = Lines::up_to(Level::WARN);
    let _guard = tracing::subscriber::set_default(lines.clone());
    let observer = Tracing::new().with_most_a_second(1);
    (0..9).for_each(|_| observer.observe(&Event::LongPoll { layer: "db", took: 7 * MS }));
    assert_eq!(lines.take(), ["plimsoll WARN long poll layer=\"db\" took=7ms left_out=0"]);
}

/// Where nobody reads lines at this level none are counted as left out either.
#[test]
fn what_nobody_reads_is_not_left_out() {
    let observer = Tracing::new().with_most_a_second(1);
    (0..9).for_each(|_| observer.observe(&REFUSED));
    let lines = Lines::up_to(Level::DEBUG);
    tracing::subscriber::with_default(lines.clone(), || observer.observe(&REFUSED));
    assert_eq!(lines.take(), ["plimsoll DEBUG refused layer=\"db\" reason=BulkheadFull left_out=0"]);
}

/// The span that is current while a call is polled is the request's.
#[tokio::test(start_paused = true)]
async fn a_span_with_the_field_learns_how_often_the_request_was_sent() {
    let lines = Lines::up_to(Level::INFO);
    let _guard = tracing::subscriber::set_default(lines.clone());
    let (mock, _) =
        Mock::new(|call, (): &()| if call < 2 { Reply::err(io::Error::other("down")) } else { Reply::ok(()) });
    let service = Stack::new().retry(retry::Settings::new()).observe(Tracing::new()).service(mock);
    let span = tracing::info_span!("call", attempts = tracing::field::Empty);
    let _entered = span.enter();
    service.oneshot(()).await.expect("the third answers");
    assert_eq!(lines.take(), ["span attempts=2", "span attempts=3"]);
}

/// Once, when the stack is built; and an error is returned, and not written.
#[test]
fn what_hurts_in_a_ready_made_stack_is_written_down_when_it_is_built() {
    let lines = Lines::up_to(Level::WARN);
    tracing::subscriber::with_default(lines.clone(), || {
        assert!(plimsoll::client().try_stack().is_ok());
        assert_eq!(lines.take(), [""; 0]);
        assert!(plimsoll::client().without_budget().try_stack().is_ok());
        let [line] = &lines.take()[..] else { panic!("one") };
        assert!(line.starts_with("plimsoll WARN retry (attempts 3) has neither budget nor throttle: "), "{line}");
        let misfit = plimsoll::client().with_attempt_timeout(100 * 100 * MS);
        assert!(misfit.try_stack().is_err());
        assert_eq!(lines.take(), [""; 0]);
        drop(misfit.stack());
        assert!(lines.take()[0].starts_with("plimsoll WARN timeout.attempt (limit 10s) is not shorter than "));
    });
}
