//! `dhp-lab run`: a scenario that a researcher wrote, in each of its modes on the same trace.

mod access_use;
mod check;
mod drawings;
mod evaluate;
mod judge;
mod library;
mod mishap;
mod model;
mod network;
mod outage;
mod page;
mod permission;
mod prober;
mod program;
mod report;
mod routes;
mod run;
#[cfg(test)]
mod sample;
mod script;
mod start;
mod statistics;
mod table;
mod trace;
mod traffic;

use std::fs;

use anyhow::{Context, Result};

use crate::cli::RunArguments;
use crate::lab::LabOptions;
use crate::stop::Stop;
use crate::timeline;

pub use model::Mode;
use report::{ModeReport, ScenarioReport};

/// Prints the built-in scenarios.
pub fn list() -> Result<()> {
    for (name, text) in library::BUILT_IN {
        println!("{name:<16}{}", model::Scenario::parse(text)?.title);
    }
    Ok(())
}

/// Runs a scenario and shows what was found.
pub fn run(
    name: &str,
    arguments: &RunArguments,
    options: &LabOptions,
    stop: &Stop,
) -> Result<ScenarioReport> {
    // All that can be wrong is told before anything is built.
    let mut scenario = library::load(name)?;
    if !arguments.modes.is_empty() {
        scenario.limit_to(&arguments.modes);
    }
    let moves = trace::trace(&scenario, arguments.quick)?;
    let mut modes = Vec::new();
    for mode in scenario.modes.clone() {
        let findings = run::run(options.clone(), &scenario, mode, &moves, stop)?;
        modes.push(ModeReport::of(&scenario, &findings));
    }
    let mut report = ScenarioReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario,
        quick: arguments.quick,
        modes,
        criteria: Vec::new(),
    };
    report.criteria = judge::judge(&report, moves.len());
    print!("{}", table::render(&report, timeline::wants_colour()));
    if let Some(path) = &arguments.html {
        fs::write(path, page::render(&report))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("report: {}", path.display());
    }
    Ok(report)
}
