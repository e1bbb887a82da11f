//! The one place that chooses between the machine's atomics and loom's.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};

/// 64-bit words in one cache line, the unit that every region is aligned to.
pub(crate) const LINE_WORDS: usize = 8;

/// Brings the cache line of `word` nearer without waiting for it.
///
/// A relaxed load whose value nobody uses: the compiler has to keep it, the processor does not wait for it, and it
/// needs no `unsafe`.
#[inline(always)]
pub(crate) fn prefetch(word: &AtomicU64) {
    #[cfg(not(loom))]
    let _ = word.load(Ordering::Relaxed);
    #[cfg(loom)]
    let _ = word;
}
