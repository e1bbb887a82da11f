//! What the control plane decides, compiled into the tables of the segment
//!
//! [`Forwarding`] owns the segment's one [`Writer`]. Two things flow in: the anchor's binding events, and the plans that
//! the mirror makes of the kernel's routes and neighbours. Where they meet is the next hop of each tunnel: the route of a
//! care-of address decides it, and when that route changes the tunnel follows.

mod differences;
mod next_hops;
mod path_mtu;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::Ipv6Addr;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use dhp_proto::anchor::{BindingChange, BindingEvent, PoolKind};
use dhp_proto::security_association::MnId;
use dhp_segment::{Geometry, Route, RouteAction, Segment, SegmentError, Tunnel, Writer};
use ipnet::Ipv6Net;

use crate::mirror::{LongestPrefix, NextHopKey, Plan, PlannedAction};
use differences::{Difference, differences};
use next_hops::NextHops;
use path_mtu::PathMtus;

/// How long packets from the care-of address before a handoff are still taken (DMIPv6 profile 1, section 5).
const PREVIOUS_CARE_OF_NS: u64 = 2_000_000_000;
/// Octets that a tunnel takes from the path MTU: the outer IPv6 header.
const TUNNEL_OVERHEAD: u16 = 40;
/// The path MTU where no route tells: RFC 8200 §5.
const LEAST_MTU: u16 = 1280;
/// Tunnels that one turn moves to other next hops, so that a change of routes does not hold up signalling.
const RETARGETS_AT_ONCE: usize = 1024;

/// Where a tunnel goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelPath {
    /// The care-of address.
    pub care_of: Ipv6Addr,
    /// The neighbour on the way; `None`: the host kernel sends the packets.
    pub next_hop: Option<NextHopKey>,
    /// Largest inner packet, in octets.
    pub mtu: u16,
}

/// A bound home address, as the anchor's last event about it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundAddress {
    /// What kind of address it is.
    pub kind: PoolKind,
    /// Whose it is.
    pub mn: Arc<MnId>,
    /// When the binding ends by itself, in monotonic nanoseconds; `None` for never.
    pub expires_ns: Option<u64>,
    /// Where its packets go.
    pub path: TunnelPath,
    /// The number of the next hop in the segment.
    next_hop: u32,
}

/// What no tunnel exceeds, whatever routes and routers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelLimits {
    /// The longest packet that the paths to all mobile nodes take, in octets.
    pub path_mtu: u16,
    /// Octets per second that a binding gets; `None`: as many as there are.
    pub rate_cap: Option<u32>,
}

impl Default for TunnelLimits {
    fn default() -> Self {
        Self {
            path_mtu: u16::MAX,
            rate_cap: None,
        }
    }
}

/// Why something cannot be in the segment.
#[derive(Debug, thiserror::Error)]
pub enum ForwardingError {
    /// The workers still hold what was replaced before: try again within a millisecond.
    #[error("the workers have not let go of what was replaced")]
    Busy,
    /// Too much for the segment, or the segment is not ours to write.
    #[error(transparent)]
    Segment(SegmentError),
}

impl From<SegmentError> for ForwardingError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Busy { .. } => Self::Busy,
            other => Self::Segment(other),
        }
    }
}

/// What a plan has changed.
enum Moved {
    /// At most what is behind the numbers of next hops.
    Nothing,
    /// The ways of tunnels.
    Tunnels,
}

/// The one writer of the segment.
pub struct Forwarding {
    writer: Writer,
    geometry: Geometry,
    anchor: Ipv6Addr,
    next_hops: NextHops,
    plan: Arc<Plan>,
    /// The plan is not wholly in the segment yet.
    unsettled: bool,
    /// The routes in the segment are those of `plan`.
    routes_published: bool,
    /// Neighbours that have come or gone, so that routes and tunnels to them name other numbers than before.
    renumbered: BTreeSet<NextHopKey>,
    /// Prefixes whose routes have changed since the segment's routes were written.
    touched: BTreeSet<Ipv6Net>,
    routes: LongestPrefix<(PlannedAction, u16)>,
    bound: BTreeMap<Ipv6Addr, BoundAddress>,
    /// Care-of and home address of each tunnel: those whose care-of addresses are in one prefix stand together.
    by_care_of: BTreeSet<(Ipv6Addr, Ipv6Addr)>,
    path_mtus: PathMtus,
    limits: TunnelLimits,
    /// Tunnels whose next hop or MTU may have changed.
    to_retarget: BTreeSet<Ipv6Addr>,
}

