/// Where a request is: in a slot of a shard, or at the gate that those share who found none. In one word, for it is
/// moved into a future and out again: written in parts and read as one, it would stall the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Place {
    /// At the shared gate. No shard has so many slots.
    pub(super) const SHARED: Self = Self(u64::MAX);

    #[inline]
    pub(super) const fn new(shard: usize, slot: usize) -> Self {
        Self((shard as u64) << 32 | slot as u64)
    }

    #[inline]
    pub(super) const fn shard(self) -> usize {
        (self.0 >> 32) as usize
    }

    #[inline]
    pub(super) const fn slot(self) -> usize {
        self.0 as u32 as usize
    }
}

/// What an admitted request holds: where its gate is, and that gate's permit; nothing, if it was let through without a
/// gate. Opaque, plain data.
#[derive(Clone, Copy, Debug)]
pub struct Permit<P>(pub(super) Option<(Place, P)>);

/// A request's wait: where its gate is, and that gate's wait.
#[derive(Debug)]
pub struct Wait<W> {
    pub(super) place: Place,
    pub(super) wait: W,
}
