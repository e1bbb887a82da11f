//! All that a demo found, as data: what `--json` writes and the page is drawn from.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde_json::Value;

use crate::agent_events::AgentEvent;
use crate::criteria::Criterion;
use crate::download::DownloadResult;
use crate::flows::Flow;
use crate::handoff::{HandoffReport, milliseconds};
use crate::stream_record::Direction;
use crate::streams::{StreamNotes, Way};
use crate::wire::Wire;

/// Round-trip times before the first move, median of echoes, ms.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct RoundTrips {
    /// MN–CN on the DHoA, through the DHP.
    pub dhp_ms: f64,
    /// MN–CN on the HoA, through the home agent.
    pub ha_ms: f64,
    /// MN–CN on the care-of address.
    pub direct_ms: f64,
    /// MN–DHP.
    pub mn_dhp_ms: f64,
    /// MN–HA.
    pub mn_ha_ms: f64,
}

/// A stream, one way, over the whole demo.
#[derive(Clone, Debug, Serialize)]
pub struct StreamSummary {
    /// The flow.
    pub flow: Flow,
    /// The direction.
    pub way: Way,
    /// Packets sent.
    pub sent: usize,
    /// Packets that arrived, a duplicate counting once.
    pub received: usize,
    /// Packets that arrived more than once.
    pub duplicated: usize,
    /// Packets that arrived after one with a higher number.
    pub reordered: usize,
    /// Median one-way delay before the first move, ms.
    pub delay_ms: Option<f64>,
    /// Arrivals in each 100 ms since the demo's start.
    pub arrivals_per_100ms: Vec<u32>,
    /// Around each handoff, each arrival: (ms since it began, sequence number less that of the first one shown).
    pub close_ups: Vec<Vec<(f64, u64)>>,
}

/// What passed a wire of the lab.
#[derive(Clone, Debug, Serialize)]
pub struct WireSummary {
    /// Its ends.
    pub name: String,
    /// Frames delivered.
    pub delivered: u64,
    /// Frames dropped as the wire was full.
    pub dropped: u64,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct DemoReport {
    /// Version of the lab.
    pub version: String,
    /// Seconds since 1970 at the start.
    pub started_unix_s: u64,
    /// Monotonic ns of zero seconds.
    pub start_ns: u64,
    /// Length of the demo, s.
    pub seconds: f64,
    /// SHA-256 of the file that the correspondent serves.
    pub expected_sha256: String,
    /// The moves with one interface that were to be made, and shown by a handoff that the machine did not spoil; one with
    /// two interfaces comes after them.
    pub moves: usize,
    /// Round trips before the moves.
    pub round_trips: RoundTrips,
    /// Every handoff.
    pub handoffs: Vec<HandoffReport>,
    /// Every download.
    pub downloads: Vec<DownloadResult>,
    /// Every stream, each way.
    pub streams: Vec<StreamSummary>,
    /// What the agent reported.
    pub events: Vec<AgentEvent>,
    /// What passed the wires.
    pub wires: Vec<WireSummary>,
    /// What the anchors counted, by node, as `dhpctl show counters --json` gives it.
    pub counters: BTreeMap<&'static str, Value>,
    /// The verdicts.
    pub criteria: Vec<Criterion>,
}

impl WireSummary {
    /// Reads a wire's counters.
    pub fn of(wire: &Wire) -> Self {
        let counters = wire.counters();
        Self {
            name: wire.name().to_owned(),
            delivered: counters.delivered.load(Ordering::Relaxed),
            dropped: counters.dropped.load(Ordering::Relaxed),
        }
    }
}

impl StreamSummary {
    /// Sums up one way of a stream. `handoffs` are their beginnings, monotonic ns.
    pub fn of(notes: &StreamNotes, way: Way, start_ns: u64, handoffs: &[u64]) -> Self {
        let direction = notes.direction(way);
        let mut seen = vec![false; direction.sent.len()];
        let (mut received, mut duplicated, mut reordered) = (0, 0, 0);
        let mut highest = 0;
        let mut arrivals_per_100ms: Vec<u32> = Vec::new();
        for arrival in direction.arrivals {
            match usize::try_from(arrival.sequence)
                .ok()
                .and_then(|index| seen.get_mut(index))
            {
                Some(mark) if !*mark => {
                    *mark = true;
                    received += 1;
                }
                _ => duplicated += 1,
            }
            reordered += usize::from(arrival.sequence < highest);
            highest = highest.max(arrival.sequence);
            let Ok(bin) =
                usize::try_from(arrival.received_ns.saturating_sub(start_ns) / 100_000_000)
            else {
                continue;
            };
            if bin >= arrivals_per_100ms.len() {
                arrivals_per_100ms.resize(bin + 1, 0);
            }
            if let Some(count) = arrivals_per_100ms.get_mut(bin) {
                *count += 1;
            }
        }
        let first_move_ns = handoffs.first().copied().unwrap_or(u64::MAX);
        Self {
            flow: notes.flow,
            way,
            sent: direction.sent.len(),
            received,
            duplicated,
            reordered,
            delay_ms: direction.median_delay_ns(first_move_ns).map(milliseconds),
            arrivals_per_100ms,
            close_ups: handoffs
                .iter()
                .map(|begun_ns| close_up(direction, *begun_ns))
                .collect(),
        }
    }
}

/// The arrivals from 100 ms before a handoff until 700 ms after its beginning.
fn close_up(direction: Direction<'_>, begun_ns: u64) -> Vec<(f64, u64)> {
    let window = begun_ns.saturating_sub(100_000_000)..begun_ns.saturating_add(700_000_000);
    let shown = || {
        direction
            .arrivals
            .iter()
            .filter(|arrival| window.contains(&arrival.received_ns))
    };
    let first = shown().map(|arrival| arrival.sequence).min().unwrap_or(0);
    let relative_ms = |time: u64| milliseconds(time.saturating_sub(window.start)) - 100.0;
    shown()
        .map(|arrival| (relative_ms(arrival.received_ns), arrival.sequence - first))
        .collect()
}

impl DemoReport {
    /// A monotonic time as seconds since the demo's start.
    pub fn seconds(&self, at_ns: u64) -> f64 {
        at_ns.saturating_sub(self.start_ns) as f64 / 1e9
    }

