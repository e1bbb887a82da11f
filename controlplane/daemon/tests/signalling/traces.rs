//! What is told of single packets, while somebody asks

use dhp_segment::TraceRequest;
use dhpd::packet_traces::{Calendar, TracedBy};

use crate::rig::*;

fn ask(rig: &mut Rig, request: TraceRequest) -> Vec<TracedBy> {
    rig.signalling.take_traces(request)
}

#[test]
fn packets_are_told_from_the_first_question_until_nobody_asks() {
    let all = TraceRequest::default();
    let mut rig = Rig::new();
    let update = frame(&binding_update(1, CARE_OF));
    rig.core.push(&update).expect("room");
    rig.settle();
    assert_eq!(ask(&mut rig, all), [], "what was before it");
    rig.cn.push(&downlink(HOME)).expect("room");
    rig.settle();
    let told = ask(&mut rig, all);
    assert_eq!(told.len(), 1);
    let packet = told
        .first()
        .expect("one")
        .describe(Some("cn0".to_owned()), Calendar::now());
    assert_eq!(packet.counters, ["encapsulated"]);
    assert_eq!(packet.drops, Vec::<String>::new());
    let heading = packet.heading.expect("IPv6");
    assert_eq!(heading.destination, HOME);
    assert_eq!(packet.octets.get(..1), Some("6"));

    // Another question is about other packets.
    let drops = TraceRequest {
        drops_only: true,
        ..all
    };
    assert_eq!(ask(&mut rig, drops), []);
    rig.cn.push(&downlink(HOME)).expect("room");
    rig.settle();
    assert_eq!(ask(&mut rig, drops), []);

    rig.pass(2_000_000_001);
    rig.signalling.turn();
    rig.cn.push(&downlink(HOME)).expect("room");
    rig.settle();
    assert_eq!(ask(&mut rig, all), [], "nobody had asked for two seconds");
}
