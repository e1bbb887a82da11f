//! The workers under test

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Context;
use core_affinity::CoreId;
use dhp_engine::{FramePool, RunError, WakeFd, Worker, WorkerConfig};
use dhp_port_afpacket::{AfPacketPort, KernelGuard, Profile};
use dhp_segment::{CounterSnapshot, Segment};

use super::plan::{ANCHOR, PORTS, Plan};
use crate::namespace::Namespace;

/// Frames in the ring of each port.
const RING_FRAMES: usize = 4096;
/// Frames of each worker: what a round receives, makes and has queued.
const POOL_FRAMES: usize = 1024;
const FRAME_OCTETS: usize = 2048;

/// Running workers, and the guard that keeps the kernel from forwarding as well.
#[derive(Debug)]
pub struct Appliance {
    segment: Segment,
    stop: Arc<AtomicBool>,
    workers: Vec<(WakeFd, JoinHandle<Result<(), RunError>>)>,
    _guard: KernelGuard,
}

impl Appliance {
    /// Start `workers` workers, on as many of the `cores`.
    pub fn start(
        plan: &Plan,
        inside: &Namespace,
        workers: usize,
        cores: &[CoreId],
    ) -> anyhow::Result<Self> {
        let segment = plan.segment(u32::try_from(workers)?)?;
        let guard = inside.run(|| KernelGuard::new(Profile::Anchor, &PORTS))??;
        let pools: Vec<_> = (0..workers)
            .map(|_| FramePool::new(POOL_FRAMES, FRAME_OCTETS))
            .collect();
        let mut ports: Vec<Vec<AfPacketPort>> = (0..workers).map(|_| Vec::new()).collect();
        for name in PORTS {
            let queues = inside.run(|| AfPacketPort::open(name, &pools, RING_FRAMES))??;
            for (of_worker, queue) in ports.iter_mut().zip(queues) {
                of_worker.push(queue);
            }
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = Vec::with_capacity(workers);
        for (number, ports) in ports.into_iter().enumerate() {
            let config = WorkerConfig {
                worker: u32::try_from(number)?,
                core: cores.get(number).map(|core| core.id),
                anchor_addresses: vec![ANCHOR],
                ..WorkerConfig::default()
            };
            let reader = segment.reader(config.worker)?;
            let mut worker = Worker::new(config, ports, None, reader)?;
            let wake = WakeFd::new()?;
            let (stopped, bell) = (Arc::clone(&stop), wake.clone());
            let thread = std::thread::Builder::new()
                .name(format!("worker{number}"))
                .spawn(move || worker.run(&stopped, &bell))
                .context("start a worker")?;
            running.push((wake, thread));
        }
        Ok(Self {
            segment,
            stop,
            workers: running,
            _guard: guard,
        })
    }

    /// The counters of each worker.
    pub fn counters(&self) -> Vec<CounterSnapshot> {
        (0..self.segment.geometry().workers)
            .map(|worker| self.segment.counters(worker))
            .collect()
    }

    /// Stop the workers.
    pub fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Release);
        for (wake, thread) in self.workers {
            wake.wake();
            match thread.join() {
                Ok(done) => done?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(())
    }
}
