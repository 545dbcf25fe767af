use std::{collections::HashSet, sync::Arc};

use super::{
    assign::Assign,
    explain::{Basis, Explanation},
    hand::{Hand, MAX_HAND},
    nodes::{Node, Nodes},
    rules::{Decision, MAX_PINS, Part, Rules},
};
use crate::{
    settings::InvalidSetting,
    sync::{
        Lock,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
};

/// An assignment with exceptions made by hand while it serves: tenants who are pinned to certain nodes, and tenants in
/// quarantine.
///
/// * A **pinned** tenant has the nodes they are pinned to, in that order. Nodes that are not there are left out; if
///   none is there, it is as if the tenant were not pinned.
/// * A tenant in **quarantine** is dealt a hand of the nodes that are [set apart](Pins::set_apart) for that. If none of these
///   is there, it is as if there were no quarantine.
/// * All others are dealt a hand of the other nodes, for as long as there are others: as if those set apart were gone.
///   If tenants in quarantine are only [confined](Pins::confine_to) to their nodes, the others are dealt a hand of all
///   nodes.
///
/// A pin takes precedence over quarantine. Clones share the exceptions; [`pins`](Self::pins) changes them.
///
/// While there are no exceptions they cost one atomic read. With any, a hand costs a short lock; and where nodes are
/// set apart, the first call after a change of nodes or exceptions divides them, which is O(n log n). It takes nodes to
/// have changed if they are not [the same value](Nodes::is_same): keep your `Nodes`, and hand on clones.
///
/// ```
/// use plimsoll::shuffle_shard::{Assign, Node, Nodes, Pinned, Rendezvous};
///
/// # fn main() -> Result<(), plimsoll::InvalidSetting> {
/// let nodes = Nodes::try_new(["red", "green", "blue", "sick-bay"].map(Node::new))?;
/// let assignment = Pinned::new(Rendezvous::default());
/// let pins = assignment.pins();
///
/// pins.pin(7, ["blue", "red"])?;
/// pins.set_apart(["sick-bay"])?;
/// pins.quarantine(13)?;
///
/// let names = |tenant| {
///     let hand = assignment.hand(tenant, &nodes);
///     hand.iter().filter_map(|position| nodes.get(*position as usize)).map(Node::name).collect::<Vec<_>>()
/// };
/// assert_eq!(names(7), ["blue", "red"]);
/// assert_eq!(names(13), ["sick-bay"]);
/// assert!(!names(1).contains(&"sick-bay"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Pinned<A> {
    inner: A,
    state: Arc<State>,
}

/// Changes the exceptions of a [`Pinned`] while it serves. A clone costs a reference count.
#[derive(Clone, Debug)]
pub struct Pins(Arc<State>);

#[derive(Debug)]
struct State {
    /// Whether there is any rule at all.
    any: AtomicBool,
    rules: Lock<Rules>,
}

/// The exceptions at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinsSnapshot {
    /// The tenants that are pinned, in the order of their numbers.
    pub pinned: Vec<u64>,
    /// The tenants in quarantine, in the order of their numbers.
    pub quarantined: Vec<u64>,
    /// How many nodes are set apart for tenants in quarantine.
    pub ward: usize,
    /// Whether others are dealt these nodes too.
    pub shared: bool,
}

impl<A> Pinned<A> {
    /// `inner`, with no exceptions yet.
    pub fn new(inner: A) -> Self {
        let state = State { any: AtomicBool::new(false), rules: Lock::new(Rules::default()) };
        Self { inner, state: Arc::new(state) }
    }

    /// Makes exceptions while it serves.
    pub fn pins(&self) -> Pins {
        Pins(Arc::clone(&self.state))
    }

    /// The assignment they are exceptions from.
    pub const fn inner(&self) -> &A {
        &self.inner
    }

    /// What the rules say about this tenant.
    #[inline]
    fn decide(&self, tenant: u64, nodes: &Nodes) -> Decision {
        if self.state.any.load(Acquire) { self.state.rules.lock().decide(tenant, nodes) } else { Decision::AsAll }
    }
}

