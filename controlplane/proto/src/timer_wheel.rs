//! One hierarchical timing wheel for everything in an engine that happens later.
//!
//! Timers lie in slots of 2^16 ns (about 66 µs); each level above has slots 64 times as long. Scheduling and
//! cancelling are O(1), nothing is allocated as time passes, and a timer is moved down at most once per level.
//! However many timers come due together, a [`TimerWheel::step`] takes a few microseconds.

const TICK_SHIFT: u32 = 16;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// 8 levels of 6 bits cover the 48 bits that a 64-bit number of nanoseconds has in ticks.
const LEVELS: usize = 8;
/// Timers that one step moves to lower levels.
const MOVED_AT_ONCE: usize = 32;
/// Timers of the current tick that are looked at for one that is due. Those behind them may fire when the tick is over.
const LOOKED_AT: usize = 256;
const NONE: u32 = u32::MAX;

/// Names a timer until it has fired or was cancelled; harmless afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimerKey {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
struct Node<T> {
    value: Option<T>,
    deadline_ns: u64,
    generation: u32,
    level: u8,
    slot: u8,
    previous: u32,
    next: u32,
}

/// The first and the last of its timers, in the order in which they were scheduled.
#[derive(Debug, Clone, Copy)]
struct Slot {
    first: u32,
    last: u32,
}

impl Slot {
    const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
    };
}

/// What a [`TimerWheel::step`] has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<T> {
    /// This timer fires.
    Fired(T),
    /// Nothing yet: timers were moved down, of which some may be due.
    Moved,
    /// Nothing is due.
    Idle,
}

/// A set of timers, each with a value that is given back when it fires.
#[derive(Debug)]
pub struct TimerWheel<T> {
    nodes: Vec<Node<T>>,
    free: u32,
    /// Of each level, the slots that have timers.
    occupied: [u64; LEVELS],
    slots: [[Slot; SLOTS]; LEVELS],
    tick: u64,
    len: usize,
}

impl<T> TimerWheel<T> {
    /// An empty wheel that stands at `now_ns`.
    #[must_use]
    pub fn new(now_ns: u64) -> Self {
        Self {
            nodes: Vec::new(),
            free: NONE,
            occupied: [0; LEVELS],
            slots: [[Slot::EMPTY; SLOTS]; LEVELS],
            tick: now_ns >> TICK_SHIFT,
            len: 0,
        }
    }

    /// Takes space for so many more timers.
    pub fn reserve(&mut self, timers: usize) {
        self.nodes.reserve(timers);
    }

    /// Number of timers that have neither fired nor been cancelled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no timer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lets `value` fire at `deadline_ns`, or at the next [`Self::pop`] if that has passed.
    pub fn schedule(&mut self, deadline_ns: u64, value: T) -> TimerKey {
        let index = self.take_free();
        let mut key = TimerKey {
            index,
            generation: 0,
        };
        if let Some(node) = self.node_mut(index) {
            node.value = Some(value);
            node.deadline_ns = deadline_ns;
            key.generation = node.generation;
            self.len = self.len.saturating_add(1);
        }
        self.link(index);
        key
    }

