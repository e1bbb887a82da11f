//! Limits of the anchor that the segment has room for

use dhp_proto::anchor::{AnchorConfig, Limits};
use dhp_segment::{Geometry, MAX_CARE_OFS, MAX_FLOW_RULES};

/// What the anchor accepts the segment must be able to hold.
pub(super) fn fit(config: &mut AnchorConfig, geometry: &Geometry) {
    let size = |size: u32| usize::try_from(size).unwrap_or(usize::MAX);
    let Limits {
        max_home_addresses,
        max_split_bindings,
        max_care_of_addresses,
        max_flow_bindings,
        max_flow_rules,
        max_correspondents,
        errors_per_second: _,
    } = &mut config.limits;
    *max_home_addresses = (*max_home_addresses).min(size(geometry.home_addresses));
    if config.care_of_test {
        // Each DHoA needs a meter.
        *max_home_addresses = (*max_home_addresses).min(size(geometry.meters));
    }
    *max_split_bindings = (*max_split_bindings).min(size(geometry.flow_sets));
    *max_care_of_addresses = (*max_care_of_addresses).min(MAX_CARE_OFS);
    *max_flow_bindings = (*max_flow_bindings).min(Limits::MOST_FLOW_BINDINGS);
    *max_flow_rules = (*max_flow_rules).min(MAX_FLOW_RULES);
    // Each of them may have nothing but exact flows, of which the table has so many in all.
    let with_flows = size(geometry.flows).checked_div(*max_flow_bindings);
    *max_split_bindings = (*max_split_bindings).min(with_flows.unwrap_or(usize::MAX));
    *max_correspondents = (*max_correspondents).min(size(geometry.optimized_routes));
}
