//! `dhp-bench forward-af-packet`: how many packets per second a worker puts into tunnels and takes out of them
//!
//! ```text
//!  outside (generator, counts)            appliance
//!   mobile1 ════ veth ════ mobile0 ─ worker ─ correspondent0 ════ veth ════ correspondent1 (outside as well)
//!           uplink: tunnel packets →                          ← downlink: packets to home addresses
//! ```
//!
//! The generator offers more than the workers take; what arrives at the other side is the result, by the count of the
//! kernel's interface statistics. Before that, the packets of each direction are looked at one by one.

mod appliance;
mod check;
mod plan;
mod report;
mod traffic;
mod windows;

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::namespace::Namespace;
use appliance::Appliance;
use plan::{Direction, Plan};
use report::Report;
use traffic::Traffic;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Octets of an Ethernet frame outside of the tunnel, without checksum; 40 more inside.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(70..=1474))]
    size: u16,
    /// Bound home addresses, each with its care-of address; the packets go round all of them.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=16_384))]
    bindings: u16,
    /// Workers, on the first cores; the generator has the last core.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Windows measured for each direction, after one to warm up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    windows: u16,
    /// Length of a window in milliseconds.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    window_ms: u64,
    /// Write the result to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail unless every worker forwards 150,000 packets per second in each direction alone, in the median window.
    #[arg(long)]
    check: bool,
}

/// The limit that `--check` holds each worker to, in thousands of packets per second.
const LIMIT_KPPS: f64 = 150.0;

/// Measure and print.
///
/// # Errors
/// Without the right to make network namespaces, when a step of the setup is refused, or when the packets that come out
/// are not the right ones.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let outside = Namespace::new()?;
    let inside = Namespace::new()?;
    let plan = Plan::new(&inside, &outside, arguments.bindings)?;
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let appliance = Appliance::start(&plan, &inside, usize::from(arguments.workers), &cores)?;
    let window = Duration::from_millis(arguments.window_ms);

    let mut report = Report::new(arguments, cores.len());
    for directions in [
        &[Direction::Downlink][..],
        &[Direction::Uplink],
        &[Direction::Downlink, Direction::Uplink],
    ] {
        let traffic = Traffic::new(&plan, &outside, directions, usize::from(arguments.size))?;
        for direction in directions {
            check::one_packet(&plan, &outside, &traffic, *direction)?;
        }
        let counts = windows::measure(
            &outside,
            &appliance,
            &traffic.start(cores.last().copied()),
            directions,
            window,
            usize::from(arguments.windows),
        )?;
        for result in report.add(directions, &counts) {
            println!("{result}");
        }
    }
    appliance.stop()?;
    if let Some(path) = &arguments.json {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        serde_json::to_writer_pretty(file, &report)
            .with_context(|| format!("write {}", path.display()))?;
    }
    let slowest = report.slowest_kpps();
    ensure!(
        !arguments.check || slowest >= LIMIT_KPPS,
        "a worker forwards {slowest:.1} kpps one way, the limit is {LIMIT_KPPS:.0}"
    );
    Ok(())
}
