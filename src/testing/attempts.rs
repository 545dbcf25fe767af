//! The attempts that are under way: a small executor for futures that need not be `Send`.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use slab::Slab;

use super::{
    client::Verdict,
    world::{self, World},
};
use crate::sync::{
    Lock,
    atomic::{
        AtomicBool,
        Ordering::{AcqRel, Release},
    },
};

pub(super) type Call<'a> = Pin<Box<dyn Future<Output = Verdict> + 'a>>;

/// An attempt under way.
pub(super) struct Attempt<'a> {
    pub(super) tag: u64,
    pub(super) request: usize,
    pub(super) started: u64,
    /// Whether its client has given up, and the answer will come too late.
    pub(super) late: bool,
    /// The work that servers did for it, in seconds.
    pub(super) work: f64,
    /// What servers draw for it depends on this alone.
    luck: u64,
    call: Call<'a>,
}

/// Futures in slots, each with a bell of its own. Slots are used again, and so are their bells: a wake-up that comes
/// too late polls whoever sits there now once in vain.
pub(super) struct Attempts<'a> {
    slots: Slab<Attempt<'a>>,
    bells: Vec<Bell>,
    turns: Vec<u32>,
    rung: Arc<Rung>,
}

/// The slots whose bell rang, in the order in which they did.
#[derive(Default)]
struct Rung(Lock<VecDeque<usize>>);

struct Bell {
    button: Arc<Button>,
    waker: Waker,
}

struct Button {
    slot: usize,
    pressed: AtomicBool,
    rung: Arc<Rung>,
}

impl Wake for Button {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.pressed.swap(true, AcqRel) {
            self.rung.0.lock().push_back(self.slot);
        }
    }
}

impl<'a> Attempts<'a> {
    pub(super) fn new() -> Self {
        Self { slots: Slab::new(), bells: Vec::new(), turns: Vec::new(), rung: Arc::default() }
    }

    /// Lets an attempt begin; it is polled when its turn comes. Its tag is the answer.
    pub(super) fn begin(
        &mut self,
        request: usize,
        (load, class): (u8, u8),
        luck: u64,
        started: u64,
        call: Call<'a>,
    ) -> u64 {
        let entry = self.slots.vacant_entry();
        let slot = entry.key();
        if slot == self.bells.len() {
            let button = Arc::new(Button { slot, pressed: AtomicBool::new(false), rung: Arc::clone(&self.rung) });
            self.bells.push(Bell { waker: Waker::from(Arc::clone(&button)), button });
            self.turns.push(0);
        }
        self.turns[slot] += 1;
        let tag = world::tag(slot, self.turns[slot], load, class);
        entry.insert(Attempt { tag, request, started, late: false, work: 0.0, luck, call });
        self.bells[slot].waker.wake_by_ref();
        tag
    }

    /// The attempt with this tag, if it is still under way.
    pub(super) fn get(&mut self, tag: u64) -> Option<&mut Attempt<'a>> {
        self.slots.get_mut(world::slot_of(tag)).filter(|attempt| attempt.tag == tag)
    }

    /// Whether the attempt with this tag is still under way.
    pub(super) fn is_under_way(&self, tag: u64) -> bool {
        self.slots.get(world::slot_of(tag)).is_some_and(|attempt| attempt.tag == tag)
    }

    /// Ends an attempt before it is done: its future is dropped.
    pub(super) fn end(&mut self, tag: u64) {
        if self.get(tag).is_some() {
            self.slots.remove(world::slot_of(tag));
        }
    }

    /// Polls the next of those whose bell rang: `None` when nobody's did, else the attempt that is done, if it is.
    pub(super) fn poll_next(&mut self, world: &World) -> Option<Option<(Attempt<'a>, Verdict)>> {
        let slot = self.rung.0.lock().pop_front()?;
        let bell = &self.bells[slot];
        bell.button.pressed.store(false, Release);
        let Some(attempt) = self.slots.get_mut(slot) else { return Some(None) };
        world.enter(attempt.tag, attempt.luck);
        let polled = attempt.call.as_mut().poll(&mut Context::from_waker(&bell.waker));
        attempt.luck = world.leave();
        match polled {
            Poll::Pending => Some(None),
            Poll::Ready(verdict) => Some(Some((self.slots.remove(slot), verdict))),
        }
    }

    /// Whether somebody's bell rang.
    pub(super) fn is_ready(&self) -> bool {
        !self.rung.0.lock().is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// All that are still under way.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Attempt<'a>> {
        self.slots.drain()
    }
}
