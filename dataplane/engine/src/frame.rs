//! Frames on ordinary memory and the pool that recycles them

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use crate::{PacketBuf, PacketPool};

/// Octets kept free before a received frame: an outer IPv6 header (40), a tunnel encapsulation limit (8), a fragment
/// header (8), an Ethernet header (14), rounded up generously.
pub const FRAME_HEADROOM: usize = 128;

/// Preallocated frames. A clone is another handle to the same pool; a dropped [`FrameBuf`] goes back to where it came
/// from, on whatever thread that happens. Nothing is allocated after [`new`](Self::new).
#[derive(Clone, Debug)]
pub struct FramePool {
    free: Arc<ArrayQueue<Box<[u8]>>>,
}

impl FramePool {
    /// A pool of `frames` frames (at least one) with `frame_octets` octets each beside their headroom: 2048 holds any
    /// frame of a 1500-octet link, 9216 a jumbo frame.
    pub fn new(frames: usize, frame_octets: usize) -> Self {
        let frames = frames.max(1);
        let free = ArrayQueue::new(frames);
        let storage = frame_octets.saturating_add(FRAME_HEADROOM);
        for _ in 0..frames {
            // The queue has exactly `frames` places, so that none is refused.
            let _ = free.push(vec![0; storage].into_boxed_slice());
        }
        Self {
            free: Arc::new(free),
        }
    }

    /// An empty frame with [`FRAME_HEADROOM`] octets of headroom. `None`: all frames are in use.
    #[inline]
    pub fn alloc(&self) -> Option<FrameBuf> {
        let storage = self.free.pop()?;
        Some(FrameBuf {
            storage,
            start: FRAME_HEADROOM,
            end: FRAME_HEADROOM,
            home: Arc::clone(&self.free),
        })
    }

    /// A frame that holds a copy of `octets`. `None`: no frame is free, or `octets` is longer than a frame.
    pub fn alloc_copy(&self, octets: &[u8]) -> Option<FrameBuf> {
        let mut frame = self.alloc()?;
        if !frame.set_len(octets.len()) {
            return None;
        }
        frame.bytes_mut().copy_from_slice(octets);
        Some(frame)
    }

    /// Frames not in use at this moment.
    pub fn available(&self) -> usize {
        self.free.len()
    }

    /// Frames that belong to this pool, in use or not.
    pub fn frames(&self) -> usize {
        self.free.capacity()
    }
}

impl PacketPool for FramePool {
    type Buf = FrameBuf;

    #[inline]
    fn alloc(&self) -> Option<FrameBuf> {
        Self::alloc(self)
    }
}

/// A frame of a [`FramePool`]. Dropping it gives it back.
#[derive(Debug)]
pub struct FrameBuf {
    storage: Box<[u8]>,
    start: usize,
    end: usize,
    home: Arc<ArrayQueue<Box<[u8]>>>,
}

impl PacketBuf for FrameBuf {
    #[inline]
    fn bytes(&self) -> &[u8] {
        // `start <= end <= storage.len()` is kept by every method below.
        self.storage.get(self.start..self.end).unwrap_or_default()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.storage
            .get_mut(self.start..self.end)
            .unwrap_or_default()
    }

    #[inline]
    fn headroom(&self) -> usize {
        self.start
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.storage.len().saturating_sub(self.start)
    }

    #[inline]
    fn prepend(&mut self, octets: usize) -> bool {
        match self.start.checked_sub(octets) {
            Some(start) => {
                self.start = start;
                true
            }
            None => false,
        }
    }

    #[inline]
    fn trim_front(&mut self, octets: usize) -> bool {
        match self.start.checked_add(octets) {
            Some(start) if start <= self.end => {
                self.start = start;
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn set_len(&mut self, octets: usize) -> bool {
        match self.start.checked_add(octets) {
            Some(end) if end <= self.storage.len() => {
                self.end = end;
                true
            }
            _ => false,
        }
    }
}

impl Drop for FrameBuf {
    fn drop(&mut self) {
        // An empty box owns no memory, so that this moves and never allocates; the pool has a place for each of its own.
        let _ = self.home.push(std::mem::take(&mut self.storage));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_grows_and_shrinks_within_its_memory() {
        let pool = FramePool::new(1, 64);
        let mut frame = pool.alloc_copy(&[7; 60]).expect("a free frame");
        assert_eq!((frame.headroom(), frame.capacity()), (FRAME_HEADROOM, 64));
        assert!(frame.prepend(40));
        assert_eq!(frame.bytes().len(), 100);
        assert_eq!(frame.bytes()[40..], [7; 60]);
        assert!(!frame.prepend(FRAME_HEADROOM));
        assert!(frame.trim_front(100));
        assert!(frame.bytes().is_empty());
        assert!(!frame.trim_front(1));
        assert!(frame.set_len(4));
        assert!(!frame.set_len(5));
        assert!(!frame.set_len(usize::MAX));
    }

    #[test]
    fn what_is_trimmed_off_the_front_comes_back() {
        let pool = FramePool::new(1, 64);
        let mut frame = pool.alloc_copy(b"header and rest").expect("a free frame");
        assert!(frame.trim_front(7) && frame.set_len(4));
        assert!(frame.prepend(7));
        assert_eq!(frame.bytes(), b"header and ");
    }

    #[test]
    fn the_front_after_a_move_is_whole_or_nothing_moves() {
        let pool = FramePool::new(1, 64);
        let mut frame = pool.alloc_copy(&[7; 60]).expect("a free frame");
        let front = frame.prepend_front::<100>(40).expect("room");
        assert_eq!(front[40..], [7; 60]);
        assert!(frame.prepend_front::<101>(0).is_none());
        assert!(frame.prepend_front::<0>(FRAME_HEADROOM).is_none());
        assert!(frame.trim_to_front::<61>(40).is_none());
        assert_eq!(frame.bytes().len(), 100);
        assert_eq!(frame.trim_to_front::<60>(40), Some(&mut [7; 60]));
        assert_eq!(frame.bytes().len(), 60);
    }

    #[test]
    fn dropped_frames_come_back() {
        let pool = FramePool::new(2, 64);
        let first = pool.alloc().expect("first");
        let second = pool.alloc().expect("second");
        assert!(pool.alloc().is_none());
        drop(first);
        assert_eq!(pool.available(), 1);
        drop(second);
        assert_eq!((pool.available(), pool.frames()), (2, 2));
        assert!(pool.alloc_copy(&[0; 65]).is_none());
        assert_eq!(pool.available(), 2);
    }
}
