//! Flows as people read them

use dhpctl::{Flow, FlowMode, FlowTable, FlowTarget};

use super::optional;
use crate::table::Table;

/// The table, still without rows.
pub fn table() -> Table {
    Table::new(&[
        "HOME ADDRESS",
        "MOBILE NODE",
        ">FLOW",
        "MODE",
        ">PRIORITY",
        "TABLE",
        "CARE-OF ADDRESS",
        "PACKETS FROM CORRESPONDENTS",
    ])
}

/// The row of one.
pub fn cells(flow: &Flow) -> Vec<String> {
    let mode = match flow.mode {
        FlowMode::Proxy => "proxy",
        FlowMode::RouteOptimized => "route-optimized",
    };
    let table = match flow.table {
        Some(FlowTable::Exact) => "exact",
        Some(FlowTable::Range) => "range",
        None => "-",
    };
    let targets: Vec<String> = flow.targets.iter().map(target).collect();
    vec![
        flow.home_address.to_string(),
        flow.mobile_node.clone(),
        flow.fid.to_string(),
        mode.to_owned(),
        optional(flow.priority.as_ref(), "-"),
        table.to_owned(),
        targets.join(", "),
        optional(flow.selector.as_ref(), "-"),
    ]
}

/// Such as `2001:db8:a::5 (BID 1)`.
fn target(target: &FlowTarget) -> String {
    let care_of = optional(target.care_of.as_ref(), "not registered");
    match target.bid {
        Some(bid) => format!("{care_of} (BID {bid})"),
        None => care_of,
    }
}
