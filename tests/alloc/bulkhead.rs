//! Bulkheads, free and full, sharded or not.

use plimsoll::{
    Stack,
    bulkhead::Bulkhead,
    shuffle_shard::sharded_bulkhead::{self, ShardedBulkhead},
};
use tower::Service;

use crate::{Inner, allocations, limit};

#[test]
fn a_bulkhead_allocates_nothing() {
    assert_eq!(allocations(Stack::new().bulkhead(limit(9)).service(Inner), true), 0);
    let weighted = Bulkhead::new(limit(9).try_with_compartments(&[3, 3]).expect("valid"))
        .weight_by(|req: &u64| *req as u32)
        .compartment_by(|req: &u64| *req as usize % 3);
    assert_eq!(allocations(Stack::new().bulkhead(weighted).service(Inner), true), 0);
}

#[test]
fn a_full_bulkhead_allocates_nothing() {
    let mut service = Stack::new().bulkhead(limit(1)).service(Inner);
    let _held = service.call(0);
    assert_eq!(allocations(service, false), 0);
}

#[test]
fn a_sharded_bulkhead_allocates_nothing_full_or_not() {
    let cells = || {
        let settings = sharded_bulkhead::Settings::try_new(1).and_then(|settings| settings.try_with_cells(8, 2));
        ShardedBulkhead::new(settings.expect("valid"), |req: &u64| *req)
    };
    assert_eq!(allocations(Stack::new().sharded_bulkhead(cells()).service(Inner), true), 0);
    let mut service = Stack::new().sharded_bulkhead(cells()).service(Inner);
    let _held: Vec<_> = (0..1000).map(|tenant| service.call(tenant)).collect();
    assert_eq!(allocations(service, false), 0);
}
