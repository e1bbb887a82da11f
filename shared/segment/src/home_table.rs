//! From home address to binding: open addressing over slots of one cache line.
//!
//! Slots stand in pairs. A key stands in the pair of its hash, or in one behind it, as near as there was a vacant slot; a lookup has
//! both lines of the pair come at once and compares both, since which of the two it is nobody could guess. A pair counts the keys
//! that went past it when they came; a lookup goes on behind a pair while that count is not zero, so that a removal leaves nothing
//! behind that would have to be walked over, and a key that is there is never missed. Nothing ever moves. With 60 slots in 100
//! occupied, nine keys in ten stand in their own pair.

use crate::address_words::AddressWords;
use crate::anchors::Anchors;
use crate::hash;
use crate::layout::Region;
use crate::slot::{SLOT_PAST_WORDS, Slot, State, StateWord};
use crate::sync::{AtomicU64, Ordering, prefetch};
use crate::template::Template;
use crate::view::View;

/// A binding found, good until the worker's next quiescent point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomeEntry {
    /// The home address's slot.
    pub(crate) slot: u32,
    /// What its state was.
    pub(crate) state: StateWord,
}

impl HomeEntry {
    /// The flow set of the binding, see [`crate::Reader::flow_set`]; most have none.
    #[must_use]
    #[inline(always)]
    pub fn flows(&self) -> Option<u32> {
        self.state.flows()
    }
}

/// The tunnel of a plain binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainTunnel {
    /// Outer source: the anchor.
    pub anchor: AddressWords,
    /// Outer destination: the care-of address.
    pub care_of: AddressWords,
    /// Index of the next hop towards the care-of address.
    pub next_hop: u32,
    /// Largest inner packet in octets.
    pub mtu: u16,
}

/// Where a home address will be looked for first: see [`crate::Reader::expect_home`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HomePlace(u32);

/// The home table of a view.
#[derive(Clone, Copy)]
pub(crate) struct HomeTable<'a>(pub(crate) &'a View);

