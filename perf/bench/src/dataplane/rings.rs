//! Worker and ring, and one pass of all frames

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use dhp_engine::{Batch, PacketBuf, Port, Worker, WorkerConfig, monotonic_ns};
use dhp_port_dpdk::{DeviceSettings, DpdkDevice, DpdkPort, Eal, Mbuf, Mempool};
use dhp_segment::Segment;
use serde::Serialize;

use super::frames::{Frames, Random};
use super::plan::{ANCHOR, CORRESPONDENT, Plan};

const MBUFS: u32 = 2_047;
const FRAME_OCTETS: u16 = 2_048;
/// Where a frame has the destination of its first IPv6 header.
const DESTINATION: std::ops::Range<usize> = 14 + 24..14 + 40;

/// What is done to each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Swap the MAC addresses: the price of the port and of the ring alone.
    Swap,
    /// Into its tunnel.
    Encap,
    /// Out of its tunnel, with both checks.
    Decap,
}

impl Work {
    pub const ALL: [Self; 3] = [Self::Swap, Self::Encap, Self::Decap];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Swap => "swap",
            Self::Encap => "encap",
            Self::Decap => "decap",
        }
    }
}

/// A worker whose one port is a ring.
pub struct Rig {
    worker: Worker<DpdkPort>,
    frames: Frames,
    /// Of a pass.
    count: usize,
    batch: Batch<Mbuf>,
    _segment: Segment,
}

impl Rig {
    /// With a device of its own, which has `number` in its name.
    pub fn new(eal: &Eal, plan: &Plan, number: usize, count: usize) -> anyhow::Result<Self> {
        let name = format!("net_ring_b{number}");
        let settings = DeviceSettings {
            device: name.clone(),
            name,
            descriptors: 512,
        };
        let device = DpdkDevice::attach(eal, settings)?;
        let pool = Mempool::new(eal, MBUFS, FRAME_OCTETS, device.numa_node())?;
        let mac = device.info().mac;
        let ports = device.start(&[pool])?;
        let segment = plan.segment(mac)?;
        let config = WorkerConfig {
            anchor_addresses: vec![ANCHOR],
            ..WorkerConfig::default()
        };
        let worker = Worker::new(config, ports, None, segment.reader(0)?)?;
        Ok(Self {
            worker,
            frames: Frames::new(mac, plan.size),
            count,
            batch: Batch::new(),
            _segment: segment,
        })
    }

    /// Fill the ring, treat all that is in it, and look at what came out. The time of the second step.
    pub fn pass(
        &mut self,
        work: Work,
        plan: &Plan,
        random: &mut Random,
    ) -> anyhow::Result<Duration> {
        let last = self.fill(work, plan, random)?;
        let started = Instant::now();
        let mut treated = 0;
        while treated < self.count {
            let packets = match work {
                Work::Swap => self.swap()?,
                Work::Encap | Work::Decap => self.worker.poll(monotonic_ns()),
            };
            ensure!(packets > 0, "frames were lost in the ring");
            treated += packets;
        }
        let taken = started.elapsed();
        self.check(work, plan, last)?;
        Ok(taken)
    }

    fn port(&mut self) -> anyhow::Result<&mut DpdkPort> {
        self.worker.ports_mut().first_mut().context("no port")
    }

    /// Says of which binding the last frame is.
    fn fill(&mut self, work: Work, plan: &Plan, random: &mut Random) -> anyhow::Result<u32> {
        let port = self.worker.ports_mut().first_mut().context("no port")?;
        let mut number = 0;
        for _ in 0..self.count {
            number = random.below(plan.bindings);
            let octets = match work {
                Work::Swap | Work::Encap => self.frames.downlink(plan, number),
                Work::Decap => self.frames.uplink(plan, number),
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
        Ok(number)
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

    /// Empty the ring of what the work on frames of which the last is of binding `last` has left there.
    fn check(&mut self, work: Work, plan: &Plan, last: u32) -> anyhow::Result<()> {
        let (octets, destination) = match work {
            Work::Swap => (plan.size, plan.home(last)),
            Work::Encap => (plan.size + 40, plan.care_of(last)),
            Work::Decap => (plan.size, CORRESPONDENT),
        };
        let mut came = 0;
        let mut last_to = None;
        loop {
            let mut batch = std::mem::take(&mut self.batch);
            self.port()?.rx_burst(&mut batch);
            if batch.is_empty() {
                break;
            }
            came += batch.len();
            for mbuf in batch.drain() {
                let length = mbuf.bytes().len();
                ensure!(
                    length == octets,
                    "{}: a frame of {length} octets",
                    work.name()
                );
                last_to = mbuf.bytes().get(DESTINATION).map(<[u8]>::to_vec);
            }
            self.batch = batch;
        }
        ensure!(
            came == self.count,
            "{}: {came} of {} frames came out",
            work.name(),
            self.count
        );
        ensure!(
            last_to.as_deref() == Some(&destination.octets()),
            "{}: a frame went elsewhere",
            work.name()
        );
        Ok(())
    }
}
