//! The care-of addresses and flow rules of one home address, as workers read them: the list of those that are not for an exact flow,
//! and where those that are have to be looked for.
//!
//! Rules name care-of addresses by their position in the set, and a position holds the index of a template, so that a
//! care-of address changes by one store whatever refers to it.

use crate::flow::{FlowKey, FlowRange, FlowSelector, FlowVerdict, MAX_CARE_OFS, MAX_FLOW_RULES};
use crate::flow_slot::{FlowOwner, FlowWords, Side};
use crate::flow_table::FlowEntry;
use crate::sync::{AtomicU64, Ordering};
use crate::view::address_words;
use core::net::Ipv6Addr;

/// Number of rules in the list.
const COUNT: usize = 0;
/// The care-of addresses: BID in bits 32 to 47, above the template's index + 1, which is 0 where there is none.
const CARE_OFS: usize = 1;
/// Number of the publication.
const GENERATION: usize = 9;
/// Whose the exact flows are, and in bit 32 the side on which they are to be read.
const FLOWS: usize = 10;
/// Number of exact flows.
const FLOW_COUNT: usize = 11;
/// The rules; the words before are two cache lines.
const RULES: usize = 16;
const RULE_WORDS: usize = 16;
/// Words of a flow set.
pub(crate) const FLOW_SET_WORDS: usize = RULES + MAX_FLOW_RULES * RULE_WORDS;

/// Words of a rule, by position. The first holds the positions of the care-of addresses (bits 0 to 7), [`DISCARD`] and the
/// fields present.
const SOURCE: usize = 1;
const DESTINATION: usize = 5;
const SPI: usize = 9;
const FLOW_LABEL: usize = 10;
const SOURCE_PORT: usize = 11;
const DESTINATION_PORT: usize = 12;
const DSCP: usize = 13;
const NEXT_HEADER: usize = 14;

const DISCARD: u64 = 1 << 8;

const fn present(field: usize) -> u64 {
    1 << (16 + field)
}

/// A flow set that a lookup has named, good as long as what the lookup gave.
#[derive(Clone, Copy)]
pub struct FlowSet<'a>(pub(crate) &'a [AtomicU64; FLOW_SET_WORDS]);

