//! One queue pair of a device as a port of the engine

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use dhp_engine::{
    BATCH_SIZE, Batch, FlushReport, PacketBuf, PacketPool, Port, PortInfo, PortStats,
};
use dpdk_sys::rte_mbuf;

use crate::device::DpdkDevice;
use crate::mbuf::Mbuf;
use crate::mempool::Mempool;
use crate::thread::register_for_life;

/// Frames queued before `tx` refuses one. A worker's round makes at most a batch per port, and some answers.
const TX_QUEUE: usize = 512;

/// A receive and a transmit queue of a device, for one worker.
#[derive(Debug)]
pub struct DpdkPort {
    info: PortInfo,
    port_id: u16,
    queue: u16,
    station: Station,
    tx_queue: Vec<Mbuf>,
    tx_queue_bytes: u64,
    oversized: u64,
    stats: PortStats,
    device: Arc<DpdkDevice>,
    pool: Mempool,
}

impl DpdkPort {
    pub(crate) fn new(device: Arc<DpdkDevice>, queue: u16, pool: Mempool) -> Self {
        Self {
            info: device.info.clone(),
            port_id: device.port_id,
            queue,
            station: Station::new(device.info.mac, device.filters),
            tx_queue: Vec::with_capacity(TX_QUEUE),
            tx_queue_bytes: 0,
            oversized: 0,
            stats: PortStats::default(),
            device,
            pool,
        }
    }

    /// The device, which all its queues share.
    pub fn device(&self) -> &Arc<DpdkDevice> {
        &self.device
    }
}

/// Whose frames a port lets through: its own, and those to a group.
#[derive(Clone, Copy, Debug)]
struct Station {
    /// The address in the high six octets of a word.
    mac: u64,
    /// Everybody's.
    any: bool,
}

impl Station {
    const fn new([a, b, c, d, e, f]: [u8; 6], any: bool) -> Self {
        Self {
            mac: u64::from_le_bytes([0, 0, a, b, c, d, e, f]),
            any,
        }
    }

    #[inline(always)]
    fn hears(self, frame: &[u8]) -> bool {
        self.any
            || match frame.first_chunk() {
                Some(first) => self.is_meant(u64::from_le_bytes(*first)),
                None => self.hears_stump(frame),
            }
    }

    /// By the first octets of a frame, of which the last two do not count.
    #[inline(always)]
    const fn is_meant(self, first: u64) -> bool {
        first << 16 == self.mac || first & 1 == 1
    }

    /// What is shorter than a link header, and so than a word.
    #[cold]
    fn hears_stump(self, frame: &[u8]) -> bool {
        frame.first_chunk::<6>().is_some_and(|[a, b, c, d, e, f]| {
            self.is_meant(u64::from_le_bytes([*a, *b, *c, *d, *e, *f, 0, 0]))
        })
    }
}

impl Port for DpdkPort {
    type Buf = Mbuf;

    #[inline]
    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn enter_thread(&mut self) {
        if let Err(error) = register_for_life(self.pool.eal()) {
            tracing::warn!(%error, "this worker has no cache of packet memory, and is slower");
        }
    }

