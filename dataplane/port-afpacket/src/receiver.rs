//! Receiving at an interface: from the ring, from the socket's queue, and from a super-frame

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use dhp_engine::{FrameBuf, PacketBuf, PortStats};
use dhp_wire::ethernet::HEADER_LEN as ETHERNET_LEN;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockType, getsockopt, recv, setsockopt, sockopt};

use crate::error::{Context, SetupError};
use crate::filter;
use crate::interface::Interface;
use crate::missed::MissedFrames;
use crate::rx_ring::{RingFrame, RxRing};
use crate::socket::{attach_filter, bind_packet, open_packet, packet_option, set_packet_option};
use crate::super_frame::{SuperFrame, Unsplittable};
use crate::vnet_header::{VNET_HEADER_LEN, VnetHeader};

/// Room in the kernel for super-frames on their way in, in octets.
const SOCKET_BUFFER_OCTETS: usize = 8 << 20;
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

/// The receiving half of a port.
#[derive(Debug)]
pub(crate) struct Receiver {
    name: String,
    mtu: u16,
    ring: RxRing,
    super_frame: SuperFrame,
    stats: PortStats,
    /// As many of the oversized frames has the worker been told of.
    oversized_taken: u64,
    missed: Arc<MissedFrames>,
    details: AfPacketStats,
    warned: bool,
}

impl Receiver {
    /// Receive all IPv6 at `interface` that is not for another station, with a ring of about `ring_frames` slots.
    pub(crate) fn open(interface: &Interface, ring_frames: usize) -> Result<Self, SetupError> {
        let ring = open_ring(interface, ring_frames)?;
        let missed = MissedFrames::of(ring.socket())
            .context(&interface.name, "take a second descriptor of the socket")?;
        Ok(Self {
            name: interface.name.clone(),
            mtu: interface.mtu,
            ring,
            super_frame: SuperFrame::new(),
            stats: PortStats::default(),
            oversized_taken: 0,
            missed: Arc::new(missed),
            details: AfPacketStats::default(),
            warned: false,
        })
    }

    /// Share what arrives with the other members of a group, by flow. The first member gets the number of the `group` from
    /// the kernel, so that no other program's is met.
    pub(crate) fn join_fanout(&self, group: &mut Option<u16>) -> std::io::Result<()> {
        let unique = match group {
            Some(_) => 0,
            None => libc::PACKET_FANOUT_FLAG_UNIQUEID as u16,
        };
        let request = libc::fanout_args {
            id: group.unwrap_or(0),
            type_flags: libc::PACKET_FANOUT_HASH as u16 | unique,
            max_num_members: 0,
        };
        set_packet_option(self.ring.socket(), libc::PACKET_FANOUT, request)?;
        if group.is_none() {
            // The answer is one integer, the number in its lower half.
            let answer = packet_option::<libc::c_int>(self.ring.socket(), libc::PACKET_FANOUT, 0)?;
            *group = Some((answer & 0xffff) as u16);
        }
        Ok(())
    }

    /// Readable when frames wait.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.ring.socket()
    }

    /// Frames longer than a buffer since the last call.
    pub(crate) fn take_oversized(&mut self) -> u64 {
        let all = self.stats.rx_oversized;
        let new = all.saturating_sub(self.oversized_taken);
        self.oversized_taken = all;
        new
    }

    /// The receive half of the port's counts.
    pub(crate) fn stats(&self) -> PortStats {
        PortStats {
            rx_missed: self.stats.rx_missed + self.missed.count(),
            ..self.stats
        }
    }

    /// What the kernel lost before the ring.
    pub(crate) fn missed(&self) -> &Arc<MissedFrames> {
        &self.missed
    }

    pub(crate) fn details(&self) -> AfPacketStats {
        self.details
    }

    /// A socket of an interface that went down keeps that as an error, with which `poll(2)` would return at once for ever.
    pub(crate) fn clear_socket_error(&self) {
        let _ = getsockopt(&self.ring.socket(), sockopt::SocketError);
    }

    /// Put what comes next into `frame`. `None`: nothing waits. `Some(false)`: what there was has been dropped, or is a
    /// super-frame whose segments come next.
    #[inline]
    pub(crate) fn next(&mut self, frame: &mut FrameBuf) -> Option<bool> {
        if self.super_frame.is_done() {
            return self.receive(frame);
        }
        let written = self.super_frame.next_segment(frame);
        self.details.segments += u64::from(written);
        self.stats.rx_oversized += u64::from(!written);
        Some(written)
    }

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
        let frame_octets = usize::from(self.mtu) + ETHERNET_LEN;
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
                interface = self.name,
                ?reason,
                gso_type = vnet.gso_type,
                gso_size = vnet.gso_size,
                "dropping super-frames that cannot be split; switch segmentation offload off at the sender \
                 (ethtool -K <its interface> tso off gso off) and merging off here (ethtool -K {} gro off lro off)",
                self.name,
            );
        }
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

fn copy_into(frame: &mut FrameBuf, in_ring: &RingFrame<'_>) -> bool {
    let fits = frame.set_len(in_ring.octets.len());
    if fits {
        frame.bytes_mut().copy_from_slice(in_ring.octets);
    }
    fits
}

/// Receive with the true length, be it longer than `storage`.
fn recv_whole(socket: BorrowedFd<'_>, storage: &mut [u8]) -> Result<usize, Errno> {
    recv(
        socket.as_raw_fd(),
        storage,
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC,
    )
}

fn open_ring(interface: &Interface, ring_frames: usize) -> Result<RxRing, SetupError> {
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
