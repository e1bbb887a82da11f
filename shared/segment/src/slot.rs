//! One bound home address: a cache line, in which a packet finds all that it needs.
//!
//! ```text
//! words 0, 1   the home address
//! words 2, 3   the care-of address        ┐ of a plain binding
//! word 4       generation                 ┘
//! word 5       state: vacant, resting, plain, or by template
//! word 6       packets carried in either direction
//! word 7       octets of them
//! ```
//!
//! A **plain** binding has nothing but a tunnel, which stands here: one miss, not two. A binding that is limited, tested or has
//! flow rules names a template instead, and so does one that has just been handed off: the new tunnel is a template that the one
//! store to word 5 makes current. When every worker has been quiescent since, nobody reads words 2 to 4 any more; the writer puts
//! the tunnel there and makes the binding plain again by a second store. A reader looks at word 5 once and then at the words
//! that it says are good, so that it never waits and never sees half a tunnel.

use crate::address_words::AddressWords;
use crate::carried::{Carried, Tally};
use crate::hash_table::HashSlot;
use crate::sync::{AtomicU64, LINE_WORDS, Ordering};

/// Words of a slot.
pub(crate) const SLOT_WORDS: usize = LINE_WORDS;
/// Words of a plain binding's past: the previous care-of address, and until when it is good.
pub(crate) const SLOT_PAST_WORDS: usize = 3;

pub(crate) const KEY: usize = 0;
pub(crate) const CARE_OF: usize = 2;
const GENERATION: usize = 4;
const STATE: usize = 5;
const PACKETS: usize = 6;
const OCTETS: usize = 7;

/// The kind of a state, in its highest bits.
const KIND_SHIFT: u32 = 62;
const KIND: u64 = 0b11 << KIND_SHIFT;
const PLAIN: u64 = 0b01 << 62;
const BY_TEMPLATE: u64 = 0b10 << 62;
/// Vacant, but somebody may still be looking at what was there.
const RESTING: u64 = 0b11 << 62;
/// Of a plain binding: there is a previous care-of address.
const PREVIOUS: u64 = 1 << 61;

/// What the state word of an occupied slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The tunnel stands in the slot.
    Plain(Plain),
    /// The tunnel is a template.
    ByTemplate { template: u32, flows: Option<u32> },
}

/// The numbers of a plain binding's tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) next_hop: u32,
    pub(crate) mtu: u16,
    /// Position of the outer source in the table of anchor addresses.
    pub(crate) anchor: u8,
    /// There is a previous care-of address.
    pub(crate) has_previous: bool,
}

/// A state word as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateWord(pub(crate) u64);

impl StateWord {
    #[inline(always)]
    pub(crate) const fn is_occupied(self) -> bool {
        // Plain and by template are the two kinds whose bits differ.
        (self.0 ^ self.0 << 1) >> 63 == 1
    }

    #[inline(always)]
    pub(crate) const fn plain(self) -> Option<Plain> {
        // By a shift: the masks would be two constants of eight octets.
        if self.0 >> KIND_SHIFT != PLAIN >> KIND_SHIFT {
            return None;
        }
        Some(Plain {
            next_hop: self.0 as u32,
            mtu: (self.0 >> 32) as u16,
            anchor: (self.0 >> 48) as u8,
            has_previous: self.0 & PREVIOUS != 0,
        })
    }

    pub(crate) fn state(self) -> Option<State> {
        match self.0 & KIND {
            PLAIN => self.plain().map(State::Plain),
            BY_TEMPLATE => Some(State::ByTemplate {
                template: self.0 as u32,
                flows: self.flows(),
            }),
            _ => None,
        }
    }

    /// The flow set of a binding by template.
    #[inline(always)]
    pub(crate) fn flows(self) -> Option<u32> {
        match self.0 & KIND {
            BY_TEMPLATE => ((self.0 & !KIND) >> 32)
                .checked_sub(1)
                .map(|flows| flows as u32),
            _ => None,
        }
    }
}

impl From<State> for StateWord {
    fn from(state: State) -> Self {
        Self(match state {
            State::Plain(plain) => {
                PLAIN
                    | u64::from(plain.next_hop)
                    | u64::from(plain.mtu) << 32
                    | u64::from(plain.anchor) << 48
                    | if plain.has_previous { PREVIOUS } else { 0 }
            }
            State::ByTemplate { template, flows } => {
                let flows = flows.map_or(0, |flows| u64::from(flows) + 1);
                BY_TEMPLATE | flows << 32 | u64::from(template)
            }
        })
    }
}

