//! Which member of a hand gets a call.

use std::cmp::Reverse;

use super::{hand::Hand, vitals::Standing};
use crate::{chance::scaled, clock::Instant};

/// What there is to know about a member of a hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) standing: Standing,
    pub(super) load: u32,
    /// When it was tried for this request, 0 the longest ago; `None` if it was not.
    pub(super) tried: Option<usize>,
}

/// Who in the hand gets the call, by their number in it; `passed` are out of the question, a bit each. The least loaded of
/// those who serve, else of those who are busy; else, where each was tried already, who was tried longest ago. Ties go to
/// whose `turn` it is. O(k).
#[inline]
pub(super) fn pick(hand: &Hand, passed: u16, turn: u32, look: impl Fn(u32) -> Option<Candidate>) -> Option<usize> {
    let size = hand.len();
    let first = turn as usize % size.max(1);
    let mut best = None;
    for number in (first..size).chain(0..first) {
        if passed & 1 << number != 0 {
            continue;
        }
        // A position that is none is what an assignment of the user's own may come up with.
        let Some(Candidate { standing, load, tried }) = look(hand[number]) else { continue };
        let rank = match (standing, tried) {
            (Standing::Absent(_), _) => continue,
            (_, Some(order)) => (2, order as u32),
            (Standing::Busy, None) => (1, load),
            (Standing::Serving, None) => (0, load),
        };
        if best.is_none_or(|(least, _)| rank < least) {
            best = Some((rank, number));
        }
    }
    best.map(|(_, number)| number)
}

/// When the first of these takes calls again; `None` if that is not known.
pub(super) fn soonest(
    positions: impl Iterator<Item = u32>,
    look: impl Fn(u32) -> Option<Candidate>,
) -> Option<Instant> {
    let until = |position: u32| match look(position)?.standing {
        Standing::Absent(until) => Some(until),
        Standing::Serving | Standing::Busy => None,
    };
    positions.filter_map(until).min().filter(|until| *until != Instant::FAR)
}

