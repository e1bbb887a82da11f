//! The search against devices that are formulas

use super::classify::{Target, Verdict, classify, interval};
use super::{Bounds, Goal, Interval, Outcome, Search, Trial};

const NDR: Goal = Goal {
    loss_ratio: 0.0,
    final_duration: 0.5,
    duration_sum: 1.5,
    exceed_ratio: 0.5,
    width: 0.005,
};
const PDR: Goal = Goal {
    loss_ratio: 0.005,
    ..NDR
};
const BOUNDS: Bounds = Bounds {
    min_load: 1e3,
    max_load: 2e7,
    initial_duration: 0.05,
    preceding_targets: 3,
    max_trials: 200,
};

/// Forwards so many packets in a second and loses the others.
fn forwards(capacity: f64) -> impl FnMut(Trial) -> f64 {
    move |trial| f64::max(0.0, 1.0 - capacity / trial.load)
}

fn run(bounds: Bounds, mut loss_ratio: impl FnMut(Trial) -> f64) -> Search {
    let mut search = Search::new(&[NDR, PDR], bounds);
    while let Some(trial) = search.next() {
        let loss_ratio = loss_ratio(trial);
        search.record(Outcome { trial, loss_ratio });
    }
    search
}

fn assert_narrow(interval: Interval, around: f64) {
    let (Some(lower), Some(upper)) = (interval.lower, interval.upper) else {
        panic!("{interval:?} around {around}");
    };
    assert!(
        lower <= around && around <= upper,
        "{interval:?} around {around}"
    );
    assert!((upper - lower) / upper <= 0.005, "{interval:?}");
}

#[test]
fn both_rates_of_a_steady_device_are_found_in_a_few_trials() {
    for capacity in [1.3e3, 5e5, 4_417_000.0, 1.9e7] {
        let search = run(BOUNDS, forwards(capacity));
        assert!(search.is_complete());
        assert_narrow(search.interval(0), capacity);
        assert_narrow(search.interval(1), capacity / 0.995);
        assert!(search.outcomes().len() <= 60, "{}", search.outcomes().len());
    }
}

#[test]
fn a_device_that_loses_some_at_every_load_has_a_pdr_and_no_ndr() {
    let search = run(BOUNDS, |trial| f64::max(0.001, 1.0 - 3e6 / trial.load));
    assert!(search.is_complete());
    assert_eq!(search.interval(0).lower, None);
    assert_narrow(search.interval(1), 3e6 / 0.995);
}

#[test]
fn a_device_that_loses_a_little_early_has_its_rates_apart() {
    // From 2 M on one packet in a thousand, from 3 M on what it cannot take.
    let search = run(BOUNDS, |trial| {
        let overload = f64::max(0.0, 1.0 - 3e6 / trial.load);
        overload.max(if trial.load > 2e6 { 0.001 } else { 0.0 })
    });
    assert!(search.is_complete());
    assert_narrow(search.interval(0), 2e6);
    assert_narrow(search.interval(1), 3e6 / 0.995);
}

#[test]
fn a_device_faster_than_the_greatest_load_has_no_upper_end() {
    let search = run(BOUNDS, forwards(3e7));
    assert!(search.is_complete());
    let greatest = Interval {
        lower: Some(2e7),
        upper: None,
    };
    assert_eq!(
        (search.interval(0), search.interval(1)),
        (greatest, greatest)
    );
}

#[test]
fn one_trial_in_four_that_goes_wrong_does_not_decide() {
    let mut trials = 0;
    let search = run(BOUNDS, |trial| {
        trials += 1;
        let hiccup = if trials % 4 == 0 { 0.02 } else { 0.0 };
        f64::max(hiccup, 1.0 - 4e6 / trial.load)
    });
    assert!(search.is_complete());
    for goal in [0, 1] {
        let lower = search.interval(goal).lower.expect("a lower end");
        assert!((3.6e6..=4.1e6).contains(&lower), "{lower}");
    }
}

#[test]
fn the_number_of_trials_is_bounded_whatever_the_device_does() {
    let bounds = Bounds {
        max_trials: 25,
        ..BOUNDS
    };
    let mut number = 1_u32;
    let search = run(bounds, |_| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(number >> 16) / 65_536.0 * 0.01
    });
    assert!(search.outcomes().len() <= 25);
    let dead = run(bounds, |_| 1.0);
    assert!(dead.outcomes().len() <= 25);
    assert_eq!(dead.interval(1).lower, None);
}

#[test]
fn trials_grow_and_loads_stay_in_their_range() {
    let search = run(BOUNDS, forwards(7e6));
    let trials: Vec<_> = search
        .outcomes()
        .iter()
        .map(|outcome| outcome.trial)
        .collect();
    assert!(
        trials
            .windows(2)
            .all(|two| two[0].duration <= two[1].duration)
    );
    assert!(trials.iter().all(|trial| (1e3..=2e7).contains(&trial.load)));
    assert_eq!(trials.first().map(|trial| trial.duration), Some(0.05));
    assert_eq!(trials.last().map(|trial| trial.duration), Some(0.5));
}

fn outcomes(trials: &[(f64, f64, f64)]) -> Vec<Outcome> {
    trials
        .iter()
        .map(|(load, duration, loss_ratio)| Outcome {
            trial: Trial {
                load: *load,
                duration: *duration,
            },
            loss_ratio: *loss_ratio,
        })
        .collect()
}

#[test]
fn a_load_is_decided_when_what_is_missing_cannot_change_it() {
    let target = Target::of(&NDR, &BOUNDS, 0);
    let verdict = |trials: &[(f64, f64, f64)]| classify(&target, 1.0, &outcomes(trials));
    let (good, bad) = ((1.0, 0.5, 0.0), (1.0, 0.5, 0.1));
    assert_eq!(verdict(&[]), Verdict::Undecided);
    assert_eq!(verdict(&[good]), Verdict::Undecided);
    assert_eq!(verdict(&[good, good]), Verdict::Lower);
    assert_eq!(verdict(&[bad, good]), Verdict::Undecided);
    assert_eq!(verdict(&[bad, good, good]), Verdict::Lower);
    assert_eq!(verdict(&[bad, good, bad]), Verdict::Upper);
    // Short good trials prove nothing, but excuse short bad ones.
    let (short_good, short_bad) = ((1.0, 0.4, 0.0), (1.0, 0.4, 0.1));
    assert_eq!(verdict(&[short_good; 9]), Verdict::Undecided);
    assert_eq!(verdict(&[short_bad, short_bad]), Verdict::Upper);
    assert_eq!(
        verdict(&[short_bad, short_bad, short_good, short_good]),
        Verdict::Undecided
    );
}

#[test]
fn a_good_load_above_a_bad_one_is_not_believed() {
    let target = Target::of(&NDR, &BOUNDS, 3);
    let found = interval(
        &target,
        &outcomes(&[(1.0, 0.5, 0.0), (2.0, 0.5, 0.1), (3.0, 0.5, 0.0)]),
    );
    let expected = Interval {
        lower: Some(1.0),
        upper: Some(2.0),
    };
    assert_eq!(found, expected);
}
