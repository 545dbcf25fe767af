//! The waiting room as a whole, against models.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use super::{
    drain,
    room::{Arrival, Joined, Next, Room},
    settings::Settings,
};
use crate::{chance::Chance, clock::Instant};

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
                        displaced.into_iter().for_each(|ticket| drop(room.lines.remove(ticket)));
                    }
                    Err(_) => report.refused[class] += u32::from(measured),
                }
            }
        }
        while free > 0 {
            match room.next(now) {
                None => break,
                Some(Next::Late(ticket)) => drop(room.lines.remove(ticket)),
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

#[test]
#[ignore = "prints"]
fn explore() {
    for times in [0.5, 0.7, 0.9, 1.0, 1.2, 2.0, 5.0, 10.0, 20.0] {
        let r = overload(times, |_| None);
        let part = |a: u32, b: u32| f64::from(a) / f64::from(b.max(1)) * 100.0;
        let all: u32 = r.served.iter().sum();
        println!("{times:5}: goodput {:6.1} served {:5.1} {:5.1} {:5.1} refused {:5.1} {:5.1} {:5.1} longest {:?}",
            f64::from(all) / (2400.0 * times.min(1.0)) * 100.0,
            part(r.served[0], r.came[0]), part(r.served[1], r.came[1]), part(r.served[2], r.came[2]),
            part(r.refused[0], r.came[0]), part(r.refused[1], r.came[1]), part(r.refused[2], r.came[2]), r.longest);
    }
}
