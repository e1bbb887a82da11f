//! Packets for the tests, made and checked with etherparse, which shares no code with what is tested

use std::net::Ipv6Addr;

use etherparse::{IpNumber, PacketBuilder, SlicedPacket};

pub fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an IPv6 address")
}

/// A UDP packet with `payload` octets of payload, hop limit 64.
pub fn udp(source: &str, destination: &str, payload: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..payload).map(|octet| octet as u8).collect();
    let builder = PacketBuilder::ipv6(address(source).octets(), address(destination).octets(), 64)
        .udp(40_000, 80);
    let mut packet = Vec::new();
    builder.write(&mut packet, &payload).expect("a packet");
    packet
}

/// An IPv6 packet with any Next Header and payload.
pub fn raw(source: &str, destination: &str, next_header: u8, payload: &[u8]) -> Vec<u8> {
    raw_between(address(source), address(destination), next_header, payload)
}

pub fn raw_between(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    next_header: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next_header, 64]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(payload);
    packet
}

pub fn tunnelled(source: &str, destination: &str, inner: &[u8]) -> Vec<u8> {
    raw(source, destination, 41, inner)
}

/// A Mobility Header of a type and length that the dataplane does not look at.
pub fn mobility(source: &str, destination: &str) -> Vec<u8> {
    raw(
        source,
        destination,
        135,
        &[59, 1, 11, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0, 0],
    )
}

/// A Binding Update (RFC 6275 §6.1.7) without authentication, which the dataplane does not look at.
pub fn binding_update(care_of: &str, destination: &str, home_address: &str) -> Vec<u8> {
    let message = [59, 1, 5, 0, 0, 0, 0, 1, 0xc0, 0, 0, 10, 1, 2, 0, 0];
    let packet = raw(care_of, destination, 135, &message);
    with_extension(&packet, 60, &home_address_header(home_address))
}

/// A DHP Binding Update (DMIPv6 profile 1, section 4.1) without authentication, for these addresses.
pub fn dhp_binding_update(care_of: &str, destination: &str, dhoas: &[&str]) -> Vec<u8> {
    let mut message = vec![59, 0, 11, 0, 0, 0, 5, 0x10, 0, 1, 0, 10, 0x80, 0, 0, 0];
    for dhoa in dhoas {
        message.extend([1, 0, 18, 24, 3, 0, 0, 0]);
        message.extend(address(dhoa).octets());
        message.extend([0, 10, 0, 0, 1, 2, 0, 0]);
    }
    message[1] = u8::try_from(message.len() / 8 - 1).expect("a Mobility Header");
    raw(care_of, destination, 135, &message)
}

pub fn echo_request(source: &str, destination: &str) -> Vec<u8> {
    let builder = PacketBuilder::ipv6(address(source).octets(), address(destination).octets(), 64)
        .icmpv6_echo_request(1, 2);
    let mut packet = Vec::new();
    builder.write(&mut packet, b"ping").expect("a packet");
    packet
}

/// An ICMPv6 message of this type and code, with `word` behind the checksum and then `body`.
pub fn icmp(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    kind: [u8; 2],
    word: u32,
    body: &[u8],
) -> Vec<u8> {
    let builder = PacketBuilder::ipv6(source.octets(), destination.octets(), 64).icmpv6_raw(
        kind[0],
        kind[1],
        word.to_be_bytes(),
    );
    let mut packet = Vec::new();
    builder.write(&mut packet, body).expect("a packet");
    packet
}

/// The packet with a header of `octets` (whose first octet is overwritten) put between IPv6 header and payload.
pub fn with_extension(packet: &[u8], kind: u8, octets: &[u8]) -> Vec<u8> {
    assert_eq!(octets.len() % 8, 0);
    let (header, payload) = packet.split_at(40);
    let mut changed = header.to_vec();
    changed[6] = kind;
    let length = (octets.len() + payload.len()) as u16;
    changed[4..6].copy_from_slice(&length.to_be_bytes());
    changed.push(packet[6]);
    changed.extend(&octets[1..]);
    changed.extend(payload);
    changed
}

/// A Destination Options header with a Home Address option (RFC 6275 §6.3).
pub fn home_address_header(home_address: &str) -> Vec<u8> {
    let mut header = vec![0, 2, 1, 2, 0, 0, 0xc9, 16];
    header.extend(address(home_address).octets());
    header
}

/// A type 2 routing header (RFC 6275 §6.4).
pub fn type_2_routing_header(home_address: &str) -> Vec<u8> {
    let mut header = vec![0, 2, 2, 1, 0, 0, 0, 0];
    header.extend(address(home_address).octets());
    header
}

/// Where the type 2 routing header of a packet stands: right behind its IPv6 header and Hop-by-Hop Options.
pub fn type_2_routing_offset(packet: &[u8]) -> Option<usize> {
    let (field, at) = match packet[6] {
        0 => (40, 40 + (usize::from(packet[41]) + 1) * 8),
        _ => (6, 40),
    };
    (packet[field] == 43 && packet[at + 1..at + 4] == [2, 2, 1]).then_some(at)
}

