//! The node comes home and leaves again (RFC 6275 §11.5.5).

use core::net::Ipv6Addr;

use super::support::*;
use dhp_proto::anchor::RouteEnds;
use dhp_proto::mobile_node::{
    AddressKind, FlowProgress, MnAction, MnCommand, MnEvent, ProxyReason, Session, UnboundReason,
    Whereabouts,
};
use dhp_proto::return_routability::{KeygenToken, authenticator, management_key};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_wire::codepoints::{CodePoints, DmipType, Status, binding_error_status, status};
use dhp_wire::mobility::{BuFlags, Builder, Lifetime, Message, MobilityHeader};
use dhp_wire::packet::{self, MobilityPacket};

const SECOND: u64 = NANOS_PER_SECOND;
const AWAY: Whereabouts = Whereabouts::Away;

/// A node that is bound at `COA`, and the Sequence # of its registration.
fn away() -> (Node, u16) {
    let mut node = Node::new(true);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    let sequence = sent[0].sequence;
    let (_, events) = node.receive(&sent[0].acknowledge(0, sequence, 150));
    assert!(matches!(events[..], [MnEvent::Bound { .. }]));
    (node, sequence)
}

/// A node whose home agent has let go.
fn at_home() -> (Node, u16) {
    let (mut node, _) = away();
    let (sent, _) = node.command(MnCommand::SetCareOf(HOME_COA));
    let (_, events) = node.receive(&sent[0].let_go(0));
    assert_eq!(events, [told_home(false, Some(0))]);
    (node, sent[0].sequence)
}

fn told_home(detect_duplicates: bool, round_trip_ns: Option<u64>) -> MnEvent {
    MnEvent::AtHome {
        anchor: HA,
        home_address: HOA,
        detect_duplicates,
        round_trip_ns,
    }
}

fn left_home() -> MnEvent {
    MnEvent::LeftHome {
        anchor: HA,
        home_address: HOA,
    }
}

fn home(detect_duplicates: bool) -> Whereabouts {
    Whereabouts::Home { detect_duplicates }
}

#[test]
fn coming_home_ends_the_registration_from_the_home_address() {
    let (mut node, sequence) = away();
    assert_eq!(node.engine.whereabouts(), AWAY);
    let (sent, events) = node.command(MnCommand::SetCareOf(HOME_COA));
    let [update] = &sent[..] else {
        panic!("one update, not {sent:?}")
    };
    assert_eq!((update.source, update.destination), (HOA, HA));
    assert_eq!(update.home_address, None, "it is the source");
    assert_eq!(update.alternate_care_of, Some(HOA));
    assert_eq!((update.lifetime, update.sequence), (0, sequence + 1));
    let flags = BuFlags::ACKNOWLEDGE | BuFlags::HOME;
    assert_eq!(update.flags, flags.0);
    assert!(update.authentic);
    assert!(events.is_empty());
    assert_eq!(
        node.engine.whereabouts(),
        Whereabouts::Returning { was_bound: true }
    );

    node.pass(20 * MS);
    let (sent, events) = node.receive(&update.let_go(0));
    assert!(sent.is_empty());
    assert_eq!(events, [told_home(false, Some(20 * MS))]);
    assert_eq!(node.engine.whereabouts(), home(false));
    assert_eq!(node.engine.counters().home_returns, 1);
    let status = node.engine.status();
    assert!(status.anchors[0].bindings.is_empty() && !status.anchors[0].pending);

    // At home there is nothing to refresh, and nothing ends.
    let (sent, events) = node.pass(24 * 3600 * SECOND);
    assert!(sent.is_empty() && events.is_empty(), "{sent:?}, {events:?}");
}

