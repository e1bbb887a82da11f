//! A port on a Linux interface, by packet sockets

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use dhp_engine::{
    Batch, FlushReport, FrameBuf, FramePool, Link, PacketBuf, Port, PortInfo, PortStats,
};
use dhp_wire::ethernet::HEADER_LEN as ETHERNET_LEN;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockType, recv, setsockopt, sockopt};

use crate::error::{Context, SetupError};
use crate::filter;
use crate::frame_sender::FrameSender;
use crate::interface::Interface;
use crate::offload::ReceiveOffloadsOff;
use crate::rx_ring::{RingFrame, RxRing};
use crate::socket::{attach_filter, bind_packet, open_packet, packet_option, set_packet_option};
use crate::super_frame::{SuperFrame, Unsplittable};
use crate::vnet_header::{VNET_HEADER_LEN, VnetHeader};

/// Frames queued before `tx` refuses one. A worker's round makes at most a batch per port, and some answers.
const TX_QUEUE: usize = 512;
/// Room in the kernel for super-frames on their way in, in octets.
const SOCKET_BUFFER_OCTETS: usize = 8 << 20;
/// Empty bursts between two looks for a pending socket error.
const EMPTY_BURSTS_PER_ERROR_CHECK: u32 = 256;
/// The identifier of a VLAN tag; zero marks a frame with a priority only, which belongs to the untagged link.
const VLAN_IDENTIFIER: u16 = 0x0fff;

/// What happened at the port beside what [`PortStats`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AfPacketStats {
    /// Checksums that a local sender had left to its device.
    pub checksums_completed: u64,
    /// Super-frames that were split into segments, and the segments.
    pub super_frames: u64,
    /// Segments made of super-frames.
    pub segments: u64,
    /// Super-frames dropped, since they can not be split.
    pub unsplittable: u64,
    /// Frames of a VLAN dropped: that VLAN's own interface would be the port.
    pub other_vlan: u64,
    /// Frames dropped for a checksum place outside of the frame.
    pub malformed: u64,
}

