//! A bounded search for several throughputs at once, in the manner of MLRsearch (draft-ietf-bmwg-mlrsearch)
//!
//! A *goal* asks for the greatest load that loses no more than its share: none for the NDR, half a percent for the PDR. Each goal is
//! reached by *targets* that become stricter: short trials and a wide interval first, then longer ones and half the width, up to
//! the goal's own. All trials count for all targets, so that the second goal costs little beside the first. Within a target an
//! interval grows twofold with each step that does not find its end, and is halved when both ends are known.
//!
//! There is no clock and no device in here: [`Search::next`] says what to try, [`Search::record`] is told what became of it.

mod classify;
#[cfg(test)]
mod tests;

use serde::Serialize;

use classify::{Target, Verdict};

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// The share of packets that may be lost.
    pub loss_ratio: f64,
    /// Seconds of a full-length trial.
    pub final_duration: f64,
    /// Seconds of full-length trials that decide about a load.
    pub duration_sum: f64,
    /// The share of those seconds in which more may be lost: what one hiccup of a machine must not decide.
    pub exceed_ratio: f64,
    /// The width of the last interval, as a share of its upper end.
    pub width: f64,
}

/// What bounds the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Packets in a second.
    pub min_load: f64,
    /// Packets in a second.
    pub max_load: f64,
    /// Seconds of the first trials.
    pub initial_duration: f64,
    /// Targets before a goal's own.
    pub preceding_targets: u32,
    /// Of all goals together.
    pub max_trials: usize,
}

/// A load to offer, for so long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// Packets in a second.
    pub load: f64,
    /// Seconds.
    pub duration: f64,
}

/// What became of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    #[serde(flatten)]
    pub trial: Trial,
    /// The share of packets that did not come back.
    pub loss_ratio: f64,
}

impl Outcome {
    /// Packets in a second that came back.
    fn forwarding_rate(&self) -> f64 {
        self.trial.load * (1.0 - self.loss_ratio)
    }
}

/// Where a goal's throughput lies, in packets in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// The greatest load that fulfils the goal, below all that do not. `None`: not even the least one does.
    pub lower: Option<f64>,
    /// The least load that does not. `None`: even the greatest one does.
    pub upper: Option<f64>,
}

impl Interval {
    /// As a share of the upper end.
    fn width(&self) -> Option<f64> {
        let (lower, upper) = (self.lower?, self.upper?);
        Some((upper - lower) / upper)
    }
}

/// A running search.
#[derive(Debug)]
pub struct Search {
    goals: Vec<Goal>,
    bounds: Bounds,
    outcomes: Vec<Outcome>,
    /// How many targets are still between this one and the goal's own.
    phase: u32,
    /// Whose turn it is.
    goal: usize,
    /// The load that is tried until the target has decided about it.
    pending: Option<f64>,
    /// Where the goals' intervals were in the phase before.
    previous: Vec<Interval>,
    /// Steps in a row that did not find the interval's other end.
    expansions: i32,
    finished: bool,
}

impl Search {
    /// For these goals, the least tolerant first.
    pub fn new(goals: &[Goal], bounds: Bounds) -> Self {
        Self {
            goals: goals.to_vec(),
            bounds,
            outcomes: Vec::new(),
            phase: bounds.preceding_targets,
            goal: 0,
            pending: None,
            previous: vec![Interval::default(); goals.len()],
            expansions: 0,
            finished: goals.is_empty(),
        }
    }

    /// The next trial; `None`: the search is over.
    pub fn next(&mut self) -> Option<Trial> {
        while !self.finished && self.outcomes.len() < self.bounds.max_trials {
            let target = self.target()?;
            let trial = |load| Trial {
                load,
                duration: target.duration,
            };
            if let Some(load) = self.first_loads() {
                return Some(trial(load));
            }
            if let Some(load) = self.pending
                && classify::classify(&target, load, &self.outcomes) == Verdict::Undecided
            {
                return Some(trial(load));
            }
            self.pending = self.choose(&target);
            if self.pending.is_none() {
                self.next_target(&target);
            }
        }
        None
    }

    /// What became of the trial that was asked for.
    pub fn record(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// The interval of a goal by all trials so far, full length and all.
    pub fn interval(&self, goal: usize) -> Interval {
        match self.goals.get(goal) {
            Some(goal) => classify::interval(&Target::of(goal, &self.bounds, 0), &self.outcomes),
            None => Interval::default(),
        }
    }

    /// Whether every goal got its last interval, and not only the number of trials came to its end.
    pub fn is_complete(&self) -> bool {
        self.finished
    }

    /// All trials, in their order.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    fn target(&self) -> Option<Target> {
        let goal = self.goals.get(self.goal)?;
        Some(Target::of(goal, &self.bounds, self.phase))
    }

    /// What comes back of the greatest load is near the throughput of most devices: a good second one.
    fn first_loads(&self) -> Option<f64> {
        match self.outcomes.as_slice() {
            [] => Some(self.bounds.max_load),
            [only] if only.loss_ratio > 0.0 => Some(self.within(only.forwarding_rate())),
            _ => None,
        }
    }

    /// A load that tells more of where the target's interval is; `None`: it is narrow enough, or at an end of what may be tried.
    fn choose(&mut self, target: &Target) -> Option<f64> {
        let interval = classify::interval(target, &self.outcomes);
        if interval.width().is_some_and(|width| width <= target.width) {
            return None;
        }
        if let Some(load) = self.end_of_previous(&interval) {
            return Some(load);
        }
        let step = target.width * 2_f64.powi(self.expansions);
        match (interval.lower, interval.upper) {
            // In the middle by ratio: what is left is the same share of either end.
            (Some(lower), Some(upper)) => Some((lower * upper).sqrt()),
            (Some(lower), None) => {
                self.expansions += 1;
                let load = self.within(lower * (1.0 + step));
                (lower < self.bounds.max_load).then_some(load)
            }
            (None, Some(upper)) => {
                self.expansions += 1;
                let load = self.within(upper * (1.0 - step));
                (upper > self.bounds.min_load).then_some(load)
            }
            (None, None) => {
                let fallback = self.outcomes.last().map(Outcome::forwarding_rate);
                Some(self.within(fallback.unwrap_or(self.bounds.max_load)))
            }
        }
    }

    /// An end of what the phase before has found, where this one has not got as near yet.
    fn end_of_previous(&self, now: &Interval) -> Option<f64> {
        let previous = self.previous.get(self.goal)?;
        let below_upper = |load: f64| now.upper.is_none_or(|upper| load < upper);
        let above_lower = |load: f64| now.lower.is_none_or(|lower| load > lower);
        [previous.lower, previous.upper]
            .into_iter()
            .flatten()
            .find(|load| below_upper(*load) && above_lower(*load))
    }

    fn next_target(&mut self, target: &Target) {
        if let Some(previous) = self.previous.get_mut(self.goal) {
            *previous = classify::interval(target, &self.outcomes);
        }
        self.expansions = 0;
        self.goal += 1;
        if self.goal == self.goals.len() {
            self.goal = 0;
            match self.phase.checked_sub(1) {
                Some(phase) => self.phase = phase,
                None => self.finished = true,
            }
        }
    }

    fn within(&self, load: f64) -> f64 {
        load.clamp(self.bounds.min_load, self.bounds.max_load)
    }
}
