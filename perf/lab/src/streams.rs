//! The UDP streams of all flows: their two ends as programs in the namespaces, and the notes that they leave.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::children::{Output, Program, Running};
use crate::flows::Flow;
use crate::lab::{Lab, own_executable};
use crate::stream_record::{Direction, StreamRecord};

/// Packets per second and direction.
pub const RATE: u32 = 1000;

/// Both ends of a flow's stream. `F` tells whose it is.
#[derive(Debug)]
pub struct Stream<F = Flow> {
    flow: F,
    mobile_node: Running,
    correspondent: Running,
    records: [PathBuf; 2],
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From the mobile node to the correspondent.
    Uplink,
    /// From the correspondent to the mobile node.
    Downlink,
}

impl Way {
    /// Both ways.
    pub const BOTH: [Self; 2] = [Self::Uplink, Self::Downlink];

    /// A name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uplink => "MN→CN",
            Self::Downlink => "CN→MN",
        }
    }
}

/// What a flow's two ends noted.
#[derive(Clone, Debug)]
pub struct StreamNotes<F = Flow> {
    /// The flow.
    pub flow: F,
    mobile_node: StreamRecord,
    correspondent: StreamRecord,
}

/// A stream to start.
#[derive(Clone, Debug)]
pub struct StreamEnds<'a, F> {
    /// The flow.
    pub flow: F,
    /// Its name in files and logs.
    pub key: &'a str,
    /// The node at the far end.
    pub node: &'a str,
    /// The address there.
    pub address: &'a str,
    /// The UDP port there.
    pub port: u16,
    /// Packets per second and direction.
    pub rate: u32,
}

impl<F: Copy> Stream<F> {
    /// Starts both ends. Their notes go to `directory`.
    pub fn start(lab: &Lab, ends: &StreamEnds<'_, F>, directory: &Path) -> Result<Self> {
        let own = own_executable()?;
        let rate = ends.rate.to_string();
        let start = |node: &str, verb: &str, option: &str, address: String, record: &Path| {
            let record = record.display().to_string();
            let command = [
                &own, "udp", verb, option, &address, "--rate", &rate, "--record", &record,
            ];
            lab.starter().start(Program {
                name: &format!("udp-{}-{node}", ends.key),
                namespace: lab.node(node)?.name(),
                command: command.map(String::from).to_vec(),
                output: Output::Log,
            })
        };
        let records =
            ["mn", ends.node].map(|node| directory.join(format!("{}-{node}.stream", ends.key)));
        let [near, far] = &records;
        let address = format!("[{}]:{}", ends.address, ends.port);
        let correspondent = start(ends.node, "serve", "--listen", address.clone(), far)?;
        let mobile_node = start("mn", "stream", "--to", address, near)?;
        Ok(Self {
            flow: ends.flow,
            mobile_node,
            correspondent,
            records,
        })
    }

    /// Which flow it measures.
    pub fn flow(&self) -> F {
        self.flow
    }

    /// An error if an end has ended early.
    pub fn check(&mut self) -> Result<()> {
        self.mobile_node.check()?;
        self.correspondent.check()
    }

    /// Ends both ends and reads their notes.
    pub fn finish(mut self) -> Result<StreamNotes<F>> {
        self.check()?;
        self.mobile_node.stop();
        self.correspondent.stop();
        let read =
            |path: &Path, end: &Running| StreamRecord::read(path).with_context(|| end.log_tail());
        let [near, far] = &self.records;
        Ok(StreamNotes {
            flow: self.flow,
            mobile_node: read(near, &self.mobile_node)?,
            correspondent: read(far, &self.correspondent)?,
        })
    }
}

impl<F> StreamNotes<F> {
    /// What was sent and what arrived one way.
    pub fn direction(&self, way: Way) -> Direction<'_> {
        let (from, to) = match way {
            Way::Uplink => (&self.mobile_node, &self.correspondent),
            Way::Downlink => (&self.correspondent, &self.mobile_node),
        };
        Direction {
            sent: &from.sent,
            arrivals: &to.received,
        }
    }
}
