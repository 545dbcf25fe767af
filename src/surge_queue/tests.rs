//! The waiting room as a whole, against models.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use proptest::prelude::*;

use super::{
    drain,
    room::{Arrival, Joined, Next, Room},
    settings::{Settings, Surge},
};
use crate::{chance::Chance, clock::Instant, rejection::Reason};

const START: Instant = Instant::from_nanos(1 << 62);

/// Eight servers of 10 ms, clients of three classes that come at random: a second of warming up, and three that
/// are looked at. How many of each class came, were served in time, and were told on arrival that they would not be.
struct Report {
    came: [u32; 3],
    served: [u32; 3],
    refused: [u32; 3],
    /// The longest wait of any who was served.
    longest: Duration,
}

fn overload(times: f64, tenants: impl Fn(u64) -> Option<u64>) -> Report {
    let (chance, mut room) = (Chance::seeded(7), Room::<usize>::new(Settings::new()));
    let share = |draw: u64| draw as f64 / u64::MAX as f64;
    let exponential = |mean: f64| -mean * (1.0 - share(chance.draw()).min(0.999_999)).ln();
    let (mut now, mut free) = (START, 8);
    let mut ends = BinaryHeap::new();
    let mut next = now;
    let mut came = [0; 3];
    let zero = [0; 3];
    let mut report = Report { came: zero, served: zero, refused: zero, longest: Duration::ZERO };
    while now < START.after(Duration::from_secs(4)) {
        let ended = ends.peek().is_some_and(|&Reverse(end)| end <= next);
        now = if ended { ends.pop().map_or(now, |Reverse(end)| end) } else { next };
        room.learn(8, None);
        room.drain.pass(now);
        let measured = now > START.after(Duration::from_secs(1));
        let work = |exponential: f64| now.after(drain::duration(exponential));
        if ended {
            room.drain.end(now);
            free += 1;
        } else {
            next = now.after(drain::duration(exponential(1e9 / 800.0 / times)));
            let class = match share(chance.draw()) {
                share if share < 0.1 => 0,
                share if share < 0.7 => 1,
                _ => 2,
            };
            report.came[class] += u32::from(measured);
            came[class] += 1;
            room.came(class, came[class]);
            let tenant = tenants(chance.draw());
            if free > 0 && room.waiting() == 0 {
                free -= 1;
                ends.push(Reverse(work(exponential(1e7))));
                report.served[class] += u32::from(measured);
            } else {
                match room.arrive(&Arrival { class, tenant, deadline: Instant::FAR, now }) {
                    Ok(Joined { ticket, displaced }) => {
                        room.lines.get_mut(ticket).with = class;
                        if let Some(ticket) = displaced {
                            room.lines.remove(ticket);
                        }
                    }
                    Err(_) => report.refused[class] += u32::from(measured),
                }
            }
        }
        while free > 0 {
            match room.next(now) {
                None => break,
                Some(Next::Late(ticket)) => {
                    room.lines.remove(ticket);
                }
                Some(Next::Turn(ticket)) => {
                    room.lines.serve(ticket);
                    let waiter = room.lines.remove(ticket);
                    free -= 1;
                    ends.push(Reverse(work(exponential(1e7))));
                    report.longest = report.longest.max(now.since(waiter.since));
                    report.served[waiter.with] += u32::from(measured);
                }
            }
        }
        room.look(now);
    }
    report
}

fn percent(part: u32, whole: u32) -> f64 {
    f64::from(part) * 100.0 / f64::from(whole.max(1))
}

/// What three seconds have capacity for.
const CAPACITY: u32 = 2400;

#[test]
fn nobody_is_refused_at_half_the_capacity() {
    let report = overload(0.5, |_| None);
    assert_eq!(report.refused, [0; 3]);
}

#[test]
fn the_capacity_is_used_up_and_the_critical_are_served_at_any_load() {
    for (times, critical) in [(1.0, 99.9), (1.2, 99.9), (2.0, 99.9), (5.0, 99.9), (10.0, 95.0)] {
        let report = overload(times, |_| None);
        let served = percent(report.served.iter().sum(), CAPACITY);
        assert!(served > 95.0, "{served} % of the capacity used at {times} times the load");
        let of_class = percent(report.served[0], report.came[0]);
        assert!(of_class >= critical, "{of_class} % of the critical served at {times} times the load");
        assert!(report.longest <= Duration::from_millis(200), "somebody waited {:?}", report.longest);
    }
}

#[test]
fn most_who_cannot_be_served_are_told_on_arrival() {
    for times in [2.0, 5.0, 10.0] {
        let report = overload(times, |_| None);
        let [came, served, refused] = [report.came, report.served, report.refused].map(|of| of.iter().sum::<u32>());
        let late = percent(came - served - refused, came - served);
        assert!(late < 5.0, "{late} % waited in vain at {times} times the load");
    }
}

