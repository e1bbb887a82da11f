//! A node that does not know its home agent asks the home link (RFC 6275 §11.4.1).

use core::net::Ipv6Addr;

use super::support::*;
use dhp_proto::mobile_node::{HomeConfig, MnCommand, MnEvent, MobileNodeConfig, UnboundReason};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_wire::codepoints::status;
use dhp_wire::icmpv6::{Body, Builder};
use dhp_wire::packet::{self, IcmpPacket};

const SECOND: u64 = NANOS_PER_SECOND;
const ANYCAST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0xfdff, 0xffff, 0xffff, 0xfffe);
const HA2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);
const ACCEPTED: u8 = 0;

fn without_agent() -> MobileNodeConfig {
    MobileNodeConfig {
        home: Some(HomeConfig::new(None, HOA)),
        ..config(true)
    }
}

/// The questions since the last look: each with the second and its identifier.
fn questions(node: &mut Node) -> Vec<(u64, u16)> {
    let sent = core::mem::take(&mut node.questions).into_iter();
    let read = |(at_ns, octets): (u64, Vec<u8>)| {
        let packet = IcmpPacket::parse(&octets).expect("a packet");
        assert!(packet.checksum_is_valid());
        assert_eq!((packet.destination, packet.home_address), (ANYCAST, None));
        match packet.read().expect("a message").body {
            Body::HomeAgentDiscoveryRequest { identifier } => (at_ns / SECOND, identifier),
            other => panic!("{other:?}"),
        }
    };
    sent.map(read).collect()
}

fn reply(identifier: u16, to: Ipv6Addr, agents: &[Ipv6Addr]) -> Vec<u8> {
    let builder = Builder::new(&Body::HomeAgentDiscoveryReply { identifier });
    let builder = agents.iter().fold(builder, Builder::address);
    packet::compose_icmpv6(&HA, &to, None, None, &builder.finish(&HA, &to))
}

/// A node that was named these home agents, and what it has sent then.
fn named(agents: &[Ipv6Addr]) -> (Node, Vec<Sent>, Vec<MnEvent>) {
    let mut node = Node::with_config(without_agent());
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    assert!(sent.is_empty(), "nobody is known: {sent:?}");
    let (_, identifier) = questions(&mut node)[0];
    let (sent, events) = node.receive(&reply(identifier, COA, agents));
    (node, sent, events)
}

/// A node that is bound at the first of these.
fn bound(agents: &[Ipv6Addr]) -> (Node, Sent) {
    let (mut node, sent, _) = named(agents);
    let (_, events) = node.receive(&sent[0].accept());
    assert!(matches!(&events[..], [MnEvent::Bound { anchor, .. }] if *anchor == agents[0]));
    (node, sent[0].clone())
}

fn destinations(sent: &[Sent]) -> Vec<Ipv6Addr> {
    sent.iter().map(|update| update.destination).collect()
}

#[test]
fn the_home_link_is_asked_with_doubled_intervals_and_later_again() {
    let mut node = Node::with_config(without_agent());
    let begun = node.now.mono_ns / SECOND;
    node.command(MnCommand::SetCareOf(COA));
    let (sent, events) = node.pass(100 * SECOND);
    assert!(sent.is_empty());
    assert_eq!(events, [MnEvent::HomeAgentsUnknown]);
    let asked = questions(&mut node);
    let at: Vec<u64> = asked.iter().map(|(at, _)| at - begun).collect();
    assert_eq!(at, [0, 3, 9, 21, 45], "DHAAD_RETRIES after the first");
    assert!(
        asked
            .iter()
            .all(|(_, identifier)| *identifier == asked[0].1)
    );
    node.pass(55 * SECOND);
    assert_eq!(questions(&mut node)[0].0 - begun, 93 + 60);
    // A new care-of address is a new attempt.
    node.command(MnCommand::SetCareOf(COA2));
    let asked = questions(&mut node);
    assert_eq!(asked.len(), 1);
    let (sent, _) = node.receive(&reply(asked[0].1, COA2, &[HA]));
    assert_eq!((destinations(&sent), sent[0].source), (vec![HA], COA2));
}

#[test]
fn home_agents_are_tried_in_the_order_of_the_reply() {
    let (mut node, first, events) = named(&[HA2, HA]);
    let agents = vec![HA2, HA];
    assert_eq!(
        events,
        [
            MnEvent::HomeAgentsFound { agents },
            MnEvent::HomeAgentChosen { agent: HA2 },
        ]
    );
    assert_eq!(destinations(&first), [HA2]);
    assert!(first[0].authentic, "with the key of that home agent");
    assert_eq!(first[0].alternate_care_of, Some(COA));
    let refused = first[0].acknowledge(status::PROHIBITED, first[0].sequence, 0);
    let (second, _) = node.receive(&refused);
    assert_eq!(destinations(&second), [HA]);
    assert!(second[0].authentic && second[0].sequence == first[0].sequence.wrapping_add(1));
    let (_, events) = node.receive(&second[0].accept());
    assert!(matches!(&events[..], [MnEvent::Bound { anchor: HA, .. }]));
    assert_eq!(
        node.engine.present_home().and_then(|home| home.agent),
        Some(HA)
    );
}