    /// Takes a timer out before it fires; `None` if it is already gone.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let node = self.node(key.index)?;
        if node.generation != key.generation || node.value.is_none() {
            return None;
        }
        self.unlink(key.index);
        self.release(key.index)
    }

    /// A moment at which [`Self::pop`] should be called next. Never later than the earliest deadline; for deadlines
    /// far ahead, and where very many are near, it may be earlier, when `pop` only moves timers down.
    #[must_use]
    pub fn next_ns(&self) -> Option<u64> {
        let (level, slot, start) = self.first_slot()?;
        let start_ns = start << TICK_SHIFT;
        let head = self.head(level, slot);
        if level > 0 || self.list(head).nth(LOOKED_AT).is_some() {
            return Some(start_ns);
        }
        self.list(head)
            .filter_map(|index| self.node(index))
            .map(|node| node.deadline_ns)
            .min()
    }

    /// Takes out one timer whose deadline is not after `now_ns`; call until `None`. Timers come in the order of
    /// their deadlines, to the tick; those of one deadline in the order in which they were scheduled.
    pub fn pop(&mut self, now_ns: u64) -> Option<T> {
        loop {
            match self.step(now_ns) {
                Step::Fired(value) => return Some(value),
                Step::Moved => {}
                Step::Idle => return None,
            }
        }
    }

    /// The same as [`Self::pop`] in small pieces, for those who have other things to do when a million timers come due; call
    /// until [`Step::Idle`].
    pub fn step(&mut self, now_ns: u64) -> Step<T> {
        let target = (now_ns >> TICK_SHIFT).max(self.tick);
        let Some((level, slot, start)) = self.first_slot().filter(|(_, _, start)| *start <= target)
        else {
            // Nothing lies between here and `target`, so every timer keeps its slot.
            self.tick = target;
            return Step::Idle;
        };
        self.tick = self.tick.max(start);
        if level == 0 {
            let is_due = |index: &u32| {
                let node = self.node(*index);
                node.is_some_and(|node| node.deadline_ns <= now_ns)
            };
            let head = self.head(level, slot);
            let Some(due) = self.list(head).take(LOOKED_AT).find(is_due) else {
                return Step::Idle;
            };
            self.unlink(due);
            return self.release(due).map_or(Step::Idle, Step::Fired);
        }
        for _ in 0..MOVED_AT_ONCE {
            let head = self.head(level, slot);
            if head == NONE {
                break;
            }
            self.unlink(head);
            self.link(head);
        }
        Step::Moved
    }

    /// The earliest slot with a timer: its level, its index, its first tick.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        // A timer lies at the level of the highest group of bits in which it differs from `tick`, so the lowest
        // level that has any has the earliest, and in a level the lowest slot. But for a slot that `tick` has come to, of which
        // not all have been moved down yet: nothing is earlier than those.
        let levels = || (0_u32..).zip(&self.occupied);
        let is_begun = |(level, occupied): &(u32, &u64)| {
            *level > 0 && *occupied & (1 << Self::slot_at(*level, self.tick)) != 0
        };
        let (level, slot) = match levels().find(is_begun) {
            Some((level, _)) => (level, Self::slot_at(level, self.tick)),
            None => {
                let (level, occupied) = levels().find(|(_, occupied)| **occupied != 0)?;
                (level, occupied.trailing_zeros())
            }
        };
        let shift = SLOT_BITS * level;
        let above = self.tick >> shift >> SLOT_BITS << SLOT_BITS << shift;
        Some((
            usize::try_from(level).ok()?,
            usize::try_from(slot).ok()?,
            above | u64::from(slot) << shift,
        ))
    }

    fn link(&mut self, index: u32) {
        let tick = self.tick;
        let Some(node) = self.nodes.get_mut(index as usize) else {
            return;
        };
        let due = (node.deadline_ns >> TICK_SHIFT).max(tick);
        let highest_bit = 63 - ((due ^ tick) | 1).leading_zeros();
        let level = highest_bit / SLOT_BITS;
        let slot = (due >> (level * SLOT_BITS)) as usize % SLOTS;
        node.level = u8::try_from(level).unwrap_or_default();
        node.slot = u8::try_from(slot).unwrap_or_default();
        node.next = NONE;
        let at = level as usize;
        let Some(list) = self.slots.get_mut(at).and_then(|slots| slots.get_mut(slot)) else {
            return;
        };
        let last = core::mem::replace(&mut list.last, index);
        node.previous = last;
        if last == NONE {
            list.first = index;
        }
        if let Some(occupied) = self.occupied.get_mut(at) {
            *occupied |= 1 << slot;
        }
        if let Some(last) = self.node_mut(last) {
            last.next = index;
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(node) = self.node(index) else { return };
        let (level, slot) = (usize::from(node.level), usize::from(node.slot));
        let (previous, next) = (node.previous, node.next);
        if let Some(next) = self.node_mut(next) {
            next.previous = previous;
        }
        if let Some(previous) = self.node_mut(previous) {
            previous.next = next;
        }
        let slots = self.slots.get_mut(level);
        let Some(list) = slots.and_then(|slots| slots.get_mut(slot)) else {
            return;
        };
        if previous == NONE {
            list.first = next;
        }
        if next == NONE {
            list.last = previous;
        }
        if list.first == NONE
            && let Some(occupied) = self.occupied.get_mut(level)
        {
            *occupied &= !(1 << slot);
        }
    }

    fn slot_at(level: u32, tick: u64) -> u32 {
        let slot = (tick >> (level * SLOT_BITS)) % (1 << SLOT_BITS);
        u32::try_from(slot).unwrap_or_default()
    }

    fn head(&self, level: usize, slot: usize) -> u32 {
        let slots = self.slots.get(level);
        let list = slots.and_then(|slots| slots.get(slot));
        list.map_or(NONE, |list| list.first)
    }

    fn list(&self, head: u32) -> impl Iterator<Item = u32> + '_ {
        core::iter::successors(Some(head), |index| self.node(*index).map(|node| node.next))
            .take_while(|index| *index != NONE)
    }

    fn node(&self, index: u32) -> Option<&Node<T>> {
        self.nodes.get(index as usize)
    }

    fn node_mut(&mut self, index: u32) -> Option<&mut Node<T>> {
        self.nodes.get_mut(index as usize)
    }

    fn take_free(&mut self) -> u32 {
        let index = self.free;
        if let Some(node) = self.node(index) {
            self.free = node.next;
            return index;
        }
        let index = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(Node {
            value: None,
            deadline_ns: 0,
            generation: 0,
            level: 0,
            slot: 0,
            previous: NONE,
            next: NONE,
        });
        index
    }

    fn release(&mut self, index: u32) -> Option<T> {
        let free = self.free;
        let node = self.node_mut(index)?;
        let value = node.value.take();
        node.generation = node.generation.wrapping_add(1);
        node.next = free;
        self.free = index;
        self.len = self.len.saturating_sub(1);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(wheel: &mut TimerWheel<u64>, now: u64) -> Vec<u64> {
        core::iter::from_fn(|| wheel.pop(now)).collect()
    }

    #[test]
    fn a_timer_fires_at_its_deadline_and_not_a_nanosecond_earlier() {
        for deadline in [
            1,
            999,
            1 << 20,
            (1 << 26) + 5,
            600_000_000_000,
            86_400_000_000_000,
            u64::MAX - 1,
        ] {
            let mut wheel = TimerWheel::new(0);
            wheel.schedule(deadline, deadline);
            assert_eq!(drain(&mut wheel, deadline - 1), []);
            assert_eq!(drain(&mut wheel, deadline), [deadline]);
            assert!(wheel.is_empty());
        }
    }

    #[test]
    fn a_deadline_in_the_past_fires_at_once() {
        let mut wheel = TimerWheel::new(1 << 40);
        wheel.schedule(5, 5);
        assert_eq!(wheel.next_ns(), Some(5));
        assert_eq!(drain(&mut wheel, 1 << 40), [5]);
    }

    #[test]
    fn a_cancelled_timer_is_given_back_once_and_its_key_names_no_later_timer() {
        let mut wheel = TimerWheel::new(0);
        let key = wheel.schedule(10, 1);
        assert_eq!(wheel.cancel(key), Some(1));
        assert_eq!(wheel.cancel(key), None);
        wheel.schedule(20, 2);
        assert_eq!(wheel.cancel(key), None);
        assert_eq!(drain(&mut wheel, 20), [2]);
    }

    /// What a fleet that has registered at once leads to when its lifetimes end.
    #[test]
    fn a_step_is_short_however_many_timers_come_due_together_and_none_is_lost() {
        const TIMERS: u64 = 100_000;
        let hours = 3_600_000_000_000;
        let mut wheel = TimerWheel::new(0);
        for timer in 0..TIMERS {
            wheel.schedule(hours, timer);
        }
        assert_eq!(wheel.step(hours - 1), Step::Moved);
        let (mut fired, mut moves) = (Vec::new(), 1);
        loop {
            match wheel.step(hours) {
                Step::Fired(timer) => fired.push(timer),
                Step::Moved => moves += 1,
                Step::Idle => break,
            }
            if !wheel.is_empty() {
                assert!(wheel.next_ns().is_some_and(|next| next <= hours));
            }
        }
        assert!(fired.into_iter().eq(0..TIMERS));
        assert!(moves >= TIMERS / MOVED_AT_ONCE as u64);
    }

    /// Not all of them have been moved down yet when more come and some are cancelled.
    #[test]
    fn between_two_steps_timers_may_come_and_go() {
        let deadline = 1 << 40;
        let mut wheel = TimerWheel::new(0);
        let keys: Vec<TimerKey> = (0..200).map(|n| wheel.schedule(deadline, n)).collect();
        assert_eq!(wheel.step(deadline), Step::Moved);
        assert_eq!(wheel.cancel(keys[0]), Some(0));
        assert_eq!(wheel.cancel(keys[199]), Some(199));
        wheel.schedule(deadline + 5, 200);
        wheel.schedule(3, 201);
        let mut fired = drain(&mut wheel, deadline);
        fired.sort_unstable();
        assert!(fired.into_iter().eq((1..199).chain([201])));
        assert_eq!(drain(&mut wheel, deadline + 5), [200]);
    }

    /// A packet comes every microsecond, and asks each time.
    #[test]
    fn very_many_timers_of_one_tick_fire_when_it_is_over_at_the_latest() {
        let many = 4 * LOOKED_AT as u64;
        let tick = 1 << TICK_SHIFT;
        let mut wheel = TimerWheel::new(0);
        for timer in 0..many {
            wheel.schedule(tick + timer, timer);
        }
        assert_eq!(wheel.next_ns(), Some(tick));
        let fired = drain(&mut wheel, tick + many / 2).len();
        assert!(fired + drain(&mut wheel, 2 * tick).len() == many as usize);
        assert!(wheel.is_empty());
    }

    proptest! {
        /// Against a sorted list: the same timers fire at the same steps, and `next_ns` is never late.
        #[test]
        fn fires_what_a_sorted_list_fires(
            steps in prop::collection::vec((any::<bool>(), 0u64..1 << 42, 0u64..1 << 38), 1..200),
        ) {
            let (mut now, mut wheel) = (7_u64, TimerWheel::new(7));
            let mut model: Vec<(u64, u64, TimerKey)> = Vec::new();
            for (id, (cancel, ahead, step)) in (0u64..).zip(steps) {
                let deadline = now + (ahead >> (id % 40));
                let key = wheel.schedule(deadline, id);
                model.push((deadline, id, key));
                if cancel {
                    let (_, value, key) = model.swap_remove(usize::try_from(id).unwrap() / 2 % model.len());
                    prop_assert_eq!(wheel.cancel(key), Some(value));
                }
                if let Some(earliest) = model.iter().map(|timer| timer.0).min() {
                    prop_assert!(wheel.next_ns().unwrap() <= earliest);
                }
                now += step >> (id % 38);
                let mut fired = drain(&mut wheel, now);
                fired.sort_unstable();
                let mut expected: Vec<u64> = model.extract_if(.., |timer| timer.0 <= now).map(|timer| timer.1).collect();
                expected.sort_unstable();
                prop_assert_eq!(fired, expected);
                prop_assert_eq!(wheel.len(), model.len());
            }
        }
    }
}
