//! Bound home addresses as operators see them

use std::net::Ipv6Addr;

use dhp_proto::anchor::{CareOfAddress, FlowBinding};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_segment::Carried;
use dhpctl::{Binding, BoundFlow, CareOf, NumberedCareOf};

use crate::forwarding::{BoundAddress, TunnelPath};
use crate::signalling::Signalling;
use crate::snapshot::kind_name;

/// Care-of addresses and flows of one page, so that it fits an answer's line: each is a few hundred octets at most.
const DETAILS_AT_ONCE: usize = 1024;

/// A bound home address, and all that is known of it.
#[derive(Debug)]
pub struct BindingRow {
    home_address: Ipv6Addr,
    bound: BoundAddress,
    carried: Carried,
    care_ofs: Vec<CareOfAddress>,
    flows: Vec<FlowBinding>,
    now_ns: u64,
}

impl BindingRow {
    /// At most `limit` of those behind `after`, in their order, and whether there are more.
    pub fn page(
        signalling: &mut Signalling,
        after: Option<Ipv6Addr>,
        limit: usize,
    ) -> (Vec<Self>, bool) {
        let now = signalling.now();
        let (anchor, forwarding) = (signalling.anchor(), signalling.forwarding());
        let mut bound = forwarding.bound_after(after).peekable();
        let row = |(home_address, bound): (&Ipv6Addr, &BoundAddress)| {
            let binding = anchor.binding(now, home_address);
            let binding = binding.as_ref();
            Self {
                home_address: *home_address,
                bound: bound.clone(),
                carried: forwarding.carried(*home_address),
                care_ofs: binding.map_or(&[][..], |b| b.care_ofs).to_vec(),
                flows: binding.map_or(&[][..], |b| b.flow_bindings).to_vec(),
                now_ns: now.mono_ns,
            }
        };
        let (mut rows, mut details) = (Vec::new(), 0_usize);
        while rows.len() < limit && details < DETAILS_AT_ONCE {
            let Some(next) = bound.next().map(row) else {
                break;
            };
            details = details.saturating_add(next.care_ofs.len().saturating_add(next.flows.len()));
            rows.push(next);
        }
        (rows, bound.peek().is_some())
    }

    /// In the words of `dhpctl`, where ports have names.
    pub fn describe(&self, port_name: impl Fn(u16) -> String) -> Binding {
        let way = |path: &TunnelPath| CareOf {
            address: path.care_of,
            next_hop: path.next_hop.map(|key| key.address),
            port: path.next_hop.map(|key| port_name(key.port)),
            tunnel_mtu: path.mtu,
        };
        let numbered = |care_of: &CareOfAddress| {
            // Where there is but one, it is the binding's.
            let mut further = self.bound.further.iter();
            let further = further.find(|further| further.bid == care_of.bid);
            NumberedCareOf {
                bid: care_of.bid,
                priority: care_of.priority,
                care_of: way(further.map_or(&self.bound.path, |further| &further.path)),
                remaining_seconds: self.remaining(care_of.expires_ns),
            }
        };
        let flow = |flow: &FlowBinding| BoundFlow {
            fid: flow.fid,
            priority: flow.priority,
            selector: flow.selector.to_string(),
            bids: flow.bids.clone(),
            is_active: flow.is_active(&self.care_ofs),
        };
        Binding {
            home_address: self.home_address,
            kind: kind_name(self.bound.kind).to_owned(),
            mobile_node: self.bound.mn.to_string(),
            care_of: way(&self.bound.path),
            remaining_seconds: self.remaining(self.bound.expires_ns),
            packets: self.carried.packets,
            octets: self.carried.octets,
            care_ofs: self.care_ofs.iter().map(numbered).collect(),
            flows: self.flows.iter().map(flow).collect(),
        }
    }

    fn remaining(&self, expires_ns: Option<u64>) -> Option<u64> {
        expires_ns.map(|expires_ns| expires_ns.saturating_sub(self.now_ns) / NANOS_PER_SECOND)
    }
}
