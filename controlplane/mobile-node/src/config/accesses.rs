//! `[[interface]]`, and what a `[[flow]]` asks of accesses.

use dhp_config::{Located, Problem, Section};
use dhp_proto::mobile_node::policy::Treatment;
use dhp_proto::mobile_node::{Session, Unmet};

use super::{FlowAccess, Link};

/// What the file says of interfaces. `known`: those of `[mobile-node]`.
pub(super) fn links(sections: Vec<Section<'_>>, known: &[String]) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for section in sections {
        let name = section.interface("name");
        let name = section.require("name", name, "\"wlan0\"");
        let rate = section.integer("rate-kbps", 1..=u64::from(u32::MAX));
        let metered = section.boolean("metered");
        let Some(name) = name else {
            section.finish();
            continue;
        };
        check_known(&section, &name, known);
        if links.iter().any(|link| link.name == name.value) {
            section.problem(Problem::new(
                name.span.clone(),
                format!("{} stands twice", name.value),
                "each interface once",
            ));
        }
        section.finish();
        links.push(Link {
            name: name.value,
            rate_kbps: rate.and_then(|rate| u32::try_from(rate.value).ok()),
            metered: metered.unwrap_or(false),
        });
    }
    links
}

/// What a flow asks of accesses.
pub(super) fn flow_access(
    section: &Section<'_>,
    treatment: Option<Treatment>,
    known: &[String],
) -> FlowAccess {
    let name = |text: &str| Ok::<_, &str>(text.to_owned());
    let interfaces = section.texts("access", "access interfaces", name);
    let metered = section.boolean("metered");
    let words = [("wait", Unmet::Wait), ("release", Unmet::Release)];
    let unmet = section.word("when-unmet", &words);
    let interfaces = interfaces.unwrap_or_default();
    for name in &interfaces {
        check_known(section, name, known);
    }
    let is_anchored = matches!(treatment, Some(Treatment::Anchored(_)));
    if let (Some(first), false) = (interfaces.first(), is_anchored || treatment.is_none()) {
        section.problem(Problem::new(
            first.span.clone(),
            "a non-persistent session has the care-of address, which belongs to one access",
            "`session = \"session-lasting\"` for flows that change accesses",
        ));
    }
    // What may be withdrawn after a warning is (RFC 8653 §3).
    let is_graceful = matches!(
        treatment,
        Some(Treatment::Anchored(need)) if need.session == Session::GracefulReplacement
    );
    let by_default = match is_graceful {
        true => Unmet::Release,
        false => Unmet::Wait,
    };
    FlowAccess {
        interfaces: interfaces.into_iter().map(|name| name.value).collect(),
        may_be_metered: metered.unwrap_or(true),
        unmet: unmet.map_or(by_default, |unmet| unmet.value),
    }
}

fn check_known(section: &Section<'_>, name: &Located<String>, known: &[String]) {
    // Where there are none, that is the problem.
    if !known.is_empty() && !known.contains(&name.value) {
        section.problem(Problem::new(
            name.span.clone(),
            format!("{} is no access interface", name.value),
            format!("one of `interfaces` in [mobile-node]: {}", known.join(", ")),
        ));
    }
}
