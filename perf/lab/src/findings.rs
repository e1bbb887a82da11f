//! From what the demo's instruments noted to its report.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::addresses::{DHP, HA};
use crate::agent_events::AgentEvent;
use crate::clock::monotonic_ns;
use crate::content;
use crate::criteria;
use crate::demo_report::{DemoReport, RoundTrips, StreamSummary, WireSummary};
use crate::download::DownloadResult;
use crate::handoff::{Handoff, HandoffReport, milliseconds};
use crate::pcap::CapturedFrame;
use crate::streams::{StreamNotes, Way};
use crate::wire::Wire;

/// All notes, not yet put together.
#[derive(Debug)]
pub struct Findings<'a> {
    /// Seconds since 1970 at the start.
    pub started_unix_s: u64,
    /// Monotonic time of the start.
    pub start_ns: u64,
    /// Octets of each download.
    pub length: u64,
    /// The moves with one interface that were to be made.
    pub moves: usize,
    /// Round trips before the moves.
    pub round_trips: RoundTrips,
    /// What the lab did to the radio.
    pub handoffs: Vec<Handoff>,
    /// How the downloads went.
    pub downloads: Vec<DownloadResult>,
    /// What the streams' ends saw.
    pub notes: Vec<StreamNotes>,
    /// What the agent reported.
    pub events: Vec<AgentEvent>,
    /// The signalling, with monotonic times.
    pub signalling: Vec<(u64, CapturedFrame)>,
    /// The wires.
    pub wires: &'a [Wire],
    /// What the anchors counted, by node.
    pub counters: BTreeMap<&'static str, Value>,
}

impl Findings<'_> {
    /// Puts everything together and judges it.
    pub fn report(self) -> DemoReport {
        let begun: Vec<u64> = self
            .handoffs
            .iter()
            .map(|handoff| handoff.begun_ns)
            .collect();
        let summary = |notes, way| StreamSummary::of(notes, way, self.start_ns, &begun);
        let mut report = DemoReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_unix_s: self.started_unix_s,
            start_ns: self.start_ns,
            seconds: milliseconds(monotonic_ns().saturating_sub(self.start_ns)) / 1e3,
            expected_sha256: content::digest(self.length),
            moves: self.moves,
            round_trips: self.round_trips,
            handoffs: self
                .handoffs
                .iter()
                .map(|handoff| self.handoff(handoff))
                .collect(),
            streams: self
                .notes
                .iter()
                .flat_map(|notes| Way::BOTH.map(|way| summary(notes, way)))
                .collect(),
            wires: self.wires.iter().map(WireSummary::of).collect(),
            counters: self.counters,
            downloads: self.downloads,
            events: self.events,
            criteria: Vec::new(),
        };
        report.criteria = criteria::judge(&report);
        report
    }

    fn handoff(&self, handoff: &Handoff) -> HandoffReport {
        let phases = handoff.phases(&self.events, DHP, HA);
        // What has no anchor is measured over the first move only, which ends it.
        let shown = self
            .notes
            .iter()
            .filter(|notes| notes.flow.is_persistent() || handoff.number == 1);
        let effects =
            shown.flat_map(|notes| Way::BOTH.map(|way| handoff.effect(&phases, notes, way)));
        let window = handoff.begun_ns..handoff.until_ns;
        let in_window = self
            .signalling
            .iter()
            .filter(|(time, _)| window.contains(time));
        let signalling: Vec<_> = in_window.map(|(_, frame)| *frame).collect();
        handoff.report(&phases, effects.collect(), &signalling, self.start_ns)
    }
}
