//! Classic BPF: which packets a socket gets to see
//!
//! The sockets are bound to `ETH_P_ALL`, since only those see a packet before the ingress hook where the
//! [kernel guard](crate::KernelGuard) drops it; so the protocol is for these programs to check.

use libc::{
    BPF_ABS, BPF_B, BPF_H, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, SKF_AD_OFF, SKF_AD_PKTTYPE,
    SKF_AD_PROTOCOL, SKF_NET_OFF, sock_filter,
};

use dhp_wire::codepoints::{icmpv6, next_header};

const IPV6: u32 = libc::ETH_P_IPV6 as u32;
/// Taken from the air or from a flooding switch, for somebody else.
const OTHER_HOST: u32 = libc::PACKET_OTHERHOST as u32;
const NEXT_HEADER_OFFSET: u32 = 6;
const DESTINATION_OFFSET: u32 = 24;
/// The first octet of link-local addresses, and of no address that is routed.
const LINK_LOCAL: u32 = 0xfe;
/// The first octet behind the IPv6 header.
const PAYLOAD_OFFSET: u32 = 40;
const WHOLE_PACKET: u32 = u32::MAX;

/// All IPv6 that is not for another station.
pub(crate) const IPV6_FOR_THIS_STATION: [sock_filter; 6] = [
    load_ancillary(BPF_H, SKF_AD_PROTOCOL),
    if_equal(IPV6, 0, 3),
    load_ancillary(BPF_B, SKF_AD_PKTTYPE),
    if_equal(OTHER_HOST, 1, 0),
    accept(WHOLE_PACKET),
    accept(0),
];

/// IPv6 whose first next header is that of a tunnel, a routing header, destination options or mobility, and the ICMPv6 messages that
/// tell of mobility without any: Home Agent Address Discovery Replies, and Parameter Problems.
pub(crate) const TUNNEL_AND_MOBILITY: [sock_filter; 15] = [
    load_ancillary(BPF_H, SKF_AD_PROTOCOL),
    if_equal(IPV6, 0, 12),
    load_ancillary(BPF_B, SKF_AD_PKTTYPE),
    if_equal(OTHER_HOST, 10, 0),
    load_octet(NEXT_HEADER_OFFSET),
    if_equal(next_header::IPV6 as u32, 7, 0),
    if_equal(next_header::ROUTING as u32, 6, 0),
    if_equal(next_header::DESTINATION as u32, 5, 0),
    if_equal(next_header::MOBILITY as u32, 4, 0),
    if_equal(next_header::ICMPV6 as u32, 0, 4),
    load_octet(PAYLOAD_OFFSET),
    if_equal(icmpv6::HOME_AGENT_DISCOVERY_REPLY as u32, 1, 0),
    if_equal(icmpv6::PARAMETER_PROBLEM as u32, 0, 1),
    accept(WHOLE_PACKET),
    accept(0),
];

/// What concerns a home agent on a home link: Router Advertisements, Neighbor Solicitations and Advertisements, mobility (with
/// or without Destination Options), and packets to link-local addresses, of which some are of mobile nodes that are away. RFC
/// 4861 puts no extension headers before the messages that matter here.
pub(crate) const NEIGHBORS_AND_MOBILITY: [sock_filter; 16] = [
    load_ancillary(BPF_H, SKF_AD_PROTOCOL),
    if_equal(IPV6, 0, 13),
    load_ancillary(BPF_B, SKF_AD_PKTTYPE),
    if_equal(OTHER_HOST, 11, 0),
    load_octet(DESTINATION_OFFSET),
    if_equal(LINK_LOCAL, 8, 0),
    load_octet(NEXT_HEADER_OFFSET),
    if_equal(next_header::MOBILITY as u32, 6, 0),
    if_equal(next_header::DESTINATION as u32, 5, 0),
    if_equal(next_header::ICMPV6 as u32, 0, 5),
    load_octet(PAYLOAD_OFFSET),
    if_equal(icmpv6::ROUTER_ADVERTISEMENT as u32, 2, 0),
    if_equal(icmpv6::NEIGHBOR_SOLICITATION as u32, 1, 0),
    if_equal(icmpv6::NEIGHBOR_ADVERTISEMENT as u32, 0, 1),
    accept(WHOLE_PACKET),
    accept(0),
];

/// Load an octet of the IPv6 packet.
const fn load_octet(offset: u32) -> sock_filter {
    instruction(
        BPF_LD | BPF_B | BPF_ABS,
        0,
        0,
        SKF_NET_OFF.cast_unsigned() + offset,
    )
}

const fn instruction(code: u32, when_true: u8, when_false: u8, operand: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: when_true,
        jf: when_false,
        k: operand,
    }
}

/// Load something that the kernel knows of the packet, `offset` being one of `SKF_AD_…`.
const fn load_ancillary(size: u32, offset: i32) -> sock_filter {
    instruction(
        BPF_LD | size | BPF_ABS,
        0,
        0,
        (SKF_AD_OFF + offset).cast_unsigned(),
    )
}

/// Skip as many instructions as is said for either case.
const fn if_equal(operand: u32, when_true: u8, when_false: u8) -> sock_filter {
    instruction(BPF_JMP | BPF_JEQ | BPF_K, when_true, when_false, operand)
}

const fn accept(octets: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, 0, 0, octets)
}
