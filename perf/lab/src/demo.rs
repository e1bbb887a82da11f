//! The demo: three flows, a roaming node, and what it cost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::access::{Access, Interface, Radio};
use crate::addresses::{DHP, HA};
use crate::agent_events::{AgentEvent, AgentEvents};
use crate::capture::SignallingCapture;
use crate::clock::{monotonic_ns, realtime_ns};
use crate::demo_plan::DemoPlan;
use crate::demo_report::{DemoReport, RoundTrips};
use crate::findings::Findings;
use crate::flows::Flow;
use crate::handoff::{Handoff, Manner, milliseconds};
use crate::lab::{Lab, LabOptions};
use crate::ping;
use crate::stall_meter::StallMeter;
use crate::stop::Stop;
use crate::timeline::{Timeline, Tone};
use crate::traffic::Traffic;

/// How long the agent may take for its anchors.
const READY: Duration = Duration::from_secs(20);
/// How long the downloads may last beyond the last move.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs the demo. `captures` is where the signalling captures and the streams' notes go.
pub fn run(
    options: LabOptions,
    plan: &DemoPlan,
    captures: &Path,
    stop: &Stop,
) -> Result<DemoReport> {
    fs::create_dir_all(captures).with_context(|| format!("cannot make {}", captures.display()))?;
    let started_unix_s = realtime_ns() / 1_000_000_000;
    let mut timeline = Timeline::start();
    timeline.say(
        Tone::Act,
        "building the networks: mn, two access networks, core, ha, dhp, cn",
    );
    let mut lab = Lab::build(options)?;
    lab.start_server(Some(plan.rate))?;
    timeline.say(Tone::Act, "starting dhpd on ha and dhp, dhp-mn on mn");
    lab.start_anchors(stop)?;
    lab.warm_up()?;
    let capture = SignallingCapture::start(&lab, captures, stop)?;
    lab.start_agent(stop)?;
    let events = AgentEvents::follow(&lab)?;
    let radio = lab.radio()?;
    let mut demo = Demo {
        lab,
        plan,
        stop,
        timeline,
        events,
        shown: 0,
        traffic: Traffic::default(),
        handoffs: Vec::new(),
        radio,
        at: Access::A,
        on: Interface::Wlan0,
        meter: StallMeter::start()?,
    };
    demo.wait_until_anchored()?;
    let round_trips = demo.measure_round_trips()?;
    demo.start_flows(captures)?;
    demo.roam()?;
    demo.wait_for_downloads()?;
    demo.finish(capture, round_trips, started_unix_s)
}

struct Demo<'a> {
    lab: Lab,
    plan: &'a DemoPlan,
    stop: &'a Stop,
    timeline: Timeline,
    events: AgentEvents,
    shown: usize,
    traffic: Traffic,
    handoffs: Vec<Handoff>,
    radio: Radio,
    at: Access,
    on: Interface,
    meter: StallMeter,
}

