//! `dhp-bench forward`: packets per second and latency of the appliance's worker on a port that is no simulation
//!
//! ```text
//!   one core                                    the other core
//!   generator ── memif (client) ═══ shared memory ═══ memif (server) ── device under test
//!      ▲ │                                                               │ ▲
//!      │ └─────────────── half to home addresses, half from tunnels ─────┘ │
//!      └──────────────────────────── what comes of them ───────────────────┘
//! ```
//!
//! The device is the worker (one port, one queue, all checks on) or, in turn with it, `testpmd` in `io` mode, which sends back
//! what it receives and looks at none of it: what the pair itself can do. Both are processes of their own, at the same end of
//! the same kind of pair, on the same core, and get the same packets.
//!
//! There are two generators, since no single one can do both:
//!
//! * `testpmd` sends a recording (pcap) of the packets to the pair as fast as it can, and counts what comes back. It cannot keep to
//!   a rate: memif has no rate limit. So it *floods*: it finds the most that a device forwards, in rounds in which the devices take
//!   turns. The ratio of a round is what the target holds. The share of packets that found the ring full is told: if it is 0, not
//!   the device but the generator was the limit.
//! * The generator of this process keeps time. It offers a load, writes a number and the time into each packet, and knows again
//!   what comes back. With it the *search* finds the NDR (no packet lost) and the PDR (at most 0.5 % lost), as [`search`] says, and
//!   the latencies at 10, 50 and 90 % of the NDR are taken. A packet that the ring does not take is lost, as at the port of a switch.
//!
//! With memif both ends copy each packet, and hugepages are not needed. What a network card and its bus would cost is not in these
//! numbers. How near the two cores are to each other is: a pair on one machine has passed 12 and 4 Mpps, by the way in which the
//! host had placed the virtual cores. So that is measured too ([`distance`]), and rounds of the flood in which it changed do not
//! count.

mod check;
mod child;
mod device;
mod distance;
mod drawing;
mod flood;
mod generator;
mod mark;
mod measure;
mod recording;
mod report;
mod search;
mod setup;
mod testpmd;
mod traffic;
mod worker;

use std::time::Duration;

use dhp_port_dpdk::Eal;

use crate::results::{Output, Stamp};
use crate::run_directory::RunDirectory;
use measure::Effort;
use recording::Recording;
use report::{MixResult, Report};
use setup::{Setup, core, pin};
use traffic::{Mix, Traffic};

pub use worker::{Arguments as WorkerArguments, run as run_worker};

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Octets of an Ethernet frame outside of the tunnel, without checksum (40 more inside), or `imix` for 7 : 4 : 1 of 78, 512 and
    /// 1400.
    #[arg(long, value_delimiter = ',', default_values = ["78", "512", "1400", "imix"])]
    traffic: Vec<Mix>,
    /// Bound home addresses; each packet is of one drawn at random.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    bindings: u32,
    /// A look in a quarter of the time: fewer rounds, shorter trials, wider intervals.
    #[arg(long)]
    quick: bool,
    /// The core of the device under test; the last one if left out.
    #[arg(long)]
    core: Option<usize>,
    /// The core of the generator; the first one if left out.
    #[arg(long)]
    generator_core: Option<usize>,
    /// Places of each memif ring, as a power of two.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(6..=14))]
    ring: u8,
    /// DPDK's options for each process. With hugepages: `--eal --in-memory --eal --no-pci --eal --no-telemetry`.
    #[arg(long, allow_hyphen_values = true, default_values = ["--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "256"])]
    eal: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// Measure, print, and write the results.
///
/// # Errors
/// DPDK does not start, there is no testpmd, what comes out of a device is wrong, or a target is missed.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.output.prepare()?;
    let setup = Setup {
        generator_core: core(arguments.generator_core, <[_]>::first)?,
        device_core: core(arguments.core, <[_]>::last)?,
        eal: arguments.eal.clone(),
        bindings: arguments.bindings,
        ring_log2: arguments.ring,
    };
    anyhow::ensure!(
        setup.generator_core != setup.device_core,
        "generator and device need a core each"
    );
    pin(setup.generator_core)?;
    let run = RunDirectory::new("forward");
    let mut options = setup.eal.clone();
    options.push(format!("--file-prefix={}", run.prefix()));
    let eal = Eal::init(&options)?;
    let stamp = Stamp::take(Some(Eal::version()));
    let effort = if arguments.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let mut report = Report::new(&setup, &effort);
    for mix in &arguments.traffic {
        let mut traffic = Traffic::new(*mix, setup.bindings);
        let recording = Recording::of(&mut traffic)?;
        let file = recording.file()?;
        let window = Duration::from_millis(effort.window_ms);
        let flood = flood::measure(&setup, &file.path(), effort.rounds, window)?;
        let mut result = MixResult::new(*mix, flood);
        println!("{result}");
        for subject in device::Subject::BOTH {
            let measured =
                measure::paced(subject, &setup, &eal, (&mut traffic, &recording), &effort)?;
            println!("{measured}");
            result.devices.push(measured);
        }
        report.results.push(result);
    }
    if let Some(disturbed) = report.disturbed() {
        println!("{disturbed}");
    }
    let drawing = drawing::draw(&report, &stamp);
    arguments
        .output
        .finish("forward", &stamp, &report, &report.figures(), &drawing)
}