#[test]
fn who_does_not_answer_is_left_for_the_next() {
    let (mut node, _, _) = named(&[HA2, HA]);
    let (sent, _) = node.pass(10 * SECOND);
    assert_eq!(destinations(&sent), [HA2, HA2], "after 1.5 and 4.5 seconds");
    let (sent, events) = node.pass(SECOND);
    assert_eq!(destinations(&sent), [HA]);
    assert_eq!(events, [MnEvent::HomeAgentChosen { agent: HA }]);
}

#[test]
fn when_all_have_refused_the_home_link_is_asked_after_a_while() {
    let (mut node, sent, _) = named(&[HA]);
    let refused = sent[0].acknowledge(status::NOT_HOME_SUBNET, sent[0].sequence, 0);
    let (sent, _) = node.receive(&refused);
    assert!(sent.is_empty());
    node.pass(59 * SECOND);
    assert!(questions(&mut node).is_empty());
    node.pass(2 * SECOND);
    let asked = questions(&mut node);
    let (sent, _) = node.receive(&reply(asked[0].1, COA, &[HA2]));
    assert_eq!(destinations(&sent), [HA2]);

    let (mut node, sent, events) = named(&[]);
    assert!(sent.is_empty() && matches!(&events[..], [MnEvent::HomeAgentsFound { .. }]));
    node.pass(61 * SECOND);
    assert_eq!(questions(&mut node).len(), 1, "one that drains says so");
}

#[test]
fn only_the_first_answer_to_the_last_question_is_believed() {
    let mut node = Node::with_config(without_agent());
    node.command(MnCommand::SetCareOf(COA));
    let (_, identifier) = questions(&mut node)[0];
    let forged = [
        reply(identifier ^ 1, COA, &[HA2]),
        reply(identifier, COA2, &[HA2]),
    ];
    for packet in forged {
        let (sent, events) = node.receive(&packet);
        assert!(sent.is_empty() && events.is_empty());
    }
    let nobody = [HOA, Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED, HA, HA];
    let (sent, events) = node.receive(&reply(identifier, COA, &nobody));
    assert_eq!(destinations(&sent), [HA]);
    assert_eq!(events[0], MnEvent::HomeAgentsFound { agents: vec![HA] });
    let (sent, events) = node.receive(&reply(identifier, COA, &[HA2]));
    assert!(sent.is_empty() && events.is_empty());
    // Who has a home agent asks nobody.
    let mut node = Node::new(true);
    node.command(MnCommand::SetCareOf(COA));
    let (sent, events) = node.receive(&reply(0, COA, &[HA2]));
    assert!(sent.is_empty() && events.is_empty() && node.questions.is_empty());
}

#[test]
fn a_registration_is_first_attempted_where_it_is_and_then_elsewhere() {
    let (mut node, first) = bound(&[HA, HA2]);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA2));
    assert_eq!(destinations(&sent), [HA]);
    let (sent, events) = node.pass(8 * SECOND);
    assert_eq!(destinations(&sent), [HA, HA, HA2]);
    let unbound = MnEvent::Unbound {
        anchor: HA,
        home_addresses: vec![HOA],
        reason: UnboundReason::NoAnswer,
    };
    assert_eq!(events, [unbound, MnEvent::HomeAgentChosen { agent: HA2 }]);
    let ahead = sent[2].sequence.wrapping_sub(first.sequence);
    assert_eq!(ahead, 4, "numbers go on, whoever gets them");
    let (_, events) = node.receive(&sent[2].accept());
    assert!(matches!(&events[..], [MnEvent::Bound { anchor: HA2, .. }]));
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    assert_eq!(destinations(&sent), [HA2], "the one that has accepted last");
}

#[test]
fn the_only_one_is_asked_on_while_the_home_link_is_asked_again() {
    let (mut node, _) = bound(&[HA]);
    node.command(MnCommand::SetCareOf(COA2));
    let (sent, events) = node.pass(20 * SECOND);
    assert_eq!(destinations(&sent), [HA; 4], "after 1, 3, 7 and 15 seconds");
    assert!(events.is_empty(), "it is still bound: {events:?}");
    let asked = questions(&mut node);
    assert_eq!(asked.len(), 3, "after 7, 10 and 16 seconds");
    let (sent, _) = node.receive(&reply(asked[0].1, COA2, &[HA]));
    assert_eq!(destinations(&sent), [HA], "it is there again");
    node.receive(&sent[0].accept());

    node.command(MnCommand::SetCareOf(COA));
    node.pass(8 * SECOND);
    let asked = questions(&mut node);
    let (sent, events) = node.receive(&reply(asked[0].1, COA, &[HA, HA2]));
    assert_eq!(
        destinations(&sent),
        [HA2],
        "the one that it does not wait for"
    );
    assert!(matches!(&events[1], MnEvent::Unbound { anchor: HA, .. }));
}

