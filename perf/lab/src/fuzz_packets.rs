//! Packets for the fuzzer: well-formed ones of every kind that an anchor meets, and what mutation makes of them.

use std::net::Ipv6Addr;

use anyhow::{Context, Result};
use etherparse::{IpNumber, Ipv6FlowLabel, Ipv6Header, PacketBuilder};

use crate::addresses::{CN_DHP, DHP, HOME_ADDRESS};
use crate::random::Random;

/// The longest packet: frames stay within the port's MTU.
const MTU: usize = 1500;

const CARE_OF: &str = "2001:db8:a::7";
const DHOA: &str = "2001:db8:d:1::7";
const ELSEWHERE: &str = "2001:db8:e::1";
const ANYCAST: &str = "2001:db8:c:1:fdff:ffff:ffff:fffe";

const HOP_BY_HOP: u8 = 0;
const TCP: u8 = 6;
const IPV6: u8 = 41;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const ICMPV6: u8 = 58;
const NO_NEXT: u8 = 59;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

/// The seeded source of packets.
#[derive(Debug)]
pub struct PacketSource {
    random: Random,
    seeds: Vec<Vec<u8>>,
}

impl PacketSource {
    /// Builds the well-formed packets.
    pub fn new(seed: u64) -> Result<Self> {
        Ok(Self {
            random: Random::new(seed),
            seeds: well_formed().context("cannot build the base packets")?,
        })
    }

    /// The next IPv6 packet, or what is left of one: 0 to 1500 octets.
    pub fn next(&mut self) -> Vec<u8> {
        let kind = self.random.below(100);
        if kind < 4 {
            let mut noise = vec![0; self.random.below(MTU)];
            self.random.fill(&mut noise);
            return noise;
        }
        let index = self.random.below(self.seeds.len());
        let mut packet = self.seeds.get(index).cloned().unwrap_or_default();
        // One in eight goes as it is, so that state is made and used too.
        if kind >= 16 {
            for _ in 0..=self.random.below(4) {
                self.mutate(&mut packet);
            }
        }
        packet.truncate(MTU);
        packet
    }

    fn mutate(&mut self, packet: &mut Vec<u8>) {
        let at = self.random.below(packet.len());
        // Where headers are, most of what can go wrong is decided.
        let early = self.random.below(packet.len().min(128));
        let value = self.random.next().to_le_bytes()[0];
        match self.random.below(8) {
            0 => set(packet, at, value),
            1 => set(packet, early, value),
            2 => {
                let bit = 1 << self.random.below(8);
                let old = packet.get(early).copied().unwrap_or(0);
                set(packet, early, old ^ bit);
            }
            3 => set(
                packet,
                early,
                [0, 1, 0x7f, 0x80, 0xff, FRAGMENT, ROUTING, MOBILITY][usize::from(value & 7)],
            ),
            4 => packet.truncate(at),
            5 => {
                let extra = self.random.below(64);
                packet.resize(packet.len() + extra, value);
            }
            6 => {
                // The payload length follows what the packet has become, so that later checks are reached.
                let length = u16::try_from(packet.len().saturating_sub(40))
                    .unwrap_or(u16::MAX)
                    .to_be_bytes();
                set(packet, 4, length[0]);
                set(packet, 5, length[1]);
            }
            _ => {
                let other = self.random.below(self.seeds.len());
                let tail = self
                    .seeds
                    .get(other)
                    .and_then(|seed| seed.get(at..))
                    .unwrap_or_default();
                packet.truncate(at);
                packet.extend_from_slice(tail);
            }
        }
    }
}

fn set(packet: &mut [u8], at: usize, value: u8) {
    if let Some(octet) = packet.get_mut(at) {
        *octet = value;
    }
}

fn well_formed() -> Result<Vec<Vec<u8>>> {
    let udp_up = udp(DHOA, CN_DHP, 64)?;
    let udp_down = udp(CN_DHP, DHOA, 64)?;
    let mut packets = vec![
        udp_down.clone(),
        udp(CN_DHP, DHOA, 1440)?,
        udp(CARE_OF, CN_DHP, 200)?,
        udp(CN_DHP, ELSEWHERE, 200)?,
        udp(ELSEWHERE, "2001:db8:c:9::9", 30)?,
        udp_up.clone(),
        ip(CARE_OF, DHP, IPV6, &udp_up)?,
        ip(CARE_OF, DHP, IPV6, &udp(DHOA, HOME_ADDRESS, 100)?)?,
        ip(CARE_OF, DHP, IPV6, &udp(DHOA, DHP, 100)?)?,
        ip(CARE_OF, DHP, IPV6, &ip(CARE_OF, DHP, IPV6, &udp_up)?)?,
        ip(CN_DHP, DHOA, TCP, &[0x50; 20])?,
        echo_request(CARE_OF, DHP)?,
        echo_request(CN_DHP, DHOA)?,
        packet_too_big(&ip(DHP, CARE_OF, IPV6, &udp_down)?)?,
    ];
    packets.extend(extension_headers(&udp_up)?);
    packets.extend(signalling()?);
    Ok(packets)
}

