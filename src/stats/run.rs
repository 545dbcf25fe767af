use crate::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// How many calls in a row have failed. In one word, the epoch above the count.
#[derive(Debug, Default)]
pub(crate) struct Run(AtomicU64);

impl Run {
    /// Forgets, and belongs to `epoch` from now on.
    pub(crate) fn restart(&self, epoch: u32) {
        self.resume(epoch, 0);
    }

    /// Belongs to `epoch` from now on, as if `length` had failed.
    pub(crate) fn resume(&self, epoch: u32, length: u32) {
        self.0.store(pack(epoch, length), Release);
    }

    /// A call of `epoch` succeeded: the row is broken. One load while there is none.
    #[inline]
    pub(crate) fn succeeded(&self, epoch: u32) {
        let broken = pack(epoch, 0);
        let mut row = self.0.load(Acquire);
        while row != broken && epoch_of(row) == epoch {
            match self.0.compare_exchange_weak(row, broken, Relaxed, Acquire) {
                Ok(_) => return,
                Err(now) => row = now,
            }
        }
    }

    /// A call of `epoch` failed.
    pub(crate) fn failed(&self, epoch: u32) {
        let mut row = self.0.load(Acquire);
        while epoch_of(row) == epoch && length_of(row) < u32::MAX {
            match self.0.compare_exchange_weak(row, row + 1, Relaxed, Acquire) {
                Ok(_) => return,
                Err(now) => row = now,
            }
        }
    }

    /// How many failed in a row.
    #[inline]
    pub(crate) fn length(&self) -> u32 {
        length_of(self.0.load(Acquire))
    }

    /// Which calls it is about.
    #[inline]
    pub(crate) fn epoch(&self) -> u32 {
        epoch_of(self.0.load(Acquire))
    }
}

const fn pack(epoch: u32, length: u32) -> u64 {
    (epoch as u64) << 32 | length as u64
}

const fn epoch_of(row: u64) -> u32 {
    (row >> 32) as u32
}

const fn length_of(row: u64) -> u32 {
    row as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_breaks_the_row_and_strangers_do_not_count() {
        let run = Run::default();
        run.restart(7);
        run.failed(7);
        run.failed(7);
        run.failed(6);
        run.succeeded(6);
        assert_eq!(run.length(), 2);
        run.succeeded(7);
        assert_eq!(run.length(), 0);
        run.failed(7);
        run.restart(8);
        assert_eq!(run.length(), 0);
    }
}
