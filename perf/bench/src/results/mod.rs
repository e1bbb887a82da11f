//! What the benchmarks leave behind: figures with a stamp, as JSON and as a drawing, held against targets

mod figures;
mod stamp;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Serialize;

pub use figures::Figures;
pub use stamp::Stamp;
use targets::{Standing, Targets};

/// Where results go, and what they are held against.
#[derive(Debug, clap::Args)]
pub struct Output {
    /// Write NAME.json and NAME.svg into this directory.
    #[arg(long, value_name = "DIR", default_value = "perf/results")]
    results: PathBuf,
    /// Fail where a target is missed.
    #[arg(long)]
    check: bool,
    /// The targets.
    #[arg(long, value_name = "FILE", default_value = "perf/targets.toml")]
    targets: PathBuf,
}

/// A benchmark's result as it is written: the stamp first, then what was measured.
#[derive(Serialize)]
struct Document<'a, R> {
    benchmark: &'a str,
    stamp: &'a Stamp,
    figures: &'a Figures,
    #[serde(flatten)]
    report: &'a R,
}

impl Output {
    /// Refuses what would only be found out after minutes of measuring.
    ///
    /// # Errors
    /// The targets cannot be read, or the directory not be made.
    pub fn prepare(&self) -> anyhow::Result<()> {
        if self.check {
            Targets::read(&self.targets)?;
        }
        fs::create_dir_all(&self.results)
            .with_context(|| format!("create {}", self.results.display()))
    }

    /// Write both files of the benchmark `name`, say where they are and, with `--check`, how the figures stand.
    ///
    /// # Errors
    /// A file cannot be written; a target is missed.
    pub fn finish<R: Serialize>(
        &self,
        name: &str,
        stamp: &Stamp,
        report: &R,
        figures: &Figures,
        drawing: &str,
    ) -> anyhow::Result<()> {
        let document = Document {
            benchmark: name,
            stamp,
            figures,
            report,
        };
        let json = serde_json::to_string_pretty(&document)? + "\n";
        for (extension, content) in [("json", json.as_str()), ("svg", drawing)] {
            let path = self.results.join(name).with_extension(extension);
            write(&path, content)?;
            println!("written: {}", path.display());
        }
        if !self.check {
            return Ok(());
        }
        let targets = Targets::read(&self.targets)?;
        let verdicts = targets.hold(name, figures);
        for verdict in &verdicts {
            println!("{verdict}");
        }
        let of = |standing| {
            let with = |verdict: &&targets::Verdict<'_>| verdict.standing() == standing;
            verdicts.iter().filter(with).count()
        };
        let (met, missed) = (of(Standing::Met), of(Standing::Missed));
        ensure!(missed == 0, "{missed} targets missed, {met} met");
        ensure!(met > 0, "nothing that was measured has a target");
        println!("{met} targets met, none missed");
        Ok(())
    }
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("write {}", path.display()))
}
