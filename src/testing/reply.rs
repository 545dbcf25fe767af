use std::{collections::VecDeque, time::Duration};

/// What a [`Mock`](super::Mock) does with one call: perhaps takes its time first, and then ends in some way.
#[derive(Debug)]
#[must_use]
pub struct Reply<Res, E> {
    pub(super) delays: VecDeque<Delay>,
    pub(super) end: End<Res, E>,
}

/// Why a poll is pending.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delay {
    /// Until the clock has moved on by so much.
    Time(Duration),
    /// Once; it wakes its own task at once.
    Yield,
    /// Until the handle wakes it.
    Wake,
}

#[derive(Debug)]
pub(super) enum End<Res, E> {
    Answer(Result<Res, E>),
    Hang,
    Panic,
    PanicInCall,
}

impl<Res, E> Reply<Res, E> {
    /// Answers.
    pub fn ok(response: Res) -> Self {
        Self::new(End::Answer(Ok(response)))
    }

    /// Fails.
    pub fn err(error: E) -> Self {
        Self::new(End::Answer(Err(error)))
    }

    /// Never ends.
    pub fn hang() -> Self {
        Self::new(End::Hang)
    }

    /// Panics while it is polled.
    pub fn panic() -> Self {
        Self::new(End::Panic)
    }

    /// Panics while it is called, before there is a future.
    pub fn panic_in_call() -> Self {
        Self::new(End::PanicInCall)
    }

    /// Takes this long first, by tokio's clock.
    pub fn after(self, time: Duration) -> Self {
        self.delayed(Delay::Time(time))
    }

    /// Is pending for this many polls first, and asks to be polled again each time.
    pub fn after_yields(self, times: usize) -> Self {
        (0..times).fold(self, |reply, _| reply.delayed(Delay::Yield))
    }

    /// Is pending first until [`Handle::wake_one`](super::Handle::wake_one) has woken it this many times.
    pub fn after_wakes(self, times: usize) -> Self {
        (0..times).fold(self, |reply, _| reply.delayed(Delay::Wake))
    }

    fn new(end: End<Res, E>) -> Self {
        Self { delays: VecDeque::new(), end }
    }

    fn delayed(mut self, delay: Delay) -> Self {
        self.delays.push_back(delay);
        self
    }
}

/// What a [`Mock`](super::Mock) says when its readiness is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness<E> {
    /// It fails: it will never be ready.
    Fail(E),
    /// It panics.
    Panic,
    /// It is ready.
    Ready,
    /// Not yet; [`Handle::wake_one`](super::Handle::wake_one) wakes the task that polled.
    Wake,
    /// Not yet; it wakes the task that polled at once.
    Yield,
}
