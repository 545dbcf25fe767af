use std::{num::NonZeroU32, time::Duration};

use crate::settings::{InvalidSetting, at_least_one};

/// How a [`Keyed`](super::Keyed) is set: a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    pub(super) name: &'static str,
    pub(super) capacity: NonZeroU32,
    pub(super) idle: Duration,
    pub(super) overflow: Overflow,
}

/// What becomes of a request whose key finds no place: all are taken by keys that must be remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// It meets one gate together with all the others that find no place. Bounded and safe, and the default: the keys
    /// of a flood have one key's share between them, and so has any new key that comes at that time.
    #[default]
    Share,
    /// It is refused, for [`KeysFull`](crate::Reason::KeysFull). Nothing gets past its own limit, and a flood keeps new
    /// keys out altogether.
    Refuse,
    /// It is let through, and no gate is asked. A flood is let through as well: use this only where the gates are for
    /// fairness among keys that you gave out yourself, and something else bounds the whole.
    Admit,
}

impl Settings {
    /// 16,384 keys, each forgotten ten minutes after it was last asked for; those that find no place share a gate.
    pub const fn new() -> Self {
        Self {
            name: "keyed",
            capacity: NonZeroU32::MIN.saturating_add(16_383),
            idle: Duration::from_secs(600),
            overflow: Overflow::Share,
        }
    }

    /// The name under which it refuses and announces. By default `keyed`. The gates have names of their own.
    pub const fn with_name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How many keys have a place at most. Keys are spread by their hash over one shard for each 1024 places, at most
    /// 16 shards: from about nine tenths on, a key may find its shard full while another has room.
    pub const fn with_capacity(mut self, capacity: NonZeroU32) -> Self {
        self.capacity = capacity;
        self
    }

    /// As [`with_capacity`](Self::with_capacity), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `capacity` is zero.
    pub fn try_with_capacity(self, capacity: u32) -> Result<Self, InvalidSetting> {
        at_least_one("keyed.capacity", capacity).map(|capacity| self.with_capacity(capacity))
    }

    /// Lets a key that nobody has asked for during `idle` be forgotten, whatever its gate remembers. It should be
    /// longer than a gate holds anything against a key, as whoever stays away for that long begins anew.
    /// [`Duration::MAX`] is never.
    ///
    /// # Errors
    /// [`InvalidSetting`] if `idle` is zero: every limit would be reset as soon as nothing is under way.
    pub fn try_with_idle(mut self, idle: Duration) -> Result<Self, InvalidSetting> {
        if idle.is_zero() {
            return Err(InvalidSetting::new("keyed.idle", idle, "above zero"));
        }
        self.idle = idle;
        Ok(self)
    }

    /// What becomes of a request whose key finds no place.
    pub const fn with_overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// The name under which it refuses and announces.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many keys have a place at most.
    pub const fn capacity(&self) -> NonZeroU32 {
        self.capacity
    }

    /// After how long a key that nobody asks for may be forgotten.
    pub const fn idle(&self) -> Duration {
        self.idle
    }

    /// What becomes of a request whose key finds no place.
    pub const fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// How many shards there are for so many keys: a power of two.
    pub(super) fn shards(&self) -> usize {
        let thousands = (self.capacity.get() >> 10).clamp(1, 16);
        1 << thousands.ilog2()
    }

    /// What the shard of this number holds to, of so many. Each has a place at least.
    pub(super) fn bounds(&self, shard: usize, of: usize) -> Bounds {
        let capacity = self.capacity.get() as usize;
        let more = usize::from(shard < capacity % of);
        Bounds { capacity: (capacity / of + more).max(1), idle: self.idle, overflow: self.overflow }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// What a shard holds to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) capacity: usize,
    pub(super) idle: Duration,
    pub(super) overflow: Overflow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_capacity_out_to_the_last_key() {
        for capacity in [1, 2, 1023, 1024, 2047, 2048, 5001, 16_384, 16_399, u32::MAX] {
            let settings = Settings::new().try_with_capacity(capacity).expect("not zero");
            let shards = settings.shards();
            assert!(shards.is_power_of_two() && shards <= 16, "{shards}");
            let sum: usize = (0..shards).map(|shard| settings.bounds(shard, shards).capacity).sum();
            assert_eq!(sum, capacity as usize);
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let setting = |settings: Result<Settings, InvalidSetting>| settings.map_err(|error| error.setting());
        assert_eq!(setting(Settings::new().try_with_capacity(0)), Err("keyed.capacity"));
        assert_eq!(setting(Settings::new().try_with_idle(Duration::ZERO)), Err("keyed.idle"));
    }
}
