//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::scenario::Mode;
use crate::signalling_options::SignallingOptions;

/// A roaming mobile node, its anchors and a plain correspondent, in network namespaces of this machine.
///
/// The lab builds eight namespaces (named dhplab-…) joined by wires with delays, two access networks with router
/// advertisements, a home agent 40 ms away, a Distributed Home-Proxy (DHP) next to the correspondent, and a
/// correspondent that knows nothing of mobility. It runs as root, leaves the machine's own network alone, and removes
/// all it made when it ends; what a killed lab left, the next run removes.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  dhp-lab demo --html report.html     watch TCP sessions survive handoffs; the report shows what each cost
  dhp-lab up                          keep a lab to play with, then, in other terminals:
  dhp-lab shell mn -- curl -o /dev/null http://[2001:db8:c:1::80]/100000000
  dhp-lab shell mn -- tcpdump -ni wlan0 'ip6 proto 135'
  dhp-lab move b                      take the mobile node's radio to access network B";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Three flows, a roaming node, measured; exit status 0 only if every criterion holds.
    Demo(DemoArguments),
    /// Run a scenario (a built-in one by name, or a TOML file) in each of its modes, measured and compared; exit status 0 only
    /// if every criterion holds. perf/scenarios/README.md tells how to write one.
    Run(RunArguments),
    /// Keep the lab running until Ctrl-C; prints how to look around.
    Up(UpArguments),
    /// End a running lab and remove whatever a lab left.
    Down,
    /// Run a command in a node's namespace: mn, air, ara, arb, core, ha, dhp or cn.
    Shell {
        /// The node.
        node: String,
        /// The command; a shell if none is given.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Take the radio of a running lab's mobile node to an access network: a or b.
    Move {
        /// The access network.
        #[arg(value_parser = parse_access)]
        to: crate::access::Access,
        /// How long the radio is without a link, ms.
        #[arg(long, default_value_t = 50)]
        gap_ms: u64,
    },
    /// BGP by FRR through the appliance's port, with ten handoffs a second and a reload of the configuration meanwhile; then
    /// the appliance is drained, and its pool's route must go.
    Bgp(BgpArguments),
    /// Packets of all sizes through tunnels over a path of 1,400 octets: with path MTU discovery, and with a firewall that
    /// drops ICMPv6 errors, the path's MTU configured and TCP's MSS clamped.
    PathMtu(PathMtuArguments),
    /// A mobile node and a correspondent scripted with scapy, which share no code with the appliance: registering, moving,
    /// being refused, revoked and switched, each answer checked field by field against the RFCs.
    Conformance(ConformanceArguments),
    /// Check captured signalling with tshark: nothing malformed, RFC 6275 messages recognised.
    CheckCapture {
        /// The captures, or the directory that `demo --pcap DIR` wrote them to.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Send random and mutated packets into a running dhpd's port; it must live and count each one.
    FuzzPort(FuzzArguments),
    /// The correspondent's web server: `GET /N` gives N pseudo-random octets.
    Serve {
        /// Address and port.
        #[arg(long)]
        listen: SocketAddr,
        /// Octets per second of each download; as fast as it goes if not given.
        #[arg(long)]
        rate: Option<u64>,
    },
    /// A sequence-numbered UDP stream each way.
    #[command(subcommand)]
    Udp(UdpCommand),
}

/// Where things are.
#[derive(Clone, Debug, Args)]
pub struct LabArguments {
    /// Directory of dhpd, dhpctl and dhp-mn; beside dhp-lab by default.
    #[arg(long)]
    pub bin_dir: Option<PathBuf>,
    /// Directory for the logs of all programs.
    #[arg(long, default_value = "/var/log/dhp-lab")]
    pub logs: PathBuf,
}

/// Options of `up`.
#[derive(Debug, Args)]
pub struct UpArguments {
    /// Where things are.
    #[command(flatten)]
    pub lab: LabArguments,
    /// Start no dhpd and no dhp-mn: networks, router advertisements and the correspondent's server only.
    #[arg(long, conflicts_with = "dpdk")]
    pub networks_only: bool,
    /// The anchors' ports by DPDK, for a dhpd built with `--features dpdk`.
    #[arg(long)]
    pub dpdk: bool,
    /// What of the anchors' signalling is switched on.
    #[command(flatten)]
    pub signalling: SignallingOptions,
}

/// Options of the demo.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Where things are.
    #[command(flatten)]
    pub lab: LabArguments,
    /// Write all data to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Write a one-page report with plots to this file.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// Write the captured signalling to this directory.
    #[arg(long)]
    pub pcap: Option<PathBuf>,
    /// A short one: 40 MB, two moves and a make before break.
    #[arg(long)]
    pub quick: bool,
    /// The anchors' ports by DPDK, for a dhpd built with `--features dpdk`.
    #[arg(long)]
    pub dpdk: bool,
    /// What of the anchors' signalling is switched on.
    #[command(flatten)]
    pub signalling: SignallingOptions,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Where things are.
    #[command(flatten)]
    pub lab: LabArguments,
    /// The scenario: a built-in one's name, or a file.
    #[arg(required_unless_present = "list")]
    pub scenario: Option<String>,
    /// List the built-in scenarios.
    #[arg(long)]
    pub list: bool,
    /// Run this mode and not those of the scenario, with the criteria that it can be judged by; may be given several times.
    #[arg(long = "mode")]
    pub modes: Vec<Mode>,
    /// Fewer handoffs.
    #[arg(long)]
    pub quick: bool,
    /// Write all data to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Write a one-page report with plots to this file.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// What of the anchors' signalling is switched on.
    #[command(flatten)]
    pub signalling: SignallingOptions,
}

