/// What calls can know without asking the machine, in one word: `generation:30 | epoch:30 | timed:1 | tag:3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode(pub(super) u64);

/// What to do with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// Closed: let it through.
    Closed = 0,
    /// Open: refuse it, unless the open time is over.
    Open = 1,
    /// Held closed: let it through, and do not look at its result.
    HeldClosed = 2,
    /// Held open: refuse it.
    HeldOpen = 3,
    /// Ask the machine.
    Ask = 4,
}

const TIMED: u64 = 1 << 3;
const MASK: u32 = (1 << 30) - 1;

/// The next generation or epoch. Never zero: that stands for none.
pub(super) const fn next(number: u32) -> u32 {
    let next = (number + 1) & MASK;
    if next == 0 { 1 } else { next }
}

impl Mode {
    pub(super) const fn new(tag: Tag, timed: bool, generation: u32, epoch: u32) -> Self {
        let timed = if timed { TIMED } else { 0 };
        Self((generation as u64) << 34 | (epoch as u64) << 4 | timed | tag as u64)
    }

    #[inline]
    pub(super) const fn tag(self) -> Tag {
        match self.0 & 7 {
            0 => Tag::Closed,
            1 => Tag::Open,
            2 => Tag::HeldClosed,
            3 => Tag::HeldOpen,
            _ => Tag::Ask,
        }
    }

    /// Whether the start of a call must be known.
    #[inline]
    pub(super) const fn is_timed(self) -> bool {
        self.0 & TIMED != 0
    }

    #[inline]
    pub(super) const fn generation(self) -> u32 {
        (self.0 >> 34) as u32
    }

    #[inline]
    pub(super) const fn epoch(self) -> u32 {
        (self.0 >> 4) as u32 & MASK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        for tag in [Tag::Closed, Tag::Open, Tag::HeldClosed, Tag::HeldOpen, Tag::Ask] {
            for (timed, generation, epoch) in [(false, 1, MASK), (true, MASK, 1), (true, 5, 7)] {
                let mode = Mode::new(tag, timed, generation, epoch);
                assert_eq!((mode.tag(), mode.is_timed()), (tag, timed));
                assert_eq!((mode.generation(), mode.epoch()), (generation, epoch));
            }
        }
    }

    #[test]
    fn numbers_wrap_past_zero() {
        assert_eq!((next(1), next(MASK)), (2, 1));
    }
}
