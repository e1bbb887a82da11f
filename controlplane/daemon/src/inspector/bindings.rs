//! The bindings of home addresses, and of correspondents

use std::net::Ipv6Addr;

use dhp_proto::anchor::RouteEnds;
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_segment::Carried;
use dhpctl::{Binding, Bindings, CareOf, LARGEST_PAGE};

use super::Inspector;
use crate::control::Stopped;
use crate::forwarding::{BoundAddress, OptimizedAddress, TunnelPath};
use crate::signalling::Signalling;
use crate::snapshot::{CORRESPONDENT, kind_name};

/// What this box holds of a home address.
enum Held {
    /// As its home agent or DHP.
    Home(BoundAddress),
    /// As a correspondent, or on behalf of one.
    Optimized(OptimizedAddress),
}

/// A binding, by home address and correspondent.
struct Row {
    home_address: Ipv6Addr,
    correspondent: Option<Ipv6Addr>,
    held: Held,
    carried: Carried,
}

impl Inspector {
    pub(super) async fn bindings(
        &self,
        after: Option<Ipv6Addr>,
        after_correspondent: Option<Ipv6Addr>,
        limit: usize,
    ) -> Result<Bindings, Stopped> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        let (page, now_ns) = self
            .operator
            .control()
            .ask(move |signalling| {
                let wanted = limit.saturating_add(1);
                let page = page(signalling, after, after_correspondent, wanted);
                (page, signalling.now().mono_ns)
            })
            .await?;
        let rows = page.iter().take(limit);
        Ok(Bindings {
            bindings: rows.map(|row| self.binding(row, now_ns)).collect(),
            more: page.len() > limit,
        })
    }

    fn binding(&self, row: &Row, now_ns: u64) -> Binding {
        let (role, kind, mobile_node, path, expires_ns) = match &row.held {
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
        Binding {
            home_address: row.home_address,
            role: role.to_owned(),
            kind: kind.to_owned(),
            mobile_node,
            correspondent: row.correspondent,
            care_of: self.care_of(path),
            remaining_seconds: expires_ns
                .map(|expires_ns| expires_ns.saturating_sub(now_ns) / NANOS_PER_SECOND),
            packets: row.carried.packets,
            octets: row.carried.octets,
        }
    }

    fn care_of(&self, path: &TunnelPath) -> CareOf {
        CareOf {
            address: path.care_of,
            next_hop: path.next_hop.map(|key| key.address),
            port: path.next_hop.map(|key| self.port_name(key.port)),
            tunnel_mtu: path.mtu,
        }
    }
}

/// At most so many bindings behind a home address and a correspondent, in their order.
fn page(
    signalling: &Signalling,
    after: Option<Ipv6Addr>,
    after_correspondent: Option<Ipv6Addr>,
    wanted: usize,
) -> Vec<Row> {
    let forwarding = signalling.forwarding();
    let bound = forwarding.bound_after(after).take(wanted);
    let bound = bound.map(|(home_address, bound)| Row {
        home_address: *home_address,
        correspondent: None,
        held: Held::Home(bound.clone()),
        carried: forwarding.carried(*home_address),
    });
    let ends = after.map(|home_address| RouteEnds {
        home_address,
        correspondent: after_correspondent.unwrap_or(Ipv6Addr::UNSPECIFIED),
    });
    let optimized = forwarding.optimized_after(ends).take(wanted);
    let optimized = optimized.map(|(ends, route)| Row {
        home_address: ends.home_address,
        correspondent: Some(ends.correspondent),
        held: Held::Optimized(route.clone()),
        carried: forwarding.carried_directly(*ends),
    });
    let mut rows: Vec<Row> = bound.chain(optimized).collect();
    rows.sort_by_key(|row| (row.home_address, row.correspondent));
    rows.truncate(wanted);
    rows
}
