/// Which members of a fleet a request was sent to: the last [`MOST`](Self::MOST) of them, in that order. Plain data, 16
/// bytes.
///
/// A member is known by the lower half of its identity. Two of a hundred members look the same with a probability of
/// one in a million; one of them is then tried later than it might have been, and nothing else is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried([u32; Self::MOST]);

impl Tried {
    /// How many are remembered. A retry gives up earlier than a fifth member, mostly.
    pub const MOST: usize = 4;

    /// None.
    pub const NONE: Self = Self([0; Self::MOST]);

    /// The member with this identity was tried, last of all. The oldest is forgotten if there are too many.
    pub fn add(&mut self, member: u64) {
        let member = Self::short(member);
        let known = self.0.iter().position(|tried| *tried == member || *tried == 0);
        let from = known.unwrap_or(0);
        self.0[from] = member;
        let behind = self.0[from..].iter().position(|tried| *tried == 0).unwrap_or(self.0.len() - from);
        self.0[from..from + behind].rotate_left(1);
    }

    /// When the member with this identity was tried: 0 if it is the one that was tried longest ago. `None` if it was
    /// not, as far as is remembered.
    #[inline]
    pub fn order_of(&self, member: u64) -> Option<usize> {
        let member = Self::short(member);
        self.0.iter().position(|tried| *tried == member)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.iter().filter(|tried| **tried != 0).count()
    }

    /// Whether none was tried.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// Zero stands for nobody.
    #[inline]
    const fn short(member: u64) -> u32 {
        match member as u32 {
            0 => u32::MAX,
            short => short,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_few_tried_are_remembered_in_their_order() {
        let mut tried = Tried::NONE;
        let order = |tried: &Tried| (1..=6).map(|member| tried.order_of(member)).collect::<Vec<_>>();
        assert_eq!((tried.is_empty(), tried.len()), (true, 0));
        (1..=3).for_each(|member| tried.add(member));
        tried.add(1);
        assert_eq!(order(&tried), [Some(2), Some(0), Some(1), None, None, None]);
        (4..=5).for_each(|member| tried.add(member));
        assert_eq!(order(&tried), [Some(1), None, Some(0), Some(2), Some(3), None]);
        tried.add(1);
        assert_eq!((order(&tried)[0], tried.len(), tried.is_empty()), (Some(3), 4, false));
    }

    #[test]
    fn a_member_whose_short_name_would_be_nobodys_is_remembered() {
        let mut tried = Tried::NONE;
        tried.add(7 << 32);
        assert_eq!((tried.order_of(7 << 32), tried.len()), (Some(0), 1));
        assert_eq!(Tried::NONE.order_of(7 << 32), None);
    }
}