fn extension_headers(inner: &[u8]) -> Result<Vec<Vec<u8>>> {
    let home_address = octets(DHOA)?;
    let after = |next: u8, header: &[u8], rest: &[u8]| [&[next], header, rest].concat();
    let fragment = |offset_and_more: u16| {
        let mut header = vec![0];
        header.extend_from_slice(&offset_and_more.to_be_bytes());
        header.extend_from_slice(&7_u32.to_be_bytes());
        after(IPV6, &header, inner)
    };
    let routing = |kind: u8| {
        after(
            NO_NEXT,
            &[&[2, kind, 1, 0, 0, 0, 0][..], &home_address].concat(),
            &[],
        )
    };
    // RFC 6275 §6.3: PadN, then the Home Address option, whose address is 8-octet aligned.
    let home_address_option = [&[2, 1, 2, 0, 0, 201, 16][..], &home_address].concat();
    // RFC 2473 §4.1.1: the tunnel encapsulation limit.
    let encapsulation_limit = [0, 4, 1, 1, 1, 1, 0];
    let chain: Vec<u8> = (0..20)
        .flat_map(|_| [DESTINATION, 0, 1, 4, 0, 0, 0, 0])
        .collect();
    Ok(vec![
        ip(CARE_OF, DHP, FRAGMENT, &fragment(1))?,
        ip(CARE_OF, DHP, FRAGMENT, &fragment(185 << 3))?,
        ip(CN_DHP, DHOA, FRAGMENT, &fragment(1))?,
        ip(CARE_OF, DHP, ROUTING, &routing(0))?,
        ip(CARE_OF, DHP, ROUTING, &routing(2))?,
        ip(
            CARE_OF,
            DHP,
            DESTINATION,
            &after(NO_NEXT, &home_address_option, &[]),
        )?,
        ip(
            CARE_OF,
            DHP,
            DESTINATION,
            &after(IPV6, &encapsulation_limit, inner),
        )?,
        ip(
            CARE_OF,
            DHP,
            HOP_BY_HOP,
            &after(IPV6, &encapsulation_limit, inner),
        )?,
        ip(CN_DHP, DHOA, DESTINATION, &chain)?,
    ])
}

/// Mobility Headers, RFC 6275 §6.1, with right checksums and AUTH options that no key has made.
fn signalling() -> Result<Vec<Vec<u8>>> {
    let auth = |spi: u32, data: usize| {
        // RFC 4285 §5: type 9, subtype 1 (MN-HA), SPI.
        let length = u8::try_from(data + 5).unwrap_or(u8::MAX);
        [&[9, length, 1][..], &spi.to_be_bytes(), &vec![0xa5; data]].concat()
    };
    let correspondent = [&[18, 20, 1, 128, 0, 0][..], &octets(CN_DHP)?].concat();
    let dhoa = [&[18, 24, 3, 0, 0, 0][..], &octets(DHOA)?, &[0, 60, 0, 0]].concat();
    let dmip = |kind: u8, flags: u16, options: &[&[u8]]| {
        let fixed = [
            &[kind, 0x10, 0, 7, 0, 60][..],
            &flags.to_be_bytes(),
            &[0, 0],
        ]
        .concat();
        mobility(11, &fixed, options)
    };
    let binding_update = mobility(5, &[0, 7, 0xc0, 0, 0, 60], &[&auth(256, 16)]);
    let all = [
        (ANYCAST, dmip(1, 0, &[&correspondent])),
        (DHP, dmip(1, 0, &[&correspondent])),
        (DHP, dmip(2, 0, &[&correspondent])),
        (DHP, dmip(3, 0, &[&correspondent, &auth(256, 16)])),
        (DHP, dmip(5, 0xc000, &[&dhoa, &auth(256, 16)])),
        (DHP, dmip(5, 0x8000, &[&dhoa, &dhoa, &auth(9, 12)])),
        (DHP, dmip(9, 0, &[])),
        (DHP, binding_update.clone()),
        (DHP, mobility(1, &[0; 10], &[])),
        (DHP, mobility(200, &[0; 2], &[])),
    ];
    let mut packets = Vec::new();
    for (to, header) in all {
        packets.push(ip(
            CARE_OF,
            to,
            MOBILITY,
            &with_checksum(CARE_OF, to, header)?,
        )?);
    }
    let home_address = octets(HOME_ADDRESS)?;
    let header = with_checksum(HOME_ADDRESS, DHP, binding_update)?;
    let options = [
        &[MOBILITY, 2, 1, 2, 0, 0, 201, 16][..],
        &home_address,
        &header,
    ]
    .concat();
    packets.push(ip(CARE_OF, DHP, DESTINATION, &options)?);
    Ok(packets)
}

