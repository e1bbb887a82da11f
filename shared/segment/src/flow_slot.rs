//! One exact flow of a home address: a cache line.
//!
//! ```text
//! words 0, 1   the correspondent's address
//! word 2       whose flow it is (24 bits), protocol (8), the correspondent's port (16), the mobile node's (16)
//! word 3       state: vacant, resting or live; what its rule says, on either side
//! word 4       the flows before and behind it in the list of that home address, the writer's
//! word 5       nothing
//! word 6       packets carried towards the mobile node
//! word 7       octets of them
//! ```
//!
//! What a rule says counts only together with the list of rules that it stands among and the care-of addresses whose positions it
//! names. So there is room for two: each flow set says which **side** its flows are to be read on. A set that is to replace another
//! finds its flows written on the other side when the one store that publishes it makes all of them current; whoever still goes by
//! the set before reads what belongs to that. A side is written anew only when nobody goes by the set before any more.

use crate::address_words::AddressWords;
use crate::carried::{Carried, Tally};
use crate::exact_flow::ExactFlow;
use crate::flow::FlowVerdict;
use crate::hash_table::HashSlot;
use crate::sync::{AtomicU64, LINE_WORDS, Ordering};

/// Words of a slot.
pub(crate) const FLOW_SLOT_WORDS: usize = LINE_WORDS;

const KEY_WORDS: usize = 3;
const STATE: usize = 3;
const NEIGHBOURS: usize = 4;
const PACKETS: usize = 6;
const OCTETS: usize = 7;

/// The kind of a state, in its highest bits.
const KIND: u64 = 0b11 << 62;
const LIVE: u64 = 0b01 << 62;
/// Removed. What a side says is good for those who still go by it.
const RESTING: u64 = 0b11 << 62;

/// Whose flows they are: a number that a home address has as long as it has a flow set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowOwner(pub(crate) u32);

/// The key of a flow, as the words of its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowWords(pub(crate) [u64; KEY_WORDS]);

impl FlowWords {
    #[inline(always)]
    pub(crate) fn new(
        FlowOwner(owner): FlowOwner,
        AddressWords([high, low]): AddressWords,
        next_header: u8,
        (source_port, destination_port): (u16, u16),
    ) -> Self {
        let numbers = u64::from(owner) << 40
            | u64::from(next_header) << 32
            | u64::from(source_port) << 16
            | u64::from(destination_port);
        Self([high, low, numbers])
    }

    pub(crate) fn of(owner: FlowOwner, flow: &ExactFlow) -> Self {
        let ports = (flow.source_port, flow.destination_port);
        let source = flow.source.octets().into();
        Self::new(owner, source, flow.next_header, ports)
    }

    pub(crate) fn owner(self) -> FlowOwner {
        FlowOwner((self.0[2] >> 40) as u32)
    }

    pub(crate) fn flow(self) -> ExactFlow {
        let [high, low, numbers] = self.0;
        ExactFlow {
            source: AddressWords([high, low]).octets().into(),
            next_header: (numbers >> 32) as u8,
            source_port: (numbers >> 16) as u16,
            destination_port: numbers as u16,
        }
    }
}

/// One of the two sides of each flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    First,
    Second,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    #[inline(always)]
    fn shift(self) -> u32 {
        match self {
            Self::First => 0,
            Self::Second => 16,
        }
    }
}

/// What the rule of a flow says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// The positions of its care-of addresses, a bit for each.
    pub(crate) care_ofs: u8,
    pub(crate) discard: bool,
    /// How many rules of the list come before: less than 64.
    pub(crate) rank: u8,
}

const SAID: u64 = 1 << 15;
const DISCARD: u64 = 1 << 14;
const SIDE: u64 = 0xffff;

impl Said {
    fn bits(self) -> u64 {
        let discard = if self.discard { DISCARD } else { 0 };
        SAID | discard | u64::from(self.rank & 0x3f) << 8 | u64::from(self.care_ofs)
    }

    /// The verdict, where the care-of addresses at these positions are registered. `None`: the rule is inactive, and is skipped.
    #[inline]
    pub(crate) fn verdict(self, registered: u8) -> Option<FlowVerdict> {
        match self.care_ofs & registered {
            _ if self.discard => Some(FlowVerdict::Discard),
            0 => None,
            care_ofs => Some(FlowVerdict::CareOfs(care_ofs)),
        }
    }
}

/// A state word as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowState(u64);

impl FlowState {
    /// A flow of which nothing is said yet.
    pub(crate) const LIVE: Self = Self(LIVE);

    /// What is said on a side.
    #[inline(always)]
    pub(crate) fn on(self, side: Side) -> Option<Said> {
        let bits = self.0 >> side.shift();
        (bits & SAID != 0).then_some(Said {
            care_ofs: bits as u8,
            discard: bits & DISCARD != 0,
            rank: (bits >> 8) as u8 & 0x3f,
        })
    }

