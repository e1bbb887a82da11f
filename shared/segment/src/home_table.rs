//! From home address to template.
//!
//! A record holds the key and the index of the binding's template; a bucket points to the records of its keys. What does
//! not fit into a bucket hangs on its overflow chain, linked through the records themselves, so an insertion needs nothing
//! that could run out but the record. Nothing ever moves, and an unlinked record keeps its link until it is reused, so a
//! reader on it still arrives at the end of the chain.

use crate::bucket::{Bucket, Candidates};
use crate::hash::{HashedKey, hash};
use crate::layout::{BUCKET_WORDS, RECORD_WORDS, TEMPLATE_WORDS};
use crate::sync::{AtomicU64, Ordering, prefetch};
use crate::view::{View, address_octets, address_words};

/// A binding found: indices that are good until the worker's next quiescent point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomeEntry {
    /// The home address's record.
    pub record: u32,
    /// Its template, see [`crate::Reader::template`].
    pub template: u32,
    /// Its flow set, see [`crate::Reader::flow_set`]; most have none.
    pub flows: Option<u32>,
}

const RECORD_KEY: usize = 0;
/// The template, and in the high half the flow set + 1: one load for both.
const RECORD_TEMPLATE: usize = 2;
/// The high half of that word.
const FLOWS: u64 = 0xffff_ffff << 32;
const RECORD_NEXT: usize = 3;

/// Keys that a batched lookup has in flight at once.
const STAGE: usize = 32;

/// How a record is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this slot of its bucket.
    Slot(u32),
    /// First of the bucket's overflow chain.
    First,
    /// Behind this record of the chain.
    After(u32),
}

/// The home table of a view.
#[derive(Clone, Copy)]
pub(crate) struct HomeTable<'a>(pub(crate) &'a View);

impl<'a> HomeTable<'a> {
    #[inline(always)]
    fn hash(self, key: [u64; 2]) -> HashedKey {
        hash(&self.0.seed, key, self.0.layout.buckets.slots())
    }

