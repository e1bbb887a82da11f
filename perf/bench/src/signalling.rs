//! `dhp-bench signalling`: how many Binding Updates the control plane takes, how long each takes, and what it does when there
//! are more
//!
//! | part | what is measured |
//! |---|---|
//! | `calm` | a thousand handoffs a second, both planes asleep in between: punt ring to inject ring |
//! | `engine` | the engine alone on one core, 10,000 to 1,000,000 bindings: updates per second, memory |
//! | `rings` | both planes: as many updates as they take; latency at half of what is asked for |
//! | `storm` | both planes: first requests from everywhere, ten times what is asked for, beside refreshes and handoffs |
//! | `veth` | the same mobile nodes on a link of the kernel's, the worker on a port there: calm, then as large a storm as it carries |
//! | `handoff` | both planes: 100,000 mobile nodes with three flows each move at once |
//!
//! In the last three the mobile nodes are the engines that `dhp-mn` runs.

mod absence;
pub mod appliance;
mod calm;
mod crew;
mod engine;
mod fleet;
mod handoff;
mod in_memory;
mod latency;
mod memory;
pub mod mobile_nodes;
mod network;
mod over_veth;
mod pace;
mod plots;
mod report;
mod rings;
mod scene;
mod setting;
mod site;
mod storm;
mod strangers;
mod veth;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use dhp_engine::PuntRates;
use dhp_wire::mobility::Lifetime;

use crate::results::{Output, Stamp};
use report::Report;
use setting::Setting;
use site::Cores;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Parts of the benchmark.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Part::ALL)]
    parts: Vec<Part>,
    /// Bindings of the engine alone.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 100_000, 10_000], value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    bindings: Vec<u32>,
    /// Windows of each measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    windows: u16,
    /// Length of a window in milliseconds.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    window_ms: u64,
    /// All parts in small, in some seconds, to see that they work.
    #[arg(long, conflicts_with_all = ["bindings", "windows", "window_ms"])]
    quick: bool,
    /// Have both planes keep a journal, in a directory of its own below this one, or below the one for temporary files.
    #[arg(long, value_name = "DIRECTORY")]
    journal: Option<Option<PathBuf>>,
    #[command(flatten)]
    output: Output,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Calm,
    Engine,
    Rings,
    Storm,
    Veth,
    Handoff,
}

impl Part {
    const ALL: [Self; 6] = [
        Self::Calm,
        Self::Engine,
        Self::Rings,
        Self::Storm,
        Self::Veth,
        Self::Handoff,
    ];
}

/// How much is measured.
struct Extent {
    bindings: Vec<u32>,
    windows: u16,
    window: Duration,
    /// Updates of a window of the engine.
    updates: usize,
    ring_bindings: u32,
    storm: storm::Plan,
    handoff: handoff::Plan,
    veth: veth::Plan,
}

impl Extent {
    fn of(arguments: &Arguments) -> Self {
        if arguments.quick {
            return Self {
                bindings: vec![10_000],
                windows: 2,
                window: Duration::from_millis(500),
                updates: 20_000,
                ring_bindings: 10_000,
                storm: storm::Plan {
                    mobile_nodes: 1_000,
                    lifetime: Lifetime(2),
                    duration: Duration::from_secs(6),
                    rate: STORM_RATE,
                    punt_rates: PuntRates::default(),
                },
                handoff: handoff::Plan {
                    mobile_nodes: 2_000,
                    patience: PATIENCE,
                },
                veth: veth::Plan {
                    mobile_nodes: 1_000,
                    lifetime: Lifetime(2),
                    duration: Duration::from_secs(6),
                    rate: VETH_STORM_RATE,
                    patience: PATIENCE,
                },
            };
        }
        let mut bindings = arguments.bindings.clone();
        // The memory that the largest needs is seen only while no other has used it.
        bindings.sort_unstable_by(|one, other| other.cmp(one));
        Self {
            bindings,
            windows: arguments.windows,
            window: Duration::from_millis(arguments.window_ms),
            updates: 200_000,
            ring_bindings: 100_000,
            storm: storm::Plan {
                mobile_nodes: 10_000,
                lifetime: Lifetime(5),
                duration: Duration::from_secs(30),
                rate: STORM_RATE,
                punt_rates: PuntRates::default(),
            },
            handoff: handoff::Plan {
                mobile_nodes: 100_000,
                patience: PATIENCE,
            },
            veth: veth::Plan {
                mobile_nodes: 10_000,
                lifetime: Lifetime(5),
                duration: Duration::from_secs(20),
                rate: VETH_STORM_RATE,
                patience: PATIENCE,
            },
        }
    }
}

/// Updates per second at which latency is measured: half of the 100,000 that are asked for.
const HALF_RATE: u32 = 50_000;
/// First requests per second of a storm: ten times as many, and a hundredth more, since none is on its way when the time is over.
const STORM_RATE: u32 = 1_010_000;
/// The same over veth: more than the link carries.
const VETH_STORM_RATE: u32 = 1_000_000;
/// What has not happened by then does not happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measure, print, write and check.
///
/// # Errors
/// A message is not answered as it has to be, or a target is missed.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.output.prepare()?;
    let stamp = Stamp::take(None);
    let extent = Extent::of(arguments);
    let cores = Cores::choose()?;
    let journals = arguments
        .journal
        .clone()
        .map(|directory| directory.unwrap_or_else(std::env::temp_dir));
    let setting = Setting {
        cores,
        journals: journals.as_deref(),
    };
    let mut report = Report::new(setting.journals.is_some());
    let is_asked = |part| arguments.parts.contains(&part);
    if is_asked(Part::Calm) {
        report.add_calm(calm::measure(
            extent.windows,
            extent.window,
            setting.journals,
        )?);
    }
    if is_asked(Part::Engine) {
        cores.measure_here()?;
        for (number, bindings) in extent.bindings.iter().enumerate() {
            let plan = engine::Plan {
                bindings: *bindings,
                windows: extent.windows,
                updates: extent.updates,
            };
            report.add_engine(engine::measure(plan, number == 0)?);
        }
    }
    if is_asked(Part::Rings) {
        let plan = rings::Plan {
            bindings: extent.ring_bindings,
            windows: extent.windows,
            window: extent.window,
            rate: HALF_RATE,
        };
        report.add_rings(rings::measure(plan, setting)?);
    }
    if is_asked(Part::Storm) {
        report.add_storm(storm::measure(extent.storm, setting)?);
    }
    if is_asked(Part::Veth) {
        report.add_veth(veth::measure(extent.veth, setting)?);
    }
    if is_asked(Part::Handoff) {
        report.add_handoff(handoff::measure(extent.handoff, setting)?);
    }
    let drawing = report.draw(&stamp);
    arguments
        .output
        .finish("signalling", &stamp, &report, &report.figures(), &drawing)
}
