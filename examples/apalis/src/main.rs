//! A worker that sends letters through a post office with bad days: failed letters are tried again, and while nothing
//! works they are not even tried. It ends by itself.
//!
//! A stack is a layer for apalis as it is: errors are boxed there, and a refusal is found in the box again. Layers are
//! outside apalis's own count of attempts, so what becomes of a refused task is up to the backend.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};

use apalis_core::{
    backend::{TaskSink, memory::MemoryStorage},
    error::BoxDynError,
    worker::{builder::WorkerBuilder, context::WorkerContext, event::Event, ext::event_listener::EventListenerExt},
};
use plimsoll::{
    Refusal, Stack, circuit_breaker,
    retry::{self, Backoff},
};
use tower::limit::ConcurrencyLimitLayer;

const LETTERS: u32 = 8;

/// How often somebody was at the counter.
static TRIES: AtomicU32 = AtomicU32::new(0);

/// Letters 1 to 4 are for one country, and the post to the other is on strike.
async fn send(letter: u32) -> Result<u32, BoxDynError> {
    let nth = TRIES.fetch_add(1, SeqCst);
    match letter {
        1..=4 if nth % 2 == 1 => Ok(letter),
        1..=4 => Err("come back in a minute".into()),
        _ => Err("on strike".into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxDynError> {
    let mut letters = MemoryStorage::new();
    for letter in 1..=LETTERS {
        letters.push(letter).await?;
    }

    let backoff = Backoff::try_new(Duration::from_millis(5), Duration::from_millis(50))?;
    let breaker = circuit_breaker::Settings::new()
        .with_name("post")
        .with_consecutive_failures(NonZeroU32::new(4).ok_or("not zero")?);
    let stack = Stack::new()
        .timeout(Duration::from_secs(5))
        .retry(retry::Settings::new().with_backoff(backoff))
        .circuit_breaker(breaker)
        .timeout(Duration::from_secs(1));

    let ended = AtomicU32::new(0);
    let tell = move |worker: &WorkerContext, event: &Event| {
        match event {
            Event::Success(_) => println!("sent"),
            Event::Error(error) => match error.rejection() {
                Some(rejection) => println!("not tried: {rejection}"),
                None => println!("failed: {error}"),
            },
            _ => return,
        }
        if ended.fetch_add(1, SeqCst) + 1 == LETTERS
            && let Err(error) = worker.stop()
        {
            println!("the worker does not stop: {error}");
        }
    };
    let worker = WorkerBuilder::new("letters")
        .backend(letters)
        // A task is pulled when its service is ready, and gates always are: this one pulls no more than there is room for.
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(stack)
        .on_event(tell)
        .build(send);
    worker.run().await?;
    println!("{} tries for {LETTERS} letters", TRIES.load(SeqCst));
    Ok(())
}
