//! The seeded hash of the home table.

/// Multiplies and folds the two halves of the product: every bit of both inputs reaches every bit of the result.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// Where a key goes: the bucket it belongs to and the tag that stands for it there (never 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HashedKey {
    pub(crate) bucket: u32,
    pub(crate) tag: u8,
}

/// Hashes the two words of an address under a secret seed, so that nobody who can choose addresses can choose buckets.
#[inline(always)]
pub(crate) fn hash(seed: &[u64; 2], key: [u64; 2], buckets: u32) -> HashedKey {
    // Odd constants of high entropy (digits of pi), so that a seed of zero still hashes.
    let once = fold(
        key[0] ^ seed[0] ^ 0x2437_5a30_8d31_3198,
        key[1] ^ seed[1] ^ 0xa409_3822_299f_31d1,
    );
    let hash = fold(
        once ^ seed[0].rotate_left(32),
        seed[1] ^ 0x0824_efa9_8ec4_e6c9,
    );
    // The low half picks the bucket by multiplication, which needs no power of two; the top octet is the tag.
    let bucket = (u64::from(hash as u32) * u64::from(buckets)) >> 32;
    HashedKey {
        bucket: bucket as u32,
        tag: ((hash >> 56) as u8).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequential_addresses_spread_over_buckets_and_tags() {
        let buckets = 1024;
        for seed in [
            [0, 0],
            [1, 2],
            [0x1234_5678_9abc_def0, 0xfedc_ba98_7654_3210],
        ] {
            let mut load = vec![0_u32; buckets as usize];
            let mut tags = [0_u32; 256];
            for low in 0..8192 {
                let hashed = hash(&seed, [0x2001_0db8_000d_0001, low], buckets);
                load[hashed.bucket as usize] += 1;
                tags[usize::from(hashed.tag)] += 1;
            }
            // Poisson with mean 8: 30 in one bucket has a probability below 1e-8 per bucket.
            assert!(load.iter().all(|n| *n < 30), "{:?}", load.iter().max());
            assert_eq!(tags[0], 0);
            assert!(tags[1..].iter().all(|n| *n > 5 && *n < 130));
        }
    }

    #[test]
    fn the_seed_decides() {
        let of = |seed| {
            (0..64)
                .map(|low| hash(&seed, [1, low], 1 << 20))
                .collect::<Vec<_>>()
        };
        assert_ne!(of([1, 1]), of([2, 1]));
        assert_ne!(of([1, 1]), of([1, 2]));
        assert_eq!(of([1, 1]), of([1, 1]));
    }
}
