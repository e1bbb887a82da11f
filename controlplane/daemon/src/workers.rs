//! The forwarding threads on their ports

#[cfg(feature = "dpdk")]
mod dpdk_ports;
mod linux_ports;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use dhp_engine::{
    IdlePolicy, Port, PuntRates, RunError, WakeFd, Worker, WorkerConfig, WorkerError,
};
use dhp_port_afpacket::SetupError;
use tokio::sync::mpsc;

use crate::config::{Config, Driver, HostFacts, Idle};
use crate::control_plane::{ControlPlane, JoinError};
use crate::ports::PortWatch;

/// Octets of a packet's buffer for links of up to 1500 octets, and for jumbo frames.
const FRAME_OCTETS: u16 = 2048;
const JUMBO_FRAME_OCTETS: u16 = 9728;

/// Why the workers cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// A port cannot be opened.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A port of DPDK's cannot be opened.
    #[cfg(feature = "dpdk")]
    #[error(transparent)]
    Dpdk(#[from] dhp_port_dpdk::DpdkError),
    /// The configuration wants DPDK.
    #[cfg(not(feature = "dpdk"))]
    #[error("this dhpd was built without DPDK; remedy: cargo build --release --features dpdk")]
    NoDpdk,
    /// The control plane does not take a worker.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The worker does not take its ports.
    #[error(transparent)]
    Worker(#[from] WorkerError),
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
    watches: Vec<PortWatch>,
    /// Ends behind the threads.
    #[cfg(feature = "dpdk")]
    _dpdk: Option<dhp_port_dpdk::Eal>,
}

/// The ports of all workers.
struct Ports<P> {
    /// Of each worker: the links in the order of the configuration, their exception ports in the same order if they have any,
    /// and last the port to the host kernel.
    of_workers: Vec<Vec<P>>,
    /// A link's number and that of its exception port.
    exceptions: Vec<(usize, usize)>,
    /// Of the links, in the order of the configuration.
    watches: Vec<PortWatch>,
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
        bound: share(rates.bound),
        handoffs: share(rates.handoffs),
        known: share(rates.known),
        unknown: share(rates.unknown),
        ..rates
    }
}

/// What each worker needs to start.
#[derive(Clone, Copy)]
struct Starting<'a> {
    config: &'a Config,
    cores: &'a [Option<usize>],
    control: &'a ControlPlane,
    ended: &'a mpsc::UnboundedSender<WorkerEnded>,
}

/// The length of a packet's buffer where the largest link has this MTU.
fn frame_octets(mtu: u16) -> u16 {
    match mtu {
        ..=1500 => FRAME_OCTETS,
        _ => JUMBO_FRAME_OCTETS,
    }
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
            watches: Vec::new(),
            #[cfg(feature = "dpdk")]
            _dpdk: None,
        };
        let starting = Starting {
            config,
            cores,
            control,
            ended,
        };
        if config
            .ports
            .iter()
            .all(|port| port.driver == Driver::AfPacket)
        {
            workers.start_on(linux_ports::open(config)?, &starting)?;
            return Ok(workers);
        }
        #[cfg(feature = "dpdk")]
        {
            let (eal, ports) = dpdk_ports::open(config)?;
            workers._dpdk = Some(eal);
            workers.start_on(ports, &starting)?;
            Ok(workers)
        }
        #[cfg(not(feature = "dpdk"))]
        Err(WorkersError::NoDpdk)
    }

    /// What to look at to know how the links are. There once.
    pub fn take_watches(&mut self) -> Vec<PortWatch> {
        std::mem::take(&mut self.watches)
    }

    fn start_on<P: Port + Send + 'static>(
        &mut self,
        ports: Ports<P>,
        starting: &Starting<'_>,
    ) -> Result<(), WorkersError>
    where
        P::Buf: Send,
    {
        let Starting {
            config,
            cores,
            control,
            ended,
        } = *starting;
        self.watches = ports.watches;
        for ((number, of_worker), core) in (0..).zip(ports.of_workers).zip(cores) {
            let host_port = of_worker.len().checked_sub(1);
            let settings = WorkerConfig {
                worker: number,
                core: *core,
                anchor_addresses: vec![config.anchor.address],
                transit: config.workers.transit,
                correspondents: config.correspondents.clone(),
                tcp_mss_clamp: config.workers.tcp_mss_clamp,
                icmp_errors: config.rates.icmp_errors,
                punt_rates: share(config.rates.punts, config.workers.count),
                code_points: config.signalling.code_points,
                reassembly_packets: config.limits.reassembly,
                idle: match config.workers.idle {
                    Idle::Poll => IdlePolicy::Poll,
                    Idle::Sleep => IdlePolicy::default(),
                },
                ..WorkerConfig::default()
            };
            let wake = control.wake(number).ok_or(WorkersError::NoWake(number))?;
            let mut worker = control.join(settings, of_worker, host_port)?;
            for (port, exception) in &ports.exceptions {
                worker = worker.with_exception_port(*port, *exception)?;
            }
            self.spawn(number, worker, wake.clone(), ended.clone())?;
        }
        Ok(())
    }

    fn spawn<P: Port + Send + 'static>(
        &mut self,
        number: u32,
        mut worker: Worker<P>,
        wake: WakeFd,
        ended: mpsc::UnboundedSender<WorkerEnded>,
    ) -> std::io::Result<()>
    where
        P::Buf: Send,
    {
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
