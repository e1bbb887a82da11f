//! A map of millions of entries that finds again at once what was asked for lately.

use core::cell::Cell;
use core::hash::Hash;
use core::ops::{Deref, DerefMut};

use foldhash::fast::RandomState;
use indexmap::IndexMap;

/// Places that are remembered: of the packets that are looked at together nearly all keep theirs.
const REMEMBERED: usize = 64;

/// A message asks for its address and its association in one place after another, and before that who looks ahead does. Where a key was
/// found last is tried first, which takes one comparison in place of a hash and a search for it.
///
/// The values lie one behind the other: a table with room for twice as many would cost twice their size, and when it grows, the
/// few octets that it has of each are all that moves.
#[derive(Debug)]
pub(crate) struct RecentMap<K, V> {
    entries: IndexMap<K, V, RandomState>,
    /// By the lowest bits of keys. What is at a place may have changed since, which its key tells.
    places: [Cell<usize>; REMEMBERED],
}

impl<K, V> Default for RecentMap<K, V> {
    fn default() -> Self {
        Self {
            entries: IndexMap::default(),
            places: [const { Cell::new(0) }; REMEMBERED],
        }
    }
}

impl<K: Copy + Eq + Hash + Into<u128>, V> RecentMap<K, V> {
    /// Where a key is, if it was found there last.
    fn recent_index_of(&self, key: &K) -> Option<usize> {
        let low: u128 = (*key).into();
        let place = self.places.get(low as usize % REMEMBERED)?.get();
        let (known, _) = self.entries.get_index(place)?;
        (known == key).then_some(place)
    }

    fn remember(&self, key: &K, place: usize) {
        let low: u128 = (*key).into();
        if let Some(remembered) = self.places.get(low as usize % REMEMBERED) {
            remembered.set(place);
        }
    }

    pub(crate) fn get_index_of(&self, key: &K) -> Option<usize> {
        self.recent_index_of(key).or_else(|| {
            let place = self.entries.get_index_of(key)?;
            self.remember(key, place);
            Some(place)
        })
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.get_index_of(key).is_some()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let at = self.entries.get_index(self.get_index_of(key)?);
        at.map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.get_index_of(key)?;
        let at = self.entries.get_index_mut(place);
        at.map(|(_, value)| value)
    }

    /// Gives the value that was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(place) = self.recent_index_of(&key)
            && let Some((_, known)) = self.entries.get_index_mut(place)
        {
            return Some(core::mem::replace(known, value));
        }
        let (place, before) = self.entries.insert_full(key, value);
        self.remember(&key, place);
        before
    }
}

/// All else is as it is of any map.
impl<K, V> Deref for RecentMap<K, V> {
    type Target = IndexMap<K, V, RandomState>;

    fn deref(&self) -> &Self::Target {
        &self.entries
    }
}

impl<K, V> DerefMut for RecentMap<K, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.entries
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Keys that share what is remembered, come, go and come into each other's places.
    #[test]
    fn it_is_a_map_whatever_is_remembered() {
        let (mut map, mut model) = (RecentMap::default(), BTreeMap::new());
        // Numbers of no pattern, the same in each run.
        let mut state = 1_u32;
        for step in 0..20_000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (state >> 8) % 5 * 64 + (state >> 16) % 3;
            match (state >> 24) % 4 {
                0 => assert_eq!(map.swap_remove(&key), model.remove(&key)),
                1 => assert_eq!(map.insert(key, step), model.insert(key, step)),
                2 => {
                    let (one, other) = (map.get_mut(&key), model.get_mut(&key));
                    assert_eq!(one, other);
                    if let (Some(one), Some(other)) = (one, other) {
                        (*one, *other) = (step, step);
                    }
                }
                _ => assert_eq!(map.contains_key(&key), model.contains_key(&key)),
            }
            assert_eq!(map.get(&key), model.get(&key));
            assert_eq!(map.len(), model.len());
        }
    }
}
