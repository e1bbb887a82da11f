//! What a worker remembers for a while
//!
//! A table of a size that never changes: who fills it with what they choose displaces the oldest, and neither grows the table
//! nor lengthens a search. The places of a key depend on a random seed, so that nobody who chooses keys chooses places.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::RandomState;

/// Places that a key may stand in.
const WAYS: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    /// What stands here is as good as nothing from then on.
    until_ns: u64,
}

/// Values by key, each until a time.
#[derive(Debug)]
pub(crate) struct AgedTable<K, V> {
    entries: Box<[Option<Entry<K, V>>]>,
    hasher: RandomState,
}

impl<K: Copy + Eq + Hash, V> AgedTable<K, V> {
    /// Room for `entries` values, rounded up to whole sets of places.
    pub(crate) fn new(entries: usize) -> Self {
        let places = entries.next_multiple_of(WAYS);
        Self {
            entries: (0..places).map(|_| None).collect(),
            hasher: RandomState::default(),
        }
    }

    /// The value of `key`, unless its time is over.
    #[inline]
    pub(crate) fn get(&mut self, key: &K, now_ns: u64) -> Option<&V> {
        self.entry(key, now_ns).map(|entry| &entry.value)
    }

    /// The same, and from now on it is kept until `until_ns`.
    #[inline]
    pub(crate) fn renew(&mut self, key: &K, now_ns: u64, until_ns: u64) -> Option<&mut V> {
        let entry = self.entry(key, now_ns)?;
        entry.until_ns = until_ns;
        Some(&mut entry.value)
    }

    #[inline]
    fn entry(&mut self, key: &K, now_ns: u64) -> Option<&mut Entry<K, V>> {
        self.ways(key)
            .iter_mut()
            .flatten()
            .find(|entry| entry.key == *key && now_ns < entry.until_ns)
    }

    /// Keeps a value until `until_ns`, in the place of what was kept for the same key, or else of what would be kept the
    /// least long. `None` where the table has no places.
    pub(crate) fn put(&mut self, key: K, value: V, until_ns: u64) -> Option<&mut V> {
        let ways = self.ways(&key);
        let known = ways
            .iter()
            .position(|way| way.as_ref().is_some_and(|entry| entry.key == key));
        let oldest = || {
            let until = |way: &Option<Entry<K, V>>| way.as_ref().map_or(0, |entry| entry.until_ns);
            (0..ways.len()).min_by_key(|way| ways.get(*way).map(until))
        };
        let way = known.or_else(oldest)?;
        let entry = Entry {
            key,
            value,
            until_ns,
        };
        Some(&mut ways.get_mut(way)?.insert(entry).value)
    }

    /// The places that `key` may stand in.
    #[inline]
    fn ways(&mut self, key: &K) -> &mut [Option<Entry<K, V>>] {
        let sets = self.entries.len() / WAYS;
        let set = (self.hasher.hash_one(key) as usize).checked_rem(sets);
        let first = set.unwrap_or(0).saturating_mul(WAYS);
        self.entries
            .get_mut(first..first.saturating_add(WAYS))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_for_its_time() {
        let mut table = AgedTable::new(16);
        table.put(7, "seven", 100);
        assert_eq!(table.get(&7, 99), Some(&"seven"));
        assert_eq!(table.get(&7, 100), None);
        assert_eq!(table.get(&8, 0), None);
        table.put(7, "again", 200);
        assert_eq!(table.renew(&7, 199, 300), Some(&mut "again"));
        assert_eq!(table.get(&7, 299), Some(&"again"));
        assert_eq!(table.renew(&7, 300, 400), None);
    }

    #[test]
    fn a_flood_displaces_and_the_latest_stays() {
        let mut table = AgedTable::new(1_000);
        for key in 0..100_000_u64 {
            table.put(key, key, key + 1);
            assert_eq!(table.get(&key, key), Some(&key));
        }
        assert_eq!(table.entries.len(), 1_000);
    }

    #[test]
    fn a_table_without_places_keeps_nothing() {
        let mut table = AgedTable::new(0);
        assert_eq!(table.put(1, 1, u64::MAX), None);
        assert_eq!(table.get(&1, 0), None);
    }
}
