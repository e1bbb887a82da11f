//! IPv6 packets for the cases, right unless a case makes them wrong

use std::net::Ipv6Addr;

use etherparse::PacketBuilder;

/// Behind the router's `core0`.
pub const LEFT: &str = "2001:db8:a::7";
/// Behind the router's `cn0`, whose MTU is [`RIGHT_MTU`].
pub const RIGHT: &str = "2001:db8:c:1::80";
pub const RIGHT_MTU: usize = 1400;
/// Behind `cn0` too, by a route with an MTU of its own.
pub const NARROW: &str = "2001:db8:f::1";
pub const NARROW_MTU: usize = 1300;
pub const NOWHERE: &str = "2001:db9::1";
pub const BLACKHOLE: &str = "2001:db8:bad::1";
pub const UNREACHABLE: &str = "2001:db8:bae::1";
pub const PROHIBITED: &str = "2001:db8:baf::1";
/// The router's own.
pub const ANCHOR: &str = "2001:db8:d::1";

pub fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

pub fn source(packet: &[u8]) -> Ipv6Addr {
    Ipv6Addr::from(*packet[8..].first_chunk::<16>().expect("a source"))
}

pub fn destination(packet: &[u8]) -> Ipv6Addr {
    Ipv6Addr::from(*packet[24..].first_chunk::<16>().expect("a destination"))
}

pub fn udp(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv6(address(from).octets(), address(to).octets(), 64)
        .udp(40_000, 9)
        .write(&mut packet, payload)
        .expect("a packet");
    packet
}

/// A UDP packet of this length.
pub fn udp_of(octets: usize, from: &str, to: &str) -> Vec<u8> {
    udp(from, to, &vec![0x5a; octets - 48])
}

pub fn icmp(from: &str, to: &str, kind: [u8; 2], body: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv6(address(from).octets(), address(to).octets(), 64)
        .icmpv6_raw(kind[0], kind[1], [0, 0, 0, 0])
        .write(&mut packet, body)
        .expect("a packet");
    packet
}

pub fn raw(from: &str, to: &str, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next_header, 64]);
    packet.extend(address(from).octets());
    packet.extend(address(to).octets());
    packet.extend(payload);
    packet
}

/// The packet with a header put in front of its payload. The header's first octet is overwritten.
pub fn with_header(packet: &[u8], kind: u8, octets: &[u8]) -> Vec<u8> {
    let (header, payload) = packet.split_at(40);
    let mut changed = header.to_vec();
    changed[6] = kind;
    changed[4..6].copy_from_slice(&((octets.len() + payload.len()) as u16).to_be_bytes());
    changed.push(packet[6]);
    changed.extend(&octets[1..]);
    changed.extend(payload);
    changed
}

/// The packet with one octet changed.
pub fn with(packet: &[u8], at: usize, octet: u8) -> Vec<u8> {
    let mut changed = packet.to_vec();
    changed[at] = octet;
    changed
}

pub fn with_hops(packet: &[u8], hops: u8) -> Vec<u8> {
    with(packet, 7, hops)
}
