//! From home address to binding.
//!
//! [`crate::hash_table`] says how a slot is found, [`crate::slot`] what is in it.

use crate::address_words::AddressWords;
use crate::anchors::Anchors;
use crate::carried::Carried;
use crate::group::{GROUP_SLOTS, Group};
use crate::hash::Hash;
use crate::hash_table::{HashSlot, HashTable, Place};
use crate::layout::header_word;
use crate::slot::{SLOT_PAST_WORDS, Slot, State, StateWord};
use crate::sync::{AtomicU64, Ordering};
use crate::table_growth::Grow;
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

impl<'a> HashTable<'a> for HomeTable<'a> {
    type Key = AddressWords;
    type Slot = Slot<'a>;

    #[inline(always)]
    fn extent_word(self) -> Option<&'a AtomicU64> {
        self.0.word(header_word::HOME_EXTENT)
    }

    #[inline(always)]
    fn first_groups(self) -> u32 {
        self.0.layout.first_home_groups
    }

    #[inline(always)]
    fn groups(self) -> u32 {
        self.0.layout.home_groups.slots()
    }

    #[inline(always)]
    fn group(self, index: u32) -> Option<Group<'a>> {
        self.0.home_groups().get(index as usize).map(Group)
    }

    #[inline(always)]
    fn slot(self, index: u32) -> Option<Slot<'a>> {
        self.0.homes().get(index as usize).map(Slot)
    }

    #[inline(always)]
    fn hash(self, AddressWords(key): AddressWords) -> Hash {
        Hash::new(&self.0.seed, key)
    }

    fn copy(self, from: u32, to: u32) -> Option<Carried> {
        for (new, old) in self.past(to)?.iter().zip(self.past(from)?) {
            new.store(old.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        Some(self.slot(to)?.copy(self.slot(from)?))
    }
}

impl<'a> HomeTable<'a> {
    fn past(self, index: u32) -> Option<&'a [AtomicU64; SLOT_PAST_WORDS]> {
        self.0.slot(&self.0.layout.home_pasts, index)
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

    /// Whether the binding in a slot has a flow set, whosever it is.
    #[inline(always)]
    pub(crate) fn may_have_flows(self, HomeCandidate(slot): HomeCandidate) -> bool {
        self.slot(slot)
            .is_some_and(|slot| slot.state().flows().is_some())
    }

    /// Looks for a key wherever it may be.
    #[inline(never)]
    fn find_elsewhere(self, key: AddressWords) -> Option<HomeEntry> {
        self.search(self.place(key), |slot| self.entry(slot, key))
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
            .filter(move |slot| self.is_current(*slot))
            .filter_map(move |slot| {
                let state = self.slot(slot)?.state();
                Some(HomeEntry { slot, state })
            })
    }
}
