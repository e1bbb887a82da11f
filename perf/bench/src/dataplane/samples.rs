//! What was measured, round by round

use std::collections::BTreeMap;

use serde::Serialize;

use crate::results::Figures;
use crate::statistics::Spread;

/// Rounds by the name of what was measured in them, such as `encap.1000.cycles`.
#[derive(Debug, Default)]
pub struct Samples(BTreeMap<String, Vec<f64>>);

/// As it is written.
#[derive(Debug, Serialize)]
pub struct Summary {
    #[serde(flatten)]
    spread: Spread,
    rounds: Vec<f64>,
}

impl Samples {
    /// Of one round.
    pub fn push(&mut self, name: impl Into<String>, value: f64) {
        self.0.entry(name.into()).or_default().push(value);
    }

    /// Least, median and greatest of the rounds.
    pub fn spread(&self, name: &str) -> Option<Spread> {
        Spread::of(self.0.get(name)?)
    }

    pub fn median(&self, name: &str) -> Option<f64> {
        self.spread(name).map(|spread| spread.median)
    }

    /// Put the median of each under its name.
    pub fn put_medians(&self, figures: &mut Figures) {
        for name in self.0.keys() {
            figures.put(name, self.median(name));
        }
    }

    pub fn summaries(&self) -> BTreeMap<&str, Summary> {
        self.0
            .iter()
            .filter_map(|(name, rounds)| {
                let spread = Spread::of(rounds)?;
                let rounds = rounds.clone();
                Some((name.as_str(), Summary { spread, rounds }))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_rounds_is_the_figure() {
        let mut samples = Samples::default();
        for value in [3.0, 1.0, 2.0] {
            samples.push("encap.1000.cycles", value);
        }
        let mut figures = Figures::new();
        samples.put_medians(&mut figures);
        assert_eq!(figures.get("encap.1000.cycles"), Some(Some(2.0)));
        assert_eq!(samples.median("other"), None);
    }
}
