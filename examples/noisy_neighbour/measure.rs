//! From what happened to what it means.

use std::time::Duration;

use serde::Serialize;

use crate::run::{Log, Played};
use crate::tenants::POISONOUS;

/// A tenant is hurt if it gets less than this share of its answers while the attack lasts.
const WELL: f64 = 0.95;

/// How long the attack has to get going before anybody is asked how it was.
const ONSET: Duration = Duration::from_millis(300);

/// The numbers of one run, as they stand in `report.json`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) name: &'static str,
    /// Servers that died while the attack lasted, and how often all together.
    pub(crate) servers_killed: usize,
    pub(crate) deaths: usize,
    /// Of the tenants that did nothing wrong: how many there are, and how many were hurt.
    pub(crate) tenants: usize,
    pub(crate) hurt: usize,
    /// How many have the very servers that the poisonous one has, and no other.
    pub(crate) same_hand: usize,
    /// Hurt although they have another server too. Nobody should be.
    pub(crate) hurt_with_another_hand: usize,
    /// The share of their requests that were answered during the attack: of all, and of who fared worst.
    pub(crate) answered: f64,
    pub(crate) worst: f64,
    /// From the moment a request was due to its answer, retries included; of the answered ones.
    pub(crate) p99_ms: Option<f64>,
    /// What the poisonous tenant was told, by status, the most frequent first; 0 is no answer at all.
    pub(crate) poison_answers: Vec<(u16, usize)>,
    pub(crate) each: Vec<Fate>,
    /// The servers that died, by number.
    pub(crate) dead: Vec<usize>,
}

/// How one tenant fared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Fate {
    pub(crate) tenant: u64,
    pub(crate) hand: Vec<usize>,
    pub(crate) answered: f64,
}

impl Fate {
    pub(crate) fn is_hurt(&self) -> bool {
        self.answered < WELL
    }

    pub(crate) fn is_poisonous(&self) -> bool {
        self.tenant == POISONOUS
    }
}

/// Measures a run from the onset of the attack to its end.
pub(crate) fn measure(played: &Played, log: &Log) -> Run {
    let from = played.calm + ONSET;
    let counted: Vec<_> = log.records.iter().filter(|record| record.due >= from).collect();
    let fate = |(tenant, hand): (usize, &Vec<usize>)| {
        let its = counted.iter().filter(|record| record.tenant == tenant as u64);
        let (asked, answered) =
            its.fold((0, 0), |(all, well), record| (all + 1, well + usize::from(record.is_answered())));
        let answered = f64::from(answered as u32) / f64::from(asked.max(1));
        Fate { tenant: tenant as u64, hand: hand.clone(), answered: (answered * 1e4).round() / 1e4 }
    };
    let each: Vec<Fate> = log.hands.iter().enumerate().map(fate).collect();
    let poisoned = each.iter().find(|fate| fate.is_poisonous()).map(|fate| fate.hand.clone()).unwrap_or_default();
    let others: Vec<_> = each.iter().filter(|fate| !fate.is_poisonous()).collect();
    let same_hand = others.iter().filter(|fate| fate.hand == poisoned).count();
    let astray = others.iter().filter(|fate| fate.is_hurt() && fate.hand != poisoned).count();
    let mean = others.iter().map(|fate| fate.answered).sum::<f64>() / others.len().max(1) as f64;

    let mut latencies: Vec<_> = counted
        .iter()
        .filter(|record| record.tenant != POISONOUS && record.is_answered())
        .map(|record| record.took)
        .collect();
    latencies.sort_unstable();
    let p99 = latencies.get(latencies.len().saturating_sub(1) * 99 / 100);

    let mut poison_answers: Vec<(u16, usize)> = Vec::new();
    for record in counted.iter().filter(|record| record.tenant == POISONOUS) {
        match poison_answers.iter_mut().find(|(status, _)| *status == record.status) {
            Some((_, times)) => *times += 1,
            None => poison_answers.push((record.status, 1)),
        }
    }
    poison_answers.sort_unstable_by_key(|(_, times)| std::cmp::Reverse(*times));

    let dead: Vec<_> = (0..log.deaths.len()).filter(|server| log.deaths[*server] > 0).collect();
    Run {
        name: played.name,
        servers_killed: dead.len(),
        deaths: log.deaths.iter().sum(),
        tenants: others.len(),
        hurt: others.iter().filter(|fate| fate.is_hurt()).count(),
        same_hand,
        hurt_with_another_hand: astray,
        answered: (mean * 1e4).round() / 1e4,
        worst: others.iter().map(|fate| fate.answered).fold(1.0, f64::min),
        p99_ms: p99.map(|took| (took.as_secs_f64() * 1e4).round() / 10.0),
        poison_answers,
        each,
        dead,
    }
}
