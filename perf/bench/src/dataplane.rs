//! `dhp-bench dataplane`: how many cycles a packet costs, without a network card
//!
//! ```text
//!        ┌───── net_ring ─────┐      the ring holds all frames of a pass; each is taken out,
//!        └──► rx ─ worker ─ tx ┘      treated and put back, then the time is read
//! ```
//!
//! Between passes, and not on the clock, the frames are replaced by others, of bindings drawn at random: the tables are as cold as
//! with so many bindings in use. What came out is looked at then, too.

mod drawing;
pub mod frames;
pub mod plan;
mod rings;

use anyhow::Context;
use dhp_engine::BATCH_SIZE;
use dhp_port_dpdk::Eal;
use serde::Serialize;

use crate::results::{Figures, Output, Stamp};
use crate::statistics::Spread;
use frames::Random;
use plan::Plan;
use rings::{Rig, Work};

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Bound home addresses; a table of results for each.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000], value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    bindings: Vec<u32>,
    /// Octets of an Ethernet frame outside of the tunnel, without checksum; 40 more inside.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(64..=1474))]
    size: u16,
    /// Frames of a pass, in batches of 64.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=15))]
    batches: u16,
    /// Windows measured for each kind of work, after one to warm up; the kinds take turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    windows: u16,
    /// Passes of a window.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..))]
    passes: u16,
    /// The core; the last one if left out.
    #[arg(long)]
    core: Option<usize>,
    /// DPDK's options. With hugepages: `--eal --in-memory --eal --no-pci --eal --no-telemetry`.
    #[arg(long, allow_hyphen_values = true, default_values = ["--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "256"])]
    eal: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// Everything that was measured, and how.
#[derive(Debug, Serialize)]
struct Report {
    eal: Vec<String>,
    tsc_hz: u64,
    frame_octets: u16,
    frames: usize,
    windows: u16,
    passes: u16,
    results: Vec<Measured>,
}

/// One kind of work with so many bindings.
#[derive(Debug, Serialize)]
struct Measured {
    bindings: u32,
    work: Work,
    /// Of the time stamp counter, for one packet.
    cycles: Spread,
    ns: Spread,
    /// Millions of packets in a second, on one core.
    mpps: Spread,
}

/// Measure and print.
///
/// # Errors
/// DPDK does not start, the core is not there, or what comes out of the worker is wrong.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.output.prepare()?;
    pin(arguments.core)?;
    let eal = Eal::init(&arguments.eal)?;
    let mut report = Report {
        eal: arguments.eal.clone(),
        tsc_hz: eal.tsc_hz(),
        frame_octets: arguments.size,
        frames: usize::from(arguments.batches) * BATCH_SIZE,
        windows: arguments.windows,
        passes: arguments.passes,
        results: Vec::new(),
    };
    let stamp = Stamp::take(Some(Eal::version()));
    println!("{}, {} MHz", Eal::version(), report.tsc_hz / 1_000_000);
    for (number, bindings) in arguments.bindings.iter().enumerate() {
        let plan = Plan::new(*bindings, usize::from(arguments.size));
        let mut rig = Rig::new(&eal, &plan, number, report.frames)?;
        for result in measure(&mut rig, &plan, arguments, &report)? {
            println!("{result}");
            report.results.push(result);
        }
    }
    let mut figures = Figures::new();
    for result in &report.results {
        let name = format!("{}.{}.cycles", result.work.name(), result.bindings);
        figures.put(name, Some(result.cycles.median));
    }
    let drawing = drawing::draw(&report, &stamp);
    arguments
        .output
        .finish("dataplane", &stamp, &report, &figures, &drawing)
}

/// Stay on one core, before DPDK starts its threads.
fn pin(core: Option<usize>) -> anyhow::Result<()> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let chosen = match core {
        Some(wanted) => cores.iter().find(|core| core.id == wanted),
        None => cores.last(),
    };
    let chosen = chosen.context("no such core")?;
    anyhow::ensure!(
        core_affinity::set_for_current(*chosen),
        "cannot run on core {}",
        chosen.id
    );
    Ok(())
}

fn measure(
    rig: &mut Rig,
    plan: &Plan,
    arguments: &Arguments,
    report: &Report,
) -> anyhow::Result<Vec<Measured>> {
    let mut random = Random::new();
    let mut ns = Work::ALL.map(|_| Vec::with_capacity(arguments.windows.into()));
    for window in 0..=arguments.windows {
        for (work, ns) in Work::ALL.into_iter().zip(&mut ns) {
            let mut total = 0.0;
            for _ in 0..arguments.passes {
                total += rig.pass(work, plan, &mut random)?.as_secs_f64() * 1e9;
            }
            if window > 0 {
                ns.push(total / f64::from(arguments.passes) / report.frames as f64);
            }
        }
    }
    let ghz = report.tsc_hz as f64 / 1e9;
    let results = Work::ALL.into_iter().zip(ns).filter_map(|(work, ns)| {
        let scaled = |scale: &dyn Fn(f64) -> f64| {
            Spread::of(&ns.iter().map(|ns| scale(*ns)).collect::<Vec<_>>())
        };
        Some(Measured {
            bindings: plan.bindings,
            work,
            cycles: scaled(&|ns| ns * ghz)?,
            ns: scaled(&|ns| ns)?,
            mpps: scaled(&|ns| 1e3 / ns)?,
        })
    });
    Ok(results.collect())
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Spread { min, median, max } = self.cycles;
        write!(
            f,
            "{:>9} bindings  {:<6} {median:6.1} cycles a packet ({min:.1} to {max:.1}), {:.1} ns, {:.2} Mpps",
            self.bindings,
            self.work.name(),
            self.ns.median,
            self.mpps.median,
        )
    }
}
