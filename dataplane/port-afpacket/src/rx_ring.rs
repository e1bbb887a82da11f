//! The receive ring: memory that the kernel writes frames to (`TPACKET_V2`)
//!
//! Version 2 hands each frame over at once. Version 3 collects frames in blocks, and a block that is not full reaches the
//! reader only after its retire timeout: a millisecond at least, and up to two timer ticks (8 ms at 250 Hz) before Linux 6.18.
//! A packet would wait for that at each port that it comes in by, and in both directions. The price, seen with a minimal
//! forwarder of 128-octet frames over veth: 0.48–0.58 Mpps with version 2 where version 3 had 0.65–0.70.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{TP_STATUS_COPY, TP_STATUS_KERNEL, TP_STATUS_USER, TP_STATUS_VLAN_VALID, tpacket2_hdr};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::socket::set_packet_option;
use crate::vnet_header::{VNET_HEADER_LEN, VnetHeader};

/// Octets of a block, the unit of the ring's allocation; a power of two and a multiple of any page size in use.
const BLOCK_OCTETS: usize = 1 << 17;
/// What the kernel may put before the octets of a frame in its slot: its own header, the link address, alignment.
const SLOT_OVERHEAD: usize = 128;

/// A frame in the ring.
#[derive(Debug)]
pub(crate) struct RingFrame<'r> {
    /// The octets that the ring holds, from the link header on.
    pub(crate) octets: &'r [u8],
    /// How long the frame was on the link; more than `octets` where it did not fit.
    pub(crate) original_octets: usize,
    /// What is left to do; of no meaning where the frame did not fit.
    pub(crate) vnet: VnetHeader,
    /// The whole frame, which did not fit, waits in the socket's queue, to be had by `recv(2)`.
    pub(crate) whole_in_queue: bool,
    /// The VLAN tag that the kernel took out of the frame, if there was one: priority and identifier.
    pub(crate) vlan_tag: Option<u16>,
}

/// A socket's receive ring. The socket must have `PACKET_VERSION` 2 and `PACKET_VNET_HDR`.
#[derive(Debug)]
pub(crate) struct RxRing {
    socket: OwnedFd,
    memory: NonNull<u8>,
    octets: NonZeroUsize,
    slot_octets: usize,
    slots: usize,
    next: usize,
}

// SAFETY: the pointer is to a mapping that this value alone owns and reads; nothing in it belongs to a thread.
unsafe impl Send for RxRing {}

impl RxRing {
    /// Give `socket` a ring of about `slots` slots that hold frames of `frame_octets` octets.
    pub(crate) fn new(socket: OwnedFd, slots: usize, frame_octets: usize) -> io::Result<Self> {
        let slot_octets = (frame_octets + SLOT_OVERHEAD)
            .next_power_of_two()
            .min(BLOCK_OCTETS);
        let blocks = slots
            .saturating_mul(slot_octets)
            .div_ceil(BLOCK_OCTETS)
            .max(1);
        let slots = blocks * (BLOCK_OCTETS / slot_octets);
        let too_large = |_| io::Error::from_raw_os_error(libc::EINVAL);
        let request = libc::tpacket_req {
            tp_block_size: BLOCK_OCTETS as u32,
            tp_block_nr: u32::try_from(blocks).map_err(too_large)?,
            tp_frame_size: u32::try_from(slot_octets).map_err(too_large)?,
            tp_frame_nr: u32::try_from(slots).map_err(too_large)?,
        };
        set_packet_option(socket.as_fd(), libc::PACKET_RX_RING, request)?;
        let octets = NonZeroUsize::new(blocks * BLOCK_OCTETS)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        // SAFETY: a new mapping at an address of the kernel's choice, which no other reference can be to.
        let memory = unsafe {
            mmap(
                None,
                octets,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE,
                socket.as_fd(),
                0,
            )
        }?;
        Ok(Self {
            socket,
            memory: memory.cast(),
            octets,
            slot_octets,
            slots,
            next: 0,
        })
    }

    /// The socket.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Show the next frame, if one has arrived, to `take`, and give its slot back to the kernel.
    #[inline]
    pub(crate) fn next<R>(&mut self, take: impl FnOnce(RingFrame<'_>) -> R) -> Option<R> {
        // SAFETY: `next < slots`, and the mapping holds `slots` slots of `slot_octets` octets.
        let slot = unsafe { self.memory.add(self.next * self.slot_octets) };
        // SAFETY: a slot starts with its status, a u32, and slots are powers of two beyond 16 octets, so aligned. Kernel and
        // reader both access it as an atomic for as long as the mapping lives.
        let status = unsafe { AtomicU32::from_ptr(slot.as_ptr().cast()) };
        let flags = status.load(Ordering::Acquire);
        if flags & TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the slot starts with this header, and until it is given back below the kernel does not write to it.
        let header = unsafe { slot.cast::<tpacket2_hdr>().read() };
        let start = usize::from(header.tp_mac).min(self.slot_octets);
        let kept = (header.tp_snaplen as usize).min(self.slot_octets - start);
        // SAFETY: the octets `0..start + kept` lie in the slot by the two lines above, the kernel has initialised the mapping
        // and does not write to the slot until it is given back; the slices end with the call of `take` before that.
        let (before, octets) = unsafe {
            (
                std::slice::from_raw_parts(slot.as_ptr(), start),
                std::slice::from_raw_parts(slot.as_ptr().add(start), kept),
            )
        };
        let vnet = before.last_chunk::<VNET_HEADER_LEN>();
        let taken = take(RingFrame {
            octets,
            original_octets: header.tp_len as usize,
            vnet: vnet.map(VnetHeader::read).unwrap_or_default(),
            whole_in_queue: flags & TP_STATUS_COPY != 0,
            vlan_tag: (flags & TP_STATUS_VLAN_VALID != 0).then_some(header.tp_vlan_tci),
        });
        status.store(TP_STATUS_KERNEL, Ordering::Release);
        self.next = if self.next + 1 == self.slots {
            0
        } else {
            self.next + 1
        };
        Some(taken)
    }
}

impl Drop for RxRing {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `new`, of that length; no reference into it outlives a call of `next`.
        let unmapped = unsafe { munmap(self.memory.cast(), self.octets.get()) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}
