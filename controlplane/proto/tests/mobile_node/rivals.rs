//! Flows move to better DHPs, and not to and fro.

use core::net::Ipv6Addr;

use super::support::*;
use dhp_proto::mobile_node::{Advantage, FlowProgress, MnCommand, MnEvent, Session, UnboundReason};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_wire::codepoints::{DmipType, Status, status};
use dhp_wire::mobility::{Lifetime, MobilityOption};

const SECOND: u64 = NANOS_PER_SECOND;
const DHOA2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xe, 1, 0, 0, 0, 7);

fn dhoa2() -> MobilityOption<'static> {
    MobilityOption::Dhoa {
        status: Status(0),
        fid: 0,
        address: DHOA2,
        lifetime: Lifetime(u16::MAX),
    }
}

/// A node whose flow is at `DHP`, 20 ms away; `DHP2` is as near to the correspondents, and 21 ms away.
fn at_the_first_of_two() -> Node {
    let mut config = config(false);
    config.check_interval_ns = Some(60 * SECOND);
    let mut node = Node::with_config(config);
    node.command(MnCommand::SetCareOf(COA));
    let (queries, _) = node.use_cn(Session::SessionLasting);
    node.pass(20 * MS);
    let both = [dhp_information(DHP, 200), dhp_information(DHP2, 100)];
    let (probes, _) = node.receive(&queries[0].answer(DHP, 0, u16::MAX, &both));
    node.pass(21 * MS);
    let (requests, _) = node.receive(&probes[0].answer(DHP2, 0, u16::MAX, &[]));
    assert_eq!(requests[0].destination, DHP);
    node.pass(20 * MS);
    node.receive(&requests[0].answer(DHP, 0, u16::MAX, &[dhoa(0, u16::MAX)]));
    node
}

/// The DHPs are measured, so far away; what the node does when that is compared.
fn measure(node: &mut Node, present_ms: u64, rival_ms: u64) -> (Vec<Sent>, Vec<MnEvent>) {
    let (sent, events) = until_due(node);
    assert!(events.is_empty(), "{events:?}");
    let mut ways = [(present_ms, DHP), (rival_ms, DHP2)];
    ways.sort();
    let mut passed = 0;
    for (round_trip_ms, dhp) in ways {
        let query = sent.iter().find(|message| message.destination == dhp);
        let query = query.expect("it is measured");
        assert_eq!(query.kind, Some(DmipType::DhpQuery));
        node.pass((round_trip_ms - passed) * MS);
        passed = round_trip_ms;
        let (sent, events) = node.receive(&query.answer(dhp, 0, u16::MAX, &[]));
        assert!(sent.is_empty() && events.is_empty(), "{sent:?} {events:?}");
    }
    until_due(node)
}

/// Lets time pass until the next thing is due.
fn until_due(node: &mut Node) -> (Vec<Sent>, Vec<MnEvent>) {
    let due = node.engine.poll_timeout().expect("something is due");
    node.pass(due.saturating_sub(node.now.mono_ns))
}

#[test]
fn a_rival_has_to_lead_twice_and_by_enough() {
    let mut node = at_the_first_of_two();
    let (sent, _) = measure(&mut node, 20, 17);
    assert!(sent.is_empty(), "3 ms are no reason: {sent:?}");
    let (sent, _) = measure(&mut node, 80, 21);
    assert!(sent.is_empty(), "one packet may have waited: {sent:?}");
    let (sent, _) = measure(&mut node, 20, 21);
    assert!(sent.is_empty(), "so it was: {sent:?}");
    let (sent, _) = measure(&mut node, 80, 21);
    assert!(sent.is_empty(), "it begins anew: {sent:?}");
    let (sent, _) = measure(&mut node, 70, 22);
    let [request] = &sent[..] else {
        panic!("one request, not {sent:#?}")
    };
    assert_eq!(
        (request.destination, request.kind),
        (DHP2, Some(DmipType::DhoaRequest))
    );
    let status = &node.engine.status().flows[0];
    assert_eq!(status.challenger, Some(DHP2));
    let ready = FlowProgress::Ready {
        anchor: DHP,
        home_address: DHOA,
    };
    assert_eq!(status.progress, ready, "it keeps what it has until then");
    node.pass(21 * MS);
    let (sent, events) = node.receive(&request.answer(DHP2, 0, u16::MAX, &[dhoa2()]));
    assert!(
        matches!(
            &events[..],
            [
                MnEvent::Moved {
                    from: DHP,
                    to: DHP2,
                    advantage: Some(Advantage::Cost),
                    ..
                },
                MnEvent::AnchorReady {
                    anchor: DHP2,
                    home_address: DHOA2,
                    ..
                },
                MnEvent::Bound { .. }
            ]
        ),
        "{events:?}"
    );
    assert!(sent.is_empty(), "sessions go on at the old one: {sent:?}");
}

#[test]
fn the_old_address_stays_until_no_program_has_it() {
    let mut node = at_the_first_of_two();
    measure(&mut node, 80, 21);
    let (sent, _) = measure(&mut node, 80, 21);
    node.receive(&sent[0].answer(DHP2, 0, u16::MAX, &[dhoa2()]));
    let ends = |events: &[MnEvent]| {
        events.iter().any(|event| {
            matches!(
                event,
                MnEvent::Unbound {
                    anchor: DHP,
                    reason: UnboundReason::Released,
                    ..
                }
            )
        })
    };
    for _ in 0..5 {
        node.command(MnCommand::InUse(DHOA));
        let (_, events) = node.pass(200 * SECOND);
        assert!(!ends(&events), "{events:?}");
    }
    let (_, events) = node.pass(200 * SECOND);
    assert!(ends(&events), "{events:?}");
}

#[test]
fn a_rival_that_refuses_changes_nothing_and_is_asked_again_later() {
    let mut node = at_the_first_of_two();
    measure(&mut node, 80, 21);
    let (sent, _) = measure(&mut node, 80, 21);
    let refusal = sent[0].answer(DHP2, status::INSUFFICIENT_RESOURCES, 0, &[]);
    let (sent, events) = node.receive(&refusal);
    assert!(sent.is_empty() && events.is_empty(), "{sent:?} {events:?}");
    assert!(measure(&mut node, 80, 21).0.is_empty());
    let (sent, _) = measure(&mut node, 80, 21);
    assert_eq!(sent[0].destination, DHP2);
    // On the move the request is given up, and the address stays.
    node.command(MnCommand::SetCareOf(COA2));
    assert_eq!(node.engine.status().flows[0].challenger, None);
}
