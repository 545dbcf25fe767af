use std::{sync::Arc, task::Context};

use crate::sync::{Lock, Ticket, Waiters, Wakeup};

/// What becomes of a fleet and its members, for calls that wait in it: each is woken by what concerns it.
#[derive(Debug)]
pub(super) struct News(Lock<Waiters<(), LANES>>);

/// Few, so that a call that waits costs no member anything; many, so that what becomes of one member wakes hardly anybody who
/// does not wait for it.
const LANES: usize = 64;

/// What a call may want to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// The fleet is another, or all ejections count from now on, or none.
    Fleet,
    /// Whoever is back in service.
    Returns,
    /// A member was put out or back.
    Member(u64),
}

impl Topic {
    /// Members share lanes: their identities are evenly spread.
    const fn lane(self) -> usize {
        match self {
            Self::Fleet => 0,
            Self::Returns => 1,
            Self::Member(id) => 2 + (id % (LANES as u64 - 2)) as usize,
        }
    }
}

impl News {
    pub(super) fn new() -> Self {
        Self(Lock::new(Waiters::new()))
    }

    /// Wakes those who want to hear of it. Only who waits now: who was woken may wait again before the last one is.
    pub(super) fn tell(&self, topic: Topic) {
        let lane = topic.lane();
        let newest = {
            let waiting = self.0.lock();
            waiting.newest(lane).map(|ticket| waiting.weight_and_arrival(ticket).1)
        };
        let next = || {
            let mut waiting = self.0.lock();
            let ticket = waiting.oldest(lane).filter(|ticket| Some(waiting.weight_and_arrival(*ticket).1) <= newest)?;
            Some(waiting.grant(ticket, ()))
        };
        while let Some(wakeup) = next() {
            wakeup.wake();
        }
    }

    fn leave(&self, ticket: Ticket) {
        let left: Result<(), Wakeup> = self.0.lock().leave(ticket);
        // What would have been woken is somebody else's code, so it goes when the lock is free.
        drop(left);
    }
}

/// One call's wish to hear of some topics.
pub(super) struct Subscription {
    news: Arc<News>,
    /// The lanes of the topics, a bit each.
    wanted: u64,
    /// A place in each lane that it has listened to.
    places: Vec<(usize, Ticket)>,
}

impl Subscription {
    /// To nothing yet.
    pub(super) fn new(news: &Arc<News>) -> Self {
        Self { news: Arc::clone(news), wanted: 0, places: Vec::new() }
    }

    /// Wants to hear of these, and of nothing else. It does from when it next [listens](Self::listen).
    pub(super) fn follow(&mut self, topics: impl Iterator<Item = Topic>) {
        self.wanted = topics.fold(0, |wanted, topic| wanted | 1 << topic.lane());
    }

    /// Wants to be woken by news that come after this.
    pub(super) fn listen(&mut self, cx: &Context<'_>) {
        let Self { news, wanted, places } = self;
        let mut missing = *wanted;
        places.retain(|(lane, ticket)| {
            let is_wanted = *wanted & 1 << lane != 0;
            missing &= !(1 << lane);
            if !is_wanted {
                news.leave(*ticket);
            }
            is_wanted
        });
        for lane in (0..LANES).filter(|lane| missing & 1 << lane != 0) {
            places.push((lane, news.0.lock().join(lane, 1)));
        }
        for (lane, ticket) in places {
            let mut waker = Some(cx.waker().clone());
            {
                let mut waiting = news.0.lock();
                if let Some(()) = waiting.claim(*ticket, &mut waker) {
                    *ticket = waiting.join(*lane, 1);
                    let _ = waiting.claim(*ticket, &mut waker);
                }
            }
            // What it held before is somebody else's code, too.
            drop(waker);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        for (_, ticket) in self.places.drain(..) {
            self.news.leave(ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_woken_by_what_it_follows_and_by_nothing_else() {
        let news = Arc::new(News::new());
        let mut task = tokio_test::task::spawn(Subscription::new(&news));
        let hears = |task: &mut tokio_test::task::Spawn<Subscription>, topic| {
            task.enter(|cx, mut subscription| subscription.listen(cx));
            news.tell(topic);
            let woken = task.is_woken();
            task.enter(|_, _| ());
            woken
        };
        task.follow([Topic::Fleet, Topic::Member(7)].into_iter());
        let topics = [Topic::Fleet, Topic::Returns, Topic::Member(7), Topic::Member(8)];
        assert_eq!(topics.map(|topic| hears(&mut task, topic)), [true, false, true, false]);
        task.follow([Topic::Returns, Topic::Member(8)].into_iter());
        assert_eq!(topics.map(|topic| hears(&mut task, topic)), [false, true, false, true]);
        drop(task);
        assert!((0..LANES).all(|lane| news.0.lock().oldest(lane).is_none()), "and leaves no place behind");
    }

    #[test]
    fn every_topic_has_a_lane() {
        for id in [0, 61, 62, u64::MAX] {
            assert!((2..LANES).contains(&Topic::Member(id).lane()));
        }
    }
}
