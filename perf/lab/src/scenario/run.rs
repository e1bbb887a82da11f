//! One mode of a scenario, from an empty machine to its findings.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::addresses::HA;
use crate::agent_events::AgentEvent;
use crate::capture::SignallingCapture;
use crate::clock::monotonic_ns;
use crate::handoff::Handoff;
use crate::lab::{Lab, LabOptions};
use crate::pcap::CapturedFrame;
use crate::roaming::{Made, Roaming};
use crate::stop::Stop;
use crate::timeline::{Timeline, Tone};

use super::access_use::{FlowPacket, TunnelCapture};
use super::model::{MannerWanted, Mode, Scenario, SessionType};
use super::network::{Place, network};
use super::prober::{Probe, Prober};
use super::routes::{self, Count};
use super::start::{agent_plan, start_dhp, start_programs, wait_until_anchored};
use super::trace::{MARGIN, Move};
use super::traffic::{Notes, ScenarioTraffic};

/// How long before a make before break the second interface is brought into reach.
const AHEAD: Duration = Duration::from_millis(1500);
/// How long both interfaces are in use then.
const OVERLAP: Duration = Duration::from_millis(300);

/// How long an access network that is good again may be watched before flows come back to it.
const RECOVERY: Duration = Duration::from_secs(12);
/// So long after a handoff its routes are optimized again, as a rule; then the anchors are asked for what they have tunnelled.
const ROUTES_RESTORED: Duration = Duration::from_millis(1200);
/// They are asked again so long before the next handoff, which asking must not delay.
const BEFORE_MOVE: Duration = Duration::from_millis(350);
/// A time between two handoffs that would be shorter is not looked at.
const LEAST_WINDOW: Duration = Duration::from_millis(400);

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
}

/// What there is to do in a trace.
#[derive(Clone, Copy, Debug)]
enum Act {
    Start(usize),
    Reach(Move),
    Move(Move),
    Kill(usize),
    Return(usize),
    Trouble(usize),
    Relief(usize),
    Count,
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
    let mut script = Script {
        roaming,
        traffic,
        scenario,
        mode,
        moves: moves.len(),
        last: None,
        counts: Vec::new(),
    };
    let prober = Prober::start(script.roaming.lab.node("mn")?, &targets(scenario))?;
    let start_ns = monotonic_ns();
    script.follow(moves)?;
    let end_ns = monotonic_ns();
    let Script {
        mut roaming,
        traffic,
        counts,
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

struct Script<'a> {
    roaming: Roaming<'a>,
    traffic: ScenarioTraffic<'a>,
    scenario: &'a Scenario,
    mode: Mode,
    moves: usize,
    last: Option<Made>,
    counts: Vec<Count>,
}

impl Script<'_> {
    /// Does everything at its time, until a margin after the last handoff.
    fn follow(&mut self, moves: &[Move]) -> Result<()> {
        let begun = Instant::now();
        for (at, act) in self.acts(moves) {
            self.roaming
                .pump(at.saturating_sub(begun.elapsed()), &mut self.traffic)?;
            self.perform(act)?;
        }
        let rest = match self.scenario.troubles.is_empty() {
            true => MARGIN,
            false => MARGIN + RECOVERY,
        };
        self.roaming.pump(rest, &mut self.traffic)?;
        self.note_last();
        Ok(())
    }

    fn acts(&self, moves: &[Move]) -> Vec<(Duration, Act)> {
        let mut acts = Vec::new();
        for (index, flow) in self.scenario.flows.iter().enumerate() {
            acts.push((
                Duration::from_secs_f64(flow.from_s.clamp(0.0, 86_400.0)),
                Act::Start(index),
            ));
        }
        for one in moves {
            if one.manner == MannerWanted::MakeBeforeBreak {
                acts.push((one.at.saturating_sub(AHEAD), Act::Reach(*one)));
            }
            acts.push((one.at, Act::Move(*one)));
        }
        for (index, trouble) in self.scenario.troubles.iter().enumerate() {
            let at = Duration::from_secs_f64(trouble.at_s);
            let over = at + Duration::from_secs_f64(trouble.for_s);
            acts.extend([(at, Act::Trouble(index)), (over, Act::Relief(index))]);
        }
        // Where there is no DHP none fails.
        for failure in self
            .scenario
            .failures
            .iter()
            .filter(|_| self.mode.has_dhps())
        {
            if let Ok(index) = self.scenario.region(&failure.dhp) {
                let at = failure.at_s.clamp(0.0, 86_400.0);
                acts.push((Duration::from_secs_f64(at), Act::Kill(index)));
                if let Some(after) = failure.back_after_s {
                    let back = at + after.clamp(0.0, 86_400.0);
                    acts.push((Duration::from_secs_f64(back), Act::Return(index)));
                }
            }
        }
        if self.mode == Mode::Ro {
            acts.extend(counting(moves).into_iter().map(|at| (at, Act::Count)));
        }
        acts.sort_by_key(|(at, _)| *at);
        acts
    }

