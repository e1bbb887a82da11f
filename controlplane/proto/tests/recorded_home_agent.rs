//! Captures of UMIP mobile nodes and their UMIP home agent, replayed: an anchor in the home agent's place answers each Binding
//! Update as the recorded one did, to the octet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::path::Path;

use dhp_proto::anchor::{
    Anchor, AnchorAction, AnchorConfig, LinkAction, LinkId, PoolConfig, PoolKind,
};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_proto::time::Now;
use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::{Lifetime, Message, MobilityHeader};
use dhp_wire::packet::MobilityPacket;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

/// A home address and the sequence number of an update for it.
type Exchange = (Ipv6Addr, u16);

/// An answer: source, destination, home address of its routing header, and its Mobility Header.
type Answer = (Ipv6Addr, Ipv6Addr, Option<Ipv6Addr>, Vec<u8>);

/// What a capture tells: each update once, with its time in ns, and the first answer to each.
#[derive(Default)]
struct Recording {
    home_agent: Option<Ipv6Addr>,
    updates: Vec<(u64, Vec<u8>)>,
    exchanges: BTreeSet<Exchange>,
    answers: BTreeMap<Exchange, Answer>,
}

/// The IPv6 packets of a classic pcap file with their times in ns.
fn packets(name: &str) -> Vec<(u64, Vec<u8>)> {
    let file = std::fs::read(Path::new(FOLDER).join(name)).expect("a capture");
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    // Ethernet, or LINUX_SLL2.
    let link_header = if word(20) == 1 { 14 } else { 20 };
    let (mut packets, mut at) = (Vec::new(), 24);
    while at < file.len() {
        let ns = u64::from(word(at)) * 1_000_000_000 + u64::from(word(at + 4)) * 1_000;
        let captured = word(at + 8) as usize;
        let frame = &file[at + 16..at + 16 + captured];
        packets.push((ns, frame.get(link_header..).unwrap_or_default().to_vec()));
        at += 16 + captured;
    }
    packets
}

fn read_answer(packet: &[u8]) -> Option<(Exchange, Answer)> {
    let parsed = MobilityPacket::parse(packet).ok()?;
    let header = MobilityHeader::parse(parsed.mh).ok()?;
    let Ok(Message::BindingAcknowledgement(ack)) = header.message(&CodePoints::default()) else {
        return None;
    };
    let home = parsed.type2_home.unwrap_or(parsed.destination);
    let answer = (
        parsed.source,
        parsed.destination,
        parsed.type2_home,
        parsed.mh.to_vec(),
    );
    Some(((home, ack.sequence), answer))
}

fn recording(name: &str) -> Recording {
    let mut recording = Recording::default();
    for (ns, packet) in packets(name) {
        if let Some((exchange, answer)) = read_answer(&packet) {
            recording.answers.entry(exchange).or_insert(answer);
            continue;
        }
        let Ok(parsed) = MobilityPacket::parse(&packet) else {
            continue;
        };
        let message = MobilityHeader::parse(parsed.mh)
            .ok()
            .and_then(|header| header.message(&CodePoints::default()).ok());
        let Some(Message::BindingUpdate(update)) = message else {
            continue;
        };
        recording.home_agent = Some(parsed.destination);
        let home = parsed.home_address.unwrap_or(parsed.source);
        // Each interface of the routers on the way has captured it.
        if recording.exchanges.insert((home, update.sequence)) {
            recording.updates.push((ns, packet));
        }
    }
    recording
}

/// An anchor in the place of the home agent: on a real home link, without authentication.
fn anchor_for(recording: &Recording, now: Now) -> Anchor {
    let homes: BTreeSet<Ipv6Addr> = recording.exchanges.iter().map(|(home, _)| *home).collect();
    let first = homes.first().expect("a home address");
    let prefix = ipnet::Ipv6Net::new(*first, 64).unwrap().trunc();
    let associations = (256..).zip(&homes).map(|(spi, home)| {
        let permissions = Permissions {
            home_addresses: vec![*home],
            ..Permissions::default()
        };
        let id = MnId::nai(&home.to_string());
        let algorithm = Algorithm::HmacSha1_96;
        SecurityAssociation::new(spi, id, Key::new([1; 16]), algorithm, permissions).unwrap()
    });
    let config = AnchorConfig {
        pools: vec![PoolConfig {
            link: Some(LinkId(1)),
            ..PoolConfig::new(prefix, PoolKind::Home)
        }],
        security_associations: associations.collect(),
        allow_unauthenticated: true,
        max_lifetime: Lifetime(0xfffe),
        ..AnchorConfig::new(recording.home_agent.expect("a home agent"))
    };
    Anchor::new(config, now, [1; 32]).unwrap()
}

fn take_answers(anchor: &mut Anchor, answers: &mut BTreeMap<Exchange, Answer>) {
    while let Some(action) = anchor.poll_action() {
        let (AnchorAction::Transmit(packet)
        | AnchorAction::OnLink {
            action: LinkAction::Send(packet),
            ..
        }) = action
        else {
            continue;
        };
        let (exchange, answer) = read_answer(&packet).expect("a Binding Acknowledgement");
        assert!(answers.insert(exchange, answer).is_none(), "answered once");
    }
}

/// Lets time pass, waking the anchor as it asks to be.
fn wait(anchor: &mut Anchor, until_ns: u64, answers: &mut BTreeMap<Exchange, Answer>) {
    let at = |mono_ns| Now { mono_ns, ntp: 0 };
    while let Some(due) = anchor.poll_timeout().filter(|due| *due <= until_ns) {
        anchor.handle_timeout(at(due));
        take_answers(anchor, answers);
    }
}

fn replay(name: &str) -> usize {
    let recording = recording(name);
    let start = recording.updates.first().expect("an update").0;
    let mut anchor = anchor_for(
        &recording,
        Now {
            mono_ns: start,
            ntp: 0,
        },
    );
    let mut answers = BTreeMap::new();
    let mut now_ns = start;
    for (ns, packet) in &recording.updates {
        now_ns = *ns;
        wait(&mut anchor, now_ns, &mut answers);
        anchor.handle_packet(
            Now {
                mono_ns: now_ns,
                ntp: 0,
            },
            packet,
        );
        take_answers(&mut anchor, &mut answers);
    }
    // The last address is tested for duplicates.
    wait(&mut anchor, now_ns + 2_000_000_000, &mut answers);
    for (exchange, recorded) in &recording.answers {
        let ours = answers.get(exchange);
        assert_eq!(ours, Some(recorded), "{exchange:?}");
    }
    recording.answers.len()
}

/// Registration with Duplicate Address Detection, handoff between two links, refreshes, return home.
#[test]
fn a_roaming_mobile_node() {
    assert!(replay("umip-mn-umip-ha.pcap") >= 7);
}

#[test]
fn twenty_mobile_nodes() {
    assert!(replay("umip-20mn.pcap") >= 20);
}
