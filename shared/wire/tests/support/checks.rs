//! What holds for any octets, whoever makes them up: the property tests, mutated vectors and captures, the fuzz targets.

use std::net::Ipv6Addr;

use dhp_wire::codepoints::{CodePoints, mh_type};
use dhp_wire::mobility::{
    FlowSubOptions, Message, MobilityHeader, MobilityOption, Options, OwnedMessage,
    is_binding_update, named_dhoas,
};
use dhp_wire::{checksum, ethernet, extension, icmpv6, ipv6, packet, quoted};

/// Feeds octets to every parser of the crate, and what each yields to those behind it. Returns how many options it
/// came across, so that nothing is optimized away. That it returns at all is the test.
pub fn every_parser(octets: &[u8]) -> usize {
    ethernet_frame(octets);
    icmpv6_message(octets);
    ipv6_packet(octets) + mobility_header(octets)
}

/// Octets as an Ethernet frame.
pub fn ethernet_frame(octets: &[u8]) {
    let _ = ethernet::EthernetHeader::read(octets);
}

/// Octets as an IPv6 packet: its header, its chain of extension headers, the errors that answer it, the packet that it
/// quotes, and the messages in it.
pub fn ipv6_packet(octets: &[u8]) -> usize {
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
    if let Ok(parsed) = packet::IcmpPacket::parse(octets) {
        let _ = parsed.checksum_is_valid();
        if let Ok(message) = parsed.read() {
            icmpv6_round_trip(&message, &parsed.envelope());
        }
    }
    let Ok(parsed) = packet::MobilityPacket::parse(octets) else {
        return 0;
    };
    let _ = parsed.checksum_is_valid();
    assert!(parsed.mh_offset + parsed.mh.len() <= octets.len());
    mobility_header(parsed.mh)
}

/// Octets as an ICMPv6 message that came from a router of the link.
pub fn icmpv6_message(octets: &[u8]) {
    let on_link = icmpv6::Envelope {
        source: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
        destination: Ipv6Addr::LOCALHOST,
        hop_limit: icmpv6::ND_HOP_LIMIT,
    };
    if let Ok(message) = icmpv6::Message::parse(octets, &on_link) {
        let _ = format!("{message:?}");
        icmpv6_round_trip(&message, &on_link);
    }
}

/// Octets as a Mobility Header, with the code points that are the default and with others. Returns how many options it came
/// across.
pub fn mobility_header(octets: &[u8]) -> usize {
    let other = CodePoints {
        mh_type: 240,
        option: 241,
    };
    for code_points in [CodePoints::default(), other] {
        glance(octets, &code_points);
    }
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

/// What a glance at a message finds is what the message begins with, if it is one.
fn glance(octets: &[u8], code_points: &CodePoints) {
    let named: Vec<_> = named_dhoas(octets, code_points).collect();
    let Ok(header) = MobilityHeader::parse(octets) else {
        return;
    };
    if let Ok(Message::Dmip(dmip)) = header.message(code_points)
        && header.bytes().len() == octets.len()
    {
        let listed = dmip.options.iter().filter_map(|option| match option {
            Ok(MobilityOption::Dhoa { address, .. }) => Some(address),
            _ => None,
        });
        let listed: Vec<_> = listed.filter(|dhoa| !dhoa.is_unspecified()).collect();
        assert!(listed.starts_with(&named), "{named:?} of {listed:?}");
    }
    assert!(!is_binding_update(octets) || header.mh_type() == mh_type::BINDING_UPDATE);
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
fn icmpv6_round_trip(message: &icmpv6::Message<'_>, envelope: &icmpv6::Envelope) {
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
