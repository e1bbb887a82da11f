//! The demo: three flows, a roaming node, and what it cost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::addresses::{DHP, HA};
use crate::agent_events::AgentEvent;
use crate::capture::SignallingCapture;
use crate::clock::realtime_ns;
use crate::demo_lab::DemoLab;
use crate::demo_plan::DemoPlan;
use crate::demo_report::{DemoReport, RoundTrips};
use crate::findings::Findings;
use crate::flows::Flow;
use crate::handoff::milliseconds;
use crate::lab::LabOptions;
use crate::ping;
use crate::roaming::{Made, Roaming};
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
    let mut demo_lab = DemoLab::build(options, None)?;
    demo_lab.lab.start_server("cn", Some(plan.rate))?;
    timeline.say(Tone::Act, "starting dhpd on ha and dhp, dhp-mn on mn");
    demo_lab.start_anchors(stop)?;
    let capture = SignallingCapture::start(&demo_lab.lab, captures, stop)?;
    demo_lab.start_agent(stop)?;
    let mut demo = Demo {
        roaming: Roaming::begin(demo_lab.lab, timeline, stop)?,
        plan,
        traffic: Traffic::default(),
    };
    demo.wait_until_anchored()?;
    let round_trips = demo.measure_round_trips()?;
    demo.start_flows(captures)?;
    demo.roam()?;
    demo.wait_for_downloads()?;
    demo.finish(capture, round_trips, started_unix_s)
}

struct Demo<'a> {
    roaming: Roaming<'a>,
    plan: &'a DemoPlan,
    traffic: Traffic,
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
            while !self.roaming.has_reported(is_ready) {
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
                ping::round_trip_ns(self.roaming.lab.node("mn")?, flow.correspondent(), 1)
            {
                if Instant::now() >= limit {
                    return Err(error)
                        .with_context(|| format!("the flow \"{}\" is not up", flow.name()));
                }
                self.pump(Duration::from_millis(100))?;
            }
            let text = format!("{}: {} answers", flow.name(), flow.correspondent());
            self.roaming.timeline.say(Tone::Good, &text);
        }
        Ok(())
    }

    fn measure_round_trips(&mut self) -> Result<RoundTrips> {
        let mn = self.roaming.lab.node("mn")?;
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
        self.roaming.timeline.say(Tone::Plain, &text);
        Ok(round_trips)
    }

    fn start_flows(&mut self, directory: &Path) -> Result<()> {
        let megabytes = self.plan.length / 1_000_000;
        let text = format!(
            "starting per flow: curl of {megabytes} MB, 1,000 UDP packets a second each way"
        );
        self.roaming.timeline.say(Tone::Act, &text);
        self.traffic = Traffic::start(&self.roaming.lab, self.plan, directory)?;
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
            match self.roaming.handoffs.last() {
                Some(handoff) if handoff.is_spoiled() && spare > 0 => {
                    spare -= 1;
                    let text = format!(
                        "the machine stood still for {:.0} ms meanwhile, which can spoil the figures of this move: another one",
                        milliseconds(handoff.stalled_ns)
                    );
                    self.roaming.timeline.say(Tone::Bad, &text);
                }
                _ => moves -= 1,
            }
        }
        Ok(())
    }

    fn move_with_one_interface(&mut self) -> Result<()> {
        let to = self.roaming.at().other();
        let made = self.roaming.break_before_make(to, self.plan.radio_gap)?;
        self.settle(&made)
    }

    fn move_with_two_interfaces(&mut self) -> Result<()> {
        let to = self.roaming.at().other();
        self.roaming.reach_with_other_interface(to)?;
        self.pump(Duration::from_secs(2))?;
        let overlap = Duration::from_secs(1);
        let made = self
            .roaming
            .make_before_break(to, overlap, &mut self.traffic)?;
        self.settle(&made)
    }

    fn settle(&mut self, made: &Made) -> Result<()> {
        self.roaming
            .settle(made, self.plan.spacing, &mut self.traffic)?;
        self.traffic.end_unanchored(&mut self.roaming.timeline)
    }

    fn wait_for_downloads(&mut self) -> Result<()> {
        let limit = Instant::now() + PATIENCE;
        while self.traffic.is_downloading() && Instant::now() < limit {
            self.pump(Duration::from_millis(200))?;
        }
        self.roaming.timeline.end_progress();
        Ok(())
    }

    fn pump(&mut self, duration: Duration) -> Result<()> {
        self.roaming.pump(duration, &mut self.traffic)
    }

    fn finish(
        mut self,
        capture: SignallingCapture,
        round_trips: RoundTrips,
        started_unix_s: u64,
    ) -> Result<DemoReport> {
        let (downloads, notes) = self.traffic.finish()?;
        self.roaming.lab.check()?;
        let findings = Findings {
            started_unix_s,
            start_ns: self.roaming.timeline.start_ns(),
            length: self.plan.length,
            moves: self.plan.moves,
            round_trips,
            handoffs: self.roaming.handoffs,
            downloads,
            notes,
            events: self.roaming.events.since(0),
            signalling: capture.finish()?,
            wires: self.roaming.lab.topology()?.wires(),
            counters: ["ha", "dhp"]
                .map(|node| (node, self.roaming.lab.counters(node)))
                .into_iter()
                .collect(),
        };
        Ok(findings.report())
    }
}
