//! A port on plain vectors: no headroom, a descriptor to sleep on, sends that fail, as the test wants

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

use dhp_engine::{Batch, FlushReport, Link, PacketBuf, Port, PortInfo, PortStats};

pub struct BareBuf {
    storage: Vec<u8>,
    start: usize,
}

impl PacketBuf for BareBuf {
    fn bytes(&self) -> &[u8] {
        &self.storage[self.start..]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..]
    }

    fn headroom(&self) -> usize {
        self.start
    }

    fn capacity(&self) -> usize {
        2048
    }

    fn prepend(&mut self, octets: usize) -> bool {
        let fits = octets <= self.start;
        if fits {
            self.start -= octets;
        }
        fits
    }

    fn trim_front(&mut self, octets: usize) -> bool {
        let fits = octets <= self.bytes().len();
        if fits {
            self.start += octets;
        }
        fits
    }

    fn set_len(&mut self, octets: usize) -> bool {
        let fits = octets <= self.capacity();
        if fits {
            self.storage.resize(self.start + octets, 0);
        }
        fits
    }
}

/// The test's end.
#[derive(Clone, Default)]
pub struct BareWire {
    pub to_worker: Arc<Mutex<VecDeque<Vec<u8>>>>,
    pub from_worker: Arc<Mutex<Vec<Vec<u8>>>>,
}

pub struct BarePort {
    info: PortInfo,
    wire: BareWire,
    readable: Option<UnixDatagram>,
    fails: bool,
    unreported: FlushReport,
    oversized: u64,
}

impl BarePort {
    /// A raw IPv6 port. `readable` is what it can be waited on by.
    pub fn new(readable: Option<UnixDatagram>, fails: bool) -> (Self, BareWire) {
        let info = PortInfo {
            name: "bare0".to_owned(),
            mac: [0; 6],
            mtu: 1500,
            link: Link::RawIp,
            host_has_copy: false,
        };
        let wire = BareWire::default();
        let port = Self {
            info,
            wire: wire.clone(),
            readable,
            fails,
            unreported: FlushReport::default(),
            oversized: 0,
        };
        (port, wire)
    }
}

impl Port for BarePort {
    type Buf = BareBuf;

    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn rx_burst(&mut self, batch: &mut Batch<BareBuf>) -> usize {
        let before = batch.len();
        if let Some(readable) = &self.readable {
            while readable.recv(&mut [0; 8]).is_ok() {}
        }
        let mut waiting = self.wire.to_worker.lock().expect("not poisoned");
        while batch.room() > 0 {
            let Some(storage) = waiting.pop_front() else {
                break;
            };
            if storage.len() > 2048 {
                self.oversized += 1;
                continue;
            }
            assert!(batch.push(BareBuf { storage, start: 0 }).is_ok());
        }
        batch.len() - before
    }

    fn take_oversized(&mut self) -> u64 {
        std::mem::take(&mut self.oversized)
    }

    fn tx(&mut self, frame: BareBuf) -> Result<(), BareBuf> {
        if self.fails {
            self.unreported.failed += 1;
        } else {
            self.unreported.sent += 1;
            self.unreported.bytes += frame.bytes().len() as u64;
            let mut sent = self.wire.from_worker.lock().expect("not poisoned");
            sent.push(frame.bytes().to_vec());
        }
        Ok(())
    }

    fn flush(&mut self) -> FlushReport {
        std::mem::take(&mut self.unreported)
    }

    fn alloc(&mut self) -> Option<BareBuf> {
        Some(BareBuf {
            storage: Vec::new(),
            start: 0,
        })
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        self.readable.as_ref().map(AsFd::as_fd)
    }

    fn stats(&self) -> PortStats {
        PortStats::default()
    }
}