/// A Mobility Header with its options, padded to 8 octets (RFC 6275 §6.2.3, Pad1 is a zero octet), checksum 0.
fn mobility(mh_type: u8, fixed: &[u8], options: &[&[u8]]) -> Vec<u8> {
    let mut header = [
        &[NO_NEXT, 0, mh_type, 0, 0, 0][..],
        fixed,
        &options.concat(),
    ]
    .concat();
    header.resize(header.len().next_multiple_of(8), 0);
    let length = u8::try_from(header.len() / 8 - 1).unwrap_or(u8::MAX);
    set(&mut header, 1, length);
    header
}

fn with_checksum(source: &str, destination: &str, mut header: Vec<u8>) -> Result<Vec<u8>> {
    let length = u32::try_from(header.len())?;
    let checksum = etherparse::checksum::Sum16BitWords::new()
        .add_16bytes(octets(source)?)
        .add_16bytes(octets(destination)?)
        .add_4bytes(length.to_be_bytes())
        .add_4bytes(u32::from(MOBILITY).to_be_bytes())
        .add_slice(&header)
        .ones_complement()
        .to_be_bytes();
    set(&mut header, 4, checksum[0]);
    set(&mut header, 5, checksum[1]);
    Ok(header)
}

fn octets(address: &str) -> Result<[u8; 16]> {
    Ok(address.parse::<Ipv6Addr>()?.octets())
}

fn ip(source: &str, destination: &str, next_header: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: Ipv6FlowLabel::ZERO,
        payload_length: u16::try_from(payload.len())?,
        next_header: IpNumber(next_header),
        hop_limit: 64,
        source: octets(source)?,
        destination: octets(destination)?,
    };
    Ok([&header.to_bytes()[..], payload].concat())
}

fn udp(source: &str, destination: &str, length: usize) -> Result<Vec<u8>> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv6(octets(source)?, octets(destination)?, 64).udp(40_000, 7_001);
    builder.write(&mut packet, &vec![0x5a; length])?;
    Ok(packet)
}

fn echo_request(source: &str, destination: &str) -> Result<Vec<u8>> {
    let mut packet = Vec::new();
    let builder =
        PacketBuilder::ipv6(octets(source)?, octets(destination)?, 64).icmpv6_echo_request(7, 1);
    builder.write(&mut packet, &[0; 56])?;
    Ok(packet)
}

/// RFC 4443 §3.2, as a router on the tunnel's way sends it.
fn packet_too_big(quoted: &[u8]) -> Result<Vec<u8>> {
    let router = "2001:db8:f:1::2";
    let icmp = etherparse::Icmpv6Type::PacketTooBig { mtu: 1400 };
    let header =
        etherparse::Icmpv6Header::with_checksum(icmp, octets(router)?, octets(DHP)?, quoted)?;
    ip(
        router,
        DHP,
        ICMPV6,
        &[&header.to_bytes()[..], quoted].concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_packets_are_well_formed() {
        for packet in well_formed().unwrap() {
            let parsed = etherparse::Ipv6Slice::from_slice(&packet);
            let length = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            assert_eq!(length, packet.len() - 40);
            // The long chain of options ends in the middle of nothing by intent; all else is a whole packet.
            if packet[6] != DESTINATION && packet[6] != HOP_BY_HOP && packet[6] != ROUTING {
                assert!(parsed.is_ok(), "{packet:02x?}");
            }
        }
    }

    #[test]
    fn a_seed_decides_all_packets_and_their_size_is_bounded() {
        let take = |seed| {
            let mut source = PacketSource::new(seed).unwrap();
            (0..2_000).map(|_| source.next()).collect::<Vec<_>>()
        };
        let packets = take(1);
        assert_eq!(packets, take(1));
        assert_ne!(packets, take(2));
        assert!(packets.iter().all(|packet| packet.len() <= MTU));
        assert!(
            packets.iter().any(|packet| packet.len() < 40),
            "some are cut short"
        );
    }
}
