//! The limit: a bare C program that does the same work on the same kind of ring

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use super::rings::Work;
use crate::run_directory::RunDirectory;

/// The numbers of bindings that the program measures, in its order.
const SIZES: [u32; 4] = [1_000, 100_000, 1_000_000, 10_000_000];
/// Its mbufs; the frames of a pass.
const FRAMES: &str = "1024";

/// The program, compiled.
#[derive(Debug)]
pub struct Limit {
    /// Removed with this.
    directory: TempDir,
    /// Where its source lies, for the record.
    pub source: String,
    core: usize,
}

/// One row: cycles of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Nothing but a swap of MAC addresses.
    pub is_swap: bool,
    pub bindings: u32,
    pub encap: f64,
    pub decap: f64,
}

impl Limit {
    /// Compile it for this very processor.
    ///
    /// # Errors
    /// The compiler or DPDK's headers are missing, or the source is wrong.
    pub fn compile(source: &Path, core: usize) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let flags = output(Command::new("pkg-config").args(["--cflags", "--libs", "libdpdk"]))?;
        let mut compiler = Command::new("cc");
        compiler
            .args(["-O3", "-march=native", "-w", "-o"])
            .arg(program(&directory))
            .arg(source)
            .args(flags.split_whitespace())
            .arg("-lrte_net_ring");
        output(&mut compiler)?;
        Ok(Self {
            directory,
            source: source.display().to_string(),
            core,
        })
    }

    /// Run it once, up to the largest of these numbers of bindings that it has.
    ///
    /// # Errors
    /// It does not start, or says of itself that it went wrong.
    pub fn run(&self, bindings: &[u32]) -> anyhow::Result<Vec<Row>> {
        let sizes = SIZES.iter().rposition(|size| bindings.contains(size));
        let sizes = sizes.map_or(0, |last| last + 1);
        let run = RunDirectory::new("limit");
        let text = output(
            Command::new(program(&self.directory))
                .args(["-l", &self.core.to_string()])
                .args(["--no-huge", "--no-shconf", "--no-pci", "--no-telemetry"])
                .args(["-m", "256", "--file-prefix", run.prefix()])
                .env("MAXN", sizes.to_string())
                .env("NB", FRAMES),
        )?;
        rows(&text)
    }
}

fn program(directory: &TempDir) -> PathBuf {
    directory.path().join("limit")
}

/// The rows of the table with one line per binding, each the median of its repetitions, and that which swaps.
fn rows(text: &str) -> anyhow::Result<Vec<Row>> {
    let mut all: Vec<Row> = Vec::new();
    for line in text.lines() {
        let is_swap = line.starts_with("mac ");
        if !is_swap && !line.starts_with("line ") {
            continue;
        }
        ensure!(line.ends_with("bad=0"), "the limit went wrong: {line}");
        all.push(row(line, is_swap).with_context(|| format!("the limit says: {line}"))?);
    }
    let mut rows: Vec<Row> = Vec::new();
    for row in &all {
        let same = |other: &&Row| (other.is_swap, other.bindings) == (row.is_swap, row.bindings);
        if rows.iter().any(|other| same(&other)) {
            continue;
        }
        let middle = |of: fn(&Row) -> f64| {
            let mut values: Vec<f64> = all.iter().filter(same).map(of).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        rows.push(Row {
            encap: middle(|row| row.encap),
            decap: middle(|row| row.decap),
            ..*row
        });
    }
    Ok(rows)
}

fn row(line: &str, is_swap: bool) -> Option<Row> {
    fn behind<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
        line.split_once(mark)?.1.split_whitespace().next()
    }
    Some(Row {
        is_swap,
        bindings: behind(line, "N=")?.parse().ok()?,
        encap: behind(line, "down(encap)=")?.parse().ok()?,
        decap: behind(line, "up(decap)=")?.parse().ok()?,
    })
}

impl Row {
    /// Cycles of a packet of this work; half of each where it is mixed.
    pub fn cycles(&self, work: Work) -> Option<f64> {
        match (work, self.is_swap) {
            (Work::Swap, true) | (Work::Encap, false) => Some(self.encap),
            (Work::Decap, false) => Some(self.decap),
            (Work::Mixed, false) => Some((self.encap + self.decap) / 2.0),
            _ => None,
        }
    }
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("run {name}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed: {errors}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_each_row_is_taken_and_a_bad_one_is_refused() {
        let line = |encap: f64, bad: u32| {
            format!(
                "line   N=    1000 bufs=1024  down(encap)={encap:.1}  up(decap)=45.0 tsc-cyc/pkt  (51.65 / 56.03 Mpps) bad={bad}\n"
            )
        };
        let text = [
            "EAL: something\n".to_owned(),
            line(60.0, 0).replace("line  ", "rteh  "),
            line(50.0, 0),
            line(52.0, 0),
            line(51.0, 0),
            line(60.0, 0).replace("line  ", "linenp"),
        ];
        let rows = rows(&text.concat()).expect("rows");
        let [row] = rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.bindings, row.encap, row.decap), (1_000, 51.0, 45.0));
        assert_eq!(row.cycles(Work::Mixed), Some(48.0));
        assert_eq!(row.cycles(Work::Swap), None);
        assert!(super::rows(&line(50.0, 3)).is_err());
    }
}
