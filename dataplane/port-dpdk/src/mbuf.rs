//! DPDK's packet buffer as the engine's

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use dhp_engine::PacketBuf;
use dpdk_sys::rte_mbuf;

/// A frame in an mbuf. Dropping it gives it back to its pool, which stays as long as one of its mbufs is out.
///
/// Invariants: nobody else has the mbuf, it has one segment in a buffer of its own, `data_off + data_len <= buf_len`, and
/// `pkt_len == data_len`.
#[derive(Debug)]
#[repr(transparent)]
pub struct Mbuf {
    mbuf: NonNull<rte_mbuf>,
}

// SAFETY: an mbuf has no owner but the `Mbuf`, and pools take mbufs back from any thread.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// `None`: the null pointer.
    ///
    /// # Safety
    /// Unless it is null, `mbuf` is an mbuf of nobody else's with one segment in a buffer of its own.
    #[inline]
    pub(crate) unsafe fn from_raw(mbuf: *mut rte_mbuf) -> Option<Self> {
        NonNull::new(mbuf).map(|mbuf| Self { mbuf })
    }

    /// A field by its offset.
    ///
    /// # Safety
    /// At `offset` there is a `T`.
    #[inline]
    unsafe fn field<T>(&self, offset: usize) -> *mut T {
        // SAFETY: the offset is that of a field of the mbuf.
        unsafe { self.mbuf.as_ptr().byte_add(offset).cast() }
    }

    #[inline]
    fn data_off(&self) -> u16 {
        // SAFETY: an mbuf of ours has that field.
        unsafe { self.field::<u16>(dpdk_sys::DHP_MBUF_DATA_OFF).read() }
    }

    #[inline]
    fn data_len(&self) -> u16 {
        // SAFETY: as above.
        unsafe { self.field::<u16>(dpdk_sys::DHP_MBUF_DATA_LEN).read() }
    }

    #[inline]
    fn buf_len(&self) -> u16 {
        // SAFETY: as above.
        unsafe { self.field::<u16>(dpdk_sys::DHP_MBUF_BUF_LEN).read() }
    }

    #[inline]
    fn start(&self) -> *mut u8 {
        // SAFETY: as above; the data offset lies within the buffer by the invariant.
        unsafe {
            self.field::<*mut u8>(dpdk_sys::DHP_MBUF_BUF_ADDR)
                .read()
                .add(usize::from(self.data_off()))
        }
    }

    /// Callers keep the frame within the buffer.
    #[inline]
    fn set_extent(&mut self, data_off: u16, data_len: u16) {
        // SAFETY: as above, and the mbuf is borrowed mutably.
        unsafe {
            self.field::<u16>(dpdk_sys::DHP_MBUF_DATA_OFF)
                .write(data_off);
            self.field::<u16>(dpdk_sys::DHP_MBUF_DATA_LEN)
                .write(data_len);
            self.field::<u32>(dpdk_sys::DHP_MBUF_PKT_LEN)
                .write(data_len.into());
        }
    }

    /// A received mbuf, which may have several segments: they become one if its buffer has room. `None`: it has not, and the
    /// mbuf is freed.
    ///
    /// # Safety
    /// `mbuf` is an mbuf of nobody else's, and its first segment has a buffer of its own.
    #[inline]
    pub(crate) unsafe fn received(mbuf: *mut rte_mbuf) -> Option<Self> {
        // SAFETY: as the caller says, but for the segments, which are looked at before anything else; an mbuf is nowhere at 0.
        let frame = unsafe {
            Self {
                mbuf: NonNull::new_unchecked(mbuf),
            }
        };
        // SAFETY: an mbuf has that field.
        let segments = unsafe { frame.field::<u16>(dpdk_sys::DHP_MBUF_NB_SEGS).read() };
        if segments == 1 {
            return Some(frame);
        }
        frame.linearized()
    }

    #[cold]
    fn linearized(self) -> Option<Self> {
        // SAFETY: the mbuf is ours. On success it has one segment, else it is as it was, and is freed with all its segments.
        let code = unsafe { dpdk_sys::rte_pktmbuf_linearize(self.mbuf.as_ptr()) };
        (code == 0).then_some(self)
    }

    /// Have an mbuf brought to the cache, without what is in it.
    #[inline]
    pub(crate) fn prefetch(mbuf: *mut rte_mbuf) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch has no effect that a program could see, whatever the address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(mbuf.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = mbuf;
    }

    /// Have the first octets of a frame brought to the cache.
    ///
    /// # Safety
    /// `mbuf` is an mbuf.
    #[inline]
    pub(crate) unsafe fn prefetch_frame(mbuf: *mut rte_mbuf) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an mbuf has those fields; a prefetch has no effect that a program could see, whatever the address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let buffer: *const i8 = mbuf
                .byte_add(dpdk_sys::DHP_MBUF_BUF_ADDR)
                .cast::<*const i8>()
                .read();
            let offset: u16 = mbuf
                .byte_add(dpdk_sys::DHP_MBUF_DATA_OFF)
                .cast::<u16>()
                .read();
            _mm_prefetch::<_MM_HINT_T0>(buffer.wrapping_add(usize::from(offset)));
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = mbuf;
    }
}

