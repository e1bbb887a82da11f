//! The optimized routes of correspondents: bindings of mobile nodes whose home is elsewhere, with this box or a host behind it
//!
//! They lead to care-of addresses as tunnels do, by the routes of the plan, and share nothing else with them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::RangeInclusive;

use dhp_proto::anchor::{RouteEnds, RouteOptimization};
use dhp_segment::{Carried, OptimizedRoute, SegmentError};
use ipnet::Ipv6Net;

use super::handovers::Handovers;
use super::path_mtu::PathMtus;
use super::tunnel_path::LEAST_MTU;
use super::{Forwarding, ForwardingError, PREVIOUS_CARE_OF_NS, RETARGETS_AT_ONCE, TunnelPath};

/// Octets that a type 2 routing header takes from the path MTU (RFC 6275 §6.4.1).
const TYPE_2_OVERHEAD: u16 = 24;

/// A mobile node whose way to a correspondent is optimized, as the anchor's last word about it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptimizedAddress {
    /// When the binding ends by itself, in monotonic nanoseconds.
    pub expires_ns: u64,
    /// Where its packets go.
    pub path: TunnelPath,
    /// The number of the next hop in the segment.
    next_hop: u32,
    /// Packets that had been carried when the mobile node last told where it is.
    carried_then: u64,
}

/// All of them.
#[derive(Default)]
pub(super) struct OptimizedRoutes {
    pub(super) routes: BTreeMap<RouteEnds, OptimizedAddress>,
    /// Those whose care-of addresses are in one prefix stand together.
    by_care_of: BTreeSet<(Ipv6Addr, RouteEnds)>,
    path_mtus: PathMtus,
    /// Those whose next hop or MTU may have changed.
    to_retarget: BTreeSet<RouteEnds>,
    pub(super) handovers: Handovers,
}

/// The routes to home addresses in a prefix, whoever the correspondents.
fn to_homes_in(prefix: Ipv6Net) -> RangeInclusive<RouteEnds> {
    let ends = |home_address, correspondent| RouteEnds {
        home_address,
        correspondent: Ipv6Addr::from_bits(correspondent),
    };
    ends(prefix.network(), 0)..=ends(prefix.broadcast(), u128::MAX)
}

impl Forwarding {
    /// Follow what the anchor says of a correspondent's binding. It holds for packets when this returns.
    ///
    /// # Errors
    /// [`ForwardingError::Busy`]: nothing has changed, the same must come again.
    pub fn follow_route(
        &mut self,
        change: &RouteOptimization,
        now_ns: u64,
    ) -> Result<(), ForwardingError> {
        match *change {
            RouteOptimization::Begins {
                ends,
                care_of,
                expires_ns,
            } => self.begin_route(ends, care_of, expires_ns, now_ns),
            RouteOptimization::Ends { ends } => {
                self.end_route(ends);
                Ok(())
            }
            RouteOptimization::IsUsed { .. } => Ok(()),
        }
    }

    fn begin_route(
        &mut self,
        ends: RouteEnds,
        care_of: Ipv6Addr,
        expires_ns: u64,
        now_ns: u64,
    ) -> Result<(), ForwardingError> {
        let path = self.direct_path(ends.home_address, care_of);
        let next_hop = self.next_hops.id(path.next_hop);
        let current = self.optimized.routes.get(&ends);
        if current.is_none_or(|current| (current.path, current.next_hop) != (path, next_hop)) {
            let before = current.map(|current| current.path.care_of);
            let previous = match before.filter(|before| *before != care_of) {
                Some(before) => Some((before, now_ns.saturating_add(PREVIOUS_CARE_OF_NS))),
                // What has moved within the last 2 s still says from where.
                None => self
                    .writer
                    .optimized(ends.correspondent, ends.home_address)
                    .and_then(|route| route.previous),
            };
            let route = segment_route(ends, &path, next_hop, previous);
            self.writer.publish_optimized(&route)?;
        }
        let new = OptimizedAddress {
            expires_ns,
            path,
            next_hop,
            carried_then: self.carried_directly(ends).packets,
        };
        let before = self.optimized.routes.insert(ends, new);
        if let Some(before) = before {
            self.optimized
                .by_care_of
                .remove(&(before.path.care_of, ends));
        }
        self.optimized.by_care_of.insert((care_of, ends));
        self.decide_handover(ends.home_address);
        Ok(())
    }

    fn end_route(&mut self, ends: RouteEnds) {
        self.writer
            .remove_optimized(ends.correspondent, ends.home_address);
        if let Some(before) = self.optimized.routes.remove(&ends) {
            self.optimized
                .by_care_of
                .remove(&(before.path.care_of, ends));
        }
        let to_home = to_homes_in(ends.home_address.into());
        if self.optimized.routes.range(to_home).next().is_none() {
            self.optimized.path_mtus.forget(ends.home_address);
        }
        self.decide_handover(ends.home_address);
    }

