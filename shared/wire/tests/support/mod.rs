//! What several test files need: the vectors, the MACs of RFC 4285 and of the profile, and every parser at once.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::net::Ipv6Addr;

use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::{FlowSubOptions, MobilityHeader, MobilityOption, Options, OwnedMessage};
use dhp_wire::{checksum, ethernet, extension, icmpv6, ipv6, packet, quoted};
use hmac::{Hmac, KeyInit, Mac};

/// A byte-exact example of a Mobility Header.
#[derive(serde::Deserialize)]
pub struct Vector {
    pub name: String,
    pub src: Ipv6Addr,
    pub dst: Ipv6Addr,
    #[serde(deserialize_with = "octets_of_hex")]
    pub mh: Vec<u8>,
    pub fields: serde_json::Value,
}

/// Every vector with a Mobility Header.
pub fn vectors() -> Vec<Vector> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/vectors.json"
    );
    let text = std::fs::read_to_string(path).expect("the vectors");
    let all: Vec<serde_json::Value> = serde_json::from_str(&text).expect("the vectors' JSON");
    let vectors: Vec<Vector> = all
        .into_iter()
        .filter(|vector| vector.get("mh").is_some())
        .map(|vector| serde_json::from_value(vector).expect("a vector"))
        .collect();
    assert!(vectors.len() >= 12);
    vectors
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets_of_hex<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    <String as serde::Deserialize>::deserialize(from).map(|text| unhex(&text))
}

/// The two algorithms, by their names in the vectors.
#[derive(Clone, Copy, Debug)]
pub enum Algorithm {
    HmacSha1_96,
    HmacSha256_128,
}

impl Algorithm {
    pub fn named(name: &str) -> Self {
        match name {
            "hmac-sha1-96" => Self::HmacSha1_96,
            "hmac-sha256-128" => Self::HmacSha256_128,
            other => panic!("algorithm {other}"),
        }
    }

    pub fn len(self) -> usize {
        match self {
            Self::HmacSha1_96 => 12,
            Self::HmacSha256_128 => 16,
        }
    }

    /// First (96 or 128, HMAC (key, care-of address | home address | Mobility Header data)).
    pub fn mac(self, key: &[u8], coa: &Ipv6Addr, hoa: &Ipv6Addr, data: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::HmacSha1_96 => run::<Hmac<sha1::Sha1>>(key, coa, hoa, data, self.len()),
            Self::HmacSha256_128 => run::<Hmac<sha2::Sha256>>(key, coa, hoa, data, self.len()),
        }
    }
}

fn run<M: Mac + KeyInit>(
    key: &[u8],
    coa: &Ipv6Addr,
    hoa: &Ipv6Addr,
    data: &[&[u8]],
    len: usize,
) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("a key of any length");
    mac.update(&coa.octets());
    mac.update(&hoa.octets());
    for piece in data {
        mac.update(piece);
    }
    mac.finalize().into_bytes()[..len].to_vec()
}

/// Feeds octets to every parser of the crate, and what each yields to those behind it. Returns how many options it
/// came across, so that nothing is optimized away. That it returns at all is the test.
pub fn every_parser(octets: &[u8]) -> usize {
    let mut seen = 0;
    let _ = ethernet::EthernetHeader::read(octets);
    if let Ok(view) = ipv6::Ipv6View::new(octets) {
        assert_eq!(view.packet().len(), view.total_len());
        assert!(view.total_len() <= octets.len());
        let mut out = [0; ipv6::HEADER_LEN];
        ipv6::Ipv6Header::from(&view).emit(&mut out);
        assert_eq!(out[..], octets[..ipv6::HEADER_LEN]);
        assert!(ipv6::flow_label_hash(&view, view.next_header(), 0) < 1 << 20);
    }
    if let Ok(chain) = extension::walk(octets) {
        assert!(chain.upper_offset <= octets.len());
        let _ = extension::ports(octets, &chain);
    }
    let _ = icmpv6::may_relay(octets);
    if let quoted::Quote::Tunnel(tunnel) = quoted::Quote::read(octets) {
        assert!(tunnel.inner_offset + 40 <= octets.len());
        assert!(tunnel.overhead >= 40);
    }
    let mut out = [0; 1300];
    for error in [
        icmpv6::IcmpError::TimeExceeded,
        icmpv6::IcmpError::PacketTooBig { mtu: 1280 },
    ] {
        let _ = icmpv6::may_answer(octets, error);
        let any = &Ipv6Addr::LOCALHOST;
        let len = icmpv6::write_error(&mut out, any, any, error, octets).expect("room");
        assert!(len <= ipv6::MIN_MTU);
    }
    if let Ok(parsed) = packet::MobilityPacket::parse(octets) {
        let _ = parsed.checksum_is_valid();
        assert!(parsed.mh_offset + parsed.mh.len() <= octets.len());
        seen += mobility(parsed.mh);
    }
    if let Ok(parsed) = packet::IcmpPacket::parse(octets) {
        let _ = parsed.checksum_is_valid();
        if let Ok(message) = parsed.read() {
            icmp_round_trip(&message, &parsed.envelope());
        }
    }
    let on_link = icmpv6::Envelope {
        source: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
        destination: Ipv6Addr::LOCALHOST,
        hop_limit: icmpv6::ND_HOP_LIMIT,
    };
    if let Ok(message) = icmpv6::Message::parse(octets, &on_link) {
        icmp_round_trip(&message, &on_link);
    }
    seen + mobility(octets)
}

