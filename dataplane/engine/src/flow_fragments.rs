//! What became of the first fragment of a packet, for the fragments behind it
//!
//! Only a first fragment has ports. The decision that it met is kept under source, destination and Identification, as long
//! as RFC 8200 §4.5 lets the receiver wait for the rest. The table has a fixed size: a flood of first fragments displaces
//! the oldest, never grows it.

use std::hash::{BuildHasher, RandomState};

use dhp_segment::FlowVerdict;

/// RFC 8200 §4.5: a packet not complete "within 60 seconds of the reception of the first-arriving fragment" is abandoned.
const KEPT_NS: u64 = 60_000_000_000;

/// Entries that a key may stand in.
const WAYS: usize = 4;
const ENTRIES: usize = 1024;

/// Source, destination and Identification.
pub(crate) type FragmentedPacket = ([u8; 16], [u8; 16], u32);

#[derive(Clone, Copy, Debug)]
struct Entry {
    packet: FragmentedPacket,
    /// The flow set that decided.
    generation: u64,
    verdict: FlowVerdict,
    until_ns: u64,
}

/// The decisions remembered by one worker.
#[derive(Debug)]
pub(crate) struct FlowFragments {
    entries: Box<[Entry]>,
    /// Keyed at random, so that nobody who chooses Identifications chooses places.
    hasher: RandomState,
}

impl FlowFragments {
    pub(crate) fn new() -> Self {
        let empty = Entry {
            packet: ([0; 16], [0; 16], 0),
            generation: 0,
            verdict: FlowVerdict::Default,
            until_ns: 0,
        };
        Self {
            entries: vec![empty; ENTRIES].into_boxed_slice(),
            hasher: RandomState::new(),
        }
    }

    /// Keep what the flow set of `generation` has decided for the first fragment of `packet`.
    pub(crate) fn remember(
        &mut self,
        packet: FragmentedPacket,
        generation: u64,
        verdict: FlowVerdict,
        now_ns: u64,
    ) {
        let first = self.place(&packet);
        let ways = self.entries.get_mut(first..first + WAYS);
        let ways = ways.unwrap_or_default();
        let known = ways.iter().position(|entry| entry.packet == packet);
        let oldest =
            || (0..ways.len()).min_by_key(|way| ways.get(*way).map(|entry| entry.until_ns));
        let way = known.or_else(oldest);
        if let Some(entry) = way.and_then(|way| ways.get_mut(way)) {
            *entry = Entry {
                packet,
                generation,
                verdict,
                until_ns: now_ns.saturating_add(KEPT_NS),
            };
        }
    }

    /// What was decided for the first fragment of `packet`, unless that was long ago or by other rules.
    pub(crate) fn recall(
        &self,
        packet: &FragmentedPacket,
        generation: u64,
        now_ns: u64,
    ) -> Option<FlowVerdict> {
        let first = self.place(packet);
        self.entries
            .get(first..first + WAYS)?
            .iter()
            .find(|entry| entry.packet == *packet)
            .filter(|entry| entry.generation == generation && now_ns < entry.until_ns)
            .map(|entry| entry.verdict)
    }

    /// The first of the entries that `packet` may stand in.
    fn place(&self, packet: &FragmentedPacket) -> usize {
        let hash = self.hasher.hash_one(packet) as usize;
        hash % (ENTRIES / WAYS) * WAYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: FragmentedPacket = ([1; 16], [2; 16], 3);

    #[test]
    fn a_decision_is_kept_for_its_time_and_its_rules() {
        let mut fragments = FlowFragments::new();
        fragments.remember(PACKET, 7, FlowVerdict::Discard, 100);
        let recall = |generation, now_ns| fragments.recall(&PACKET, generation, now_ns);
        assert_eq!(recall(7, 100), Some(FlowVerdict::Discard));
        assert_eq!(recall(7, 100 + KEPT_NS - 1), Some(FlowVerdict::Discard));
        assert_eq!(recall(7, 100 + KEPT_NS), None);
        assert_eq!(recall(8, 100), None);
        assert_eq!(fragments.recall(&([1; 16], [2; 16], 4), 7, 100), None);
    }

    #[test]
    fn a_flood_displaces_and_the_latest_stays() {
        let mut fragments = FlowFragments::new();
        for id in 0..100_000_u32 {
            let packet = ([1; 16], [2; 16], id);
            fragments.remember(packet, 7, FlowVerdict::CareOfs(1), id.into());
            assert_eq!(
                fragments.recall(&packet, 7, id.into()),
                Some(FlowVerdict::CareOfs(1))
            );
        }
        assert_eq!(fragments.entries.len(), ENTRIES);
    }
}
