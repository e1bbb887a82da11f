//! A scenario's flows while they run.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::clock::monotonic_ns;
use crate::content;
use crate::download::{Download, DownloadPlan};
use crate::lab::Lab;
use crate::roaming::Watched;
use crate::stream_record::Arrival;
use crate::streams::{Stream, StreamEnds, StreamNotes};
use crate::timeline::Timeline;

use super::model::{Kind, Scenario};
use super::network::Place;
use super::program::Session;

/// The UDP port of flow 0; each flow has its own.
const FIRST_PORT: u16 = 7000;
/// The TCP port of the web servers.
const WEB_PORT: u16 = 80;
/// A download lasts far longer than any scenario; it is ended.
const ENDLESS: u64 = 1_000_000_000_000;
/// After how long without octets curl gives up, s.
const PATIENCE_S: u64 = 60;

/// IP protocol, by name and number, and the correspondent's port of a flow.
pub fn protocol_and_port(kind: Kind, index: usize) -> (&'static str, u8, u16) {
    match kind {
        Kind::Stream => {
            let place = u16::try_from(index).unwrap_or(u16::MAX);
            ("udp", 17, FIRST_PORT.saturating_add(place))
        }
        _ => ("tcp", 6, WEB_PORT),
    }
}

/// A flow that runs.
#[derive(Debug)]
enum Running {
    Stream(Stream<usize>),
    Download(Download<usize>),
    Session(Session),
}

/// What a flow left.
#[derive(Clone, Debug)]
pub enum Notes {
    /// A stream: what both ends sent and received.
    Stream(StreamNotes<usize>),
    /// TCP: what arrived at the mobile node.
    Arrivals(Arrivals),
}

/// What arrived over TCP.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// When, in order; the sequence number counts them.
    pub arrivals: Vec<Arrival>,
    /// Octets with each of them.
    pub octets: Vec<u64>,
    /// What was wrong, if anything.
    pub fault: Option<String>,
}

/// The flows.
#[derive(Debug)]
pub struct ScenarioTraffic<'a> {
    scenario: &'a Scenario,
    directory: PathBuf,
    running: Vec<(usize, Running)>,
    /// What the progress line says.
    pub progress: String,
}

impl<'a> ScenarioTraffic<'a> {
    /// None yet. `directory` is for notes and keys.
    pub fn new(scenario: &'a Scenario, directory: &Path) -> Self {
        Self {
            scenario,
            directory: directory.to_owned(),
            running: Vec::new(),
            progress: String::new(),
        }
    }

    /// Starts a flow.
    pub fn start(&mut self, lab: &Lab, index: usize) -> Result<()> {
        let Some(flow) = self.scenario.flows.get(index) else {
            return Ok(());
        };
        let place = Place(self.scenario.region(&flow.to)?);
        let address = place.address(flow.session);
        let running = match flow.kind {
            Kind::Stream => {
                let ends = StreamEnds {
                    flow: index,
                    key: &flow.name,
                    node: &place.correspondent(),
                    address: &address,
                    port: protocol_and_port(flow.kind, index).2,
                    rate: flow.rate_pps,
                };
                Running::Stream(Stream::start(lab, &ends, &self.directory)?)
            }
            Kind::Download => {
                let rate = flow.rate_kbytes.saturating_mul(1000);
                let plan = DownloadPlan {
                    flow: index,
                    name: format!("flow-{}", flow.name),
                    url: format!("http://[{address}]/{ENDLESS}?rate={rate}"),
                    length: ENDLESS,
                    speed_limit: 1,
                    speed_time_s: PATIENCE_S,
                };
                let mobile_node = lab.node("mn")?.name();
                Running::Download(Download::start(lab.starter(), mobile_node, plan)?)
            }
            Kind::Web | Kind::Ssh | Kind::SshBulk => {
                Running::Session(Session::start(lab, flow, &address, &self.directory)?)
            }
        };
        self.running.push((index, running));
        Ok(())
    }

    /// Ends all, and gives what each left, by its number.
    pub fn finish(self) -> Result<Vec<(usize, Notes)>> {
        let mut all = Vec::new();
        for (index, running) in self.running {
            let notes = match running {
                Running::Stream(stream) => Notes::Stream(stream.finish()?),
                Running::Download(download) => Notes::Arrivals(downloaded(download)?),
                Running::Session(session) => Notes::Arrivals(printed(session)?),
            };
            all.push((index, notes));
        }
        all.sort_by_key(|(index, _)| *index);
        Ok(all)
    }
}

impl Watched for ScenarioTraffic<'_> {
    fn look(&mut self, timeline: &mut Timeline) -> Result<()> {
        for (_, running) in &mut self.running {
            // TCP that breaks is what a scenario is to find out; the ends of a stream have no reason to end.
            if let Running::Stream(stream) = running {
                stream.check()?;
            }
        }
        timeline.progress(self.progress.clone());
        Ok(())
    }
}

fn downloaded(mut download: Download<usize>) -> Result<Arrivals> {
    let broke = download.has_ended()?;
    let result = download.finish()?;
    let right = result.sha256 == content::digest(result.received);
    let fault = match (broke, right) {
        (true, _) => Some(format!("curl ended with {:?}", result.curl_exit)),
        (false, false) => Some("what came is not what was sent".to_owned()),
        (false, true) => None,
    };
    let mut arrived = Arrivals {
        fault,
        ..Arrivals::default()
    };
    let mut before = 0;
    for (at_ns, total) in &result.samples {
        if *total > before {
            arrived.push(*at_ns, total - before);
        }
        before = *total;
    }
    Ok(arrived)
}

fn printed(session: Session) -> Result<Arrivals> {
    let (ran, lines) = session.finish()?;
    let mut arrived = Arrivals::default();
    for line in &lines {
        arrived.push(line.at_ns, line.octets);
    }
    let wrong = lines.iter().filter(|line| !line.is_right).count();
    arrived.fault = match (ran, wrong) {
        (false, _) => Some("the program ended early".to_owned()),
        (true, 0) => None,
        (true, wrong) => Some(format!("{wrong} of {} lines are wrong", lines.len())),
    };
    Ok(arrived)
}

impl Arrivals {
    fn push(&mut self, at_ns: u64, octets: u64) {
        self.arrivals.push(Arrival {
            sequence: self.arrivals.len() as u64,
            sent_ns: at_ns,
            received_ns: at_ns.min(monotonic_ns()),
        });
        self.octets.push(octets);
    }
}
