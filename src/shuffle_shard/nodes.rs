use std::{fmt, sync::Arc};

use super::{hand::Hand, hash};
use crate::settings::InvalidSetting;

/// One member of a fleet: its name, and the zone it fails with. A clone costs two reference counts.
///
/// The name is its identity, for ever: a node that comes back under its name comes back to its tenants. So a name should
/// outlive a restart, as `"worker-7"` does and the address of a container does not.
///
/// ```
/// use plimsoll::shuffle_shard::Node;
///
/// let node = Node::new("10.0.0.7:80").in_zone("a");
/// assert_eq!((node.name(), node.zone()), ("10.0.0.7:80", Some("a")));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Node {
    id: u64,
    name: Arc<str>,
    zone: Option<Arc<str>>,
}

impl Node {
    /// A node in no zone.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        Self { id: hash::NODES.hash(name.as_bytes()), name, zone: None }
    }

    /// The same node in a zone: a rack, a data centre, a version of the software; whatever fails as one. A move to
    /// another zone does not change its identity.
    #[must_use]
    pub fn in_zone(mut self, zone: impl Into<Arc<str>>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its zone, if it is in one.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// Its identity: SipHash-1-3 of the name with a fixed key, the same in every process, platform and version.
    pub const fn id(&self) -> u64 {
        self.id
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            Some(zone) => write!(f, "{} in {zone}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl From<&str> for Node {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Node {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

/// A fleet at one moment: nodes with different names, in an order of their own. It does not change: a changed fleet is
/// another value. A clone costs a reference count.
///
/// A node's **position** is where it stands here, from 0. It depends on which nodes there are, but not on the order in
/// which they were given, and is valid for these `Nodes` only: in others, the same node may stand elsewhere.
///
/// ```
/// use plimsoll::shuffle_shard::{Node, Nodes};
///
/// # fn main() -> Result<(), plimsoll::InvalidSetting> {
/// let nodes = Nodes::try_new(["red", "green", "blue"].map(Node::new))?;
/// let green = nodes.position_of("green").expect("it is there");
/// assert_eq!(nodes.get(green).map(Node::name), Some("green"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Nodes(Arc<Fleet>);

#[derive(Default)]
struct Fleet {
    /// In the order of their identities.
    nodes: Box<[Node]>,
    /// The identities alone: what an assignment runs through.
    ids: Box<[u64]>,
    /// The positions in each zone, if there is more than one. Those in no zone are a zone of their own.
    zones: Box<[Box<[u32]>]>,
}

impl Nodes {
    /// A fleet of these nodes. It may be empty. O(n log n).
    ///
    /// # Errors
    /// [`InvalidSetting`] if two have the same name (or the same [identity](Node::id), which does not happen by
    /// chance), or if there are more than `u32::MAX`.
    pub fn try_new(nodes: impl IntoIterator<Item = Node>) -> Result<Self, InvalidSetting> {
        let mut nodes: Box<[Node]> = nodes.into_iter().collect();
        if u32::try_from(nodes.len()).is_err() {
            return Err(InvalidSetting::new("shuffle_shard.nodes", nodes.len(), "at most 4294967295 nodes"));
        }
        nodes.sort_unstable_by_key(Node::id);
        if let Some(twins) = nodes.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(InvalidSetting::new("shuffle_shard.nodes", &twins[0], "the only node of its name"));
        }
        Ok(Self::sorted(nodes))
    }

    /// Of nodes with different identities, in their order.
    fn sorted(nodes: Box<[Node]>) -> Self {
        Self(Arc::new(Fleet { zones: zones(&nodes), ids: nodes.iter().map(Node::id).collect(), nodes }))
    }

    /// The nodes whose identities are to be kept, and where each of them stands here.
    pub(super) fn part(&self, keep: impl Fn(u64) -> bool) -> (Self, Box<[u32]>) {
        let kept = || (0..).zip(self).filter(|(_, node)| keep(node.id()));
        (Self::sorted(kept().map(|(_, node)| node.clone()).collect()), kept().map(|(position, _)| position).collect())
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.nodes.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.nodes.is_empty()
    }

    /// The node at a position; `None` if there is no such position.
    #[inline]
    pub fn get(&self, position: usize) -> Option<&Node> {
        self.0.nodes.get(position)
    }

    /// The position of the node with this name. O(log n).
    pub fn position_of(&self, name: &str) -> Option<usize> {
        let position = self.position_of_id(hash::NODES.hash(name.as_bytes()))?;
        // Another name may have the same identity, if hardly ever.
        (self.0.nodes[position].name() == name).then_some(position)
    }

    /// The position of the node with this [identity](Node::id). O(log n).
    pub fn position_of_id(&self, id: u64) -> Option<usize> {
        self.0.ids.binary_search(&id).ok()
    }

    /// The hand of the nodes of these identities, of those that are there. O(k log n).
    pub(super) fn hand_of(&self, ids: &[u64]) -> Hand {
        ids.iter().filter_map(|id| self.position_of_id(*id)).map(|position| position as u32).collect()
    }

    /// All of them, in the order of their positions.
    pub fn iter(&self) -> std::slice::Iter<'_, Node> {
        self.0.nodes.iter()
    }

    /// The identities, in the order of their positions: for an [assignment](super::Assign) of your own.
    #[inline]
    pub fn ids(&self) -> &[u64] {
        &self.0.ids
    }

    /// Whether both are the very same value, one a clone of the other, and not only equal. O(1).
    #[inline]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The positions in each zone, if there is more than one; nothing at all if there is not.
    #[inline]
    pub(super) fn zones(&self) -> &[Box<[u32]>] {
        &self.0.zones
    }
}

/// The positions in each zone, if there is more than one.
fn zones(nodes: &[Node]) -> Box<[Box<[u32]>]> {
    let mut positions: Vec<u32> = (0..).take(nodes.len()).collect();
    let zone = |position: u32| nodes[position as usize].zone();
    // Stable: inside a zone they stay in the order of their positions.
    positions.sort_by_key(|position| zone(*position));
    let zones: Box<[Box<[u32]>]> = positions.chunk_by(|one, other| zone(*one) == zone(*other)).map(Box::from).collect();
    if zones.len() > 1 { zones } else { Box::default() }
}

impl<'a> IntoIterator for &'a Nodes {
    type Item = &'a Node;
    type IntoIter = std::slice::Iter<'a, Node>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Nodes {
    /// The same names in the same zones.
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0.nodes == other.0.nodes
    }
}

