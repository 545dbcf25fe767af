//! The one place where names and tenants become numbers. What comes out here is in the users' data: it is the same in
//! every process, on every platform and in every version, and a change is a breaking one.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// What makes hands differ between two fleets, or hard to foresee: 128 bits, the key of [`keyed`]. It is a secret where
/// tenants choose their own numbers, so it is not printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u128);

impl Seed {
    pub(super) const fn new(seed: u128) -> Self {
        Self(seed)
    }

    /// SipHash-1-3 (Aumasson & Bernstein 2012) of `bytes`. Who does not know the seed can neither foresee it nor search for
    /// two tenants of whom it is the same.
    #[inline]
    pub(super) fn hash(self, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.0 as u64, (self.0 >> 64) as u64);
        // Only `write`: what `Hash` adds of its own, a length or an end, differs between versions of Rust.
        hasher.write(bytes);
        hasher.finish()
    }

    /// The hash of a tenant's number.
    #[inline]
    pub(super) fn tenant(self, tenant: u64) -> u64 {
        self.hash(&tenant.to_le_bytes())
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0 == 0 { "none" } else { "secret" })
    }
}

/// The seed of nodes' identities: fixed, as a node's identity is no secret.
pub(super) const NODES: Seed = Seed::new(u128::from_le_bytes(*b"plimsoll nodes 1"));

/// The seed of tenants' names.
const TENANTS: Seed = Seed::new(u128::from_le_bytes(*b"plimsoll tenant1"));

/// The number of a named tenant: the same in every process, platform and version.
///
/// SipHash-1-3 with a fixed key. Two of a billion tenants get the same number with a probability of one in forty; they
/// then share a hand, which does no harm. Where tenants choose their names, give the assignment a
/// [seed](super::Rendezvous::with_seed): they could otherwise search for a name that shares another's hand.
///
/// ```
/// use plimsoll::shuffle_shard::tenant_id;
///
/// assert_eq!(tenant_id("acme"), tenant_id(b"acme"));
/// assert_ne!(tenant_id("acme"), tenant_id("acme "));
/// ```
pub fn tenant_id(name: impl AsRef<[u8]>) -> u64 {
    TENANTS.hash(name.as_ref())
}

/// A one-to-one scramble of 64 bits: variant 13 of the finalizers that David Stafford found in 2011, the one of splitmix64.
/// Different numbers stay different, so two nodes never have the same score.
#[inline]
pub(super) const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the reference implementation of SipHash-1-3: key 00 01 … 0f, message 00 01 … 07.
    #[test]
    fn it_is_siphash_1_3() {
        let key = Seed::new(u128::from_le_bytes(std::array::from_fn(|i| i as u8)));
        let message: [u8; 8] = std::array::from_fn(|i| i as u8);
        assert_eq!(key.hash(&message), key.tenant(u64::from_le_bytes(message)));
        assert_eq!(key.hash(&[]), 0xabac_0158_050f_c4dc);
    }

    #[test]
    fn a_seed_is_not_printed() {
        assert_eq!(format!("{:?}", Seed::new(0xDEAD_BEEF)), "secret");
    }

    #[test]
    fn it_is_splitmix() {
        // The first two outputs of splitmix64 seeded with 0.
        let golden = 0x9E37_79B9_7F4A_7C15_u64;
        assert_eq!([mix(golden), mix(golden.wrapping_mul(2))], [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4]);
    }
}
