//! Why a packet was dropped: counter, trace reason and metric label in one.

use crate::names::named_enum;

named_enum! {
    /// Every reason for which a worker drops a packet.
    DropReason {
        NotIpv6 "not_ipv6" "frame that carries no IPv6",
        MalformedIpv6 "malformed_ipv6" "IPv6 header cut short, of another version, or longer than the frame",
        BadExtensionChain "bad_extension_chain" "extension headers cut short, too many or out of bounds",
        ReceiveTruncated "receive_truncated" "frame longer than a packet buffer",
        InvalidSource "invalid_source" "unspecified, loopback or multicast source address",
        LinkScope "link_scope" "link-local address where a packet would have to be forwarded",
        Multicast "multicast" "multicast destination where a packet would have to be forwarded",
        NoRoute "no_route" "no route to the destination",
        Blackhole "blackhole" "the route says to discard",
        TransitDisabled "transit_disabled" "neither for this box nor for a home address, and transit is off",
        HopLimitExceeded "hop_limit_exceeded" "hop limit used up",
        PacketTooBig "packet_too_big" "larger than the MTU of the tunnel or of the next link",
        NeighbourUnresolved "neighbour_unresolved" "the next hop has no link-layer address",
        NoBinding "no_binding" "address of a pool without a binding",
        SpoofedPoolSource "spoofed_pool_source" "source in a local pool, outside a tunnel",
        TunnelSourceMismatch "tunnel_source_mismatch" "tunnel entry is not a care-of address of the inner source",
        TunnelUnknownHome "tunnel_unknown_home" "inner source of a tunnelled packet has no binding here",
        TunnelInnerMalformed "tunnel_inner_malformed" "tunnelled packet is not well-formed IPv6",
        TunnelLoop "tunnel_loop" "care-of address inside a local pool, or tunnel entry equal to its exit",
        EncapsulationLimit "encapsulation_limit" "tunnel encapsulation limit of zero (RFC 2473 section 4.1.1)",
        EcnInvalid "ecn_invalid" "outer header marked congestion over an inner one that can not carry it (RFC 6040)",
        CareOfTestCredit "care_of_test_credit" "care-of address under test has used up its credit",
        RoutingHeader0 "routing_header_0" "type 0 routing header (RFC 5095)",
        RoutingHeader2 "routing_header_2" "type 2 routing header that names no address of ours",
        RoutingHeaderUnknown "routing_header_unknown" "unknown routing header with segments left, addressed to us",
        HomeAddressOptionUnbound "home_address_option_unbound" "Home Address option without a binding",
        Fragment "fragment" "fragment of a packet that would have to be whole",
        ReassemblyLimit "reassembly_limit" "outer fragments beyond the caps of reassembly, or too late",
        FragmentWithoutFirst "fragment_without_first" "fragment of a flow whose first fragment was not seen",
        IcmpErrorUnrelated "icmp_error_unrelated" "ICMPv6 error from a tunnel that quotes no packet of ours",
        IcmpRateLimited "icmp_rate_limited" "ICMPv6 error not sent: beyond the rate for its cause",
        PuntRateLimited "punt_rate_limited" "signalling beyond the limits in total, per source or per /64",
        PuntTooLong "punt_too_long" "signalling packet longer than a ring slot",
        RingFull "ring_full" "punt ring full: the control plane is behind or gone",
        InjectedMalformed "injected_malformed" "packet from the control plane that is no IPv6",
        HostUnavailable "host_unavailable" "for the host, and there is no host port",
        TxFull "tx_full" "transmit queue full",
        TxFailed "tx_failed" "refused by the port at transmission",
        NoBuffer "no_buffer" "packet buffers used up",
        NoHeadroom "no_headroom" "no room in the buffer for the outer header",
    }
}
