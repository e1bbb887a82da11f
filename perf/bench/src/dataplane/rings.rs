//! A worker and its ring, and one pass of all frames

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use dhp_engine::{Batch, PacketBuf, Port, Worker, WorkerConfig, monotonic_ns};
use dhp_port_dpdk::{DeviceSettings, DpdkDevice, DpdkPort, Eal, Mbuf, Mempool};
use dhp_segment::Reader;

use crate::bindings::{ANCHOR, CORRESPONDENT, Frames, Plan, Random, destination};
use crate::changes::{HandedOver, Ledger};

const MBUFS: u32 = 2_047;
const FRAME_OCTETS: u16 = 2_048;
/// All rings have the same name, and so the same MAC address: what the segment says of the next hop is right for each worker.
const NAME: &str = "ring";

/// What is done to each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Swap the MAC addresses: the price of the port and of the ring alone.
    Swap,
    /// Into its tunnel.
    Encap,
    /// Out of its tunnel, with both checks.
    Decap,
    /// One into its tunnel, one out of it, and so on.
    Mixed,
}

impl Work {
    /// What a worker does.
    pub const OF_WORKERS: [Self; 3] = [Self::Encap, Self::Decap, Self::Mixed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Swap => "swap",
            Self::Encap => "encap",
            Self::Decap => "decap",
            Self::Mixed => "mixed",
        }
    }

    /// Whether the packet in this place of a pass is one to a home address.
    const fn is_downlink(self, place: usize) -> bool {
        match self {
            Self::Swap | Self::Encap => true,
            Self::Decap => false,
            Self::Mixed => place.is_multiple_of(2),
        }
    }
}

/// One end of a ring that leads back to it.
pub struct Ring {
    port: DpdkPort,
    pub mac: [u8; 6],
}

impl Ring {
    /// Of a device of its own.
    ///
    /// # Errors
    /// DPDK makes none, or has no memory for its packets.
    pub fn new(eal: &Eal, device: String) -> anyhow::Result<Self> {
        let settings = DeviceSettings {
            device,
            name: NAME.to_owned(),
            descriptors: 512,
        };
        let device = DpdkDevice::attach(eal, settings)?;
        let pool = Mempool::new(eal, MBUFS, FRAME_OCTETS, device.numa_node())?;
        let mac = device.info().mac;
        let port = device.start(&[pool])?.pop().context("no port")?;
        Ok(Self { port, mac })
    }
}

/// Packets to care-of addresses that were looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Currency {
    pub checked: u64,
    /// The care-of address was not current when they were handled.
    pub stale: u64,
}

/// A worker whose one port is a ring.
pub struct Rig {
    worker: Worker<DpdkPort>,
    plan: Plan,
    ledger: Arc<Ledger>,
    frames: Frames,
    random: Random,
    handed: HandedOver,
    batch: Batch<Mbuf>,
    pub currency: Currency,
}

impl Rig {
    pub fn new(
        ring: Ring,
        plan: Plan,
        reader: Reader,
        ledger: Arc<Ledger>,
    ) -> anyhow::Result<Self> {
        let config = WorkerConfig {
            anchor_addresses: vec![ANCHOR],
            worker: reader.worker(),
            ..WorkerConfig::default()
        };
        Ok(Self {
            worker: Worker::new(config, vec![ring.port], None, reader)?,
            plan,
            ledger,
            frames: Frames::new(ring.mac, plan.size),
            random: Random::new(),
            handed: HandedOver::default(),
            batch: Batch::new(),
            currency: Currency::default(),
        })
    }

    /// The calling thread is the one that makes passes from now on.
    pub fn enter_thread(&mut self) {
        for port in self.worker.ports_mut() {
            port.enter_thread();
        }
    }

    /// The segment's writer need not wait for this worker until its next pass.
    pub fn park(&mut self) {
        self.worker.park();
    }

    /// Fill the ring with `count` frames, treat all that is in it, and look at what came out. The time of the second step.
    pub fn pass(&mut self, work: Work, count: usize) -> anyhow::Result<Duration> {
        self.fill(work, count)?;
        let started = Instant::now();
        let mut treated = 0;
        while treated < count {
            let packets = match work {
                Work::Swap => self.swap()?,
                _ => self.worker.poll(monotonic_ns()),
            };
            ensure!(packets > 0, "frames were lost in the ring");
            treated += packets;
        }
        let taken = started.elapsed();
        self.check(work, count)?;
        Ok(taken)
    }

    /// With frames of bindings drawn at random.
    fn fill(&mut self, work: Work, count: usize) -> anyhow::Result<()> {
        let port = self.worker.ports_mut().first_mut().context("no port")?;
        self.handed.clear();
        for place in 0..count {
            let number = self.random.below(self.plan.bindings);
            let octets = if work.is_downlink(place) {
                self.handed.downlink(&self.ledger, number);
                self.frames.downlink(&self.plan, number)
            } else {
                let generation = self.handed.uplink(&self.ledger, number);
                self.frames.uplink(&self.plan, number, generation)
            };
            let mut mbuf = port.alloc().context("no mbuf is free")?;
            ensure!(mbuf.set_len(octets.len()), "a frame is too long");
            mbuf.bytes_mut().copy_from_slice(octets);
            if port.tx(mbuf).is_err() {
                anyhow::bail!("the transmit queue is full");
            }
            let failed = port.flush().failed;
            ensure!(failed == 0, "the ring is full");
        }
        Ok(())
    }

    fn swap(&mut self) -> anyhow::Result<usize> {
        let port = self.worker.ports_mut().first_mut().context("no port")?;
        let received = port.rx_burst(&mut self.batch);
        for mut mbuf in self.batch.drain() {
            if let Some([d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5]) =
                mbuf.bytes_mut().first_chunk_mut::<12>()
            {
                for (destination, source) in
                    [(d0, s0), (d1, s1), (d2, s2), (d3, s3), (d4, s4), (d5, s5)]
                {
                    std::mem::swap(destination, source);
                }
            }
            // There is room for a batch.
            let _ = port.tx(mbuf);
        }
        port.flush();
        Ok(received)
    }

    /// Empty the ring, and look at each frame that the work has left there.
    fn check(&mut self, work: Work, count: usize) -> anyhow::Result<()> {
        let size = self.plan.size;
        let (mut tunnelled, mut plain) = (0, 0);
        let mut batch = std::mem::take(&mut self.batch);
        let port = self.worker.ports_mut().first_mut().context("no port")?;
        while port.rx_burst(&mut batch) > 0 {
            for mbuf in batch.drain() {
                let frame = mbuf.bytes();
                let to = destination(frame).context("a frame without an address")?;
                if frame.len() == size + 40 && work != Work::Swap {
                    tunnelled += 1;
                    self.currency.checked += 1;
                    let current = self.handed.is_current(&self.plan, &self.ledger, to);
                    self.currency.stale += u64::from(!current);
                } else {
                    plain += 1;
                    ensure!(
                        frame.len() == size && (to == CORRESPONDENT || work == Work::Swap),
                        "{}: {} octets to {to} came out",
                        work.name(),
                        frame.len()
                    );
                }
            }
        }
        self.batch = batch;
        let whole = match work {
            Work::Swap => plain == count,
            _ => {
                let refused = self.handed.inner_due().checked_sub(plain);
                tunnelled == self.handed.tunnels_due()
                    && refused.is_some_and(|refused| {
                        refused == 0 || refused <= self.handed.may_be_refused(&self.ledger)
                    })
            }
        };
        ensure!(
            whole,
            "{}: of {count} frames {tunnelled} in tunnels and {plain} others came out",
            work.name()
        );
        Ok(())
    }
}