/// What a packet with a type 2 routing header was before it got that.
pub fn without_type_2_routing(packet: &[u8]) -> Vec<u8> {
    let at = type_2_routing_offset(packet).expect("a type 2 routing header");
    let mut before = packet[..at].to_vec();
    let payload_len = packet.len() as u16 - 40 - 24;
    before[4..6].copy_from_slice(&payload_len.to_be_bytes());
    before[if at == 40 { 6 } else { 40 }] = packet[at];
    before[24..40].copy_from_slice(&packet[at + 8..at + 24]);
    before.extend(&packet[at + 24..]);
    before
}

/// A Destination Options header with a tunnel encapsulation limit (RFC 2473 §5.1).
pub fn tunnel_limit_header(limit: u8) -> [u8; 8] {
    [0, 0, 4, 1, limit, 1, 1, 0]
}

pub fn fragment_header(offset: u16, more: bool) -> [u8; 8] {
    let [o0, o1] = (offset | u16::from(more)).to_be_bytes();
    [0, 0, o0, o1, 1, 2, 3, 4]
}

/// The pieces of `packet`, cut in its payload at these multiples of 8 octets, with this Identification.
pub fn cut(packet: &[u8], places: &[usize], id: u32) -> Vec<Vec<u8>> {
    let payload = &packet[40..];
    let ends = places.iter().copied().chain([payload.len()]);
    let mut from = 0;
    let piece = |to: usize| {
        let mut header = fragment_header(from as u16, to < payload.len());
        header[4..].copy_from_slice(&id.to_be_bytes());
        let mut part = packet[..40].to_vec();
        part.extend(&payload[from..to]);
        part[4..6].copy_from_slice(&((to - from) as u16).to_be_bytes());
        from = to;
        with_extension(&part, 44, &header)
    };
    ends.map(piece).collect()
}

pub fn with_hop_limit(packet: &[u8], hop_limit: u8) -> Vec<u8> {
    let mut changed = packet.to_vec();
    changed[7] = hop_limit;
    changed
}

pub fn with_traffic_class(packet: &[u8], traffic_class: u8) -> Vec<u8> {
    let mut changed = packet.to_vec();
    changed[0] = 0x60 | traffic_class >> 4;
    changed[1] = traffic_class << 4 | changed[1] & 0x0f;
    changed
}

pub fn traffic_class(packet: &[u8]) -> u8 {
    packet[0] << 4 | packet[1] >> 4
}

pub fn flow_label(packet: &[u8]) -> u32 {
    u32::from_be_bytes([0, packet[1] & 0x0f, packet[2], packet[3]])
}

pub fn source(packet: &[u8]) -> Ipv6Addr {
    Ipv6Addr::from(*packet[8..].first_chunk::<16>().expect("a source"))
}

pub fn destination(packet: &[u8]) -> Ipv6Addr {
    Ipv6Addr::from(*packet[24..].first_chunk::<16>().expect("a destination"))
}

/// Type, code, the word behind the checksum, and the quoted packet of an ICMPv6 error.
pub fn icmp_error(packet: &[u8]) -> (u8, u8, u32, &[u8]) {
    assert_eq!(packet[6], 58, "ICMPv6");
    let word = u32::from_be_bytes(*packet[44..].first_chunk().expect("an error"));
    (packet[40], packet[41], word, &packet[48..])
}

/// Panic unless `packet` is IPv6 with exact lengths and, as far as UDP and ICMPv6 are concerned, right checksums, inside
/// tunnels too.
pub fn assert_valid(packet: &[u8]) {
    if packet[6] == 44 {
        // Of a fragment there is nothing to check but its length; etherparse would take its piece for a whole.
        let stated = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
        return assert_eq!(stated + 40, packet.len(), "length");
    }
    let own = [
        crate::appliance::ANCHOR,
        crate::appliance::LOCAL,
        crate::appliance::CORRESPONDENT,
    ]
    .map(address);
    if own.contains(&source(packet)) && type_2_routing_offset(packet).is_some() {
        // The checksum counts the home address (RFC 6275 §6.4).
        return assert_valid(&without_type_2_routing(packet));
    }
    let sliced =
        SlicedPacket::from_ip(packet).unwrap_or_else(|error| panic!("{error}: {packet:02x?}"));
    let Some(etherparse::NetSlice::Ipv6(ipv6)) = &sliced.net else {
        panic!("no IPv6: {packet:02x?}");
    };
    let header = ipv6.header();
    assert_eq!(
        usize::from(header.payload_length()) + 40,
        packet.len(),
        "length"
    );
    assert!(header.hop_limit() > 0, "hop limit");
    let payload = ipv6.payload();
    if payload.ip_number == IpNumber::IPV6 {
        return assert_valid(payload.payload);
    }
    match &sliced.transport {
        Some(etherparse::TransportSlice::Udp(udp)) => {
            let expected = udp
                .to_header()
                .calc_checksum_ipv6_raw(header.source(), header.destination(), udp.payload())
                .expect("a length that fits");
            assert_eq!(udp.checksum(), expected, "UDP checksum");
        }
        Some(etherparse::TransportSlice::Icmpv6(icmp)) => {
            assert!(
                icmp.is_checksum_valid(header.source(), header.destination()),
                "ICMPv6 checksum"
            );
        }
        _ => {}
    }
}
