//! A port on a Linux interface, by packet sockets

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use dhp_engine::{Batch, FlushReport, FrameBuf, FramePool, Link, Port, PortInfo, PortStats};
use nix::errno::Errno;

use crate::error::{Context, SetupError};
use crate::frame_sender::FrameSender;
use crate::interface::Interface;
use crate::missed::MissedFrames;
use crate::offload::ReceiveOffloadsOff;
use crate::receiver::{AfPacketStats, Receiver};

/// Frames queued before `tx` refuses one. A worker's round makes at most a batch per port, and some answers.
const TX_QUEUE: usize = 512;
/// Empty bursts between two looks for a pending socket error.
const EMPTY_BURSTS_PER_ERROR_CHECK: u32 = 256;

/// One receive and transmit queue of an interface.
#[derive(Debug)]
pub struct AfPacketPort {
    info: PortInfo,
    receiver: Receiver,
    sender: FrameSender,
    tx_queue: Vec<FrameBuf>,
    pool: FramePool,
    /// An allocated frame that nothing was received into.
    spare: Option<FrameBuf>,
    empty_bursts: u32,
    sent: FlushReport,
    _offloads: Arc<ReceiveOffloadsOff>,
}

impl AfPacketPort {
    /// Open `interface` with as many queues as there are `pools`, each for one worker. Packets of one flow arrive at one
    /// queue (`PACKET_FANOUT_HASH`). `ring_frames` is the length of each queue, about. As long as one of the queues
    /// lives, generic and large receive offload of the interface are off.
    ///
    /// # Errors
    /// There is no such interface, it has no Ethernet framing, or the kernel refuses a step; CAP_NET_RAW is needed.
    pub fn open(
        interface: &str,
        pools: &[FramePool],
        ring_frames: usize,
    ) -> Result<Vec<Self>, SetupError> {
        let interface = Interface::find(interface)?;
        let name = interface.name.as_str();
        if interface.hardware != libc::ARPHRD_ETHER {
            return Err(Errno::EAFNOSUPPORT).context(name, "use as an Ethernet interface");
        }
        let offloads =
            Arc::new(ReceiveOffloadsOff::new(name).context(name, "open a control socket")?);
        let mut group = None;
        let mut ports = Vec::with_capacity(pools.len());
        for pool in pools {
            let receiver = Receiver::open(&interface, ring_frames)?;
            if pools.len() > 1 {
                receiver
                    .join_fanout(&mut group)
                    .context(name, "share among workers (PACKET_FANOUT)")?;
            }
            ports.push(Self {
                info: PortInfo {
                    name: interface.name.clone(),
                    mac: interface.mac,
                    mtu: interface.mtu,
                    link: Link::Ethernet,
                    host_has_copy: true,
                },
                receiver,
                sender: FrameSender::at(&interface)?,
                tx_queue: Vec::with_capacity(TX_QUEUE),
                pool: pool.clone(),
                spare: None,
                empty_bursts: 0,
                sent: FlushReport::default(),
                _offloads: Arc::clone(&offloads),
            });
        }
        Ok(ports)
    }

    /// The count of frames lost before this queue, for whoever watches it.
    pub fn missed(&self) -> &Arc<MissedFrames> {
        self.receiver.missed()
    }

    /// Counts beside those of [`Port::stats`].
    pub fn details(&self) -> AfPacketStats {
        self.receiver.details()
    }
}

impl Port for AfPacketPort {
    type Buf = FrameBuf;

    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn rx_burst(&mut self, batch: &mut Batch<FrameBuf>) -> usize {
        let before = batch.len();
        // Frames that are dropped here take no room in the batch; without a bound a flood of them would hold the worker.
        let mut looks = 4 * batch.room();
        while batch.room() > 0 && looks > 0 {
            looks -= 1;
            let Some(mut frame) = self.spare.take().or_else(|| self.pool.alloc()) else {
                break;
            };
            match self.receiver.next(&mut frame) {
                Some(true) => {
                    // There is room, by the condition of the loop.
                    let _ = batch.push(frame);
                }
                Some(false) => self.spare = Some(frame),
                None => {
                    self.spare = Some(frame);
                    break;
                }
            }
        }
        let received = batch.len() - before;
        if received == 0 {
            self.empty_bursts = self.empty_bursts.wrapping_add(1);
            if self
                .empty_bursts
                .is_multiple_of(EMPTY_BURSTS_PER_ERROR_CHECK)
            {
                self.receiver.clear_socket_error();
            }
        }
        received
    }

    fn tx(&mut self, frame: FrameBuf) -> Result<(), FrameBuf> {
        if self.tx_queue.len() == TX_QUEUE {
            return Err(frame);
        }
        self.tx_queue.push(frame);
        Ok(())
    }

    fn flush(&mut self) -> FlushReport {
        if self.tx_queue.is_empty() {
            return FlushReport::default();
        }
        let report = self.sender.send(&self.tx_queue);
        self.tx_queue.clear();
        self.sent.sent += report.sent;
        self.sent.bytes += report.bytes;
        self.sent.failed += report.failed;
        report
    }

    fn alloc(&mut self) -> Option<FrameBuf> {
        self.pool.alloc()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.receiver.socket())
    }

    fn take_oversized(&mut self) -> u64 {
        self.receiver.take_oversized()
    }

    fn stats(&self) -> PortStats {
        PortStats {
            tx_packets: self.sent.sent,
            tx_bytes: self.sent.bytes,
            tx_failed: self.sent.failed,
            ..self.receiver.stats()
        }
    }
}
