//! Both planes of `dhpd`, the worker in the hand of whoever measures
//!
//! ```text
//! MemoryWire ─► worker ─► punt ring ─► control thread ─► inject ring ─► worker ─► MemoryWire
//!     └────────────────────── the measuring thread polls the worker ──────────────────┘
//! ```
//!
//! So two cores are enough: the control thread has one of its own, all else is on the other.

use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use core_affinity::CoreId;
use dhp_engine::{
    FrameBuf, FramePool, Link, PacketBuf, PortInfo, PuntRates, Worker, WorkerConfig, monotonic_ns,
};
use dhp_port_memory::{MemoryPort, MemoryWire};
use dhp_proto::security_association::SecurityAssociation;
use dhp_segment::{Counter, DropReason, Geometry, Segment};
use dhpd::bell::Bell;
use dhpd::clock::system_clock;
use dhpd::control::{self, ControlHandle};
use dhpd::signalling::Signalling;
use prometheus::Histogram;

use super::appliance::{ANCHOR, ETHERNET};
use super::latency::{Latencies, histogram};
use super::network;

const FRAMES: usize = 8192;

/// Where the planes run.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    measuring: CoreId,
    control: CoreId,
}

impl Cores {
    /// The last two: the first has the interrupts, mostly.
    ///
    /// # Errors
    /// There is only one.
    pub fn choose() -> anyhow::Result<Self> {
        let all = core_affinity::get_core_ids().unwrap_or_default();
        match all[..] {
            [.., measuring, control] => Ok(Self { measuring, control }),
            _ => Err(anyhow!("two cores are needed")),
        }
    }

    /// Has the calling thread, and those that it starts from now on, on the core that measures.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn measure_here(self) -> anyhow::Result<()> {
        run_on(self.measuring)
    }
}

/// Both planes at work.
pub struct Site {
    segment: Segment,
    worker: Worker<MemoryPort>,
    wire: MemoryWire,
    histogram: Histogram,
    control: ControlHandle,
    control_thread: JoinHandle<()>,
    frame: Vec<u8>,
}

impl Site {
    /// Start them, for these mobile nodes with one binding each. The calling thread is the measuring one from now on.
    ///
    /// # Errors
    /// A core, memory or a thread is not to be had.
    pub fn start(
        security_associations: Vec<SecurityAssociation>,
        rates: PuntRates,
        cores: Cores,
    ) -> anyhow::Result<Self> {
        let segment = Segment::anonymous(&Geometry {
            home_addresses: u32::try_from(security_associations.len())?,
            ..Geometry::default()
        })?;
        let histogram = histogram()?;
        let bell = Bell::new()?;
        let config = network::anchor(security_associations);
        // A worker that is polled sees answers without being woken.
        let wakes = Vec::new();
        let mut signalling = Signalling::new(
            &segment,
            config,
            system_clock(),
            wakes,
            [7; 32],
            histogram.clone(),
        )?;
        signalling.follow_network(&network::plan());
        run_on(cores.control)?;
        let (control, control_thread) = control::spawn(signalling, bell.clone())?;
        cores.measure_here()?;

        let info = PortInfo {
            name: "memory0".to_owned(),
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            link: Link::Ethernet,
            host_has_copy: true,
        };
        let (port, wire) = MemoryPort::new(info, FramePool::new(FRAMES, 2048), FRAMES / 2);
        let config = WorkerConfig {
            anchor_addresses: vec![ANCHOR],
            punt_rates: rates,
            ..WorkerConfig::default()
        };
        let worker = Worker::new(config, vec![port], None, segment.reader(0)?)?
            .with_punt_signal(move || bell.ring());
        Ok(Self {
            segment,
            worker,
            wire,
            histogram,
            control,
            control_thread,
            frame: ETHERNET.to_vec(),
        })
    }

    /// Put a packet on the wire. `false`: there is no room now.
    pub fn push(&mut self, packet: &[u8]) -> bool {
        self.frame.truncate(ETHERNET.len());
        self.frame.extend(packet);
        self.wire.push(&self.frame).is_ok()
    }

    /// One round of the worker, at the time that it is.
    pub fn poll(&mut self) -> u64 {
        let now_ns = monotonic_ns();
        self.worker.poll(now_ns);
        now_ns
    }

    /// A packet that the worker has sent.
    pub fn pop(&self) -> Option<Packet> {
        self.wire.pop_frame().map(Packet)
    }

    /// The times from punt to inject so far.
    pub fn latencies(&self) -> Latencies {
        Latencies::of(&self.histogram)
    }

    /// Packets that the worker has dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.segment.counters(0).drops(reason)
    }

    /// Packets that it has given to the control plane.
    pub fn punted(&self) -> u64 {
        let counters = self.segment.counters(0);
        counters.get(Counter::PuntedMobility) + counters.get(Counter::PuntedQuery)
    }

    /// Octets of memory that the segment has at most.
    pub fn segment_octets(&self) -> usize {
        self.segment.len_bytes()
    }

    /// Ask the control plane, between two of its turns.
    ///
    /// # Errors
    /// It has stopped.
    pub fn ask<T: Send + 'static>(
        &mut self,
        question: impl FnOnce(&mut Signalling) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        // It does not wait for a worker that stands still.
        self.worker.park();
        Ok(futures::executor::block_on(self.control.ask(question))?)
    }

    /// End both planes.
    ///
    /// # Errors
    /// The control plane panicked.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.worker.park();
        self.control.stop();
        let ended = self.control_thread.join();
        ended.map_err(|_| anyhow!("the control plane panicked"))
    }
}

/// A packet that left the worker.
pub struct Packet(FrameBuf);

impl Packet {
    /// From its IPv6 header on.
    pub fn octets(&self) -> &[u8] {
        self.0.bytes().get(ETHERNET.len()..).unwrap_or_default()
    }
}

fn run_on(core: CoreId) -> anyhow::Result<()> {
    core_affinity::set_for_current(core)
        .then_some(())
        .with_context(|| format!("cannot run on core {}", core.id))
}
