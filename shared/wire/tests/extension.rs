//! The walk along extension headers, and Mobility Headers in the packets that carry them.

use std::net::Ipv6Addr;

use dhp_wire::codepoints::{icmpv6, next_header as nh};
use dhp_wire::extension::{
    ChainError, ChainReason, Fragment, HeaderChain, MAX_HEADERS, Routing, Unrecognized, ports, walk,
};
use dhp_wire::ipv6::{Ipv6Error, Ipv6View, flow_label_hash};
use dhp_wire::packet::{MobilityPacket, PacketError, compose};

const SRC: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x100);
const DST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x100);
/// A Binding Refresh Request, the shortest Mobility Header.
const MH: [u8; 8] = [59, 0, 0, 0, 0, 0, 0, 0];

/// A packet of these headers, each without its first octet, which is filled in.
fn packet(headers: &[(u8, Vec<u8>)], upper: u8, payload: &[u8]) -> Vec<u8> {
    let mut behind = payload.to_vec();
    let mut next = upper;
    for (kind, rest) in headers.iter().rev() {
        let mut header = vec![next];
        header.extend(rest);
        header.extend(behind);
        (behind, next) = (header, *kind);
    }
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(behind.len()).unwrap().to_be_bytes());
    packet.extend([next, 64]);
    packet.extend(SRC.octets());
    packet.extend(DST.octets());
    packet.extend(behind);
    packet
}

fn home_address_header() -> (u8, Vec<u8>) {
    let mut rest = vec![2, 1, 2, 0, 0, 0xc9, 16];
    rest.extend(HOME.octets());
    (nh::DESTINATION, rest)
}

fn routing_header(kind: u8, segments_left: u8) -> (u8, Vec<u8>) {
    let mut rest = vec![2, kind, segments_left, 0, 0, 0, 0];
    rest.extend(HOME.octets());
    (nh::ROUTING, rest)
}

fn fragment_header(field: u16) -> (u8, Vec<u8>) {
    let [f0, f1] = field.to_be_bytes();
    (nh::FRAGMENT, vec![0, f0, f1, 0xde, 0xad, 0xbe, 0xef])
}

fn options_header(kind: u8, options: &[u8; 6]) -> (u8, Vec<u8>) {
    let mut rest = vec![0];
    rest.extend(options);
    (kind, rest)
}

#[test]
fn every_kind_of_header_is_found() {
    let headers = [
        options_header(nh::HOP_BY_HOP, &[5, 2, 0, 0, 0, 0]),
        routing_header(2, 1),
        home_address_header(),
        fragment_header(1),
        (
            nh::AUTHENTICATION,
            vec![
                4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
            ],
        ),
        options_header(nh::DESTINATION, &[4, 1, 3, 1, 1, 0]),
    ];
    let packet = packet(&headers, nh::TCP, &[0x01, 0xbb, 0xc0, 0x00]);
    let chain = walk(&packet).unwrap();
    let expected = HeaderChain {
        upper_protocol: nh::TCP,
        upper_offset: 40 + 8 + 24 + 24 + 8 + 24 + 8,
        home_address: Some((HOME, 40 + 8 + 24 + 6)),
        home_addresses: 1,
        routing: Some(Routing {
            kind: 2,
            segments_left: 1,
            offset: 48,
            home: Some(HOME),
        }),
        fragment: Some(Fragment {
            offset: 0,
            more: true,
            id: 0xdead_beef,
            header_offset: 96,
        }),
        authentication: true,
        encapsulation_limit: Some((3, 40 + 8 + 24 + 24 + 8 + 24 + 4)),
        unrecognized: None,
    };
    assert_eq!(chain, expected);
    // Only the first fragment shows ports, so none may count.
    assert_eq!(ports(&packet, &chain), 0);
}

#[test]
fn a_later_fragment_ends_the_walk() {
    // What looks like another header here is data.
    let packet = packet(
        &[fragment_header(8 | 1)],
        nh::DESTINATION,
        &[nh::MOBILITY, 0, 1, 4, 0, 0, 0, 0],
    );
    let chain = walk(&packet).unwrap();
    assert_eq!(
        (chain.upper_protocol, chain.upper_offset),
        (nh::DESTINATION, 48)
    );
    assert_eq!(
        chain
            .fragment
            .map(|fragment| (fragment.offset, fragment.more)),
        Some((8, true))
    );
}

#[test]
fn what_is_not_a_header_to_walk_ends_the_walk() {
    for upper in [
        nh::TCP,
        nh::IPV6,
        nh::ESP,
        nh::NO_NEXT,
        nh::MOBILITY,
        nh::ICMPV6,
        139,
        140,
        253,
    ] {
        let chain = walk(&packet(&[], upper, &[0; 8])).unwrap();
        assert_eq!((chain.upper_protocol, chain.upper_offset), (upper, 40));
    }
}

