//! Bindings as operators see them: of home addresses, and of correspondents

use std::net::Ipv6Addr;

use dhp_proto::anchor::{CareOfAddress, FlowBinding, RouteEnds};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_segment::Carried;
use dhpctl::{Binding, BoundFlow, CareOf, NumberedCareOf};

use crate::forwarding::{BoundAddress, OptimizedAddress, TunnelPath};
use crate::signalling::Signalling;
use crate::snapshot::{CORRESPONDENT, kind_name};

/// What this box holds of a home address.
#[derive(Debug)]
enum Held {
    /// As its home agent or DHP.
    Home(BoundAddress),
    /// As a correspondent, or on behalf of one.
    Optimized(OptimizedAddress),
}

impl Held {
    /// The tunnel of the care-of address with this BID; where there is but one, it is the binding's.
    fn path_of(&self, bid: u16) -> &TunnelPath {
        match self {
            Self::Home(bound) => {
                let further = bound.further.iter().find(|further| further.bid == bid);
                further.map_or(&bound.path, |further| &further.path)
            }
            Self::Optimized(route) => &route.path,
        }
    }

    fn is_under_test(&self) -> bool {
        matches!(self, Self::Home(bound) if bound.test.is_some())
    }
}

/// Care-of addresses and flows of one page, so that it fits an answer's line: each is a few hundred octets at most.
const DETAILS_AT_ONCE: usize = 1024;

/// A binding, by home address and correspondent, and all that is known of it.
#[derive(Debug)]
pub struct BindingRow {
    home_address: Ipv6Addr,
    correspondent: Option<Ipv6Addr>,
    held: Held,
    carried: Carried,
    care_ofs: Vec<CareOfAddress>,
    flows: Vec<FlowBinding>,
    now_ns: u64,
}

impl BindingRow {
    fn new(
        home_address: Ipv6Addr,
        correspondent: Option<Ipv6Addr>,
        held: Held,
        carried: Carried,
    ) -> Self {
        Self {
            home_address,
            correspondent,
            held,
            carried,
            care_ofs: Vec::new(),
            flows: Vec::new(),
            now_ns: 0,
        }
    }

    /// Adds what the anchor alone knows; the answer is how much that is.
    fn add_details(&mut self, signalling: &mut Signalling) -> usize {
        let now = signalling.now();
        self.now_ns = now.mono_ns;
        if self.correspondent.is_none()
            && let Some(binding) = signalling.anchor().binding(now, &self.home_address)
        {
            self.care_ofs = binding.care_ofs.to_vec();
            self.flows = binding.flow_bindings.to_vec();
        }
        self.care_ofs.len().saturating_add(self.flows.len())
    }
}

impl BindingRow {
    /// At most so many bindings behind a home address and a correspondent, in their order, and whether there are more.
    pub fn page(
        signalling: &mut Signalling,
        after: Option<Ipv6Addr>,
        after_correspondent: Option<Ipv6Addr>,
        limit: usize,
    ) -> (Vec<Self>, bool) {
        let mut rows = rows(
            signalling,
            after,
            after_correspondent,
            limit.saturating_add(1),
        );
        let mut details = 0_usize;
        let mut full = 0;
        for row in rows.iter_mut().take(limit) {
            if details >= DETAILS_AT_ONCE {
                break;
            }
            details = details.saturating_add(row.add_details(signalling));
            full += 1;
        }
        let more = rows.len() > full;
        rows.truncate(full);
        (rows, more)
    }

    /// In the words of `dhpctl`, where ports have names.
    pub fn describe(&self, port_name: impl Fn(u16) -> String) -> Binding {
        let (role, kind, mobile_node, path, expires_ns) = match &self.held {
            Held::Home(bound) => (
                "home",
                kind_name(bound.kind),
                Some(bound.mn.to_string()),
                &bound.path,
                bound.expires_ns,
            ),
            Held::Optimized(route) => (
                CORRESPONDENT,
                "foreign",
                None,
                &route.path,
                Some(route.expires_ns),
            ),
        };
        let way = |path: &TunnelPath, under_test: bool| CareOf {
            address: path.care_of,
            next_hop: path.next_hop.map(|key| key.address),
            port: path.next_hop.map(|key| port_name(key.port)),
            tunnel_mtu: path.mtu,
            under_test,
        };
        let remaining = |expires_ns: Option<u64>| {
            expires_ns.map(|expires_ns| expires_ns.saturating_sub(self.now_ns) / NANOS_PER_SECOND)
        };
        let numbered = |care_of: &CareOfAddress| NumberedCareOf {
            bid: care_of.bid,
            priority: care_of.priority,
            care_of: way(self.held.path_of(care_of.bid), care_of.test.is_some()),
            remaining_seconds: remaining(care_of.expires_ns),
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
            role: role.to_owned(),
            kind: kind.to_owned(),
            mobile_node,
            correspondent: self.correspondent,
            care_of: way(path, self.held.is_under_test()),
            remaining_seconds: remaining(expires_ns),
            packets: self.carried.packets,
            octets: self.carried.octets,
            care_ofs: self.care_ofs.iter().map(numbered).collect(),
            flows: self.flows.iter().map(flow).collect(),
        }
    }
}

fn rows(
    signalling: &Signalling,
    after: Option<Ipv6Addr>,
    after_correspondent: Option<Ipv6Addr>,
    wanted: usize,
) -> Vec<BindingRow> {
    let forwarding = signalling.forwarding();
    let bound = forwarding.bound_after(after).take(wanted);
    let bound = bound.map(|(home, bound)| {
        let held = Held::Home(bound.clone());
        BindingRow::new(*home, None, held, forwarding.carried(*home))
    });
    let ends = after.map(|home_address| RouteEnds {
        home_address,
        correspondent: after_correspondent.unwrap_or(Ipv6Addr::UNSPECIFIED),
    });
    let optimized = forwarding.optimized_after(ends).take(wanted);
    let optimized = optimized.map(|(ends, route)| {
        let held = Held::Optimized(route.clone());
        let carried = forwarding.carried_directly(*ends);
        BindingRow::new(ends.home_address, Some(ends.correspondent), held, carried)
    });
    let mut rows: Vec<BindingRow> = bound.chain(optimized).collect();
    rows.sort_by_key(|row| (row.home_address, row.correspondent));
    rows.truncate(wanted);
    rows
}
