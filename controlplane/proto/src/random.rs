//! Unpredictable numbers from one seed, reproducible in tests.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A generator of pseudo-random octets: HMAC-SHA256 of a counter under the seed.
///
/// Whoever does not know the seed cannot tell the next output from any number of earlier ones, so interface
/// identifiers made of it cannot be guessed (RFC 7721 §4).
#[derive(Clone)]
pub struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    /// A generator for `seed`, which the caller takes from the system's entropy source (or fixes, in a test).
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// The next 32 octets.
    pub fn next_block(&mut self) -> [u8; 32] {
        self.counter = self.counter.wrapping_add(1);
        // An HMAC key may have any length, so this constructor has no error to report.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&self.seed) else {
            return [0; 32];
        };
        hmac.update(&self.counter.to_be_bytes());
        hmac.finalize().into_bytes().into()
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.next_block();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// A number below `bound` (0 if `bound` is 0), without noticeable bias for bounds far below 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }
}

impl core::fmt::Debug for Random {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Random")
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_gives_others() {
        let draw = |seed| {
            let mut random = Random::new([seed; 32]);
            (random.next_u64(), random.next_u64())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(draw(1).0, draw(1).1);
    }

    #[test]
    fn below_stays_below() {
        let mut random = Random::new([3; 32]);
        assert!((0..1000).all(|_| random.below(10) < 10));
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn debug_output_keeps_the_seed_secret() {
        assert!(!format!("{:?}", Random::new([0xab; 32])).contains("171"));
    }
}
