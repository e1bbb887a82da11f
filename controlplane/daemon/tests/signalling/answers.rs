//! Binding Updates in, acknowledgements out

use std::net::Ipv6Addr;

use dhp_segment::Counter;
use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::{Message, MobilityHeader};
use dhp_wire::packet::MobilityPacket;
use dhpd::snapshot::Snapshot;

use crate::rig::*;

/// Status and sequence number of the Binding Acknowledgement in a frame.
fn acknowledgement(frame: &[u8]) -> (u8, u16) {
    let packet = MobilityPacket::parse(&frame[14..]).expect("a mobility packet");
    assert!(packet.checksum_is_valid());
    let header = MobilityHeader::parse(packet.mh).expect("a mobility header");
    match header.message(&CodePoints::default()).expect("a message") {
        Message::BindingAcknowledgement(answer) => (answer.status.0, answer.sequence),
        other => panic!("not an acknowledgement: {other:?}"),
    }
}

#[test]
fn a_binding_update_is_acknowledged_and_packets_follow() {
    let mut rig = Rig::new();
    rig.core
        .push(&frame(&binding_update(1, CARE_OF)))
        .expect("room");
    rig.settle();
    let answer = rig.core.pop().expect("an acknowledgement");
    assert_eq!(ends(&answer), (ROUTER_MAC, ANCHOR, CARE_OF));
    assert_eq!(acknowledgement(&answer), (0, 1));
    assert_eq!(rig.core.pop(), None);

    rig.cn.push(&downlink(HOME)).expect("room");
    rig.poll();
    let tunnelled = rig.core.pop().expect("a tunnelled packet");
    assert_eq!(ends(&tunnelled), (ROUTER_MAC, ANCHOR, CARE_OF));
    let counted = rig.signalling.counters();
    assert_eq!((counted.punted, counted.injected, counted.lost), (1, 1, 0));
}

#[test]
fn the_time_from_punt_to_inject_is_measured() {
    let mut rig = Rig::new();
    rig.core
        .push(&frame(&binding_update(1, CARE_OF)))
        .expect("room");
    rig.poll();
    rig.pass(400_000);
    rig.signalling.turn();
    let seconds = rig.metrics.signalling_seconds();
    assert_eq!(seconds.get_sample_count(), 1);
    assert!(
        (seconds.get_sample_sum() - 0.0004).abs() < 1e-9,
        "{}",
        seconds.get_sample_sum()
    );
}

/// The event is in force before its acknowledgement can leave: after the turn, without another round of the worker.
#[test]
fn a_handoff_is_in_force_before_it_is_acknowledged() {
    let mut rig = Rig::new();
    rig.core
        .push(&frame(&binding_update(1, CARE_OF)))
        .expect("room");
    rig.settle();
    rig.core.pop().expect("acknowledged");
    rig.core
        .push(&frame(&binding_update(2, OTHER_CARE_OF)))
        .expect("room");
    rig.poll();
    rig.signalling.turn();
    // One round in which the downlink packet comes first, the acknowledgement last.
    rig.cn.push(&downlink(HOME)).expect("room");
    rig.poll();
    let tunnelled = rig.core.pop().expect("a tunnelled packet");
    assert_eq!(ends(&tunnelled).2, OTHER_CARE_OF);
    assert_eq!(
        acknowledgement(&rig.core.pop().expect("an acknowledgement")),
        (0, 2)
    );
}