/// Two of `members` at random, to pick the less loaded from: the power of two choices (Mitzenmacher 2001). Where one of them
/// takes no calls, or was tried, or is not `wanted`, the next best in the order of positions that is. O(1), and O(n) for
/// who is hard to please.
pub(super) fn sample(
    members: usize,
    random: u64,
    wanted: impl Fn(u32) -> bool,
    look: impl Fn(u32) -> Option<Candidate>,
) -> Hand {
    let Some(last) = members.checked_sub(1) else { return Hand::EMPTY };
    let takes_calls = |candidate: &Candidate| !matches!(candidate.standing, Standing::Absent(_));
    let is_fresh = |position: u32| {
        wanted(position) && look(position).is_some_and(|it| it.standing == Standing::Serving && it.tried.is_none())
    };
    // The halves of one number: positions are 32 bits.
    let first = scaled(random, last as u64) as usize;
    let step = 1 + scaled(random << 32, last.saturating_sub(1) as u64) as usize;
    let second = (first + step) % members;
    let pair: Hand = [first as u32, second as u32].into_iter().collect();
    if pair.iter().all(|position| is_fresh(*position)) {
        return pair;
    }
    let around = || (first..members).chain(0..first).map(|position| position as u32);
    let fresh: Hand = around().filter(|position| is_fresh(*position)).take(2).collect();
    if !fresh.is_empty() {
        return fresh;
    }
    // Nobody is free and untried: busy before tried, and of those tried the one that was longest ago.
    let rest = around().filter(|position| wanted(*position)).filter_map(|position| Some((position, look(position)?)));
    let best = rest.filter(|(_, it)| takes_calls(it)).max_by_key(|(_, it)| (it.tried.is_none(), Reverse(it.tried)));
    best.map(|(position, _)| position).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVING: Candidate = Candidate { standing: Standing::Serving, load: 0, tried: None };
    const BUSY: Candidate = Candidate { standing: Standing::Busy, ..SERVING };
    const OUT: Candidate = Candidate { standing: Standing::Absent(Instant::from_nanos(9)), ..SERVING };
    const HELD: Candidate = Candidate { standing: Standing::Absent(Instant::FAR), ..SERVING };

    fn tried(order: usize) -> Candidate {
        Candidate { tried: Some(order), ..SERVING }
    }

    fn picked(candidates: &[Candidate], turn: u32) -> Option<usize> {
        let hand: Hand = (0..candidates.len() as u32).collect();
        pick(&hand, 0, turn, |position| candidates.get(position as usize).copied())
    }

    #[test]
    fn the_least_loaded_gets_the_call() {
        let loads = [3, 1, 2].map(|load| Candidate { load, ..SERVING });
        assert!((0..9).all(|turn| picked(&loads, turn) == Some(1)));
    }

    #[test]
    fn ties_take_turns() {
        let turns: Vec<_> = (0..6).filter_map(|turn| picked(&[SERVING; 3], turn)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
        assert_eq!(picked(&[SERVING; 3], u32::MAX), Some(0));
    }

    #[test]
    fn who_serves_comes_before_who_is_busy_before_who_was_tried_and_who_is_out_is_not_asked() {
        let loaded = Candidate { load: u32::MAX, ..SERVING };
        assert_eq!(picked(&[BUSY, loaded, tried(0), OUT], 0), Some(1));
        assert_eq!(picked(&[tried(0), OUT, BUSY], 0), Some(2));
        assert_eq!(picked(&[OUT, HELD], 0), None);
    }

    #[test]
    fn where_all_were_tried_it_is_the_one_of_longest_ago() {
        assert!((0..9).all(|turn| picked(&[tried(2), tried(0), tried(1)], turn) == Some(1)));
    }

    #[test]
    fn who_was_passed_and_positions_that_are_none_are_out_of_the_question() {
        let hand: Hand = [0, 7, 1].into_iter().collect();
        let look = |position| [SERVING, SERVING].get(position as usize).copied();
        assert_eq!(pick(&hand, 0b001, 0, look), Some(2));
        assert_eq!(pick(&hand, 0b101, 0, look), None);
        assert_eq!(pick(&Hand::EMPTY, 0, 7, look), None);
    }

    #[test]
    fn the_soonest_return_is_the_hint_unless_nobody_knows() {
        let later = Candidate { standing: Standing::Absent(Instant::from_nanos(70)), ..SERVING };
        let look = |candidates: &'static [Candidate]| move |position: u32| candidates.get(position as usize).copied();
        const ALL: [Candidate; 3] = [HELD, OUT, BUSY];
        assert_eq!(soonest(0..3, look(&ALL)), Some(Instant::from_nanos(9)));
        assert_eq!(soonest(0..3, look(&[HELD])), None);
        assert_eq!(soonest(0..3, |_| Some(later)), Some(Instant::from_nanos(70)));
        assert_eq!(soonest(0..0, look(&ALL)), None);
    }

    #[test]
    fn a_sample_of_none_or_one_is_that() {
        assert!(sample(0, 7, |_| true, |_| Some(SERVING)).is_empty());
        assert_eq!(*sample(1, u64::MAX, |_| true, |_| Some(SERVING)), [0]);
    }

    proptest! {
        /// Two different ones who serve and were not tried, as long as there are two.
        #[test]
        fn a_sample_is_of_who_will_do(random: u64, kinds in prop::collection::vec(0..5_u8, 1..40), spared in 0..40_u32) {
            let candidates: Vec<_> = kinds.iter().map(|kind| [SERVING, SERVING, BUSY, OUT, tried(1)][usize::from(*kind)]).collect();
            let look = |position: u32| candidates.get(position as usize).copied();
            let sample = sample(candidates.len(), random, |position| position != spared, look);
            let count = |what: &dyn Fn(Candidate) -> bool| {
                (0..).zip(&candidates).filter(|(position, it)| *position != spared && what(**it)).count()
            };
            let (fresh, usable) = (count(&|it| it == SERVING), count(&|it| it != OUT));
            prop_assert_eq!(sample.len(), if fresh > 0 { fresh.min(2) } else { usable.min(1) });
            prop_assert!(!sample.contains(&spared));
            for position in &sample {
                let it = candidates[*position as usize];
                prop_assert!(it == SERVING || fresh == 0 && it != OUT);
                prop_assert!(it != tried(1) || count(&|it| it == BUSY) == 0);
            }
        }

        #[test]
        fn every_pair_is_drawn_about_as_often(seed in 0..8_u64) {
            let chance = crate::chance::Chance::seeded(seed);
            let mut drawn = [0_u32; 25];
            for _ in 0..10_000 {
                let pair = sample(5, chance.draw(), |_| true, |_| Some(SERVING));
                drawn[pair[0] as usize * 5 + pair[1] as usize] += 1;
            }
            for (at, count) in drawn.iter().enumerate() {
                let wanted = if at % 6 == 0 { 0..1 } else { 400..600 };
                prop_assert!(wanted.contains(count), "{:?}", drawn);
            }
        }
    }
}
