//! How the mobile node moves

use serde::{Deserialize, Serialize};

/// How the mobile node moves: by a list, or by a generator.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Movement {
    /// Handoffs one by one.
    #[serde(default)]
    pub handoffs: Vec<Listed>,
    /// How many are generated, through the access networks in their order, again and again.
    #[serde(default)]
    pub count: usize,
    /// As many with `--quick`.
    pub quick_count: Option<usize>,
    /// From one to the next.
    #[serde(default = "two")]
    pub period_s: f64,
    /// How much earlier or later each may be.
    #[serde(default)]
    pub jitter_s: f64,
    /// Instead of the period: how far one access network reaches …
    pub cell_m: Option<f64>,
    /// … and how fast the mobile node is.
    pub speed_kmh: Option<f64>,
    /// How they are made.
    #[serde(default)]
    pub manner: MannerWanted,
    /// How long the radio is without a link.
    #[serde(default = "gap")]
    pub gap_ms: u64,
    /// Every so many handoffs the radio is without a link for longer; never if 0.
    #[serde(default)]
    pub outage_every: usize,
    /// For so long.
    #[serde(default)]
    pub outage_ms: u64,
    /// What the jitter is drawn from.
    #[serde(default)]
    pub seed: u64,
}

/// A handoff of a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Listed {
    /// When, from the beginning of the trace.
    pub at_s: f64,
    /// The access network's name.
    pub to: String,
    /// How it is made; the movement's if absent.
    pub manner: Option<MannerWanted>,
    /// How long the radio is without a link; the movement's if absent.
    pub gap_ms: Option<u64>,
}

/// How a handoff is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MannerWanted {
    /// One interface: the old link is cut first.
    #[default]
    BreakBeforeMake,
    /// Two interfaces.
    MakeBeforeBreak,
}

fn two() -> f64 {
    2.0
}
fn gap() -> u64 {
    50
}
