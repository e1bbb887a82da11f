//! What a home agent relies on (RFC 6275 §11): errors and requests from it, and the prefixes at home.

use core::net::Ipv6Addr;

use super::support::*;
use dhp_proto::mobile_node::{MnAction, MnCommand, MnEvent, Session};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_wire::codepoints::{binding_error_status, status};
use dhp_wire::icmpv6::{self, Body, NdOption, PrefixInformation};
use dhp_wire::mobility::Builder;
use dhp_wire::packet::{self, IcmpPacket};

const SECOND: u64 = NANOS_PER_SECOND;
const FOR_EVER: u32 = u32::MAX;

/// A node whose home agent has accepted for ever, so that nothing is refreshed.
fn at_home_agent(code: u8) -> Node {
    let mut node = Node::new(true);
    node.engine
        .handle_command(node.now, MnCommand::SetCareOf(COA));
    let mut sent = None;
    while let Some(action) = node.engine.poll_action() {
        if let MnAction::Transmit(octets) = action {
            sent = Some(Sent::read(octets));
        }
    }
    let update = sent.expect("an update");
    let ack = update.acknowledge(code, update.sequence, u16::MAX);
    node.engine.handle_packet(node.now, &ack);
    node
}

/// The identifiers of the Mobile Prefix Solicitations that are sent until `nanos` have passed, each with the second; and the events.
fn solicitations(node: &mut Node, nanos: u64) -> (Vec<(u64, u16)>, Vec<MnEvent>) {
    let begun = node.now;
    let end = begun.mono_ns + nanos;
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    loop {
        while let Some(action) = node.engine.poll_action() {
            let octets = match action {
                MnAction::Event(event) => {
                    events.push(event);
                    continue;
                }
                MnAction::Transmit(octets) => octets,
            };
            let Ok(packet) = IcmpPacket::parse(&octets) else {
                continue;
            };
            assert!(packet.checksum_is_valid());
            assert_eq!((packet.source, packet.destination), (COA, HA));
            assert_eq!(packet.home_address, Some(HOA));
            match packet.read().expect("a message").body {
                Body::MobilePrefixSolicitation { identifier } => {
                    let after = (node.now.mono_ns - begun.mono_ns) / SECOND;
                    sent.push((after, identifier));
                }
                other => panic!("{other:?}"),
            }
        }
        let Some(at) = node.engine.poll_timeout().filter(|at| *at <= end) else {
            break;
        };
        node.now = node.now.plus_ns(at.saturating_sub(node.now.mono_ns));
        node.engine.handle_timeout(node.now);
    }
    node.now = node.now.plus_ns(end - node.now.mono_ns);
    (sent, events)
}

fn advertisement(identifier: u16, prefix: &str, valid_s: u32, from: Ipv6Addr) -> Vec<u8> {
    let body = Body::MobilePrefixAdvertisement {
        identifier,
        flags: 0,
    };
    let option: NdOption<[u8; 0]> = NdOption::Prefix(PrefixInformation {
        prefix_len: 64,
        flags: 0xc0,
        valid_lifetime_s: valid_s,
        preferred_lifetime_s: valid_s,
        prefix: prefix.parse().expect("an address"),
    });
    let message = icmpv6::Builder::new(&body)
        .option(&option)
        .finish(&from, &HOA);
    packet::compose_icmpv6(&from, &COA, None, Some(&HOA), &message)
}

#[test]
fn a_binding_error_of_the_home_agent_has_the_home_address_registered_again() {
    let mut node = at_home_agent(0);
    let error = |source: Ipv6Addr| {
        let mh = Builder::binding_error(binding_error_status::UNKNOWN_BINDING, &HOA);
        let mh = mh.finish(&source, &COA);
        packet::compose(&source, &COA, None, None, &mh)
    };
    solicitations(&mut node, 0);
    let (sent, _) = node.receive(&error(DHP));
    assert!(sent.is_empty(), "no entry, no answer: {sent:?}");
    let (sent, _) = node.receive(&error(HA));
    assert_eq!((sent.len(), sent[0].destination), (1, HA));
    let (sent, _) = node.receive(&error(HA));
    assert!(sent.is_empty(), "one update is on its way");
}