/// One tenant sends twice the capacity, nine others a tenth each, and nobody tries again. By chance, one in three of
/// anybody's would be served.
#[test]
fn a_flood_of_one_tenant_is_its_own_problem() {
    let mut room = Flood::default();
    room.run();
    let quiet = percent(room.served[1], room.came[1]);
    assert!(quiet > 80.0, "{quiet} % of the quiet served");
    assert!(percent(room.served[0] + room.served[1], 4 * 800) > 95.0);
}

/// The same servers, and two kinds of clients: a flood, and nine that are quiet.
#[derive(Default)]
struct Flood {
    came: [u32; 2],
    served: [u32; 2],
}

impl Flood {
    fn run(&mut self) {
        let (chance, mut room) = (Chance::seeded(3), Room::<usize>::new(Settings::new()));
        let exponential = |mean: f64| -mean * (1.0 - (chance.draw() as f64 / u64::MAX as f64).min(0.999_999)).ln();
        let (mut now, mut next, mut free, mut ends) = (START, START, 8, BinaryHeap::new());
        let mut came = 0;
        while now < START.after(Duration::from_secs(4)) {
            let ended = ends.peek().is_some_and(|&Reverse(end)| end <= next);
            now = if ended { ends.pop().map_or(now, |Reverse(end)| end) } else { next };
            room.learn(8, None);
            room.drain.pass(now);
            if ended {
                room.drain.end(now);
                free += 1;
            } else {
                next = now.after(drain::duration(exponential(1e9 / 800.0 / 3.0)));
                let tenant = (chance.draw() % 30).saturating_sub(20);
                let kind = usize::from(tenant > 0);
                (came, self.came[kind]) = (came + 1, self.came[kind] + 1);
                room.came(1, came);
                if let Ok(joined) =
                    room.arrive(&Arrival { class: 1, tenant: Some(tenant), deadline: Instant::FAR, now })
                {
                    room.lines.get_mut(joined.ticket).with = kind;
                    if let Some(ticket) = joined.displaced {
                        room.lines.remove(ticket);
                    }
                }
            }
            while free > 0 {
                match room.next(now) {
                    None => break,
                    Some(Next::Late(ticket)) => {
                        room.lines.remove(ticket);
                    }
                    Some(Next::Turn(ticket)) => {
                        room.lines.serve(ticket);
                        self.served[room.lines.remove(ticket).with] += 1;
                        free -= 1;
                        ends.push(Reverse(now.after(drain::duration(exponential(1e7)))));
                    }
                }
            }
            room.look(now);
        }
    }
}

/// After an outage the room knows of nothing but that nothing ended. It has to find out that calls end again.
#[test]
fn whoever_is_first_in_line_may_wait_however_long_that_is_foretold_to_take() {
    let mut room = Room::<()>::new(Settings::new());
    room.learn(8, None);
    room.drain.suppose(0.001);
    let arrival = Arrival { class: 1, tenant: None, deadline: START.after(Duration::from_secs(2)), now: START };
    let first = room.arrive(&arrival).expect("first in line");
    assert_eq!(room.arrive(&arrival).expect_err("second").reason, Reason::WaitTooLong);
    assert_eq!(room.next(START), Some(Next::Turn(first.ticket)));
    assert!(room.lines.get(first.ticket).until <= START.after(Duration::from_millis(1500)), "but not for ever");
}

/// Everything about one waiter, for a model that searches through a list.
#[derive(Clone, Debug)]
struct Known {
    ticket: u32,
    rank: usize,
    tenant: u64,
    since: Instant,
    /// When it came to its rank: a number that counts up.
    order: usize,
}

