//! Frames that the kernel lost because a ring was full

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::socket::packet_option;

/// The count of one queue. Anybody may read it, beside the worker that has the queue.
#[derive(Debug)]
pub struct MissedFrames {
    socket: OwnedFd,
    count: AtomicU64,
}

impl MissedFrames {
    pub(crate) fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self {
            socket: socket.try_clone_to_owned()?,
            count: AtomicU64::new(0),
        })
    }

    /// Frames lost since the queue was made. Costs a system call.
    pub fn count(&self) -> u64 {
        let zero = libc::tpacket_stats {
            tp_packets: 0,
            tp_drops: 0,
        };
        // Reading sets the kernel's count to zero, so that of two readers only one gets to add it here.
        let new = packet_option(self.socket.as_fd(), libc::PACKET_STATISTICS, zero)
            .map_or(0, |kernel| u64::from(kernel.tp_drops));
        self.count
            .fetch_add(new, Ordering::Relaxed)
            .saturating_add(new)
    }
}