    #[inline]
    fn rx_burst(&mut self, batch: &mut Batch<Mbuf>) -> usize {
        let before = batch.len();
        let (station, mut octets) = (self.station, 0);
        let mut mbufs = [const { MaybeUninit::<*mut rte_mbuf>::uninit() }; BATCH_SIZE];
        // At most BATCH_SIZE, which is far from 2^16.
        let room = batch.room().min(BATCH_SIZE) as u16;
        // SAFETY: the queue is set up and this port's alone, and there is room for `room` pointers.
        let received = unsafe {
            dpdk_sys::rte_eth_rx_burst(self.port_id, self.queue, mbufs.as_mut_ptr().cast(), room)
        };
        let mbufs = mbufs.get(..usize::from(received)).unwrap_or_default();
        // The buffers' own lines first: where the frames are stands there.
        for mbuf in mbufs {
            // SAFETY: the driver has written as many pointers as it said, each to an mbuf.
            unsafe { Mbuf::prefetch(mbuf.assume_init_read()) };
        }
        for mbuf in mbufs {
            // SAFETY: as above.
            unsafe { Mbuf::prefetch_frame(mbuf.assume_init_read()) };
        }
        for mbuf in mbufs {
            // SAFETY: as above, and the mbufs are ours now; each pointer is taken once.
            let Some(frame) = (unsafe { Mbuf::received(mbuf.assume_init_read()) }) else {
                self.oversized += 1;
                continue;
            };
            if station.hears(frame.bytes()) {
                octets += frame.bytes().len() as u64;
                // There is room for as many as were asked for.
                let _ = batch.push(frame);
            }
        }
        let received = batch.len() - before;
        self.stats.rx_packets += received as u64;
        self.stats.rx_bytes += octets;
        received
    }

    fn take_oversized(&mut self) -> u64 {
        let oversized = std::mem::take(&mut self.oversized);
        self.stats.rx_oversized += oversized;
        oversized
    }

    #[inline]
    fn tx(&mut self, frame: Mbuf) -> Result<(), Mbuf> {
        if self.tx_queue.len() == TX_QUEUE {
            return Err(frame);
        }
        self.tx_queue_bytes += frame.bytes().len() as u64;
        self.tx_queue.push(frame);
        Ok(())
    }

    #[inline]
    fn tx_batch(&mut self, batch: &mut Batch<Mbuf>) {
        let queued = self.tx_queue.len();
        if batch.len() > TX_QUEUE.saturating_sub(queued) {
            return batch.give(|frame| self.tx(frame));
        }
        let mut end = queued;
        for frame in batch.drain() {
            self.tx_queue_bytes += frame.bytes().len() as u64;
            // SAFETY: the queue has had room for TX_QUEUE frames since it was made, and with these there are no more.
            unsafe { self.tx_queue.as_mut_ptr().add(end).write(frame) };
            end += 1;
        }
        // SAFETY: so many have been written.
        unsafe { self.tx_queue.set_len(end) };
    }

    #[inline]
    fn flush(&mut self) -> FlushReport {
        if self.tx_queue.is_empty() {
            return FlushReport::default();
        }
        let queued = self.tx_queue.len();
        // SAFETY: the queue is set up and this port's alone. An `Mbuf` is a pointer to an `rte_mbuf`, and there are `queued` of
        // them, at most TX_QUEUE.
        let sent = unsafe {
            dpdk_sys::rte_eth_tx_burst(
                self.port_id,
                self.queue,
                self.tx_queue.as_mut_ptr().cast(),
                queued as u16,
            )
        };
        let sent = usize::from(sent).min(queued);
        let mut bytes = std::mem::take(&mut self.tx_queue_bytes);
        let refused = self.tx_queue.get(sent..).unwrap_or_default();
        bytes -= refused
            .iter()
            .map(|frame| frame.bytes().len() as u64)
            .sum::<u64>();
        // SAFETY: the vector forgets all its elements. The driver owns the first `sent`; the others are moved out, once each.
        unsafe {
            self.tx_queue.set_len(0);
            for number in sent..queued {
                drop(self.tx_queue.as_ptr().add(number).read());
            }
        }
        let report = FlushReport {
            sent: sent as u64,
            bytes,
            failed: (queued - sent) as u64,
        };
        self.stats.tx_packets += report.sent;
        self.stats.tx_bytes += report.bytes;
        self.stats.tx_failed += report.failed;
        report
    }

    #[inline]
    fn alloc(&mut self) -> Option<Mbuf> {
        self.pool.alloc()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn stats(&self) -> PortStats {
        let rx_missed = match self.queue {
            // The device does not tell by queue.
            0 => self.device.stats().rx_missed,
            _ => 0,
        };
        PortStats {
            rx_missed,
            ..self.stats
        }
    }
}
