//! The mobile node's engine against answers made by hand.

mod agent_discovery;
mod demand;
mod errors;
mod first_contact;
mod home_duties;
mod liveness;
mod renumbering;
mod restart;
mod returning_home;
mod rivals;
mod support;

use core::net::Ipv6Addr;

use dhp_proto::mobile_node::{
    AddressKind, FallbackReason, FlowProgress, MnCommand, MnEvent, Session, UnboundReason,
};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_wire::codepoints::{CodePoints, DmipType, Status, status};
use dhp_wire::mobility::{BuFlags, Builder, DmipHeader, Lifetime, MobilityOption};
use dhp_wire::packet;
use proptest::prelude::*;
use support::*;

#[test]
fn a_flow_gets_its_dhoa_from_the_dhp_near_the_correspondent() {
    let mut node = Node::new(false);
    let (early, _) = node.use_cn(Session::SessionLasting);
    assert!(early.is_empty(), "there is no care-of address yet");
    let (queries, _) = node.command(MnCommand::SetCareOf(COA));
    assert_eq!(queries.len(), 1);
    let anycast: Ipv6Addr = "2001:db8:c:1:fdff:ffff:ffff:fffe"
        .parse()
        .expect("an address");
    assert_eq!(queries[0].destination, anycast);
    node.pass(20 * MS);
    let (requests, events) =
        node.receive(&queries[0].answer(DHP, 0, 75, &[dhp_information(DHP, 100)]));
    assert!(
        matches!(&events[..], [MnEvent::CandidateList { candidates, .. }]
        if candidates[0].dhp == DHP && candidates[0].round_trip_ns == Some(20 * MS))
    );
    let [request] = &requests[..] else {
        panic!("one request, not {requests:?}")
    };
    assert_eq!(
        (request.destination, request.kind),
        (DHP, Some(DmipType::DhoaRequest))
    );
    assert!(request.authentic && request.mesg_id.is_some());
    node.pass(21 * MS);
    let (_, events) = node.receive(&request.answer(DHP, 0, 150, &[dhoa(0, 150)]));
    let ready = MnEvent::AnchorReady {
        flow: flow(Session::SessionLasting),
        serves: CN.parse().expect("a prefix"),
        anchor: DHP,
        home_address: DHOA,
        kind: AddressKind::Dhoa,
    };
    let bound = MnEvent::Bound {
        anchor: DHP,
        home_addresses: vec![DHOA],
        care_of: COA,
        round_trip_ns: Some(21 * MS),
    };
    assert_eq!(events, [ready, bound]);
}

#[test]
fn a_handoff_is_one_update_per_dhp_and_one_to_the_home_agent_at_once() {
    let mut node = Node::new(true);
    let (updates, _) = node.command(MnCommand::SetCareOf(COA));
    let home_update = &updates[0];
    assert_eq!(home_update.home_address, Some(HOA));
    assert_eq!(home_update.alternate_care_of, Some(COA));
    assert_eq!(home_update.flags, (BuFlags::ACKNOWLEDGE | BuFlags::HOME).0);
    assert!(home_update.authentic);
    node.receive(&home_update.acknowledge(0, home_update.sequence, 150));
    let (queries, _) = node.use_cn(Session::SessionLasting);
    let (requests, _) = node.receive(&queries[0].answer(DHP, 0, 75, &[dhp_information(DHP, 1)]));
    node.receive(&requests[0].answer(DHP, 0, 150, &[dhoa(0, 150)]));

    let (updates, _) = node.command(MnCommand::SetCareOf(COA2));
    let mut destinations: Vec<_> = updates.iter().map(|update| update.destination).collect();
    destinations.sort();
    assert_eq!(destinations, [HA, DHP]);
    let update = updates
        .iter()
        .find(|update| update.destination == DHP)
        .expect("an update");
    assert_eq!(update.kind, Some(DmipType::BindingUpdate));
    assert_eq!(update.dhoas, [DHOA]);
    assert_eq!(update.source, COA2);
    assert_eq!(update.flags, 0x8000, "acknowledged, nothing replaced");
    let next = requests[0].sequence.wrapping_add(1);
    assert_eq!(update.sequence, next, "one space for types 3 and 5");
    assert_eq!(
        update.mesg_id, None,
        "only in the first message to an anchor"
    );
    node.pass(18 * MS);
    let (_, events) = node.receive(&update.answer(DHP, 0, 150, &[dhoa(0, 150)]));
    let bound = MnEvent::Bound {
        anchor: DHP,
        home_addresses: vec![DHOA],
        care_of: COA2,
        round_trip_ns: Some(18 * MS),
    };
    assert_eq!(events, [bound]);
}