    /// Whether packets have gone either way since the mobile node last told this correspondent where it is.
    pub fn is_used(&self, ends: RouteEnds) -> bool {
        let route = self.optimized.routes.get(&ends);
        route.is_some_and(|route| self.carried_directly(ends).packets != route.carried_then)
    }

    /// The optimized routes behind `after`, in the order of home addresses and correspondents.
    pub fn optimized_after(
        &self,
        after: Option<RouteEnds>,
    ) -> impl Iterator<Item = (&RouteEnds, &OptimizedAddress)> {
        self.optimized
            .routes
            .range((after.map_or(Unbounded, Excluded), Unbounded))
    }

    /// How many there are.
    pub fn optimized_len(&self) -> usize {
        self.optimized.routes.len()
    }

    /// What an optimized route has carried; nothing, if the workers do not know it yet.
    pub fn carried_directly(&self, ends: RouteEnds) -> Carried {
        self.writer
            .carried_optimized(ends.correspondent, ends.home_address)
            .unwrap_or_default()
    }

    /// A router on the way to a care-of address takes no packets longer than `path_mtu` octets.
    pub fn learn_direct_path_mtu(
        &mut self,
        ends: RouteEnds,
        care_of: Ipv6Addr,
        path_mtu: u16,
        now_ns: u64,
    ) {
        let home_address = ends.home_address;
        let route = self.optimized.routes.get(&ends);
        if route.is_some_and(|route| route.path.care_of == care_of)
            && self.optimized.path_mtus.learn(
                home_address,
                care_of,
                path_mtu.max(LEAST_MTU),
                now_ns,
            )
        {
            self.retarget_routes_of(home_address);
        }
    }

    /// Try again what was learned long ago (RFC 8201 §5.3).
    pub(super) fn forget_old_direct_path_mtus(&mut self, now_ns: u64) {
        while let Some(home_address) = self.optimized.path_mtus.expire(now_ns) {
            self.retarget_routes_of(home_address);
        }
    }

    fn retarget_routes_of(&mut self, home_address: Ipv6Addr) {
        let OptimizedRoutes {
            routes,
            to_retarget,
            ..
        } = &mut self.optimized;
        let to_home = routes.range(to_homes_in(home_address.into()));
        to_retarget.extend(to_home.map(|(ends, _)| *ends));
    }

    fn direct_path(&self, home_address: Ipv6Addr, care_of: Ipv6Addr) -> TunnelPath {
        let learned = self.optimized.path_mtus.get(home_address, care_of);
        self.path_with(care_of, learned, TYPE_2_OVERHEAD)
    }

    /// A prefix has another route: what goes to care-of addresses there may go another way, and so what goes to home addresses.
    pub(super) fn touch_optimized(&mut self, prefix: Ipv6Net) {
        let everywhere = to_homes_in(Ipv6Net::default());
        let first = (prefix.network(), *everywhere.start());
        let last = (prefix.broadcast(), *everywhere.end());
        let OptimizedRoutes {
            routes,
            by_care_of,
            to_retarget,
            ..
        } = &mut self.optimized;
        let there = by_care_of.range(first..=last);
        to_retarget.extend(there.map(|(_, ends)| *ends));
        let homes = routes.range(to_homes_in(prefix));
        let homes: BTreeSet<Ipv6Addr> = homes.map(|(ends, _)| ends.home_address).collect();
        for home_address in homes {
            self.decide_handover(home_address);
        }
    }

    /// Move routes whose way has changed, some at a time. `true`: none is left.
    pub(super) fn retarget_optimized(&mut self) -> Result<bool, ForwardingError> {
        for _ in 0..RETARGETS_AT_ONCE {
            let Some(ends) = self.optimized.to_retarget.pop_first() else {
                break;
            };
            let Some(current) = self.optimized.routes.get(&ends) else {
                continue;
            };
            let path = self.direct_path(ends.home_address, current.path.care_of);
            let next_hop = self.next_hops.id(path.next_hop);
            if (path, next_hop) == (current.path, current.next_hop) {
                continue;
            }
            let published = self.writer.optimized(ends.correspondent, ends.home_address);
            let previous = published.and_then(|route| route.previous);
            let route = segment_route(ends, &path, next_hop, previous);
            match self.writer.publish_optimized(&route) {
                Ok(()) => {
                    if let Some(current) = self.optimized.routes.get_mut(&ends) {
                        (current.path, current.next_hop) = (path, next_hop);
                    }
                }
                Err(SegmentError::Busy { .. }) => {
                    self.optimized.to_retarget.insert(ends);
                    break;
                }
                Err(other) => return Err(other.into()),
            }
        }
        Ok(self.optimized.to_retarget.is_empty())
    }
}

fn segment_route(
    ends: RouteEnds,
    path: &TunnelPath,
    next_hop: u32,
    previous: Option<(Ipv6Addr, u64)>,
) -> OptimizedRoute {
    OptimizedRoute {
        correspondent: ends.correspondent,
        home_address: ends.home_address,
        care_of: path.care_of,
        previous,
        next_hop,
        path_mtu: path.mtu.saturating_add(TYPE_2_OVERHEAD),
    }
}
