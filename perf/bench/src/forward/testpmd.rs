//! DPDK's testpmd, by its prompt: as the generator, and as a device to compare with

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::child::Conversation;
use super::setup::{Link, Role, Setup};
use crate::run_directory::RunDirectory;

const PROMPT: &str = "testpmd> ";
/// The memif device of the generator, which has its recording as port 0.
const MEMIF_PORT: &str = "port 1 ";

/// A testpmd that waits for commands.
#[derive(Debug)]
pub struct Testpmd {
    child: Conversation,
    _run: RunDirectory,
}

impl Testpmd {
    /// Sends back what comes, as it is (`io`).
    pub fn forwarder(setup: &Setup, link: &Link) -> anyhow::Result<Self> {
        let run = link.run_directory(Role::Server);
        let mut command = command(setup, Role::Server, &run);
        command.arg(format!("--vdev={}", link.device(Role::Server)));
        command.args(["--", "--port-topology=loop"]);
        Self::start("testpmd io", command, run)
    }

    /// Sends the frames of a recording over and over, as fast as it can, and drops what comes back.
    pub fn generator(setup: &Setup, link: &Link, recording: &Path) -> anyhow::Result<Self> {
        let run = link.run_directory(Role::Client);
        let mut command = command(setup, Role::Client, &run);
        let recording = recording.display();
        command.arg(format!(
            "--vdev=net_pcap0,rx_pcap={recording},infinite_rx=1"
        ));
        command.arg(format!("--vdev={}", link.device(Role::Client)));
        command.args(["--", "--port-topology=paired"]);
        Self::start("testpmd as the generator", command, run)
    }

    fn start(name: &str, mut command: Command, run: RunDirectory) -> anyhow::Result<Self> {
        command.args([
            "--interactive",
            "--forward-mode=io",
            "--disable-link-check",
            "--total-num-mbufs=16384",
        ]);
        let mut child = Conversation::start(name, &mut command)
            .context("dpdk-testpmd and stdbuf; remedy: apt install dpdk coreutils")?;
        child.wait_for(PROMPT)?;
        Ok(Self { child, _run: run })
    }

    /// Say a command, and hear what comes of it.
    pub fn ask(&mut self, command: &str) -> anyhow::Result<String> {
        self.child.say(command)?;
        // The echo comes first.
        self.child.wait_for(command)?;
        self.child.wait_for(PROMPT)
    }

    /// Packets in a second that came to the generator's memif device since this was asked last, by testpmd's own clock.
    pub fn returned_pps(&mut self) -> anyhow::Result<f64> {
        let text = self.ask("show port stats all")?;
        number_behind(&text, MEMIF_PORT, "Rx-pps:")
            .with_context(|| format!("testpmd tells no Rx-pps:\n{text}"))
    }

    /// Stop forwarding. Of what the generator had to send, the share that found the ring full.
    pub fn stop(&mut self) -> anyhow::Result<f64> {
        let text = self.ask("stop")?;
        let of = |name: &str| number_behind(&text, MEMIF_PORT, name);
        Ok(match (of("TX-dropped:"), of("TX-total:")) {
            (Some(dropped), Some(total)) if total > 0.0 => dropped / total,
            _ => 0.0,
        })
    }

    /// End it, once it has stopped and the other end of its memif pair too.
    pub fn quit(mut self) -> anyhow::Result<()> {
        self.child.say("quit")?;
        // Of DPDK 22.11 with memif, what follows may end in a crash: the thread that hears the other end's goodbye lives too long.
        self.child.wait_for("Bye...")?;
        Ok(())
    }
}

/// A line at a time of its output, which a pipe would hold back by pages otherwise.
fn command(setup: &Setup, role: Role, run: &RunDirectory) -> Command {
    let (forwarding, other) = match role {
        Role::Server => (setup.device_core, setup.generator_core),
        Role::Client => (setup.generator_core, setup.device_core),
    };
    let mut command = Command::new("stdbuf");
    command.args(["-oL", "dpdk-testpmd"]);
    // Its first core waits for commands only.
    command.arg(format!("--lcores=0@{other},1@{forwarding}"));
    command.args(&setup.eal);
    command.arg(format!("--file-prefix={}", run.prefix()));
    command
}

/// The number behind `name` in what `text` says about `port`.
fn number_behind(text: &str, port: &str, name: &str) -> Option<f64> {
    let (_, of_port) = text.split_once(&format!("statistics for {port}"))?;
    let (_, behind) = of_port.split_once(name)?;
    behind.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_port() {
        let text = "
  ######################## NIC statistics for port 0  ########################
  Throughput (since last show)
  Rx-pps:      4724024          Rx-bps:   2947791392
  ######################## NIC statistics for port 1  ########################
  Throughput (since last show)
  Rx-pps:      4417421          Rx-bps:   2756468600
  ---------------------- Forward statistics for port 1  ----------------------
  TX-packets: 21869664       TX-dropped: 5457184       TX-total: 27326848
";
        assert_eq!(
            number_behind(text, MEMIF_PORT, "Rx-pps:"),
            Some(4_417_421.0)
        );
        assert_eq!(
            number_behind(text, MEMIF_PORT, "TX-dropped:"),
            Some(5_457_184.0)
        );
        assert_eq!(number_behind(text, "port 2 ", "Rx-pps:"), None);
        assert_eq!(number_behind(text, MEMIF_PORT, "TX-errors:"), None);
    }
}
