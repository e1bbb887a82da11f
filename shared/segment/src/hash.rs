//! The seeded hash of the tables.

/// Multiplies and folds the two halves of the product: every bit of both inputs reaches every bit of the result.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// Bits of a [`Hash::branch`].
pub(crate) const BRANCH_BITS: u32 = 24;

/// A secret seed, mixed with the constants of the hash once and not for each address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed {
    first: [u64; 2],
    second: [u64; 2],
}

impl Seed {
    /// Odd constants of high entropy (digits of pi), so that a seed of zero still hashes.
    pub(crate) const fn new(secret: [u64; 2]) -> Self {
        let [high, low] = secret;
        Self {
            first: [high ^ 0x2437_5a30_8d31_3198, low ^ 0xa409_3822_299f_31d1],
            second: [high.rotate_left(32), low ^ 0x0824_efa9_8ec4_e6c9],
        }
    }
}

/// The hash of a key: three numbers that have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash(u64);

impl Hash {
    /// Of the two words of an address, under a secret seed, so that nobody who can choose addresses can choose places.
    #[inline(always)]
    pub(crate) fn new(seed: &Seed, key: [u64; 2]) -> Self {
        let once = fold(key[0] ^ seed.first[0], key[1] ^ seed.first[1]);
        Self(fold(once ^ seed.second[0], seed.second[1]))
    }

    /// Of two addresses.
    #[inline(always)]
    pub(crate) fn of_pair(seed: &Seed, first: [u64; 2], second: [u64; 2]) -> Self {
        let Self(first) = Self::new(seed, first);
        let [high, low] = second;
        Self::new(seed, [high ^ first, low])
    }

    /// Of the three words of a flow, likewise.
    #[inline(always)]
    pub(crate) fn of_flow(seed: &Seed, [high, low, numbers]: [u64; 3]) -> Self {
        let Self(address) = Self::new(seed, [high, low]);
        Self(fold(
            address ^ seed.first[0],
            numbers ^ seed.second[1].rotate_left(32) ^ 0xbe54_66cf_34e9_0c6c,
        ))
    }

    /// One of `places`: the low half picks it by multiplication, which needs no power of two.
    #[inline(always)]
    pub(crate) fn place(self, places: u32) -> u32 {
        ((u64::from(self.0 as u32) * u64::from(places)) >> 32) as u32
    }

    /// Which of equal tables: [`BRANCH_BITS`] bits, of which the lowest ones are as good as any.
    #[inline(always)]
    pub(crate) fn branch(self) -> u32 {
        (self.0 >> 32) as u32 & ((1 << BRANCH_BITS) - 1)
    }

    /// What stands for the key at its place, never 0.
    #[inline(always)]
    pub(crate) fn tag(self) -> u8 {
        let tag = (self.0 >> 56) as u8;
        tag | u8::from(tag == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact_flow::ExactFlow;
    use crate::flow_slot::{FlowOwner, FlowWords};
    use core::net::Ipv6Addr;

    #[test]
    fn sequential_addresses_spread_over_places_and_tags() {
        let places = 1024;
        for seed in [
            [0, 0],
            [1, 2],
            [0x1234_5678_9abc_def0, 0xfedc_ba98_7654_3210],
        ]
        .map(Seed::new)
        {
            let mut load = vec![0_u32; places as usize];
            let mut tags = [0_u32; 256];
            for low in 0..8192 {
                let hash = Hash::new(&seed, [0x2001_0db8_000d_0001, low]);
                load[hash.place(places) as usize] += 1;
                tags[usize::from(hash.tag())] += 1;
            }
            assert_eq!(tags[0], 0);
            assert!(tags[1..].iter().all(|n| *n > 5 && *n < 130));
            // Poisson with mean 8: 30 in one place has a probability below 1e-8 per place.
            assert!(load.iter().all(|n| *n < 30), "{:?}", load.iter().max());
        }
    }

    #[test]
    fn flows_of_one_correspondent_spread_over_places_and_tags() {
        let places = 1024;
        for seed in [[0, 0], [1, 2]].map(Seed::new) {
            let mut load = vec![0_u32; places as usize];
            let mut tags = [0_u32; 256];
            for port in 0..8192 {
                for numbers in [port, port << 16, 7 << 40 | port << 16 | 443] {
                    let hash = Hash::of_flow(&seed, [0x2001_0db8, 1, 6 << 32 | numbers]);
                    load[hash.place(places) as usize] += 1;
                    tags[usize::from(hash.tag())] += 1;
                }
            }
            assert_eq!(tags[0], 0);
            assert!(tags[1..].iter().all(|n| *n > 30 && *n < 300), "{tags:?}");
            // Poisson with mean 24: 60 in one place has a probability below 1e-9 per place.
            assert!(load.iter().all(|n| *n < 60), "{:?}", load.iter().max());
        }
    }

    /// The model of a flow's slot that is reused relies on it.
    #[test]
    fn the_two_flows_of_the_loom_model_have_one_tag() {
        let tag = |source_port| {
            let flow = ExactFlow {
                source: Ipv6Addr::LOCALHOST,
                next_header: 17,
                source_port,
                destination_port: 50_000,
            };
            let FlowWords(words) = FlowWords::of(FlowOwner(0), &flow);
            Hash::of_flow(&Seed::new([1, 2]), words).tag()
        };
        assert_eq!(tag(443), tag(257));
    }

    #[test]
    fn the_seed_decides() {
        let of = |seed| {
            (0..64)
                .map(|low| {
                    let seed = Seed::new(seed);
                    let address = Hash::new(&seed, [1, low]).place(1 << 20);
                    (address, Hash::of_flow(&seed, [1, 2, low]).place(1 << 20))
                })
                .collect::<Vec<_>>()
        };
        assert_ne!(of([1, 1]), of([2, 1]));
        assert_ne!(of([1, 1]), of([1, 2]));
        assert_eq!(of([1, 1]), of([1, 1]));
    }
}