/// A slot in the segment.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a>(pub(crate) &'a [AtomicU64; SLOT_WORDS]);

impl<'a> Slot<'a> {
    /// What the slot holds at this moment. What it says is good until the worker's next quiescent point.
    #[inline(always)]
    pub(crate) fn state(self) -> StateWord {
        StateWord(self.0[STATE].load(Ordering::Acquire))
    }

    /// Whether the key is this one: to be asked of an occupied slot.
    #[inline(always)]
    pub(crate) fn is(self, AddressWords(key): AddressWords) -> bool {
        (self.0[KEY].load(Ordering::Relaxed) ^ key[0])
            | (self.0[KEY + 1].load(Ordering::Relaxed) ^ key[1])
            == 0
    }

    /// The care-of address of a plain binding.
    #[inline(always)]
    pub(crate) fn care_of(self) -> AddressWords {
        AddressWords([
            self.0[CARE_OF].load(Ordering::Relaxed),
            self.0[CARE_OF + 1].load(Ordering::Relaxed),
        ])
    }

    /// The generation of a plain binding.
    pub(crate) fn generation(self) -> u64 {
        self.0[GENERATION].load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn tally(self) -> Tally<'a> {
        Tally {
            packets: &self.0[PACKETS],
            octets: &self.0[OCTETS],
        }
    }

    /// Counts a packet.
    #[inline(always)]
    pub(crate) fn carry(self, octets: u64) {
        self.tally().carry(octets);
    }

    /// Makes the binding of `other`, of the same key, this vacant slot's too. Gives what was carried so far. Writer only.
    pub(crate) fn copy(self, other: Slot<'_>) -> Carried {
        self.set_plain(other.care_of(), other.generation());
        let carried = other.carried();
        self.add_carried(carried);
        self.0[STATE].store(other.state().0, Ordering::Release);
        carried
    }

    /// Makes `state` current; what it says is good must be complete. Writer only.
    pub(crate) fn set_state(self, state: State) {
        self.0[STATE].store(StateWord::from(state).0, Ordering::Release);
    }

    /// Writes the tunnel of a slot that is vacant, or by template since before every worker's last quiescent point. Writer only.
    pub(crate) fn set_plain(self, AddressWords(care_of): AddressWords, generation: u64) {
        self.0[CARE_OF].store(care_of[0], Ordering::Relaxed);
        self.0[CARE_OF + 1].store(care_of[1], Ordering::Relaxed);
        self.0[GENERATION].store(generation, Ordering::Relaxed);
    }
}

impl HashSlot for Slot<'_> {
    type Key = AddressWords;

    fn key(self) -> AddressWords {
        AddressWords([KEY, KEY + 1].map(|word| self.0[word].load(Ordering::Relaxed)))
    }

    fn set_key(self, AddressWords(key): AddressWords) {
        for (word, value) in [(KEY, key[0]), (KEY + 1, key[1])] {
            self.0[word].store(value, Ordering::Relaxed);
        }
        self.tally().clear();
    }

    fn is_occupied(self) -> bool {
        self.state().is_occupied()
    }

    fn is_resting(self) -> bool {
        self.0[STATE].load(Ordering::Relaxed) & KIND == RESTING
    }

    fn rest(self) {
        self.0[STATE].store(RESTING, Ordering::Release);
    }

    fn vacate(self) {
        self.0[STATE].store(0, Ordering::Release);
    }

    fn carried(self) -> Carried {
        self.tally().get()
    }

    fn add_carried(self, more: Carried) {
        self.tally().add(more);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn states_survive_their_word() {
        let plain = |next_hop, mtu, anchor, has_previous| {
            State::Plain(Plain {
                next_hop,
                mtu,
                anchor,
                has_previous,
            })
        };
        for state in [
            plain(0, 0, 0, false),
            plain(u32::MAX, u16::MAX, u8::MAX, true),
            State::ByTemplate {
                template: 0,
                flows: None,
            },
            State::ByTemplate {
                template: u32::MAX,
                flows: Some((1 << 29) - 1),
            },
        ] {
            let word = StateWord::from(state);
            assert_eq!(word.state(), Some(state));
            assert!(word.is_occupied());
        }
        for word in [0, RESTING] {
            assert_eq!(StateWord(word).state(), None);
            assert!(!StateWord(word).is_occupied());
        }
    }
}
