//! One number of bindings: its segment, its workers, its writer

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use core_affinity::CoreId;
use dhp_engine::BATCH_SIZE;
use dhp_port_dpdk::Eal;

use super::rings::{Currency, Rig, Ring, Work};
use crate::bindings::Plan;
use crate::changes::{Ledger, Pace, WriterThread};
use crate::statistics::Spread;

/// Workers on rings of their own, on one segment.
pub struct Size {
    pub plan: Plan,
    pub octets_per_binding: f64,
    rigs: Vec<Rig>,
    writer: WriterThread,
}

/// How a repetition is measured.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Frames of a pass.
    pub frames: usize,
    pub passes: u16,
    /// Cycles of a nanosecond.
    pub ghz: f64,
}

impl Size {
    /// `number`: in the names of the devices, different for each size. `writer_core`: where the writer is.
    pub fn new(
        eal: &Eal,
        plan: Plan,
        number: usize,
        workers: u32,
        writer_core: CoreId,
    ) -> anyhow::Result<Self> {
        let rings: Vec<Ring> = (0..workers)
            .map(|worker| Ring::new(eal, format!("net_ring_{number}_{worker}")))
            .collect::<anyhow::Result<_>>()?;
        let mac = rings.first().context("no worker")?.mac;
        let bound = plan.bind(workers, mac)?;
        let octets_per_binding = bound.segment.len_bytes() as f64 / f64::from(plan.bindings);
        let ledger = Arc::new(Ledger::new(plan.bindings));
        let rigs = (0..)
            .zip(rings)
            .map(|(worker, ring)| {
                let reader = bound.segment.reader(worker)?;
                Rig::new(ring, plan, reader, Arc::clone(&ledger))
            })
            .collect::<anyhow::Result<_>>()?;
        let writer = WriterThread::start(plan, bound, ledger, Some(writer_core));
        Ok(Self {
            plan,
            octets_per_binding,
            rigs,
            writer,
        })
    }

    /// Nanoseconds of a packet of the first worker in one repetition, on the calling thread.
    pub fn quiet(&mut self, work: Work, window: Window) -> anyhow::Result<f64> {
        let rig = self.rigs.first_mut().context("no worker")?;
        rig.enter_thread();
        let mut total = Duration::ZERO;
        for _ in 0..window.passes {
            total += rig.pass(work, window.frames)?;
        }
        rig.park();
        let packets = usize::from(window.passes) * window.frames;
        Ok(nanoseconds(total, packets))
    }

    /// As [`quiet`](Self::quiet), while the writer changes bindings; and how many a second it did.
    pub fn changing(
        &mut self,
        work: Work,
        window: Window,
        pace: Pace,
    ) -> anyhow::Result<(f64, f64)> {
        let (before, started) = (self.writer.changes(), Instant::now());
        self.writer.set(pace);
        let measured = self.quiet(work, window);
        self.writer.set(Pace::Paused);
        let changes = self.writer.changes() - before;
        Ok((measured?, changes as f64 / started.elapsed().as_secs_f64()))
    }

    /// Changes in a second as fast as the writer can, while the first worker forwards both ways.
    pub fn most_changes(&mut self, window: Window, at_least: Duration) -> anyhow::Result<f64> {
        let (before, started) = (self.writer.changes(), Instant::now());
        self.writer.set(Pace::Unbounded);
        let mut done = Ok(0.0);
        while done.is_ok() && started.elapsed() < at_least {
            done = self.quiet(Work::Mixed, window);
        }
        let changes = self.writer.changes() - before;
        let taken = started.elapsed();
        self.writer.set(Pace::Paused);
        done.map(|_| changes as f64 / taken.as_secs_f64())
    }

    /// Look at packets one batch after the other, under as many changes as there can be: what is not current for longer than a
    /// batch takes is seen.
    pub fn look_closely(&mut self, window: Window, at_least: Duration) -> anyhow::Result<()> {
        let closely = Window {
            frames: BATCH_SIZE,
            passes: 128,
            ..window
        };
        self.most_changes(closely, at_least).map(drop)
    }

    /// Packets a second of each of the workers of which the number is in `which`, all at once, each on its core. Their rings are
    /// filled and looked at in between by the same threads, so that each core is busy all the time.
    pub fn together(
        &mut self,
        which: &[usize],
        cores: &[CoreId],
        work: Work,
        window: Window,
        time: Duration,
    ) -> anyhow::Result<Vec<f64>> {
        let (stop, together) = (AtomicBool::new(false), Barrier::new(which.len()));
        let (stop, together) = (&stop, &together);
        std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .rigs
                .iter_mut()
                .zip(cores)
                .enumerate()
                .filter(|(number, _)| which.contains(number))
                .map(|(_, (rig, core))| {
                    scope.spawn(move || {
                        core_affinity::set_for_current(*core);
                        rig.enter_thread();
                        let warm = rig.pass(work, window.frames);
                        together.wait();
                        warm?;
                        let rate = rate(rig, work, window.frames, time, stop);
                        stop.store(true, Ordering::Relaxed);
                        rig.park();
                        rate
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .map_err(|_| anyhow!("a worker has panicked"))?
                })
                .collect()
        })
    }

    /// What was seen in all passes so far.
    pub fn currency(&self) -> Currency {
        let mut sum = Currency::default();
        for rig in &self.rigs {
            sum.checked += rig.currency.checked;
            sum.stale += rig.currency.stale;
        }
        sum
    }

    /// Ends the writer, and says what it has met.
    pub fn finish(self) -> anyhow::Result<()> {
        self.writer.stop()
    }
}

/// Packets a second in the middle one of the passes, until the first of all workers has made passes for so long.
fn rate(
    rig: &mut Rig,
    work: Work,
    frames: usize,
    time: Duration,
    stop: &AtomicBool,
) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut passes = Vec::new();
    while passes.is_empty() || (started.elapsed() < time && !stop.load(Ordering::Relaxed)) {
        passes.push(nanoseconds(rig.pass(work, frames)?, frames));
    }
    let middle = Spread::of(&passes).context("nothing was measured")?.median;
    Ok(1e9 / middle)
}

fn nanoseconds(total: Duration, packets: usize) -> f64 {
    total.as_secs_f64() * 1e9 / packets.max(1) as f64
}
