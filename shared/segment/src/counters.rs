//! What a worker counts.

use crate::drop_reason::DropReason;
use crate::names::named_enum;

named_enum! {
    /// Every counter of a worker that is not a drop.
    Counter {
        RxPackets "rx_packets" "packets received",
        RxBytes "rx_bytes" "octets received",
        TxPackets "tx_packets" "packets handed to ports and sent",
        TxBytes "tx_bytes" "octets sent",
        Encapsulated "encapsulated" "packets put into a tunnel",
        RoutedType2 "routed_type_2" "packets of the box itself sent to a care-of address with a type 2 routing header",
        OptimizedOut "optimized_out" "packets of correspondents sent to a care-of address with a type 2 routing header",
        OptimizedIn "optimized_in" "packets accepted by their Home Address option from where the mobile node had told the correspondent",
        Decapsulated "decapsulated" "packets taken out of a tunnel",
        PreviousCareOf "previous_care_of" "tunnelled packets accepted from the care-of address before the handoff",
        FragmentsJoined "fragments_joined" "fragments that became part of a packet that another one completed",
        Reassembled "reassembled" "packets to this box put together from fragments",
        Forwarded "forwarded" "packets forwarded by route",
        Hairpinned "hairpinned" "packets from one mobile node here to another",
        PuntedMobility "punted_mobility" "signalling packets handed to the control plane",
        PuntedQuery "punted_query" "packets to the home-agents anycast address handed to the control plane",
        PuntedBound "punted_bound" "of what was handed to the control plane: about a bound home address, from its care-of address",
        PuntedHandoffs "punted_handoffs" "of it: about a bound home address, from elsewhere",
        PuntedKnown "punted_known" "of it: anything else from what looks like a registered care-of address",
        PuntedHost "punted_host" "packets handed to the host kernel",
        HostHasCopy "host_has_copy" "packets left to the host kernel, which had received them itself",
        NeighbourPending "neighbour_pending" "packets handed to the host kernel for neighbour discovery",
        FromHost "from_host" "packets that the host kernel sent to home addresses",
        PuntedErrors "punted_errors" "ICMPv6 errors from inside tunnels handed to the control plane, for their path MTU",
        BindingErrorsAsked "binding_errors_asked" "Binding Errors that the control plane was asked for",
        BindingErrorsNotAsked "binding_errors_not_asked" "Binding Errors beyond the limits of what goes to the control plane",
        RelayedErrors "relayed_errors" "ICMPv6 errors from inside tunnels that were relayed and are done with",
        Injected "injected" "packets that the control plane sent",
        OuterFragments "outer_fragments" "second halves of tunnel packets that had to be fragmented",
        FlowCopies "flow_copies" "copies of packets for further care-of addresses of their flow",
        IcmpSent "icmp_sent" "ICMPv6 errors sent",
        TraceLost "trace_lost" "traced packets that nobody will hear of, since the trace ring was full",
        Polls "polls" "rounds of the worker loop",
        IdlePolls "idle_polls" "rounds without a packet",
        Sleeps "sleeps" "times that the worker slept for want of packets",
    }
}

/// One worker's counters, each read once; together they are not of one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterSnapshot {
    counters: [u64; Counter::ALL.len()],
    drops: [u64; DropReason::ALL.len()],
}

impl Default for CounterSnapshot {
    fn default() -> Self {
        Self {
            counters: [0; Counter::ALL.len()],
            drops: [0; DropReason::ALL.len()],
        }
    }
}

impl CounterSnapshot {
    pub(crate) fn from_fn(mut read: impl FnMut(usize) -> u64) -> Self {
        Self {
            counters: core::array::from_fn(&mut read),
            drops: core::array::from_fn(|index| read(Counter::ALL.len() + index)),
        }
    }

    /// The value of `counter`.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters.get(counter.index()).copied().unwrap_or(0)
    }

    /// Packets dropped for `reason`.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get(reason.index()).copied().unwrap_or(0)
    }

    /// Packets dropped for any reason.
    #[must_use]
    pub fn total_drops(&self) -> u64 {
        self.drops
            .iter()
            .fold(0, |sum, drops| sum.wrapping_add(*drops))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn is_snake_case(name: &str) -> bool {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    }

    #[test]
    fn names_are_unique_and_fit_for_metric_labels() {
        let names: Vec<_> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        assert!(names.iter().all(|name| is_snake_case(name)));
        let names: Vec<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        assert!(names.iter().all(|name| is_snake_case(name)));
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert!(!reason.help().is_empty());
        }
    }

    #[test]
    fn snapshots_keep_counters_and_drops_apart() {
        let one = CounterSnapshot::from_fn(|index| index as u64);
        assert_eq!(one.get(Counter::RxBytes), 1);
        assert_eq!(one.drops(DropReason::NotIpv6), Counter::ALL.len() as u64);
    }
}
