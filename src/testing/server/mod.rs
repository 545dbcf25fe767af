//! Servers that are modelled, as tower services.

mod future;
mod job;
mod lane;
mod law;
mod machine;
mod model;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower_service::Service;

pub(super) use self::job::Spent;
pub use self::{
    future::{Before, BeforeFuture},
    model::Model,
};
use self::{
    job::{Answer, Ticket},
    machine::Machine,
};
use super::{
    curve::Piece,
    world::{self, World},
};
use crate::{chance::Chance, sync::Lock};

/// A modelled server of a [`Simulation`](super::Simulation): a service that answers any request with `()` after the
/// time its [`Model`] says. Always ready. Clones are the same server.
///
/// It lives in the runs of its simulation: outside one it answers nothing but [`Broken`].
#[derive(Clone)]
pub struct Server(pub(super) Arc<Place>);

/// A server and who waits at it.
pub(super) struct Place {
    world: Arc<World>,
    seed: u64,
    inside: Lock<Inside>,
}

struct Inside {
    /// For requests that come from nobody's attempt.
    chance: Chance,
    machine: Machine,
    /// By job.
    waiting: Vec<Option<Waker>>,
}

/// A modelled server failed: because its [`Model`] says so, or because it was called outside a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the modelled server failed")]
pub struct Broken;

impl Server {
    pub(super) fn new(world: Arc<World>, model: Model, seed: u64) -> Self {
        let inside = Inside { chance: Chance::seeded(seed), machine: Machine::new(model), waiting: Vec::new() };
        Self(Arc::new(Place { world, seed, inside: Lock::new(inside) }))
    }

    /// How many requests a second it can serve at that time of a run; see [`Model::capacity`].
    pub fn capacity(&self, since_start: Duration) -> f64 {
        self.0.inside.lock().machine.model().capacity(since_start)
    }

    /// Requests in it now, including those that nobody waits for.
    pub fn in_flight(&self) -> usize {
        self.0.inside.lock().machine.in_flight()
    }

    /// Puts it in front of a service of your own, which is called when a request's time here is over, and makes the
    /// answer.
    pub fn before<S>(&self, inner: S) -> Before<S> {
        Before { server: self.clone(), inner }
    }

    fn request(&self) -> Served {
        let place = &self.0;
        let ticket = place.world.moment().map(|now| {
            let tag = place.world.tag();
            let mut inside = place.inside.lock();
            let Inside { chance, machine, .. } = &mut *inside;
            let own = place.world.luck().map(|luck| Chance::seeded(luck ^ place.seed));
            let chance = own.as_ref().unwrap_or(chance);
            let task = machine.model().draw(world::class_of(tag), now, &mut || chance.draw());
            machine.arrive(now, tag, task)
        });
        Served { place: Arc::clone(place), ticket }
    }
}

impl Place {
    /// Begins anew, for another run.
    pub(super) fn reset(&self) {
        let mut inside = self.inside.lock();
        inside.machine = inside.machine.anew();
        inside.waiting.clear();
        inside.chance = Chance::seeded(self.seed);
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<u64> {
        self.inside.lock().machine.next()
    }

    /// Time goes by: answers what is done.
    pub(super) fn pass(&self, now: u64, spent: &mut Vec<Spent>) {
        let mut woken = Vec::new();
        let mut inside = self.inside.lock();
        let Inside { machine, waiting, .. } = &mut *inside;
        machine.pass(now);
        woken.extend(machine.finished().filter_map(|job| waiting.get_mut(job)?.take()));
        spent.extend(machine.spent());
        drop(inside);
        // Outside of the lock: a waker is somebody else's code.
        woken.into_iter().for_each(Waker::wake);
    }

    pub(super) fn refused(&self, now: u64) {
        self.inside.lock().machine.refused(now);
    }

    /// The run is over: tells what was done for those who are still here.
    pub(super) fn close(&self, spent: &mut Vec<Spent>) {
        let mut inside = self.inside.lock();
        inside.machine.close();
        spent.extend(inside.machine.spent());
    }

    pub(super) fn peak(&self) -> usize {
        self.inside.lock().machine.peak()
    }

    /// How many requests of the mean kind it can do a second.
    pub(super) fn capacity_piece(&self, at: u64) -> Piece {
        self.inside.lock().machine.model().capacity_piece(at)
    }

    /// How much work a request of `class` is, in those of the mean kind.
    pub(super) fn weight(&self, class: u8, at: u64) -> f64 {
        let inside = self.inside.lock();
        let model = inside.machine.model();
        let weight = model.mean_work(Some(class), at) / model.mean_work(None, at);
        if weight.is_finite() { weight } else { 1.0 }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inside = self.0.inside.lock();
        f.debug_struct("Server").field("model", inside.machine.model()).finish_non_exhaustive()
    }
}

impl<Req> Service<Req> for Server {
    type Response = ();
    type Error = Broken;
    type Future = Served;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Req) -> Served {
        self.request()
    }
}

/// The future of a [`Server`]. If it is dropped early, the server works on for nobody, or stops, as its [`Model`] says.
pub struct Served {
    place: Arc<Place>,
    /// None of no run, and none once answered.
    ticket: Option<Ticket>,
}

impl Future for Served {
    type Output = Result<(), Broken>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(ticket) = self.ticket else { return Poll::Ready(Err(Broken)) };
        let mut waker = Some(cx.waker().clone());
        let answer = {
            let mut inside = self.place.inside.lock();
            let answer = inside.machine.collect(ticket);
            if answer == Answer::NotYet {
                if inside.waiting.len() <= ticket.job {
                    inside.waiting.resize(ticket.job + 1, None);
                }
                // Dropped outside of the lock: it may be somebody else's code.
                std::mem::swap(&mut inside.waiting[ticket.job], &mut waker);
            }
            answer
        };
        drop(waker);
        let answer = match answer {
            Answer::NotYet => return Poll::Pending,
            Answer::Good => Ok(()),
            Answer::Bad => Err(Broken),
        };
        self.ticket = None;
        Poll::Ready(answer)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let now = self.place.world.now();
            let mut inside = self.place.inside.lock();
            inside.machine.abandon(now, ticket);
            let waker = inside.waiting.get_mut(ticket.job).and_then(Option::take);
            drop(inside);
            drop(waker);
        }
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").finish_non_exhaustive()
    }
}
