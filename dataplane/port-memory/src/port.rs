//! The worker's side

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use dhp_engine::{Batch, FlushReport, FrameBuf, FramePool, PacketBuf, Port, PortInfo, PortStats};

use crate::MemoryWire;

/// A port whose link is two queues in memory.
#[derive(Debug)]
pub struct MemoryPort {
    info: PortInfo,
    pool: FramePool,
    receive: Arc<ArrayQueue<FrameBuf>>,
    transmit: Arc<ArrayQueue<FrameBuf>>,
    unreported: FlushReport,
    stats: PortStats,
}

impl MemoryPort {
    /// A port and the wire it hangs on. Each direction holds `depth` frames (at least one); all frames come from `pool`.
    pub fn new(info: PortInfo, pool: FramePool, depth: usize) -> (Self, MemoryWire) {
        let receive = Arc::new(ArrayQueue::new(depth.max(1)));
        let transmit = Arc::new(ArrayQueue::new(depth.max(1)));
        let wire = MemoryWire {
            to_worker: Arc::clone(&receive),
            from_worker: Arc::clone(&transmit),
            pool: pool.clone(),
        };
        let port = Self {
            info,
            pool,
            receive,
            transmit,
            unreported: FlushReport::default(),
            stats: PortStats::default(),
        };
        (port, wire)
    }
}

impl Port for MemoryPort {
    type Buf = FrameBuf;

    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn rx_burst(&mut self, batch: &mut Batch<FrameBuf>) -> usize {
        let before = batch.len();
        while batch.room() > 0 {
            let Some(frame) = self.receive.pop() else {
                break;
            };
            self.stats.rx_packets += 1;
            self.stats.rx_bytes += frame.bytes().len() as u64;
            // There is room, so that the batch takes it.
            let _ = batch.push(frame);
        }
        batch.len() - before
    }

    fn tx(&mut self, frame: FrameBuf) -> Result<(), FrameBuf> {
        let octets = frame.bytes().len() as u64;
        if let Err(frame) = self.transmit.push(frame) {
            self.stats.tx_failed += 1;
            return Err(frame);
        }
        self.unreported.sent += 1;
        self.unreported.bytes += octets;
        self.stats.tx_packets += 1;
        self.stats.tx_bytes += octets;
        Ok(())
    }

    fn flush(&mut self) -> FlushReport {
        std::mem::take(&mut self.unreported)
    }

    fn alloc(&mut self) -> Option<FrameBuf> {
        self.pool.alloc()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn stats(&self) -> PortStats {
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhp_engine::Link;

    use crate::WireFull;

    fn port(depth: usize) -> (MemoryPort, MemoryWire) {
        let info = PortInfo {
            name: "memory0".to_owned(),
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            link: Link::Ethernet,
            host_has_copy: false,
        };
        MemoryPort::new(info, FramePool::new(8, 2048), depth)
    }

    #[test]
    fn frames_pass_in_order_both_ways() {
        let (mut port, wire) = port(4);
        wire.push(b"one").expect("room");
        wire.push(b"two").expect("room");
        let mut batch = Batch::new();
        assert_eq!(port.rx_burst(&mut batch), 2);
        for frame in batch.drain() {
            port.tx(frame).expect("room");
        }
        assert_eq!(
            port.flush(),
            FlushReport {
                sent: 2,
                bytes: 6,
                failed: 0
            }
        );
        assert_eq!(port.flush(), FlushReport::default());
        assert_eq!(wire.pop().as_deref(), Some(&b"one"[..]));
        assert_eq!(wire.pop().as_deref(), Some(&b"two"[..]));
        assert_eq!(wire.pop(), None);
    }

    #[test]
    fn a_full_wire_refuses_and_loses_nothing() {
        let (mut port, wire) = port(1);
        wire.push(b"one").expect("room");
        assert_eq!(wire.push(b"two"), Err(WireFull));
        let frame = port.alloc().expect("a free frame");
        port.tx(frame).expect("room");
        let frame = port.alloc().expect("a free frame");
        assert!(port.tx(frame).is_err());
        assert_eq!(wire.waiting(), 1);
        assert_eq!(port.stats().tx_failed, 1);
    }
}
