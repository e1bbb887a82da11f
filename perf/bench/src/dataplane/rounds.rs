//! The rounds: everything that is compared, one after the other, again and again

use std::time::Duration;

use anyhow::Context;
use core_affinity::CoreId;

use super::limit::{Limit, Row};
use super::rings::Work;
use super::samples::Samples;
use super::size::{Size, Window};
use super::testpmd;
use crate::changes::Pace;
use crate::statistics::Spread;

/// The handoffs a second that may not slow forwarding down.
const PACE: u32 = 100_000;
/// As often as the limit repeats each of its rows.
const REPETITIONS: usize = 3;
/// For each part that is measured by time.
const SPELL: Duration = Duration::from_millis(300);

/// What takes part.
pub struct Rounds<'a> {
    pub sizes: &'a mut [Size],
    pub limit: Option<&'a Limit>,
    /// DPDK's options of memory, if testpmd is there.
    pub testpmd: Option<&'a [&'a str]>,
    pub window: Window,
    /// Of the workers; the writer is on the second one.
    pub cores: &'a [CoreId],
    pub changes: bool,
    pub workers: usize,
}

impl Rounds<'_> {
    /// One round, on the record.
    ///
    /// # Errors
    /// A program fails, or packets are lost or wrong.
    pub fn round(&mut self, samples: &mut Samples) -> anyhow::Result<()> {
        let rows = self.others(samples)?;
        let mut smallest = [None; Work::OF_WORKERS.len()];
        for size in self.sizes.iter_mut() {
            let n = size.plan.bindings;
            // The first passes after another size find the caches full of that.
            size.quiet(Work::Mixed, self.window)?;
            let swap = size.quiet(Work::Swap, self.window)? * self.window.ghz;
            samples.push(format!("swap.{n}.cycles"), swap);
            for (work, smallest) in Work::OF_WORKERS.into_iter().zip(&mut smallest) {
                let cycles = measure(size, work, self.window, self.changes, samples)?;
                let name = |what: &str| format!("{}.{n}.{what}", work.name());
                if let Some(limit) = limit_of(&rows, n, work) {
                    samples.push(name("limit_cycles"), limit);
                    samples.push(name("times_limit"), cycles / limit);
                }
                match smallest {
                    Some(smallest) => samples.push(name("times_1000"), cycles / *smallest),
                    None if n == 1_000 => *smallest = Some(cycles),
                    None => {}
                }
            }
            if self.changes {
                let most = size.most_changes(self.window, SPELL)?;
                samples.push(format!("changes.{n}.per_second"), most);
                size.look_closely(self.window, SPELL)?;
            }
            for workers in 2..=self.workers {
                let cores = self.cores.get(..workers).context("too few cores")?;
                let times = times_one(size, cores, self.window)?;
                samples.push(format!("workers.{workers}.mixed.{n}.times_one"), times);
            }
        }
        Ok(())
    }

    /// The limit and testpmd. Gives the rows of the former.
    fn others(&self, samples: &mut Samples) -> anyhow::Result<Vec<Row>> {
        let core = self.cores.first().context("no core")?.id;
        let bindings: Vec<u32> = self.sizes.iter().map(|size| size.plan.bindings).collect();
        let rows = match self.limit {
            Some(limit) => limit.run(&bindings)?,
            None => Vec::new(),
        };
        if let Some(cycles) = rows.iter().find_map(|row| row.cycles(Work::Swap)) {
            samples.push("limit.swap.cycles", cycles);
        }
        if let Some(memory) = self.testpmd {
            match testpmd::run(core, memory)? {
                Some(cycles) => samples.push("testpmd.macfwd.cycles", cycles),
                None => println!("testpmd does not tell its cycles, and has failed, perhaps"),
            }
        }
        Ok(rows)
    }
}

/// Cycles of a packet, the middle one of the repetitions, with nothing else going on. With `changes` each repetition has one beside
/// it in which bindings change: by turns before and behind it, so that what drifts does not favour one of them.
fn measure(
    size: &mut Size,
    work: Work,
    window: Window,
    changes: bool,
    samples: &mut Samples,
) -> anyhow::Result<f64> {
    let n = size.plan.bindings;
    let (mut quiet, mut changed, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for repetition in 0..REPETITIONS {
        let mut with_changes = |size: &mut Size| -> anyhow::Result<f64> {
            let (cycles, changes) = size.changing(work, window, Pace::PerSecond(PACE))?;
            samples.push(format!("changes.{n}.paced_per_second"), changes);
            Ok(cycles * window.ghz)
        };
        let before = match changes && repetition % 2 == 1 {
            true => Some(with_changes(size)?),
            false => None,
        };
        let cycles = size.quiet(work, window)? * window.ghz;
        let beside = match before {
            None if changes => Some(with_changes(size)?),
            before => before,
        };
        quiet.push(cycles);
        changed.extend(beside);
        ratios.extend(beside.map(|beside| beside / cycles));
    }
    let name = |what: &str| format!("{}.{n}.{what}", work.name());
    let middle = |values: &[f64]| Spread::of(values).map(|spread| spread.median);
    let cycles = middle(&quiet).context("nothing was measured")?;
    samples.push(name("cycles"), cycles);
    samples.push(name("mpps"), 1e3 * window.ghz / cycles);
    for (what, values) in [("changed_cycles", changed), ("times_unchanged", ratios)] {
        if let Some(value) = middle(&values) {
            samples.push(name(what), value);
        }
    }
    Ok(cycles)
}

fn limit_of(rows: &[Row], bindings: u32, work: Work) -> Option<f64> {
    let mut of_size = rows.iter().filter(|row| row.bindings == bindings);
    of_size.find_map(|row| row.cycles(work))
}

/// What workers on all these cores forward at once, in terms of what one of them forwards alone.
fn times_one(size: &mut Size, cores: &[CoreId], window: Window) -> anyhow::Result<f64> {
    let mut alone = 0.0;
    for worker in 0..cores.len() {
        let rates = size.together(&[worker], cores, Work::Mixed, window, SPELL)?;
        alone += rates.iter().sum::<f64>();
    }
    let all: Vec<usize> = (0..cores.len()).collect();
    let together = size.together(&all, cores, Work::Mixed, window, SPELL)?;
    Ok(together.iter().sum::<f64>() * cores.len() as f64 / alone)
}