impl Forwarding {
    /// Takes the writing side of a segment.
    ///
    /// # Errors
    /// Another writer lives.
    pub fn new(segment: &Segment, anchor: Ipv6Addr) -> Result<Self, SegmentError> {
        let mut writer = segment.writer()?;
        Ok(Self {
            next_hops: NextHops::new(&mut writer)?,
            writer,
            geometry: *segment.geometry(),
            anchor,
            plan: Arc::default(),
            unsettled: false,
            routes_published: true,
            renumbered: BTreeSet::new(),
            touched: BTreeSet::new(),
            routes: LongestPrefix::default(),
            bound: BTreeMap::new(),
            by_care_of: BTreeSet::new(),
            path_mtus: PathMtus::default(),
            limits: TunnelLimits::default(),
            to_retarget: BTreeSet::new(),
        })
    }

    /// Limit the tunnels of bindings to come.
    pub fn limit_tunnels(&mut self, limits: TunnelLimits) {
        self.limits = limits;
    }

    /// The plan in force, or about to be.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Whether the workers forward by the routes of [`plan`](Self::plan), or will as soon as they let go of others.
    pub fn follows_plan(&self) -> bool {
        self.routes_published
    }

    /// A bound home address.
    pub fn bound(&self, home_address: Ipv6Addr) -> Option<&BoundAddress> {
        self.bound.get(&home_address)
    }

    /// The bound home addresses behind `after`, in their order.
    pub fn bound_after(
        &self,
        after: Option<Ipv6Addr>,
    ) -> impl Iterator<Item = (&Ipv6Addr, &BoundAddress)> {
        self.bound
            .range((after.map_or(Unbounded, Excluded), Unbounded))
    }

