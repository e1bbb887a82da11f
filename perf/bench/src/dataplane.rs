//! `dhp-bench dataplane`: how many cycles a packet costs, without a network card, beside what the same costs elsewhere
//!
//! ```text
//!        ┌───── net_ring ─────┐      the ring holds all frames of a pass; each is taken out,
//!        └──► rx ─ worker ─ tx ┘      treated and put back, then the time is read
//! ```
//!
//! Between passes, and not on the clock, all frames that came out are looked at, and replaced by others, of bindings drawn at
//! random: the tables are as cold as with so many bindings in use.
//!
//! A *round* has in it, on the same core: a bare C program that does the same work on the same kind of ring (the limit), testpmd,
//! and for each number of bindings each kind of work, alone and while a writer on another core moves 100,000 bindings a second
//! to new care-of addresses. Clocks and neighbours drift, so that what counts is the ratio within a round: of those, the median.

mod conditions;
mod drawing;
mod limit;
mod rings;
mod rounds;
mod samples;
mod size;
mod table;
mod testpmd;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dhp_port_dpdk::Eal;
use serde::Serialize;

use crate::bindings::Plan;
use crate::results::{Figures, Output, Stamp};
use crate::run_directory::RunDirectory;
use conditions::Disturbance;
use limit::Limit;
use rings::{Currency, Work};
use rounds::Rounds;
use samples::{Samples, Summary};
use size::{Size, Window};

/// Where the limit lies if nobody says it.
const LIMIT: &str = "../shared/perf/limit.c";

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Bound home addresses.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000, 1_000_000, 10_000_000], value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    bindings: Vec<u32>,
    /// Octets of an Ethernet frame outside of the tunnel, without checksum; 40 more inside.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(64..=1474))]
    size: u16,
    /// Frames of a pass, in batches of 32.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=30))]
    batches: u16,
    /// Rounds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    windows: u16,
    /// Passes of a repetition, of which each kind of work has three in a round.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..))]
    passes: u16,
    /// Two rounds of 1,000 and 100,000 bindings, to see that it works.
    #[arg(long, conflicts_with_all = ["bindings", "windows"])]
    quick: bool,
    /// The core on which everything is measured; the last one if left out.
    #[arg(long)]
    core: Option<usize>,
    /// Leave out what happens while bindings change.
    #[arg(long)]
    no_changes: bool,
    /// Workers on cores of their own, held against one.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// The C source of the limit; if left out, ../shared/perf/limit.c where that is.
    #[arg(long, value_name = "FILE")]
    limit: Option<PathBuf>,
    /// DPDK's options, instead of hugepages where there are enough of them, and none elsewhere.
    #[arg(long, allow_hyphen_values = true)]
    eal: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// Everything that was measured, and how.
#[derive(Debug, Serialize)]
struct Report<'a> {
    eal: Vec<String>,
    tsc_hz: u64,
    frame_octets: u16,
    frames_of_a_pass: usize,
    passes_of_a_repetition: u16,
    rounds: u16,
    core: usize,
    disturbance: Disturbance,
    limit: Option<String>,
    packets_to_care_of_addresses: u64,
    measured: BTreeMap<&'a str, Summary>,
}

