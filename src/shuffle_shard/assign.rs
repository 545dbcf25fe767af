use std::sync::Arc;

use super::{
    explain::{Basis, Explanation},
    hand::Hand,
    nodes::Nodes,
};

/// Says which nodes serve a tenant: the hand that the tenant is dealt.
///
/// The answer depends on the tenant, on the nodes and on the assignment's own settings, and on nothing else: not on
/// load, health, time or chance, nor on the process that asks. A node that is down is passed over later, within the
/// hand; were it left out here, one tenant's poison would be handed on from node to node.
///
/// One of your own, which deals neighbouring nodes:
///
/// ```
/// use plimsoll::shuffle_shard::{Assign, Hand, Nodes};
///
/// struct Neighbours;
///
/// impl Assign for Neighbours {
///     fn hand(&self, tenant: u64, nodes: &Nodes) -> Hand {
///         let n = nodes.len() as u64;
///         (0..n.min(2)).map(|i| (tenant.wrapping_add(i) % n) as u32).collect()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which nodes serve a tenant",
    note = "`Rendezvous`, `Dealt`, `BoundedOverlap` and `Pinned` do"
)]
pub trait Assign: Send + Sync {
    /// The hand of `tenant` among `nodes`. Never empty unless `nodes` is; smaller than usual where there are too few
    /// nodes. It runs on every call: it should neither allocate nor wait.
    fn hand(&self, tenant: u64, nodes: &Nodes) -> Hand;

    /// Why the tenant has that hand: for people, so it may take its time and allocate. By default it only says which nodes
    /// are in it.
    fn explain(&self, tenant: u64, nodes: &Nodes) -> Explanation {
        Explanation::new(tenant, Basis::Own, &self.hand(tenant, nodes), nodes)
    }
}

impl<A: Assign + ?Sized> Assign for Arc<A> {
    #[inline]
    fn hand(&self, tenant: u64, nodes: &Nodes) -> Hand {
        (**self).hand(tenant, nodes)
    }

    fn explain(&self, tenant: u64, nodes: &Nodes) -> Explanation {
        (**self).explain(tenant, nodes)
    }
}

impl<A: Assign + ?Sized> Assign for Box<A> {
    #[inline]
    fn hand(&self, tenant: u64, nodes: &Nodes) -> Hand {
        (**self).hand(tenant, nodes)
    }

    fn explain(&self, tenant: u64, nodes: &Nodes) -> Explanation {
        (**self).explain(tenant, nodes)
    }
}

impl<A: Assign + ?Sized> Assign for &A {
    #[inline]
    fn hand(&self, tenant: u64, nodes: &Nodes) -> Hand {
        (**self).hand(tenant, nodes)
    }

    fn explain(&self, tenant: u64, nodes: &Nodes) -> Explanation {
        (**self).explain(tenant, nodes)
    }
}