impl Pins {
    /// Pins a tenant to the nodes with these names, whether they are there yet or not, in place of any earlier pin.
    ///
    /// # Errors
    /// [`InvalidSetting`] for no names, for more than [`MAX_HAND`] different ones, and if [`MAX_PINS`] tenants are pinned.
    pub fn pin(&self, tenant: u64, names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), InvalidSetting> {
        const SETTING: &str = "shuffle_shard.pinned";
        let Some(ids) = ids(names, MAX_HAND).filter(|ids| !ids.is_empty()) else {
            return Err(InvalidSetting::new(SETTING, tenant, "pinned to 1 to 16 nodes"));
        };
        fits(SETTING, tenant, self.change(|rules| rules.pin(tenant, ids)))
    }

    /// Removes a tenant's pin, and says whether there was one.
    pub fn unpin(&self, tenant: u64) -> bool {
        self.change(|rules| rules.pins.remove(&tenant).is_some())
    }

    /// Puts a tenant into quarantine.
    ///
    /// # Errors
    /// [`InvalidSetting`] if [`MAX_PINS`] tenants are in quarantine.
    pub fn quarantine(&self, tenant: u64) -> Result<(), InvalidSetting> {
        fits("shuffle_shard.quarantined", tenant, self.change(|rules| rules.quarantine(tenant)))
    }

    /// Lets a tenant out of quarantine, and says whether they were in it.
    pub fn release(&self, tenant: u64) -> bool {
        self.change(|rules| rules.quarantined.remove(&tenant))
    }

    /// Sets the nodes with these names apart for tenants in quarantine, whether they are there yet or not, in place of
    /// those set apart before. Nobody else is dealt them. With no names, quarantine has no effect.
    ///
    /// # Errors
    /// [`InvalidSetting`] for more than [`MAX_PINS`] names.
    pub fn set_apart(&self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), InvalidSetting> {
        self.keep(names, false)
    }

    /// As [`set_apart`](Self::set_apart), but others are dealt these nodes too: where there are too few to spare any.
    ///
    /// # Errors
    /// As there.
    pub fn confine_to(&self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), InvalidSetting> {
        self.keep(names, true)
    }

    /// The exceptions as they are at this moment.
    pub fn snapshot(&self) -> PinsSnapshot {
        let rules = self.0.rules.lock();
        let mut pinned: Vec<_> = rules.pins.keys().copied().collect();
        let mut quarantined: Vec<_> = rules.quarantined.iter().copied().collect();
        let (ward, shared) = rules.ward();
        drop(rules);
        pinned.sort_unstable();
        quarantined.sort_unstable();
        PinsSnapshot { pinned, quarantined, ward, shared }
    }

    fn keep(&self, names: impl IntoIterator<Item = impl AsRef<str>>, shared: bool) -> Result<(), InvalidSetting> {
        let Some(ids) = ids(names, MAX_PINS) else {
            return Err(InvalidSetting::new("shuffle_shard.ward", "more nodes", "at most 65536 nodes"));
        };
        self.change(|rules| rules.set_ward(ids, shared));
        Ok(())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Rules) -> T) -> T {
        let mut rules = self.0.rules.lock();
        let changed = change(&mut rules);
        self.0.any.store(!rules.is_empty(), Release);
        changed
    }
}

impl<A: Assign> Assign for Pinned<A> {
    #[inline]
    fn hand(&self, tenant: u64, nodes: &Nodes) -> Hand {
        match self.decide(tenant, nodes) {
            Decision::AsAll => self.inner.hand(tenant, nodes),
            Decision::Pinned(hand) => hand,
            Decision::Quarantined(part) | Decision::Among(part) => part.outside(&self.inner.hand(tenant, &part.nodes)),
        }
    }

    fn explain(&self, tenant: u64, nodes: &Nodes) -> Explanation {
        let within = |part: &Part| self.inner.explain(tenant, &part.nodes).at(|position| part.position(position));
        match self.decide(tenant, nodes) {
            Decision::AsAll => self.inner.explain(tenant, nodes),
            Decision::Pinned(hand) => Explanation::new(tenant, Basis::Pinned, &hand, nodes),
            Decision::Quarantined(part) => within(&part).on(Basis::Quarantined),
            Decision::Among(part) => within(&part),
        }
    }
}

