//! Captures on the mobile node's access interfaces, by tcpdump.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::access::Interface;
use crate::children::{Output, Program, Running};
use crate::clock::realtime_minus_monotonic_ns;
use crate::lab::Lab;
use crate::pcap::{self, CapturedFrame};
use crate::stop::Stop;

/// Packets with a Mobility Header: at once, behind Destination Options (home address) or a type 2 routing header, or inside a
/// tunnel, as those are that test whether a home address is reachable (RFC 6275 §5.2.5).
///
/// pcap-filter(7): "and" and "or" have equal precedence and associate left to right, hence all the parentheses.
const SIGNALLING: &str = "ip6 and ((ip6[6] == 135) or ((ip6[6] == 60 or ip6[6] == 43) and ip6[40] == 135) \
                          or (ip6[6] == 41 and ip6[46] == 135))";

/// The access interfaces of the mobile node.
const INTERFACES: [Interface; 2] = [Interface::Wlan0, Interface::Wwan0];

/// A capture of the signalling.
#[derive(Debug)]
pub struct SignallingCapture(Capture);

impl SignallingCapture {
    /// Starts it and waits until it sees packets.
    pub fn start(lab: &Lab, directory: &Path, stop: &Stop) -> Result<Self> {
        Capture::start(lab, directory, "signalling", SIGNALLING, stop).map(Self)
    }

    /// Ends it and gives all frames by time, stamped with monotonic time.
    pub fn finish(self) -> Result<Vec<(u64, CapturedFrame)>> {
        let mut frames = self.0.finish(|_, at_ns, frame, _| Some((at_ns, frame)))?;
        frames.sort_unstable();
        Ok(frames)
    }
}

/// Running captures.
#[derive(Debug)]
pub struct Capture {
    programs: Vec<Running>,
    files: Vec<(Interface, PathBuf)>,
}

impl Capture {
    /// Starts one capture per access interface and waits until it sees packets. `filter`: as in pcap-filter(7).
    pub fn start(
        lab: &Lab,
        directory: &Path,
        name: &str,
        filter: &str,
        stop: &Stop,
    ) -> Result<Self> {
        let mut capture = Self {
            programs: Vec::new(),
            files: Vec::new(),
        };
        for interface in INTERFACES {
            let device = interface.name();
            let file = directory.join(format!("{name}-{device}.pcap"));
            let path = file.display().to_string();
            let command = [
                "tcpdump",
                "--immediate-mode",
                "-n",
                "-U",
                "--relinquish-privileges=root",
                "-i",
                device,
                "-w",
                &path,
                filter,
            ];
            let program = lab.starter().start(Program {
                name: &format!("tcpdump-{name}-{device}"),
                namespace: lab.node("mn")?.name(),
                command: command.map(String::from).to_vec(),
                output: Output::Log,
            })?;
            capture.programs.push(program);
            capture.files.push((interface, file));
        }
        // tcpdump writes the file's header once it listens.
        stop.wait_for("tcpdump listens", Duration::from_secs(10), || {
            capture.programs.iter_mut().try_for_each(Running::check)?;
            let listens = |(_, file): &(Interface, PathBuf)| {
                file.metadata().is_ok_and(|data| data.len() >= 24)
            };
            Ok(capture.files.iter().all(listens).then_some(()))
        })?;
        Ok(capture)
    }

    /// Ends the captures, and gives what `keep` makes of each frame: its interface, its monotonic time, and its octets.
    pub fn finish<T>(
        mut self,
        keep: impl Fn(Interface, u64, CapturedFrame, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>> {
        self.programs.iter_mut().for_each(Running::stop);
        let offset = realtime_minus_monotonic_ns();
        let mut kept = Vec::new();
        for (interface, file) in &self.files {
            kept.extend(pcap::read(file, |frame, octets| {
                let at_ns = frame.realtime_ns.saturating_sub(offset);
                keep(*interface, at_ns, frame, octets)
            })?);
        }
        Ok(kept)
    }
}