    /// With something else said on a side.
    pub(crate) fn with(self, side: Side, said: Option<Said>) -> Self {
        let shift = side.shift();
        Self(self.0 & !(SIDE << shift) | said.map_or(0, Said::bits) << shift)
    }

    pub(crate) fn is_said_anywhere(self) -> bool {
        self.0 & (SAID | SAID << Side::Second.shift()) != 0
    }

    /// The same, of a flow that has been removed.
    pub(crate) fn resting(self) -> Self {
        Self(self.0 & !KIND | RESTING)
    }
}

/// The slots beside one in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Neighbours {
    pub(crate) before: Option<u32>,
    pub(crate) behind: Option<u32>,
}

/// A slot in the segment.
#[derive(Clone, Copy)]
pub(crate) struct FlowSlot<'a>(pub(crate) &'a [AtomicU64; FLOW_SLOT_WORDS]);

impl<'a> FlowSlot<'a> {
    /// What the slot says at this moment, good until the worker's next quiescent point.
    #[inline(always)]
    pub(crate) fn state(self) -> FlowState {
        FlowState(self.0[STATE].load(Ordering::Acquire))
    }

    /// Whether the key is this one: to be asked after the state, which says something of the key that was there then.
    #[inline(always)]
    pub(crate) fn is(self, FlowWords(key): FlowWords) -> bool {
        let differs = |word: usize| self.0[word].load(Ordering::Relaxed) ^ key[word];
        differs(0) | differs(1) | differs(2) == 0
    }

    /// The one store of a change. Writer only.
    pub(crate) fn set_state(self, state: FlowState) {
        self.0[STATE].store(state.0, Ordering::Release);
    }

    pub(crate) fn neighbours(self) -> Neighbours {
        let word = self.0[NEIGHBOURS].load(Ordering::Relaxed);
        Neighbours {
            before: (word as u32).checked_sub(1),
            behind: ((word >> 32) as u32).checked_sub(1),
        }
    }

    /// Writer only.
    pub(crate) fn set_neighbours(self, neighbours: Neighbours) {
        let link = |slot: Option<u32>| slot.map_or(0, |slot| u64::from(slot) + 1);
        let word = link(neighbours.behind) << 32 | link(neighbours.before);
        self.0[NEIGHBOURS].store(word, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn tally(self) -> Tally<'a> {
        Tally {
            packets: &self.0[PACKETS],
            octets: &self.0[OCTETS],
        }
    }
}

impl HashSlot for FlowSlot<'_> {
    type Key = FlowWords;

    fn key(self) -> FlowWords {
        FlowWords(core::array::from_fn(|word| {
            self.0[word].load(Ordering::Relaxed)
        }))
    }

    fn set_key(self, FlowWords(key): FlowWords) {
        for (word, value) in self.0.iter().zip(key) {
            word.store(value, Ordering::Relaxed);
        }
        self.tally().clear();
    }

    fn is_occupied(self) -> bool {
        self.state().0 & KIND == LIVE
    }

    fn is_resting(self) -> bool {
        self.state().0 & KIND == RESTING
    }

    fn rest(self) {
        self.set_state(FlowState(RESTING));
    }

    fn vacate(self) {
        self.set_state(FlowState(0));
    }

    fn carried(self) -> Carried {
        self.tally().get()
    }

    fn add_carried(self, more: Carried) {
        self.tally().add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_words() {
        let flow = ExactFlow {
            source: "2001:db8:c::80".parse().unwrap(),
            next_header: 255,
            source_port: u16::MAX,
            destination_port: 1,
        };
        for owner in [0, (1 << 24) - 1].map(FlowOwner) {
            let words = FlowWords::of(owner, &flow);
            assert_eq!((words.owner(), words.flow()), (owner, flow));
        }
    }

    #[test]
    fn each_side_says_its_own() {
        let said = |care_ofs, discard, rank| Said {
            care_ofs,
            discard,
            rank,
        };
        let (first, second) = (said(0xff, false, 32), said(0, true, 0));
        let state = FlowState::LIVE
            .with(Side::First, Some(first))
            .with(Side::Second, Some(second));
        for state in [state, state.resting()] {
            assert_eq!(state.on(Side::First), Some(first));
            assert_eq!(state.on(Side::Second), Some(second));
            assert!(state.is_said_anywhere());
            let less = state.with(Side::First, None);
            assert_eq!(less.on(Side::First), None);
            assert_eq!(less.on(Side::Second), Some(second));
            assert!(!less.with(Side::Second, None).is_said_anywhere());
        }
        assert_eq!(first.verdict(0b101), Some(FlowVerdict::CareOfs(0b101)));
        assert_eq!(first.verdict(0), None);
        assert_eq!(second.verdict(0), Some(FlowVerdict::Discard));
    }
}