/// The identities of different names; `None` if there are more than `most`, however many more.
fn ids(names: impl IntoIterator<Item = impl AsRef<str>>, most: usize) -> Option<Vec<u64>> {
    let (mut ids, mut seen) = (Vec::new(), HashSet::new());
    for name in names {
        let id = Node::new(name.as_ref()).id();
        if seen.insert(id) {
            ids.push(id);
        }
        if ids.len() > most {
            return None;
        }
    }
    Some(ids)
}

fn fits(setting: &'static str, tenant: u64, fits: bool) -> Result<(), InvalidSetting> {
    if fits { Ok(()) } else { Err(InvalidSetting::new(setting, tenant, "one of at most 65536 tenants")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shuffle_shard::{hand::HandSize, rendezvous::Rendezvous};

    fn fleet(names: &[&str]) -> Nodes {
        Nodes::try_new(names.iter().map(|name| Node::new(*name))).expect("a fleet")
    }

    fn pinned() -> (Pinned<Rendezvous>, Pins) {
        let pinned = Pinned::new(Rendezvous::new(HandSize::new(2)));
        let pins = pinned.pins();
        (pinned, pins)
    }

    fn names(assignment: &impl Assign, tenant: u64, nodes: &Nodes) -> Vec<String> {
        let hand = assignment.hand(tenant, nodes);
        hand.iter().map(|at| nodes.get(*at as usize).expect("a node").name().to_owned()).collect()
    }

    const SIX: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

    #[test]
    fn a_pinned_tenant_has_these_nodes_in_this_order_and_others_are_none_the_wiser() {
        let (nodes, (pinned, pins)) = (fleet(&SIX), pinned());
        let before: Vec<_> = (0..100).map(|tenant| pinned.hand(tenant, &nodes)).collect();
        pins.pin(7, ["f", "a", "f", "c"]).expect("pinned");
        assert_eq!(names(&pinned, 7, &nodes), ["f", "a", "c"]);
        assert_eq!(pinned.explain(7, &nodes).basis(), Basis::Pinned);
        for tenant in (0..100).filter(|tenant| *tenant != 7) {
            assert_eq!(pinned.hand(tenant, &nodes), before[tenant as usize]);
        }
        assert!(pins.unpin(7) && !pins.unpin(7));
        assert_eq!(pinned.hand(7, &nodes), before[7]);
    }

    #[test]
    fn nodes_that_are_gone_are_left_out_of_a_pin_and_none_at_all_is_no_pin() {
        let (pinned, pins) = pinned();
        pins.pin(7, ["x", "b", "y"]).expect("pinned");
        assert_eq!(names(&pinned, 7, &fleet(&SIX)), ["b"]);
        assert_eq!(names(&pinned, 7, &fleet(&["b", "y", "q"])), ["b", "y"]);
        let others = fleet(&["p", "q", "r"]);
        assert_eq!(pinned.hand(7, &others), pinned.inner().hand(7, &others));
        assert!(pinned.hand(7, &fleet(&[])).is_empty());
    }

    #[test]
    fn who_is_in_quarantine_is_kept_to_it_and_others_are_kept_out() {
        let (nodes, (pinned, pins)) = (fleet(&SIX), pinned());
        pins.quarantine(13).expect("room");
        assert_eq!(pinned.hand(13, &nodes), pinned.inner().hand(13, &nodes), "there is no ward yet");
        pins.set_apart(["e", "f", "not there yet"]).expect("room");
        for tenant in 0..100 {
            let hand = names(&pinned, tenant, &nodes);
            assert_eq!(hand.len(), 2);
            assert!(hand.iter().all(|name| ["e", "f"].contains(&&**name) == (tenant == 13)), "{tenant}: {hand:?}");
        }
        let told = pinned.explain(13, &nodes);
        assert_eq!((told.basis(), told.hand()[0].position), (Basis::Quarantined, pinned.hand(13, &nodes)[0]));
        let told = pinned.explain(1, &nodes);
        assert_eq!((told.basis(), told.hand()[0].position), (Basis::Rendezvous, pinned.hand(1, &nodes)[0]));
        pins.pin(13, ["a"]).expect("room");
        assert_eq!(names(&pinned, 13, &nodes), ["a"], "a pin goes first");
        assert!(pins.unpin(13) && pins.release(13) && !pins.release(13));
        assert!(!names(&pinned, 13, &nodes).contains(&"e".to_owned()));
    }

    /// As if the nodes that are set apart had gone: at most so many members of a hand change as were among them.
    #[test]
    fn setting_a_node_apart_moves_only_who_had_it() {
        let (nodes, (pinned, pins)) = (fleet(&SIX), pinned());
        let before: Vec<_> = (0..100).map(|tenant| names(&pinned, tenant, &nodes)).collect();
        pins.set_apart(["c"]).expect("room");
        for (tenant, before) in (0..).zip(&before) {
            let after = names(&pinned, tenant, &nodes);
            let kept = before.iter().filter(|name| after.contains(name)).count();
            assert_eq!(kept, if before.contains(&"c".to_owned()) { 1 } else { 2 });
        }
    }

    #[test]
    fn a_ward_that_is_shared_confines_and_reserves_nothing() {
        let (nodes, (pinned, pins)) = (fleet(&SIX), pinned());
        pins.quarantine(13).expect("room");
        pins.confine_to(["e", "f"]).expect("room");
        assert!(names(&pinned, 13, &nodes).iter().all(|name| ["e", "f"].contains(&&**name)));
        for tenant in (0..100).filter(|tenant| *tenant != 13) {
            assert_eq!(pinned.hand(tenant, &nodes), pinned.inner().hand(tenant, &nodes));
        }
    }

    #[test]
    fn neither_a_ward_that_is_gone_nor_one_that_leaves_nothing_takes_anybodys_nodes() {
        let (pinned, pins) = pinned();
        pins.quarantine(13).expect("room");
        pins.set_apart(SIX).expect("room");
        for nodes in [fleet(&SIX), fleet(&["p", "q", "r"]), fleet(&[])] {
            for tenant in [1, 13] {
                assert_eq!(pinned.hand(tenant, &nodes), pinned.inner().hand(tenant, &nodes));
            }
        }
        pins.set_apart([""; 0]).expect("none");
        assert!(!pinned.state.any.load(Acquire), "a tenant in quarantine alone costs nothing");
    }

    /// Beside one that has never seen other nodes or another ward.
    #[test]
    fn nodes_are_divided_anew_when_they_or_the_ward_change() {
        let (pinned, pins) = pinned();
        let fleets = [["a", "b", "c"], ["b", "q", "r"], ["x", "y", "b"]].map(|names| fleet(&names));
        for ward in [["b", "c"], ["a", "x"], ["q", "y"], ["b", "z"]] {
            pins.set_apart(ward).expect("room");
            for nodes in fleets.iter().chain(fleets.iter().rev()) {
                let fresh = Pinned::new(*pinned.inner());
                fresh.pins().set_apart(ward).expect("room");
                for tenant in 0..20 {
                    assert_eq!(pinned.hand(tenant, nodes), fresh.hand(tenant, nodes), "{ward:?} of {nodes:?}");
                }
            }
        }
    }

    #[test]
    fn there_are_no_more_exceptions_than_there_may_be() {
        let (_, pins) = pinned();
        let many = |n: usize| (0..n).map(|n| n.to_string());
        assert_eq!(pins.pin(1, [""; 0]).expect_err("none").setting(), "shuffle_shard.pinned");
        assert!(pins.pin(1, many(MAX_HAND)).is_ok() && pins.pin(1, many(MAX_HAND + 1)).is_err());
        assert!(pins.pin(1, (0..).map(|n: u64| n.to_string())).is_err(), "an endless iterator is not run through");
        assert_eq!(pins.set_apart(many(MAX_PINS + 1)).expect_err("too many").setting(), "shuffle_shard.ward");
        for tenant in 0..MAX_PINS as u64 {
            assert!(pins.pin(tenant, ["a"]).is_ok() && pins.quarantine(tenant).is_ok());
        }
        assert!(pins.pin(1 << 40, ["a"]).is_err() && pins.pin(1, ["b"]).is_ok());
        assert_eq!(pins.quarantine(1 << 40).expect_err("too many").setting(), "shuffle_shard.quarantined");
        let snapshot = pins.snapshot();
        assert_eq!((snapshot.pinned.len(), snapshot.quarantined.len(), snapshot.ward), (MAX_PINS, MAX_PINS, 0));
    }
}
