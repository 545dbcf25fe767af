//! The best that any server of that capacity could have done.

use std::{collections::VecDeque, ops::Range};

use super::curve::Piece;

/// A request, as the fluid sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parcel {
    pub(super) came: u64,
    /// When it is of no use any more.
    pub(super) until: u64,
    /// How much work it is, in requests of the mean kind.
    pub(super) weight: f64,
    /// Whose load it belongs to.
    pub(super) who: usize,
}

/// A server for which work is a fluid: it works at its capacity whenever there is work, takes requests in the order in
/// which they came, splits them as it likes, and lets go of each when its time is over. No queue or limit can serve more
/// of one kind of request; only one that picks the cheap among dear ones can.
///
/// `capacity` gives the requests a second from a moment on. For each of `loads` loads, the requests served in `window`
/// are the answer; a part of one counts as that part.
pub(super) fn best(
    parcels: impl IntoIterator<Item = Parcel>,
    capacity: impl Fn(u64) -> Piece,
    window: &Range<u64>,
    loads: usize,
) -> Vec<f64> {
    let mut fluid = Fluid { now: 0.0, piece: Piece::NONE, queue: VecDeque::new(), served: vec![0.0; loads] };
    for parcel in parcels {
        fluid.flow(parcel.came, &capacity, window);
        fluid.queue.push_back((parcel, parcel.weight));
    }
    fluid.flow(window.end, &capacity, window);
    fluid.served
}

struct Fluid {
    /// In nanoseconds; not a whole number of them.
    now: f64,
    piece: Piece,
    /// What waits, and how much of it is left.
    queue: VecDeque<(Parcel, f64)>,
    served: Vec<f64>,
}

impl Fluid {
    fn flow(&mut self, until: u64, capacity: impl Fn(u64) -> Piece, window: &Range<u64>) {
        while let Some((head, left)) = self.queue.front_mut() {
            if self.now >= head.until as f64 {
                self.queue.pop_front();
                continue;
            }
            if self.now >= until as f64 {
                return;
            }
            if self.now >= self.piece.until as f64 {
                self.piece = capacity(self.now as u64);
            }
            let rate = if self.piece.value > 0.0 { self.piece.value / 1e9 } else { 0.0 };
            let stop = until.min(head.until).min(self.piece.until) as f64;
            let takes = if *left > 0.0 { *left / rate } else { 0.0 };
            let done = takes <= stop - self.now;
            let end = if done { self.now + takes } else { stop };
            let part = if done { *left } else { rate * (stop - self.now) };
            let share = if head.weight > 0.0 { part / head.weight } else { 1.0 };
            self.served[head.who] += share * inside(self.now..end, window);
            *left -= part;
            self.now = end;
            if done {
                self.queue.pop_front();
            }
        }
        self.now = self.now.max(until as f64);
    }
}

/// The share of a time that lies in the window.
fn inside(time: Range<f64>, window: &Range<u64>) -> f64 {
    let (start, end) = (window.start as f64, window.end as f64);
    if time.end <= time.start {
        return if start <= time.start && time.start < end { 1.0 } else { 0.0 };
    }
    ((time.end.min(end) - time.start.max(start)) / (time.end - time.start)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn steady(rate: f64) -> impl Fn(u64) -> Piece {
        move |_| Piece { value: rate, until: u64::MAX }
    }

    fn parcels(comes: impl IntoIterator<Item = u64>, patience: u64) -> Vec<Parcel> {
        comes.into_iter().map(|came| Parcel { came, until: came + patience, weight: 1.0, who: 0 }).collect()
    }

    #[test]
    fn all_are_served_below_capacity_and_the_capacity_above_it() {
        let even = |rate: u64| parcels((0..10 * rate).map(move |n| n * SECOND / rate), SECOND);
        let served = |rate| best(even(rate), steady(100.0), &(0..20 * SECOND), 1)[0];
        assert!((served(50) - 500.0).abs() < 1e-6);
        // Ten seconds of overload, and one more of those who may still wait.
        assert!((served(500) - 1100.0).abs() < 1.0, "{}", served(500));
    }

    #[test]
    fn a_burst_is_served_as_long_as_it_may_wait() {
        assert!((best(parcels([0; 300], 2 * SECOND), steady(100.0), &(0..10 * SECOND), 1)[0] - 200.0).abs() < 1e-6);
    }

    #[test]
    fn a_stall_loses_only_those_who_cannot_wait_for_its_end() {
        let stall = |at: u64| match at / SECOND {
            0 => Piece { value: 0.0, until: SECOND },
            _ => Piece { value: 1000.0, until: u64::MAX },
        };
        let served = best(parcels((0..10).map(|n| n * SECOND / 10), SECOND / 2), stall, &(0..SECOND * 5), 1);
        assert!((served[0] - 5.0).abs() < 1.01, "{served:?}");
    }

    #[test]
    fn only_what_is_served_in_the_window_counts_and_each_load_has_its_own() {
        let mut parcels = parcels((0..10).map(|n| n * SECOND), SECOND);
        parcels.iter_mut().skip(5).for_each(|parcel| parcel.who = 1);
        let served = best(parcels, steady(f64::INFINITY), &(2 * SECOND..8 * SECOND), 2);
        assert_eq!(served, [3.0, 3.0]);
    }

    #[test]
    fn weight_is_work_and_no_capacity_serves_what_is_no_work() {
        let heavy: Vec<_> =
            parcels([0; 10], SECOND).into_iter().map(|parcel| Parcel { weight: 20.0, ..parcel }).collect();
        assert!((best(heavy, steady(100.0), &(0..SECOND), 1)[0] - 5.0).abs() < 1e-6);
        let light: Vec<_> =
            parcels([0; 10], SECOND).into_iter().map(|parcel| Parcel { weight: 0.0, ..parcel }).collect();
        assert_eq!(best(light, steady(0.0), &(0..SECOND), 1), [10.0]);
        assert_eq!(best(parcels([0; 10], SECOND), steady(f64::NAN), &(0..SECOND), 1), [0.0]);
    }
}
