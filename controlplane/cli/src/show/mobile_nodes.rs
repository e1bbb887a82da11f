//! Mobile nodes as people read them

use std::fmt::Display;

use dhpctl::{MobileNode, Window};

use super::{optional, span};
use crate::table::Table;

/// The table, still without rows.
pub fn table() -> Table {
    Table::new(&[
        "MOBILE NODE",
        "SPIS",
        ">USED LAST",
        ">LAST HEARD",
        ">SEQUENCE",
        ">REFUSED",
        "HOME ADDRESS",
        ">DHOAS",
        ">QUARANTINED",
        "CARE-OF ADDRESS",
    ])
}

/// The row of one.
pub fn cells(node: &MobileNode) -> Vec<String> {
    let spis = node
        .associations
        .iter()
        .map(|association| format!("{} {}", association.spi, association.algorithm));
    let used_last = node
        .associations
        .iter()
        .find(|association| Some(association.spi) == node.last_used_spi);
    // Before any was used it is the first that will be, if there is but one.
    let sequence = match used_last.or(node.associations.first()) {
        None => "-".to_owned(),
        Some(association) => match association.window {
            Window::Empty => "-".to_owned(),
            Window::Lost => "lost".to_owned(),
            Window::Known => optional(association.sequence.as_ref(), "-"),
        },
    };
    let refused = node.associations.iter();
    let refused: u64 = refused
        .map(|association| u64::from(association.refused))
        .sum();
    vec![
        node.id.clone(),
        joined(spis),
        optional(node.last_used_spi.as_ref(), "-"),
        node.last_heard_seconds
            .map_or_else(|| "never".to_owned(), |seconds| span(seconds) + " ago"),
        sequence,
        refused.to_string(),
        joined(node.home_addresses.iter()),
        format!("{} of {}", node.dhoas, node.max_dhoas),
        node.quarantined.to_string(),
        joined(node.care_of_addresses.iter()),
    ]
}

/// `-` for none.
fn joined(values: impl Iterator<Item = impl Display>) -> String {
    let values: Vec<String> = values.map(|value| value.to_string()).collect();
    match values.is_empty() {
        true => "-".to_owned(),
        false => values.join(", "),
    }
}
