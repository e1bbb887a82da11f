//! Timers fire when they are due, in their order, and in small steps.

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
