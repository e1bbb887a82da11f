//! A scenario as it is written in TOML. `perf/scenarios/README.md` explains each key.

mod flow;
mod movement;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::access::{Access, Interface};
pub use flow::{Flow, Kind, SessionType};
pub use movement::{MannerWanted, Movement};

use super::mishap::{Failure, Trouble, Withdrawal};

/// The whole file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// One line about it.
    pub title: String,
    /// What is run, one after the other, on the same trace.
    pub modes: Vec<Mode>,
    /// How often the agent measures the way to DHPs in use.
    #[serde(default = "hour")]
    pub dhp_check: String,
    /// The home agent.
    pub home_agent: HomeAgent,
    /// Where correspondents are, with the DHPs beside them.
    #[serde(rename = "region")]
    pub regions: Vec<Region>,
    /// What the mobile node roams between; it begins in the first.
    #[serde(rename = "access")]
    pub accesses: Vec<AccessNetwork>,
    /// Where its second interface is all the time, as its first is in the first; out of reach if absent.
    pub second_access: Option<String>,
    /// How it moves.
    pub movement: Movement,
    /// What it does meanwhile.
    #[serde(rename = "flow")]
    pub flows: Vec<Flow>,
    /// What befalls access networks.
    #[serde(rename = "trouble", default)]
    pub troubles: Vec<Trouble>,
    /// DHPs that are killed.
    #[serde(rename = "failure", default)]
    pub failures: Vec<Failure>,
    /// DHPs that permit no route optimization for a while.
    #[serde(rename = "withdrawal", default)]
    pub withdrawals: Vec<Withdrawal>,
    /// What must be shown.
    #[serde(rename = "criterion", default)]
    pub criteria: Vec<Wanted>,
}

/// By what flows are anchored.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Plain Mobile IPv6: all that is to survive goes by the home agent, and there is no DHP.
    Ha,
    /// As each flow's session type has it.
    Dhp,
    /// The same, and correspondents that speak Mobile IPv6: packets go by the anchors only until routes are optimized.
    Ro,
}

impl Mode {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ha => "ha",
            Self::Dhp => "dhp",
            Self::Ro => "ro",
        }
    }

    /// What it is, in a few words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Ha => "ha, plain Mobile IPv6 by the home agent",
            Self::Dhp => "dhp, DHPs as the flows ask for them",
            Self::Ro => "ro, DHPs and optimized routes",
        }
    }

    /// Whether there are DHPs.
    pub fn has_dhps(self) -> bool {
        matches!(self, Self::Dhp | Self::Ro)
    }
}

/// The home agent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HomeAgent {
    /// One way to the core.
    pub delay_ms: f64,
}

/// A region: a router with one correspondent and one DHP.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Region {
    /// Its name, which flows and failures refer to.
    pub name: String,
    /// One way from its router to the core.
    pub delay_ms: f64,
    /// One way from its router to its DHP.
    #[serde(default = "half")]
    pub dhp_delay_ms: f64,
    /// One way from its router to its correspondent.
    #[serde(default = "half")]
    pub correspondent_delay_ms: f64,
}

/// An access network.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AccessNetwork {
    /// Its name.
    pub name: String,
    /// The region that its router is attached to; the core if absent.
    pub at: Option<String>,
    /// One way to there.
    pub delay_ms: f64,
    /// What it carries each way; unlimited if absent.
    pub rate_mbps: Option<f64>,
    /// How long packets may wait where the rate is limited.
    #[serde(default = "queue")]
    pub queue_ms: f64,
    /// The part of packets that is lost, 0 to 1.
    #[serde(default)]
    pub loss: f64,
}

/// A criterion.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Wanted {
    /// What is judged.
    pub what: Measure,
    /// In which mode.
    pub mode: Mode,
    /// Of which flow; of all that are to survive if absent.
    pub flow: Option<String>,
    /// The upper limit.
    pub at_most: Option<f64>,
    /// The lower limit.
    pub at_least: Option<f64>,
}

/// What can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Handoffs made.
    Handoffs,
    /// Anchors that carried flows.
    Anchors,
    /// Flows that are to survive and did not.
    SessionsLost,
    /// Median interruption once the care-of address is usable, less the round trip to the anchor, ms.
    InterruptionOverRtt,
    /// Round trip by the anchor in units of the direct one, least of each.
    PathStretch,
    /// The same of the medians; where routes are optimized, of the time in which they are.
    MedianPathStretch,
    /// Handoffs in which not every optimized route fell back to its anchor and was optimized again.
    RoutesNotRestored,
    /// Withdrawn permissions to optimize routes, or renewed ones, that the next handoff did not bring into effect.
    PermissionsNotFollowed,
    /// Packets that the anchors tunnelled while flows went on and every route was optimized.
    TunnelPackets,
    /// Signalling octets per minute in units of those of mode `ha`.
    SignallingRatio,
    /// Part of a flow's packets that took the access that the agent says, the worse way.
    AccessShare,
    /// How often a flow was taken to another access.
    AccessMoves,
    /// The longest time without an arrival, ms, the worse way.
    LongestSilence,
    /// From the killing of a DHP until the agent reports that it is silent, ms.
    FailureNoticed,
    /// From the return of a killed DHP until flows by it arrive again, ms.
    SilenceAfterReturn,
}

impl Scenario {
    /// Reads and checks a file.
    pub fn parse(text: &str) -> Result<Self> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Other modes than its own, and the criteria that they can be judged by.
    pub fn limit_to(&mut self, modes: &[Mode]) {
        self.modes.clear();
        for mode in modes {
            if !self.modes.contains(mode) {
                self.modes.push(*mode);
            }
        }
        let runs = |mode| self.modes.contains(&mode);
        self.criteria.retain(|wanted| {
            runs(wanted.mode) && (wanted.what != Measure::SignallingRatio || runs(Mode::Ha))
        });
    }

    /// The number of a region.
    pub fn region(&self, name: &str) -> Result<usize> {
        let position = self.regions.iter().position(|region| region.name == name);
        position.with_context(|| format!("there is no region \"{name}\""))
    }

    /// The name of a region.
    pub fn region_name(&self, index: usize) -> &str {
        let region = self.regions.get(index);
        region.map_or("?", |region| region.name.as_str())
    }

    /// The access network of this name.
    pub fn access(&self, name: &str) -> Result<Access> {
        let position = self.accesses.iter().position(|access| access.name == name);
        position
            .and_then(|index| Access::first(Access::MOST).nth(index))
            .with_context(|| format!("there is no access network \"{name}\""))
    }

    /// The interface that stays in an access network, where both are in use.
    pub fn interface_in(&self, name: &str) -> Result<Interface> {
        let first = self.accesses.first().map(|access| access.name.as_str());
        match () {
            () if self.second_access.as_deref() == Some(name) => Ok(Interface::Wwan0),
            () if first == Some(name) => Ok(Interface::Wlan0),
            () => bail!("no interface stays in access network \"{name}\""),
        }
    }

    /// The name of an access network.
    pub fn access_name(&self, access: Access) -> &str {
        let network = self.accesses.get(access.index());
        network.map_or("?", |network| network.name.as_str())
    }
}

fn hour() -> String {
    "1h".to_owned()
}
fn half() -> f64 {
    0.5
}
fn queue() -> f64 {
    50.0
}