#[test]
fn profile_messages_are_repeated_octet_for_octet_and_classic_ones_with_a_new_number() {
    let mut node = Node::new(true);
    let (first, _) = node.command(MnCommand::SetCareOf(COA));
    let (early, _) = node.pass(1499 * MS);
    assert!(early.is_empty(), "a first registration waits 1.5 s");
    let (second, _) = node.pass(MS);
    assert_eq!(second[0].sequence, first[0].sequence.wrapping_add(1));
    // The acknowledgement of the first transmission still counts.
    node.receive(&first[0].acknowledge(0, first[0].sequence, 150));
    let bindings = &node.engine.status().anchors[0].bindings;
    assert_eq!(bindings[0].care_of, Some(COA));

    let mut node = Node::with_dhoa();
    let (first, _) = node.command(MnCommand::SetCareOf(COA2));
    let (repeated, _) = node.pass(7 * NANOS_PER_SECOND);
    assert_eq!(repeated.len(), 3, "after 1, 2 and 4 s");
    assert!(
        repeated
            .iter()
            .all(|update| update.octets == first[0].octets)
    );
    let (_, events) = node.receive(&first[0].answer(DHP, 0, 150, &[dhoa(0, 150)]));
    assert!(matches!(
        events[0],
        MnEvent::Bound {
            round_trip_ns: None,
            ..
        }
    ));
}

#[test]
fn answers_that_do_not_verify_change_nothing() {
    let mut node = Node::with_dhoa();
    let (updates, _) = node.command(MnCommand::SetCareOf(COA2));
    let good = updates[0].answer(DHP, 0, 150, &[dhoa(0, 150)]);
    let forged = updates[0].answer(DHP2, 0, 150, &[dhoa(0, 150)]);
    assert!(node.receive(&forged).1.is_empty());
    assert_eq!(node.engine.counters().unmatched, 1);
    // Every octet of the addresses and of the Mobility Header is protected by checksum or MAC.
    for at in 8..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert!(node.receive(&bad).1.is_empty(), "octet {at}");
    }
    let header = DmipHeader {
        kind: DmipType::BindingConfirmation,
        sequence: updates[0].sequence,
        lifetime: Lifetime(150),
        flags: 0,
        status: Status(0),
    };
    let mh = Builder::dmip(&CodePoints::default(), header)
        .option(&dhoa(0, 150))
        .finish(&DHP, &COA2);
    node.receive(&packet::compose(&DHP, &COA2, None, None, &mh));
    assert_eq!(node.engine.counters().authentication_failures, 1);
    assert_eq!(node.receive(&good).1.len(), 1);
}

#[test]
fn a_cookie_is_echoed_with_a_new_number_and_a_forger_cannot_make_us_send_without_end() {
    let mut node = Node::with_dhoa();
    let (mut updates, _) = node.command(MnCommand::SetCareOf(COA2));
    for round in 0..20 {
        let update = updates.pop().expect("an update");
        let cookie = [round; 16];
        let options = [MobilityOption::Cookie(&cookie)];
        updates = node
            .receive(&update.answer(DHP, status::COOKIE_REQUIRED, 0, &options))
            .0;
        while updates.is_empty() {
            updates = node.pass(NANOS_PER_SECOND).0;
        }
        assert_eq!(updates[0].cookie.as_deref(), Some(&cookie[..]));
        assert_ne!(updates[0].sequence, update.sequence);
    }
    // Four answers are followed at once, then the back-off decides: 20 messages take minutes.
    assert!(node.now.mono_ns > 120 * NANOS_PER_SECOND);
}

#[test]
fn numbers_are_resynchronised() {
    let mut node = Node::with_dhoa();
    let (updates, _) = node.command(MnCommand::SetCareOf(COA2));
    let refused = updates[0].answer(DHP, status::SEQUENCE_OUT_OF_WINDOW, 4711, &[]);
    let (again, _) = node.receive(&refused);
    assert_eq!(again[0].sequence, 4712);
    assert_eq!(again[0].dhoas, [DHOA]);

    let mut node = Node::new(true);
    let (updates, _) = node.command(MnCommand::SetCareOf(COA));
    let refused = updates[0].acknowledge(status::SEQUENCE_OUT_OF_WINDOW, 99, 0);
    let (again, _) = node.receive(&refused);
    assert_eq!(again[0].sequence, 100);
}

