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

/// The handoffs a second that may not slow forwarding down.
const PACE: u32 = 100_000;
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
    pub fn round(&mut self, number: u16, samples: &mut Samples) -> anyhow::Result<()> {
        let core = self.cores.first().context("no core")?.id;
        let bindings: Vec<u32> = self.sizes.iter().map(|size| size.plan.bindings).collect();
        let rows = match self.limit {
            Some(limit) => limit.run(&bindings)?,
            None => Vec::new(),
        };
        if let Some(memory) = self.testpmd {
            match testpmd::run(core, memory)? {
                Some(cycles) => samples.push("testpmd.macfwd.cycles", cycles),
                None => println!("testpmd does not tell its cycles, and has failed, perhaps"),
            }
        }
        if let Some(cycles) = rows.iter().find_map(|row| row.cycles(Work::Swap)) {
            samples.push("limit.swap.cycles", cycles);
        }
        let ghz = self.window.ghz;
        let mut smallest: [Option<f64>; 3] = [None; 3];
        for size in self.sizes.iter_mut() {
            let n = size.plan.bindings;
            // The first pass after another size finds the caches full of that.
            size.quiet(Work::Mixed, self.window)?;
            let swap = size.quiet(Work::Swap, self.window)?;
            samples.push(format!("swap.{n}.cycles"), swap * ghz);
            for (work, smallest) in Work::OF_WORKERS.into_iter().zip(&mut smallest) {
                // By turns, so that what drifts does not favour one of them.
                let changed_first = number % 2 == 1;
                let mut changed = None;
                if self.changes && changed_first {
                    changed = Some(size.changing(work, self.window, Pace::PerSecond(PACE))?);
                }
                let quiet = size.quiet(work, self.window)? * ghz;
                if self.changes && !changed_first {
                    changed = Some(size.changing(work, self.window, Pace::PerSecond(PACE))?);
                }
                let name = |what: &str| format!("{}.{n}.{what}", work.name());
                samples.push(name("cycles"), quiet);
                samples.push(name("mpps"), 1e3 * ghz / quiet);
                if let Some(limit) = limit_of(&rows, n, work) {
                    samples.push(name("limit_cycles"), limit);
                    samples.push(name("times_limit"), quiet / limit);
                }
                if let Some((nanoseconds, changes)) = changed {
                    samples.push(name("changed_cycles"), nanoseconds * ghz);
                    samples.push(name("times_unchanged"), nanoseconds * ghz / quiet);
                    samples.push(format!("changes.{n}.paced_per_second"), changes);
                }
                match smallest {
                    Some(smallest) => samples.push(name("times_1000"), quiet / *smallest),
                    None if n == 1_000 => *smallest = Some(quiet),
                    None => {}
                }
            }
            if self.changes {
                let most = size.most_changes(self.window, SPELL)?;
                samples.push(format!("changes.{n}.per_second"), most);
                size.look_closely(self.window, SPELL)?;
            }
            for workers in 2..=self.workers {
                let times = times_one(size, &self.cores[..workers], self.window)?;
                samples.push(format!("workers.{workers}.mixed.{n}.times_one"), times);
            }
        }
        Ok(())
    }
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
