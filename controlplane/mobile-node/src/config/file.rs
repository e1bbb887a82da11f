//! The file as it is written; unknown keys are errors.

use serde::Deserialize;
use toml::Spanned;

/// `dhp-mn.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) mobile_node: Spanned<MobileNode>,
    pub(super) home: Option<Home>,
    #[serde(default)]
    pub(super) locator: Vec<Locator>,
    #[serde(default)]
    pub(super) flow: Vec<Flow>,
    #[serde(default)]
    pub(super) signalling: Signalling,
    #[serde(default)]
    pub(super) api: Api,
    #[serde(default)]
    pub(super) log: Log,
}

/// `[mobile-node]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MobileNode {
    pub(super) id: Spanned<String>,
    pub(super) spi: Spanned<i64>,
    pub(super) algorithm: Option<Spanned<String>>,
    pub(super) home_key: Option<Spanned<String>>,
    pub(super) home_key_file: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
    pub(super) key_file: Option<Spanned<String>>,
    pub(super) interfaces: Spanned<Vec<Spanned<String>>>,
    pub(super) tun: Option<Spanned<String>>,
    pub(super) lifetime: Option<Spanned<String>>,
    pub(super) optimistic_dad: Option<bool>,
    pub(super) path_mtu: Option<Spanned<i64>>,
}

/// `[home]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Home {
    pub(super) agent: Spanned<String>,
    pub(super) address: Spanned<String>,
}

/// `[[locator]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Locator {
    pub(super) address: Spanned<String>,
}

/// `[[flow]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flow {
    pub(super) prefix: Spanned<String>,
    pub(super) session: Spanned<String>,
}

/// `[signalling]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Signalling {
    pub(super) mh_type: Option<Spanned<i64>>,
    pub(super) option_type: Option<Spanned<i64>>,
}

/// `[api]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    pub(super) socket: Option<Spanned<String>>,
}

/// `[log]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) level: Option<Spanned<String>>,
    pub(super) format: Option<Spanned<String>>,
}
