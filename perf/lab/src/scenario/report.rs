//! What a scenario found, as data: what `--json` writes and the page is drawn from. `perf/scenarios/README.md` explains it.

use serde::Serialize;

use crate::criteria::Criterion;
use crate::streams::Way;

use super::access_use::AccessUse;
use super::model::{Kind, Mode, Scenario};
use super::outage::OutageReport;
use super::routes::RoutesReport;
use super::statistics::median;

/// Width of a bin of the goodput, s.
pub const BIN_S: f64 = 0.5;

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct ScenarioReport {
    /// Version of the lab.
    pub version: String,
    /// The scenario as it was read.
    pub scenario: Scenario,
    /// Whether it was the quick form.
    pub quick: bool,
    /// Each mode.
    pub modes: Vec<ModeReport>,
    /// The verdicts.
    pub criteria: Vec<Criterion>,
}

/// One mode.
#[derive(Clone, Debug, Serialize)]
pub struct ModeReport {
    /// Which.
    pub mode: Mode,
    /// Length of the trace.
    pub seconds: f64,
    /// The handoffs.
    pub handoffs: Vec<HandoffSummary>,
    /// The flows, in the scenario's order.
    pub flows: Vec<FlowReport>,
    /// The anchors.
    pub anchors: Vec<AnchorReport>,
    /// Optimized routes; none (`null`) in other modes than `ro`.
    pub routes: Option<RoutesReport>,
    /// DHPs that were killed.
    pub outages: Vec<OutageReport>,
    /// Octets of signalling at the mobile node's access, both ways, over the trace.
    pub signalling_octets: u64,
    /// The same by minute.
    pub signalling_per_minute: f64,
    /// Mean octets from the beginning of a handoff to that of the next.
    pub signalling_per_handoff: f64,
    /// Agent's events that tell of trouble: a DHP that is silent, a flow that falls back.
    pub troubles: Vec<String>,
}

/// A handoff as all flows share it.
#[derive(Clone, Debug, Serialize)]
pub struct HandoffSummary {
    /// From 1.
    pub number: usize,
    /// Access network left.
    pub from: String,
    /// Access network joined.
    pub to: String,
    /// Seconds from the beginning of the trace.
    pub begun_s: f64,
    /// From its beginning until the care-of address could be used.
    pub usable_ms: Option<f64>,
    /// Octets of signalling.
    pub signalling_octets: u64,
    /// How long cores stood still meanwhile: above 5 ms the figures say little.
    pub stalled_ms: f64,
    /// Whether that spoiled it.
    pub is_spoiled: bool,
}

/// A flow.
#[derive(Clone, Debug, Serialize)]
pub struct FlowReport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The node that anchors it; none for the care-of address.
    pub anchor: Option<String>,
    /// Whether it went on after the last handoff, right to the last octet.
    pub survived: bool,
    /// What was wrong.
    pub fault: Option<String>,
    /// Packets sent, of a stream, both ways.
    pub sent: usize,
    /// Of those, lost.
    pub lost: usize,
    /// (seconds, Mbit/s) that arrived at the mobile node.
    pub goodput: Vec<(f64, f64)>,
    /// What each handoff did to it; a stream has both ways.
    pub interruptions: Vec<Interruption>,
    /// Round trips by access network.
    pub round_trips: Vec<RoundTrips>,
    /// The longest time without an arrival, ms, the worse way.
    pub longest_silence_ms: Option<f64>,
    /// How it used the accesses, if it has a choice of them.
    pub access_use: Option<AccessUse>,
}

/// What one handoff did to one flow, one way.
#[derive(Clone, Debug, Serialize)]
pub struct Interruption {
    /// The handoff, from 1.
    pub handoff: usize,
    /// Which way.
    pub way: Way,
    /// The longest silence.
    pub interruption_ms: f64,
    /// What was left of it when the care-of address could be used; none (`null`) if packets did not come back, which is
    /// the worst.
    pub after_usable_ms: Option<f64>,
    /// That less the round trip to the anchor from the new access network.
    pub over_rtt_ms: Option<f64>,
    /// Packets lost, of a stream.
    pub lost: u64,
    /// Whether the machine stood still meanwhile.
    pub is_spoiled: bool,
}

