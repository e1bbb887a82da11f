//! What we read in the packets of `scapy_peer.py encode`, in words.

use std::fmt::Write as _;
use std::net::Ipv6Addr;

use dhp_wire::codepoints::{CodePoints, next_header};
use dhp_wire::mobility::{Fixed, MobilityHeader};
use dhp_wire::packet::{IcmpPacket, MobilityPacket, PacketError};

/// The names of the packets in their order, and what they say.
pub const EXPECTED: &[(&str, &str)] = &[
    ("brr", "BindingRefreshRequest"),
    (
        "hoti",
        "HomeTestInit { cookie: [17, 17, 17, 17, 17, 17, 17, 17] }",
    ),
    (
        "coti",
        "CareOfTestInit { cookie: [17, 17, 17, 17, 17, 17, 17, 17] }",
    ),
    (
        "hot",
        "HomeTest { nonce_index: 4, cookie: [17, 17, 17, 17, 17, 17, 17, 17], token: [34, 34, 34, 34, 34, 34, \
         34, 34] }",
    ),
    (
        "cot",
        "CareOfTest { nonce_index: 5, cookie: [17, 17, 17, 17, 17, 17, 17, 17], token: [34, 34, 34, 34, 34, \
         34, 34, 34] }",
    ),
    (
        "be",
        "BindingError { status: 1, home_address: 2001:db8:1::100 }",
    ),
    (
        "bu-correspondent",
        "home 2001:db8:1::100: BindingUpdate { sequence: 1, flags: BuFlags(32768), lifetime: Lifetime(105) } \
         NonceIndices { home: 4, care_of: 5 } BindingAuthorizationData { authenticator: [51, 51, 51, 51, 51, \
         51, 51, 51, 51, 51, 51, 51], mac_input_len: 20, ends_header: true }",
    ),
    (
        "bu-home",
        "home 2001:db8:1::100: BindingUpdate { sequence: 7, flags: BuFlags(57344), lifetime: Lifetime(900) } \
         AlternateCareOf(2001:db8:2::100) MnId { subtype: 1, identifier: [109, 110, 64, 101, 120, 97, 109, \
         112, 108, 101, 46, 110, 101, 116] } MesgId(72623859790382856) MobileNetworkPrefix { prefix_len: 48, \
         prefix: 2001:db8:3::1 } Auth(AuthOption { subtype: 1, spi: 256, data: [68, 68, 68, 68, 68, 68, 68, \
         68, 68, 68, 68, 68], mac_input_len: 88, ends_header: false, is_last: true })",
    ),
    (
        "ba",
        "via 2001:db8:1::100: BindingAcknowledgement { status: Status(1), flags: 128, sequence: 7, lifetime: \
         Lifetime(600) } BindingRefreshAdvice(Lifetime(300)) Unknown { kind: 200, data: [1, 2, 3] }",
    ),
    (
        "unknown",
        "Other { mh_type: 200, data: [1, 2, 0, 0, 0, 0, 0, 0, 0, 0] }",
    ),
    (
        "ra",
        "RouterAdvertisement(RouterAdvertisement { hop_limit: 64, flags: 40, lifetime_s: 1800, reachable_ms: \
         3, retransmit_ms: 4 }) SourceLinkLayer([2, 0, 0, 0, 0, 9]) Mtu(1500) Prefix(PrefixInformation { \
         prefix_len: 64, flags: 224, valid_lifetime_s: 86400, preferred_lifetime_s: 14400, prefix: \
         2001:db8:1::1 }) AdvertisementInterval(70) HomeAgent { preference: 9, lifetime_s: 300 }",
    ),
    ("rs", "RouterSolicitation"),
    ("ns-dad", "NeighborSolicitation { target: 2001:db8:1::100 }"),
    (
        "na-proxy",
        "NeighborAdvertisement { flags: 32, target: 2001:db8:1::100 } TargetLinkLayer([2, 0, 0, 0, 0, 9])",
    ),
    (
        "dhaad-request",
        "HomeAgentDiscoveryRequest { identifier: 258 }",
    ),
    (
        "dhaad-reply",
        "HomeAgentDiscoveryReply { identifier: 258 } [2001:db8:1::1, 2001:db8:3::1]",
    ),
    (
        "mps",
        "home 2001:db8:1::100: MobilePrefixSolicitation { identifier: 258 }",
    ),
    (
        "mpa",
        "via 2001:db8:1::100: MobilePrefixAdvertisement { identifier: 258, flags: 128 } \
         Prefix(PrefixInformation { prefix_len: 64, flags: 224, valid_lifetime_s: 86400, \
         preferred_lifetime_s: 14400, prefix: 2001:db8:1::1 })",
    ),
];

/// A packet in words. Its checksum must be right.
pub fn read(packet: &str) -> String {
    let packet: Vec<u8> = (0..packet.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&packet[at..at + 2], 16).expect("hexadecimal"))
        .collect();
    match MobilityPacket::parse(&packet) {
        Ok(parsed) => mobility(&parsed),
        Err(PacketError::UpperLayer {
            protocol: next_header::ICMPV6,
        }) => icmpv6(&IcmpPacket::parse(&packet).expect("an ICMPv6 message")),
        Err(error) => panic!("{error}"),
    }
}

fn mobility(packet: &MobilityPacket<'_>) -> String {
    assert!(packet.checksum_is_valid());
    let code_points = CodePoints::default();
    let header = MobilityHeader::parse(packet.mh).expect("a Mobility Header");
    let message = header.message(&code_points).expect("a message");
    let mut words = addresses(packet.home_address, packet.type2_home);
    write!(words, "{:?}", Fixed::from(&message)).expect("words");
    for option in message.options().iter().flatten() {
        write!(words, " {:?}", option.expect("a sound option")).expect("words");
    }
    words
}

fn icmpv6(packet: &IcmpPacket<'_>) -> String {
    assert!(packet.checksum_is_valid());
    let message = packet.read().expect("a valid message");
    let mut words = addresses(packet.home_address, packet.type2_home);
    write!(words, "{:?}", message.body).expect("words");
    if !message.addresses.is_empty() {
        write!(words, " {:?}", message.addresses).expect("words");
    }
    for option in &message.options {
        write!(words, " {:?}", option.expect("a sound option")).expect("words");
    }
    words
}

fn addresses(home_address: Option<Ipv6Addr>, type2_home: Option<Ipv6Addr>) -> String {
    let words = |what: &str, address| format!("{what} {address}: ");
    home_address
        .map(|address| words("home", address))
        .into_iter()
        .chain(type2_home.map(|address| words("via", address)))
        .collect()
}
