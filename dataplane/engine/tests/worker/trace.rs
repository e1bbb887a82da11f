//! What is told of single packets

use dhp_segment::{Counter, DropReason, TRACE_PACKET_BYTES, TraceRequest, Traced};

use crate::appliance::*;
use crate::packets::*;

const FAR: &str = "2001:db8:a::42";

fn traced(appliance: &mut Appliance) -> Vec<(Traced, Vec<u8>)> {
    let mut told = Vec::new();
    let mut buffer = [0; TRACE_PACKET_BYTES];
    while let Some(traced) = appliance.control.trace_pop(0, &mut buffer) {
        told.push((traced, buffer[..traced.kept].to_vec()));
    }
    told
}

fn tracing(request: TraceRequest) -> Appliance {
    let mut appliance = Appliance::new();
    appliance.control.set_trace(Some(request));
    appliance
}

fn story(traced: &Traced) -> (Vec<Counter>, Vec<DropReason>) {
    let outcome = traced.outcome;
    (outcome.counters().collect(), outcome.drops().collect())
}

#[test]
fn each_packet_is_told_as_it_came_with_all_that_was_counted_for_it() {
    let mut appliance = tracing(TraceRequest::default());
    let uplink = tunnelled(CARE_OF, ANCHOR, &udp(HOME, CORRESPONDENT, 20));
    let unbound = udp(FAR, UNBOUND_HOME, 20);
    appliance.receive(CORE, &uplink);
    appliance.receive(CORE, &unbound);
    appliance.receive(HOST, &udp(LOCAL, HOME, 20));
    appliance
        .control
        .inject(0, &mobility(ANCHOR, CARE_OF))
        .expect("room");
    appliance.poll();
    let told = traced(&mut appliance);
    let stories: Vec<_> = told.iter().map(|(traced, _)| story(traced)).collect();
    assert_eq!(
        stories,
        [
            (vec![Counter::Decapsulated, Counter::Forwarded], vec![]),
            (vec![Counter::IcmpSent], vec![DropReason::NoBinding]),
            (vec![Counter::RoutedType2, Counter::FromHost], vec![]),
            (vec![], vec![]),
        ]
    );
    let ports: Vec<_> = told.iter().map(|(traced, _)| traced.meta.port).collect();
    assert_eq!(ports, [0, 0, 2, u16::MAX]);
    assert_eq!(told[0].1, uplink);
    assert_eq!(told[0].0.meta.length as usize, uplink.len());
    assert_eq!(told[0].0.meta.timestamp_ns, START_NS);
    appliance.assert_conserved();
}

#[test]
fn only_what_was_asked_for_is_told() {
    let uplink = tunnelled(CARE_OF, ANCHOR, &udp(HOME, CORRESPONDENT, 20));
    let packets = [
        uplink,
        udp(FAR, UNBOUND_HOME, 20),
        udp(FAR, CORRESPONDENT, 20),
    ];
    let about = |address_of: Option<&str>, drops_only| {
        let mut appliance = tracing(TraceRequest {
            address: address_of.map(address),
            drops_only,
        });
        for packet in &packets {
            appliance.pass(CORE, packet);
        }
        traced(&mut appliance).len()
    };
    assert_eq!(about(None, false), 3);
    assert_eq!(about(None, true), 1);
    assert_eq!(about(Some(HOME), false), 1, "inside a tunnel");
    assert_eq!(about(Some(CARE_OF), false), 1);
    assert_eq!(about(Some(FAR), false), 2);
    assert_eq!(about(Some(FAR), true), 1);
    assert_eq!(about(Some(NOWHERE), false), 0);
}

#[test]
fn nobody_who_listens_costs_no_packet_and_is_counted() {
    let mut appliance = tracing(TraceRequest::default());
    for _ in 0..200 {
        assert_eq!(appliance.pass(CORE, &udp(FAR, CORRESPONDENT, 20)).len(), 1);
    }
    let told = traced(&mut appliance).len();
    let lost = appliance.counters().get(Counter::TraceLost);
    assert_eq!((told, lost), (128, 72));
    appliance.control.set_trace(None);
    appliance.pass(CORE, &udp(FAR, CORRESPONDENT, 20));
    assert_eq!(traced(&mut appliance), []);
}

#[test]
fn of_a_long_packet_the_beginning_is_kept() {
    let mut appliance = Appliance::with(Setup {
        frame_octets: 9_216,
        ..Setup::default()
    });
    appliance.control.set_trace(Some(TraceRequest::default()));
    let packet = udp(FAR, CORRESPONDENT, 5_000);
    appliance.receive(CORE, &packet);
    appliance.poll();
    let told = traced(&mut appliance);
    assert_eq!(told[0].1, packet[..TRACE_PACKET_BYTES]);
    assert_eq!(told[0].0.meta.length, 5_048);
}
