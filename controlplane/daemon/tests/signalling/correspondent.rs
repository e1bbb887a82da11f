//! The correspondent's role: return routability by punt and inject ring, then packets that go directly

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_port_memory::MemoryWire;
use dhp_proto::anchor::AnchorConfig;
use dhp_proto::auth::Key;
use dhp_proto::return_routability::{
    KeygenToken, authenticator, management_key, verify_authenticator,
};
use dhp_wire::codepoints::CodePoints;
use dhp_wire::icmpv6::{IcmpError, write_error};
use dhp_wire::mobility::{BuFlags, Builder, Lifetime, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::{MobilityPacket, compose};
use dhpd::snapshot::Snapshot;

use crate::rig::*;

/// The home address of a mobile node whose home agent is somewhere behind the core.
const ROAMER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 1);
const SECOND_NS: u64 = 1_000_000_000;
/// IPv6 header, and with it a type 2 routing header, or options with a Home Address option.
const PLAIN: usize = 40;
const WITH_EXTENSION: usize = 64;

fn config() -> AnchorConfig {
    AnchorConfig {
        is_correspondent: true,
        correspondents_behind: vec![net("2001:db8:c:1::/64")],
        ..anchor_config()
    }
}

fn acting() -> Rig {
    Rig::with(config(), territory())
}

/// The next packet that has left by a port, without its link header.
fn left(wire: &MemoryWire) -> Option<Vec<u8>> {
    wire.pop().map(|frame| frame[14..].to_vec())
}

/// What comes back for a packet from the core.
fn answered(rig: &mut Rig, packet: &[u8]) -> Option<Vec<u8>> {
    rig.core.push(&frame(packet)).expect("room");
    rig.settle();
    let answer = left(&rig.core);
    assert!(left(&rig.core).is_none(), "one answer");
    answer
}

/// A mobile node and what it has learned of a correspondent.
struct MobileNode {
    correspondent: Ipv6Addr,
    care_of: Ipv6Addr,
    /// Index and token.
    home: (u16, [u8; 8]),
    care_of_test: (u16, [u8; 8]),
}

impl MobileNode {
    /// One that has completed both tests.
    fn tested(rig: &mut Rig, correspondent: Ipv6Addr, care_of: Ipv6Addr) -> Self {
        let ask = |rig: &mut Rig, source: Ipv6Addr, builder: Builder| {
            let mh = builder.finish(&source, &correspondent);
            let packet = compose(&source, &correspondent, None, None, &mh);
            let answer = answered(rig, &packet).expect("a test");
            let parsed = MobilityPacket::parse(&answer).expect("a Mobility Header");
            assert!(parsed.checksum_is_valid());
            assert_eq!((parsed.source, parsed.destination), (correspondent, source));
            let header = MobilityHeader::parse(parsed.mh).expect("sound");
            match header.message(&CodePoints::default()).expect("a message") {
                Message::HomeTest {
                    nonce_index, token, ..
                }
                | Message::CareOfTest {
                    nonce_index, token, ..
                } => (nonce_index, token),
                other => panic!("no test: {other:?}"),
            }
        };
        Self {
            correspondent,
            care_of,
            home: ask(rig, ROAMER, Builder::home_test_init([7; 8])),
            care_of_test: ask(rig, care_of, Builder::care_of_test_init([8; 8])),
        }
    }

    fn key(&self) -> Key {
        let [home, care_of] = [self.home.1, self.care_of_test.1].map(KeygenToken::from_octets);
        management_key(&home, Some(&care_of))
    }

    fn update(&self, sequence: u16, lifetime: Lifetime) -> Vec<u8> {
        let nonces = MobilityOption::NonceIndices {
            home: self.home.0,
            care_of: self.care_of_test.0,
        };
        let mac = |mh: &[u8]| authenticator(&self.key(), &self.care_of, &self.correspondent, mh);
        let mh = Builder::binding_update(sequence, BuFlags::ACKNOWLEDGE, lifetime)
            .option(&nonces)
            .binding_authorization(mac)
            .finish(&ROAMER, &self.correspondent);
        compose(&self.care_of, &self.correspondent, Some(&ROAMER), None, &mh)
    }

