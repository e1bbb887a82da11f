//! `[[provisioned-dhp]]`: the DHPs that the subscription names.

use dhp_config::{Problem, Section};
use dhp_proto::mobile_node::ProvisionedDhp;

/// As many as a mobile node can have addresses of at once.
const MOST: usize = 64;

pub(super) fn provisioned(sections: Vec<Section<'_>>) -> Vec<ProvisionedDhp> {
    let mut known: Vec<ProvisionedDhp> = Vec::new();
    for section in sections {
        if known.len() >= MOST {
            section.problem(Problem::new(
                section.span.clone(),
                "one DHP too many",
                format!("at most {MOST}"),
            ));
            break;
        }
        known.extend(dhp(section, &known));
    }
    known
}

fn dhp(section: Section<'_>, known: &[ProvisionedDhp]) -> Option<ProvisionedDhp> {
    let address = section.require("address", section.node("address"), "\"2001:db8:d::1\"");
    let covers = section.prefixes("covers");
    if let Some(twice) = address
        .as_ref()
        .filter(|address| known.iter().any(|dhp| dhp.address == address.value))
    {
        section.problem(Problem::new(
            twice.span.clone(),
            format!("{} stands twice", twice.value),
            "each DHP once, with all that it covers",
        ));
    }
    section.finish();
    let covers = covers.into_iter().flatten();
    Some(ProvisionedDhp {
        address: address?.value,
        covers: covers.map(|prefix| prefix.value).collect(),
    })
}