    #[inline(always)]
    pub(crate) fn bucket(self, index: u32) -> Option<Bucket<'a>> {
        self.0
            .slot::<BUCKET_WORDS>(&self.0.layout.buckets, index)
            .map(Bucket)
    }

    #[inline(always)]
    fn record(self, index: u32) -> Option<&'a [AtomicU64; RECORD_WORDS]> {
        self.0.slot(&self.0.layout.records, index)
    }

    #[inline(always)]
    fn holds(self, record: u32, key: [u64; 2]) -> Option<HomeEntry> {
        entry_of(self.record(record)?, record, key)
    }

    /// The record behind `record` in its chain.
    #[inline(always)]
    pub(crate) fn next(self, record: u32) -> Option<u32> {
        let next = self.record(record)?[RECORD_NEXT].load(Ordering::Acquire) as u32;
        next.checked_sub(1)
    }

    /// The last stage of a lookup: the keys decide.
    #[inline(always)]
    fn resolve(
        self,
        bucket: Bucket<'_>,
        mut candidates: Candidates,
        key: [u64; 2],
    ) -> Option<(HomeEntry, Place)> {
        for slot in candidates.by_ref() {
            if let Some(entry) = self.holds(bucket.record(slot), key) {
                return Some((entry, Place::Slot(slot)));
            }
        }
        let mut place = Place::First;
        let mut next = candidates.overflow();
        // A chain is no longer than there are records; the bound holds even for one that was overwritten with a circle.
        for _ in 0..self.0.layout.records.count {
            let record = next?;
            if let Some(entry) = self.holds(record, key) {
                return Some((entry, place));
            }
            place = Place::After(record);
            next = self.next(record);
        }
        None
    }

    /// Looks up one key.
    #[inline]
    pub(crate) fn find(self, key: &[u8; 16]) -> Option<(HomeEntry, Place)> {
        let key = address_words(key);
        let hashed = self.hash(key);
        let bucket = self.bucket(hashed.bucket)?;
        self.resolve(bucket, bucket.candidates(hashed.tag), key)
    }

    /// Looks up a batch in stages, so that the cache misses of all its keys overlap: hash and touch the buckets; compare
    /// tags and touch the records; compare keys and touch the templates.
    pub(crate) fn find_batch(self, keys: &[[u8; 16]], out: &mut [Option<HomeEntry>]) {
        for (keys, out) in keys.chunks(STAGE).zip(out.chunks_mut(STAGE)) {
            let mut buckets: [Option<(Bucket<'_>, u8)>; STAGE] = [None; STAGE];
            for (key, place) in keys.iter().zip(&mut buckets) {
                let hashed = self.hash(address_words(key));
                *place = self
                    .bucket(hashed.bucket)
                    .map(|bucket| (bucket, hashed.tag));
                if let Some((bucket, _)) = place {
                    prefetch(&bucket.0[0]);
                }
            }
            let mut firsts = [None; STAGE];
            for (bucket, first) in buckets.iter().zip(&mut firsts).take(keys.len()) {
                let Some((bucket, tag)) = bucket else {
                    continue;
                };
                let mut candidates = bucket.candidates(*tag);
                let index = match candidates.next() {
                    Some(slot) => Some(bucket.record(slot)),
                    None => candidates.overflow(),
                };
                *first = index.and_then(|index| Some((index, self.record(index)?)));
                if let Some((_, record)) = first {
                    prefetch(&record[RECORD_KEY]);
                }
            }
            for (((key, bucket), first), out) in keys.iter().zip(&buckets).zip(&firsts).zip(out) {
                *out = None;
                let Some((index, record)) = first else {
                    continue;
                };
                let key = address_words(key);
                let entry = entry_of(record, *index, key)
                    // Another key with the same tag.
                    .or_else(|| self.find_again(*bucket, key));
                if let Some(entry) = entry {
                    *out = Some(entry);
                    let templates = &self.0.layout.templates;
                    if let Some(words) = self.0.slot::<TEMPLATE_WORDS>(templates, entry.template) {
                        prefetch(&words[0]);
                    }
                }
            }
        }
    }

    /// A lookup whose first candidate was none.
    #[cold]
    fn find_again(self, bucket: Option<(Bucket<'_>, u8)>, key: [u64; 2]) -> Option<HomeEntry> {
        let (bucket, tag) = bucket?;
        self.resolve(bucket, bucket.candidates(tag), key)
            .map(|(entry, _)| entry)
    }

    /// The key of a record. Writer only.
    pub(crate) fn key(self, record: u32) -> Option<[u8; 16]> {
        let words = self.record(record)?;
        Some(address_octets(
            [0, 1].map(|n| words[RECORD_KEY + n].load(Ordering::Relaxed)),
        ))
    }

    /// The template of a record. Writer only.
    pub(crate) fn template(self, record: u32) -> Option<u32> {
        Some(self.record(record)?[RECORD_TEMPLATE].load(Ordering::Relaxed) as u32)
    }

    /// The one store of a handoff: from now on the binding's packets use `template`, which must be complete.
    pub(crate) fn set_template(self, record: u32, template: u32) {
        if let Some(words) = self.record(record) {
            // Only the writer stores, so that nothing comes between load and store.
            let flows = words[RECORD_TEMPLATE].load(Ordering::Relaxed) & FLOWS;
            words[RECORD_TEMPLATE].store(flows | u64::from(template), Ordering::Release);
        }
    }

    /// The flow set of a record. Writer only.
    pub(crate) fn flows(self, record: u32) -> Option<u32> {
        flows(self.record(record)?[RECORD_TEMPLATE].load(Ordering::Relaxed))
    }

    /// The one store of a rule change: from now on the binding's packets obey `set`, which must be complete.
    pub(crate) fn set_flows(self, record: u32, set: Option<u32>) {
        if let Some(words) = self.record(record) {
            let template = words[RECORD_TEMPLATE].load(Ordering::Relaxed) & !FLOWS;
            words[RECORD_TEMPLATE].store(link(set) << 32 | template, Ordering::Release);
        }
    }

    /// Writes `record`, which no reader can reach, and then makes it reachable.
    pub(crate) fn insert(self, key: &[u8; 16], record: u32, template: u32) {
        let key = address_words(key);
        let hashed = self.hash(key);
        let (Some(bucket), Some(words)) = (self.bucket(hashed.bucket), self.record(record)) else {
            return;
        };
        words[RECORD_KEY].store(key[0], Ordering::Relaxed);
        words[RECORD_KEY + 1].store(key[1], Ordering::Relaxed);
        words[RECORD_TEMPLATE].store(u64::from(template), Ordering::Release);
        words[RECORD_NEXT].store(0, Ordering::Relaxed);
        if bucket.insert(hashed.tag, record) {
            return;
        }
        let first = bucket.occupied().overflow();
        words[RECORD_NEXT].store(link(first), Ordering::Relaxed);
        bucket.set_overflow(Some(record));
    }

    /// Makes the record of `key`, found at `place`, unreachable. It must not be written before quiescence.
    pub(crate) fn remove(self, key: &[u8; 16], record: u32, place: Place) {
        let hashed = self.hash(address_words(key));
        let Some(bucket) = self.bucket(hashed.bucket) else {
            return;
        };
        match place {
            Place::Slot(slot) => bucket.clear(slot),
            Place::First => bucket.set_overflow(self.next(record)),
            Place::After(before) => {
                if let Some(words) = self.record(before) {
                    words[RECORD_NEXT].store(link(self.next(record)), Ordering::Release);
                }
            }
        }
    }

    /// Every record that readers can reach. Writer only.
    pub(crate) fn records(self) -> impl Iterator<Item = u32> + 'a {
        (0..self.0.layout.buckets.slots())
            .filter_map(move |index| self.bucket(index))
            .flat_map(move |bucket| {
                let occupied = bucket.occupied();
                let chain =
                    core::iter::successors(occupied.overflow(), move |record| self.next(*record))
                        .take(self.0.layout.records.count);
                occupied.map(move |slot| bucket.record(slot)).chain(chain)
            })
    }
}

/// What the words of `record` say, if they are those of `key`.
#[inline(always)]
fn entry_of(words: &[AtomicU64; RECORD_WORDS], record: u32, key: [u64; 2]) -> Option<HomeEntry> {
    let same = words[RECORD_KEY].load(Ordering::Relaxed) == key[0]
        && words[RECORD_KEY + 1].load(Ordering::Relaxed) == key[1];
    same.then(|| {
        let word = words[RECORD_TEMPLATE].load(Ordering::Acquire);
        HomeEntry {
            record,
            template: word as u32,
            flows: flows(word),
        }
    })
}

/// The flow set in the word that names template and flow set.
#[inline(always)]
fn flows(word: u64) -> Option<u32> {
    ((word >> 32) as u32).checked_sub(1)
}

fn link(record: Option<u32>) -> u64 {
    record.map_or(0, |record| u64::from(record) + 1)
}
