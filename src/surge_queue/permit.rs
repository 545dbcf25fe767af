/// What a request that got past a queue holds: a place of the limit, one of the second lane, or none.
#[derive(Clone, Copy, Debug)]
pub struct Permit<P>(pub(super) Held<P>);

/// Whose place it is. In whole words, as every permit is: it is moved into a future and out again, and a byte that is
/// read as part of a word stalls the processor.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Held<P> {
    /// One of the limit's.
    Warm(P),
    /// One of the limit's, lent to the second lane.
    Lent(P),
    /// One of the second lane's.
    Surge,
    /// None: it passed without.
    Exempt,
}
