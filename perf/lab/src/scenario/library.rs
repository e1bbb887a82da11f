//! The scenarios that come with the lab, and those of others.

use std::fs;

use anyhow::{Context, Result};

use super::model::Scenario;

/// Name and text of each.
pub const BUILT_IN: [(&str, &str); 9] = [
    (
        "two-regions",
        include_str!("../../../scenarios/two-regions.toml"),
    ),
    (
        "route-optimization",
        include_str!("../../../scenarios/route-optimization.toml"),
    ),
    (
        "permission",
        include_str!("../../../scenarios/permission.toml"),
    ),
    ("commute", include_str!("../../../scenarios/commute.toml")),
    (
        "ping-pong",
        include_str!("../../../scenarios/ping-pong.toml"),
    ),
    (
        "dhp-failure",
        include_str!("../../../scenarios/dhp-failure.toml"),
    ),
    (
        "many-anchors",
        include_str!("../../../scenarios/many-anchors.toml"),
    ),
    (
        "two-accesses",
        include_str!("../../../scenarios/two-accesses.toml"),
    ),
    ("programs", include_str!("../../../scenarios/programs.toml")),
];

/// A built-in one by its name, or a file.
pub fn load(name: &str) -> Result<Scenario> {
    if let Some((_, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
        return Scenario::parse(text).with_context(|| format!("the scenario {name}"));
    }
    let text = fs::read_to_string(name).with_context(|| {
        format!(
            "{name} is neither a built-in scenario (dhp-lab run --list) nor a file that can be read"
        )
    })?;
    Scenario::parse(&text).with_context(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::trace::trace;

    #[test]
    fn every_built_in_scenario_is_right() {
        for (name, _) in BUILT_IN {
            let scenario = load(name).unwrap();
            for quick in [false, true] {
                trace(&scenario, quick).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (_, text) = BUILT_IN[0];
        let error = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            format!(
                "{:#}",
                Scenario::parse(&text.replacen(from, to, 1)).unwrap_err()
            )
        };
        assert!(error("delay-ms", "dellay-ms").contains("dellay-ms"));
        assert!(error("to = \"west\"", "to = \"north\"").contains("north"));
        assert!(error("kind = \"stream\"", "kind = \"telex\"").contains("telex"));
    }
}
