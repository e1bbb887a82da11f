//! From home address to binding: tags that say where, and slots of one cache line.
//!
//! A key stands in one of the fourteen slots of the group of its hash, or of a group behind it, as near as there was a vacant one. A
//! lookup compares the tags of the group, of which a cache line holds those of four groups, and so knows the one line that it needs:
//! few keys share a tag, and few go past their group. A group counts the keys that went past it when they came; a lookup goes on
//! behind a group while that count is not zero, so that a removal leaves nothing behind that would have to be walked over, and a key
//! that is there is never missed.
//!
//! Which group is a key's depends on how many are in use ([`crate::extent`]). A key that gets another one is copied there before that,
//! and goes from where it was when nobody can look for it there any more ([`crate::home_growth`]).

use crate::address_words::AddressWords;
use crate::anchors::Anchors;
use crate::extent::Extent;
use crate::group::{GROUP_SLOTS, Group};
use crate::hash::Hash;
use crate::layout::Region;
use crate::slot::{SLOT_PAST_WORDS, Slot, State, StateWord};
use crate::sync::{AtomicU64, Ordering};
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

/// The group of a key, and its tag there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) place: u32,
    pub(crate) tag: u8,
}

/// Where a home address will be looked for, see [`crate::Reader::expect_home`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomePlace(pub(crate) Place);

impl HomePlace {
    /// Of no address.
    #[must_use]
    pub const fn none() -> Self {
        Self(Place {
            place: u32::MAX,
            tag: 0,
        })
    }
}

/// The first slot of a group.
#[inline(always)]
pub(crate) fn first_slot(group: u32) -> u32 {
    group.wrapping_mul(GROUP_SLOTS)
}

/// The slot where a home address most likely is: see [`crate::Reader::expect_binding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomeCandidate(pub(crate) u32);