fn mobility(octets: &[u8]) -> usize {
    let other = CodePoints {
        mh_type: 240,
        option: 241,
    };
    let Ok(header) = MobilityHeader::parse(octets) else {
        return 0;
    };
    let any = &Ipv6Addr::LOCALHOST;
    let _ = header.checksum_is_valid(any, any);
    let mut seen = 0;
    for code_points in [CodePoints::default(), other] {
        let Ok(message) = header.message(&code_points) else {
            continue;
        };
        if let Some(options) = message.options() {
            seen += read_options(&header, &options);
        }
        if let Ok(owned) = OwnedMessage::keep(&message, &code_points) {
            mobility_round_trip(&owned, &code_points);
        }
    }
    seen
}

/// What is kept of a message is all that it says: written and read again, it is the same.
fn mobility_round_trip(owned: &OwnedMessage, code_points: &CodePoints) {
    let builder = owned.builder(code_points);
    // Padding may make it longer than a header can be.
    if builder.is_complete() {
        let any = &Ipv6Addr::LOCALHOST;
        let mh = builder.finish(any, any);
        let header = MobilityHeader::parse(&mh).expect("a Mobility Header");
        let message = header.message(code_points).expect("a message");
        let again = OwnedMessage::keep(&message, code_points).expect("sound options");
        assert_eq!(again, *owned);
    }
}

/// As [`mobility_round_trip`], of ICMPv6.
fn icmp_round_trip(message: &icmpv6::Message<'_>, envelope: &icmpv6::Envelope) {
    let Ok(owned) = icmpv6::OwnedMessage::keep(message) else {
        return;
    };
    let builder = owned.builder();
    // Longer than the smallest MTU, or a home agent's lifetime of 0, is read and not written.
    if builder.is_complete() {
        let octets = builder.finish(&envelope.source, &envelope.destination);
        assert!(icmpv6::checksum_is_valid(&octets, envelope));
        let again = icmpv6::Message::parse(&octets, envelope).expect("a message");
        assert_eq!(icmpv6::OwnedMessage::keep(&again), Ok(owned));
    }
}

fn read_options(header: &MobilityHeader<'_>, options: &Options<'_>) -> usize {
    if let Some(auth) = options.auth() {
        let covered: usize = header
            .mac_input(auth.mac_input_len)
            .iter()
            .map(|piece| piece.len())
            .sum();
        assert_eq!(covered, auth.mac_input_len);
        assert!(!auth.ends_header || auth.is_last);
    }
    let mut seen = 0;
    for option in options {
        seen += 1;
        match option {
            Ok(MobilityOption::FlowIdentification { sub_options, .. }) => {
                for sub in FlowSubOptions::new(sub_options).flatten() {
                    let _ = (sub.selector(), sub.ipv4_selector());
                    let _ = format!("{sub:?}");
                    let mut again = Vec::new();
                    sub.write(&mut again).expect("what was read can be written");
                    assert_eq!(FlowSubOptions::new(&again).next(), Some(Ok(sub)));
                }
            }
            Ok(option) => {
                let _ = format!("{option:?}");
            }
            Err(error) => assert!(error.offset < header.bytes().len()),
        }
    }
    let _ = checksum::fold(checksum::ones_complement(0, header.bytes()));
    seen
}
