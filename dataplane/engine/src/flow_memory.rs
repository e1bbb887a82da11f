//! What the list of flow rules of a home address has said before
//!
//! The rules of the list are compared with a packet one after the other; what they said is kept under all fields that they look at, so
//! that the packets of a flow need one look. What was said by another list, or with other care-of addresses, does not count: each
//! change gives the flow set another generation. Flows that have a rule of their own are not kept here, the segment's table has them;
//! but of a packet in fragments only the first one finds that, so that what it said is kept for the others.

use dhp_segment::{FlowKey, FlowVerdict};

use crate::aged_table::AgedTable;

/// A flow without packets for this long has to be looked at anew.
const FLOW_NS: u64 = 120_000_000_000;
/// RFC 8200 §4.5: a packet not complete "within 60 seconds of the reception of the first-arriving fragment" is abandoned.
const FRAGMENTS_NS: u64 = 60_000_000_000;
/// Flows are many, packets in fragments few.
const FLOWS: usize = 16_384;
const FRAGMENTED: usize = 1_024;

/// Source, destination and Identification.
pub(crate) type FragmentedPacket = ([u8; 16], [u8; 16], u32);

#[derive(Clone, Copy, Debug)]
struct Decision {
    /// The flow set that decided.
    generation: u64,
    verdict: FlowVerdict,
}

impl Decision {
    fn by(&self, generation: u64) -> Option<FlowVerdict> {
        (self.generation == generation).then_some(self.verdict)
    }
}

/// The decisions that one worker remembers.
#[derive(Debug)]
pub(crate) struct FlowMemory {
    flows: AgedTable<FlowKey, Decision>,
    fragmented: AgedTable<FragmentedPacket, Decision>,
}

impl FlowMemory {
    pub(crate) fn new() -> Self {
        Self {
            flows: AgedTable::new(FLOWS),
            fragmented: AgedTable::new(FRAGMENTED),
        }
    }

    /// What the flow set of `generation` says of a flow: as it said before, or as `decide` finds now.
    #[inline]
    pub(crate) fn verdict(
        &mut self,
        flow: &FlowKey,
        generation: u64,
        now_ns: u64,
        decide: impl FnOnce() -> FlowVerdict,
    ) -> FlowVerdict {
        let until_ns = now_ns.saturating_add(FLOW_NS);
        let known = self.flows.renew(flow, now_ns, until_ns);
        if let Some(verdict) = known.and_then(|decision| decision.by(generation)) {
            return verdict;
        }
        let verdict = decide();
        let decision = Decision {
            generation,
            verdict,
        };
        self.flows.put(*flow, decision, until_ns);
        verdict
    }

    /// Keep what the flow set of `generation` has decided for the first fragment of `packet`: only that has ports.
    pub(crate) fn remember(
        &mut self,
        packet: FragmentedPacket,
        generation: u64,
        verdict: FlowVerdict,
        now_ns: u64,
    ) {
        let decision = Decision {
            generation,
            verdict,
        };
        self.fragmented
            .put(packet, decision, now_ns.saturating_add(FRAGMENTS_NS));
    }

    /// What was decided for the first fragment of `packet`, unless that was long ago or by other rules.
    pub(crate) fn recall(
        &mut self,
        packet: &FragmentedPacket,
        generation: u64,
        now_ns: u64,
    ) -> Option<FlowVerdict> {
        self.fragmented.get(packet, now_ns)?.by(generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: FragmentedPacket = ([1; 16], [2; 16], 3);
    const FLOW: FlowKey = FlowKey {
        source: [1; 16],
        destination: [2; 16],
        spi: None,
        flow_label: 0,
        ports: Some((3, 4)),
        dscp: 0,
        next_header: 17,
    };

    #[test]
    fn a_flow_is_decided_once_for_its_time_and_its_rules() {
        let mut memory = FlowMemory::new();
        let mut asked = 0;
        let mut look = |flow: &FlowKey, generation, now_ns| {
            memory.verdict(flow, generation, now_ns, || {
                asked += 1;
                FlowVerdict::CareOfs(1)
            });
            asked
        };
        assert_eq!(look(&FLOW, 7, 0), 1);
        assert_eq!(look(&FLOW, 7, FLOW_NS - 1), 1);
        assert_eq!(look(&FLOW, 8, FLOW_NS - 1), 2);
        let other = FlowKey {
            ports: Some((3, 5)),
            ..FLOW
        };
        assert_eq!(look(&other, 8, FLOW_NS), 3);
        assert_eq!(look(&FLOW, 8, 2 * FLOW_NS - 2), 3, "a packet keeps it");
        assert_eq!(look(&FLOW, 8, 4 * FLOW_NS), 4);
    }

    #[test]
    fn the_decision_for_a_first_fragment_is_kept_for_its_time_and_its_rules() {
        let mut memory = FlowMemory::new();
        memory.remember(PACKET, 7, FlowVerdict::Discard, 100);
        let mut recall = |generation, now_ns| memory.recall(&PACKET, generation, now_ns);
        assert_eq!(recall(7, 100), Some(FlowVerdict::Discard));
        assert_eq!(
            recall(7, 100 + FRAGMENTS_NS - 1),
            Some(FlowVerdict::Discard)
        );
        assert_eq!(recall(7, 100 + FRAGMENTS_NS), None);
        assert_eq!(recall(8, 100), None);
    }
}
