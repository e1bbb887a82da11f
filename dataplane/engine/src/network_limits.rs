//! A rate for each network, or each address, from which packets come

use std::hash::Hash;

use crate::aged_table::AgedTable;
use crate::token_bucket::TokenBucket;

/// Networks that are told apart. With more at once the oldest are forgotten, and begin anew with a full bucket; limits in
/// total are for that.
const NETWORKS: usize = 8_192;
/// By then a bucket is full again, and need not be remembered.
const REFILL_NS: u64 = 2_000_000_000;

/// A token bucket for each key.
#[derive(Debug)]
pub(crate) struct NetworkLimits<K> {
    full: TokenBucket,
    buckets: AgedTable<K, TokenBucket>,
}

impl<K: Copy + Eq + Hash> NetworkLimits<K> {
    /// Each may have this many per second.
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            full: TokenBucket::new(per_second),
            buckets: AgedTable::new(NETWORKS),
        }
    }

    /// Take one of the tokens of `key`, if there is one.
    pub(crate) fn take(&mut self, key: K, now_ns: u64) -> bool {
        let until_ns = now_ns.saturating_add(REFILL_NS);
        if let Some(bucket) = self.buckets.renew(&key, now_ns, until_ns) {
            return bucket.take(now_ns);
        }
        self.buckets
            .put(key, self.full, until_ns)
            .is_none_or(|bucket| bucket.take(now_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn each_network_has_its_own_rate_for_as_long_as_it_sends() {
        let mut limits = NetworkLimits::new(3);
        let mut granted = |key: u32, now_ns| (0..10).filter(|_| limits.take(key, now_ns)).count();
        assert_eq!(granted(1, 0), 3);
        assert_eq!(granted(2, 0), 3);
        assert_eq!(granted(1, SECOND_NS), 3);
        assert_eq!(granted(1, SECOND_NS), 0);
        let later: usize = (1..=30)
            .map(|third| granted(1, SECOND_NS + third * SECOND_NS / 3))
            .sum();
        assert_eq!(later, 30, "ten seconds of three");
    }
}