impl PacketBuf for Mbuf {
    #[inline]
    fn bytes(&self) -> &[u8] {
        // SAFETY: by the invariant the frame lies within the buffer, which lives and is nobody else's as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start(), usize::from(self.data_len())) }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start(), usize::from(self.data_len())) }
    }

    #[inline]
    fn headroom(&self) -> usize {
        self.data_off().into()
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.buf_len().saturating_sub(self.data_off()).into()
    }

    #[inline]
    fn expect_prepend(&self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch has no effect that a program could see, whatever the address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(self.start().wrapping_sub(1).cast());
        }
    }

    #[inline]
    fn prepend(&mut self, octets: usize) -> bool {
        let Ok(octets) = u16::try_from(octets) else {
            return false;
        };
        let Some(data_off) = self.data_off().checked_sub(octets) else {
            return false;
        };
        // What is taken from the offset is added to the length: their sum stays what it was, within 16 bits by the invariant.
        self.set_extent(data_off, self.data_len().wrapping_add(octets));
        true
    }

    #[inline]
    fn trim_front(&mut self, octets: usize) -> bool {
        let Ok(octets) = u16::try_from(octets) else {
            return false;
        };
        let Some(data_len) = self.data_len().checked_sub(octets) else {
            return false;
        };
        // As above.
        self.set_extent(self.data_off().wrapping_add(octets), data_len);
        true
    }

    #[inline]
    fn prepend_front<const N: usize>(&mut self, octets: usize) -> Option<&mut [u8; N]> {
        // The pointer by itself: what is written through it could be the place where it was read, for all that a compiler knows.
        let mut frame = ManuallyDrop::new(Self { mbuf: self.mbuf });
        let len = usize::from(frame.data_len()).saturating_add(octets);
        if len < N || !frame.prepend(octets) {
            return None;
        }
        // SAFETY: the frame has at least N octets, within the buffer, which is borrowed mutably as long as `self`.
        Some(unsafe { NonNull::new_unchecked(frame.start()).cast().as_mut() })
    }

    #[inline]
    fn trim_to_front<const N: usize>(&mut self, octets: usize) -> Option<&mut [u8; N]> {
        let mut frame = ManuallyDrop::new(Self { mbuf: self.mbuf });
        if usize::from(frame.data_len()) < N.saturating_add(octets) || !frame.trim_front(octets) {
            return None;
        }
        // SAFETY: as above.
        Some(unsafe { NonNull::new_unchecked(frame.start()).cast().as_mut() })
    }

    #[inline]
    fn set_len(&mut self, octets: usize) -> bool {
        match u16::try_from(octets) {
            Ok(data_len) if octets <= self.capacity() => {
                self.set_extent(self.data_off(), data_len);
                true
            }
            _ => false,
        }
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the mbuf is ours and is not used any more.
        unsafe { dpdk_sys::rte_pktmbuf_free(self.mbuf.as_ptr()) };
    }
}
