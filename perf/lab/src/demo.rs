//! The demo: three flows, a roaming node, and what it cost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::access::Access;
use crate::addresses::{DHP, HA};
use crate::agent_events::{AgentEvent, AgentEvents};
use crate::capture::SignallingCapture;
use crate::clock::{monotonic_ns, realtime_ns};
use crate::content;
use crate::criteria;
use crate::demo_report::{DemoReport, RoundTrips, StreamSummary, WireSummary};
use crate::download::{Download, DownloadPlan, DownloadResult};
use crate::flows::Flow;
use crate::handoff::{Handoff, Manner, milliseconds};
use crate::lab::{Lab, LabOptions};
use crate::ping;
use crate::stop::Stop;
use crate::streams::{Stream, StreamNotes, Way};
use crate::timeline::{Timeline, Tone};

/// How long and how much.
#[derive(Clone, Debug)]
pub struct DemoPlan {
    /// Octets of each download.
    pub length: u64,
    /// Octets per second of each download.
    pub rate: u64,
    /// From one move to the next.
    pub spacing: Duration,
    /// After how long without octets the non-persistent download gives up, s.
    pub patience_s: u64,
    /// The moves with one interface, alternating between the access networks; one with two interfaces follows.
    pub moves: usize,
    /// How long the radio is without a link in a move.
    pub radio_gap: Duration,
}

impl DemoPlan {
    /// The demo as described: 200 MB, A→B→A→B, then make before break.
    pub fn full() -> Self {
        Self {
            length: 200_000_000,
            rate: 5_000_000,
            spacing: Duration::from_secs(7),
            patience_s: 4,
            moves: 3,
            radio_gap: Duration::from_millis(50),
        }
    }

    /// A short one for tests: 40 MB, two moves, then make before break.
    pub fn quick() -> Self {
        Self {
            length: 40_000_000,
            rate: 2_500_000,
            spacing: Duration::from_secs(4),
            patience_s: 2,
            moves: 2,
            ..Self::full()
        }
    }
}

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
    lab.start_server()?;
    timeline.say(Tone::Act, "starting dhpd on ha and dhp, dhp-mn on mn");
    lab.start_anchors(stop)?;
    let capture = SignallingCapture::start(&lab, captures, stop)?;
    lab.start_agent(stop)?;
    let events = AgentEvents::follow(&lab)?;
    let mut demo = Demo {
        lab,
        plan,
        stop,
        timeline,
        events,
        shown: 0,
        downloads: Vec::new(),
        ended: Vec::new(),
        streams: Vec::new(),
        notes: Vec::new(),
        handoffs: Vec::new(),
        at: Access::A,
    };
    demo.wait_until_anchored()?;
    let round_trips = demo.measure_round_trips()?;
    demo.start_flows(captures)?;
    demo.roam()?;
    demo.finish_flows()?;
    demo.into_report(capture, round_trips, started_unix_s)
}

struct Demo<'a> {
    lab: Lab,
    plan: &'a DemoPlan,
    stop: &'a Stop,
    timeline: Timeline,
    events: AgentEvents,
    shown: usize,
    downloads: Vec<Download>,
    ended: Vec<DownloadResult>,
    streams: Vec<Stream>,
    notes: Vec<StreamNotes>,
    handoffs: Vec<Handoff>,
    at: Access,
}