#[test]
fn leaving_again_is_a_registration_with_the_next_number() {
    let (mut node, sequence) = at_home();
    let (sent, events) = node.command(MnCommand::SetCareOf(COA2));
    assert_eq!(events, [left_home()]);
    assert_eq!(node.engine.whereabouts(), AWAY);
    assert_eq!((sent[0].source, sent[0].home_address), (COA2, Some(HOA)));
    assert_eq!((sent[0].lifetime, sent[0].sequence), (150, sequence + 1));
    // The home agent has to look for duplicates on the link first (§11.8).
    let (early, _) = node.pass(1499 * MS);
    let (repeated, _) = node.pass(MS);
    assert_eq!((early.len(), repeated.len()), (0, 1));
    let acknowledged = repeated[0].acknowledge(0, repeated[0].sequence, 150);
    let (_, events) = node.receive(&acknowledged);
    assert!(matches!(events[..], [MnEvent::Bound { care_of: COA2, .. }]));

    // And home again.
    let (sent, _) = node.command(MnCommand::SetCareOf(HOME_COA));
    assert_eq!(sent[0].sequence, repeated[0].sequence + 1);
    let (_, events) = node.receive(&sent[0].let_go(0));
    assert_eq!(events, [told_home(false, Some(0))]);
}

#[test]
fn who_turns_back_before_the_answer_registers_again() {
    let (mut node, sequence) = away();
    node.command(MnCommand::SetCareOf(HOME_COA));
    let (sent, events) = node.command(MnCommand::SetCareOf(COA));
    assert!(events.is_empty(), "it has not been home");
    let registration = (sent[0].source, sent[0].lifetime, sent[0].sequence);
    assert_eq!(registration, (COA, 150, sequence + 2));
}

#[test]
fn a_home_link_that_was_lost_for_a_moment_needs_no_update_but_may_have_a_duplicate() {
    let (mut node, _) = at_home();
    node.command(MnCommand::LoseCareOf);
    assert_eq!(node.engine.whereabouts(), AWAY);
    let (sent, events) = node.command(MnCommand::SetCareOf(HOME_COA));
    assert!(sent.is_empty());
    assert_eq!(events, [told_home(true, None)]);
    assert_eq!(node.engine.whereabouts(), home(true));
}

#[test]
fn who_begins_at_home_asks_whether_anybody_stands_in_for_it() {
    // A home agent that had no binding (status 133), one that had one of an earlier life, and one that does not answer.
    for (code, detects) in [
        (Some(status::NOT_HOME_AGENT), true),
        (Some(0), false),
        (None, true),
    ] {
        let mut node = Node::new(true);
        node.use_cn(Session::Fixed);
        let (sent, events) = node.command(MnCommand::SetCareOf(HOME_COA));
        assert_eq!((sent.len(), sent[0].source), (1, HOA));
        assert!(events.is_empty());
        assert_eq!(node.progress(), FlowProgress::Waiting);
        // Somebody else may have the address: the link must not hear of it yet.
        assert_eq!(
            node.engine.whereabouts(),
            Whereabouts::Returning { was_bound: false }
        );
        let events = match code {
            Some(code) => node.receive(&sent[0].let_go(code)).1,
            None => {
                let (repeated, events) = node.pass(15 * SECOND);
                assert_eq!(repeated.len(), 3);
                events
            }
        };
        assert!(matches!(
            events[..],
            [
                MnEvent::AnchorReady { kind: AddressKind::Home, home_address: HOA, .. },
                MnEvent::AtHome { detect_duplicates, .. }
            ] if detect_duplicates == detects
        ));
        assert_eq!(node.engine.whereabouts(), home(detects));
        let (sent, _) = node.pass(3600 * SECOND);
        assert!(sent.is_empty());
    }
}

#[test]
fn a_home_agent_that_does_not_answer_is_told_until_its_binding_has_ended() {
    let (mut node, _) = away();
    node.pass(100 * SECOND);
    let (first, _) = node.command(MnCommand::SetCareOf(HOME_COA));
    let (more, events) = node.pass(499 * SECOND);
    assert!(events.is_empty());
    let numbers: Vec<u16> = first
        .iter()
        .chain(&more)
        .map(|sent| sent.sequence)
        .collect();
    assert!(numbers.len() > 10 && numbers.is_sorted(), "{numbers:?}");
    assert!(
        more.iter()
            .all(|sent| sent.source == HOA && sent.lifetime == 0)
    );
    assert_eq!(
        node.engine.whereabouts(),
        Whereabouts::Returning { was_bound: true }
    );
    let (sent, events) = node.pass(2 * SECOND);
    assert!(sent.is_empty());
    assert_eq!(events, [told_home(true, None)]);
    let (sent, _) = node.pass(3600 * SECOND);
    assert!(sent.is_empty());
}

