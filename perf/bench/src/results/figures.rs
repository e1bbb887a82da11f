//! The numbers of a run that targets can name

use std::collections::BTreeMap;

use serde::Serialize;

/// Numbers by name, such as `encap.1000.times_limit`. A number that was asked for and could not be had is there too, as none.
#[derive(Debug, Default, Serialize)]
pub struct Figures(BTreeMap<String, Option<f64>>);

impl Figures {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was measured under this name; `None`: it was to be, and there is no result.
    pub fn put(&mut self, name: impl Into<String>, value: Option<f64>) {
        self.0
            .insert(name.into(), value.filter(|value| value.is_finite()));
    }

    /// What there is under this name: outer `None`, nobody asked for it.
    pub fn get(&self, name: &str) -> Option<Option<f64>> {
        self.0.get(name).copied()
    }
}
