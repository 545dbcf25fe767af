use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{
    assign::Assign,
    fleet::{Fleets, Member, member, width},
    nodes::{Node, Nodes},
    outlier::{Outlier, Transitions},
    settings::Settings,
    snapshot::{Route, Snapshot},
    watch::Watch,
};
use crate::{clock, settings::InvalidSetting};

/// Looks at a router and changes it while it serves. A clone costs a reference count.
///
/// Members come and go through it. With service discovery, a task of yours passes on what it learns:
///
/// ```
/// use plimsoll::shuffle_shard::{Handle, Node};
/// # enum Change { Insert(String), Remove(String) }
///
/// async fn follow(handle: Handle, mut changes: tokio::sync::mpsc::Receiver<Change>) -> Result<(), plimsoll::InvalidSetting> {
///     while let Some(change) = changes.recv().await {
///         match change {
///             Change::Insert(address) => handle.insert(Node::new(address))?,
///             Change::Remove(address) => handle.remove(&address),
///         };
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Handle(Arc<dyn Operate + Send + Sync>);

impl Handle {
    pub(super) fn new(operator: impl Operate + Send + Sync + 'static) -> Self {
        Self(Arc::new(operator))
    }

    /// Whether both are of the same router.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.0.watch(), other.0.watch())
    }

    /// The router as it is at this moment. O(n).
    pub fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    /// Treats members by `settings` from now on; the name stays. Ejections run their course, and nothing in flight is
    /// lost.
    pub fn update(&self, settings: Settings) {
        self.0.update(settings);
    }

    /// Adds a node, with a service made by the factory, and says whether it is new: a node of the same name keeps its
    /// service and its state, and moves to the zone given now. With [`Rendezvous`](super::Rendezvous) at most one
    /// member of any hand changes. O(n log n).
    ///
    /// # Errors
    /// [`InvalidSetting`] if another node has the same [identity](Node::id), which does not happen by chance.
    pub fn insert(&self, node: Node) -> Result<bool, InvalidSetting> {
        self.0.insert(node)
    }

    /// Removes the node with this name, and says whether there was one; calls under way to it run to their end. O(n log
    /// n).
    pub fn remove(&self, name: &str) -> bool {
        self.0.remove(name)
    }

    /// Makes these the nodes. Those there already keep their services and their state. O(n log n).
    pub fn set(&self, nodes: Nodes) {
        self.0.set(nodes);
    }

    /// Takes the node with this name out of service until [`restore`](Self::restore), for maintenance or an
    /// investigation, and says whether there is one. It keeps its tenants, who make do with the rest of their hands; no
    /// panic puts it back.
    pub fn eject(&self, name: &str) -> bool {
        self.0.hold(name)
    }

    /// Puts the node with this name back into service, whoever took it out, with nothing held against it, and says
    /// whether there is one.
    pub fn restore(&self, name: &str) -> bool {
        self.0.restore(name)
    }

    /// Why a tenant's requests go where they go: the hand and its reasons, and the state of its members. Prints as a
    /// page. O(n log n).
    pub fn explain(&self, tenant: u64) -> Route {
        self.0.explain(tenant)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.snapshot()).finish()
    }
}

/// What a handle can do, whatever the types of the router.
pub(super) trait Operate {
    fn snapshot(&self) -> Snapshot;
    fn update(&self, settings: Settings);
    fn insert(&self, node: Node) -> Result<bool, InvalidSetting>;
    fn remove(&self, name: &str) -> bool;
    fn set(&self, nodes: Nodes);
    fn hold(&self, name: &str) -> bool;
    fn restore(&self, name: &str) -> bool;
    fn explain(&self, tenant: u64) -> Route;
    fn watch(&self) -> &Arc<Watch>;
}

/// Who does it.
pub(super) struct Operator<S, F, A> {
    pub(super) fleets: Arc<Fleets<S>>,
    pub(super) watch: Arc<Watch>,
    pub(super) factory: Arc<F>,
    pub(super) assign: Arc<A>,
}

impl<S, F: Fn(&Node) -> S, A: Assign> Operator<S, F, A> {
    /// Makes the fleet what `change` makes of its nodes. Neither the factory nor the assignment is asked under a lock; where
    /// another change came between, it is tried again with the services that were made so far.
    fn change<T>(&self, change: impl Fn(&Nodes) -> (Option<Nodes>, T)) -> T {
        let mut made: BTreeMap<u64, Arc<Member<S>>> = BTreeMap::new();
        loop {
            let before = self.fleets.fleet();
            let (after, answer) = change(&before.nodes);
            let Some(after) = after else { return answer };
            for node in &after {
                if before.find(node.id()).is_none() && !made.contains_key(&node.id()) {
                    made.insert(node.id(), member(&self.watch, node, (self.factory)(node)));
                }
            }
            let hand = width(&*self.assign, &after);
            if self.fleets.change(&before, after, &made, hand, clock::now()) {
                return answer;
            }
        }
    }

    fn decide(&self, name: &str, decision: impl FnOnce(&mut Outlier, u64) -> Option<Transitions>) -> bool {
        let mut found = false;
        self.watch.decide(clock::now(), |core| {
            let id = core.nodes.position_of(name).and_then(|position| core.nodes.ids().get(position).copied());
            let happened = id.and_then(|id| decision(&mut core.outlier, id));
            found = happened.is_some();
            happened.unwrap_or_default()
        });
        found
    }
}

impl<S, F: Fn(&Node) -> S, A: Assign> Operate for Operator<S, F, A> {
    fn snapshot(&self) -> Snapshot {
        self.watch.snapshot()
    }

    fn update(&self, settings: Settings) {
        self.watch.update(settings, clock::now());
    }

    fn insert(&self, node: Node) -> Result<bool, InvalidSetting> {
        self.change(|nodes| match nodes.position_of(node.name()) {
            Some(at) if nodes.get(at) == Some(&node) => (None, Ok(false)),
            known => {
                let others = nodes.iter().filter(|other| other.name() != node.name());
                match Nodes::try_new(others.chain([&node]).cloned()) {
                    Ok(nodes) => (Some(nodes), Ok(known.is_none())),
                    Err(error) => (None, Err(error)),
                }
            }
        })
    }

    fn remove(&self, name: &str) -> bool {
        self.change(|nodes| match nodes.position_of(name) {
            // A part of a fleet is one: there is no error to hide.
            Some(_) => (Nodes::try_new(nodes.iter().filter(|node| node.name() != name).cloned()).ok(), true),
            None => (None, false),
        })
    }

    fn set(&self, nodes: Nodes) {
        self.change(|current| ((*current != nodes).then(|| nodes.clone()), ()));
    }

    fn hold(&self, name: &str) -> bool {
        self.decide(name, Outlier::hold)
    }

    fn restore(&self, name: &str) -> bool {
        let id = self.watch.read(|core| {
            let position = core.nodes.position_of(name)?;
            core.vitals.get(position)?.forgive();
            core.nodes.ids().get(position).copied()
        });
        let found = self.decide(name, Outlier::restore);
        // Also where it was not out, but shut by its own word.
        if let Some(id) = id {
            self.watch.returned(id);
        }
        found
    }

    fn explain(&self, tenant: u64) -> Route {
        let nodes = self.watch.read(|core| core.nodes.clone());
        let explanation = self.assign.explain(tenant, &nodes);
        let now = clock::now();
        let members = self.watch.read(|core| {
            let member = |id| core.member(core.nodes.position_of_id(id)?, now);
            explanation.hand().iter().filter_map(|row| member(row.node.id())).collect()
        });
        Route { explanation, members }
    }

    fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }
}
