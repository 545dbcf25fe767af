//! What the inner service does with one call.

use plimsoll::testing::{Readiness, Reply};

use super::kit::Boom;

pub(crate) type Ready = Readiness<Boom>;

/// Why a poll of the body is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    Wake,
    Yield,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Answer,
    Fail,
    Hang,
    Panic,
    PanicInCall,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Body(pub(crate) &'static [Pause], pub(crate) Finish);

impl Body {
    pub(crate) const ANSWER: Self = Self(&[], Finish::Answer);
    pub(crate) const ANSWER_WHEN_WOKEN: Self = Self(&[Pause::Wake], Finish::Answer);

    pub(crate) fn reply(self) -> Reply<u32, Boom> {
        let end = match self.1 {
            Finish::Answer => Reply::ok(7),
            Finish::Fail => Reply::err(Boom),
            Finish::Hang => Reply::hang(),
            Finish::Panic => Reply::panic(),
            Finish::PanicInCall => Reply::panic_in_call(),
        };
        self.0.iter().fold(end, |reply, pause| match pause {
            Pause::Wake => reply.after_wakes(1),
            Pause::Yield => reply.after_yields(1),
        })
    }
}

/// What is said when asked for readiness, one answer after another, and then ready.
const READINESS: &[&[Ready]] = &[
    &[],
    &[Ready::Yield],
    &[Ready::Wake],
    &[Ready::Yield, Ready::Wake],
    &[Ready::Wake, Ready::Wake, Ready::Yield],
    &[Ready::Fail(Boom)],
    &[Ready::Wake, Ready::Fail(Boom)],
    &[Ready::Yield, Ready::Yield, Ready::Fail(Boom)],
    &[Ready::Panic],
    &[Ready::Yield, Ready::Panic],
    &[Ready::Wake, Ready::Wake, Ready::Panic],
];

const BODIES: &[Body] = &[
    Body::ANSWER,
    Body(&[], Finish::Fail),
    Body(&[], Finish::Panic),
    Body(&[], Finish::PanicInCall),
    Body(&[], Finish::Hang),
    Body(&[Pause::Yield], Finish::Answer),
    Body(&[Pause::Yield, Pause::Wake], Finish::Panic),
    Body::ANSWER_WHEN_WOKEN,
    Body(&[Pause::Wake, Pause::Wake], Finish::Fail),
];

/// Every readiness with every body; a readiness that fails at last only with two, of which the second is for a layer
/// that asks and calls again.
pub(crate) fn scripts() -> impl Iterator<Item = (&'static [Ready], Body)> {
    READINESS.iter().flat_map(|&readiness| {
        let fails = matches!(readiness.last(), Some(Ready::Fail(_) | Ready::Panic));
        let bodies = if fails { &BODIES[..2] } else { BODIES };
        bodies.iter().map(move |&body| (readiness, body))
    })
}
