//! Arbitrary packets that get further than random octets would: known addresses, extension headers, packets in packets

use std::net::Ipv6Addr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::appliance::*;
use crate::packets::*;

pub const FAR: &str = "2001:db8:a::42";

/// What a treatment may depend on.
const ADDRESSES: [&str; 23] = [
    ANCHOR,
    HOME,
    CARE_OF,
    OTHER_HOME,
    OTHER_CARE_OF,
    PREVIOUS_CARE_OF,
    PENDING_HOME,
    NARROW_HOME,
    LOOPED_HOME,
    UNBOUND_HOME,
    LOCAL,
    CORRESPONDENT,
    STRANGER,
    ANYCAST,
    PENDING,
    NARROW,
    BLACKHOLE,
    PROHIBITED,
    NOWHERE,
    FAR,
    "fe80::1",
    "ff02::1",
    "::",
];

/// How many packets a round gets.
pub fn batch() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), Just(63), Just(64), 1..65_usize]
}

fn any_address() -> impl Strategy<Value = Ipv6Addr> {
    // Pairs that matter are rare among all: three of four addresses are of the first seven.
    prop_oneof![3 => select(&ADDRESSES[..7]), 1 => select(&ADDRESSES[..])].prop_map(address)
}

/// Type and octets of an extension header; the first octet is to be overwritten.
fn extension() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let routing = (select(&[0_u8, 2, 4][..]), 0..3_u8, any_address());
    prop_oneof![
        Just((0, vec![0, 0, 1, 4, 0, 0, 0, 0])),
        Just((60, vec![0, 0, 1, 4, 0, 0, 0, 0])),
        (0..3_u8).prop_map(|limit| (60, tunnel_limit_header(limit).to_vec())),
        any_address().prop_map(|home| (60, home_address_header(&home.to_string()))),
        routing.prop_map(|(kind, left, home)| {
            let mut header = type_2_routing_header(&home.to_string());
            (header[2], header[3]) = (kind, left);
            (43, header)
        }),
        (0..40_u16, any::<bool>())
            .prop_map(|(offset, more)| (44, fragment_header(offset * 8, more).to_vec())),
        vec(any::<u8>(), 22).prop_map(|rest| (51, [&[0, 4][..], &rest[..]].concat())),
    ]
}

/// What stands behind the headers: Next Header and octets.
fn payload(depth: u32) -> BoxedStrategy<(u8, Vec<u8>)> {
    let plain = prop_oneof![
        4 => (any::<u8>(), vec(any::<u8>(), 0..100)),
        2 => vec(any::<u8>(), 0..100).prop_map(|octets| (17, octets)),
        1 => prop_oneof![1200..1310_usize, 1400..1501_usize]
            .prop_map(|len| (17, (0..len).map(|octet| octet as u8).collect())),
        1 => Just((135, vec![59, 1, 11, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0, 0])),
        1 => Just((58, vec![144, 0, 0, 0, 0, 0, 0, 0])),
    ];
    if depth == 0 {
        return plain.boxed();
    }
    prop_oneof![2 => plain, 3 => packet(depth - 1).prop_map(|inner| (41, inner))].boxed()
}

/// A packet with at most `depth` more inside.
pub fn packet(depth: u32) -> BoxedStrategy<Vec<u8>> {
    let hops = prop_oneof![6 => Just(64), 2 => select(&[0_u8, 1, 2, 255][..])];
    let fields = (any_address(), any_address(), any::<u8>(), hops);
    let extensions = prop_oneof![4 => vec(extension(), 0..1), 2 => vec(extension(), 1..3)];
    let plain = (fields, extensions, payload(depth)).prop_map(|(fields, extensions, payload)| {
        let (from, to, class, hops) = fields;
        let packet = raw_between(from, to, payload.0, &payload.1);
        let packet = with_hop_limit(&with_traffic_class(&packet, class), hops);
        extensions.iter().fold(packet, |packet, (kind, header)| {
            with_extension(&packet, *kind, header)
        })
    });
    if depth == 0 {
        return plain.boxed();
    }
    prop_oneof![8 => plain, 1 => icmp_message(depth - 1)].boxed()
}

/// An ICMPv6 message about another packet, often one of a tunnel of ours.
fn icmp_message(depth: u32) -> impl Strategy<Value = Vec<u8>> {
    let kind = select(&[1_u8, 2, 2, 3, 4, 128, 137][..]);
    let word = prop_oneof![1270..1510_u32, any::<u32>(), 0..64_u32];
    let ours = packet(depth).prop_map(|inner| tunnelled(ANCHOR, CARE_OF, &inner));
    let about = prop_oneof![packet(depth), ours];
    (
        any_address(),
        any_address(),
        kind,
        0..4_u8,
        word,
        about,
        0..1400_usize,
    )
        .prop_map(|(from, to, kind, code, word, about, quoted)| {
            icmp(
                from,
                to,
                [kind, code],
                word,
                &about[..about.len().min(quoted)],
            )
        })
}

/// Where it comes in.
pub fn arrival() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(CORE), 2 => Just(CN), 1 => Just(HOST)]
}
