//! What a scenario may have found, for tests.

use crate::streams::Way;

use super::library::load;
use super::model::{Kind, Mode};
use super::report::{
    FlowReport, HandoffSummary, Interruption, ModeReport, RoundTrips, ScenarioReport,
};

/// A stream with a handoff for each figure.
pub fn flow(over_rtt_ms: &[Option<f64>], spoiled: &[bool]) -> FlowReport {
    let one = |(index, (over, is_spoiled)): (usize, (&Option<f64>, &bool))| Interruption {
        handoff: index + 1,
        way: Way::Downlink,
        interruption_ms: 70.0,
        after_usable_ms: over.map(|over| over + 20.0),
        over_rtt_ms: *over,
        lost: 1,
        is_spoiled: *is_spoiled,
    };
    FlowReport {
        name: "voice-west".to_owned(),
        kind: Kind::Stream,
        anchor: Some("dhp1".to_owned()),
        survived: true,
        fault: None,
        sent: 10,
        lost: 1,
        goodput: Vec::new(),
        interruptions: over_rtt_ms
            .iter()
            .zip(spoiled)
            .enumerate()
            .map(one)
            .collect(),
        round_trips: vec![RoundTrips {
            access: "a".to_owned(),
            by_anchor_ms: Some(22.0),
            direct_ms: Some(20.0),
            to_anchor_ms: Some(20.0),
            stretch: Some(1.1),
            samples: 9,
            median_by_anchor_ms: Some(22.5),
            median_direct_ms: Some(20.5),
            median_stretch: Some(1.1),
        }],
        longest_silence_ms: Some(5.0),
        access_use: None,
    }
}

/// A report of mode `dhp` in which this is the only flow.
pub fn report(flow: FlowReport) -> ScenarioReport {
    let handoff = |one: &Interruption| HandoffSummary {
        number: one.handoff,
        from: "a".to_owned(),
        to: "b".to_owned(),
        begun_s: one.handoff as f64,
        usable_ms: Some(50.0),
        signalling_octets: 488,
        stalled_ms: 0.0,
        is_spoiled: one.is_spoiled,
    };
    let mode = ModeReport {
        mode: Mode::Dhp,
        seconds: 10.0,
        handoffs: flow.interruptions.iter().map(handoff).collect(),
        flows: vec![flow],
        anchors: Vec::new(),
        routes: None,
        outages: Vec::new(),
        signalling_octets: 0,
        signalling_per_minute: 0.0,
        signalling_per_handoff: 0.0,
        troubles: Vec::new(),
    };
    ScenarioReport {
        version: String::new(),
        scenario: load("two-regions").expect("a built-in one"),
        quick: false,
        modes: vec![mode],
        criteria: Vec::new(),
    }
}