impl Demo<'_> {
    /// Waits until the agent has both home addresses, then until the correspondent answers on every flow.
    fn wait_until_anchored(&mut self) -> Result<()> {
        for (kind, what) in [
            ("home", "a home address at the home agent"),
            ("dhoa", "a DHoA at the DHP"),
        ] {
            let limit = Instant::now() + READY;
            let is_ready = |event: &AgentEvent| {
                event.name == "anchor_ready" && event.text("kind") == Some(kind)
            };
            while !self.events.since(0).iter().any(is_ready) {
                self.pump(Duration::from_millis(20))?;
                if Instant::now() >= limit {
                    bail!(
                        "the mobile node has not got {what} within {} s",
                        READY.as_secs()
                    );
                }
            }
        }
        for flow in Flow::ALL {
            let limit = Instant::now() + READY;
            while let Err(error) =
                ping::round_trip_ns(self.lab.node("mn")?, flow.correspondent(), 1)
            {
                if Instant::now() >= limit {
                    return Err(error)
                        .with_context(|| format!("the flow \"{}\" is not up", flow.name()));
                }
                self.pump(Duration::from_millis(100))?;
            }
            let text = format!("{}: {} answers", flow.name(), flow.correspondent());
            self.timeline.say(Tone::Good, &text);
        }
        Ok(())
    }

    fn measure_round_trips(&mut self) -> Result<RoundTrips> {
        let mn = self.lab.node("mn")?;
        let least = |to: &str| ping::round_trip_ns(mn, to, 40).map(milliseconds);
        let round_trips = RoundTrips {
            dhp_ms: least(Flow::Dhp.correspondent())?,
            ha_ms: least(Flow::HomeAgent.correspondent())?,
            direct_ms: least(Flow::Direct.correspondent())?,
            mn_dhp_ms: least(DHP)?,
            mn_ha_ms: least(HA)?,
        };
        let text = format!(
            "round trips: MN–CN {:.1} ms via DHP, {:.1} ms via HA, {:.1} ms direct; MN–DHP {:.1} ms",
            round_trips.dhp_ms, round_trips.ha_ms, round_trips.direct_ms, round_trips.mn_dhp_ms
        );
        self.timeline.say(Tone::Plain, &text);
        Ok(round_trips)
    }

    fn start_flows(&mut self, directory: &Path) -> Result<()> {
        let megabytes = self.plan.length / 1_000_000;
        let text = format!(
            "starting per flow: curl of {megabytes} MB, 1,000 UDP packets a second each way"
        );
        self.timeline.say(Tone::Act, &text);
        self.traffic = Traffic::start(&self.lab, self.plan, directory)?;
        self.pump(Duration::from_secs(3))
    }

    fn roam(&mut self) -> Result<()> {
        let plan = self.plan;
        self.repeat(plan.moves, plan.spare_moves, Self::move_with_one_interface)?;
        self.repeat(1, plan.spare_moves_two, Self::move_with_two_interfaces)
    }

    /// Makes so many moves, and one more for each that the machine has spoiled, as long as there are `spare` ones.
    fn repeat(
        &mut self,
        mut moves: usize,
        mut spare: usize,
        make: impl Fn(&mut Self) -> Result<()>,
    ) -> Result<()> {
        while moves > 0 {
            make(self)?;
            match self.handoffs.last() {
                Some(handoff) if handoff.is_spoiled() && spare > 0 => {
                    spare -= 1;
                    let text = format!(
                        "the machine stood still for {:.0} ms meanwhile, which can spoil the figures of this move: another one",
                        milliseconds(handoff.stalled_ns)
                    );
                    self.timeline.say(Tone::Bad, &text);
                }
                _ => moves -= 1,
            }
        }
        Ok(())
    }

    fn move_with_one_interface(&mut self) -> Result<()> {
        let (number, to) = (self.handoffs.len() + 1, self.at.other());
        let text = format!(
            "move {number}, {:?}→{to:?}, one interface: the radio is cut",
            self.at
        );
        let cut = self.radio.change(self.stop, to, self.plan.radio_gap)?;
        self.timeline.say_at(cut.down_ns, Tone::Act, &text);
        let text = format!("the radio is in access network {to:?}");
        self.timeline.say_at(cut.up_ns, Tone::Act, &text);
        self.settle(Manner::BreakBeforeMake, to, cut.down_ns, cut.up_ns)
    }

    fn move_with_two_interfaces(&mut self) -> Result<()> {
        let (number, to) = (self.handoffs.len() + 1, self.at.other());
        let (old, new) = (self.on, self.on.other());
        let (old_name, new_name) = (old.name(), new.name());
        let text = format!("the other interface, {new_name}, reaches access network {to:?}");
        self.timeline.say(Tone::Act, &text);
        self.radio.attach(new, to)?;
        let radio = &self.radio;
        self.stop.wait_for(
            "the other interface has an address",
            Duration::from_secs(10),
            || Ok(radio.has_address(new, to)?.then_some(())),
        )?;
        self.pump(Duration::from_secs(2))?;
        let text = format!(
            "move {number}, {:?}→{to:?}, two interfaces: dhp-mn move --to {new_name}",
            self.at
        );
        self.timeline.say(Tone::Act, &text);
        let begun_ns = monotonic_ns();
        let socket = self.lab.socket("mn").display().to_string();
        let arguments = ["move", "--to", new_name, "--socket", &socket];
        self.lab
            .node("mn")?
            .output(&self.lab.binary("dhp-mn")?, &arguments)?;
        self.pump(Duration::from_secs(1))?;
        let cut_ns = self.radio.cut(old)?;
        let text = format!("{old_name} goes out of reach");
        self.timeline.say_at(cut_ns, Tone::Act, &text);
        self.on = new;
        self.settle(Manner::MakeBeforeBreak, to, begun_ns, begun_ns)
    }

    /// Lets a handoff run until the next one is due, and notes it.
    fn settle(
        &mut self,
        manner: Manner,
        to: Access,
        begun_ns: u64,
        radio_up_ns: u64,
    ) -> Result<()> {
        let gone = Duration::from_nanos(monotonic_ns().saturating_sub(begun_ns));
        self.pump(self.plan.spacing.saturating_sub(gone))?;
        let handoff = Handoff {
            number: self.handoffs.len() + 1,
            manner,
            from: self.at,
            to,
            begun_ns,
            radio_up_ns,
            until_ns: monotonic_ns(),
            stalled_ns: self
                .meter
                .stalled_ns(begun_ns, begun_ns.saturating_add(manner.stall_window_ns())),
        };
        self.handoffs.push(handoff);
        self.at = to;
        self.traffic.end_unanchored(&mut self.timeline)
    }

    fn wait_for_downloads(&mut self) -> Result<()> {
        let limit = Instant::now() + PATIENCE;
        while self.traffic.is_downloading() && Instant::now() < limit {
            self.pump(Duration::from_millis(200))?;
        }
        self.timeline.end_progress();
        Ok(())
    }

    /// Lets time pass, and tells what happens in it.
    fn pump(&mut self, duration: Duration) -> Result<()> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            self.stop.sleep(Duration::from_millis(100).min(left))?;
            self.look()?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        self.lab.check()?;
        self.events.check()?;
        let mut events = self.events.since(self.shown);
        events.sort_by_key(|event| event.at_ns);
        for event in events {
            let text = format!("mn: {}", event.describe());
            self.timeline.say_at(event.at_ns, Tone::Agent, &text);
            self.shown += 1;
        }
        self.traffic.look(&mut self.timeline)
    }

    fn finish(
        mut self,
        capture: SignallingCapture,
        round_trips: RoundTrips,
        started_unix_s: u64,
    ) -> Result<DemoReport> {
        let (downloads, notes) = self.traffic.finish()?;
        self.lab.check()?;
        let findings = Findings {
            started_unix_s,
            start_ns: self.timeline.start_ns(),
            length: self.plan.length,
            moves: self.plan.moves,
            round_trips,
            handoffs: self.handoffs,
            downloads,
            notes,
            events: self.events.since(0),
            signalling: capture.finish()?,
            wires: self.lab.topology()?.wires(),
            counters: ["ha", "dhp"]
                .map(|node| (node, self.lab.counters(node)))
                .into_iter()
                .collect(),
        };
        Ok(findings.report())
    }
}