/// One receive and transmit queue of an interface.
#[derive(Debug)]
pub struct AfPacketPort {
    info: PortInfo,
    ring: RxRing,
    sender: FrameSender,
    tx_queue: Vec<FrameBuf>,
    pool: FramePool,
    /// An allocated frame that nothing was received into.
    spare: Option<FrameBuf>,
    super_frame: SuperFrame,
    empty_bursts: u32,
    stats: PortStats,
    missed: Cell<u64>,
    details: AfPacketStats,
    warned: bool,
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
            let ring = open_receiver(&interface, ring_frames)?;
            if pools.len() > 1 {
                join_fanout(ring.socket(), &mut group)
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
                ring,
                sender: FrameSender::at(&interface)?,
                tx_queue: Vec::with_capacity(TX_QUEUE),
                pool: pool.clone(),
                spare: None,
                super_frame: SuperFrame::new(),
                empty_bursts: 0,
                stats: PortStats::default(),
                missed: Cell::new(0),
                details: AfPacketStats::default(),
                warned: false,
                _offloads: Arc::clone(&offloads),
            });
        }
        Ok(ports)
    }

    /// Counts beside those of [`Port::stats`].
    pub fn details(&self) -> AfPacketStats {
        self.details
    }

    /// Take the next frame of the ring into `frame`. `None`: the ring is empty. `Some(false)`: what there was has been
    /// dropped, or is a super-frame whose segments come now.
    fn receive(&mut self, frame: &mut FrameBuf) -> Option<bool> {
        let Self {
            ring,
            super_frame,
            details,
            stats,
            ..
        } = self;
        let received = ring.next(|in_ring| {
            stats.rx_packets += 1;
            stats.rx_bytes += in_ring.original_octets as u64;
            if in_ring
                .vlan_tag
                .is_some_and(|tag| tag & VLAN_IDENTIFIER != 0)
            {
                details.other_vlan += 1;
                return Received::Dropped(in_ring.whole_in_queue);
            }
            let complete = in_ring.octets.len() == in_ring.original_octets;
            if in_ring.whole_in_queue {
                return Received::InQueue(in_ring.original_octets);
            }
            if complete && in_ring.vnet.is_super_frame() {
                return match super_frame.copy_in(in_ring.octets) {
                    true => Received::Super(in_ring.octets.len(), in_ring.vnet),
                    false => Received::TooLong,
                };
            }
            match complete && copy_into(frame, &in_ring) {
                true => Received::Single(in_ring.vnet),
                false => Received::TooLong,
            }
        })?;
        Some(match received {
            Received::Single(vnet) => self.finish(frame, &vnet),
            Received::Super(length, vnet) => self.begin_super_frame(length, &vnet),
            Received::InQueue(length) => self.receive_from_queue(length, frame),
            Received::TooLong => {
                self.stats.rx_oversized += 1;
                false
            }
            Received::Dropped(in_queue) => {
                if in_queue {
                    let _ = recv_whole(self.ring.socket(), self.super_frame.storage());
                }
                false
            }
        })
    }

    fn finish(&mut self, frame: &mut FrameBuf, vnet: &VnetHeader) -> bool {
        if !vnet.needs_checksum() {
            return true;
        }
        let completed = vnet.complete_checksum(frame.bytes_mut()).is_ok();
        self.details.checksums_completed += u64::from(completed);
        self.details.malformed += u64::from(!completed);
        completed
    }

    /// A frame longer than a slot of the ring: the kernel has left it whole in the socket's queue.
    fn receive_from_queue(&mut self, length: usize, frame: &mut FrameBuf) -> bool {
        let received = recv_whole(self.ring.socket(), self.super_frame.storage());
        if received != Ok(VNET_HEADER_LEN + length) {
            // Ring and queue are out of step, as after the interface was down: empty the queue, so that they are not.
            while recv_whole(self.ring.socket(), self.super_frame.storage()).is_ok() {}
            self.stats.rx_missed += 1;
            return false;
        }
        let storage = self.super_frame.storage();
        let Some((header, rest)) = storage.split_first_chunk::<VNET_HEADER_LEN>() else {
            return false;
        };
        let vnet = VnetHeader::read(header);
        if vnet.is_super_frame() {
            return self.begin_super_frame(length, &vnet);
        }
        let whole = rest.get(..length).unwrap_or_default();
        if whole.is_empty() || !frame.set_len(length) {
            self.stats.rx_oversized += 1;
            return false;
        }
        frame.bytes_mut().copy_from_slice(whole);
        self.finish(frame, &vnet)
    }

    fn begin_super_frame(&mut self, length: usize, vnet: &VnetHeader) -> bool {
        let frame_octets = usize::from(self.info.mtu) + ETHERNET_LEN;
        match self.super_frame.begin(length, vnet, frame_octets) {
            Ok(()) => self.details.super_frames += 1,
            Err(reason) => {
                self.details.unsplittable += 1;
                self.warn_once(reason, vnet);
            }
        }
        false
    }

    fn warn_once(&mut self, reason: Unsplittable, vnet: &VnetHeader) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                interface = self.info.name,
                ?reason,
                gso_type = vnet.gso_type,
                gso_size = vnet.gso_size,
                "dropping super-frames that cannot be split; switch segmentation offload off at the sender \
                 (ethtool -K <its interface> tso off gso off) and merging off here (ethtool -K {} gro off lro off)",
                self.info.name,
            );
        }
    }

    /// A socket of an interface that went down keeps that as an error, with which `poll(2)` would return at once for ever.
    fn clear_socket_error(&self) {
        let _ = nix::sys::socket::getsockopt(&self.ring.socket(), sockopt::SocketError);
    }
}

enum Received {
    /// Copied to the frame.
    Single(VnetHeader),
    /// Copied to the super-frame's storage.
    Super(usize, VnetHeader),
    /// Waiting in the socket's queue, with this length.
    InQueue(usize),
    TooLong,
    /// Not wanted; whether it waits in the socket's queue.
    Dropped(bool),
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
            let received = if self.super_frame.is_done() {
                self.receive(&mut frame)
            } else {
                let written = self.super_frame.next_segment(&mut frame);
                self.details.segments += u64::from(written);
                Some(written)
            };
            match received {
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
                self.clear_socket_error();
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
        self.stats.tx_packets += report.sent;
        self.stats.tx_bytes += report.bytes;
        self.stats.tx_failed += report.failed;
        report
    }

