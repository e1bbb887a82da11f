//! The limit on error messages.

use crate::time::NANOS_PER_SECOND;

/// A token bucket as RFC 4443 §2.4(f) suggests: `rate` messages a second, as many in a burst.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    rate: u64,
    /// In billionths of a message.
    tokens: u64,
    last_ns: u64,
}

impl TokenBucket {
    pub(crate) fn new(rate_per_second: u32, now_ns: u64) -> Self {
        let rate = u64::from(rate_per_second);
        Self {
            rate,
            tokens: rate.saturating_mul(NANOS_PER_SECOND),
            last_ns: now_ns,
        }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now_ns: u64) -> bool {
        let earned = now_ns
            .saturating_sub(self.last_ns)
            .saturating_mul(self.rate);
        self.last_ns = self.last_ns.max(now_ns);
        let full = self.rate.saturating_mul(NANOS_PER_SECOND);
        self.tokens = self.tokens.saturating_add(earned).min(full);
        match self.tokens.checked_sub(NANOS_PER_SECOND) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_gives_the_rate_and_no_more() {
        let mut bucket = TokenBucket::new(10, 0);
        assert_eq!((0..100).filter(|_| bucket.take(0)).count(), 10);
        assert_eq!(
            (0..100)
                .filter(|_| bucket.take(NANOS_PER_SECOND / 2))
                .count(),
            5
        );
        assert_eq!(
            (0..100)
                .filter(|_| bucket.take(100 * NANOS_PER_SECOND))
                .count(),
            10
        );
        assert!(!TokenBucket::new(0, 0).take(NANOS_PER_SECOND));
    }
}