impl Eq for Nodes {}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(names: &[&str]) -> Nodes {
        Nodes::try_new(names.iter().map(|name| Node::new(*name))).expect("different names")
    }

    #[test]
    fn the_order_in_which_nodes_are_given_is_of_no_importance() {
        assert_eq!(fleet(&["a", "b", "c"]), fleet(&["c", "a", "b"]));
        assert_ne!(fleet(&["a", "b", "c"]), fleet(&["a", "b"]));
    }

    #[test]
    fn two_nodes_of_one_name_are_refused_whatever_their_zones() {
        let twins = [Node::new("a").in_zone("x"), Node::new("b"), Node::new("a").in_zone("y")];
        let error = Nodes::try_new(twins).expect_err("twins");
        assert_eq!(error.setting(), "shuffle_shard.nodes");
        assert!(error.value().starts_with("a in "), "{error}");
    }

    #[test]
    fn a_fleet_may_be_empty() {
        let none = fleet(&[]);
        assert!(none.is_empty() && none.get(0).is_none() && none.position_of("a").is_none());
        assert_eq!(none, Nodes::default());
    }

    #[test]
    fn a_node_is_found_by_its_name() {
        let nodes = fleet(&["a", "", "c", "\u{1F6A2}"]);
        for (position, node) in nodes.iter().enumerate() {
            assert_eq!(nodes.position_of(node.name()), Some(position));
            assert_eq!(nodes.position_of_id(node.id()), Some(position));
        }
        assert_eq!(nodes.position_of("b"), None);
    }

    #[test]
    fn an_identity_is_that_of_the_name_alone() {
        assert_eq!(Node::new("a").id(), Node::new("a").in_zone("z").id());
        assert_ne!(Node::new("a").id(), Node::new("b").id());
    }

    #[test]
    fn one_zone_is_none() {
        let one = Nodes::try_new(["a", "b"].map(|name| Node::new(name).in_zone("z"))).expect("two");
        assert!(one.zones().is_empty());
        let two = Nodes::try_new([Node::new("a").in_zone("z"), Node::new("b"), Node::new("c")]).expect("three");
        assert_eq!(two.zones().iter().map(|zone| zone.len()).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_name_of_ten_megabytes_is_a_name() {
        let long = "n".repeat(10 << 20);
        let nodes = fleet(&["a", &long]);
        assert!(nodes.position_of(&long).is_some());
    }
}
