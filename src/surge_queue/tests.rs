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

/// Eight servers of 10 ms, behind a limit of eight: 800 a second, all in all.
const SERVERS: u32 = 8;
const WORK: f64 = 10e6;
const CAPACITY: f64 = 800.0;

/// So much of something, at so many seconds.
type Course = fn(f64) -> f64;

/// What comes, and how it is served.
struct World {
    /// So many times the capacity come, at so many seconds.
    load: Course,
    /// So many times as long as usual a call takes that begins then.
    slow: Course,
    /// Nothing ends in between these two seconds.
    stop: (f64, f64),
    /// Whose a request is, by chance.
    tenant: fn(u64) -> Option<u64>,
    seconds: f64,
}

const STEADY: World = World { load: |_| 1.0, slow: |_| 1.0, stop: (0.0, 0.0), tenant: |_| None, seconds: 4.0 };

/// What became of one request.
#[derive(Clone, Copy, Debug)]
struct Fate {
    came: f64,
    class: usize,
    tenant: Option<u64>,
    /// How long it waited until it was served.
    served: Option<Duration>,
    refused: bool,
}

impl World {
    /// Clients that come at random, one in ten of them critical and three in ten sheddable; nobody tries again.
    fn run(&self) -> Vec<Fate> {
        let (chance, mut room) = (Chance::seeded(7), Room::<usize>::new(Settings::new()));
        let draw = || (chance.draw() as f64 / u64::MAX as f64).min(0.999_999);
        let seconds = |at: Instant| at.since(START).as_secs_f64();
        let (mut now, mut next, mut free, mut ends) = (START, START, SERVERS, BinaryHeap::new());
        let (mut fates, mut came) = (Vec::<Fate>::new(), [0; 3]);
        while seconds(now) < self.seconds {
            let ended = ends.peek().is_some_and(|&Reverse(end)| end <= next);
            now = if ended { ends.pop().map_or(now, |Reverse(end)| end) } else { next };
            room.learn(SERVERS, None);
            room.drain.pass(now);
            if ended {
                room.drain.end(now);
                free += 1;
            } else {
                let mean = 1e9 / CAPACITY / (self.load)(seconds(now));
                next = now.after(drain::duration(-mean * (1.0 - draw()).ln()));
                let class = match draw() {
                    share if share < 0.1 => 0,
                    share if share < 0.7 => 1,
                    _ => 2,
                };
                let tenant = (self.tenant)(chance.draw());
                fates.push(Fate { came: seconds(now), class, tenant, served: None, refused: false });
                came[class] += 1;
                room.came(class, came[class]);
                match room.arrive(&Arrival { class, tenant, deadline: Instant::FAR, now }) {
                    Ok(Joined { ticket, displaced }) => {
                        room.lines.get_mut(ticket).with = fates.len() - 1;
                        if let Some(ticket) = displaced {
                            room.lines.remove(ticket);
                        }
                    }
                    Err(_) => fates.last_mut().expect("pushed").refused = true,
                }
            }
            while let (true, Some(next)) = (free > 0, room.next(now)) {
                let (Next::Turn(ticket) | Next::Late(ticket)) = next;
                if let Next::Turn(_) = next {
                    room.lines.serve(ticket);
                    fates[room.lines.get(ticket).with].served = Some(now.since(room.lines.get(ticket).since));
                    free -= 1;
                    let work = -WORK * (self.slow)(seconds(now)) * (1.0 - draw()).ln();
                    let end = now.after(drain::duration(work));
                    let stopped = (self.stop.0..self.stop.1).contains(&seconds(end));
                    let stop = Duration::from_secs_f64(self.stop.1 - self.stop.0);
                    ends.push(Reverse(if stopped { end.after(stop) } else { end }));
                }
                room.lines.remove(ticket);
            }
            room.look(now);
        }
        fates
    }
}

/// Of those who came in between these two seconds and are so.
fn among(fates: &[Fate], from: f64, until: f64, so: impl Fn(&Fate) -> bool) -> Vec<Fate> {
    fates.iter().filter(|fate| (from..until).contains(&fate.came) && so(fate)).copied().collect()
}

fn percent_served(fates: &[Fate]) -> f64 {
    fates.iter().filter(|fate| fate.served.is_some()).count() as f64 * 100.0 / fates.len() as f64
}

fn served(fates: &[Fate]) -> f64 {
    fates.iter().filter(|fate| fate.served.is_some()).count() as f64
}