#[test]
fn what_was_discovered_is_known_after_a_restart() {
    let (node, update) = bound(&[HA2, HA]);
    let kept = node.engine.kept();
    assert_eq!(kept.home_agents, [HA2, HA]);
    let mut again = Node::with_config(without_agent());
    again.engine.restore(again.now, kept.clone());
    let (sent, _) = again.command(MnCommand::SetCareOf(COA2));
    assert_eq!(destinations(&sent), [HA2]);
    assert!(sent[0].sequence.wrapping_sub(update.sequence) < 1 << 15);
    assert!(again.questions.is_empty());
    let (sent, _) = again.pass(8 * SECOND);
    assert_eq!(destinations(&sent).last(), Some(&HA), "and its neighbour");

    // Without a binding the list is a beginning all the same.
    let mut again = Node::with_config(without_agent());
    let list = dhp_proto::mobile_node::Kept {
        home: None,
        ..kept.clone()
    };
    again.engine.restore(again.now, list);
    let (sent, _) = again.command(MnCommand::SetCareOf(COA));
    assert_eq!(destinations(&sent), [HA2]);
    // Whoever configures a home agent wants that one.
    let mut again = Node::new(true);
    again.engine.restore(again.now, kept);
    let (sent, _) = again.command(MnCommand::SetCareOf(COA));
    assert_eq!(destinations(&sent), [HA]);
}

#[test]
fn a_refusal_that_names_another_number_is_no_refusal() {
    let (mut node, sent, _) = named(&[HA2, HA]);
    let number = sent[0].acknowledge(status::SEQUENCE_OUT_OF_WINDOW, 4000, 0);
    let (sent, _) = node.receive(&number);
    assert_eq!((destinations(&sent), sent[0].sequence), (vec![HA2], 4001));
    let (_, events) = node.receive(&sent[0].acknowledge(ACCEPTED, 4001, 150));
    assert!(matches!(&events[..], [MnEvent::Bound { anchor: HA2, .. }]));
}

#[test]
fn at_home_who_is_found_is_told_that_the_node_is_back() {
    let mut node = Node::with_config(without_agent());
    let (sent, _) = node.command(MnCommand::SetCareOf(HOME_COA));
    assert!(sent.is_empty(), "nobody is known: {sent:?}");
    let (_, identifier) = questions(&mut node)[0];
    let (sent, _) = node.receive(&reply(identifier, HOME_COA, &[HA2, HA]));
    assert_eq!((destinations(&sent), sent[0].source), (vec![HA2], HOA));
    assert_eq!(sent[0].lifetime, 0);
    // It has not heard of this node; the next one has, but has no binding.
    let (sent, events) = node.receive(&sent[0].let_go(status::PROHIBITED));
    assert_eq!(events, [MnEvent::HomeAgentChosen { agent: HA }]);
    assert_eq!((destinations(&sent), sent[0].lifetime), (vec![HA], 0));
    let (sent, events) = node.receive(&sent[0].let_go(status::NOT_HOME_AGENT));
    assert!(sent.is_empty());
    assert!(matches!(events[..], [MnEvent::AtHome { anchor: HA, .. }]));
    // Whoever it was is asked first from the next link.
    let (sent, events) = node.command(MnCommand::SetCareOf(COA));
    assert_eq!((destinations(&sent), sent[0].lifetime), (vec![HA], 150));
    assert!(matches!(events[..], [MnEvent::LeftHome { anchor: HA, .. }]));
    assert!(questions(&mut node).is_empty());
}

#[test]
fn a_binding_is_ended_at_the_home_agent_that_has_it_and_at_no_other() {
    let (mut node, _) = bound(&[HA2, HA]);
    let (sent, _) = node.command(MnCommand::SetCareOf(HOME_COA));
    assert_eq!((destinations(&sent), sent[0].lifetime), (vec![HA2], 0));
    let (sent, events) = node.receive(&sent[0].let_go(status::PROHIBITED));
    assert!(sent.is_empty(), "HA2 still stands in: {sent:?}");
    assert!(matches!(events[..], [MnEvent::Unbound { anchor: HA2, .. }]));
    assert!(questions(&mut node).is_empty());
}
