//! A worker in the hand of whoever measures
//!
//! ```text
//! MemoryWire ─► worker ─► punt ring ─► control thread ─► inject ring ─► worker ─► MemoryWire
//!     └────────────────────── the measuring thread polls the worker ──────────────────┘
//! ```
//!
//! So two cores are enough: the control thread has one of its own, all else is on the other.

use dhp_engine::{FramePool, Link, PortInfo, PuntRates, Worker, WorkerConfig};
use dhp_port_memory::{MemoryPort, MemoryWire};
use dhp_segment::Segment;
use dhpd::bell::Bell;

use super::appliance::{ANCHOR, ETHERNET};
use super::site::{Packet, Wire};

const FRAMES: usize = 8192;

/// The worker, and the wire of its port in memory.
pub struct InMemory {
    worker: Worker<MemoryPort>,
    wire: MemoryWire,
    frame: Vec<u8>,
}

impl InMemory {
    /// A worker of this segment that rings the bell of the control plane.
    ///
    /// # Errors
    /// The segment has no worker 0 that is free.
    pub fn new(segment: &Segment, rates: PuntRates, bell: Bell) -> anyhow::Result<Self> {
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
            worker,
            wire,
            frame: ETHERNET.to_vec(),
        })
    }
}

impl Wire for InMemory {
    fn push(&mut self, packet: &[u8]) -> bool {
        self.frame.truncate(ETHERNET.len());
        self.frame.extend(packet);
        self.wire.push(&self.frame).is_ok()
    }

    /// One round of the worker.
    fn poll(&mut self, now_ns: u64) {
        self.worker.poll(now_ns);
    }

    fn pop(&mut self) -> Option<Packet> {
        self.wire.pop_frame().map(Packet)
    }

    /// None: what has no room is not taken.
    fn missed(&self) -> u64 {
        0
    }

    /// The control plane does not wait for a worker that stands still.
    fn let_go(&mut self) {
        self.worker.park();
    }

    fn stop(self) -> anyhow::Result<()> {
        Ok(())
    }
}