/// Options of `bgp`.
#[derive(Debug, Args)]
pub struct BgpArguments {
    /// Where things are.
    #[command(flatten)]
    pub lab: LabArguments,
    /// How long the mobile node hands off, s.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=3600))]
    pub seconds: u32,
    /// Write the verdicts to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Options of `path-mtu`.
#[derive(Debug, Args)]
pub struct PathMtuArguments {
    /// Where things are.
    #[command(flatten)]
    pub lab: LabArguments,
    /// Length of each TCP transfer, MB (10^6 octets).
    #[arg(long, default_value_t = 1000)]
    pub megabytes: u64,
    /// Write the verdicts to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Options of `conformance`.
#[derive(Debug, Args)]
pub struct ConformanceArguments {
    /// Where things are.
    #[command(flatten)]
    pub lab: LabArguments,
    /// Write the outcome of each step to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Options of the fuzzer.
#[derive(Debug, Args)]
pub struct FuzzArguments {
    /// Where things are.
    #[command(flatten)]
    pub lab: LabArguments,
    /// How many packets.
    #[arg(long, default_value_t = 1_000_000)]
    pub packets: u64,
    /// Which packets: the same seed gives the same ones.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// The two ends of a UDP stream.
#[derive(Debug, Subcommand)]
pub enum UdpCommand {
    /// Wait for a peer, stream back to it.
    Serve {
        /// Address and port.
        #[arg(long)]
        listen: SocketAddr,
        /// Options of both ends.
        #[command(flatten)]
        stream: StreamArguments,
    },
    /// Stream to a `serve`.
    Stream {
        /// Address and port.
        #[arg(long)]
        to: SocketAddr,
        /// Options of both ends.
        #[command(flatten)]
        stream: StreamArguments,
    },
}

/// Options of both ends of a stream.
#[derive(Debug, Args)]
pub struct StreamArguments {
    /// Packets per second.
    #[arg(long, default_value_t = 1000)]
    pub rate: u32,
    /// End after this many seconds; by default on SIGTERM.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Where to write what was sent and received.
    #[arg(long)]
    pub record: PathBuf,
}

fn parse_access(text: &str) -> Result<crate::access::Access, String> {
    match text {
        "a" | "A" => Ok(crate::access::Access::A),
        "b" | "B" => Ok(crate::access::Access::B),
        _ => Err("an access network is a or b".to_owned()),
    }
}
