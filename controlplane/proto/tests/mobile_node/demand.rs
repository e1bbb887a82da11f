//! Flows on demand, and DHPs that fall silent: what the engine does by itself for a node that talks to whom it likes.

use core::net::Ipv6Addr;

use super::support::*;
use dhp_proto::mobile_node::{
    FallbackReason, FlowProgress, MnCommand, MnEvent, Need, Requirements, Session, UnboundReason,
};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_wire::codepoints::DmipType;
use dhp_wire::mobility::MobilityOption;

const SECOND: u64 = NANOS_PER_SECOND;

fn host(network: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xc, network, 0, 0, 0, 0x80)
}

fn demand(correspondent: Ipv6Addr) -> MnCommand {
    MnCommand::Demand {
        correspondent,
        need: Session::SessionLasting.into(),
    }
}

/// A node that has found a DHP for `host(1)` on demand.
fn with_demanded() -> Node {
    let mut node = Node::new(false);
    node.command(MnCommand::SetCareOf(COA));
    let (queries, _) = node.command(demand(host(1)));
    let reply = queries[0].answer(DHP, 0, 75, &[dhp_information(DHP, 100)]);
    let (requests, _) = node.receive(&reply);
    // For ever: nothing is to be refreshed.
    let for_ever = [dhoa(0, u16::MAX)];
    let (_, events) = node.receive(&requests[0].answer(DHP, 0, u16::MAX, &for_ever));
    let MnEvent::AnchorReady { serves, .. } = &events[0] else {
        panic!("an anchor, not {events:?}")
    };
    assert_eq!(serves.to_string(), "2001:db8:c::/48", "the DHP's coverage");
    node
}

#[test]
fn the_first_packet_to_a_correspondent_asks_for_its_dhp_and_its_neighbours_need_not() {
    let mut node = with_demanded();
    let (sent, events) = node.command(demand(host(1)));
    assert!(sent.is_empty() && events.is_empty(), "{sent:?} {events:?}");
    let (sent, _) = node.command(demand(host(2)));
    assert!(sent.is_empty(), "the same DHP covers it: {sent:?}");
    let elsewhere = Ipv6Addr::new(0x2001, 0xdb8, 0xcc, 0, 0, 0, 0, 1);
    let (sent, _) = node.command(demand(elsewhere));
    assert_eq!(sent[0].kind, Some(DmipType::DhpQuery));
}

#[test]
fn the_second_site_of_a_dhp_costs_one_round_trip_and_no_request() {
    let mut node = with_demanded();
    let elsewhere = Ipv6Addr::new(0x2001, 0xdb8, 0xcc, 0, 0, 0, 0, 1);
    let (queries, _) = node.command(demand(elsewhere));
    let covers_both = MobilityOption::DhpInformation {
        preference: 100,
        load: 0,
        prefix_len: 32,
        address: DHP,
        prefix: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        path_rtt_us: 0,
    };
    let (sent, events) = node.receive(&queries[0].answer(DHP, 0, 75, &[covers_both]));
    assert!(sent.is_empty(), "it has an address there: {sent:?}");
    assert!(
        matches!(&events[..], [MnEvent::CandidateList { .. }, MnEvent::AnchorReady { home_address: DHOA, serves, .. }]
            if serves.to_string() == "2001:db8:cc::/48"),
        "{events:?}"
    );
}

#[test]
fn other_needs_are_another_flow() {
    let mut node = with_demanded();
    let need = Need {
        session: Session::SessionLasting,
        requirements: Requirements {
            max_latency_ms: 20,
            ..Requirements::default()
        },
    };
    let correspondent = host(1);
    let (sent, _) = node.command(MnCommand::Demand {
        correspondent,
        need,
    });
    assert_eq!(sent[0].kind, Some(DmipType::DhoaRequest), "{sent:?}");
    let fixed = Session::Fixed.into();
    let (sent, _) = node.command(MnCommand::Demand {
        correspondent: host(3),
        need: fixed,
    });
    assert!(sent.is_empty(), "the home address needs no DHP");
}

#[test]
fn an_idle_flow_ends_unless_a_program_has_its_address() {
    let mut node = with_demanded();
    node.pass(200 * SECOND);
    node.command(MnCommand::InUse(DHOA));
    let (sent, _) = node.pass(200 * SECOND);
    assert!(sent.is_empty(), "a program has the address: {sent:?}");
    node.command(demand(host(2)));
    let (sent, events) = node.pass(290 * SECOND);
    assert!(sent.is_empty() && events.is_empty(), "{sent:?} {events:?}");
    let (sent, events) = node.pass(20 * SECOND);
    let reason = UnboundReason::Released;
    assert!(
        matches!(&events[..], [MnEvent::Unbound { reason: given, .. }, MnEvent::Ended { .. }]
            if *given == reason),
        "{events:?}"
    );
    assert_eq!((sent[0].lifetime, &sent[0].dhoas[..]), (0, &[DHOA][..]));
    assert!(node.engine.status().flows.is_empty());
}

