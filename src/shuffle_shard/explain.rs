use std::{cmp::Reverse, fmt};

use super::{
    hand::Hand,
    nodes::{Node, Nodes},
};

/// Why a tenant has its hand: for whoever is asked at night. A value to print; made by
/// [`Assign::explain`](super::Assign::explain).
///
/// ```
/// use plimsoll::shuffle_shard::{Assign, Node, Nodes, Rendezvous};
///
/// # fn main() -> Result<(), plimsoll::InvalidSetting> {
/// let nodes = Nodes::try_new(["red", "green", "blue"].map(|name| Node::new(name).in_zone(&name[..1])))?;
/// let explanation = Rendezvous::default().explain(7, &nodes);
/// println!("{explanation}");
/// # assert_eq!(explanation.to_string(), "\
/// # tenant 7 has 2 of 3 nodes, by rendezvous
/// # 1. green in g, number 1 of its zone, score 0.5014
/// # 2. red in r, number 1 of its zone, score 0.2566
/// # not: blue in b, number 1 of its zone, score 0.2249");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    tenant: u64,
    basis: Basis,
    rows: Vec<Row>,
    hand: usize,
}

/// What a hand rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Basis {
    /// It was assigned, within the bound on overlap.
    Assigned,
    /// It was dealt by the tenant's hash.
    Dealt,
    /// An assignment of the user's own.
    Own,
    /// The tenant is pinned to these nodes.
    Pinned,
    /// The tenant is in quarantine.
    Quarantined,
    /// The nodes have the highest scores.
    Rendezvous,
    /// The nodes have the highest scores, since no hand with bounded overlap was assigned, or all nodes of that one are
    /// gone.
    Unassigned,
}

/// What speaks for one node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The node.
    pub node: Node,
    /// Where it stands among the nodes that were asked about.
    pub position: u32,
    /// Its score for this tenant, the higher the better, where there are scores.
    pub score: Option<u32>,
    /// How many nodes of its zone have a higher score, where there are scores.
    pub better_in_zone: Option<usize>,
}

impl Explanation {
    /// Says that `tenant` has this hand of these nodes, and what it rests on: for an assignment of your own.
    pub fn new(tenant: u64, basis: Basis, hand: &Hand, nodes: &Nodes) -> Self {
        let row = |position: u32| {
            let node = nodes.get(position as usize)?.clone();
            Some(Row { node, position, score: None, better_in_zone: None })
        };
        let rows: Vec<_> = hand.iter().filter_map(|position| row(*position)).collect();
        let members = rows.len();
        let others = (0..).take(nodes.len()).filter(|position| !hand.contains(position)).filter_map(row);
        Self { tenant, basis, hand: members, rows: rows.into_iter().chain(others).collect() }
    }

    /// With the scores of all nodes, by which the hand was chosen; the others are put in the order in which they would be.
    pub(super) fn with_scores(mut self, score: impl Fn(u64) -> u32) -> Self {
        for row in &mut self.rows {
            row.score = Some(score(row.node.id()));
        }
        let order = |one: &Row, other: &Row| {
            let zones = one.node.zone().cmp(&other.node.zone());
            zones.then(other.score.cmp(&one.score)).then(one.position.cmp(&other.position))
        };
        self.rows.sort_by(order);
        for row in 0..self.rows.len() {
            let above = row.checked_sub(1).map(|above| &self.rows[above]);
            let above = above.filter(|above| above.node.zone() == self.rows[row].node.zone());
            self.rows[row].better_in_zone = Some(above.and_then(|above| above.better_in_zone).map_or(0, |n| n + 1));
        }
        self.rows.sort_by_key(|row| (row.better_in_zone, Reverse(row.score), row.position));
        self
    }

    /// The same, with the nodes standing elsewhere. Those that stand nowhere are left as they are.
    pub(super) fn at(mut self, position: impl Fn(u32) -> Option<u32>) -> Self {
        for row in &mut self.rows {
            row.position = position(row.position).unwrap_or(row.position);
        }
        self
    }

    /// The same, resting on something else.
    pub(super) fn on(self, basis: Basis) -> Self {
        Self { basis, ..self }
    }

    /// The tenant.
    pub fn tenant(&self) -> u64 {
        self.tenant
    }

    /// What the hand rests on.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// The nodes of the hand, the first choice first.
    pub fn hand(&self) -> &[Row] {
        &self.rows[..self.hand]
    }

    /// The other nodes; where there are scores, the next best first.
    pub fn others(&self) -> &[Row] {
        &self.rows[self.hand..]
    }
}

impl fmt::Display for Explanation {
    /// The hand, and the three that come next.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, basis, rows, hand } = self;
        write!(f, "tenant {tenant} has {hand} of {} nodes, {basis}", rows.len())?;
        for (number, row) in (1..).zip(self.hand()) {
            write!(f, "\n{number}. {row}")?;
        }
        let next = self.others().len().min(3);
        for row in &self.others()[..next] {
            write!(f, "\nnot: {row}")?;
        }
        match self.others().len() - next {
            0 => Ok(()),
            more => write!(f, "\nnor {more} others"),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.node)?;
        if let Some(better) = self.better_in_zone {
            write!(f, ", number {} ", better + 1)?;
            f.write_str(if self.node.zone().is_some() { "of its zone" } else { "of those in no zone" })?;
        }
        match self.score {
            // A score is a fraction of what 32 bits hold; four digits tell nodes apart.
            Some(score) => write!(f, ", score {:.4}", f64::from(score) / 2f64.powi(32)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Assigned => "assigned with bounded overlap",
            Self::Dealt => "dealt by hash",
            Self::Own => "by an assignment of the user's own",
            Self::Pinned => "pinned",
            Self::Quarantined => "in quarantine",
            Self::Rendezvous => "by rendezvous",
            Self::Unassigned => "by rendezvous, for none is assigned",
        })
    }
}