#[test]
fn the_previous_care_of_address_is_good_for_two_seconds() {
    let mut rig = Rig::new();
    for (sequence, care_of) in [(1, CARE_OF), (2, OTHER_CARE_OF)] {
        rig.core
            .push(&frame(&binding_update(sequence, care_of)))
            .expect("room");
        rig.settle();
        rig.core.pop().expect("acknowledged");
    }
    // Inside the tunnel: a packet from the home address to the correspondent.
    let mut inner = vec![0x60, 0, 0, 0, 0, 16, 17, 64];
    inner.extend_from_slice(&HOME.octets());
    inner.extend_from_slice(&CORRESPONDENT.octets());
    inner.extend_from_slice(&[0, 53, 0, 53, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    let tunnelled = |care_of: std::net::Ipv6Addr| {
        let mut packet = vec![0x60, 0, 0, 0, 0, 56, 41, 64];
        packet.extend_from_slice(&care_of.octets());
        packet.extend_from_slice(&ANCHOR.octets());
        packet.extend_from_slice(&inner);
        frame(&packet)
    };
    let arrives = |rig: &mut Rig, care_of| {
        rig.core.push(&tunnelled(care_of)).expect("room");
        rig.poll();
        rig.cn.pop().is_some()
    };
    assert!(arrives(&mut rig, OTHER_CARE_OF));
    assert!(arrives(&mut rig, CARE_OF), "in flight during the handoff");
    // A refresh in between does not change that.
    rig.core
        .push(&frame(&binding_update(3, OTHER_CARE_OF)))
        .expect("room");
    rig.settle();
    rig.pass(1_900_000_000);
    assert!(arrives(&mut rig, CARE_OF));
    rig.pass(200_000_000);
    assert!(!arrives(&mut rig, CARE_OF), "too late");
    assert!(arrives(&mut rig, OTHER_CARE_OF));
}

#[test]
fn a_dhoa_is_assigned_bound_and_expires() {
    let mut rig = Rig::new();
    rig.core
        .push(&frame(&dhoa_request(1, CARE_OF)))
        .expect("room");
    rig.settle();
    assert!(rig.core.pop().is_some(), "a DHoA Response");
    let (dhoa, bound) = {
        let mut all = rig.signalling.forwarding().bound_after(None);
        let (dhoa, bound) = all.next().expect("a bound address");
        assert_eq!(all.count(), 0);
        (*dhoa, bound.clone())
    };
    assert!(net("2001:db8:d:1::/64").contains(&dhoa));
    assert_eq!(bound.mn.to_string(), "mn1@example.net");
    rig.cn.push(&downlink(dhoa)).expect("room");
    rig.poll();
    assert_eq!(
        ends(&rig.core.pop().expect("a tunnelled packet")).2,
        CARE_OF
    );
    // 150 units of 4 s later.
    rig.pass(601 * 1_000_000_000);
    rig.settle();
    assert_eq!(rig.signalling.forwarding().bound_after(None).count(), 0);
    rig.cn.push(&downlink(dhoa)).expect("room");
    rig.poll();
    assert!(rig.core.pop().is_none());
}

/// Of a covered /48, also for links that no route of the box names; for others the query goes on towards them.
#[test]
fn queries_for_every_covered_link_are_answered() {
    let mut rig = Rig::new();
    for link in [1_u16, 0x77] {
        let correspondent = Ipv6Addr::new(0x2001, 0xdb8, 0xc, link, 0, 0, 0, 0x80);
        rig.core.push(&frame(&query(correspondent))).expect("room");
        rig.settle();
        let answer = rig.core.pop().expect("a DHP Query Reply");
        assert_eq!(
            ends(&answer),
            (ROUTER_MAC, ANCHOR, CARE_OF),
            "link {link:x}"
        );
    }
    let elsewhere = Ipv6Addr::new(0x2001, 0xdb8, 0xb, 1, 0, 0, 0, 0x80);
    rig.cn.push(&frame(&query(elsewhere))).expect("room");
    rig.settle();
    let onward = rig.core.pop().expect("the query, forwarded");
    assert_eq!(ends(&onward).1, CARE_OF);
    assert_eq!(rig.signalling.counters().punted, 2);
}

#[test]
fn a_forged_message_changes_nothing() {
    let mut rig = Rig::new();
    let forged = binding_update_by(&security_with([0x43; 32]), 1, CARE_OF);
    rig.core.push(&frame(&forged)).expect("room");
    rig.settle();
    assert_eq!(rig.signalling.forwarding().bound_after(None).count(), 0);
    let answer = rig.core.pop().expect("an acknowledgement");
    assert_eq!(acknowledgement(&answer), (146, 1), "authentication failed");
}

#[test]
fn more_updates_than_a_ring_holds_are_counted_where_they_are_lost() {
    let mut rig = Rig::new();
    for sequence in 1..=100 {
        rig.core
            .push(&frame(&binding_update(sequence, CARE_OF)))
            .expect("room");
        rig.poll();
    }
    rig.settle();
    let mut acknowledged = 0;
    while rig.core.pop().is_some() {
        acknowledged += 1;
    }
    let snapshot = Snapshot::take(&mut rig.signalling, 1);
    let worker = &snapshot.workers[0].counters;
    let punted = worker.get(Counter::PuntedMobility);
    assert_eq!(punted, 32, "what the ring leaves to strangers");
    assert_eq!(acknowledged, punted);
    assert_eq!(worker.total_drops(), 100 - punted);
}

#[test]
fn the_metrics_name_every_counter() {
    let mut rig = Rig::new();
    rig.core
        .push(&frame(&binding_update(1, CARE_OF)))
        .expect("room");
    rig.settle();
    rig.metrics
        .update(&Snapshot::take(&mut rig.signalling, 1), 2);
    let text = rig.metrics.text().expect("text");
    for counter in Counter::ALL {
        let name = format!("dmip_worker_{}_total{{worker=\"0\"}} ", counter.name());
        assert!(text.contains(&name), "{name}");
    }
    for reason in dhp_segment::DropReason::ALL {
        let name = format!(
            "dmip_drops_total{{reason=\"{}\",worker=\"0\"}} ",
            reason.name()
        );
        assert!(text.contains(&name), "{name}");
    }
    for line in [
        "dmip_bindings{kind=\"home\"} 1",
        "dmip_bindings{kind=\"dhoa\"} 0",
        "dmip_pool_addresses{pool=\"2001:db8:1:1::/64\",state=\"bound\"} 1",
        "dmip_signalling_received_total{type=\"binding_update\"} 1",
        "dmip_signalling_sent_total{status=\"0\",type=\"binding_acknowledgement\"} 1",
        "dmip_bindings_created_total 1",
        "dmip_care_of_tests_begun_total 0",
        "dmip_care_of_tests_ended_total{result=\"failed\"} 0",
        "dmip_signalling_seconds_count 1",
        "dmip_punted_total 1",
        "dmip_degraded_reasons 2",
        "dmip_table_capacity{table=\"home_addresses\"} 64",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    // A second scrape shows the same totals, not their double.
    rig.metrics
        .update(&Snapshot::take(&mut rig.signalling, 1), 0);
    let again = rig.metrics.text().expect("text");
    assert!(
        again
            .lines()
            .any(|found| found == "dmip_signalling_received_total{type=\"binding_update\"} 1")
    );
}