#[test]
fn an_answer_with_another_number_or_key_does_not_bring_the_node_home() {
    let (mut node, _) = away();
    let (sent, _) = node.command(MnCommand::SetCareOf(HOME_COA));
    let mut other = sent[0].clone();
    other.sequence = other.sequence.wrapping_add(7);
    let mut forged = sent[0].let_go(0);
    *forged.last_mut().expect("octets") ^= 1;
    for answer in [other.let_go(0), forged] {
        node.receive(&answer);
        assert_eq!(
            node.engine.whereabouts(),
            Whereabouts::Returning { was_bound: true }
        );
    }
    // 135: numbers go on behind the one that it names (§11.7.1).
    let (sent, _) = node.receive(&other.let_go(status::SEQUENCE_OUT_OF_WINDOW));
    assert_eq!(sent[0].sequence, other.sequence.wrapping_add(1));
    assert_eq!((sent[0].source, sent[0].lifetime), (HOA, 0));
    node.receive(&sent[0].let_go(0));
    assert_eq!(node.engine.whereabouts(), home(false));
}

#[test]
fn a_home_agent_that_does_not_let_go_keeps_the_address_from_the_link() {
    let (mut node, _) = away();
    let (sent, _) = node.command(MnCommand::SetCareOf(HOME_COA));
    let (sent, events) = node.receive(&sent[0].let_go(status::PROHIBITED));
    assert!(sent.is_empty());
    let unbound = MnEvent::Unbound {
        anchor: HA,
        home_addresses: vec![HOA],
        reason: UnboundReason::Refused(status::PROHIBITED),
    };
    assert_eq!(events, [unbound]);
    assert_eq!(node.engine.whereabouts(), AWAY);
    // Another link is another attempt.
    let (sent, events) = node.command(MnCommand::SetCareOf(COA2));
    assert_eq!(sent[0].lifetime, 150);
    assert!(events.is_empty());
}

#[test]
fn on_the_home_link_nothing_has_the_address_of_it_registered() {
    let error = Builder::binding_error(binding_error_status::UNKNOWN_BINDING, &HOA);
    let error = packet::compose(&HA, &HOME_COA, None, None, &error.finish(&HA, &HOME_COA));
    let request = Builder::binding_refresh_request().finish(&HA, &HOME_COA);
    let request = packet::compose(&HA, &HOME_COA, None, None, &request);
    let (mut returning, _) = away();
    returning.command(MnCommand::SetCareOf(HOME_COA));
    let (home, _) = at_home();
    for mut node in [returning, home] {
        for packet in [&error, &request] {
            let (sent, _) = node.receive(packet);
            assert!(sent.is_empty(), "{sent:?}");
        }
    }
}

#[test]
fn a_dhp_binds_the_other_address_of_the_home_link() {
    let (mut node, _) = away();
    let (queries, _) = node.use_cn(Session::SessionLasting);
    let reply = queries[0].answer(DHP, 0, 75, &[dhp_information(DHP, 100)]);
    let (requests, _) = node.receive(&reply);
    node.receive(&requests[0].answer(DHP, 0, 150, &[dhoa(0, 150)]));
    let (sent, _) = node.command(MnCommand::SetCareOf(HOME_COA));
    let dhp = sent.iter().find(|sent| sent.destination == DHP);
    let dhp = dhp.expect("an update");
    assert_eq!(dhp.kind, Some(DmipType::BindingUpdate));
    assert_eq!((dhp.source, &dhp.dhoas[..]), (HOME_COA, &[DHOA][..]));
    let (_, events) = node.receive(&dhp.answer(DHP, 0, 150, &[dhoa(0, 150)]));
    assert!(matches!(
        events[..],
        [MnEvent::Bound {
            care_of: HOME_COA,
            ..
        }]
    ));
}

#[test]
fn nothing_is_ended_at_the_home_agent_when_the_node_stops_at_home() {
    let (mut node, _) = at_home();
    let (sent, events) = node.command(MnCommand::Shutdown);
    assert!(sent.is_empty());
    assert_eq!(events, [MnEvent::Stopped]);
}

