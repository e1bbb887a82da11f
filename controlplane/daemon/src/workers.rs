//! The forwarding threads on their ports

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use dhp_engine::{FramePool, PuntRates, RunError, WakeFd, Worker, WorkerConfig};
use dhp_port_afpacket::{AfPacketPort, Interface, LinuxPort, SetupError, TunPort};
use tokio::sync::mpsc;

use crate::config::{Config, HostFacts};
use crate::control_plane::{ControlPlane, JoinError};

/// Frames of each worker, for all its ports.
const FRAMES: usize = 8192;
/// Frames of each port's receive ring.
const RING_FRAMES: usize = 2048;
/// Octets of a frame for links of up to 1500 octets, and for jumbo frames.
const FRAME_OCTETS: usize = 2048;
const JUMBO_FRAME_OCTETS: usize = 9728;

/// Why the workers cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// A port cannot be opened.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The control plane does not take a worker.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The control plane was made for fewer workers.
    #[error("the control plane has no worker {0}")]
    NoWake(u32),
    /// No thread.
    #[error("cannot start a worker: {0}")]
    Thread(#[from] std::io::Error),
}

/// A worker that has ended, though nobody told it to.
#[derive(Debug)]
pub struct WorkerEnded {
    /// Its number.
    pub worker: u32,
    /// Why; `None`: a panic, which the log shows.
    pub error: Option<RunError>,
}

/// The running workers.
pub struct Workers {
    stop: Arc<AtomicBool>,
    wakes: Vec<WakeFd>,
    threads: Vec<JoinHandle<()>>,
}

/// The core of each worker: as configured, or the last ones of this process.
pub fn cores(config: &Config, facts: &HostFacts) -> Vec<Option<usize>> {
    let count = usize::try_from(config.workers.count).unwrap_or(usize::MAX);
    match &config.workers.cores {
        Some(cores) => cores.iter().copied().map(Some).collect(),
        None => {
            let spare = facts.cores.len().saturating_sub(count);
            let last = facts.cores.iter().skip(spare).copied().map(Some);
            last.chain(std::iter::repeat(None)).take(count).collect()
        }
    }
}

/// What one of several workers may punt. Whose packets come to which worker is up to the network card, so that only the totals
/// are divided.
fn share(rates: PuntRates, workers: u32) -> PuntRates {
    let share = |total: u32| total.div_ceil(workers.max(1));
    PuntRates {
        known: share(rates.known),
        unknown: share(rates.unknown),
        ..rates
    }
}

/// The exception interface takes whatever a port takes.
fn host_mtu(config: &Config) -> Result<u16, SetupError> {
    let mut largest = 1280;
    for port in &config.ports {
        largest = largest.max(Interface::find(&port.interface)?.mtu);
    }
    Ok(largest)
}

/// All ports of each worker, the host port last.
fn open_ports(config: &Config) -> Result<Vec<Vec<LinuxPort>>, WorkersError> {
    let host_mtu = host_mtu(config)?;
    let octets = if usize::from(host_mtu) <= 1500 {
        FRAME_OCTETS
    } else {
        JUMBO_FRAME_OCTETS
    };
    let pools: Vec<FramePool> = (0..config.workers.count)
        .map(|_| FramePool::new(FRAMES, octets))
        .collect();
    let mut ports: Vec<Vec<LinuxPort>> = pools.iter().map(|_| Vec::new()).collect();
    for port in &config.ports {
        let queues = AfPacketPort::open(&port.interface, &pools, RING_FRAMES)?;
        for (worker, queue) in ports.iter_mut().zip(queues) {
            worker.push(queue.into());
        }
    }
    for (worker, queue) in
        ports
            .iter_mut()
            .zip(TunPort::open(&config.host_interface, host_mtu, &pools)?)
    {
        worker.push(queue.into());
    }
    Ok(ports)
}

impl Workers {
    /// Open the ports and start a thread for each worker. `ended` hears of those
    /// that end by themselves.
    ///
    /// # Errors
    /// [`WorkersError`]; what has been started is stopped again.
    pub fn start(
        config: &Config,
        cores: &[Option<usize>],
        control: &ControlPlane,
        ended: &mpsc::UnboundedSender<WorkerEnded>,
    ) -> Result<Self, WorkersError> {
        let mut workers = Self {
            stop: Arc::default(),
            wakes: Vec::new(),
            threads: Vec::new(),
        };
        for ((number, ports), core) in (0..).zip(open_ports(config)?).zip(cores) {
            let host_port = ports.len().checked_sub(1);
            let settings = WorkerConfig {
                worker: number,
                core: *core,
                anchor_addresses: vec![config.anchor.address],
                transit: config.workers.transit,
                tcp_mss_clamp: config.workers.tcp_mss_clamp,
                icmp_errors: config.rates.icmp_errors,
                punt_rates: share(config.rates.punts, config.workers.count),
                reassembly_packets: config.limits.reassembly,
                ..WorkerConfig::default()
            };
            let wake = control.wake(number).ok_or(WorkersError::NoWake(number))?;
            let worker = control.join(settings, ports, host_port)?;
            workers.spawn(number, worker, wake.clone(), ended.clone())?;
        }
        Ok(workers)
    }

    fn spawn(
        &mut self,
        number: u32,
        mut worker: Worker<LinuxPort>,
        wake: WakeFd,
        ended: mpsc::UnboundedSender<WorkerEnded>,
    ) -> std::io::Result<()> {
        let stop = Arc::clone(&self.stop);
        self.wakes.push(wake.clone());
        let thread = std::thread::Builder::new()
            .name(format!("dhpd-worker-{number}"))
            .spawn(move || {
                // Sent when the thread ends, by a panic too.
                let mut report = EndReport {
                    worker: number,
                    error: None,
                    stop: Arc::clone(&stop),
                    ended,
                };
                report.error = worker.run(&stop, &wake).err();
            })?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for wake in &self.wakes {
            wake.wake();
        }
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so.
            let _ = thread.join();
        }
    }
}

struct EndReport {
    worker: u32,
    error: Option<RunError>,
    stop: Arc<AtomicBool>,
    ended: mpsc::UnboundedSender<WorkerEnded>,
}

impl Drop for EndReport {
    fn drop(&mut self) {
        if self.stop.load(Ordering::Acquire) && self.error.is_none() {
            return;
        }
        // Nobody listens any more only when the daemon ends anyway.
        let _ = self.ended.send(WorkerEnded {
            worker: self.worker,
            error: self.error.take(),
        });
    }
}