    /// Status and lifetime of the answer to an update, and whether it was authenticated.
    fn register(&self, rig: &mut Rig, sequence: u16, lifetime: Lifetime) -> (u8, Lifetime, bool) {
        let answer = answered(rig, &self.update(sequence, lifetime)).expect("an answer");
        let parsed = MobilityPacket::parse(&answer).expect("a Mobility Header");
        assert_eq!(parsed.source, self.correspondent);
        assert_eq!(parsed.destination, self.care_of);
        assert_eq!(parsed.type2_home, Some(ROAMER));
        let header = MobilityHeader::parse(parsed.mh).expect("sound");
        let Message::BindingAcknowledgement(answer) =
            header.message(&CodePoints::default()).expect("a message")
        else {
            panic!("no acknowledgement")
        };
        assert_eq!(answer.sequence, sequence);
        let authentic = answer.options.iter().any(|option| match option {
            Ok(MobilityOption::BindingAuthorizationData {
                authenticator: received,
                mac_input_len,
                ..
            }) => {
                let mh = &parsed.mh[..mac_input_len];
                verify_authenticator(
                    &self.key(),
                    &self.care_of,
                    &self.correspondent,
                    mh,
                    received,
                )
            }
            _ => false,
        });
        (answer.status.0, answer.lifetime, authentic)
    }

    /// An echo request by way of the care-of address.
    fn echo(&self) -> Vec<u8> {
        let mut packet = echo(ROAMER, self.correspondent, 8);
        packet[8..24].copy_from_slice(&self.care_of.octets());
        packet[6] = 60;
        packet[5] += 24;
        let mut option = vec![58, 2, 1, 2, 0, 0, 0xc9, 16];
        option.extend(ROAMER.octets());
        packet.splice(PLAIN..PLAIN, option);
        packet
    }
}

/// Registered for 400 s at [`CARE_OF`].
fn registered(rig: &mut Rig, correspondent: Ipv6Addr) -> MobileNode {
    let node = MobileNode::tested(rig, correspondent, CARE_OF);
    let answer = node.register(rig, 1, Lifetime(100));
    assert_eq!(answer, (0, Lifetime(100), true));
    node
}

