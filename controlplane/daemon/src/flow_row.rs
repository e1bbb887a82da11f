//! Flows as operators see them

use std::net::Ipv6Addr;

use dhp_proto::anchor::{BindingView, FlowBinding, FlowSelector};
use dhp_proto::security_association::MnId;
use dhp_wire::mobility::Mode;
use dhpctl::{Flow, FlowMode, FlowTable, FlowTarget};

use crate::forwarding::is_exact;
use crate::signalling::Signalling;

/// Flows and care-of addresses of them that are told of between two turns of the control plane, and somewhat more, since those of
/// one home address stay together: signalling waits for it.
const DETAILS_AT_ONCE: usize = 128;
/// The same of bindings that are looked at to find them: few have any.
const LOOKED_AT_ONCE: usize = 512;

/// Whose flows are asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only this mobile node's.
    pub node: Option<MnId>,
    /// Only this home address's.
    pub home_address: Option<Ipv6Addr>,
}

/// Flows of some of the home addresses behind `after`; and behind which one to go on. Takes a fraction of a millisecond, however
/// many there are.
pub fn some(
    signalling: &mut Signalling,
    after: Option<Ipv6Addr>,
    wanted: &Wanted,
) -> (Vec<Flow>, Option<Ipv6Addr>) {
    let now = signalling.now();
    let (anchor, forwarding) = (signalling.anchor(), signalling.forwarding());
    let mut rows = Vec::new();
    let is_wanted = |mn: &MnId| wanted.node.as_ref().is_none_or(|node| node == mn);
    if let Some(home_address) = wanted.home_address {
        let binding = anchor.binding(now, &home_address);
        if let Some(binding) = binding.filter(|binding| is_wanted(binding.mn)) {
            describe(&binding, &mut rows);
        }
        return (rows, None);
    }
    let mut details = 0;
    let mut last = after;
    for (looked_at, (home_address, bound)) in forwarding.bound_after(after).enumerate() {
        if looked_at >= LOOKED_AT_ONCE || details >= DETAILS_AT_ONCE {
            return (rows, last);
        }
        last = Some(*home_address);
        if !is_wanted(&bound.mn) {
            continue;
        }
        if let Some(binding) = anchor.binding(now, home_address) {
            details += describe(&binding, &mut rows);
        }
    }
    (rows, None)
}

/// Adds the flows of a binding; gives how much that is.
fn describe(binding: &BindingView<'_>, rows: &mut Vec<Flow>) -> usize {
    let before = rows.len();
    let steered = binding.flow_bindings.iter();
    rows.extend(steered.map(|flow| row(binding, flow.fid, Some(flow))));
    // What has a mode and no flow binding: its packets are known to the mobile node alone.
    let is_steered = |fid: u16| binding.flow_bindings.iter().any(|flow| flow.fid == fid);
    let others = binding.flows.iter().filter(|flow| !is_steered(flow.fid));
    rows.extend(others.map(|flow| row(binding, flow.fid, None)));
    let added = rows.get(before..).unwrap_or_default().iter();
    added.map(|flow| flow.targets.len() + 1).sum()
}

fn row(binding: &BindingView<'_>, fid: u16, steered: Option<&FlowBinding>) -> Flow {
    let confirmed = binding.flows.iter().find(|flow| flow.fid == fid);
    let targets = match steered {
        None => vec![FlowTarget {
            bid: None,
            care_of: Some(binding.care_of),
        }],
        Some(flow) => flow
            .bids
            .iter()
            .map(|bid| {
                let mut care_ofs = binding.care_ofs.iter();
                let care_of = care_ofs.find(|care_of| care_of.bid == *bid);
                FlowTarget {
                    bid: Some(*bid),
                    care_of: care_of.map(|care_of| care_of.address),
                }
            })
            .collect(),
    };
    Flow {
        home_address: binding.home_address,
        mobile_node: binding.mn.to_string(),
        fid,
        mode: match confirmed.map(|flow| flow.mode) {
            Some(Mode::RouteOptimized) => FlowMode::RouteOptimized,
            Some(Mode::Proxy) | None => FlowMode::Proxy,
        },
        priority: steered.map(|flow| flow.priority),
        selector: steered.map(|flow| flow.selector.to_string()),
        targets,
        table: steered.and_then(|flow| table(binding, flow)),
    }
}

/// Where the workers find the rule of a flow binding. They have none while all packets go to one care-of address, nor for IPv4.
fn table(binding: &BindingView<'_>, flow: &FlowBinding) -> Option<FlowTable> {
    let is_compiled = binding.care_ofs.len() > 1 && flow.is_active(binding.care_ofs);
    match &flow.selector {
        FlowSelector::Ipv6(selector) if is_compiled => {
            Some(match is_exact(selector, binding.home_address) {
                true => FlowTable::Exact,
                false => FlowTable::Range,
            })
        }
        FlowSelector::Ipv6(_) | FlowSelector::Ipv4(_) => None,
    }
}