/// Measure, print, write and check.
///
/// # Errors
/// DPDK does not start, a core is not there, what comes out of the worker is wrong, or a target is missed.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.output.prepare()?;
    let stamp = Stamp::take(Some(Eal::version()));
    let workers = usize::from(arguments.workers);
    let cores = conditions::cores(arguments.core, workers.max(2))?;
    let (core, writer_core) = match cores[..] {
        [core, second, ..] => (core, second),
        _ => anyhow::bail!("two cores are needed"),
    };
    let limit = limit(arguments.limit.as_deref(), core.id)?;
    // Before DPDK starts its threads.
    anyhow::ensure!(
        core_affinity::set_for_current(core),
        "cannot run on core {}",
        core.id
    );
    let memory = conditions::memory();
    let run_directory = RunDirectory::new("worker");
    let options = eal_options(&arguments.eal, memory, &run_directory);
    let eal = Eal::init(&options)?;
    let (tsc_hz, version) = (eal.tsc_hz(), Eal::version());
    println!("{version}, {} MHz, core {}", tsc_hz / 1_000_000, core.id);
    if options.iter().any(|option| option == "--no-huge") {
        println!(
            "without hugepages, which costs a worker more than the limit: sysctl -w vm.nr_hugepages=128"
        );
    }
    if limit.is_some() && !conditions::is_compiled_for_this_processor() {
        println!(
            "the limit is compiled for this very processor, and this is not: RUSTFLAGS=\"-C target-cpu=native\""
        );
    }
    let testpmd = testpmd::is_installed().then_some(memory);
    if testpmd.is_none() {
        println!("no dpdk-testpmd is installed, so that none is measured");
    }

    let (bindings, rounds) = match arguments.quick {
        true => (&[1_000, 100_000][..], 2),
        false => (&arguments.bindings[..], arguments.windows),
    };
    let mut sizes = Vec::new();
    for (number, bindings) in bindings.iter().enumerate() {
        let plan = Plan::new(*bindings, usize::from(arguments.size));
        let size = Size::new(&eal, plan, number, arguments.workers.into(), writer_core)
            .with_context(|| format!("with {bindings} bindings"))?;
        println!(
            "{bindings} bindings: {:.1} octets each",
            size.octets_per_binding
        );
        sizes.push(size);
    }
    let mut samples = Samples::default();
    let frames = usize::from(arguments.batches) * dhp_engine::BATCH_SIZE;
    let mut all = Rounds {
        sizes: &mut sizes,
        limit: limit.as_ref(),
        testpmd,
        window: Window {
            frames,
            passes: arguments.passes,
            ghz: tsc_hz as f64 / 1e9,
        },
        cores: &cores,
        changes: !arguments.no_changes,
        workers,
    };
    let before = Disturbance::so_far(core.id);
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        all.round(&mut samples)?;
    }
    let disturbance = Disturbance::so_far(core.id).since(before);

    table::print(bindings, &samples);
    println!("the core was {disturbance}");
    let (figures, currency) = conclude(sizes, &samples, limit.is_some())?;
    println!(
        "{} packets left to care-of addresses, {} of them to one that was not current when they were handled",
        currency.checked, currency.stale
    );
    let drawing = drawing::draw(bindings, &samples, &stamp);
    let report = Report {
        eal: options,
        tsc_hz,
        frame_octets: arguments.size,
        frames_of_a_pass: frames,
        passes_of_a_repetition: arguments.passes,
        rounds,
        core: core.id,
        disturbance,
        limit: limit.map(|limit| limit.source),
        packets_to_care_of_addresses: currency.checked,
        measured: samples.summaries(),
    };
    arguments
        .output
        .finish("dataplane", &stamp, &report, &figures, &drawing)
}

/// What targets can name: the medians, and what the sizes tell of themselves. Ends them.
fn conclude(
    sizes: Vec<Size>,
    samples: &Samples,
    has_limit: bool,
) -> anyhow::Result<(Figures, Currency)> {
    let mut figures = Figures::new();
    samples.put_medians(&mut figures);
    let mut currency = Currency::default();
    for size in sizes {
        let n = size.plan.bindings;
        if !has_limit {
            for work in Work::OF_WORKERS {
                figures.put(format!("{}.{n}.times_limit", work.name()), None);
            }
        }
        let octets = size.octets_per_binding;
        figures.put(format!("memory.{n}.octets_per_binding"), Some(octets));
        let of_size = size.currency();
        currency.checked += of_size.checked;
        currency.stale += of_size.stale;
        size.finish()?;
    }
    figures.put("changes.stale_packets", Some(currency.stale as f64));
    Ok((figures, currency))
}

/// The program to compare with, if there is a source of it.
fn limit(source: Option<&Path>, core: usize) -> anyhow::Result<Option<Limit>> {
    let source = match source {
        Some(source) => source,
        None if Path::new(LIMIT).is_file() => Path::new(LIMIT),
        None => {
            println!(
                "no --limit is given, and {LIMIT} is not there: there is no limit to compare with"
            );
            return Ok(None);
        }
    };
    Limit::compile(source, core)
        .with_context(|| format!("the limit in {}", source.display()))
        .map(Some)
}

fn eal_options(given: &[String], memory: &[&str], run_directory: &RunDirectory) -> Vec<String> {
    if !given.is_empty() {
        return given.to_vec();
    }
    let common = [
        "--no-pci",
        "--no-telemetry",
        "--file-prefix",
        run_directory.prefix(),
    ];
    memory
        .iter()
        .chain(&common)
        .map(|option| (*option).to_owned())
        .collect()
}
