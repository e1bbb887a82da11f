//! Where packets come from and go to

use std::os::fd::BorrowedFd;

use crate::{Batch, PacketBuf};

/// What precedes the IPv6 header in the frames of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A 14-octet Ethernet header.
    Ethernet,
    /// Nothing: the frame is the IP packet, as on a TUN interface.
    RawIp,
}

/// What the worker must know about a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// Interface name, for logs and metric labels.
    pub name: String,
    /// The port's own MAC address; zero where the link has none.
    pub mac: [u8; 6],
    /// The largest IP packet the link carries, in octets.
    pub mtu: u16,
    /// The framing.
    pub link: Link,
    /// The host kernel sees a copy of everything that arrives here, as on AF_PACKET. What is for the host then needs no
    /// handing over, and a Solicited Node multicast reaches the kernel by itself.
    pub host_has_copy: bool,
}

/// What [`Port::flush`] did since the call before it. A packet that [`Port::tx`] has taken appears in exactly one
/// report, as sent or as failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushReport {
    /// Packets handed to the link.
    pub sent: u64,
    /// Octets of their frames.
    pub bytes: u64,
    /// Packets that were taken by [`Port::tx`] and could not be sent.
    pub failed: u64,
}

/// Counts of the port itself, of packets that the worker never saw or no longer sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Frames received.
    pub rx_packets: u64,
    /// Octets of the frames received.
    pub rx_bytes: u64,
    /// Frames lost before they reached the worker, because a ring or the pool was full.
    pub rx_missed: u64,
    /// Frames longer than a buffer.
    pub rx_oversized: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Octets of the frames sent.
    pub tx_bytes: u64,
    /// Frames that the link refused.
    pub tx_failed: u64,
}

/// One queue pair of an interface, owned by one worker. No method blocks.
pub trait Port {
    /// The memory its packets live in.
    type Buf: PacketBuf;

    /// Called on the thread that will call everything else, before it does. For ports whose memory or queues know threads.
    fn enter_thread(&mut self) {}

    /// Name, link and MTU.
    fn info(&self) -> &PortInfo;

    /// Move received frames into `batch` until it is full or none is left, and say how many. Received frames have the
    /// headroom of their pool. Frames to the link address of somebody else are not for the worker: a port that hears them
    /// leaves them out.
    fn rx_burst(&mut self, batch: &mut Batch<Self::Buf>) -> usize;

    /// How many received frames were longer than a buffer since the last call. The worker counts them as received and
    /// dropped, once per round, so that this must cost no system call. A port whose link can not carry such frames has none.
    fn take_oversized(&mut self) -> u64 {
        0
    }

    /// Queue a frame for sending, link header included. It leaves at the latest with [`flush`](Self::flush).
    ///
    /// # Errors
    /// The frame itself, where the transmit queue is full.
    fn tx(&mut self, frame: Self::Buf) -> Result<(), Self::Buf>;

    /// Queue the frames of a batch, in order, as by [`tx`](Self::tx). Those for which there is no room stay in it.
    #[inline]
    fn tx_batch(&mut self, batch: &mut Batch<Self::Buf>) {
        batch.give(|frame| self.tx(frame));
    }

    /// Send what is queued, once per round, and report on everything taken since the last report.
    fn flush(&mut self) -> FlushReport;

    /// An empty frame for a packet that the worker makes itself. `None`: the pool is empty.
    fn alloc(&mut self) -> Option<Self::Buf>;

    /// A descriptor that becomes readable when frames wait, for a worker that sleeps when idle. `None`: such a port is
    /// polled.
    fn poll_fd(&self) -> Option<BorrowedFd<'_>>;

    /// Counts since the port was made.
    fn stats(&self) -> PortStats;
}