#[test]
fn a_message_identifier_comes_when_it_is_asked_for() {
    let mut node = Node::with_dhoa();
    let (updates, _) = node.command(MnCommand::SetCareOf(COA2));
    assert_eq!(updates[0].mesg_id, None);
    let (again, _) = node.receive(&updates[0].answer(DHP, status::MESG_ID_REQUIRED, 0, &[]));
    let first = again[0].mesg_id.expect("a MESG-ID");
    // 144: the low half comes back, the high half is the anchor's clock.
    let mut late = again[0].clone();
    late.mesg_id = Some((first & 0xffff_ffff) | (0xe5a1_ffff << 32));
    let (again, _) = node.receive(&late.answer(DHP, status::ID_MISMATCH, 0, &[]));
    assert_eq!(again[0].mesg_id.expect("a MESG-ID") >> 32, 0xe5a1_ffff);
}

#[test]
fn a_refusal_leads_to_the_next_candidate_and_at_last_to_the_fallback() {
    let mut node = Node::new(false);
    node.command(MnCommand::SetCareOf(COA));
    let (queries, _) = node.use_cn(Session::SessionLasting);
    let both = [dhp_information(DHP, 100), dhp_information(DHP2, 1)];
    let (probes, _) = node.receive(&queries[0].answer(DHP, 0, 75, &both));
    assert_eq!(
        probes[0].destination, DHP2,
        "the way to the other one is measured"
    );
    node.pass(30 * MS);
    let (requests, _) = node.receive(&probes[0].answer(DHP2, 0, 75, &[]));
    assert_eq!(requests[0].destination, DHP);
    let (requests, _) = node.receive(&requests[0].answer(DHP, status::DRAINING, 0, &[]));
    assert_eq!(requests[0].destination, DHP2);
    let (_, events) = node.receive(&requests[0].answer(DHP2, status::NOT_COVERED, 0, &[]));
    let reason = FallbackReason::Refused(status::NOT_COVERED);
    assert!(matches!(events[..], [MnEvent::Fallback { reason: given, .. }] if given == reason));
    assert_eq!(node.progress(), FlowProgress::Fallback);
    let (queries, _) = node.pass(35 * NANOS_PER_SECOND);
    assert_eq!(
        queries[0].kind,
        Some(DmipType::DhpQuery),
        "and tries again later"
    );
}

#[test]
fn a_binding_error_is_only_a_hint() {
    let mut node = Node::new(false);
    node.command(MnCommand::SetCareOf(COA));
    let (queries, _) = node.use_cn(Session::SessionLasting);
    let reply = queries[0].answer(DHP, 0, 75, &[dhp_information(DHP, 1)]);
    let (requests, _) = node.receive(&reply);
    let error = Builder::binding_error(2, &Ipv6Addr::UNSPECIFIED).finish(&DHP, &COA);
    let error = packet::compose(&DHP, &COA, None, None, &error);
    assert!(node.receive(&error).1.is_empty());
    let (sent, events) = node.pass(14 * NANOS_PER_SECOND);
    assert_eq!(
        (sent.len(), events.len()),
        (3, 0),
        "it is sent again all the same"
    );
    assert_eq!(sent[2].octets, requests[0].octets);
    let (_, events) = node.pass(2 * NANOS_PER_SECOND);
    let reason = FallbackReason::NotSupported;
    assert!(matches!(events[..], [MnEvent::Fallback { reason: given, .. }] if given == reason));
}

#[test]
fn bindings_are_refreshed_before_they_end_and_lost_when_nobody_answers() {
    let mut node = Node::with_dhoa();
    let (updates, events) = node.pass(480 * NANOS_PER_SECOND);
    let unbound = |event: &MnEvent| matches!(event, MnEvent::Unbound { .. });
    assert!(!events.iter().any(unbound), "{events:?}");
    assert_eq!(updates[0].dhoas, [DHOA]);
    node.receive(&updates[0].answer(DHP, 0, 150, &[dhoa(0, 150)]));
    let (sent, events) = node.pass(700 * NANOS_PER_SECOND);
    assert!(
        sent.iter()
            .any(|message| message.kind == Some(DmipType::BindingUpdate))
    );
    let lost = MnEvent::Unbound {
        anchor: DHP,
        home_addresses: vec![DHOA],
        reason: UnboundReason::Expired,
    };
    assert!(events.contains(&lost));
    assert_eq!(node.engine.counters().expirations, 1);
}

