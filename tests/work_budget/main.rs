//! The work budget through the public door, in paused time.
#![cfg(feature = "testing")]

mod admission;
mod carry;
mod control;
mod estimates;
mod fairness;
mod fuel;
mod polls;
mod stack;

use std::{
    future::{Future, poll_fn},
    io,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use plimsoll::{
    Error, Event, Ratio, Reason, Rejection,
    work::{self, Work},
    work_budget::{Cost, Settings, WorkBudget},
};

const SECOND: Duration = Duration::from_secs(1);

/// What is asked for: so much is estimated, and spent.
#[derive(Clone, Copy, Debug)]
struct Ask {
    estimate: u64,
    spends: u64,
    kind: usize,
}

fn ask(estimate: u64) -> Ask {
    Ask { estimate, spends: estimate, kind: 0 }
}

fn spending(estimate: u64, spends: u64) -> Ask {
    Ask { spends, ..ask(estimate) }
}

type Failed = Error<io::Error>;

/// Of so many seats, one for each 10, one request may take all; it may spend 1,000.
fn seats(seats: u32) -> Settings {
    let settings = Settings::try_new(seats).and_then(|settings| settings.try_with_fuel_per_seat(10));
    settings.and_then(|settings| settings.try_with_fuel(1_000)).expect("valid").with_width(Ratio::ONE)
}

type Budget = WorkBudget<fn(&Ask) -> Cost, fn(&Ask) -> usize>;

fn budget(settings: Settings) -> Budget {
    WorkBudget::new(settings)
        .cost_by((|ask| Cost::fuel(ask.estimate)) as fn(&Ask) -> Cost)
        .kind_by((|ask| ask.kind) as fn(&Ask) -> usize)
}

fn work() -> Work {
    work::current().expect("a work budget is around")
}

/// A handler that spends what it is told to, a tenth of it at a time, each tenth taking a tenth of a second.
async fn handle(ask: Ask) -> Result<u64, Failed> {
    let work = work();
    let mut left = ask.spends;
    while left > 0 {
        let part = left.min(ask.spends.div_ceil(10));
        work.spend(part)?;
        left -= part;
        tokio::time::sleep(SECOND / 10).await;
    }
    Ok(ask.spends)
}

fn rejection<T: std::fmt::Debug>(result: Result<T, Failed>) -> Rejection {
    match result {
        Err(Error::Rejected(rejection)) => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

fn reason<T: std::fmt::Debug>(result: Result<T, Failed>) -> Reason {
    rejection(result).reason()
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    fn observer(&self) -> impl Fn(&Event) + Send + Sync + use<> {
        let log = self.0.clone();
        move |event: &Event| log.lock().expect("unpoisoned").push(*event)
    }

    fn all(&self) -> Vec<Event> {
        self.0.lock().expect("unpoisoned").clone()
    }
}

/// A step of so many milliseconds without an await: time goes by within one poll.
async fn compute(millis: u64) {
    let mut advance = Box::pin(tokio::time::advance(Duration::from_millis(millis)));
    poll_fn(|cx| {
        // Its first poll sets the clock forward, and is pending after that.
        let _ = advance.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}
