//! When the writer may reuse what it has replaced.
//!
//! The writer owns an epoch number. A worker that is awake keeps, in a word of its own, the last epoch it has seen; 0 says
//! that it is parked or not there. To reuse something:
//!
//! 1. the writer makes it unreachable (one `Release` store), then raises the epoch (`Release`);
//! 2. each worker, between two batches, reads the epoch (`Acquire`) and reports it (`Release`): what it reads from now on
//!    is no older than 1, and all it read before is done;
//! 3. when every awake worker has reported that epoch (`Acquire`), the writer overwrites.
//!
//! A worker that wakes stores its epoch, and the writer that raises the epoch looks at the workers: each has a `SeqCst`
//! fence between its store and its look, so either the writer sees the worker awake, or the worker sees what the writer
//! had published. A worker never waits; a writer that dies leaves an epoch that simply stops rising.

use crate::layout::{WORKER_EPOCH, header_word};
use crate::sync::{AtomicU64, Ordering, fence};
use crate::view::View;

/// The value of a worker's word while it holds nothing.
const PARKED: u64 = 0;

/// The first epoch of a new segment.
pub(crate) const FIRST_EPOCH: u64 = 1;

fn worker_word(view: &View, worker: u32) -> Option<&AtomicU64> {
    view.slot::<1>(&view.layout.workers, worker)
        .map(|words| &words[WORKER_EPOCH])
}

/// Reports that `worker` holds nothing that it read before this call.
#[inline(always)]
pub(crate) fn report(view: &View, worker: u32) {
    let (Some(epoch), Some(word)) = (view.word(header_word::EPOCH), worker_word(view, worker))
    else {
        return;
    };
    word.store(epoch.load(Ordering::Acquire), Ordering::Release);
}

/// Takes `worker` out of the writer's consideration.
pub(crate) fn park(view: &View, worker: u32) {
    if let Some(word) = worker_word(view, worker) {
        word.store(PARKED, Ordering::Release);
    }
}

/// Puts `worker` back.
pub(crate) fn unpark(view: &View, worker: u32) {
    report(view, worker);
    fence(Ordering::SeqCst);
}

/// Raises the epoch to `epoch`: what was made unreachable before may be reused once every awake worker has [`reached`] it.
pub(crate) fn advance(view: &View, epoch: u64) {
    if let Some(word) = view.word(header_word::EPOCH) {
        word.store(epoch, Ordering::Release);
    }
}

/// The epoch of the segment, as the writer finds it when it attaches.
pub(crate) fn current(view: &View) -> u64 {
    view.word(header_word::EPOCH)
        .map_or(FIRST_EPOCH, |word| word.load(Ordering::Relaxed))
        .max(FIRST_EPOCH)
}

/// The lowest epoch that an awake worker has reported, `u64::MAX` if none is awake, with the worker that is behind.
pub(crate) fn reached(view: &View) -> (u64, Option<u32>) {
    fence(Ordering::SeqCst);
    let mut lowest = (u64::MAX, None);
    for worker in 0..view.layout.workers.slots() {
        let seen = worker_word(view, worker).map_or(PARKED, |word| word.load(Ordering::Acquire));
        if seen != PARKED && seen < lowest.0 {
            lowest = (seen, Some(worker));
        }
    }
    lowest
}
