//! What is compared: stacks around the server.

use std::{num::NonZeroU32, time::Duration};

use plimsoll::{
    Error, Stack,
    bulkhead::{self, Bulkhead},
    chance::Chance,
    clock::Instant,
    limit::Limit,
    load_shed::{self, Aimd, Bottleneck, Gradient, LoadShed, Vegas},
    request::Priority,
    surge_queue::{self, SurgeQueue},
    testing::Broken,
};
use tower::{Layer, limit::GlobalConcurrencyLimitLayer, util::BoxCloneService};

use crate::{oracle::Oracle, play::Routes, scenarios::Scenario};

/// What a request tells of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) class: u8,
    pub(crate) tenant: u64,
    pub(crate) deadline: Option<Instant>,
    pub(crate) attempt: u32,
    pub(crate) random: u64,
}

/// A column of the matrix: something that may protect a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Column {
    /// Nothing at all.
    Bare,
    /// tower's `ConcurrencyLimit` with the best number, and callers that wait in front of it without end.
    Fifo,
    /// A bulkhead with the best number that refuses whom it has no place for.
    Refusal,
    Aimd,
    Vegas,
    Gradient,
    /// Our load shedder, which refuses.
    Shedder,
    /// Our surge queue in front of our load shedder; it knows classes and tenants.
    Ours,
    /// The same, told nothing.
    Plain,
    /// Ours, told the deadlines too.
    Deadline,
    /// The same, told too that the bottleneck is its own.
    Private,
    /// Ours, told that the bottleneck is shared.
    Shared,
    /// Ours, told to begin at a quarter of the best number.
    Started,
    /// Our surge queue in front of the best number, found by trying: what a library could do that knows the server.
    Oracle,
    /// The same, where those that hold their place for long do not count: tried by the oracle where there are streams.
    Parking,
}

/// A stack around a server, whatever it is made of.
pub(crate) type Protected = BoxCloneService<Ask, (), Error<Broken>>;

impl Column {
    pub(crate) const ALL: [Self; 14] = [
        Self::Bare,
        Self::Fifo,
        Self::Refusal,
        Self::Aimd,
        Self::Vegas,
        Self::Gradient,
        Self::Shedder,
        Self::Ours,
        Self::Plain,
        Self::Deadline,
        Self::Private,
        Self::Shared,
        Self::Started,
        Self::Oracle,
    ];

    /// Whether it is played only where a scenario asks for it.
    pub(crate) const fn is_special(self) -> bool {
        matches!(self, Self::Deadline | Self::Private | Self::Shared | Self::Started | Self::Parking)
    }

    /// Whether it is there to be compared with, so that fewer seeds will do.
    pub(crate) const fn is_other(self) -> bool {
        matches!(self, Self::Bare | Self::Fifo | Self::Refusal | Self::Aimd | Self::Vegas | Self::Gradient)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Fifo => "fifo",
            Self::Refusal => "refusal",
            Self::Aimd => "aimd",
            Self::Vegas => "vegas",
            Self::Gradient => "gradient",
            Self::Shedder => "shedder",
            Self::Ours => "ours",
            Self::Plain => "plain",
            Self::Deadline => "deadline",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Started => "started",
            Self::Oracle | Self::Parking => "oracle",
        }
    }

    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Bare => "no protection",
            Self::Fifo => "tower's ConcurrencyLimit at the best number, callers wait without end",
            Self::Refusal => "a bulkhead at the best number, which refuses",
            Self::Aimd => "a load shedder by AIMD, slow is half the client's timeout",
            Self::Vegas => "a load shedder by Vegas",
            Self::Gradient => "a load shedder by Gradient2",
            Self::Shedder => "our load shedder alone",
            Self::Ours => "our surge queue in front of our load shedder, with classes and tenants",
            Self::Plain => "the same, nothing set",
            Self::Deadline => "ours, deadlines known",
            Self::Private => "ours, deadlines known and Bottleneck::Private",
            Self::Shared => "ours with Bottleneck::Shared",
            Self::Started => "ours, begins at a quarter of the best number",
            Self::Oracle | Self::Parking => "our surge queue in front of the best number, found by trying",
        }
    }

    /// Puts it around the servers of a scenario, which do their best with `limit` in flight, for callers that wait so
    /// long.
    pub(crate) fn protect(
        self,
        server: Routes,
        scenario: &Scenario,
        limit: u32,
        patience: Duration,
        seed: u64,
    ) -> Protected {
        let limit = NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
        let shed = |settings| LoadShed::new(settings).chance(Chance::seeded(seed));
        let settings = load_shed::Settings::new();
        let refuse = |shed: LoadShed| Protected::new(Stack::new().load_shed(shed).service(server.clone()));
        match self {
            Self::Bare => Protected::new(Stack::new().service(server)),
            Self::Fifo => {
                let inner = Stack::new().service(server);
                Protected::new(GlobalConcurrencyLimitLayer::new(limit.get() as usize).layer(inner))
            }
            Self::Refusal => {
                let bulkhead = Bulkhead::new(bulkhead::Settings::new(limit));
                Protected::new(Stack::new().bulkhead(bulkhead).service(server))
            }
            Self::Aimd => refuse(LoadShed::with_rule(settings, move |settings| Aimd::new(settings, patience / 2))),
            Self::Vegas => refuse(LoadShed::with_rule(settings, Vegas::new)),
            Self::Gradient => refuse(LoadShed::with_rule(settings, Gradient::new)),
            Self::Shedder => refuse(shed(settings)),
            Self::Plain => {
                let queue = SurgeQueue::new(surge_queue::Settings::new()).in_front_of(shed(settings));
                Protected::new(Stack::new().surge_queue(queue.chance(Chance::seeded(seed))).service(server))
            }
            Self::Ours => queued(server, shed(settings), seed),
            Self::Shared => queued(server, shed(settings.with_bottleneck(Bottleneck::Shared)), seed),
            Self::Started => {
                let begin = NonZeroU32::new(limit.get() / 4).unwrap_or(NonZeroU32::MIN);
                queued(server, shed(settings.with_initial_limit(begin)), seed)
            }
            Self::Parking => {
                let settings = settings.with_initial_limit(limit);
                queued(server, LoadShed::with_rule(settings, load_shed::Fixed::new), seed)
            }
            Self::Oracle => queued(server, Oracle::new(limit, scenario.best_scale.clone()), seed),
            Self::Deadline => in_time(server, shed(settings), seed),
            Self::Private => in_time(server, shed(settings.with_bottleneck(Bottleneck::Private)), seed),
        }
    }
}

/// With classes and tenants.
fn queued<L>(server: Routes, limit: L, seed: u64) -> Protected
where
    L: Limit<Permit: Send> + Send + Sync + 'static,
{
    let queue = SurgeQueue::new(surge_queue::Settings::new()).in_front_of(limit).chance(Chance::seeded(seed));
    let queue = queue.priority_by(|ask: &Ask| Priority::from_level(ask.class.into())).tenant_by(|ask: &Ask| ask.tenant);
    Protected::new(Stack::new().surge_queue(queue).service(server))
}

/// With classes, tenants and deadlines.
fn in_time(server: Routes, shed: LoadShed, seed: u64) -> Protected {
    let queue = SurgeQueue::new(surge_queue::Settings::new()).in_front_of(shed).chance(Chance::seeded(seed));
    let queue = queue.priority_by(|ask: &Ask| Priority::from_level(ask.class.into())).tenant_by(|ask: &Ask| ask.tenant);
    Protected::new(Stack::new().surge_queue(queue.deadline_by(|ask: &Ask| ask.deadline)).service(server))
}