impl<'a> FlowSet<'a> {
    /// The word at `at`; 0 beyond the end.
    #[inline(always)]
    fn word(self, at: usize) -> u64 {
        self.0
            .get(at)
            .map_or(0, |word| word.load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn put(self, at: usize, value: u64) {
        if let Some(word) = self.0.get(at) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Number of the last change after which the list may say something else. What it is asked after this says what it says
    /// since, or something newer.
    #[must_use]
    #[inline]
    pub fn generation(self) -> u64 {
        self.0
            .get(GENERATION)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// The list may say something else now. Writer only.
    pub(crate) fn set_generation(self, generation: u64) {
        if let Some(word) = self.0.get(GENERATION) {
            word.store(generation, Ordering::Release);
        }
    }

    /// Whether there is any rule.
    #[must_use]
    #[inline]
    pub fn has_rules(self) -> bool {
        self.word(COUNT) != 0 || self.has_flows()
    }

    /// Whether an exact flow has a rule.
    #[inline]
    fn has_flows(self) -> bool {
        self.word(FLOW_COUNT) != 0
    }

    /// What the list says: "The first entry that creates a match defines how the packet is routed" (RFC 6089 §5.3.6). It does not know
    /// the rules of exact flows: see [`crate::Reader::find_flow`].
    #[must_use]
    pub fn verdict(self, key: &FlowKey) -> FlowVerdict {
        self.first_match(self.rules(), key)
            .unwrap_or(FlowVerdict::Default)
    }

    /// What a rule of the list says that comes before the rule of an exact flow and matches, too.
    #[must_use]
    #[inline]
    pub fn overrules(self, key: &FlowKey, flow: &FlowEntry) -> Option<FlowVerdict> {
        match usize::from(flow.rank) {
            0 => None,
            rank => self.first_match(self.rules().take(rank), key),
        }
    }

    fn first_match(
        self,
        mut rules: impl Iterator<Item = usize>,
        key: &FlowKey,
    ) -> Option<FlowVerdict> {
        let registered = self.registered();
        rules.find_map(|rule| {
            let head = self.word(rule);
            // "If none of the BIDs pointed to in a flow binding entry is valid, then the entry is considered to be inactive
            // ... and is skipped."
            let care_ofs = head as u8 & registered;
            if (head & DISCARD == 0 && care_ofs == 0) || !self.matches(rule, head, key) {
                return None;
            }
            Some(if head & DISCARD != 0 {
                FlowVerdict::Discard
            } else {
                FlowVerdict::CareOfs(care_ofs)
            })
        })
    }

    /// What the flow of a packet is looked for by, and the side that counts. `None`: no rule is for exactly such a flow.
    #[inline]
    pub(crate) fn exact(self, key: &FlowKey) -> Option<(FlowWords, Side)> {
        if !self.has_flows() {
            return None;
        }
        let (owner, side) = self.flows()?;
        let words = FlowWords::new(owner, key.source.into(), key.next_header, key.ports?);
        Some((words, side))
    }

    /// Whose the exact flows are, and the side that counts.
    #[inline]
    pub(crate) fn flows(self) -> Option<(FlowOwner, Side)> {
        let word = self.word(FLOWS);
        let owner = (word as u32).checked_sub(1)?;
        let side = match word >> 32 & 1 {
            0 => Side::First,
            _ => Side::Second,
        };
        Some((FlowOwner(owner), side))
    }

    /// Whether a rule looks at what only the first fragment of a packet has: ports or SPI.
    #[must_use]
    pub fn needs_first_fragment(self) -> bool {
        let fields = present(SPI) | present(SOURCE_PORT) | present(DESTINATION_PORT);
        self.has_flows() || self.rules().any(|rule| self.word(rule) & fields != 0)
    }

    /// The template of the care-of address at `position`, if there is one.
    #[must_use]
    #[inline]
    pub fn template(self, position: usize) -> Option<u32> {
        if position >= MAX_CARE_OFS {
            return None;
        }
        let word = self.0.get(CARE_OFS + position)?.load(Ordering::Acquire);
        (word as u32).checked_sub(1)
    }

    /// The templates of all care-of addresses.
    #[inline]
    pub fn templates(self) -> impl Iterator<Item = u32> + 'a {
        (0..MAX_CARE_OFS).filter_map(move |position| self.template(position))
    }

    /// Where the rules begin.
    fn rules(self) -> impl Iterator<Item = usize> {
        let count = usize::try_from(self.word(COUNT)).unwrap_or(usize::MAX);
        (0..count.min(MAX_FLOW_RULES)).map(|rule| RULES + rule * RULE_WORDS)
    }

    /// The positions of the care-of addresses that are there, a bit for each.
    #[inline]
    pub(crate) fn registered(self) -> u8 {
        (0..MAX_CARE_OFS)
            .filter(|position| self.template(*position).is_some())
            .fold(0, |mask, position| mask | 1 << position)
    }

    fn matches(self, rule: usize, head: u64, key: &FlowKey) -> bool {
        let number = |field: usize, value: Option<u64>| {
            if head & present(field) == 0 {
                return true;
            }
            let word = self.word(rule + field);
            let range = FlowRange {
                first: word >> 32,
                last: word & 0xffff_ffff,
            };
            value.is_some_and(|value| range.contains(value))
        };
        let address = |field: usize, value: &[u8; 16]| {
            let word = |offset: usize| self.word(rule + field + offset);
            let range = FlowRange {
                first: [word(0), word(1)],
                last: [word(2), word(3)],
            };
            head & present(field) == 0 || range.contains(address_words(value))
        };
        number(NEXT_HEADER, Some(key.next_header.into()))
            && number(SOURCE_PORT, key.ports.map(|(port, _)| port.into()))
            && number(DESTINATION_PORT, key.ports.map(|(_, port)| port.into()))
            && number(DSCP, Some(key.dscp.into()))
            && number(FLOW_LABEL, Some(key.flow_label.into()))
            && number(SPI, key.spi.map(u64::from))
            && address(SOURCE, &key.source)
            && address(DESTINATION, &key.destination)
    }

    /// The BID of the care-of address at a position, if there is one. Writer only.
    pub(crate) fn bid(self, position: usize) -> Option<u16> {
        self.template(position)?;
        Some((self.word(CARE_OFS + position) >> 32) as u16)
    }

    /// The position of a BID's care-of address. Writer only.
    pub(crate) fn position(self, bid: u16) -> Option<usize> {
        (0..MAX_CARE_OFS).find(|position| {
            let word = self.word(CARE_OFS + position);
            word as u32 != 0 && (word >> 32) as u16 == bid
        })
    }

    /// The one store of a care-of address's handoff; `template` must be complete. Writer only.
    pub(crate) fn set_care_of(self, position: usize, bid: u16, template: Option<u32>) {
        let index = template.map_or(0, |template| u64::from(template) + 1);
        if let Some(word) = self.0.get(CARE_OFS + position) {
            word.store(u64::from(bid) << 32 | index, Ordering::Release);
        }
    }

    /// Says where exact flows are, in a set that no reader can reach. Writer only.
    pub(crate) fn set_flows(self, FlowOwner(owner): FlowOwner, side: Side) {
        let side = match side {
            Side::First => 0,
            Side::Second => 1,
        };
        self.put(FLOWS, side << 32 | (u64::from(owner) + 1));
    }

    /// Says how many exact flows there are: with the first one, that they have to be looked for. Writer only.
    pub(crate) fn set_flow_count(self, count: u32) {
        if let Some(word) = self.0.get(FLOW_COUNT) {
            word.store(count.into(), Ordering::Release);
        }
    }

    /// Writes the list of a set that no reader can reach: each with the positions of its care-of addresses. Writer only.
    pub(crate) fn store_rules<'r>(
        self,
        generation: u64,
        rules: impl Iterator<Item = (&'r FlowSelector, u8, bool)>,
    ) {
        self.set_generation(generation);
        let mut count = 0;
        for (rule, (selector, care_ofs, discard)) in rules.take(MAX_FLOW_RULES).enumerate() {
            self.store_rule(RULES + rule * RULE_WORDS, selector, care_ofs, discard);
            count += 1;
        }
        self.put(COUNT, count);
    }

    fn store_rule(self, rule: usize, selector: &FlowSelector, care_ofs: u8, discard: bool) {
        let mut head = u64::from(care_ofs) | if discard { DISCARD } else { 0 };
        for (field, range) in [
            (SOURCE, selector.source),
            (DESTINATION, selector.destination),
        ] {
            let Some(FlowRange { first, last }) = range else {
                continue;
            };
            let [first, last] = [first, last].map(|end: Ipv6Addr| address_words(&end.octets()));
            for (offset, word) in first.into_iter().chain(last).enumerate() {
                self.put(rule + field + offset, word);
            }
            head |= present(field);
        }
        let numbers = [
            (SPI, selector.spi.map(|range| (range.first, range.last))),
            (
                FLOW_LABEL,
                selector.flow_label.map(|range| (range.first, range.last)),
            ),
            (SOURCE_PORT, selector.source_port.map(wide)),
            (DESTINATION_PORT, selector.destination_port.map(wide)),
            (DSCP, selector.dscp.map(wide)),
            (NEXT_HEADER, selector.next_header.map(wide)),
        ];
        for (field, range) in numbers {
            if let Some((first, last)) = range {
                self.put(rule + field, u64::from(first) << 32 | u64::from(last));
                head |= present(field);
            }
        }
        self.put(rule, head);
    }
}

fn wide<T: Into<u32>>(range: FlowRange<T>) -> (u32, u32) {
    (range.first.into(), range.last.into())
}
