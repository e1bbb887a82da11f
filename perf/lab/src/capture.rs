//! Captures of the mobile node's signalling on its access interfaces, by tcpdump.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

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
const INTERFACES: [&str; 2] = ["wlan0", "wwan0"];

/// Running captures.
#[derive(Debug)]
pub struct SignallingCapture {
    programs: Vec<Running>,
    files: Vec<PathBuf>,
}

impl SignallingCapture {
    /// Starts one capture per access interface and waits until it sees packets.
    pub fn start(lab: &Lab, directory: &Path, stop: &Stop) -> Result<Self> {
        let mut capture = Self {
            programs: Vec::new(),
            files: Vec::new(),
        };
        for interface in INTERFACES {
            let file = directory.join(format!("signalling-{interface}.pcap"));
            let path = file.display().to_string();
            let command = [
                "tcpdump",
                "--immediate-mode",
                "-n",
                "-U",
                "--relinquish-privileges=root",
                "-i",
                interface,
                "-w",
                &path,
                SIGNALLING,
            ];
            let program = lab.starter().start(Program {
                name: &format!("tcpdump-{interface}"),
                namespace: lab.node("mn")?.name(),
                command: command.map(String::from).to_vec(),
                output: Output::Log,
            })?;
            capture.programs.push(program);
            capture.files.push(file);
        }
        // tcpdump writes the file's header once it listens.
        stop.wait_for("tcpdump listens", Duration::from_secs(10), || {
            capture.programs.iter_mut().try_for_each(Running::check)?;
            let listens = |file: &PathBuf| file.metadata().is_ok_and(|data| data.len() >= 24);
            Ok(capture.files.iter().all(listens).then_some(()))
        })?;
        Ok(capture)
    }

    /// Ends the captures and gives all frames by time, stamped with monotonic time.
    pub fn finish(mut self) -> Result<Vec<(u64, CapturedFrame)>> {
        self.programs.iter_mut().for_each(Running::stop);
        let offset = realtime_minus_monotonic_ns();
        let mut frames = Vec::new();
        for file in &self.files {
            let stamped = |frame: CapturedFrame| (frame.realtime_ns.saturating_sub(offset), frame);
            frames.extend(pcap::read(file)?.into_iter().map(stamped));
        }
        frames.sort_unstable();
        Ok(frames)
    }
}
