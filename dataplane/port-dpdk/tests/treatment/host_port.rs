//! The way to the host kernel, without a kernel: bare packets in mbufs

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use dhp_engine::{Batch, FlushReport, Link, PacketBuf, PacketPool, Port, PortInfo, PortStats};
use dhp_port_dpdk::{Mbuf, Mempool};

/// What the worker has sent to the host.
pub type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

pub struct HostPort {
    info: PortInfo,
    pool: Mempool,
    arriving: VecDeque<Vec<u8>>,
    sent: Sent,
    report: FlushReport,
}

impl HostPort {
    pub fn new(pool: Mempool, packets: &[&Vec<u8>]) -> (Self, Sent) {
        let sent = Sent::default();
        let port = Self {
            info: PortInfo {
                name: "dhp0".to_owned(),
                mac: [0; 6],
                mtu: 1500,
                link: Link::RawIp,
                host_has_copy: false,
            },
            pool,
            arriving: packets.iter().map(|packet| (*packet).clone()).collect(),
            sent: sent.clone(),
            report: FlushReport::default(),
        };
        (port, sent)
    }
}

impl Port for HostPort {
    type Buf = Mbuf;

    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn rx_burst(&mut self, batch: &mut Batch<Mbuf>) -> usize {
        let before = batch.len();
        while batch.room() > 0
            && let Some(packet) = self.arriving.pop_front()
        {
            let mut mbuf = self.pool.alloc().expect("an mbuf");
            assert!(mbuf.set_len(packet.len()));
            mbuf.bytes_mut().copy_from_slice(&packet);
            assert!(batch.push(mbuf).is_ok());
        }
        batch.len() - before
    }

    fn tx(&mut self, frame: Mbuf) -> Result<(), Mbuf> {
        self.report.sent += 1;
        self.report.bytes += frame.bytes().len() as u64;
        let mut sent = self.sent.lock().expect("nobody panicked");
        sent.push(frame.bytes().to_vec());
        Ok(())
    }

    fn flush(&mut self) -> FlushReport {
        std::mem::take(&mut self.report)
    }

    fn alloc(&mut self) -> Option<Mbuf> {
        self.pool.alloc()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn stats(&self) -> PortStats {
        PortStats::default()
    }
}
