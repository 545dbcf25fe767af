//! A small gate with a queue, and what can be wrong with one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use plimsoll::{
    Gate, Reason, Rejection,
    clock::Moment,
    gate::{Admission, Ending},
};

use crate::support::{
    kit::{Ask, Kit, Load},
    lock,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoorFault {
    /// It counts from one too few.
    LetsOneTooManyIn,
    /// It is pending, and keeps no waker.
    KeepsNoWaker,
    /// It keeps the first waker that it sees, whoever polls later.
    KeepsTheFirstWaker,
    /// Who leaves with a turn in hand takes it along.
    SwallowsTheTurn,
    /// Who leaves the queue stays on the list.
    KeepsGhosts,
    /// A free place wakes all who wait.
    WakesEverybody,
    /// A free place wakes nobody, and is free.
    HandsNothingOver,
}

/// Lets so many in; the others wait, or are refused. Without a fault it is right.
pub(crate) struct Door {
    limit: usize,
    waits: bool,
    fault: Option<DoorFault>,
    room: Arc<Mutex<Room>>,
}

#[derive(Default)]
struct Room {
    inside: usize,
    queue: VecDeque<(u64, Option<Waker>)>,
    /// Tickets whose turn has come.
    granted: Vec<u64>,
    tickets: u64,
}

impl Door {
    pub(crate) fn new(kit: &Kit, limit: usize, waits: bool, fault: Option<DoorFault>) -> Self {
        let room = Arc::new(Mutex::new(Room::default()));
        let seen = Arc::clone(&room);
        kit.gauge(move || {
            let room = lock(&seen);
            let idle = !room.queue.is_empty() && room.inside < limit;
            Load { in_use: room.inside, waiting: room.queue.len(), limit, idle }
        });
        Self { limit, waits, fault, room }
    }

    fn has(&self, fault: DoorFault) -> bool {
        self.fault == Some(fault)
    }

    /// A place is free: the next one's, or nobody's.
    fn free_one(&self) {
        let mut room = lock(&self.room);
        let next = if self.has(DoorFault::HandsNothingOver) { None } else { room.queue.pop_front() };
        let Some((ticket, waker)) = next else {
            room.inside = room.inside.saturating_sub(1);
            return;
        };
        room.granted.push(ticket);
        let everybody = self.has(DoorFault::WakesEverybody);
        let others = room.queue.iter().filter(|_| everybody).filter_map(|(_, waker)| waker.clone());
        let wakers: Vec<Waker> = waker.into_iter().chain(others).collect();
        drop(room);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Gate<Ask> for Door {
    type Permit = ();
    type Wait = u64;

    fn admit(&self, _: &Ask, _: &Moment) -> Admission<(), u64> {
        let mut room = lock(&self.room);
        let limit = self.limit + usize::from(self.has(DoorFault::LetsOneTooManyIn));
        if room.inside < limit && room.queue.is_empty() {
            room.inside += 1;
            return Admission::Admitted(());
        }
        if !self.waits {
            return Admission::Refused(Rejection::new(Reason::Custom, "door"));
        }
        room.tickets += 1;
        let ticket = room.tickets;
        room.queue.push_back((ticket, None));
        Admission::Waiting(ticket)
    }

    fn poll_wait(&self, ticket: &mut u64, _: &Ask, _: &Moment, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        let mut room = lock(&self.room);
        if let Some(at) = room.granted.iter().position(|granted| granted == ticket) {
            room.granted.swap_remove(at);
            return Poll::Ready(Ok(()));
        }
        let keeps_none = self.has(DoorFault::KeepsNoWaker);
        let keeps_first = self.has(DoorFault::KeepsTheFirstWaker);
        if let Some((_, waker)) = room.queue.iter_mut().find(|(queued, _)| queued == ticket)
            && !keeps_none
            && !(keeps_first && waker.is_some())
        {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn abandon(&self, ticket: u64) {
        let mut room = lock(&self.room);
        if let Some(at) = room.granted.iter().position(|granted| *granted == ticket) {
            room.granted.swap_remove(at);
            drop(room);
            if !self.has(DoorFault::SwallowsTheTurn) {
                self.free_one();
            }
        } else if !self.has(DoorFault::KeepsGhosts) {
            room.queue.retain(|(queued, _)| *queued != ticket);
        }
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {
        self.free_one();
    }
}
