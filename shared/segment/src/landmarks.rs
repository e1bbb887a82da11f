//! The anchors and the pools: what a worker compares addresses with before it looks at the route table.
//!
//! There are few of them, and nearly every packet is to one of the two. The writer keeps a list of them beside the route table, and a
//! worker has a copy, which it renews between batches when the list has another number. The list is a hint about the route table and
//! nothing more: it names a prefix with the action that the table has for it, and longer prefixes may say otherwise for a part of it.

use crate::address_words::AddressWords;
use crate::layout::header_word;
use crate::route::RouteAction;
use crate::route_table::Prefix;
use crate::sync::{AtomicU64, Ordering, fence};
use crate::view::View;

/// Anchor addresses in the list.
const MAX_ANCHORS: usize = 8;
/// Pools in the list.
const MAX_POOLS: usize = 8;
/// Words of an entry: two of the address and two of its mask, octets in place.
pub(crate) const LANDMARK_WORDS: usize = 4;
/// Entries of the list, after one with the counts.
pub(crate) const LANDMARK_ENTRIES: usize = 1 + MAX_ANCHORS + MAX_POOLS;

/// An address and its mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    value: [u64; 2],
    mask: [u64; 2],
}

impl Range {
    /// No address is in it: a bit that does not count should be set.
    const NOTHING: Self = Self {
        value: [1, 0],
        mask: [0, 0],
    };

    fn of((start, len): Prefix) -> Self {
        let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
        let in_place = |bits: u128| AddressWords::from(bits.to_be_bytes()).0;
        Self {
            value: in_place(start & mask),
            mask: in_place(mask),
        }
    }

    /// Whether all of its addresses begin with the same octet, and not with one of those of special addresses: unspecified, loopback,
    /// link-local and multicast.
    fn is_ordinary(&self) -> bool {
        let [mask, ..] = self.mask[0].to_ne_bytes();
        let [first, ..] = self.value[0].to_ne_bytes();
        mask == 0xff && !matches!(first, 0 | 0xfe | 0xff)
    }

    #[inline(always)]
    fn has(&self, AddressWords(address): AddressWords) -> bool {
        (address[0] & self.mask[0] ^ self.value[0]) | (address[1] & self.mask[1] ^ self.value[1])
            == 0
    }
}

/// Addresses whose first words have some bits in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hull {
    value: u64,
    mask: u64,
}

impl Hull {
    /// Of all addresses.
    const ALL: Self = Self { value: 0, mask: 0 };

    /// The least that has all of these in it.
    fn of(ranges: &[Range]) -> Self {
        let Some((first, others)) = ranges.split_first() else {
            return Self { value: 1, mask: 0 };
        };
        let [value, _] = first.value;
        let mask = others.iter().fold(first.mask[0], |mask, other| {
            mask & other.mask[0] & !(value ^ other.value[0])
        });
        Self {
            value: value & mask,
            mask,
        }
    }

    #[inline(always)]
    fn has(self, AddressWords([first, _]): AddressWords) -> bool {
        first & self.mask == self.value
    }
}

/// A worker's copy of the list.
#[derive(Debug, Clone)]
pub struct Landmarks {
    /// The number of the list that was copied; odd: none.
    version: u64,
    anchors: [Range; MAX_ANCHORS],
    pools: [Range; MAX_POOLS],
    /// Has all pools in it, and nearly no other address: its first word alone tells that it is in none.
    hull: Hull,
    /// There are no pools beside those.
    all_pools: bool,
}