impl Demo<'_> {
    /// Waits until both anchors carry packets: the correspondent is reached on DHoA and HoA.
    fn wait_until_anchored(&mut self) -> Result<()> {
        for flow in Flow::ALL {
            let limit = Instant::now() + Duration::from_secs(20);
            loop {
                self.look()?;
                match ping::round_trip_ns(self.lab.node("mn")?, flow.correspondent(), 1) {
                    Ok(_) => break,
                    Err(error) if Instant::now() >= limit => {
                        return Err(error)
                            .with_context(|| format!("the flow \"{}\" is not up", flow.name()));
                    }
                    Err(_) => self.stop.sleep(Duration::from_millis(100))?,
                }
            }
            self.timeline.say(
                Tone::Good,
                &format!("{}: {} answers", flow.name(), flow.correspondent()),
            );
        }
        Ok(())
    }

    fn measure_round_trips(&mut self) -> Result<RoundTrips> {
        let mn = self.lab.node("mn")?;
        let median = |to: &str| ping::round_trip_ns(mn, to, 20).map(milliseconds);
        let round_trips = RoundTrips {
            dhp_ms: median(Flow::Dhp.correspondent())?,
            ha_ms: median(Flow::HomeAgent.correspondent())?,
            direct_ms: median(Flow::Direct.correspondent())?,
            mn_dhp_ms: median(DHP)?,
            mn_ha_ms: median(HA)?,
        };
        self.timeline.say(
            Tone::Plain,
            &format!(
                "round trips: MN–CN {:.1} ms via DHP, {:.1} ms via HA, {:.1} ms direct; MN–DHP {:.1} ms",
                round_trips.dhp_ms, round_trips.ha_ms, round_trips.direct_ms, round_trips.mn_dhp_ms
            ),
        );
        Ok(round_trips)
    }

    fn start_flows(&mut self, directory: &Path) -> Result<()> {
        let plan = self.plan;
        self.timeline.say(
            Tone::Act,
            &format!(
                "starting per flow: curl of {} MB, and 1,000 UDP packets a second each way",
                plan.length / 1_000_000
            ),
        );
        for flow in Flow::ALL {
            let patience_s = if flow.is_persistent() {
                30
            } else {
                plan.patience_s
            };
            let download = DownloadPlan {
                flow,
                length: plan.length,
                rate: plan.rate,
                patience_s,
            };
            self.downloads.push(Download::start(
                self.lab.starter(),
                self.lab.node("mn")?.name(),
                download,
            )?);
            self.streams
                .push(Stream::start(&self.lab, flow, directory)?);
        }
        self.pump(Duration::from_secs(3))
    }

    fn roam(&mut self) -> Result<()> {
        for _ in 0..self.plan.moves {
            let to = self.at.other();
            self.timeline.say(
                Tone::Act,
                &format!("move {:?}→{to:?}, one interface: the radio is cut", self.at),
            );
            let cut = self
                .lab
                .radio()?
                .change(self.stop, to, self.plan.radio_gap)?;
            self.timeline.say_at(
                cut.up_ns,
                Tone::Act,
                &format!("the radio is in access network {to:?}"),
            );
            self.settle(Manner::BreakBeforeMake, to, cut.down_ns, cut.up_ns)?;
        }
        let to = self.at.other();
        self.timeline.say(
            Tone::Act,
            &format!("the second interface, wwan0, reaches access network {to:?}"),
        );
        let radio = self.lab.radio()?;
        radio.attach_second(to)?;
        self.stop
            .wait_for("wwan0 has an address", Duration::from_secs(10), || {
                Ok(radio.has_address("wwan0", to)?.then_some(()))
            })?;
        self.pump(Duration::from_secs(1))?;
        self.timeline.say(
            Tone::Act,
            &format!(
                "move {:?}→{to:?}, two interfaces: dhp-mn move --to wwan0",
                self.at
            ),
        );
        let begun_ns = monotonic_ns();
        let socket = self.lab.socket("mn").display().to_string();
        let arguments = ["move", "--to", "wwan0", "--socket", &socket];
        self.lab
            .node("mn")?
            .output(&self.lab.binary("dhp-mn")?, &arguments)?;
        self.pump(Duration::from_millis(500))?;
        radio.cut()?;
        self.timeline
            .say(Tone::Act, "the first interface, wlan0, is out of reach");
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
        let number = self.handoffs.len() + 1;
        let until_ns = monotonic_ns();
        self.handoffs.push(Handoff {
            number,
            manner,
            from: self.at,
            to,
            begun_ns,
            radio_up_ns,
            until_ns,
        });
        self.at = to;
        // What has no anchor ends with the first move; back in its old network it would be alive again.
        if number == 1
            && let Some(index) = self
                .streams
                .iter()
                .position(|stream| !stream.flow().is_persistent())
        {
            let notes = self.streams.remove(index).finish()?;
            self.notes.push(notes);
        }
        Ok(())
    }

    fn finish_flows(&mut self) -> Result<()> {
        let limit = Instant::now() + Duration::from_secs(180);
        while !self.downloads.is_empty() && Instant::now() < limit {
            self.pump(Duration::from_millis(200))?;
        }
        for download in std::mem::take(&mut self.downloads) {
            self.ended.push(download.finish()?);
        }
        self.timeline.end_progress();
        for stream in std::mem::take(&mut self.streams) {
            let notes = stream.finish()?;
            self.notes.push(notes);
        }
        self.lab.check()
    }

    /// Lets time pass, and tells what happens in it.
    fn pump(&mut self, duration: Duration) -> Result<()> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.stop.sleep(
                Duration::from_millis(100).min(end.saturating_duration_since(Instant::now())),
            )?;
            self.look()?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        self.lab.check()?;
        self.events.check()?;
        self.streams.iter_mut().try_for_each(Stream::check)?;
        for event in self.events.since(self.shown) {
            self.timeline.say_at(
                event.at_ns,
                Tone::Agent,
                &format!("mn: {}", event.describe()),
            );
            self.shown += 1;
        }
        let mut index = 0;
        while let Some(download) = self.downloads.get_mut(index) {
            if download.has_ended()? {
                let result = self.downloads.remove(index).finish()?;
                self.tell_end(&result);
                self.ended.push(result);
            } else {
                index += 1;
            }
        }
        if !self.downloads.is_empty() {
            let bars: Vec<String> = self.downloads.iter().map(bar).collect();
            self.timeline.progress(bars.join("   "));
        }
        Ok(())
    }

    fn tell_end(&mut self, result: &DownloadResult) {
        let name = result.flow.name();
        let megabytes = result.received as f64 / 1e6;
        if result.received == result.length {
            self.timeline.say(
                Tone::Good,
                &format!(
                    "curl, {name}: complete, {megabytes:.0} MB in {:.1} s",
                    result.seconds
                ),
            );
        } else if result.flow.is_persistent() {
            self.timeline.say(
                Tone::Bad,
                &format!("curl, {name}: broke after {megabytes:.1} MB"),
            );
        } else {
            self.timeline.say(
                Tone::Good,
                &format!("curl, {name}: broke after {megabytes:.1} MB, as it should"),
            );
        }
    }

    fn into_report(
        self,
        capture: SignallingCapture,
        round_trips: RoundTrips,
        started_unix_s: u64,
    ) -> Result<DemoReport> {
        let frames = capture.finish()?;
        let events: Vec<AgentEvent> = self.events.since(0);
        let start_ns = self.timeline.start_ns();
        let mut notes = self.notes;
        notes.sort_by_key(|notes| notes.flow);
        let reports = self.handoffs.iter().map(|handoff| {
            let phases = handoff.phases(&events, DHP, HA);
            let shown = notes
                .iter()
                .filter(|notes| notes.flow.is_persistent() || handoff.number == 1);
            let effects = shown
                .flat_map(|notes| Way::BOTH.map(|way| handoff.effect(&phases, notes, way)))
                .collect();
            let window = handoff.begun_ns..handoff.until_ns;
            let signalling: Vec<_> = frames
                .iter()
                .filter(|(time, _)| window.contains(time))
                .map(|(_, frame)| *frame)
                .collect();
            handoff.report(&phases, effects, &signalling, start_ns)
        });
        let begun: Vec<u64> = self
            .handoffs
            .iter()
            .map(|handoff| handoff.begun_ns)
            .collect();
        let streams = notes
            .iter()
            .flat_map(|notes| Way::BOTH.map(|way| StreamSummary::of(notes, way, start_ns, &begun)));
        let mut downloads = self.ended;
        downloads.sort_by_key(|result| result.flow);
        let mut report = DemoReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_unix_s,
            start_ns,
            seconds: milliseconds(monotonic_ns().saturating_sub(start_ns)) / 1e3,
            expected_sha256: content::digest(self.plan.length),
            round_trips,
            handoffs: reports.collect(),
            downloads,
            streams: streams.collect(),
            events,
            wires: self
                .lab
                .topology()?
                .wires()
                .iter()
                .map(WireSummary::of)
                .collect(),
            criteria: Vec::new(),
        };
        report.criteria = criteria::judge(&report);
        Ok(report)
    }
}

fn bar(download: &Download) -> String {
    const CELLS: u64 = 12;
    let plan = download.plan();
    let received = download.received();
    let filled = (received.saturating_mul(CELLS))
        .checked_div(plan.length)
        .unwrap_or(0)
        .min(CELLS);
    let cells: String = (0..CELLS)
        .map(|cell| if cell < filled { '█' } else { '░' })
        .collect();
    format!(
        "{} {cells} {:>5.1} MB",
        plan.flow.key(),
        received as f64 / 1e6
    )
}
