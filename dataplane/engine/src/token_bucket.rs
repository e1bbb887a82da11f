//! The rate limit of RFC 4443 §2.4 (f)

/// "A recommended method for implementing the rate-limiting function is a token bucket, limiting the average rate of
/// transmission to N, ... but allowing up to B error messages to be transmitted in a burst, as long as the long-term average
/// is not exceeded" (RFC 4443 §2.4 (f)). Here N is packets per second and B a second's worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    per_second: u64,
    /// Thousand-millionths of a token.
    level: u64,
    filled_at_ns: u64,
}

const TOKEN: u64 = 1_000_000_000;

impl TokenBucket {
    /// A full bucket at time 0.
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = u64::from(per_second);
        Self {
            per_second,
            level: per_second.saturating_mul(TOKEN),
            filled_at_ns: 0,
        }
    }

    /// Take one token, if there is one.
    pub(crate) fn take(&mut self, now_ns: u64) -> bool {
        let elapsed_ns = now_ns.saturating_sub(self.filled_at_ns);
        self.filled_at_ns = self.filled_at_ns.max(now_ns);
        let burst = self.per_second.saturating_mul(TOKEN);
        self.level = self
            .level
            .saturating_add(elapsed_ns.saturating_mul(self.per_second))
            .min(burst);
        match self.level.checked_sub(TOKEN) {
            Some(rest) => {
                self.level = rest;
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
    fn a_second_brings_as_many_as_the_rate() {
        let mut bucket = TokenBucket::new(3);
        let granted =
            |bucket: &mut TokenBucket, now_ns| (0..10).filter(|_| bucket.take(now_ns)).count();
        assert_eq!(granted(&mut bucket, 0), 3);
        assert_eq!(granted(&mut bucket, 333_333_333), 0);
        assert_eq!(granted(&mut bucket, 333_333_334), 1);
        assert_eq!(
            granted(&mut bucket, 333_333_000),
            0,
            "time that runs backwards"
        );
        assert_eq!(
            granted(&mut bucket, u64::MAX),
            3,
            "never more than the burst"
        );
    }

    #[test]
    fn a_rate_of_zero_grants_nothing() {
        let mut bucket = TokenBucket::new(0);
        assert!(!bucket.take(0));
        assert!(!bucket.take(u64::MAX));
    }
}