/// The round trips while the mobile node was in an access network, ms: least, and medians.
#[derive(Clone, Debug, Serialize)]
pub struct RoundTrips {
    /// Which.
    pub access: String,
    /// To the correspondent by the anchor.
    pub by_anchor_ms: Option<f64>,
    /// To the correspondent from the care-of address.
    pub direct_ms: Option<f64>,
    /// To the anchor.
    pub to_anchor_ms: Option<f64>,
    /// The first by the second.
    pub stretch: Option<f64>,
    /// How many times the correspondent was measured.
    pub samples: usize,
    /// Median to the correspondent by the anchor; where routes are optimized, of the time in which they are.
    pub median_by_anchor_ms: Option<f64>,
    /// Median from the care-of address, of the same time.
    pub median_direct_ms: Option<f64>,
    /// The one by the other.
    pub median_stretch: Option<f64>,
}

/// An anchor.
#[derive(Clone, Debug, Serialize)]
pub struct AnchorReport {
    /// Its node.
    pub node: String,
    /// Packets that it has put into tunnels; none if it does not answer.
    pub encapsulated: Option<u64>,
    /// Packets to the mobile node that arrived in the streams that it is to carry.
    pub arrived: u64,
}

impl AnchorReport {
    /// It has put at least as many packets into tunnels as arrived. If its flows had fallen back to the home agent, it would
    /// have put none.
    pub fn carried(&self) -> bool {
        self.arrived > 0 && self.encapsulated.is_some_and(|count| count >= self.arrived)
    }
}

impl ScenarioReport {
    /// Whether every criterion holds.
    pub fn holds(&self) -> bool {
        self.criteria.iter().all(|criterion| criterion.holds)
    }

    /// The report of a mode.
    pub fn mode(&self, mode: Mode) -> Option<&ModeReport> {
        self.modes.iter().find(|report| report.mode == mode)
    }
}

impl FlowReport {
    /// Whether it is to survive a handoff.
    pub fn is_persistent(&self) -> bool {
        self.anchor.is_some()
    }

    /// Packets lost, of a stream, %.
    pub fn lost_percent(&self) -> Option<f64> {
        (self.sent > 0).then(|| self.lost as f64 * 100.0 / self.sent as f64)
    }

    /// The median round trip as it goes, in the access network where that is longest.
    pub fn median_round_trip_ms(&self) -> Option<f64> {
        let trips = self.round_trips.iter();
        let medians = trips.filter_map(|trips| trips.median_by_anchor_ms);
        medians.reduce(f64::max)
    }

    /// The median round trip in units of that from the care-of address, in the access network where that is greatest; none of a
    /// flow without an anchor.
    pub fn median_stretch(&self) -> Option<f64> {
        let trips = self.round_trips.iter().filter(|_| self.is_persistent());
        let stretches = trips.filter_map(|trips| trips.median_stretch);
        stretches.reduce(f64::max)
    }

    /// The handoffs that count: those that the machine has not spoiled, or all if those are fewer than half.
    pub fn counted(&self) -> Vec<&Interruption> {
        let good: Vec<_> = self
            .interruptions
            .iter()
            .filter(|one| !one.is_spoiled)
            .collect();
        match good.len() * 2 >= self.interruptions.len() {
            true => good,
            false => self.interruptions.iter().collect(),
        }
    }

    /// The median of a figure over the handoffs that count. One after which packets did not come back has none, and is the
    /// worst: it counts as infinite, and is not left out.
    pub fn typical(&self, figure: impl Fn(&Interruption) -> Option<f64>) -> Option<f64> {
        let counted = self.counted().into_iter();
        median(
            counted
                .map(|one| figure(one).unwrap_or(f64::INFINITY))
                .collect(),
        )
    }

    /// What was left of each interruption when the care-of address could be used; infinite where packets did not come back.
    pub fn after_usable(&self) -> Vec<f64> {
        let all = self.interruptions.iter();
        all.map(|one| one.after_usable_ms.unwrap_or(f64::INFINITY))
            .collect()
    }
}
