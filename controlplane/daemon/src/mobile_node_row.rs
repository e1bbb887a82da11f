//! Mobile nodes as operators see them

use dhp_proto::anchor::{Anchor, AssociationView, MobileNodeView};
use dhp_proto::security_association::MnId;
use dhp_proto::time::{NANOS_PER_SECOND, Now};
use dhpctl::{Association, MobileNode, Window};

use crate::signalling::Signalling;

/// Mobile nodes that are told of between two turns of the control plane: signalling waits for it.
const ROWS_AT_ONCE: usize = 64;
/// The same of addresses and associations, of which one mobile node may have many.
const DETAILS_AT_ONCE: usize = 256;
/// The same of those that are looked at to find one.
const LOOKED_AT_ONCE: usize = 1024;
/// Home addresses of one mobile node whose bindings are looked at: nearly all are at the same place.
const ADDRESSES_OF_ONE: usize = 16;

/// Some of the mobile nodes from a number on, or of them the one with the identity `wanted`, at most `limit`; and where to go on.
/// Takes a fraction of a millisecond, however many there are.
pub fn some(
    signalling: &mut Signalling,
    from: u32,
    wanted: Option<&MnId>,
    limit: usize,
) -> (Vec<MobileNode>, Option<u32>) {
    let now = signalling.now();
    let anchor = signalling.anchor();
    let mut rows = Vec::new();
    let (mut looked_at, mut details) = (0_usize, 0_usize);
    for (node, number) in anchor.mobile_nodes_from(from, wanted).zip(from..) {
        let is_enough = rows.len() >= limit.min(ROWS_AT_ONCE)
            || details >= DETAILS_AT_ONCE
            || looked_at >= LOOKED_AT_ONCE;
        if is_enough {
            return (rows, Some(number));
        }
        looked_at += 1;
        if let Some(node) = node {
            let row = describe(anchor, now, &node);
            details += row.associations.len() + row.home_addresses.len() + row.dhoas;
            rows.push(row);
            if wanted.is_some() {
                break;
            }
        }
    }
    (rows, None)
}

fn describe(anchor: &Anchor, now: Now, node: &MobileNodeView<'_>) -> MobileNode {
    let ago = |heard_ns: u64| now.mono_ns.saturating_sub(heard_ns) / NANOS_PER_SECOND;
    let last = node
        .associations
        .iter()
        .filter(|association| association.heard_ns.is_some())
        .max_by_key(|association| association.heard_ns);
    let mut home_addresses = Vec::new();
    for association in &node.associations {
        for home_address in &association.permissions.home_addresses {
            if !home_addresses.contains(home_address) {
                home_addresses.push(*home_address);
            }
        }
    }
    let mut care_of_addresses = Vec::new();
    let addresses = home_addresses.iter().chain(node.dhoas);
    for binding in addresses
        .take(ADDRESSES_OF_ONE)
        .filter_map(|home_address| anchor.binding(now, home_address))
    {
        let numbered = binding.care_ofs.iter().map(|care_of| care_of.address);
        for care_of in [binding.care_of].into_iter().chain(numbered) {
            if !care_of_addresses.contains(&care_of) {
                care_of_addresses.push(care_of);
            }
        }
    }
    let permitted = node
        .associations
        .iter()
        .map(|association| association.permissions);
    let permitted = permitted.map(|permissions| match permissions.dhoa {
        true => permissions.max_dhoas,
        false => 0,
    });
    MobileNode {
        id: node.id.to_string(),
        associations: node
            .associations
            .iter()
            .map(|association| association_row(association, ago))
            .collect(),
        last_used_spi: last.map(|association| association.spi),
        last_heard_seconds: last.and_then(|association| association.heard_ns).map(ago),
        home_addresses,
        dhoas: node.dhoas.len(),
        max_dhoas: permitted.max().unwrap_or(0),
        quarantined: node.quarantined,
        care_of_addresses,
    }
}

fn association_row(view: &AssociationView<'_>, ago: impl Fn(u64) -> u64) -> Association {
    Association {
        spi: view.spi,
        algorithm: view.algorithm.name().to_owned(),
        last_heard_seconds: view.heard_ns.map(ago),
        window: match (view.sequence, view.is_window_lost) {
            (Some(_), _) => Window::Known,
            (None, true) => Window::Lost,
            (None, false) => Window::Empty,
        },
        sequence: view.sequence,
        unused_numbers: view.unused_numbers,
        refused: view.refused,
    }
}
