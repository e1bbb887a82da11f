//! The one place that chooses between the machine's atomics and loom's.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};

/// 64-bit words in one cache line, the unit that every region is aligned to.
pub(crate) const LINE_WORDS: usize = 8;

/// Brings the cache line of `word` nearer without waiting for it.
///
/// An instruction of the processor's for that where there is one. A load whose value nobody uses is not as good: it has to
/// retire, so that behind some misses the processor stands still.
#[inline(always)]
pub(crate) fn prefetch(word: &AtomicU64) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    // SAFETY: a prefetch has no effect that a program could see, whatever the address.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(word).cast());
    }
    #[cfg(not(any(target_arch = "x86_64", loom, miri)))]
    let _ = word.load(Ordering::Relaxed);
    #[cfg(any(loom, miri))]
    let _ = word;
}
