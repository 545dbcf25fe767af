use std::fmt;

/// What an admitted request holds: how many cells it took, and of which quotas.
///
/// Both share a word. A permit is moved into a future and out again; as two fields it would be written in two parts and
/// read as one, which stalls the processor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Permit(u64);

impl Permit {
    /// Nothing was taken.
    pub(super) const FREE: Self = Self(0);

    /// `cells` of the quotas that there were at this version of the settings.
    #[inline(always)]
    pub(super) const fn new(cells: u32, version: u32) -> Self {
        Self((version as u64) << 32 | cells as u64)
    }

    /// How many cells it took.
    #[inline(always)]
    pub const fn cells(self) -> u32 {
        self.0 as u32
    }

    /// Whether a quota that was added with the settings of version `born` had been there.
    pub(super) const fn was_charged(self, born: u32) -> bool {
        // Versions go round, one at a time: what is less than half a round away is not ahead.
        ((self.0 >> 32) as u32).wrapping_sub(born) < 1 << 31
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("cells", &self.cells()).finish_non_exhaustive()
    }
}
