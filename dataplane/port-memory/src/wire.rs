//! The other end of the cable

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use dhp_engine::{FrameBuf, FramePool, PacketBuf};

/// A frame could not be put on the wire: the queue towards the worker is full, or the pool has no frame that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireFull;

impl std::fmt::Display for WireFull {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the memory wire takes no more frames")
    }
}

impl std::error::Error for WireFull {}

/// The test's side of a [`MemoryPort`](crate::MemoryPort). May live on another thread than the worker.
#[derive(Clone, Debug)]
pub struct MemoryWire {
    pub(crate) to_worker: Arc<ArrayQueue<FrameBuf>>,
    pub(crate) from_worker: Arc<ArrayQueue<FrameBuf>>,
    pub(crate) pool: FramePool,
}

impl MemoryWire {
    /// Put a copy of a frame on the wire, link header included.
    ///
    /// # Errors
    /// [`WireFull`]: the worker must take frames off first, or sent ones must be taken with [`pop`](Self::pop).
    pub fn push(&self, frame: &[u8]) -> Result<(), WireFull> {
        let frame = self.pool.alloc_copy(frame).ok_or(WireFull)?;
        self.to_worker.push(frame).map_err(|_| WireFull)
    }

    /// Take the oldest frame that the worker sent.
    pub fn pop(&self) -> Option<Vec<u8>> {
        self.pop_frame().map(|frame| frame.bytes().to_vec())
    }

    /// Take the oldest frame that the worker sent, without a copy.
    pub fn pop_frame(&self) -> Option<FrameBuf> {
        self.from_worker.pop()
    }

    /// Frames that the worker has sent and nobody has taken.
    pub fn waiting(&self) -> usize {
        self.from_worker.len()
    }
}