#[test]
fn no_dhp_is_remembered_for_a_while() {
    let mut node = Node::new(false);
    node.command(MnCommand::SetCareOf(COA));
    let (queries, _) = node.command(demand(host(1)));
    let (_, events) = node.receive(&queries[0].answer(DHP, 0, 75, &[]));
    let none = FallbackReason::NoCandidate;
    assert!(matches!(events[..], [MnEvent::Fallback { reason, .. }] if reason == none));
    let (sent, _) = node.pass(100 * SECOND);
    assert!(sent.is_empty(), "nobody asks");
    let (sent, _) = node.command(demand(host(1)));
    assert!(sent.is_empty(), "the answer is known");
    let (sent, events) = node.pass(50 * SECOND);
    assert!(sent.is_empty(), "it looks again only when it is asked for");
    assert!(matches!(events[..], [MnEvent::Ended { .. }]), "{events:?}");
    let (sent, _) = node.command(demand(host(1)));
    assert_eq!(sent[0].kind, Some(DmipType::DhpQuery));
}

#[test]
fn a_node_that_talks_to_the_whole_world_keeps_so_many_flows() {
    let mut node = Node::new(false);
    for network in 0..1000 {
        node.command(demand(host(network)));
    }
    let status = node.engine.status();
    assert_eq!(status.flows.len(), 256);
    assert_eq!(status.counters.demands_refused, 1000 - 256);
}

/// After a move nothing flows before the DHP has confirmed it; the tests of lost refreshes show that those are no silence.
#[test]
fn a_dhp_that_does_not_confirm_a_move_is_left_too() {
    let mut node = with_demanded();
    let (updates, _) = node.command(MnCommand::SetCareOf(COA2));
    let (_, events) = node.pass(14 * SECOND);
    assert!(events.is_empty(), "{events:?}");
    let (_, events) = node.pass(2 * SECOND);
    assert!(
        matches!(events[..], [MnEvent::AnchorSilent { anchor: DHP, .. }]),
        "{events:?}"
    );
    let for_ever = [dhoa(0, u16::MAX)];
    let (_, events) = node.receive(&updates[0].answer(DHP, 0, u16::MAX, &for_ever));
    assert!(matches!(events[0], MnEvent::Bound { .. }), "{events:?}");
    assert!(!node.engine.status().anchors[0].silent);
}

/// Queries are asked from time to time; the third that gets no answer says that the DHP is gone.
#[test]
fn a_dhp_that_no_longer_answers_is_left_and_reported() {
    let mut config = config(false);
    config.check_interval_ns = Some(60 * SECOND);
    let mut node = Node::with_config(config);
    node.command(MnCommand::SetCareOf(COA));
    let (queries, _) = node.use_cn(Session::SessionLasting);
    let candidates = [dhp_information(DHP, 200), dhp_information(DHP2, 100)];
    let (probes, _) = node.receive(&queries[0].answer(DHP, 0, 75, &candidates));
    assert_eq!(probes.len(), 1, "DHP2 is not measured yet");
    let (requests, _) = node.pass(SECOND);
    let answer = requests[0].answer(DHP, 0, 150, &[dhoa(0, 150)]);
    node.receive(&answer);

    let (checks, events) = node.pass(60 * SECOND);
    assert_eq!(checks[0].kind, Some(DmipType::DhpQuery));
    assert_eq!(checks[0].destination, DHP);
    assert!(events.is_empty(), "{events:?}");
    node.pass(20 * MS);
    node.receive(&checks[0].answer(DHP, 0, 75, &candidates));
    let measured = node.engine.status().anchors[0].round_trip_ns;
    assert_eq!(measured, Some(20 * MS), "again");

    let (_, events) = node.pass(70 * SECOND);
    assert!(
        matches!(&events[..], [MnEvent::AnchorSilent { anchor: DHP, home_addresses }, ..]
            if home_addresses[..] == [DHOA]),
        "{events:?}"
    );
    assert_eq!(node.progress(), FlowProgress::Requesting(DHP2));
    let bound = &node.engine.status().anchors[0].bindings[0];
    assert_eq!(
        bound.home_address, DHOA,
        "what runs over it keeps its address"
    );
}