    /// How full the tables are: name, entries, capacity.
    pub fn pressure(&self) -> [(&'static str, u64, u64); 3] {
        let count = |entries: usize| u64::try_from(entries).unwrap_or(u64::MAX);
        [
            (
                "home_addresses",
                count(self.writer.len()),
                self.geometry.home_addresses.into(),
            ),
            (
                "routes",
                count(self.plan.routes.len()),
                self.geometry.routes.into(),
            ),
            (
                "next_hops",
                count(self.next_hops.len()),
                self.geometry.next_hops.into(),
            ),
        ]
    }

    /// Follow an event of the anchor. What it says holds for packets when this returns.
    ///
    /// # Errors
    /// [`ForwardingError::Busy`]: nothing has changed, the same event must come again.
    pub fn follow(&mut self, event: &BindingEvent, now_ns: u64) -> Result<(), ForwardingError> {
        match &event.change {
            BindingChange::Bound {
                home_address,
                kind,
                mn,
                care_of,
                previous,
                expires_ns,
            } => {
                let path = self.path_to(*home_address, *care_of);
                let next_hop = self.next_hops.id(path.next_hop);
                let current = self.bound.get(home_address);
                // The workers know nothing of lifetimes, so that a refresh is none of their business.
                if current.is_none_or(|bound| (bound.path, bound.next_hop) != (path, next_hop)) {
                    // What has moved within the last 2 s still says from where, unless it moves again.
                    let earlier = self
                        .writer
                        .binding(*home_address)
                        .and_then(|template| template.previous());
                    let previous = match previous {
                        Some(address) => {
                            Some((*address, now_ns.saturating_add(PREVIOUS_CARE_OF_NS)))
                        }
                        None => earlier,
                    };
                    let tunnel = Tunnel {
                        anchor: self.anchor,
                        care_of: *care_of,
                        next_hop,
                        mtu: path.mtu,
                        previous,
                        metered: false,
                        rate_cap: self.limits.rate_cap,
                        test: None,
                    };
                    self.writer.publish_binding(*home_address, &tunnel)?;
                }
                let bound = BoundAddress {
                    kind: *kind,
                    mn: Arc::clone(mn),
                    expires_ns: *expires_ns,
                    path,
                    next_hop,
                };
                let before = self.bound.insert(*home_address, bound);
                if let Some(before) = before {
                    self.by_care_of
                        .remove(&(before.path.care_of, *home_address));
                }
                self.by_care_of.insert((*care_of, *home_address));
            }
            BindingChange::Released { home_address, .. } => {
                self.writer.remove_binding(*home_address);
                if let Some(before) = self.bound.remove(home_address) {
                    self.by_care_of
                        .remove(&(before.path.care_of, *home_address));
                }
                self.path_mtus.forget(*home_address);
            }
        }
        Ok(())
    }

    /// A router on the path of a binding's tunnel takes no packets longer than `path_mtu` octets. `care_of` is where it was
    /// going; if that is not where the binding is, this says nothing any more.
    pub fn learn_path_mtu(
        &mut self,
        home_address: Ipv6Addr,
        care_of: Ipv6Addr,
        path_mtu: u16,
        now_ns: u64,
    ) {
        let is_here = |bound: &BoundAddress| bound.path.care_of == care_of;
        let path_mtu = path_mtu.max(LEAST_MTU);
        if self.bound.get(&home_address).is_some_and(is_here)
            && self
                .path_mtus
                .learn(home_address, care_of, path_mtu, now_ns)
        {
            self.to_retarget.insert(home_address);
        }
    }

    /// Try again what was learned long ago (RFC 8201 §5.3).
    pub fn forget_old_path_mtus(&mut self, now_ns: u64) {
        while let Some(home_address) = self.path_mtus.expire(now_ns) {
            self.to_retarget.insert(home_address);
        }
    }

    /// The way of a binding to its care-of address, by the routes of the plan and what was learned of the path.
    fn path_to(&self, home_address: Ipv6Addr, care_of: Ipv6Addr) -> TunnelPath {
        let (action, mtu) = self
            .routes
            .lookup(care_of)
            .copied()
            .unwrap_or((PlannedAction::Unreachable, LEAST_MTU));
        let next_hop = match action {
            PlannedAction::Via(key) => self.next_hops.known(key),
            // The kernel finds the neighbour, has another way, or answers that there is none.
            _ => None,
        };
        let learned = self.path_mtus.get(home_address, care_of);
        let mtu = learned.map_or(mtu, |learned| mtu.min(learned));
        let mtu = mtu.min(self.limits.path_mtu);
        TunnelPath {
            care_of,
            next_hop,
            mtu: mtu.max(LEAST_MTU).saturating_sub(TUNNEL_OVERHEAD),
        }
    }

    /// Take over what the network has become. [`settle`](Self::settle) puts it into the segment.
    pub fn follow_network(&mut self, plan: Arc<Plan>) {
        for difference in differences(&self.plan.routes, &plan.routes) {
            self.routes_published = false;
            self.touched.insert(difference.prefix());
            match difference {
                Difference::Put(route) => {
                    self.routes.insert(route.prefix, (route.action, route.mtu));
                }
                Difference::Gone(prefix) => self.routes.remove(prefix),
            }
        }
        self.plan = plan;
        self.unsettled = true;
    }

    /// Bring the segment nearer to the plan. `true`: nothing is left to be done. Cheap when that was so before.
    ///
    /// # Errors
    /// A table of the segment is too small; what fits in is in force.
    pub fn settle(&mut self) -> Result<bool, ForwardingError> {
        if self.unsettled {
            match self.put_plan() {
                Ok(Moved::Nothing) => self.unsettled = false,
                Ok(Moved::Tunnels) => {
                    self.unsettled = false;
                    self.retarget_touched();
                }
                Err(ForwardingError::Busy) => return Ok(false),
                Err(error) => {
                    self.unsettled = false;
                    return Err(error);
                }
            }
        }
        if self.writer.routes_waiting() {
            self.writer.reclaim();
        }
        self.retarget()?;
        let settled = self.to_retarget.is_empty() && !self.writer.routes_waiting();
        if settled && self.routes_published && self.renumbered.is_empty() {
            // Neither a route nor a tunnel names them any more.
            self.next_hops.release_gone(&mut self.writer);
        }
        Ok(settled)
    }

    fn put_plan(&mut self) -> Result<Moved, ForwardingError> {
        self.next_hops
            .follow(&mut self.writer, &self.plan.next_hops, &mut self.renumbered)?;
        if self.routes_published && self.renumbered.is_empty() {
            return Ok(Moved::Nothing);
        }
        let routed = self.plan.routes.iter();
        let routed = routed.map(|route| (route.prefix, self.action(route.action)));
        let covered = self.plan.coverage.iter();
        let covered = covered.map(|prefix| (*prefix, RouteAction::QueryAnycast));
        let routes: Vec<Route> = routed
            .chain(covered)
            .map(|(prefix, action)| Route {
                prefix: prefix.network(),
                len: prefix.prefix_len(),
                action,
            })
            .collect();
        self.writer.publish_routes(&routes)?;
        self.routes_published = true;
        let renumbered = mem::take(&mut self.renumbered);
        let by_renumbered = self.plan.routes.iter().filter(|route| match route.action {
            PlannedAction::Via(key) => renumbered.contains(&key),
            _ => false,
        });
        self.touched.extend(by_renumbered.map(|route| route.prefix));
        Ok(Moved::Tunnels)
    }

    /// Have the tunnels looked at whose care-of addresses are in a prefix that was touched. No other has another way now.
    fn retarget_touched(&mut self) {
        for prefix in mem::take(&mut self.touched) {
            let first = (prefix.network(), Ipv6Addr::from_bits(0));
            let last = (prefix.broadcast(), Ipv6Addr::from_bits(u128::MAX));
            let tunnels = self.by_care_of.range(first..=last);
            self.to_retarget
                .extend(tunnels.map(|(_, home_address)| *home_address));
        }
    }

    fn action(&self, action: PlannedAction) -> RouteAction {
        let forward = |key| RouteAction::Forward {
            next_hop: self.next_hops.id(key),
        };
        match action {
            PlannedAction::Via(key) => forward(self.next_hops.known(key)),
            PlannedAction::ByKernel => forward(None),
            PlannedAction::Connected { port } => RouteAction::Connected { port },
            PlannedAction::Local => RouteAction::Local,
            PlannedAction::Anchor => RouteAction::Anchor,
            PlannedAction::Pool => RouteAction::Pool,
            PlannedAction::Unreachable => RouteAction::Unreachable,
            PlannedAction::Blackhole => RouteAction::Blackhole,
        }
    }

    /// Move tunnels whose way has changed, some at a time.
    fn retarget(&mut self) -> Result<(), ForwardingError> {
        for _ in 0..RETARGETS_AT_ONCE {
            let Some(home_address) = self.to_retarget.pop_first() else {
                break;
            };
            let Some(bound) = self.bound.get(&home_address) else {
                continue;
            };
            let path = self.path_to(home_address, bound.path.care_of);
            let next_hop = self.next_hops.id(path.next_hop);
            if (path, next_hop) == (bound.path, bound.next_hop) {
                continue;
            }
            match self.writer.retarget(home_address, next_hop, path.mtu) {
                Ok(_) => {
                    if let Some(bound) = self.bound.get_mut(&home_address) {
                        (bound.path, bound.next_hop) = (path, next_hop);
                    }
                }
                Err(SegmentError::Busy { .. }) => {
                    self.to_retarget.insert(home_address);
                    break;
                }
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    /// Tell the workers that the control plane lives.
    pub fn heartbeat(&mut self, now_ns: u64) {
        self.writer.heartbeat(now_ns);
    }
}
