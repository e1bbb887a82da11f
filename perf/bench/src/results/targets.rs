//! `targets.toml`: what the figures have to be

use std::fmt;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::Figures;

/// All targets of all benchmarks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    target: Vec<Target>,
}

/// What one figure has to be: at most so much, or at least.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Of which benchmark.
    benchmark: String,
    /// The figure, by its name in the results.
    figure: String,
    at_most: Option<f64>,
    at_least: Option<f64>,
    /// Behind the number: `times`, `octets` …
    #[serde(default)]
    unit: String,
    /// In words.
    says: String,
}

/// How a figure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it has to be.
    Met,
    /// Not so, or it could not be measured.
    Missed,
    /// This run was not asked for it.
    NotAsked,
}

/// A target beside what was measured.
#[derive(Debug)]
pub struct Verdict<'a> {
    target: &'a Target,
    /// As [`Figures::get`] has it.
    measured: Option<Option<f64>>,
}

impl Targets {
    /// The targets in a file.
    ///
    /// # Errors
    /// There is no such file, or something in it is wrong.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read the targets in {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("targets in {}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let targets: Self = toml::from_str(text)?;
        for target in &targets.target {
            ensure!(
                target.at_most.is_some() != target.at_least.is_some(),
                "{}: either at_most or at_least",
                target.figure
            );
        }
        Ok(targets)
    }

    /// What the figures of a benchmark say of its targets.
    pub fn hold<'a>(&'a self, benchmark: &str, figures: &Figures) -> Vec<Verdict<'a>> {
        self.target
            .iter()
            .filter(|target| target.benchmark == benchmark)
            .map(|target| Verdict {
                target,
                measured: figures.get(&target.figure),
            })
            .collect()
    }
}

impl Verdict<'_> {
    /// How the figure stands.
    pub fn standing(&self) -> Standing {
        let meets = |value: f64| {
            self.target.at_most.is_none_or(|limit| value <= limit)
                && self.target.at_least.is_none_or(|limit| value >= limit)
        };
        match self.measured {
            None => Standing::NotAsked,
            Some(value) if value.is_some_and(meets) => Standing::Met,
            Some(_) => Standing::Missed,
        }
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.standing() {
            Standing::Met => "met",
            Standing::Missed => "MISSED",
            Standing::NotAsked => "not asked",
        };
        let measured = match self.measured.flatten() {
            Some(value) => format!("{value:.2}"),
            None => "–".to_owned(),
        };
        let limit = match (self.target.at_most, self.target.at_least) {
            (Some(most), _) => format!("≤ {most}"),
            (_, Some(least)) => format!("≥ {least}"),
            (None, None) => String::new(),
        };
        let Target { unit, says, .. } = self.target;
        write!(f, "{verdict:<9} {measured:>9} [{limit} {unit}] {says}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        [[target]]
        benchmark = "dataplane"
        figure = "encap.1000.times_limit"
        at_most = 1.15
        says = "encapsulation"

        [[target]]
        benchmark = "dataplane"
        figure = "workers.2.times_one"
        at_least = 1.9
        says = "two workers"

        [[target]]
        benchmark = "forward"
        figure = "ndr"
        at_least = 1
        says = "another benchmark"
    "#;

    fn standings(figures: &[(&str, Option<f64>)]) -> Vec<Standing> {
        let mut all = Figures::new();
        for (name, value) in figures {
            all.put(*name, *value);
        }
        let targets = Targets::parse(TEXT).expect("targets");
        let verdicts = targets.hold("dataplane", &all);
        verdicts.iter().map(Verdict::standing).collect()
    }

    #[test]
    fn a_figure_meets_its_limit_or_misses_it() {
        let figures = |encap, workers| {
            standings(&[
                ("encap.1000.times_limit", encap),
                ("workers.2.times_one", workers),
            ])
        };
        assert_eq!(figures(Some(1.15), Some(1.9)), [Standing::Met; 2]);
        assert_eq!(figures(Some(1.16), Some(1.89)), [Standing::Missed; 2]);
    }

    #[test]
    fn what_could_not_be_measured_is_missed_and_what_nobody_asked_for_is_not() {
        let standings = standings(&[("encap.1000.times_limit", None)]);
        assert_eq!(standings, [Standing::Missed, Standing::NotAsked]);
        let mut figures = Figures::new();
        figures.put("x", Some(f64::NAN));
        assert_eq!(figures.get("x"), Some(None));
    }

    #[test]
    fn a_target_has_one_limit() {
        let with = |limits: &str| {
            Targets::parse(&format!(
                "[[target]]\nbenchmark = \"b\"\nfigure = \"f\"\nsays = \"s\"\n{limits}"
            ))
        };
        assert!(with("at_most = 1").is_ok());
        assert!(with("").is_err());
        assert!(with("at_most = 2\nat_least = 1").is_err());
        assert!(with("at_mots = 2").is_err());
    }
}
