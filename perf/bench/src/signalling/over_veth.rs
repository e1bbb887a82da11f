//! A worker that runs by itself, on an AF_PACKET port; the mobile nodes are at the other end of its link
//!
//! ```text
//!  outside: mobile nodes, storm            inside: appliance
//!   AfPacketPort ─ access1 ════ veth ════ access0 ─ AfPacketPort ─ worker ─ punt ring ─ control thread
//! ```
//!
//! The measuring thread has a core of its own. Worker and control thread, which sleep when they have nothing to do, share the other.

use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Context;
use dhp_engine::{Batch, FrameBuf, FramePool, Port, RunError, WakeFd, Worker, WorkerConfig};
use dhp_port_afpacket::{AfPacketPort, KernelGuard, MissedFrames, Profile};
use dhp_segment::Segment;
use dhpd::bell::Bell;

use super::appliance::{ANCHOR, ETHERNET};
use super::site::{Cores, Packet, Wire, run_on};
use crate::namespace::Namespace;

/// Frames in the ring of the appliance's port, about.
const RING_FRAMES: usize = 8_192;
const POOL_FRAMES: usize = 4_096;
const FRAME_OCTETS: usize = 2_048;
const INSIDE: &str = "access0";
const OUTSIDE: &str = "access1";

/// The worker, and the far end of its link.
pub struct OverVeth {
    stop: Arc<AtomicBool>,
    wake: WakeFd,
    worker: JoinHandle<Result<(), RunError>>,
    missed: Arc<MissedFrames>,
    port: AfPacketPort,
    batch: Batch<FrameBuf>,
    received: VecDeque<FrameBuf>,
    pool: FramePool,
    frame: Vec<u8>,
    /// The kernel does not answer what the worker handles.
    _guard: KernelGuard,
    _namespaces: [Namespace; 2],
}

impl OverVeth {
    /// Two namespaces, a link between them, and a worker that `wake` wakes.
    ///
    /// # Errors
    /// Without the right to make network namespaces, or when a step of the setup is refused.
    pub fn new(segment: &Segment, cores: Cores, wake: WakeFd, bell: Bell) -> anyhow::Result<Self> {
        let [inside, outside] = [Namespace::new()?, Namespace::new()?];
        inside.connect(INSIDE, &outside, OUTSIDE)?;
        let [to, from] = link_addresses();
        for (namespace, name, address) in [(&inside, INSIDE, to), (&outside, OUTSIDE, from)] {
            namespace.ip(&format!("link set {name} address {address}"))?;
            // A kernel that takes part would solicit and answer.
            let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
            namespace
                .run(|| fs::write(&path, "1"))?
                .with_context(|| format!("write {path}"))?;
        }
        let guard = inside.run(|| KernelGuard::new(Profile::Anchor, &[INSIDE]))??;
        let open = |namespace: &Namespace, name: &'static str| -> anyhow::Result<_> {
            let pool = FramePool::new(POOL_FRAMES, FRAME_OCTETS);
            let pools = [pool.clone()];
            let ports = namespace.run(|| AfPacketPort::open(name, &pools, RING_FRAMES))??;
            let port = ports.into_iter().next().context("no queue")?;
            Ok((port, pool))
        };
        let (anchor, _) = open(&inside, INSIDE)?;
        let (port, pool) = open(&outside, OUTSIDE)?;

        let missed = Arc::clone(anchor.missed());
        let config = WorkerConfig {
            anchor_addresses: vec![ANCHOR],
            ..WorkerConfig::default()
        };
        let mut worker = Worker::new(config, vec![anchor], None, segment.reader(0)?)?
            .with_punt_signal(move || bell.ring());
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, woken) = (Arc::clone(&stop), wake.clone());
        run_on(cores.control)?;
        let worker = std::thread::Builder::new()
            .name("worker0".to_owned())
            .spawn(move || worker.run(&stopped, &woken))?;
        cores.measure_here()?;
        Ok(Self {
            stop,
            wake,
            worker,
            missed,
            port,
            batch: Batch::new(),
            received: VecDeque::new(),
            pool,
            frame: ETHERNET.to_vec(),
            _guard: guard,
            _namespaces: [inside, outside],
        })
    }
}

impl Wire for OverVeth {
    fn push(&mut self, packet: &[u8]) -> bool {
        self.frame.truncate(ETHERNET.len());
        self.frame.extend(packet);
        let frame = self.pool.alloc_copy(&self.frame);
        frame.is_some_and(|frame| self.port.tx(frame).is_ok())
    }

    fn poll(&mut self, _now_ns: u64) {
        self.port.flush();
        self.port.rx_burst(&mut self.batch);
        self.received.extend(self.batch.drain());
    }

    fn pop(&mut self) -> Option<Packet> {
        self.received.pop_front().map(Packet)
    }

    fn missed(&self) -> u64 {
        self.missed.count()
    }

    fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Release);
        self.wake.wake();
        match self.worker.join() {
            Ok(ended) => Ok(ended?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Those of [`ETHERNET`], destination first, as `ip` takes them.
fn link_addresses() -> [String; 2] {
    let text = |octets: &[u8]| {
        let octets: Vec<_> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        octets.join(":")
    };
    let (to, rest) = ETHERNET.split_at(6);
    [text(to), text(rest.get(..6).unwrap_or_default())]
}
