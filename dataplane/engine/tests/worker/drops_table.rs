//! Every reason for which a worker drops a packet whatever its setup

use dhp_segment::DropReason;

use crate::appliance::*;
use crate::packets::*;

const FAR: &str = "2001:db8:a::42";

/// A packet, the port it comes in by, and why it ends there.
pub fn cases() -> Vec<(usize, Vec<u8>, DropReason)> {
    let data = udp(FAR, CORRESPONDENT, 10);
    let up = |source, destination| tunnelled(CARE_OF, ANCHOR, &udp(source, destination, 10));
    let uplink = up(HOME, CORRESPONDENT);
    let from_home = with_extension(&udp(CARE_OF, ANCHOR, 10), 60, &home_address_header(HOME));
    let mut no_segment_left = type_2_routing_header(ANCHOR);
    no_segment_left[3] = 0;
    let mut version_4 = data.clone();
    version_4[0] = 0x45;
    let mut too_long = data.clone();
    too_long[5] += 1;
    let mut inner_too_long = uplink.clone();
    inner_too_long[45] += 1;
    vec![
        (CORE, version_4, DropReason::MalformedIpv6),
        (CORE, too_long, DropReason::MalformedIpv6),
        (CORE, data[..39].to_vec(), DropReason::MalformedIpv6),
        (CORE, vec![], DropReason::MalformedIpv6),
        (
            CORE,
            with_extension(&udp(FAR, ANCHOR, 10), 60, &[0, 0, 5, 200, 0, 0, 0, 0]),
            DropReason::BadExtensionChain,
        ),
        (
            CORE,
            with_extension(&from_home, 60, &home_address_header(HOME)),
            DropReason::BadExtensionChain,
        ),
        (
            CORE,
            with_extension(&mobility(FAR, ANCHOR), 43, &no_segment_left),
            DropReason::RoutingHeader2,
        ),
        (
            CORE,
            raw(FAR, ANCHOR, 43, &[41, 9, 0, 0]),
            DropReason::BadExtensionChain,
        ),
        (
            CORE,
            udp("ff02::1", CORRESPONDENT, 10),
            DropReason::InvalidSource,
        ),
        (
            CORE,
            udp("::1", CORRESPONDENT, 10),
            DropReason::InvalidSource,
        ),
        (
            CORE,
            udp("::", CORRESPONDENT, 10),
            DropReason::InvalidSource,
        ),
        (
            CORE,
            udp("fe80::1", CORRESPONDENT, 10),
            DropReason::LinkScope,
        ),
        (HOST, udp(ANCHOR, "fe80::1", 10), DropReason::LinkScope),
        (HOST, udp("fe80::1", "ff02::2", 10), DropReason::Multicast),
        (CORE, up(HOME, "fe80::1"), DropReason::LinkScope),
        (CORE, up(HOME, "::1"), DropReason::LinkScope),
        (CORE, up(HOME, "ff0e::1"), DropReason::Multicast),
        (CORE, udp(FAR, NOWHERE, 10), DropReason::NoRoute),
        (CORE, udp(FAR, PROHIBITED, 10), DropReason::Prohibited),
        (CORE, udp(FAR, BLACKHOLE, 10), DropReason::Blackhole),
        (CORE, with_hop_limit(&data, 1), DropReason::HopLimitExceeded),
        (
            CORE,
            with_hop_limit(&udp(FAR, HOME, 10), 1),
            DropReason::HopLimitExceeded,
        ),
        (CORE, udp(FAR, NARROW, 1400), DropReason::PacketTooBig),
        (CORE, udp(FAR, HOME, 1452), DropReason::PacketTooBig),
        (
            HOST,
            udp(ANCHOR, PENDING, 10),
            DropReason::NeighbourUnresolved,
        ),
        (CORE, udp(FAR, UNBOUND_HOME, 10), DropReason::NoBinding),
        (CORE, up(HOME, UNBOUND_HOME), DropReason::NoBinding),
        (
            CORE,
            udp(HOME, CORRESPONDENT, 10),
            DropReason::SpoofedPoolSource,
        ),
        (
            CN,
            mobility(UNBOUND_HOME, ANCHOR),
            DropReason::SpoofedPoolSource,
        ),
        (
            CORE,
            tunnelled(HOME, ANCHOR, &udp(HOME, CORRESPONDENT, 10)),
            DropReason::SpoofedPoolSource,
        ),
        (
            CORE,
            tunnelled(FAR, ANCHOR, &udp(HOME, CORRESPONDENT, 10)),
            DropReason::TunnelSourceMismatch,
        ),
        (
            CORE,
            up(OTHER_HOME, CORRESPONDENT),
            DropReason::TunnelSourceMismatch,
        ),
        (
            CORE,
            up(UNBOUND_HOME, CORRESPONDENT),
            DropReason::TunnelUnknownHome,
        ),
        (CORE, up(FAR, CORRESPONDENT), DropReason::TunnelUnknownHome),
        (
            CORE,
            up("fe80::1", CORRESPONDENT),
            DropReason::TunnelUnknownHome,
        ),
        (CORE, inner_too_long, DropReason::TunnelInnerMalformed),
        (
            CORE,
            tunnelled(CARE_OF, ANCHOR, &[]),
            DropReason::TunnelInnerMalformed,
        ),
        (CORE, udp(FAR, LOOPED_HOME, 10), DropReason::TunnelLoop),
        (
            CORE,
            with_extension(&tunnelled(FAR, HOME, &data), 60, &tunnel_limit_header(0)),
            DropReason::EncapsulationLimit,
        ),
        (
            CORE,
            with_traffic_class(&uplink, 0b11),
            DropReason::EcnInvalid,
        ),
        (
            CORE,
            with_extension(&uplink, 43, &[0, 0, 0, 1, 0, 0, 0, 0]),
            DropReason::RoutingHeader0,
        ),
        (
            CORE,
            with_extension(&udp(FAR, ANCHOR, 10), 43, &[0, 0, 0, 1, 0, 0, 0, 0]),
            DropReason::RoutingHeader0,
        ),
        (
            CORE,
            with_extension(&mobility(FAR, ANCHOR), 43, &type_2_routing_header(HOME)),
            DropReason::RoutingHeader2,
        ),
        (
            CORE,
            with_extension(&mobility(FAR, ANCHOR), 43, &[0, 0, 2, 1, 0, 0, 0, 0]),
            DropReason::RoutingHeader2,
        ),
        (
            CORE,
            with_extension(&udp(FAR, ANCHOR, 10), 43, &[0, 0, 4, 1, 0, 0, 0, 0]),
            DropReason::RoutingHeaderUnknown,
        ),
        (
            CORE,
            with_extension(&udp(FAR, ANCHOR, 10), 60, &home_address_header(HOME)),
            DropReason::HomeAddressOptionUnbound,
        ),
        (
            CORE,
            with_extension(
                &udp(CARE_OF, ANCHOR, 10),
                60,
                &home_address_header(UNBOUND_HOME),
            ),
            DropReason::HomeAddressOptionUnbound,
        ),
        (
            CORE,
            with_extension(&uplink, 60, &home_address_header(HOME)),
            DropReason::HomeAddressOptionUnbound,
        ),
        (
            CORE,
            tunnelled(
                CARE_OF,
                ANCHOR,
                &with_extension(&mobility(HOME, ANCHOR), 44, &fragment_header(0, true)),
            ),
            DropReason::Fragment,
        ),
        (
            CORE,
            with_extension(
                &raw(CARE_OF, ANCHOR, 41, &[0x60; 33]),
                44,
                &fragment_header(0, true),
            ),
            DropReason::FragmentMalformed,
        ),
        (
            CORE,
            with_extension(
                &raw(CARE_OF, ANCHOR, 41, &[0x60; 33]),
                44,
                &fragment_header(65_504, false),
            ),
            DropReason::FragmentMalformed,
        ),
        (
            CORE,
            with_extension(
                &raw(CARE_OF, ANCHOR, 41, &[0x60; 32]),
                44,
                &fragment_header(16_384, false),
            ),
            DropReason::ReassemblyLimit,
        ),
    ]
}
