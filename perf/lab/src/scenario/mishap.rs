//! What befalls networks and anchors in a scenario.

use serde::{Deserialize, Serialize};

/// An access network gets worse for a while.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trouble {
    /// Its name.
    pub access: String,
    /// When.
    pub at_s: f64,
    /// For how long.
    pub for_s: f64,
    /// What part of the packets is lost, 0 to 1; the link is gone if absent.
    pub loss: Option<f64>,
}

/// A DHP that is killed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Failure {
    /// The region of the DHP.
    pub dhp: String,
    /// When.
    pub at_s: f64,
    /// After so long it is started again; never if absent.
    pub back_after_s: Option<f64>,
}

/// A DHP that permits no route optimization for a while.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Withdrawal {
    /// The region of the DHP.
    pub dhp: String,
    /// When it withdraws its permission.
    pub at_s: f64,
    /// After so long it permits it again.
    pub for_s: f64,
}