#[test]
fn a_lost_assignment_is_asked_for_again_with_the_old_address_as_wish() {
    let mut node = Node::with_dhoa();
    let (updates, _) = node.command(MnCommand::SetCareOf(COA2));
    let refusal = updates[0].answer(DHP, 194, 0, &[dhoa(status::NOT_ASSIGNED, 0)]);
    let (requests, events) = node.receive(&refusal);
    let reason = UnboundReason::Refused(status::NOT_ASSIGNED);
    assert!(matches!(events[0], MnEvent::Unbound { reason: given, .. } if given == reason));
    assert_eq!(requests[0].kind, Some(DmipType::DhoaRequest));
    assert_eq!(requests[0].dhoas, [DHOA]);
}

#[test]
fn a_care_of_test_is_passed_by_echoing_the_cookie() {
    let mut node = Node::with_dhoa();
    let (updates, _) = node.command(MnCommand::SetCareOf(COA2));
    let cookie = [9; 16];
    let pending = [dhoa(0, 150), MobilityOption::Cookie(&cookie)];
    let test = updates[0].answer(DHP, status::CARE_OF_TEST_PENDING, 150, &pending);
    let (echo, events) = node.receive(&test);
    let under_test = MnEvent::UnderTest {
        anchor: DHP,
        home_addresses: vec![DHOA],
        care_of: COA2,
    };
    assert_eq!(
        events,
        [under_test],
        "packets may flow, nothing is confirmed"
    );
    assert_eq!(echo[0].cookie.as_deref(), Some(&cookie[..]));
    assert_eq!(echo[0].dhoas, [DHOA]);
    assert_eq!(echo[0].sequence, updates[0].sequence.wrapping_add(1));
    let (_, events) = node.receive(&echo[0].answer(DHP, 0, 150, &[dhoa(0, 150)]));
    assert!(matches!(events[..], [MnEvent::Bound { .. }]));
}

#[test]
fn a_released_flow_gives_its_address_back_and_shutdown_everything() {
    let mut node = Node::with_dhoa();
    let (releases, events) = node.command(MnCommand::Release(flow(Session::SessionLasting)));
    assert_eq!(releases[0].lifetime, 0);
    assert_eq!(releases[0].dhoas, [DHOA]);
    let reason = UnboundReason::Released;
    assert!(matches!(events[..], [MnEvent::Unbound { reason: given, .. }] if given == reason));
    node.receive(&releases[0].answer(DHP, 0, 0, &[dhoa(0, 0)]));
    assert!(node.pass(20 * NANOS_PER_SECOND).0.is_empty());

    let mut node = Node::new(true);
    let (updates, _) = node.command(MnCommand::SetCareOf(COA));
    node.receive(&updates[0].acknowledge(0, updates[0].sequence, 150));
    let (last, _) = node.command(MnCommand::Shutdown);
    assert_eq!((last[0].lifetime, last[0].home_address), (0, Some(HOA)));
    assert!(!node.engine.is_stopped());
    let (_, events) = node.receive(&last[0].acknowledge(0, last[0].sequence, 0));
    assert_eq!(events, [MnEvent::Stopped]);
    assert!(node.engine.is_stopped());
    assert!(node.command(MnCommand::SetCareOf(COA2)).0.is_empty());
}

#[test]
fn shutdown_ends_without_answers_and_without_a_network() {
    let mut node = Node::with_dhoa();
    let (releases, _) = node.command(MnCommand::Shutdown);
    assert_eq!(releases[0].lifetime, 0);
    assert!(releases[0].dhoas.is_empty(), "that means all of them");
    let (_, events) = node.pass(20 * NANOS_PER_SECOND);
    assert_eq!(events.last(), Some(&MnEvent::Stopped));

    let mut node = Node::with_dhoa();
    node.command(MnCommand::LoseCareOf);
    let (_, events) = node.command(MnCommand::Shutdown);
    assert_eq!(events, [MnEvent::Stopped]);
}