/// An echo request with so many octets of data.
fn echo(source: Ipv6Addr, destination: Ipv6Addr, octets: usize) -> Vec<u8> {
    let length = u16::try_from(8 + octets).expect("short");
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([58, 64]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend([128, 0, 0, 0, 0, 1, 0, 1]);
    packet.extend(vec![0x55; octets]);
    let message = packet[PLAIN..].to_vec();
    let sum = dhp_wire::checksum::upper_layer_checksum(&source, &destination, 58, &message);
    packet[PLAIN + 2..PLAIN + 4].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn addresses(packet: &[u8]) -> (Ipv6Addr, Ipv6Addr) {
    let at = |from: usize| {
        let octets: [u8; 16] = packet[from..from + 16].try_into().expect("16 octets");
        Ipv6Addr::from(octets)
    };
    (at(8), at(24))
}

/// Where a host's echo to the roamer goes: by a type 2 routing header to a care-of address, or to its home address.
fn way_from_host(rig: &mut Rig) -> Ipv6Addr {
    let packet = echo(CORRESPONDENT, ROAMER, 8);
    rig.cn.push(&frame(&packet)).expect("room");
    rig.settle();
    let sent = left(&rig.core).expect("forwarded");
    let (source, destination) = addresses(&sent);
    assert_eq!(source, CORRESPONDENT);
    if destination != ROAMER {
        assert_eq!(sent[6], 43);
        assert_eq!(sent[PLAIN..PLAIN + 4], [58, 2, 2, 1]);
        assert_eq!(sent[PLAIN + 8..WITH_EXTENSION], ROAMER.octets());
        assert_eq!(sent[WITH_EXTENSION..], packet[PLAIN..]);
    }
    destination
}

#[test]
fn a_mobile_node_talks_to_a_host_behind_the_box_without_its_home_agent() {
    let mut rig = acting();
    assert_eq!(way_from_host(&mut rig), ROAMER);
    let node = registered(&mut rig, CORRESPONDENT);
    rig.core.push(&frame(&node.echo())).expect("room");
    rig.settle();
    let opened = left(&rig.cn).expect("at the host");
    assert_eq!(addresses(&opened), (ROAMER, CORRESPONDENT));
    assert_eq!(opened[46], 0x1e, "an option that is skipped");
    assert_eq!(opened[WITH_EXTENSION..], node.echo()[WITH_EXTENSION..]);
    assert_eq!(way_from_host(&mut rig), CARE_OF);
    let snapshot = Snapshot::take(&mut rig.signalling, 1);
    assert_eq!(snapshot.correspondents, 1);
    rig.metrics.update(&snapshot, 0);
    let text = rig.metrics.text().expect("text");
    for line in [
        "dmip_bindings{kind=\"correspondent\"} 1",
        "dmip_bindings{kind=\"home\"} 0",
        "dmip_worker_optimized_out_total{worker=\"0\"} 1",
        "dmip_worker_optimized_in_total{worker=\"0\"} 1",
    ] {
        assert!(text.lines().any(|has| has == line), "{line}");
    }
    // It says that it is at home again.
    assert_eq!(node.register(&mut rig, 2, Lifetime(50)).0, 0);
    let key = management_key(&KeygenToken::from_octets(node.home.1), None);
    let nonces = MobilityOption::NonceIndices {
        home: node.home.0,
        care_of: 0,
    };
    let mh = Builder::binding_update(3, BuFlags::ACKNOWLEDGE, Lifetime::ZERO)
        .option(&nonces)
        .binding_authorization(|mh| authenticator(&key, &ROAMER, &CORRESPONDENT, mh))
        .finish(&ROAMER, &CORRESPONDENT);
    let deletion = compose(&CARE_OF, &CORRESPONDENT, Some(&ROAMER), None, &mh);
    assert!(answered(&mut rig, &deletion).is_some());
    assert_eq!(way_from_host(&mut rig), ROAMER);
    assert_eq!(Snapshot::take(&mut rig.signalling, 1).correspondents, 0);
}

#[test]
fn a_mobile_node_talks_to_the_box_itself_without_its_home_agent() {
    let mut rig = acting();
    let node = registered(&mut rig, ANCHOR);
    rig.core.push(&frame(&node.echo())).expect("room");
    rig.settle();
    let opened = rig.host.pop().expect("the kernel has it");
    assert_eq!(addresses(&opened), (ROAMER, ANCHOR));
    // What the kernel answers.
    let packet = echo(ANCHOR, ROAMER, 8);
    rig.host.push(&packet).expect("room");
    rig.settle();
    let sent = left(&rig.core).expect("sent");
    assert_eq!(addresses(&sent), (ANCHOR, CARE_OF));
    assert_eq!(sent[PLAIN + 8..WITH_EXTENSION], ROAMER.octets());
    // The host behind the box has been told nothing.
    assert_eq!(way_from_host(&mut rig), ROAMER);
}

#[test]
fn a_home_address_option_that_nobody_was_told_of_is_answered_with_a_binding_error() {
    for correspondent in [CORRESPONDENT, ANCHOR] {
        let mut rig = acting();
        let mut node = registered(&mut rig, correspondent);
        node.care_of = OTHER_CARE_OF;
        let answer = answered(&mut rig, &node.echo()).expect("a Binding Error");
        assert!(left(&rig.cn).is_none() && rig.host.pop().is_none());
        assert_eq!(addresses(&answer), (correspondent, OTHER_CARE_OF));
        let parsed = MobilityPacket::parse(&answer).expect("a Mobility Header");
        let header = MobilityHeader::parse(parsed.mh).expect("sound");
        let message = header.message(&CodePoints::default()).expect("a message");
        assert!(
            matches!(
                message,
                Message::BindingError {
                    status: 1,
                    home_address: ROAMER,
                    ..
                }
            ),
            "{message:?}"
        );
    }
}

#[test]
fn an_optimized_route_follows_the_mobile_node() {
    let mut rig = acting();
    let here = registered(&mut rig, CORRESPONDENT);
    let there = MobileNode::tested(&mut rig, CORRESPONDENT, OTHER_CARE_OF);
    assert_eq!(there.register(&mut rig, 2, Lifetime(100)).0, 0);
    assert_eq!(way_from_host(&mut rig), OTHER_CARE_OF);
    // What is still on its way from there is good for a moment.
    for (after_ns, is_good) in [(0, true), (2 * SECOND_NS, false)] {
        rig.pass(after_ns);
        rig.core.push(&frame(&here.echo())).expect("room");
        rig.settle();
        assert_eq!(left(&rig.cn).is_some(), is_good);
    }
}

#[test]
fn tokens_that_are_too_old_are_refused_without_authentication() {
    let mut rig = acting();
    let node = MobileNode::tested(&mut rig, CORRESPONDENT, CARE_OF);
    rig.pass(241 * SECOND_NS);
    assert_eq!(
        node.register(&mut rig, 1, Lifetime(100)),
        (138, Lifetime::ZERO, false)
    );
    assert_eq!(way_from_host(&mut rig), ROAMER);
}

/// RFC 6275 §5.2.6: MAX_RR_BINDING_LIFETIME is 420 s.
#[test]
fn no_optimized_route_outlives_seven_minutes() {
    let mut rig = acting();
    let node = MobileNode::tested(&mut rig, CORRESPONDENT, CARE_OF);
    assert_eq!(
        node.register(&mut rig, 1, Lifetime(1000)),
        (0, Lifetime(105), true)
    );
    rig.pass(419 * SECOND_NS);
    assert_eq!(way_from_host(&mut rig), CARE_OF);
    rig.pass(SECOND_NS);
    rig.settle();
    assert_eq!(way_from_host(&mut rig), ROAMER);
}

#[test]
fn a_mobile_node_is_asked_for_a_refresh_while_packets_go_to_it() {
    for is_used in [true, false] {
        let mut rig = Rig::with(
            AnchorConfig {
                refresh_request: Some(Duration::from_secs(30)),
                ..config()
            },
            territory(),
        );
        registered(&mut rig, CORRESPONDENT);
        if is_used {
            assert_eq!(way_from_host(&mut rig), CARE_OF);
        }
        rig.pass(371 * SECOND_NS);
        rig.settle();
        let asked = left(&rig.core);
        assert_eq!(asked.is_some(), is_used);
        if let Some(request) = asked {
            // By the home agent: RFC 6275 §6.1 gives it no routing header.
            assert_eq!(addresses(&request), (CORRESPONDENT, ROAMER));
            assert_eq!((request[6], request[PLAIN + 2]), (135, 0));
        }
    }
}

#[test]
fn a_narrow_path_to_the_care_of_address_is_learned_and_told() {
    let mut rig = acting();
    registered(&mut rig, CORRESPONDENT);
    let long = echo(CORRESPONDENT, ROAMER, 1400 - 48);
    rig.cn.push(&frame(&long)).expect("room");
    rig.settle();
    let sent = left(&rig.core).expect("sent");
    assert_eq!(addresses(&sent).1, CARE_OF);
    // A router has less room.
    let router = "2001:db8:a::ffff".parse().expect("an address");
    let mut error = vec![0; 1280];
    let told = IcmpError::PacketTooBig { mtu: 1400 };
    let len = write_error(&mut error, &router, &CORRESPONDENT, told, &sent).expect("room");
    rig.core.push(&frame(&error[..len])).expect("room");
    rig.settle();
    assert!(
        left(&rig.cn).is_none(),
        "the host would not know its packet again"
    );
    rig.cn.push(&frame(&long)).expect("room");
    rig.settle();
    let answer = left(&rig.cn).expect("an error");
    assert_eq!(addresses(&answer).1, CORRESPONDENT);
    assert_eq!(answer[PLAIN], 2);
    assert_eq!(answer[PLAIN + 4..PLAIN + 8], 1376_u32.to_be_bytes());
}

#[test]
fn another_route_to_the_care_of_address_is_followed() {
    let mut rig = acting();
    registered(&mut rig, CORRESPONDENT);
    rig.happen([
        dhpd::mirror::Change::Route(route("2001:db8:a::/48", CN, Some("fe80::c"))),
        neighbour(CN, "fe80::c", SERVER_MAC),
    ]);
    rig.settle();
    let packet = echo(CORRESPONDENT, ROAMER, 8);
    rig.cn.push(&frame(&packet)).expect("room");
    rig.settle();
    let sent = left(&rig.cn).expect("back by the link it came from");
    assert_eq!(addresses(&sent).1, CARE_OF);
}

#[test]
fn without_the_role_the_hosts_speak_for_themselves() {
    let plain = AnchorConfig {
        correspondents_behind: Vec::new(),
        is_correspondent: false,
        ..config()
    };
    let mut rig = Rig::with(plain, territory());
    let mh = Builder::home_test_init([7; 8]).finish(&ROAMER, &CORRESPONDENT);
    let packet = compose(&ROAMER, &CORRESPONDENT, None, None, &mh);
    assert_eq!(answered(&mut rig, &packet), None);
    assert_eq!(addresses(&left(&rig.cn).expect("its")).1, CORRESPONDENT);
    let mh = Builder::home_test_init([7; 8]).finish(&ROAMER, &ANCHOR);
    let packet = compose(&ROAMER, &ANCHOR, None, None, &mh);
    assert_eq!(answered(&mut rig, &packet), None);
}

/// There is room for so many in the segment, whatever the configuration says.
#[test]
fn more_mobile_nodes_than_fit_are_refused() {
    let mut rig = Rig::with(
        AnchorConfig {
            limits: dhp_proto::anchor::Limits {
                max_correspondents: 1,
                ..Default::default()
            },
            ..config()
        },
        territory(),
    );
    registered(&mut rig, CORRESPONDENT);
    let node = MobileNode::tested(&mut rig, ANCHOR, CARE_OF);
    assert_eq!(
        node.register(&mut rig, 1, Lifetime(100)),
        (130, Lifetime::ZERO, true)
    );
}

/// The home agent's binding has the address: what is sent there is tunnelled, and nothing else is accepted.
#[test]
fn a_home_address_of_this_box_has_no_optimized_route() {
    let mut rig = acting();
    rig.core
        .push(&frame(&binding_update(1, CARE_OF)))
        .expect("room");
    rig.settle();
    assert!(left(&rig.core).is_some());
    rig.cn.push(&downlink(HOME)).expect("room");
    rig.settle();
    let tunnelled = left(&rig.core).expect("tunnelled");
    assert_eq!(
        (tunnelled[6], addresses(&tunnelled)),
        (41, (ANCHOR, CARE_OF))
    );
    assert_eq!(Snapshot::take(&mut rig.signalling, 1).correspondents, 0);
}