impl HomeCandidate {
    /// Of no address.
    #[must_use]
    pub const fn none() -> Self {
        Self(u32::MAX)
    }
}

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

    pub(crate) fn past(self, index: u32) -> Option<&'a [AtomicU64; SLOT_PAST_WORDS]> {
        self.0.slot(&self.0.layout.home_pasts, index)
    }

    #[inline(always)]
    pub(crate) fn group(self, index: u32) -> Option<Group<'a>> {
        self.0.home_groups().get(index as usize).map(Group)
    }

    #[inline(always)]
    pub(crate) fn groups(self) -> u32 {
        self.0.layout.home_groups.slots()
    }

    #[inline(always)]
    fn place(self, key: AddressWords) -> Place {
        self.place_in(self.0.home_extent(), key)
    }

    /// The place of a key while so many groups are in use.
    #[inline(always)]
    pub(crate) fn place_in(self, extent: Extent, AddressWords(key): AddressWords) -> Place {
        let hash = Hash::new(&self.0.seed, key);
        Place {
            place: extent.place(hash, self.0.layout.first_groups),
            tag: hash.tag(),
        }
    }

    /// The group behind this one.
    #[inline(always)]
    pub(crate) fn next(self, group: u32) -> u32 {
        let next = group.wrapping_add(1);
        if next < self.groups() { next } else { 0 }
    }

    /// The entry of a key, if it stands in this slot.
    #[inline(always)]
    fn entry(self, slot: u32, key: AddressWords) -> Option<HomeEntry> {
        let words = self.slot(slot)?;
        let state = words.state();
        (state.is_occupied() && words.is(key)).then_some(HomeEntry { slot, state })
    }

    /// Looks up a key that is expected in a slot.
    #[inline(always)]
    pub(crate) fn find_at(
        self,
        key: AddressWords,
        HomeCandidate(slot): HomeCandidate,
    ) -> Option<HomeEntry> {
        match self.entry(slot, key) {
            None => self.find_elsewhere(key),
            entry => entry,
        }
    }

    /// Looks for a key wherever it may be.
    #[inline(never)]
    fn find_elsewhere(self, key: AddressWords) -> Option<HomeEntry> {
        self.find_from(self.place(key), key)
    }

    /// Looks for a key in a group and behind it.
    #[inline]
    pub(crate) fn find_from(
        self,
        Place { mut place, tag }: Place,
        key: AddressWords,
    ) -> Option<HomeEntry> {
        // No way is longer than the table; the bound holds even where counts were overwritten.
        for _ in 0..self.groups() {
            let mut candidates = self.group(place)?.candidates(tag);
            let first = place.wrapping_mul(GROUP_SLOTS);
            let found = candidates.find_map(|slot| self.entry(first.wrapping_add(slot), key));
            if found.is_some() || !candidates.is_passed() {
                return found;
            }
            place = self.next(place);
        }
        None
    }

    /// Looks up one key.
    #[inline]
    pub(crate) fn find(self, key: &[u8; 16]) -> Option<HomeEntry> {
        self.find_elsewhere(AddressWords::from(*key))
    }

    /// The entry of a slot as it is now: what makes space may have made a binding plain. Writer only.
    pub(crate) fn now(self, entry: &HomeEntry) -> HomeEntry {
        HomeEntry {
            slot: entry.slot,
            state: self.slot(entry.slot).map_or(entry.state, Slot::state),
        }
    }

    /// [`HomeTable::find_elsewhere`], with the slot. The words of the key by themselves, so that a caller has them in registers.
    #[cold]
    #[inline(never)]
    pub(crate) fn find_slot_elsewhere(
        self,
        first: u64,
        second: u64,
    ) -> Option<(Slot<'a>, StateWord)> {
        let entry = self.find_elsewhere(AddressWords([first, second]))?;
        Some((self.slot(entry.slot)?, entry.state))
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
        self.claim_from(self.place(key), key)
    }

    /// The same, in a group or behind it.
    pub(crate) fn claim_from(
        self,
        Place { place: start, tag }: Place,
        key: AddressWords,
    ) -> Option<u32> {
        let mut place = start;
        for way in 0..self.groups() {
            let first = place.wrapping_mul(GROUP_SLOTS);
            for (slot, number) in (first..).zip(0..GROUP_SLOTS) {
                let words = self.slot(slot)?;
                if !words.state().is_occupied() && !words.is_resting() {
                    // Before the key can be found, its way must be known.
                    self.walk(start, way, Group::pass);
                    words.set_key(key);
                    self.group(place)?.set_tag(number, tag);
                    return Some(slot);
                }
            }
            place = self.next(place);
        }
        None
    }

    /// Has nobody find the binding in this slot any more. The slot rests until [`Slot::vacate`]. Writer only.
    pub(crate) fn remove(self, slot: u32) {
        let Some(words) = self.slot(slot) else { return };
        let start = self.place(words.key()).place;
        words.rest();
        self.leave(slot, start);
    }

    /// Takes away what leads from a group to this slot. Writer only.
    pub(crate) fn leave(self, slot: u32, start: u32) {
        let place = slot / GROUP_SLOTS;
        if let Some(group) = self.group(place) {
            group.set_tag(slot % GROUP_SLOTS, 0);
        }
        let way = match place.checked_sub(start) {
            Some(way) => way,
            None => place.saturating_add(self.groups().saturating_sub(start)),
        };
        self.walk(start, way, Group::unpass);
    }

    /// Does something to `way` groups from `place` on.
    fn walk(self, mut place: u32, way: u32, each: impl Fn(Group<'a>)) {
        for _ in 0..way {
            if let Some(group) = self.group(place) {
                each(group);
            }
            place = self.next(place);
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
        // A tunnel into itself is not for those who do not look: RFC 2473 §4.1.2.
        let care_of = AddressWords::from(template.destination);
        if template.source == template.destination || slot.key() == care_of {
            return false;
        }
        slot.set_plain(care_of, template.generation);
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

    /// Every binding, once. Writer only.
    pub(crate) fn entries(self) -> impl Iterator<Item = HomeEntry> + 'a {
        self.occupied()
            .filter(move |entry| self.is_current(entry.slot))
    }

    /// Every slot with a binding, also one that is on its way from or to another slot. Writer only.
    pub(crate) fn occupied(self) -> impl Iterator<Item = HomeEntry> + 'a {
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
