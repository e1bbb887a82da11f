//! Memory as a slice of atomic words.

use crate::error::SegmentError;
use crate::sync::AtomicU64;
use std::fs::File;

/// Octets in a word.
pub(crate) const WORD_BYTES: usize = 8;

#[cfg(not(loom))]
pub(crate) use mapped::Mapping;
#[cfg(loom)]
pub(crate) use modelled::Mapping;

#[cfg(not(loom))]
mod mapped {
    use super::{AtomicU64, File, SegmentError, WORD_BYTES};
    use core::ffi::c_void;
    use core::num::NonZeroUsize;
    use core::ptr::NonNull;
    use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

    /// One mapped region, unmapped on drop.
    pub(crate) struct Mapping {
        start: NonNull<c_void>,
        words: usize,
        /// Octets mapped: at least `words`, in whole pages of the file system.
        length: NonZeroUsize,
    }

    // SAFETY: `start` is only ever read as a slice of atomics, which any thread may use, and the region stays mapped
    // until the one owner is dropped.
    unsafe impl Send for Mapping {}
    // SAFETY: as above: `&Mapping` gives nothing but `&[AtomicU64]`.
    unsafe impl Sync for Mapping {}

    impl Mapping {
        /// `words` zeroed words of private memory, on huge pages where the kernel has them.
        ///
        /// # Errors
        /// [`SegmentError::Map`] if the kernel refuses.
        pub(crate) fn anonymous(words: usize) -> Result<Self, SegmentError> {
            let length = length_bytes(words, 1)?;
            let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
            let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
            // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
            let start = unsafe { mmap_anonymous(None, length, access, flags) }
                .map_err(|source| SegmentError::Map { words, source })?;
            // SAFETY: the range is the mapping just made, and this advice changes no content. It is advice: a kernel
            // without transparent huge pages refuses it and loses nothing but speed.
            let _ = unsafe { madvise(start, length.get(), MmapAdvise::MADV_HUGEPAGE) };
            Ok(Self {
                start,
                words,
                length,
            })
        }

        /// The first `words` words of `file`, shared with every other process that maps it. `page_bytes` is the unit of
        /// mappings on its file system; the file must hold that many words.
        ///
        /// # Errors
        /// [`SegmentError::Map`] if the kernel refuses.
        pub(crate) fn file(
            file: &File,
            words: usize,
            page_bytes: usize,
        ) -> Result<Self, SegmentError> {
            let length = length_bytes(words, page_bytes)?;
            let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
            // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing. What other processes do to
            // the file's content is seen through atomics only, so it can not be a data race in this one.
            let start = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, file, 0) }
                .map_err(|source| SegmentError::Map { words, source })?;
            Ok(Self {
                start,
                words,
                length,
            })
        }

        /// The whole region.
        #[inline(always)]
        pub(crate) fn words(&self) -> &[AtomicU64] {
            // SAFETY: `start` is page-aligned and valid for `words` words for as long as `self` lives; the kernel
            // zeroed them, any bit pattern is an `AtomicU64`, and nothing ever makes a plain reference to them.
            unsafe { core::slice::from_raw_parts(self.start.as_ptr().cast(), self.words) }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: the region was mapped by this type with this length, and no borrow of it outlives `self`.
            // A failure leaves it mapped, which is harmless.
            let _ = unsafe { munmap(self.start, self.length.get()) };
        }
    }

    fn length_bytes(words: usize, unit: usize) -> Result<NonZeroUsize, SegmentError> {
        words
            .checked_mul(WORD_BYTES)
            .and_then(|bytes| bytes.checked_next_multiple_of(unit))
            .filter(|bytes| isize::try_from(*bytes).is_ok())
            .and_then(NonZeroUsize::new)
            .ok_or(SegmentError::Map {
                words,
                source: nix::errno::Errno::ENOMEM,
            })
    }
}

/// Loom's atomics are objects of the model, not memory, so the model's "mapping" is a box of them.
#[cfg(loom)]
mod modelled {
    use super::{AtomicU64, File, SegmentError};

    pub(crate) struct Mapping {
        words: Box<[AtomicU64]>,
    }

    impl Mapping {
        pub(crate) fn anonymous(words: usize) -> Result<Self, SegmentError> {
            let words = (0..words).map(|_| AtomicU64::new(0)).collect();
            Ok(Self { words })
        }

        pub(crate) fn file(
            _file: &File,
            words: usize,
            _page_bytes: usize,
        ) -> Result<Self, SegmentError> {
            Err(SegmentError::Map {
                words,
                source: nix::errno::Errno::ENODEV,
            })
        }

        pub(crate) fn words(&self) -> &[AtomicU64] {
            &self.words
        }
    }
}