    /// Whether every criterion holds.
    pub fn holds(&self) -> bool {
        !self.criteria.is_empty() && self.criteria.iter().all(|criterion| criterion.holds)
    }
}

/// A small report for the tests of what is made of one.
#[cfg(test)]
pub fn example() -> DemoReport {
    use crate::access::Access;
    use crate::handoff::{FlowEffect, Manner};

    let effect = |way| FlowEffect {
        flow: Flow::Dhp,
        way,
        lost: 70,
        interruption_ms: 72.5,
        restored: true,
        after_usable_ms: Some(30.0),
    };
    let handoff = |number: usize, manner| HandoffReport {
        number,
        manner,
        from: Access::A,
        to: Access::B,
        begun_s: 3.0 * number as f64,
        radio_gap_ms: 50.0,
        detection_ms: Some(52.0),
        configuration_ms: Some(1.5),
        dhp_signalling_ms: Some(20.0),
        ha_signalling_ms: Some(82.0),
        stalled_ms: 0.0,
        signalling_bytes: 512,
        signalling_packets: 4,
        flows: Way::BOTH.map(effect).to_vec(),
    };
    let download = |flow: Flow, received: u64, curl_exit| DownloadResult {
        flow,
        length: 100,
        received,
        sha256: "right".to_owned(),
        curl_exit: Some(curl_exit),
        seconds: 9.0,
        samples: vec![
            (1_000_000_000, 0),
            (2_000_000_000, received / 2),
            (
                if flow.is_persistent() { 9 } else { 5 } * 1_000_000_000,
                received,
            ),
            (9_000_000_000, received),
        ],
    };
    DemoReport {
        version: "0".to_owned(),
        started_unix_s: 0,
        start_ns: 0,
        seconds: 10.0,
        expected_sha256: "right".to_owned(),
        moves: 1,
        round_trips: RoundTrips {
            dhp_ms: 21.0,
            ha_ms: 162.0,
            direct_ms: 21.0,
            mn_dhp_ms: 19.0,
            mn_ha_ms: 81.0,
        },
        handoffs: vec![
            handoff(1, Manner::BreakBeforeMake),
            handoff(2, Manner::MakeBeforeBreak),
        ],
        downloads: vec![
            download(Flow::Dhp, 100, 0),
            download(Flow::HomeAgent, 100, 0),
            download(Flow::Direct, 50, 28),
        ],
        streams: Vec::new(),
        events: Vec::new(),
        wires: Vec::new(),
        counters: BTreeMap::new(),
        criteria: Vec::new(),
    }
}
