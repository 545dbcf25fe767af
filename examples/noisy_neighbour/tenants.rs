//! Who calls, how often, and for how much.

use std::time::Duration;

/// Everybody asks for this many rows, and has them in a few milliseconds.
pub(crate) const A_PAGE: u64 = 1_000;

/// More rows than any server can hold.
const EVERYTHING: u64 = 1_000_000_000;

/// One request: whose it is, and how many rows it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) tenant: u64,
    pub(crate) rows: u64,
}

/// The tenant whose requests are poison. The others are numbered from 1.
pub(crate) const POISONOUS: u64 = 0;

/// What each tenant sends: requests alike, so far apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tenant {
    pub(crate) number: u64,
    pub(crate) asks_for: u64,
    pub(crate) every: Duration,
    /// When its first request is due: they do not all come at the same moment.
    pub(crate) first: Duration,
}

/// `others` tenants that do what they should, and the poisonous one, who begins when they have been at it for `calm`.
pub(crate) fn all(others: usize, calm: Duration) -> Vec<Tenant> {
    let every = Duration::from_millis(100);
    let mut tenants = vec![Tenant { number: POISONOUS, asks_for: EVERYTHING, every: every / 20, first: calm }];
    tenants.extend((1..=others).map(|number| Tenant {
        number: number as u64,
        asks_for: A_PAGE,
        every,
        first: every * number as u32 / others as u32,
    }));
    tenants
}