#[test]
fn nobody_is_refused_at_half_the_capacity() {
    let fates = World { load: |_| 0.5, ..STEADY }.run();
    assert!(fates.iter().all(|fate| !fate.refused));
}

/// Where nobody would have to be, few are.
#[test]
fn few_are_turned_away_below_the_capacity() {
    let loads: [(Course, f64); 2] = [(|_| 0.7, 99.5), (|_| 0.9, 96.0)];
    for (load, most) in loads {
        let served = percent_served(&among(&World { load, ..STEADY }.run(), 0.0, 3.8, |_| true));
        assert!(served >= most, "{served} % served at {} times the load", load(0.0));
    }
}

#[test]
fn the_capacity_is_used_up_and_the_critical_are_served_at_any_load() {
    let loads: [(Course, f64); 5] =
        [(|_| 1.0, 99.9), (|_| 1.2, 99.9), (|_| 2.0, 99.9), (|_| 5.0, 99.9), (|_| 10.0, 92.0)];
    for (load, critical) in loads {
        let (times, fates) = (load(0.0), World { load, ..STEADY }.run());
        let fates = among(&fates, 1.0, 3.8, |_| true);
        let used = served(&fates) * 100.0 / (2.8 * CAPACITY);
        assert!(used > 94.0, "{used} % of the capacity used at {times} times the load");
        let of_class = percent_served(&among(&fates, 0.0, 9.0, |fate| fate.class == 0));
        assert!(of_class >= critical, "{of_class} % of the critical served at {times} times the load");
        let longest = fates.iter().filter_map(|fate| fate.served).max();
        assert!(longest <= Some(Duration::from_millis(200)), "somebody waited {longest:?}");
    }
}

#[test]
fn most_who_cannot_be_served_are_told_on_arrival() {
    let loads: [Course; 3] = [|_| 2.0, |_| 5.0, |_| 10.0];
    for load in loads {
        let fates = among(&World { load, ..STEADY }.run(), 1.0, 3.8, |fate| fate.served.is_none());
        let told = fates.iter().filter(|fate| fate.refused).count() as f64 * 100.0 / fates.len() as f64;
        assert!(told > 95.0, "{told} % at {} times the load", load(0.0));
    }
}

/// One tenant sends twice the capacity, nine others a tenth each, and nobody tries again. By chance, one in three of
/// anybody's would be served.
#[test]
fn a_flood_of_one_tenant_is_its_own_problem() {
    let fates = World { load: |_| 3.0, tenant: |draw| Some((draw % 30).saturating_sub(20)), ..STEADY }.run();
    let quiet = percent_served(&among(&fates, 1.0, 3.8, |fate| fate.tenant != Some(0) && fate.class < 2));
    assert!(quiet > 90.0, "{quiet} % of the quiet served");
    assert!(served(&among(&fates, 1.0, 3.8, |_| true)) > 0.94 * 2.8 * CAPACITY);
}

#[test]
fn a_spike_is_over_when_it_is_over() {
    let fates = World { load: |at| if (1.0..2.0).contains(&at) { 10.0 } else { 0.7 }, ..STEADY }.run();
    let after = percent_served(&among(&fates, 2.3, 3.8, |_| true));
    assert!(after > 98.0, "{after} % served after a spike");
}

/// What was measured in the stop must not keep people out after it.
#[test]
fn a_callee_that_stood_still_is_made_use_of_once_it_goes_on() {
    let fates = World { load: |_| 0.8, stop: (1.0, 2.5), seconds: 5.0, ..STEADY }.run();
    let after = percent_served(&among(&fates, 3.0, 4.8, |_| true));
    assert!(after > 98.0, "{after} % served after a stop");
}

#[test]
fn a_callee_that_turns_slow_is_used_up_and_so_is_one_that_recovers() {
    let slow = |at: f64| if (1.0..3.0).contains(&at) { 5.0 } else { 1.0 };
    let fates = World { load: |_| 0.7, slow, seconds: 5.0, ..STEADY }.run();
    let used = served(&among(&fates, 1.5, 2.8, |_| true)) * 5.0 * 100.0 / (1.3 * CAPACITY);
    assert!(used > 90.0, "{used} % of what is left is used");
    let after = percent_served(&among(&fates, 3.5, 4.8, |_| true));
    assert!(after > 98.0, "{after} % served once it is fast again");
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