#[test]
fn a_node_that_was_at_home_before_a_restart_is_at_home_after_it() {
    let (before, sequence) = at_home();
    let kept = before.engine.kept();
    assert!(kept.home.as_ref().is_some_and(|home| home.at_home));
    let mut node = Node::new(true);
    node.engine.restore(node.now, kept);
    let (sent, events) = node.command(MnCommand::SetCareOf(HOME_COA));
    assert!(sent.is_empty());
    assert_eq!(events, [told_home(true, None)]);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    let ahead = sent[0].sequence.wrapping_sub(sequence);
    assert!((1..1000).contains(&ahead), "{ahead}");
}

/// What goes to the correspondent next, if anything does.
fn heard(node: &mut Node) -> Vec<Vec<u8>> {
    let mut heard = Vec::new();
    while let Some(action) = node.engine.poll_action() {
        match action {
            MnAction::Transmit(octets) if octets[6] == 41 => heard.push(octets[40..].to_vec()),
            MnAction::Transmit(octets) => heard.push(octets),
            MnAction::Event(_) => {}
        }
    }
    heard
}

/// §11.7.2: those that have the care-of address are told that there is none any more, with the proof of the home address alone.
#[test]
fn correspondents_are_told_that_the_node_is_home() {
    let correspondent = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
    let (home_token, care_of_token) = ([0x11; 8], [0x22; 8]);
    let tokens = [home_token, care_of_token].map(KeygenToken::from_octets);
    let ends = RouteEnds {
        home_address: HOA,
        correspondent,
    };
    let (mut node, _) = away();
    let optimize = MnCommand::OptimizeRoute(ends);
    node.engine.handle_command(node.now, optimize.clone());
    for init in heard(&mut node) {
        let init = MobilityPacket::parse(&init).expect("a packet");
        let header = MobilityHeader::parse(init.mh).expect("a header");
        let answer = match header.message(&CodePoints::default()).expect("a message") {
            Message::HomeTestInit { cookie, .. } => {
                let mh = Builder::home_test(7, cookie, home_token).finish(&correspondent, &HOA);
                let inner = packet::compose(&correspondent, &HOA, None, None, &mh);
                let mut outer = packet::compose(&HA, &COA, None, None, &inner);
                outer[6] = 41;
                outer
            }
            Message::CareOfTestInit { cookie, .. } => {
                let mh = Builder::care_of_test(9, cookie, care_of_token);
                packet::compose(
                    &correspondent,
                    &COA,
                    None,
                    None,
                    &mh.finish(&correspondent, &COA),
                )
            }
            other => panic!("{other:?}"),
        };
        node.engine.handle_packet(node.now, &answer);
    }
    let [update] = &heard(&mut node)[..] else {
        panic!("one update")
    };
    let update = MobilityPacket::parse(update).expect("a packet");
    let header = MobilityHeader::parse(update.mh).expect("a header");
    let sequence = match header.message(&CodePoints::default()).expect("a message") {
        Message::BindingUpdate(update) => update.sequence,
        other => panic!("{other:?}"),
    };
    let key = management_key(&tokens[0], Some(&tokens[1]));
    let mh = Builder::binding_acknowledgement(Status(0), 0, sequence, Lifetime(50))
        .binding_authorization(|mh| authenticator(&key, &COA, &correspondent, mh))
        .finish(&correspondent, &HOA);
    let answer = packet::compose(&correspondent, &COA, None, Some(&HOA), &mh);
    let (_, events) = node.receive(&answer);
    assert!(matches!(events[..], [MnEvent::RouteOptimized { .. }]));

    let (sent, events) = node.command(MnCommand::SetCareOf(HOME_COA));
    let proxied = |reason| MnEvent::RouteProxied { ends, reason };
    assert_eq!(events, [proxied(ProxyReason::Moved)]);
    let end = sent.iter().find(|sent| sent.destination == correspondent);
    let end = end.expect("an update for the correspondent");
    assert_eq!(
        (end.lifetime, end.source, end.home_address),
        (0, HOME_COA, Some(HOA))
    );
    // At home nobody asks for another.
    let home_agent = sent.iter().find(|sent| sent.destination == HA);
    node.receive(&home_agent.expect("an update for it").let_go(0));
    let (sent, _) = node.command(optimize);
    assert!(sent.iter().all(|sent| sent.lifetime == 0), "{sent:?}");
}