proptest! {
    /// Whoever comes, goes, is served, displaced or moved, as time goes by: the room agrees with a list that is searched
    /// through about who is here, who is next and who has to go; within its bounds, and nobody is lost or here twice.
    #[test]
    fn the_room_agrees_with_a_list_that_is_searched_through(
        steps in proptest::collection::vec((0..8u8, 0..4usize, 0..3u64, 0..40u64, any::<usize>()), 1..150),
        places in 1..12u32, surge_places in 1..6u32,
    ) {
        let surge = Surge::try_new(1).and_then(|surge| surge.try_with_max_waiting(surge_places)).expect("valid");
        let settings = Settings::new().try_with_max_waiting(places).expect("valid").with_surge(surge);
        let mut room = Room::<usize>::new(settings);
        let (mut here, mut now): (Vec<Known>, _) = (Vec::new(), START);
        // Whose turn is next, by rank.
        let mut turns: [Vec<u64>; 8] = Default::default();
        for (order, (what, class, tenant, millis, any)) in steps.into_iter().enumerate() {
            now = now.after(Duration::from_millis(millis));
            room.learn(4, None);
            room.drain.pass(now);
            let gone = |here: &mut Vec<Known>, ticket: Option<u32>| {
                here.retain(|known| Some(known.ticket) != ticket);
            };
            let of_lane = |here: &[Known], second: bool| here.iter().filter(|known| (known.rank >= 4) == second).count();
            match what {
                0..=3 => match room.arrive(&Arrival { class, tenant: Some(tenant), deadline: Instant::FAR, now }) {
                    Ok(Joined { ticket, displaced }) => {
                        prop_assert_eq!(displaced.is_some(), of_lane(&here, false) >= places as usize);
                        if let Some(victim) = displaced {
                            let known = here.iter().find(|known| known.ticket == victim).expect("is here").clone();
                            let worst = here.iter().map(|known| known.rank).filter(|&rank| rank < 4).max();
                            prop_assert!(Some(known.rank) == worst && known.rank > class);
                            let newer = |other: &&Known| {
                                (other.rank, other.tenant) == (known.rank, known.tenant) && other.order > known.order
                            };
                            prop_assert!(!here.iter().any(|other| newer(&other)), "not the newest");
                            room.lines.remove(victim);
                        }
                        gone(&mut here, displaced);
                        here.push(Known { ticket, rank: class, tenant, since: now, order });
                    }
                    Err(refused) => {
                        let worse = here.iter().any(|known| known.rank < 4 && known.rank > class);
                        let full = of_lane(&here, false) >= places as usize && !worse;
                        match refused.reason {
                            Reason::QueueFull => prop_assert!(full),
                            _ => prop_assert!(refused.reason == Reason::WaitTooLong && room.drain.rate().is_some()),
                        }
                        prop_assert!(refused.retry_after.is_some_and(|after| after >= Duration::from_millis(50)));
                    }
                },
                4 => if !here.is_empty() {
                    let known = here.remove(any % here.len());
                    room.lines.remove(known.ticket);
                },
                5 => if !here.is_empty() {
                    let at = any % here.len();
                    let ticket = here[at].ticket;
                    let full = of_lane(&here, true) >= surge_places as usize;
                    match room.demote(ticket, now) {
                        Some(displaced) => {
                            prop_assert!(here[at].rank < 4 && displaced.is_some() == full);
                            here[at].rank += 4;
                            here[at].order = order;
                            if let Some(victim) = displaced {
    room.lines.remove(victim);
}
                            gone(&mut here, displaced);
                        }
                        None => {
                            let known = &here[at];
                            let worse = here.iter().any(|other| other.rank > known.rank + 4);
                            prop_assert!(known.rank >= 4 || full && !worse || now.since(known.since) > Duration::from_secs(60));
                        }
                    }
                },
                _ => {
                    let next = if what == 6 { room.next(now) } else { room.next_surge(now) };
                    let ranks = if what == 6 { 0..4 } else { 4..8 };
                    let best = here.iter().map(|known| known.rank).filter(|rank| ranks.contains(rank)).min();
                    let (Some(best), Some(next)) = (best, next) else {
                        prop_assert!(best.is_none() && next.is_none());
                        continue;
                    };
                    let turn = turns[best][0];
                    let line = here.iter().filter(|known| (known.rank, known.tenant) == (best, turn));
                    let line: Vec<_> = line.map(|known| (known.order, known.since, known.ticket)).collect();
                    let (oldest, newest) = (line.iter().min().expect("has one"), line.iter().max().expect("has one"));
                    let lifo = what == 7 || now.since(oldest.1) > Duration::from_millis(100);
                    let (Next::Turn(ticket) | Next::Late(ticket)) = next;
                    let expected = if lifo { newest.2 } else { oldest.2 };
                    prop_assert!(ticket == expected || next == Next::Late(oldest.2));
                    if let Next::Turn(_) = next {
                        turns[best].rotate_left(1);
                        room.lines.serve(ticket);
                    }
                    room.lines.remove(ticket);
                    gone(&mut here, Some(ticket));
                }
            }
            room.look(now);
            for (rank, turns) in turns.iter_mut().enumerate() {
                let is_here = |&key: &u64| here.iter().any(|known| (known.rank, known.tenant) == (rank, key));
                turns.retain(is_here);
                let mut new: Vec<_> = here.iter().filter(|known| known.rank == rank && !turns.contains(&known.tenant)).collect();
                new.sort_by_key(|known| known.order);
                new.iter().for_each(|known| if !turns.contains(&known.tenant) { turns.push(known.tenant) });
                let waiting = here.iter().filter(|known| known.rank == rank).count();
                prop_assert_eq!(room.lines.waiting(rank) as usize, waiting);
                prop_assert_eq!(room.lines.tenants(rank) as usize, turns.len());
            }
            prop_assert!(of_lane(&here, false) <= places as usize && of_lane(&here, true) <= surge_places as usize);
        }
        for known in here {
 room.lines.remove(known.ticket);
}
        prop_assert!(room.lines.is_bare());
    }
}
