//! ICMPv6 errors, read back with another implementation.

use std::net::Ipv6Addr;

use dhp_wire::codepoints::{icmpv6 as codes, next_header};
use dhp_wire::icmpv6::{IcmpError, may_answer, write_error};
use dhp_wire::ipv6::{HEADER_LEN, Ipv6Header};
use etherparse::{Icmpv6Header, Icmpv6Type, IpNumber, Ipv6HeaderSlice, icmpv6};

const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x80);
const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 0, 7);

fn packet(source: Ipv6Addr, destination: Ipv6Addr, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; HEADER_LEN];
    let header = Ipv6Header {
        traffic_class: 0xb8,
        flow_label: 0x12345,
        payload_len: payload.len().try_into().unwrap(),
        next_header,
        hop_limit: 1,
        source,
        destination,
    };
    header.emit(packet.first_chunk_mut().unwrap());
    packet.extend(payload);
    packet
}

/// The error's type as etherparse has it, its checksum verified, and what it quotes.
fn read_back(written: &[u8]) -> (Icmpv6Type, Vec<u8>) {
    let ip = Ipv6HeaderSlice::from_slice(written).expect("an IPv6 header");
    assert_eq!(ip.next_header(), IpNumber::IPV6_ICMP);
    assert_eq!(ip.hop_limit(), 64);
    assert_eq!((ip.source_addr(), ip.destination_addr()), (ANCHOR, CN));
    let message = &written[HEADER_LEN..];
    assert_eq!(usize::from(ip.payload_length()), message.len());
    let (header, quoted) = Icmpv6Header::from_slice(message).expect("an ICMPv6 header");
    let expected = header
        .icmp_type
        .calc_checksum(ip.source(), ip.destination(), quoted)
        .unwrap();
    assert_eq!(header.checksum, expected);
    (header.icmp_type, quoted.to_vec())
}

#[test]
fn every_error_reads_back() {
    use Icmpv6Type::{DestinationUnreachable, PacketTooBig, ParameterProblem, TimeExceeded};
    let unreachable = IcmpError::DestinationUnreachable {
        code: codes::ADDRESS_UNREACHABLE,
    };
    let pointed = IcmpError::ParameterProblem {
        code: codes::ERRONEOUS_FIELD,
        pointer: 42,
    };
    let cases = [
        (
            IcmpError::PacketTooBig { mtu: 1460 },
            PacketTooBig { mtu: 1460 },
        ),
        (
            IcmpError::TimeExceeded,
            TimeExceeded(icmpv6::TimeExceededCode::HopLimitExceeded),
        ),
        (
            unreachable,
            DestinationUnreachable(icmpv6::DestUnreachableCode::Address),
        ),
        (
            pointed,
            ParameterProblem(icmpv6::ParameterProblemHeader {
                code: icmpv6::ParameterProblemCode::ErroneousHeaderField,
                pointer: 42,
            }),
        ),
    ];
    for (error, expected) in cases {
        // Odd and even lengths, one that just fits, and one that must be cut.
        for payload in [0, 1, 12, 13, 1191, 1192, 1193, 1452] {
            let offending = packet(CN, HOME, next_header::UDP, &vec![0xa5; payload]);
            let mut out = [0xee; 1500];
            let len = write_error(&mut out, &ANCHOR, &CN, error, &offending).unwrap();
            assert!(len <= 1280, "{error:?} {payload}");
            assert!(out[len..].iter().all(|octet| *octet == 0xee));
            let (read, quoted) = read_back(&out[..len]);
            assert_eq!(read, expected);
            assert_eq!(quoted, offending[..offending.len().min(1280 - 48)]);
        }
    }
}

#[test]
fn a_small_buffer_cuts_the_quotation_and_a_smaller_one_holds_nothing() {
    let offending = packet(CN, HOME, next_header::UDP, &[0; 100]);
    let mut out = [0; 99];
    assert_eq!(
        write_error(&mut out, &ANCHOR, &CN, IcmpError::TimeExceeded, &offending),
        Some(99)
    );
    assert_eq!(read_back(&out).1, offending[..51]);
    assert_eq!(
        write_error(
            &mut out[..48],
            &ANCHOR,
            &CN,
            IcmpError::TimeExceeded,
            &offending
        ),
        Some(48)
    );
    assert_eq!(
        write_error(
            &mut out[..47],
            &ANCHOR,
            &CN,
            IcmpError::TimeExceeded,
            &offending
        ),
        None
    );
}

/// RFC 4443 §2.4(e), clause by clause.
#[test]
fn what_must_not_be_answered() {
    let unreachable = IcmpError::DestinationUnreachable {
        code: codes::ADDRESS_UNREACHABLE,
    };
    let answered = |packet: &[u8]| may_answer(packet, unreachable);
    assert!(answered(&packet(CN, HOME, next_header::UDP, &[0; 8])));
    // (e.1) errors, those not assigned yet too; (e.2) Redirect. Informational messages are answered.
    let icmp = |kind: u8| packet(CN, HOME, next_header::ICMPV6, &[kind, 0, 0, 0, 0, 0, 0, 0]);
    for kind in [0, 1, 2, 3, 4, 100, 127, codes::REDIRECT] {
        assert!(!answered(&icmp(kind)), "{kind}");
    }
    for kind in [
        codes::ECHO_REQUEST,
        codes::ECHO_REPLY,
        codes::NEIGHBOR_SOLICITATION,
        255,
    ] {
        assert!(answered(&icmp(kind)), "{kind}");
    }
    // The same behind an extension header, and where the type is not to be seen.
    let behind = |rest: &[u8]| {
        let mut payload = vec![next_header::ICMPV6, 0, 1, 4, 0, 0, 0, 0];
        payload.extend(rest);
        packet(CN, HOME, next_header::DESTINATION, &payload)
    };
    assert!(!answered(&behind(&[codes::TIME_EXCEEDED, 0, 0, 0])));
    assert!(answered(&behind(&[codes::ECHO_REQUEST, 0, 0, 0])));
    assert!(!answered(&behind(&[])));
    let fragment = |offset: u8, kind: u8| {
        packet(
            CN,
            HOME,
            next_header::FRAGMENT,
            &[next_header::ICMPV6, 0, 0, offset, 0, 0, 0, 1, kind, 0, 0, 0],
        )
    };
    assert!(!answered(&fragment(8, codes::ECHO_REQUEST)));
    assert!(answered(&fragment(1, codes::ECHO_REQUEST)));
    // (e.3) multicast, but for Packet Too Big and Parameter Problem code 2.
    let group = packet(CN, "ff0e::1".parse().unwrap(), next_header::UDP, &[0; 8]);
    assert!(!answered(&group));
    assert!(!may_answer(&group, IcmpError::TimeExceeded));
    assert!(!may_answer(
        &group,
        IcmpError::ParameterProblem {
            code: 0,
            pointer: 0
        }
    ));
    assert!(may_answer(&group, IcmpError::PacketTooBig { mtu: 1280 }));
    assert!(may_answer(
        &group,
        IcmpError::ParameterProblem {
            code: codes::UNRECOGNIZED_OPTION,
            pointer: 0
        }
    ));
    // (e.6) a source that is not one node.
    for source in ["::", "ff02::1", "::1"] {
        assert!(
            !answered(&packet(
                source.parse().unwrap(),
                HOME,
                next_header::UDP,
                &[0; 8]
            )),
            "{source}"
        );
    }
    assert!(!answered(&[0x60; 39]));
}