#[test]
fn fixed_flows_use_the_home_address_as_soon_as_it_is_bound() {
    let mut node = Node::new(true);
    assert!(node.use_cn(Session::Fixed).1.is_empty());
    let (updates, _) = node.command(MnCommand::SetCareOf(COA));
    assert_eq!(updates.len(), 1, "no query");
    let (_, events) = node.receive(&updates[0].acknowledge(0, updates[0].sequence, 150));
    assert!(matches!(
        events[..],
        [
            MnEvent::AnchorReady {
                home_address: HOA,
                kind: AddressKind::Home,
                ..
            },
            MnEvent::Bound { anchor: HA, .. }
        ]
    ));
}

#[test]
fn coming_back_before_anything_was_confirmed_elsewhere_is_an_update_too() {
    let mut node = Node::with_dhoa();
    // The update from the second network may have arrived, although its answer has not.
    node.command(MnCommand::SetCareOf(COA2));
    node.command(MnCommand::LoseCareOf);
    let (updates, _) = node.command(MnCommand::SetCareOf(COA));
    assert_eq!(updates[0].dhoas, [DHOA]);
    node.receive(&updates[0].answer(DHP, 0, 150, &[dhoa(0, 150)]));
    // Nothing was sent from elsewhere in between: the binding is still right.
    node.command(MnCommand::LoseCareOf);
    assert!(node.command(MnCommand::SetCareOf(COA)).0.is_empty());
}

#[test]
fn no_more_than_three_updates_a_second_go_to_one_anchor() {
    let mut node = Node::with_dhoa();
    let mut sent = 0;
    for round in 0..10 {
        let care_of = if round % 2 == 0 { COA2 } else { COA };
        sent += node.command(MnCommand::SetCareOf(care_of)).0.len();
        sent += node.pass(10 * MS).0.len();
    }
    assert_eq!(sent, 3);
    let (late, _) = node.pass(NANOS_PER_SECOND);
    assert_eq!(late[0].source, COA, "what is late is the latest");
}

#[derive(Debug, Clone)]
enum Input {
    Packet(Vec<u8>),
    Answer { code: u8, flip: Option<usize> },
    Command(u8),
    Pass(u64),
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Input::Packet),
        (any::<u8>(), any::<Option<usize>>()).prop_map(|(code, flip)| Input::Answer { code, flip }),
        any::<u8>().prop_map(Input::Command),
        (0..3_000_000_000u64).prop_map(Input::Pass),
    ]
}

/// An answer to `sent` with the status, and with one octet changed.
fn answer_to(sent: &Sent, code: u8, flip: Option<usize>) -> Vec<u8> {
    let mut answer = match sent.kind {
        None => sent.acknowledge(code, sent.sequence, 150),
        Some(DmipType::DhpQuery) => sent.answer(DHP, 0, 75, &[dhp_information(DHP, 1)]),
        Some(_) => sent.answer(sent.destination, code, 150, &[dhoa(code, 150)]),
    };
    if let Some(at) = flip {
        let at = at % answer.len();
        answer[at] ^= code | 1;
    }
    answer
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_that_arrives_panics_or_keeps_the_engine_busy(
        inputs in prop::collection::vec(input(), 1..60),
    ) {
        let mut node = Node::new(true);
        let mut last: Option<Sent> = None;
        for input in inputs {
            let (sent, _) = match input {
                Input::Packet(octets) => node.receive(&octets),
                Input::Answer { code, flip } => match &last {
                    Some(sent) => node.receive(&answer_to(sent, code, flip)),
                    None => continue,
                },
                Input::Command(which) => {
                    let session = if which % 11 == 6 { Session::Fixed } else { Session::SessionLasting };
                    node.command(match which % 11 {
                        0 | 1 => MnCommand::SetCareOf(COA),
                        2 => MnCommand::SetCareOf(COA2),
                        3 => MnCommand::LoseCareOf,
                        4..=6 => MnCommand::Use(flow(session)),
                        7 => MnCommand::Release(flow(session)),
                        8 => MnCommand::InUse(DHOA),
                        _ => MnCommand::Demand {
                            correspondent: CN.parse::<ipnet::Ipv6Net>().expect("a prefix").network(),
                            need: session.into(),
                        },
                    })
                }
                Input::Pass(nanos) => node.pass(nanos),
            };
            last = sent.last().cloned().or(last);
            // What was due has been done: there is nothing left for this moment.
            let due = node.engine.poll_timeout();
            prop_assert!(due.is_none_or(|at| at > node.now.mono_ns), "{due:?} at {:?}", node.now);
        }
    }
}