#[test]
fn errors_point_where_the_rfc_says() {
    let fails = |packet: Vec<u8>| walk(&packet).unwrap_err();
    let error = |reason, pointer| ChainError { reason, pointer };
    let padding = || options_header(nh::DESTINATION, &[1, 4, 0, 0, 0, 0]);
    // A Hop-by-Hop header second: the pointer is on the Next Header field that names it.
    let second = packet(
        &[
            padding(),
            options_header(nh::HOP_BY_HOP, &[1, 4, 0, 0, 0, 0]),
        ],
        nh::UDP,
        &[],
    );
    assert_eq!(fails(second), error(ChainReason::HopByHopNotFirst, 40));
    let overrun = packet(
        &[options_header(nh::DESTINATION, &[1, 5, 0, 0, 0, 0])],
        nh::UDP,
        &[],
    );
    assert_eq!(fails(overrun), error(ChainReason::OptionOverrun, 42));
    let no_length = packet(
        &[options_header(nh::DESTINATION, &[1, 3, 0, 0, 0, 7])],
        nh::UDP,
        &[],
    );
    assert_eq!(fails(no_length), error(ChainReason::OptionOverrun, 47));
    let home = packet(
        &[options_header(nh::DESTINATION, &[0, 0xc9, 3, 0, 0, 0])],
        nh::UDP,
        &[],
    );
    assert_eq!(fails(home), error(ChainReason::OptionLength, 44));
    let limit = packet(
        &[options_header(nh::DESTINATION, &[4, 0, 1, 2, 0, 0])],
        nh::UDP,
        &[],
    );
    assert_eq!(fails(limit), error(ChainReason::OptionLength, 43));
    let cut = packet(&[(nh::ROUTING, vec![2, 2, 1, 0, 0, 0, 0])], nh::UDP, &[]);
    assert_eq!(fails(cut), error(ChainReason::Truncated, 40));
    let most = vec![padding(); MAX_HEADERS];
    assert!(walk(&packet(&most, nh::UDP, &[])).is_ok());
    let more = vec![padding(); MAX_HEADERS + 1];
    let pointer = 40 + 8 * MAX_HEADERS as u32;
    assert_eq!(
        fails(packet(&more, nh::UDP, &[])),
        error(ChainReason::TooManyHeaders, pointer)
    );
    assert_eq!(walk(&[0x60; 39]), Err(error(ChainReason::Truncated, 0)));
}

#[test]
fn options_that_are_not_known() {
    let chain = |kind: u8| {
        walk(&packet(
            &[options_header(nh::DESTINATION, &[1, 0, kind, 2, 0, 0])],
            nh::UDP,
            &[],
        ))
        .unwrap()
    };
    assert_eq!(chain(0x3e).unrecognized, None);
    for (kind, unicast, multicast) in [
        (0x7e, false, false),
        (0xbe, true, true),
        (0xfe, true, false),
    ] {
        let option = chain(kind).unrecognized.unwrap();
        assert_eq!(option, Unrecognized { kind, offset: 44 });
        assert_eq!(
            (option.wants_answer(false), option.wants_answer(true)),
            (unicast, multicast)
        );
    }
}

#[test]
fn view() {
    let whole = packet(&[], nh::UDP, &[1, 2, 3, 4]);
    let mut padded = whole.clone();
    padded.extend([0; 6]);
    let view = Ipv6View::new(&padded).unwrap();
    assert_eq!((view.total_len(), view.payload()), (44, &[1, 2, 3, 4][..]));
    assert_eq!(
        (view.source(), view.destination(), view.hop_limit()),
        (SRC, DST, 64)
    );
    assert_eq!(
        Ipv6View::new(&whole[..43]).unwrap_err(),
        Ipv6Error::PayloadLength {
            stated: 4,
            available: 3
        }
    );
    assert_eq!(
        Ipv6View::new(&whole[..39]).unwrap_err(),
        Ipv6Error::TooShort
    );
    let mut fourth = whole;
    fourth[0] = 0x45;
    assert_eq!(Ipv6View::new(&fourth).unwrap_err(), Ipv6Error::Version(4));
}

/// RFC 6438: one flow, one label; many flows, spread over all of them.
#[test]
fn flow_labels_spread() {
    let packet = packet(&[], nh::TCP, &[0x01, 0xbb, 0xc0, 0x00]);
    let view = Ipv6View::new(&packet).unwrap();
    let first = ports(&packet, &walk(&packet).unwrap());
    assert_eq!(first, 0x01bb_c000);
    assert_eq!(
        flow_label_hash(&view, nh::TCP, first),
        flow_label_hash(&view, nh::TCP, first)
    );
    let mut buckets = [0u32; 64];
    for port in 0..64_000u32 {
        let label = flow_label_hash(&view, nh::TCP, 443 << 16 | port);
        assert!((1..1 << 20).contains(&label));
        buckets[label as usize % 64] += 1;
    }
    // 1000 expected in each; six standard deviations are 190.
    assert!(
        buckets.iter().all(|count| (810..1190).contains(count)),
        "{buckets:?}"
    );
}

