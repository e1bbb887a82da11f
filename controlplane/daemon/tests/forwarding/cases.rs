//! The packets: a table, a line of prose each, and random changes of them

use crate::packets::*;
use crate::router::Side;

pub struct Case {
    pub what: &'static str,
    pub from: Side,
    pub packet: Vec<u8>,
}

fn fragment(offset: u16, more: bool) -> [u8; 8] {
    let [o0, o1] = (offset * 8 + u16::from(more)).to_be_bytes();
    [0, 0, o0, o1, 1, 2, 3, 4]
}

fn routing(kind: u8, segments_left: u8) -> Vec<u8> {
    let mut header = vec![0, 2, kind, segments_left, 0, 0, 0, 0];
    header.extend(address("2001:db8:c:1::81").octets());
    header
}

/// From the left, where the links are wide.
pub fn table() -> Vec<Case> {
    let data = udp(LEFT, RIGHT, b"some payload");
    let later = raw(
        LEFT,
        RIGHT,
        44,
        &[&[58, 0, 0, 9, 0, 0, 0, 1][..], &[0; 8]].concat(),
    );
    let padded = |octets: usize| [&data[..], &vec![0xee; octets]].concat();
    let from = |source| udp(source, RIGHT, b"some payload");
    let to = |destination| udp(LEFT, destination, b"some payload");
    let with_length = |length: u16| {
        let mut packet = data.clone();
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        packet
    };
    let ends = [
        ("UDP, one hop less", data.clone()),
        (
            "a wrong UDP checksum is the receiver's",
            with(&data, 46, 0x12),
        ),
        (
            "traffic class and flow label stay",
            with(&with(&with(&data, 0, 0x6b), 1, 0xa5), 3, 7),
        ),
        ("a hop limit of 255", with_hops(&data, 255)),
        ("two hops left", with_hops(&data, 2)),
        ("the last hop", with_hops(&data, 1)),
        ("no hop left", with_hops(&data, 0)),
        (
            "the last hop of an ICMPv6 error",
            with_hops(&icmp(LEFT, RIGHT, [1, 0], &data), 1),
        ),
        (
            "the last hop of an echo request",
            with_hops(&icmp(LEFT, RIGHT, [128, 0], b"echo"), 1),
        ),
        (
            "the last hop of a fragment",
            with_hops(&with_header(&data, 44, &fragment(0, true)), 1),
        ),
        (
            "the last hop of a later fragment of ICMPv6",
            with_hops(&later, 1),
        ),
        (
            "as long as the next link takes",
            udp_of(RIGHT_MTU, LEFT, RIGHT),
        ),
        ("an octet longer", udp_of(RIGHT_MTU + 1, LEFT, RIGHT)),
        ("as long as its own link takes", udp_of(1500, LEFT, RIGHT)),
        (
            "as long as the route takes",
            udp_of(NARROW_MTU, LEFT, NARROW),
        ),
        (
            "an octet longer than the route takes",
            udp_of(NARROW_MTU + 1, LEFT, NARROW),
        ),
        (
            "too long, and the last hop",
            with_hops(&udp_of(1500, LEFT, RIGHT), 1),
        ),
        (
            "too long, an ICMPv6 error",
            icmp(LEFT, RIGHT, [3, 0], &[0; 1440]),
        ),
        ("no route", to(NOWHERE)),
        ("no route, the last hop", with_hops(&to(NOWHERE), 1)),
        ("no route, a long packet", udp_of(1500, LEFT, NOWHERE)),
        (
            "an address of a pool that is not bound",
            to("2001:db8:d:1::1"),
        ),
        ("a blackhole route", to(BLACKHOLE)),
        ("an unreachable route", to(UNREACHABLE)),
        ("a prohibited route", to(PROHIBITED)),
        ("a link-local source", from("fe80::7")),
        (
            "a link-local source, the last hop",
            with_hops(&from("fe80::7"), 1),
        ),
        ("a link-local destination", to("fe80::99")),
        ("a multicast destination", to("ff0e::1:2:3")),
        ("a multicast destination of the link", to("ff02::1:2:3")),
        ("a multicast destination of the node", to("ff01::1:2:3")),
        (
            "a multicast destination, the last hop",
            with_hops(&to("ff0e::1:2:3"), 1),
        ),
        ("a multicast source", from("ff0e::1:2:3")),
        ("an unspecified source", from("::")),
        (
            "an unspecified source, the last hop",
            with_hops(&from("::"), 1),
        ),
        ("an unspecified destination", to("::")),
        ("a loopback source", from("::1")),
        ("a loopback destination", to("::1")),
        ("an IPv4-mapped source", from("::ffff:192.0.2.1")),
        ("an IPv4-mapped destination", to("::ffff:192.0.2.1")),
        ("a unique local source", from("fd00::7")),
        (
            "a first fragment",
            with_header(&data, 44, &fragment(0, true)),
        ),
        (
            "a later fragment",
            with_header(&data, 44, &fragment(185, false)),
        ),
        (
            "a fragment of all",
            with_header(&data, 44, &fragment(0, false)),
        ),
        (
            "a fragment too long",
            with_header(&udp_of(1480, LEFT, RIGHT), 44, &fragment(0, true)),
        ),
        (
            "hop-by-hop padding",
            with_header(&data, 0, &[0, 0, 1, 4, 0, 0, 0, 0]),
        ),
        (
            "a hop-by-hop option to skip",
            with_header(&data, 0, &[0, 0, 0x1e, 4, 0, 0, 0, 0]),
        ),
        (
            "a router alert",
            with_header(&data, 0, &[0, 0, 5, 2, 0, 0, 1, 0]),
        ),
        (
            "a hop-by-hop option to discard for",
            with_header(&data, 0, &[0, 0, 0x5e, 4, 0, 0, 0, 0]),
        ),
        (
            "a hop-by-hop option to answer",
            with_header(&data, 0, &[0, 0, 0x9e, 4, 0, 0, 0, 0]),
        ),
        (
            "a hop-by-hop option too long",
            with_header(&data, 0, &[0, 0, 1, 40, 0, 0, 0, 0]),
        ),
        (
            "hop-by-hop options cut short",
            raw(LEFT, RIGHT, 0, &[17, 9, 1, 4, 0, 0, 0, 0]),
        ),
        (
            "a destination option to answer",
            with_header(&data, 60, &[0, 0, 0x9e, 4, 0, 0, 0, 0]),
        ),
        ("a Home Address option", {
            let option = [&[0, 2, 1, 2, 0, 0, 201, 16][..], &address(LEFT).octets()].concat();
            with_header(&data, 60, &option)
        }),
        (
            "a type 0 routing header",
            with_header(&data, 43, &routing(0, 1)),
        ),
        (
            "a type 2 routing header",
            with_header(&data, 43, &routing(2, 1)),
        ),
        (
            "a type 4 routing header",
            with_header(&data, 43, &routing(4, 1)),
        ),
        (
            "a routing header used up",
            with_header(&data, 43, &routing(0, 0)),
        ),
        (
            "an authentication header",
            with_header(
                &data,
                51,
                &[
                    0, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
                ],
            ),
        ),
        (
            "ESP",
            raw(LEFT, RIGHT, 50, &[0, 0, 1, 0, 0, 0, 0, 1, 7, 7, 7, 7]),
        ),
        ("no next header", raw(LEFT, RIGHT, 59, &[])),
        (
            "an unknown next header",
            raw(LEFT, RIGHT, 253, b"experiment"),
        ),
        (
            "a Mobility Header",
            raw(LEFT, RIGHT, 135, &[59, 0, 1, 0, 0, 0, 0, 0]),
        ),
        ("a tunnel", raw(LEFT, RIGHT, 41, &data)),
        (
            "extension headers out of bounds",
            raw(LEFT, RIGHT, 60, &[43, 0, 1, 4, 0, 0, 0, 0, 17, 200, 0, 0]),
        ),
        ("nothing but a header", raw(LEFT, RIGHT, 17, &[])),
        ("padding of the link", padded(7)),
        ("a payload length less than there is", with_length(9)),
        ("a payload length more than there is", with_length(21)),
        ("a payload length of 65,535", with_length(65_535)),
        ("a header cut short", data[..39].to_vec()),
        ("one octet", data[..1].to_vec()),
        ("nothing at all", vec![]),
        ("version 4 in an IPv6 frame", with(&data, 0, 0x45)),
        ("version 5", with(&data, 0, 0x50)),
        (
            "to the router itself, an echo request",
            icmp(LEFT, ANCHOR, [128, 0], b"\0\x01\0\x02echo"),
        ),
        (
            "to the router itself, nothing listens",
            udp(LEFT, ANCHOR, b"anybody?"),
        ),
        (
            "to the router itself, the last hop",
            with_hops(&icmp(LEFT, ANCHOR, [128, 0], b"\0\x01\0\x02echo"), 1),
        ),
    ];
    let left = ends.into_iter().map(|(what, packet)| Case {
        what,
        from: Side::Left,
        packet,
    });
    let back = [
        ("the other way", udp(RIGHT, LEFT, b"some payload")),
        (
            "the other way, the last hop",
            with_hops(&udp(RIGHT, LEFT, b"some payload"), 1),
        ),
        (
            "the other way, no route",
            udp(RIGHT, NOWHERE, b"some payload"),
        ),
        (
            "back where it came from",
            udp(RIGHT, NARROW, b"some payload"),
        ),
    ];
    let right = back.into_iter().map(|(what, packet)| Case {
        what,
        from: Side::Right,
        packet,
    });
    left.chain(right).collect()
}

/// Packets of the table, each with some octets changed or cut; the same at every run.
pub fn mutations(count: usize) -> impl Iterator<Item = Case> {
    let table = table();
    // xorshift64*
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |bound: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    };
    (0..count).map(move |_| {
        let case = &table[below(table.len())];
        let mut packet = case.packet.clone();
        for _ in 0..=below(3) {
            let at = below(packet.len().min(72));
            let value = below(256) as u8;
            if let Some(octet) = packet.get_mut(at) {
                *octet = match below(3) {
                    0 => value,
                    1 => *octet ^ 1 << (value & 7),
                    _ => [0, 1, 6, 41, 43, 44, 58, 60, 255][usize::from(value) % 9],
                };
            }
        }
        if below(8) == 0 {
            packet.truncate(below(packet.len()));
        }
        Case {
            what: "a mutation",
            from: case.from,
            packet,
        }
    })
}