    fn perform(&mut self, act: Act) -> Result<()> {
        match act {
            Act::Start(index) => self.traffic.start(&self.roaming.lab, index)?,
            Act::Reach(one) => self.roaming.reach_with_other_interface(one.to)?,
            Act::Move(one) => self.make(&one)?,
            Act::Kill(index) => {
                self.roaming.lab.kill_dhpd(&Place(index).dhp())?;
                self.tell(index, Tone::Bad, "is killed");
            }
            Act::Trouble(index) => self.trouble(index, true)?,
            Act::Relief(index) => self.trouble(index, false)?,
            Act::Return(index) => {
                start_dhp(&mut self.roaming.lab, index, self.mode, self.roaming.stop)?;
                self.tell(index, Tone::Good, "is back");
            }
            Act::Count => self.count(),
        }
        Ok(())
    }

    /// An access network gets worse, or is as it was.
    fn trouble(&mut self, index: usize, begins: bool) -> Result<()> {
        let scenario = self.scenario;
        let Some(trouble) = scenario.troubles.get(index) else {
            return Ok(());
        };
        let access = scenario.access(&trouble.access)?;
        let interface = scenario.interface_in(&trouble.access)?;
        let usual = scenario.accesses.get(access.index());
        let usual = usual.map_or(0.0, |network| network.loss);
        let wire = self.roaming.lab.topology()?.access_wire(access)?;
        let (tone, what) = match (trouble.loss, begins) {
            (Some(loss), true) => {
                wire.set_loss(loss);
                (
                    Tone::Bad,
                    format!("loses {:.0} % of the packets", loss * 100.0),
                )
            }
            (Some(_), false) => {
                wire.set_loss(usual);
                (Tone::Good, "loses no more than before".to_owned())
            }
            (None, true) => {
                self.roaming.cut(interface)?;
                (Tone::Bad, "is out of reach".to_owned())
            }
            (None, false) => {
                self.roaming.attach(interface, access)?;
                (Tone::Good, "is in reach again".to_owned())
            }
        };
        let text = format!("access network {} {what}", trouble.access);
        self.roaming.timeline.say(tone, &text);
        Ok(())
    }

    fn make(&mut self, one: &Move) -> Result<()> {
        self.note_last();
        let made = match one.manner {
            MannerWanted::BreakBeforeMake => self.roaming.break_before_make(one.to, one.gap)?,
            MannerWanted::MakeBeforeBreak => {
                self.roaming
                    .make_before_break(one.to, OVERLAP, &mut self.traffic)?
            }
        };
        self.last = Some(made);
        self.traffic.progress = format!(
            "{}: handoff {} of {}, to {}",
            self.mode.name(),
            self.roaming.handoffs.len() + 1,
            self.moves,
            self.scenario.access_name(one.to)
        );
        Ok(())
    }

    fn count(&mut self) {
        let begun_ns = monotonic_ns();
        let of_node = |node: String| {
            let tunnelled = routes::tunnelled(&self.roaming.lab.counters(&node));
            (node, tunnelled)
        };
        let anchors = anchors(self.scenario, self.mode).into_iter();
        let tunnelled = anchors.map(of_node).collect();
        self.counts.push(Count {
            begun_ns,
            ended_ns: monotonic_ns(),
            tunnelled,
        });
    }

    fn note_last(&mut self) {
        if let Some(made) = self.last.take() {
            self.roaming.note(&made);
        }
    }

    fn tell(&mut self, index: usize, tone: Tone, what: &str) {
        let name = self.scenario.regions.get(index);
        let name = name.map_or("?", |region| region.name.as_str());
        let text = format!("the DHP of {name} {what}");
        self.roaming.timeline.say(tone, &text);
    }
}

/// When the anchors are asked for what they have tunnelled: twice between handoffs, where there is the time.
fn counting(moves: &[Move]) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut routes_restored = ROUTES_RESTORED;
    for one in moves {
        let last = one.at.saturating_sub(BEFORE_MOVE);
        if last.saturating_sub(routes_restored) >= LEAST_WINDOW {
            times.extend([routes_restored, last]);
        }
        routes_restored = one.at + one.gap + ROUTES_RESTORED;
    }
    times
}