    fn alloc(&mut self) -> Option<FrameBuf> {
        self.pool.alloc()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.ring.socket())
    }

    fn stats(&self) -> PortStats {
        let zero = libc::tpacket_stats {
            tp_packets: 0,
            tp_drops: 0,
        };
        // Reading sets the kernel's count to zero.
        if let Ok(kernel) = packet_option(self.ring.socket(), libc::PACKET_STATISTICS, zero) {
            self.missed
                .set(self.missed.get() + u64::from(kernel.tp_drops));
        }
        PortStats {
            rx_missed: self.stats.rx_missed + self.missed.get(),
            ..self.stats
        }
    }
}

fn copy_into(frame: &mut FrameBuf, in_ring: &RingFrame<'_>) -> bool {
    let fits = frame.set_len(in_ring.octets.len());
    if fits {
        frame.bytes_mut().copy_from_slice(in_ring.octets);
    }
    fits
}

/// Receive with the true length, be it longer than `storage`.
fn recv_whole(socket: BorrowedFd<'_>, storage: &mut [u8]) -> Result<usize, Errno> {
    use std::os::fd::AsRawFd;
    recv(
        socket.as_raw_fd(),
        storage,
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC,
    )
}

fn open_receiver(interface: &Interface, ring_frames: usize) -> Result<RxRing, SetupError> {
    let name = interface.name.as_str();
    let socket = open_packet(SockType::Raw).context(name, "open a packet socket")?;
    let fd = socket.as_fd();
    set_packet_option(fd, libc::PACKET_IGNORE_OUTGOING, 1).context(
        name,
        "ignore outgoing packets (PACKET_IGNORE_OUTGOING, Linux 4.20)",
    )?;
    attach_filter(fd, &filter::IPV6_FOR_THIS_STATION).context(name, "attach a packet filter")?;
    let version = libc::tpacket_versions::TPACKET_V2 as libc::c_int;
    set_packet_option(fd, libc::PACKET_VERSION, version).context(name, "choose TPACKET_V2")?;
    set_packet_option(fd, libc::PACKET_VNET_HDR, 1).context(name, "ask for PACKET_VNET_HDR")?;
    set_packet_option(fd, libc::PACKET_COPY_THRESH, 1).context(name, "ask for long frames")?;
    // Beyond the limit of the host where that is allowed, within it else: only super-frames wait there.
    let _ = setsockopt(&fd, sockopt::RcvBufForce, &SOCKET_BUFFER_OCTETS)
        .or_else(|_| setsockopt(&fd, sockopt::RcvBuf, &SOCKET_BUFFER_OCTETS));
    let frame_octets = usize::from(interface.mtu) + ETHERNET_LEN;
    let ring =
        RxRing::new(socket, ring_frames, frame_octets).context(name, "map a receive ring")?;
    bind_packet(ring.socket(), interface.index, libc::ETH_P_ALL as u16)
        .context(name, "bind a packet socket")?;
    Ok(ring)
}

/// Join the group whose number the first socket gets from the kernel, so that no other program's is met.
fn join_fanout(socket: BorrowedFd<'_>, group: &mut Option<u16>) -> std::io::Result<()> {
    let unique = match group {
        Some(_) => 0,
        None => libc::PACKET_FANOUT_FLAG_UNIQUEID as u16,
    };
    let request = libc::fanout_args {
        id: group.unwrap_or(0),
        type_flags: libc::PACKET_FANOUT_HASH as u16 | unique,
        max_num_members: 0,
    };
    set_packet_option(socket, libc::PACKET_FANOUT, request)?;
    if group.is_none() {
        // The answer is one integer, the number in its lower half.
        let answer = packet_option::<libc::c_int>(socket, libc::PACKET_FANOUT, 0)?;
        *group = Some((answer & 0xffff) as u16);
    }
    Ok(())
}
