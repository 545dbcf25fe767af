use std::{fmt, time::Duration};

use super::{
    explain::Explanation,
    nodes::Node,
    outlier::Place,
    settings::Settings,
    watch::{Core, Watch},
};
use crate::clock::{self, Instant};

/// A router at one moment. The numbers are read one after the other, while calls go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The settings in force.
    pub settings: Settings,
    /// The members, in the order of their [positions](super::Nodes).
    pub members: Vec<MemberSnapshot>,
    /// Whether so few members are left that ejections are ignored.
    pub panic: bool,
    /// How many requests went to a member outside their tenant's hand.
    pub spilled: u64,
    /// How many requests were resent to another member because one had refused them.
    pub resent: u64,
    /// How many requests were refused because no member could be called.
    pub refused: u64,
}

/// A member at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberSnapshot {
    /// Its node.
    pub node: Node,
    /// Its state.
    pub health: Health,
    /// How many calls are under way, or wait for it to become ready.
    pub in_flight: u32,
    /// How many calls failed in a row, or are taken to have: a member that has just returned begins one short of the
    /// number that ejects it.
    pub failures_in_a_row: u32,
    /// How often in a row it was ejected; an interval in service takes one off.
    pub ejections: u32,
}

/// The state of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Health {
    /// It gets calls.
    Serving,
    /// It said that it has no room, and gets calls only where there is nobody else, for this much longer.
    Busy(Duration),
    /// It said that it takes no calls for this much longer: its circuit is open.
    Shut(Duration),
    /// It is ejected for this much longer.
    Ejected(Duration),
    /// It was taken out by hand.
    Held,
}

/// Where a tenant's requests go, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// Why the tenant has this hand.
    pub explanation: Explanation,
    /// The members of the hand, the first choice first.
    pub members: Vec<MemberSnapshot>,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.explanation)?;
        self.members.iter().try_for_each(|member| write!(f, "\nnow: {member}"))
    }
}

impl fmt::Display for MemberSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {} in flight", self.node, self.health, self.in_flight)?;
        match self.failures_in_a_row {
            0 => Ok(()),
            failures => write!(f, ", {failures} failed in a row"),
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serving => f.write_str("serving"),
            Self::Busy(left) => write!(f, "busy for {left:.1?}"),
            Self::Shut(left) => write!(f, "shut for {left:.1?}"),
            Self::Ejected(left) => write!(f, "ejected for {left:.1?}"),
            Self::Held => f.write_str("held out by hand"),
        }
    }
}

impl Watch {
    pub(super) fn snapshot(&self) -> Snapshot {
        let now = clock::now();
        self.read(|core| Snapshot {
            settings: core.settings,
            members: (0..core.nodes.len()).filter_map(|position| core.member(position, now)).collect(),
            panic: core.outlier.is_panic(),
            spilled: self.spill.total(),
            resent: self.resent(),
            refused: self.refused(),
        })
    }
}

impl Core {
    pub(super) fn member(&self, position: usize, now: Instant) -> Option<MemberSnapshot> {
        let (node, record) = (self.nodes.get(position)?, self.outlier.members().get(position)?);
        let vitals = self.vitals.get(position)?;
        let (shut, busy) = vitals.word();
        let health = match record.place {
            Place::Held => Health::Held,
            Place::Out { until } if until > now => Health::Ejected(until.since(now)),
            _ if shut > now => Health::Shut(shut.since(now)),
            _ if busy > now => Health::Busy(busy.since(now)),
            Place::Out { .. } | Place::In => Health::Serving,
        };
        Some(MemberSnapshot {
            node: node.clone(),
            health,
            in_flight: vitals.under_way(),
            failures_in_a_row: vitals.failures_in_a_row(),
            ejections: record.streak,
        })
    }
}