impl<'a> HomeTable<'a> {
    #[inline(always)]
    fn region(self) -> &'a Region {
        &self.0.layout.homes
    }

    #[inline(always)]
    pub(crate) fn slot(self, index: u32) -> Option<Slot<'a>> {
        self.0.homes().get(index as usize).map(Slot)
    }

    fn past(self, index: u32) -> Option<&'a [AtomicU64; SLOT_PAST_WORDS]> {
        self.0.slot(&self.0.layout.home_pasts, index)
    }

    /// The pair at `index`, which is even.
    #[inline(always)]
    fn pair(self, index: u32) -> Option<[Slot<'a>; 2]> {
        let [first, second] = self.0.homes().get(index as usize..)?.first_chunk()?;
        Some([Slot(first), Slot(second)])
    }

    #[inline(always)]
    fn pairs(self) -> u32 {
        self.region().slots() / 2
    }

    /// The first slot of a key's pair.
    #[inline(always)]
    fn place(self, AddressWords(key): AddressWords) -> u32 {
        hash::place(&self.0.seed, key, self.pairs()) * 2
    }

    /// The pair behind this one.
    #[inline(always)]
    fn next(self, index: u32) -> u32 {
        let next = index.wrapping_add(2);
        if next < self.region().slots() { next } else { 0 }
    }

    /// The entry of a key that stands in this pair.
    #[inline(always)]
    fn entry(self, index: u32, pair: [Slot<'a>; 2], key: AddressWords) -> Option<HomeEntry> {
        let [first, second] = pair;
        let states = [first.state(), second.state()];
        let is_first = states[0].is_occupied() & first.is(key);
        let is_second = states[1].is_occupied() & second.is(key);
        (is_first | is_second).then(|| HomeEntry {
            slot: index + u32::from(is_second),
            state: if is_second { states[1] } else { states[0] },
        })
    }

    /// Has the pair of a key come nearer.
    #[inline(always)]
    pub(crate) fn expect(self, key: AddressWords) -> HomePlace {
        let place = self.place(key);
        if let Some([first, second]) = self.pair(place) {
            prefetch(&first.0[0]);
            prefetch(&second.0[0]);
        }
        HomePlace(place)
    }

    /// Looks up a key whose place is known.
    #[inline(always)]
    pub(crate) fn find_at(self, key: AddressWords, place: HomePlace) -> Option<HomeEntry> {
        let pair = self.pair(place.0)?;
        match self.entry(place.0, pair, key) {
            None if pair[0].is_passed() => self.find_behind(key, place.0),
            entry => entry,
        }
    }

    /// Looks on for a key that does not stand in the pair at `index`.
    #[inline(never)]
    fn find_behind(self, key: AddressWords, mut index: u32) -> Option<HomeEntry> {
        // No way is longer than the table; the bound holds even where counts were overwritten.
        for _ in 0..self.pairs() {
            index = self.next(index);
            let pair = self.pair(index)?;
            let entry = self.entry(index, pair, key);
            if entry.is_some() || !pair[0].is_passed() {
                return entry;
            }
        }
        None
    }

    /// Looks up one key.
    #[inline]
    pub(crate) fn find(self, key: &[u8; 16]) -> Option<HomeEntry> {
        let key = AddressWords::from(*key);
        self.find_at(key, HomePlace(self.place(key)))
    }

    /// The entry of a slot as it is now: what makes space may have made a binding plain. Writer only.
    pub(crate) fn now(self, entry: &HomeEntry) -> HomeEntry {
        HomeEntry {
            slot: entry.slot,
            state: self.slot(entry.slot).map_or(entry.state, Slot::state),
        }
    }

    /// The tunnel that stands in the slot itself.
    #[inline(always)]
    pub(crate) fn plain(self, entry: &HomeEntry) -> Option<PlainTunnel> {
        let plain = entry.state.plain()?;
        Some(PlainTunnel {
            anchor: Anchors(self.0).get(plain.anchor)?,
            care_of: self.slot(entry.slot)?.care_of(),
            next_hop: plain.next_hop,
            mtu: plain.mtu,
        })
    }

    /// What an entry says of the binding's tunnel.
    #[inline]
    pub(crate) fn tunnel(self, entry: &HomeEntry) -> Option<Template> {
        match entry.state.state()? {
            State::Plain(plain) => {
                let slot = self.slot(entry.slot)?;
                let past = match plain.has_previous {
                    true => self.past(entry.slot),
                    false => None,
                };
                let past = |word: usize| past.map_or(0, |past| past[word].load(Ordering::Relaxed));
                Some(Template::plain(
                    Anchors(self.0).get(plain.anchor)?.octets(),
                    slot.care_of().octets(),
                    plain,
                    slot.generation(),
                    (AddressWords([past(0), past(1)]).octets(), past(2)),
                ))
            }
            State::ByTemplate { template, .. } => self.0.load_template(template),
        }
    }

    /// Puts `key`, which is not there, into a vacant slot that its lookups will come to; the binding is not to be found yet. Writer
    /// only.
    pub(crate) fn claim(self, key: &[u8; 16]) -> Option<u32> {
        let key = AddressWords::from(*key);
        let start = self.place(key);
        let mut index = start;
        for way in 0..self.pairs() {
            for (slot, index) in self.pair(index)?.into_iter().zip(index..) {
                if !slot.state().is_occupied() && !slot.is_resting() {
                    // Before the key can be found, its way must be known.
                    self.walk(start, way, Slot::pass);
                    slot.set_key(key);
                    return Some(index);
                }
            }
            index = self.next(index);
        }
        None
    }

    /// Has nobody find the binding in slot `index` any more. The slot rests until [`Slot::vacate`]. Writer only.
    pub(crate) fn remove(self, index: u32) {
        let Some(slot) = self.slot(index) else { return };
        let start = self.place(slot.key());
        slot.rest();
        let (pair, start) = (index / 2, start / 2);
        let way = if pair >= start {
            pair - start
        } else {
            pair + (self.pairs() - start)
        };
        self.walk(start * 2, way, Slot::unpass);
    }

    /// Does something to the first slots of `way` pairs from `start` on.
    fn walk(self, start: u32, way: u32, each: impl Fn(Slot<'a>)) {
        let mut index = start;
        for _ in 0..way {
            if let Some(slot) = self.slot(index) {
                each(slot);
            }
            index = self.next(index);
        }
    }

    /// Writes a tunnel into a slot where no worker looks for one, and makes it current; `false` where it has more to it than a slot
    /// has room for. Writer only.
    pub(crate) fn settle(self, index: u32, template: &Template) -> bool {
        let (Some(slot), Some(past)) = (self.slot(index), self.past(index)) else {
            return false;
        };
        let Some(plain) = template.as_plain(|address| Anchors(self.0).number(address.into()))
        else {
            return false;
        };
        slot.set_plain(template.destination.into(), template.generation);
        let [high, low] = AddressWords::from(template.previous_care_of).0;
        for (word, value) in past.iter().zip([high, low, template.previous_until_ns]) {
            word.store(value, Ordering::Relaxed);
        }
        slot.set_state(State::Plain(plain));
        true
    }

    /// The key of an occupied slot. Writer only.
    pub(crate) fn key(self, index: u32) -> Option<[u8; 16]> {
        Some(self.slot(index)?.key().octets())
    }

    /// Every binding that readers can reach. Writer only.
    pub(crate) fn entries(self) -> impl Iterator<Item = HomeEntry> + 'a {
        (0..self.region().slots()).filter_map(move |index| {
            let state = self.slot(index)?.state();
            state
                .is_occupied()
                .then_some(HomeEntry { slot: index, state })
        })
    }

    /// The slots that wait for the workers. Writer only.
    pub(crate) fn resting(self) -> impl Iterator<Item = u32> + 'a {
        (0..self.region().slots())
            .filter(move |index| self.slot(*index).is_some_and(Slot::is_resting))
    }
}
