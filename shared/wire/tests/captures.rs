//! Captures of real Mobile IPv6 traffic, and of packets that have broken other decoders.

mod support;

use std::path::{Path, PathBuf};

use dhp_wire::codepoints::{CodePoints, next_header};
use dhp_wire::mobility::{Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::MobilityPacket;
use dhp_wire::{extension, ipv6};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

/// The IPv6 packets of a classic pcap file, whatever its link layer, as they stand behind it.
fn packets(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).expect("a capture");
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!(
        word(0),
        0xa1b2_c3d4,
        "{}: not a little-endian pcap file",
        path.display()
    );
    let link_header = match word(20) & 0x0fff_ffff {
        1 => 14,
        // LINUX_SLL2: protocol type, reserved, interface, ARPHRD type, packet type, address length, address.
        276 => 20,
        // RAW and IPV6, and the number that BSD had for RAW.
        101 | 229 | 12 => 0,
        other => panic!("{}: link type {other}", path.display()),
    };
    let mut packets = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let captured = word(at + 8) as usize;
        let frame = &file[at + 16..at + 16 + captured];
        packets.push(frame.get(link_header..).unwrap_or_default().to_vec());
        at += 16 + captured;
    }
    packets
}

fn named(name: &str) -> Vec<Vec<u8>> {
    packets(&Path::new(FOLDER).join(name))
}

fn all() -> Vec<PathBuf> {
    let files: Vec<PathBuf> = std::fs::read_dir(FOLDER)
        .expect("the captures")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "pcap"))
        .collect();
    assert!(files.len() >= 13);
    files
}

/// Whether the packet carries a Mobility Header, told by the chain walk alone.
fn carries_mobility(packet: &[u8]) -> bool {
    ipv6::Ipv6View::new(packet)
        .ok()
        .and_then(|view| extension::walk(view.packet()).ok())
        .is_some_and(|chain| chain.upper_protocol == next_header::MOBILITY)
}

/// Reads every Mobility Header of a capture, and wants each checksum to be right or wrong.
fn read_all(name: &str, checksums: bool) -> Vec<(MobilityPacketOwned, u8)> {
    let mut messages = Vec::new();
    for packet in named(name).iter().filter(|packet| carries_mobility(packet)) {
        let parsed = MobilityPacket::parse(packet).expect(name);
        assert_eq!(parsed.checksum_is_valid(), checksums, "{name}: {parsed:?}");
        let header = MobilityHeader::parse(parsed.mh).expect(name);
        let (src, dst) = (parsed.checksum_source(), parsed.checksum_destination());
        assert_eq!(header.checksum_is_valid(&src, &dst), checksums);
        let message = header.message(&CodePoints::default()).expect(name);
        if checksums {
            for option in message.options().iter().flat_map(|options| options.iter()) {
                option.expect(name);
            }
        }
        let owned = MobilityPacketOwned {
            home_address: parsed.home_address.is_some(),
            type2: parsed.type2_home.is_some(),
            alternate: message.options().is_some_and(|options| {
                options
                    .iter()
                    .any(|option| matches!(option, Ok(MobilityOption::AlternateCareOf(_))))
            }),
            known: !matches!(message, Message::Other { .. }),
        };
        messages.push((owned, header.mh_type()));
    }
    messages
}

/// What the assertions below ask about a message.
struct MobilityPacketOwned {
    home_address: bool,
    type2: bool,
    alternate: bool,
    known: bool,
}

/// Both UMIP captures: every checksum is right, updates carry a Home Address option and an Alternate Care-of Address,
/// acknowledgements a type 2 routing header, unless the mobile node is at home.
#[test]
fn umip() {
    for name in ["umip-mn-umip-ha.pcap", "umip-20mn.pcap"] {
        let messages = read_all(name, true);
        let of = |kind: u8| messages.iter().filter(move |(_, mh_type)| *mh_type == kind);
        assert!(of(5).count() > 3 && of(6).count() > 3, "{name}");
        assert!(messages.iter().all(|(message, _)| message.known), "{name}");
        assert!(
            of(5).any(|(update, _)| update.home_address && update.alternate),
            "{name}"
        );
        assert!(of(6).any(|(ack, _)| ack.type2), "{name}");
    }
}

#[test]
fn tcpdumps_examples_parse_and_have_wrong_checksums() {
    assert_eq!(read_all("ipv6_mobility_1.pcap", false).len(), 16);
}

#[test]
fn nothing_in_the_folder_panics() {
    let mut read = 0;
    for path in all() {
        for packet in packets(&path) {
            for len in 0..=packet.len() {
                read += support::checks::every_parser(&packet[..len]);
            }
            // Captures cut short say more in their headers than they hold: look at what there is all the same.
            for at in [40, 48, 64] {
                read += support::checks::every_parser(packet.get(at..).unwrap_or_default());
            }
        }
    }
    assert!(read > 100);
}