// ---- Mobility Headers in packets ----

#[test]
fn home_addresses_from_both_headers() {
    let both = compose(&SRC, &DST, Some(&HOME), Some(&SRC), &MH);
    assert_eq!(both, {
        let mut routing = routing_header(2, 1);
        routing.1[7..].copy_from_slice(&SRC.octets());
        packet(&[routing, home_address_header()], nh::MOBILITY, &MH)
    });
    let parsed = MobilityPacket::parse(&both).unwrap();
    assert_eq!(
        (parsed.home_address, parsed.type2_home, parsed.mh_offset),
        (Some(HOME), Some(SRC), 88)
    );
    assert_eq!(
        (parsed.checksum_source(), parsed.checksum_destination()),
        (HOME, SRC)
    );
}

#[test]
fn what_follows_the_header_is_left_out() {
    let mut long = MH.to_vec();
    long.extend([1, 2, 3]);
    let parsed = compose(&SRC, &DST, None, None, &long);
    assert_eq!(MobilityPacket::parse(&parsed).unwrap().mh, MH);
}

#[test]
fn routing_headers() {
    let error = |header| {
        let packet = packet(&[header], nh::MOBILITY, &MH);
        MobilityPacket::parse(&packet).map(|parsed| parsed.type2_home)
    };
    assert_eq!(error(routing_header(2, 1)), Ok(Some(HOME)));
    // With no segments left, nothing is left to do.
    assert_eq!(error(routing_header(2, 0)), Ok(None));
    assert_eq!(error(routing_header(0, 0)), Ok(None));
    let source_route = error(routing_header(0, 1)).unwrap_err();
    assert_eq!(
        source_route,
        PacketError::Routing {
            kind: 0,
            pointer: 42
        }
    );
    assert_eq!(
        source_route.parameter_problem(),
        Some((icmpv6::ERRONEOUS_FIELD, 42))
    );
    // Type 2 against its own rules: silence.
    let twice = error(routing_header(2, 2)).unwrap_err();
    assert_eq!(
        (twice, twice.parameter_problem()),
        (
            PacketError::Routing {
                kind: 2,
                pointer: 42
            },
            None
        )
    );
    let empty = error((nh::ROUTING, vec![0, 2, 1, 0, 0, 0, 0])).unwrap_err();
    assert_eq!(
        empty,
        PacketError::Routing {
            kind: 2,
            pointer: 42
        }
    );
}

#[test]
fn packets_that_give_no_mobility_header() {
    let error = |headers: &[(u8, Vec<u8>)], upper| {
        MobilityPacket::parse(&packet(headers, upper, &MH)).unwrap_err()
    };
    assert_eq!(
        error(&[], nh::UDP),
        PacketError::UpperLayer { protocol: nh::UDP }
    );
    assert_eq!(
        error(&[fragment_header(1)], nh::MOBILITY),
        PacketError::Fragment
    );
    assert_eq!(
        error(&[fragment_header(8)], nh::MOBILITY),
        PacketError::Fragment
    );
    assert!(MobilityPacket::parse(&packet(&[fragment_header(0)], nh::MOBILITY, &MH)).is_ok());
    let twice = [home_address_header(), home_address_header()];
    assert_eq!(
        error(&twice, nh::MOBILITY),
        PacketError::RepeatedHomeAddress
    );
    let unknown = error(
        &[options_header(nh::DESTINATION, &[0xbe, 4, 0, 0, 0, 0])],
        nh::MOBILITY,
    );
    assert_eq!(
        unknown,
        PacketError::UnrecognizedOption {
            pointer: 42,
            answer: true
        }
    );
    assert_eq!(
        unknown.parameter_problem(),
        Some((icmpv6::UNRECOGNIZED_OPTION, 42))
    );
    let silent = error(
        &[options_header(nh::DESTINATION, &[0x7e, 4, 0, 0, 0, 0])],
        nh::MOBILITY,
    );
    assert_eq!(silent.parameter_problem(), None);
    let overrun = error(
        &[options_header(nh::DESTINATION, &[1, 9, 0, 0, 0, 0])],
        nh::MOBILITY,
    );
    assert_eq!(
        overrun.parameter_problem(),
        Some((icmpv6::ERRONEOUS_FIELD, 42))
    );
    assert_eq!(
        MobilityPacket::parse(&[]).unwrap_err(),
        PacketError::Ipv6(Ipv6Error::TooShort)
    );
}
