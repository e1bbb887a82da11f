//! Free slots, and slots that still wait for the workers. Private to the writer.

use std::collections::VecDeque;

/// The free slots of one region: those never used, and those given back.
#[derive(Debug)]
pub(crate) struct Pool {
    fresh: u32,
    end: u32,
    returned: Vec<u32>,
}

impl Pool {
    /// The slots below `end` that are not in `used`.
    pub(crate) fn new(end: u32, used: impl Iterator<Item = u32>) -> Self {
        let mut taken = Vec::new();
        for slot in used.filter(|slot| *slot < end) {
            if taken.len() <= slot as usize {
                taken.resize(slot as usize + 1, false);
            }
            if let Some(taken) = taken.get_mut(slot as usize) {
                *taken = true;
            }
        }
        let returned = (0..)
            .zip(&taken)
            .filter(|(_, taken)| !**taken)
            .map(|(slot, _)| slot)
            .collect();
        Self {
            fresh: u32::try_from(taken.len()).unwrap_or(end),
            end,
            returned,
        }
    }

    /// Takes a free slot.
    pub(crate) fn take(&mut self) -> Option<u32> {
        if let Some(slot) = self.returned.pop() {
            return Some(slot);
        }
        let slot = self.fresh;
        (slot < self.end).then(|| {
            self.fresh += 1;
            slot
        })
    }

    /// Gives a slot back that nobody can be reading.
    pub(crate) fn give(&mut self, slot: u32) {
        self.returned.push(slot);
    }

    /// How many slots are free.
    pub(crate) fn free(&self) -> usize {
        self.returned.len() + self.end.saturating_sub(self.fresh) as usize
    }

    /// Whether there is a free slot.
    pub(crate) fn has_free(&self) -> bool {
        !self.returned.is_empty() || self.fresh < self.end
    }
}

/// Something that readers can no longer reach, but may still hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retired {
    /// A slot of the home table.
    Home(u32),
    /// The template of a binding that may become plain again.
    Settling {
        slot: u32,
        template: u32,
    },
    /// The oldest slot that a binding has moved from.
    MovedHome,
    /// A slot of the flow table.
    Flow(u32),
    /// The oldest slot that a flow has moved from.
    MovedFlow,
    /// All flows of one owner.
    FlowsOf(u32),
    Template(u32),
    FlowSet(u32),
    Meter(u32),
    /// An entry of the table of optimized routes.
    Optimized(u32),
    NextHop(u32),
    NextHopValue(u32),
    RouteNode(u32),
}

/// What waits for the workers, oldest first, with the epoch that they have to reach.
#[derive(Debug)]
pub(crate) struct RetiredQueue {
    waiting: VecDeque<(u64, Retired)>,
    epoch: u64,
}

impl RetiredQueue {
    pub(crate) fn new(epoch: u64) -> Self {
        Self {
            waiting: VecDeque::new(),
            epoch,
        }
    }

    /// Adds what has just become unreachable, and gives the epoch to announce for it.
    pub(crate) fn push(&mut self, retired: Retired) -> u64 {
        self.epoch = self.epoch.saturating_add(1);
        self.waiting.push_back((self.epoch, retired));
        self.epoch
    }

    /// The epoch announced last.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether all that has become unreachable up to `epoch` has been taken.
    pub(crate) fn has_passed(&self, epoch: u64) -> bool {
        self.waiting
            .front()
            .is_none_or(|(oldest, _)| *oldest > epoch)
    }

    /// Takes the oldest thing, if every worker has reached its epoch.
    pub(crate) fn pop(&mut self, reached: u64) -> Option<Retired> {
        let (epoch, _) = self.waiting.front()?;
        if *epoch > reached {
            return None;
        }
        self.waiting.pop_front().map(|(_, retired)| retired)
    }

    /// How many things wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_gives_out_each_free_slot_once() {
        let mut pool = Pool::new(6, [1, 3, 99].into_iter());
        let mut slots: Vec<u32> = core::iter::from_fn(|| pool.take()).collect();
        slots.sort_unstable();
        assert_eq!(slots, [0, 2, 4, 5]);
        assert!(!pool.has_free());
        pool.give(3);
        assert!(pool.has_free());
        assert_eq!(pool.take(), Some(3));
        assert_eq!(pool.take(), None);
    }

    #[test]
    fn nothing_leaves_the_queue_before_its_epoch() {
        let mut queue = RetiredQueue::new(7);
        assert_eq!(queue.push(Retired::Home(1)), 8);
        assert_eq!(queue.push(Retired::Template(2)), 9);
        assert_eq!(queue.pop(7), None);
        assert!(queue.has_passed(7) && !queue.has_passed(8));
        assert_eq!(queue.pop(8), Some(Retired::Home(1)));
        assert_eq!(queue.pop(8), None);
        assert_eq!((queue.len(), queue.epoch()), (1, 9));
        assert!(queue.has_passed(8) && !queue.has_passed(9));
        assert_eq!(queue.pop(u64::MAX), Some(Retired::Template(2)));
        assert_eq!(queue.len(), 0);
    }
}