#[test]
fn a_refresh_request_is_answered_with_an_update_where_there_is_a_binding() {
    let request = |source: Ipv6Addr| {
        let mh = Builder::binding_refresh_request().finish(&source, &COA);
        packet::compose(&source, &COA, None, None, &mh)
    };
    let mut node = at_home_agent(0);
    solicitations(&mut node, 0);
    let (sent, _) = node.receive(&request(DHP));
    assert!(sent.is_empty(), "{sent:?}");
    let (sent, _) = node.receive(&request(HA));
    assert_eq!((sent.len(), sent[0].lifetime), (1, 150));

    let mut node = Node::with_dhoa();
    let (sent, _) = node.receive(&request(DHP));
    assert_eq!((sent.len(), &sent[0].dhoas[..]), (1, &[DHOA][..]));
    let (sent, _) = node.receive(&request(DHP2));
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn status_1_has_the_prefixes_asked_for_until_the_home_agent_answers() {
    let mut node = at_home_agent(status::ACCEPTED_PREFIX_DISCOVERY);
    let (sent, _) = solicitations(&mut node, 100 * SECOND);
    let at: Vec<u64> = sent.iter().map(|(at, _)| *at).collect();
    assert_eq!(
        at,
        [0, 3, 9, 21],
        "INITIAL_SOLICIT_TIMER, doubled each time"
    );
    assert!(
        sent.iter()
            .all(|(_, identifier)| *identifier == sent[0].1 && *identifier > 0)
    );
    let mut node = at_home_agent(0);
    assert!(solicitations(&mut node, 100 * SECOND).0.is_empty());
}

#[test]
fn only_the_first_answer_of_the_home_agent_to_the_last_question_is_believed() {
    let mut node = at_home_agent(status::ACCEPTED_PREFIX_DISCOVERY);
    let (sent, _) = solicitations(&mut node, 0);
    let identifier = sent[0].1;
    let told = |node: &mut Node, packet: &[u8]| {
        node.engine.handle_packet(node.now, packet);
        let (sent, events) = solicitations(node, 0);
        (sent.len(), events)
    };
    let home = "2001:db8:1:1::";
    assert_eq!(
        told(&mut node, &advertisement(identifier, home, 9000, DHP)),
        (0, vec![])
    );
    assert_eq!(
        told(&mut node, &advertisement(identifier ^ 1, home, 9000, HA)),
        (0, vec![])
    );
    let prefixes = vec![("2001:db8:1:1::/64".parse().expect("a prefix"), 9000)];
    let (_, events) = told(&mut node, &advertisement(identifier, home, 9000, HA));
    assert_eq!(events, [MnEvent::HomePrefixes { prefixes }]);
    // Once more, and after a while: that one is unsolicited, and asked for in turn.
    assert_eq!(
        told(&mut node, &advertisement(identifier, home, 1, HA)),
        (0, vec![])
    );
    solicitations(&mut node, 2 * SECOND);
    assert_eq!(told(&mut node, &advertisement(0, home, 1, HA)).0, 1);
}

#[test]
fn a_home_prefix_that_ends_is_asked_for_in_time_and_limits_the_registration() {
    let mut node = at_home_agent(status::ACCEPTED_PREFIX_DISCOVERY);
    let (sent, _) = solicitations(&mut node, 0);
    let answer = advertisement(sent[0].1, "2001:db8:1:1::", 10_000, HA);
    node.engine.handle_packet(node.now, &answer);
    let (sent, _) = solicitations(&mut node, 7_510 * SECOND);
    assert_eq!(sent.first().map(|(at, _)| *at), Some(7_500));
    // Two hours is the least that an unauthenticated word can bring, and no more than that is left here already.
    let last = sent.last().expect("a question").1;
    node.engine
        .handle_packet(node.now, &advertisement(last, "2001:db8:1:1::", 1, HA));
    solicitations(&mut node, 0);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA2));
    assert_eq!(sent[0].lifetime, 150, "there are 2490 s left");
    node.command(MnCommand::SetCareOf(COA));
    node.now = node.now.plus_ns(2_090 * SECOND);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA2));
    assert_eq!(sent[0].lifetime, 100, "and now 400");
    // A prefix without an end is asked for no more.
    let mut node = at_home_agent(status::ACCEPTED_PREFIX_DISCOVERY);
    let (sent, _) = solicitations(&mut node, 0);
    node.engine.handle_packet(
        node.now,
        &advertisement(sent[0].1, "2001:db8:1:1::", FOR_EVER, HA),
    );
    assert!(solicitations(&mut node, 100_000 * SECOND).0.is_empty());
}

#[test]
fn a_forged_word_does_not_end_the_home_prefix_at_once() {
    let mut node = at_home_agent(status::ACCEPTED_PREFIX_DISCOVERY);
    let (sent, _) = solicitations(&mut node, 0);
    node.engine
        .handle_packet(node.now, &advertisement(sent[0].1, "2001:db8:1:1::", 0, HA));
    solicitations(&mut node, 0);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA2));
    assert_eq!(sent[0].lifetime, 150);
    let _ = node.use_cn(Session::Fixed);
    let (sent, _) = solicitations_of(&mut node, 5_390 * SECOND);
    assert!(sent.is_empty(), "three quarters of two hours are not over");
}

/// The same from any care-of address, without a look at what is sent.
fn solicitations_of(node: &mut Node, nanos: u64) -> (Vec<u64>, u64) {
    let before = node.engine.counters().prefix_solicitations_sent;
    let end = node.now.mono_ns + nanos;
    let mut at_ns = Vec::new();
    while let Some(at) = node.engine.poll_timeout().filter(|at| *at <= end) {
        node.now = node.now.plus_ns(at.saturating_sub(node.now.mono_ns));
        node.engine.handle_timeout(node.now);
        while node.engine.poll_action().is_some() {}
        let now = node.engine.counters().prefix_solicitations_sent;
        if now > before {
            at_ns.push(node.now.mono_ns);
            break;
        }
    }
    (at_ns, before)
}