impl Landmarks {
    /// A copy of nothing: no address is known.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            version: u64::MAX,
            anchors: [Range::NOTHING; MAX_ANCHORS],
            pools: [Range::NOTHING; MAX_POOLS],
            hull: Hull::ALL,
            all_pools: false,
        }
    }

    /// Whether the route of `address` is known to be [`RouteAction::Anchor`]. No special address's is.
    #[must_use]
    #[inline(always)]
    pub fn is_anchor(&self, address: AddressWords) -> bool {
        self.anchors.iter().any(|anchor| anchor.has(address))
    }

    /// Whether `address` lies in a pool that is in the list. No special address does.
    #[must_use]
    #[inline(always)]
    pub fn is_in_pool(&self, address: AddressWords) -> bool {
        self.pools.iter().any(|pool| pool.has(address))
    }

    /// Whether it is known that the route of `address` is not [`RouteAction::Pool`].
    #[must_use]
    #[inline(always)]
    pub fn is_outside(&self, address: AddressWords) -> bool {
        !self.hull.has(address) || self.all_pools && !self.is_in_pool(address)
    }

    /// Copies the list of `view` again if it has changed. A list that is being changed is not copied until the next time.
    #[inline]
    pub(crate) fn renew(&mut self, view: &View) {
        let Some(version) = view.word(header_word::LANDMARKS) else {
            return;
        };
        let current = version.load(Ordering::Acquire);
        if current != self.version {
            self.copy(view, version, current);
        }
    }

    #[cold]
    fn copy(&mut self, view: &View, version: &AtomicU64, current: u64) {
        *self = Self::none();
        if current % 2 == 1 {
            return;
        }
        let mut copy = Self::none();
        let entry = |index: usize| {
            let words = view.slot::<LANDMARK_WORDS>(&view.layout.landmarks, index as u32)?;
            let [value_0, value_1, mask_0, mask_1] =
                core::array::from_fn(|word| words[word].load(Ordering::Relaxed));
            Some(Range {
                value: [value_0, value_1],
                mask: [mask_0, mask_1],
            })
        };
        let Some(counts) = entry(0) else { return };
        let [anchors, pools] = counts.value.map(|count| count as usize);
        for (index, anchor) in copy.anchors.iter_mut().take(anchors).enumerate() {
            *anchor = entry(1 + index)
                .filter(Range::is_ordinary)
                .unwrap_or(Range::NOTHING);
        }
        for (index, pool) in copy.pools.iter_mut().take(pools).enumerate() {
            *pool = entry(1 + MAX_ANCHORS + index).unwrap_or(Range::NOTHING);
        }
        let listed = copy.pools.get(..pools).unwrap_or(&copy.pools);
        // Of a pool that is not ordinary the route table has to be asked, whatever the address.
        copy.all_pools = counts.mask[0] == 1 && listed.iter().all(Range::is_ordinary);
        match copy.all_pools {
            true => copy.hull = Hull::of(listed),
            false => copy.pools = [Range::NOTHING; MAX_POOLS],
        }
        // What was copied is a list only if it has the number still.
        fence(Ordering::Acquire);
        if version.load(Ordering::Relaxed) == current {
            copy.version = current;
            *self = copy;
        }
    }
}

/// Puts the list of these anchors and pools in place of the one before. Writer only.
pub(crate) fn publish<'a>(
    view: &View,
    routes: impl Iterator<Item = (&'a Prefix, &'a RouteAction)>,
) {
    let Some(version) = view.word(header_word::LANDMARKS) else {
        return;
    };
    let mut anchors = Vec::new();
    let mut pools = Vec::new();
    for (prefix, action) in routes {
        match action {
            // A shorter one may have something else inside.
            RouteAction::Anchor if prefix.1 == 128 => anchors.push(Range::of(*prefix)),
            RouteAction::Pool => pools.push(Range::of(*prefix)),
            _ => {}
        }
    }
    let all_pools = u64::from(pools.len() <= MAX_POOLS);
    anchors.truncate(MAX_ANCHORS);
    pools.truncate(MAX_POOLS);
    let changing = version.load(Ordering::Relaxed) | 1;
    version.store(changing, Ordering::Relaxed);
    fence(Ordering::Release);
    let put = |index: usize, range: &Range| {
        let slot = view.slot::<LANDMARK_WORDS>(&view.layout.landmarks, index as u32);
        let values = range.value.into_iter().chain(range.mask);
        for (word, value) in slot.into_iter().flatten().zip(values) {
            word.store(value, Ordering::Relaxed);
        }
    };
    let counts = Range {
        value: [anchors.len() as u64, pools.len() as u64],
        mask: [all_pools, 0],
    };
    put(0, &counts);
    for (index, range) in anchors.iter().enumerate() {
        put(1 + index, range);
    }
    for (index, range) in pools.iter().enumerate() {
        put(1 + MAX_ANCHORS + index, range);
    }
    version.store(changing.wrapping_add(1), Ordering::Release);
}
