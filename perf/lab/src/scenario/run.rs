//! One mode of a scenario, from an empty machine to its findings.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::addresses::HA;
use crate::agent_events::AgentEvent;
use crate::capture::SignallingCapture;
use crate::clock::monotonic_ns;
use crate::handoff::Handoff;
use crate::lab::{Lab, LabOptions};
use crate::pcap::CapturedFrame;
use crate::roaming::Roaming;
use crate::stop::Stop;
use crate::timeline::{Timeline, Tone};

use super::access_use::{FlowPacket, TunnelCapture};
use super::model::{Mode, Scenario, SessionType};
use super::network::{Place, network};
use super::outage::Outage;
use super::permission::Withdrawn;
use super::prober::{Probe, Prober};
use super::routes::Count;
use super::script::Script;
use super::start::{agent_plan, start_programs, wait_until_anchored};
use super::trace::Move;
use super::traffic::{Notes, ScenarioTraffic};

/// What was noted in one mode.
#[derive(Debug)]
pub struct Findings {
    /// The mode.
    pub mode: Mode,
    /// Monotonic time of the beginning of the trace.
    pub start_ns: u64,
    /// And of its end.
    pub end_ns: u64,
    /// The handoffs.
    pub handoffs: Vec<Handoff>,
    /// What the agent reported.
    pub events: Vec<AgentEvent>,
    /// What the flows left, by number.
    pub flows: Vec<(usize, Notes)>,
    /// Signalling of the mobile node.
    pub signalling: Vec<(u64, CapturedFrame)>,
    /// Packets of flows that have a choice of access, where both interfaces are in use.
    pub packets: Vec<FlowPacket>,
    /// Round trips, by [`targets`].
    pub probes: Vec<Vec<Probe>>,
    /// What each anchor's node has counted.
    pub counters: Vec<(String, Value)>,
    /// What the anchors had tunnelled, again and again, where routes are optimized.
    pub counts: Vec<Count>,
    /// When DHPs permitted no route optimization.
    pub withdrawn: Vec<Withdrawn>,
    /// DHPs that were killed.
    pub outages: Vec<Outage>,
}

/// What is measured: for each region the DHP, then its correspondent by session type; the home agent last.
pub fn targets(scenario: &Scenario) -> Vec<String> {
    let of_region = |index| {
        let place = Place(index);
        let mut all = vec![place.dhp_address()];
        all.extend(SessionType::ALL.map(|session| place.address(session)));
        all
    };
    let mut all: Vec<String> = (0..scenario.regions.len()).flat_map(of_region).collect();
    all.push(HA.to_owned());
    all
}

/// Runs a mode.
pub fn run(
    options: LabOptions,
    scenario: &Scenario,
    mode: Mode,
    moves: &[Move],
    stop: &Stop,
) -> Result<Findings> {
    let directory = options.logs.join(mode.name());
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let options = LabOptions {
        logs: directory.clone(),
        ..options
    };
    let mut timeline = Timeline::start();
    timeline.say(
        Tone::Act,
        &format!("mode {}: building the networks", mode.name()),
    );
    let mut lab = Lab::build(options, network(scenario, mode))?;
    start_programs(&mut lab, scenario, mode, &directory, stop)?;
    let capture = SignallingCapture::start(&lab, &directory, stop)?;
    lab.start_agent(&agent_plan(scenario, mode), stop)?;
    let mut roaming = Roaming::begin(lab, timeline, stop)?;
    roaming.tells_events = false;
    let tunnels = match &scenario.second_access {
        Some(second) => {
            roaming.reach_with_other_interface(scenario.access(second)?)?;
            Some(TunnelCapture::start(&roaming.lab, &directory, stop)?)
        }
        None => None,
    };
    let mut traffic = ScenarioTraffic::new(scenario, &directory);
    wait_until_anchored(&mut roaming, &mut traffic, scenario, mode)?;
    let mut script = Script::new(roaming, traffic, scenario, mode, moves.len());
    let prober = Prober::start(script.roaming.lab.node("mn")?, &targets(scenario))?;
    let start_ns = monotonic_ns();
    script.follow(moves)?;
    let end_ns = monotonic_ns();
    let Script {
        mut roaming,
        traffic,
        counts,
        withdrawn,
        outages,
        ..
    } = script;
    roaming.timeline.end_progress();
    let counters = anchors(scenario, mode)
        .into_iter()
        .map(|node| (node.clone(), roaming.lab.counters(&node)))
        .collect();
    Ok(Findings {
        mode,
        start_ns,
        end_ns,
        flows: traffic.finish()?,
        probes: prober.finish(),
        signalling: capture.finish()?,
        packets: match tunnels {
            Some(tunnels) => tunnels.finish(scenario)?,
            None => Vec::new(),
        },
        events: roaming.events.since(0),
        counters,
        counts,
        withdrawn,
        outages,
        handoffs: roaming.handoffs,
    })
}

/// The nodes where `dhpd` runs.
pub fn anchors(scenario: &Scenario, mode: Mode) -> Vec<String> {
    let mut nodes = vec!["ha".to_owned()];
    if mode.has_dhps() {
        nodes.extend((0..scenario.regions.len()).map(|index| Place(index).dhp()));
    }
    nodes
}
