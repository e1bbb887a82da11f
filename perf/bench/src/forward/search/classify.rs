//! What the trials so far say of a load

use super::{Bounds, Goal, Interval, Outcome};

/// One step on the way to a goal: the goal itself at the end, something less strict before.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    loss_ratio: f64,
    /// Seconds of a full-length trial.
    pub duration: f64,
    duration_sum: f64,
    exceed_ratio: f64,
    /// As a share of the upper end.
    pub width: f64,
}

/// How a load stands to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fulfils the target, whatever the trials still missing would show.
    Lower,
    /// It does not, whatever they would show.
    Upper,
    /// That depends on them.
    Undecided,
}

impl Target {
    /// The target that has `phase` more before the goal: twice as wide each, and shorter by the same factor each.
    pub fn of(goal: &Goal, bounds: &Bounds, phase: u32) -> Self {
        let share = f64::from(phase) / f64::from(bounds.preceding_targets.max(1));
        let shortest = bounds.initial_duration.min(goal.final_duration);
        let duration = goal.final_duration * (shortest / goal.final_duration).powf(share);
        Self {
            loss_ratio: goal.loss_ratio,
            duration,
            // Only the goal itself has trials repeated.
            duration_sum: match phase {
                0 => goal.duration_sum,
                _ => duration,
            },
            exceed_ratio: goal.exceed_ratio,
            width: goal.width * f64::from(1_u32 << phase.min(16)),
        }
    }
}

/// The load classification of the draft's appendix: what is missing of the duration sum is taken to be bad once and good once,
/// and a load is decided where both lead to the same. Of shorter trials only so many bad ones count as exceed what the good
/// ones would excuse.
pub fn classify(target: &Target, load: f64, outcomes: &[Outcome]) -> Verdict {
    let (mut good_full, mut bad_full, mut good_short, mut bad_short) = (0.0, 0.0, 0.0, 0.0);
    for outcome in outcomes.iter().filter(|outcome| outcome.trial.load == load) {
        let is_good = outcome.loss_ratio <= target.loss_ratio;
        // Durations of one target are computed alike, so that they compare.
        let is_full = outcome.trial.duration >= target.duration;
        let sum = match (is_good, is_full) {
            (true, true) => &mut good_full,
            (false, true) => &mut bad_full,
            (true, false) => &mut good_short,
            (false, false) => &mut bad_short,
        };
        *sum += outcome.trial.duration;
    }
    let excused = good_short * target.exceed_ratio / (1.0 - target.exceed_ratio);
    let bad = bad_full + f64::max(0.0, bad_short - excused);
    let whole = f64::max(good_full + bad, target.duration_sum);
    let allowed = whole * target.exceed_ratio;
    match (bad <= allowed, whole - good_full <= allowed) {
        (true, true) => Verdict::Lower,
        (false, false) => Verdict::Upper,
        _ => Verdict::Undecided,
    }
}

/// The least load that does not fulfil the target, and the greatest below it that does.
pub fn interval(target: &Target, outcomes: &[Outcome]) -> Interval {
    let mut decided: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.trial.load)
        .map(|load| (load, classify(target, load, outcomes)))
        .collect();
    decided.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let upper = decided
        .iter()
        .position(|(_, verdict)| *verdict == Verdict::Upper);
    let below = decided.get(..upper.unwrap_or(decided.len()));
    let lower = below
        .unwrap_or_default()
        .iter()
        .rfind(|(_, verdict)| *verdict == Verdict::Lower);
    Interval {
        lower: lower.map(|(load, _)| *load),
        upper: upper.and_then(|at| decided.get(at)).map(|(load, _)| *load),
    }
}
