//! What the control plane decides, compiled into the tables of the segment
//!
//! [`Forwarding`] owns the segment's one [`Writer`]. Two things flow in: the anchor's binding events, and the plans that
//! the mirror makes of the kernel's routes and neighbours. Where they meet is the next hop of each tunnel: the route of a
//! care-of address decides it, and when that route changes the tunnel follows.

mod bound_addresses;
mod by_care_of;
mod care_of_tests;
mod differences;
mod handovers;
mod interception;
mod next_hops;
mod optimized;
mod path_mtu;
mod routes;
mod steering;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hint::black_box;
use std::mem;
use std::net::Ipv6Addr;
use std::ops::BitXor;
use std::sync::Arc;

use dhp_proto::anchor::{BindingChange, BindingEvent, SteeredCareOf};
use dhp_segment::{Carried, Geometry, Segment, SegmentError, Writer};
use ipnet::Ipv6Net;

use crate::mirror::{LongestPrefix, NextHopFacts, NextHopKey, PlannedAction, PlannedRoute};
pub use bound_addresses::BoundAddress;
use bound_addresses::BoundAddresses;
pub use care_of_tests::TestPath;
pub use handovers::Handover;
use next_hops::NextHops;
pub use optimized::OptimizedAddress;
use optimized::OptimizedRoutes;
use path_mtu::PathMtus;
use routes::Step;
pub use steering::{FurtherCareOf, is_exact};

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
    /// Largest packet that goes there, in octets, without what is added on the way.
    pub mtu: u16,
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

/// The one writer of the segment.
pub struct Forwarding {
    writer: Writer,
    geometry: Geometry,
    anchor: Ipv6Addr,
    next_hops: NextHops,
    /// The routes of the plan, but for what `steps` says.
    routes: LongestPrefix<PlannedRoute>,
    /// The addresses of real home links that are bound, which `routes` has as pools, and what the plan has for them.
    intercepted: BTreeMap<Ipv6Net, Option<PlannedRoute>>,
    coverage: BTreeSet<Ipv6Net>,
    /// What the segment does not have yet, in the order in which it came.
    steps: VecDeque<Step>,
    /// Prefixes that the segment had no room for.
    left_out: BTreeSet<Ipv6Net>,
    /// That there are such was said.
    left_out_told: bool,
    /// Prefixes whose routes have changed, so that tunnels in them may have to follow.
    touched: BTreeSet<Ipv6Net>,
    bound: BoundAddresses,
    optimized: OptimizedRoutes,
    path_mtus: PathMtus,
    limits: TunnelLimits,
    are_dhoas_metered: bool,
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
        let geometry = *segment.geometry();
        let most = usize::try_from(geometry.home_addresses).unwrap_or(usize::MAX);
        Ok(Self {
            next_hops: NextHops::new(&mut writer)?,
            writer,
            geometry,
            anchor,
            routes: LongestPrefix::default(),
            intercepted: BTreeMap::new(),
            coverage: BTreeSet::new(),
            steps: VecDeque::new(),
            left_out: BTreeSet::new(),
            left_out_told: false,
            touched: BTreeSet::new(),
            bound: BoundAddresses::with_space_for(most),
            optimized: OptimizedRoutes::default(),
            path_mtus: PathMtus::default(),
            limits: TunnelLimits::default(),
            are_dhoas_metered: false,
            to_retarget: BTreeSet::new(),
        })
    }

    /// Limit the tunnels of bindings to come.
    pub fn limit_tunnels(&mut self, limits: TunnelLimits) {
        self.limits = limits;
    }

    /// The routes that the workers forward by, or will in a moment, behind `after` in the order of their prefixes.
    pub fn routes_after(&self, after: Option<Ipv6Net>) -> impl Iterator<Item = &PlannedRoute> {
        self.routes.iter_after(after).map(|(_, route)| route)
    }

    /// The neighbours that routes lead to.
    pub fn next_hops(&self) -> impl Iterator<Item = (NextHopKey, NextHopFacts)> {
        self.next_hops.iter()
    }

    /// Whether the workers forward by the routes of the plan.
    pub fn follows_plan(&self) -> bool {
        self.steps.is_empty() && self.left_out.is_empty()
    }

    /// A bound home address.
    pub fn bound(&self, home_address: Ipv6Addr) -> Option<&BoundAddress> {
        self.bound.get(home_address)
    }

    /// The bound home addresses behind `after`, in their order.
    pub fn bound_after(
        &self,
        after: Option<Ipv6Addr>,
    ) -> impl Iterator<Item = (&Ipv6Addr, &BoundAddress)> {
        self.bound.after(after)
    }

    /// What the binding of a home address has carried; nothing, if the workers do not know it yet.
    pub fn carried(&self, home_address: Ipv6Addr) -> Carried {
        self.writer.carried(home_address).unwrap_or_default()
    }

    /// How full the tables are: name, entries, capacity.
    pub fn pressure(&self) -> Vec<(&'static str, u64, u64)> {
        let count = |entries: usize| u64::try_from(entries).unwrap_or(u64::MAX);
        let mut tables = vec![
            (
                "home_addresses",
                count(self.writer.len()),
                self.geometry.home_addresses.into(),
            ),
            (
                "flows",
                count(self.writer.flow_count()),
                self.geometry.flows.into(),
            ),
            (
                "routes",
                count(self.routes.len()),
                self.geometry.routes.into(),
            ),
            (
                "next_hops",
                count(self.next_hops.len()),
                self.geometry.next_hops.into(),
            ),
            (
                "flow_sets",
                count(self.bound.split()),
                self.geometry.flow_sets.into(),
            ),
        ];
        // Without the role there is no such table.
        if self.geometry.optimized_routes > 0 {
            tables.push((
                "correspondents",
                count(self.optimized_len()),
                self.geometry.optimized_routes.into(),
            ));
        }
        tables
    }

    /// Look ahead at home addresses of which events will come: see [`dhp_proto::anchor::Anchor::expect`].
    pub fn expect(&self, home_addresses: impl Iterator<Item = Ipv6Addr> + Clone) {
        self.writer.expect_bindings(home_addresses.clone());
        let seen = home_addresses.map(|home_address| self.bound.look_at(home_address));
        // Nobody needs it; that it may not be left out is all that it is for.
        black_box(seen.fold(0, BitXor::bitxor));
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
                test,
            } => {
                let path = self.path_to(*home_address, *care_of);
                let next_hop = self.next_hops.id(path.next_hop);
                let test = test.map(|test| Box::new(self.test_path(*home_address, test)));
                let current = self.bound.get(*home_address);
                // The workers know nothing of lifetimes, so that a refresh is none of their business.
                if current.is_none_or(|bound| {
                    (bound.path, bound.next_hop, &bound.test) != (path, next_hop, &test)
                }) {
                    // What has moved within the last 2 s still says from where, unless it moves again.
                    let earlier = self
                        .writer
                        .binding(*home_address)
                        .and_then(|template| template.previous());
                    // The handoff is complete when the test is over: until now the tested one was as good as the new.
                    let test_before = current.and_then(|bound| bound.test.as_deref());
                    let test_before = test_before.filter(|_| test.is_none());
                    let left = test_before.and_then(TestPath::instead);
                    let previous = match previous.or(left.filter(|left| left != care_of)) {
                        Some(address) => {
                            Some((address, now_ns.saturating_add(PREVIOUS_CARE_OF_NS)))
                        }
                        None => earlier,
                    };
                    let tunnel =
                        self.default_tunnel(*kind, path, next_hop, previous, test.as_deref());
                    self.writer.publish_binding(*home_address, &tunnel)?;
                }
                let bound = BoundAddress {
                    kind: *kind,
                    mn: Arc::clone(mn),
                    expires_ns: *expires_ns,
                    path,
                    next_hop,
                    test,
                    further: Box::default(),
                };
                self.bound.set(*home_address, bound);
            }
            BindingChange::Steered {
                home_address,
                care_ofs,
                rules,
            } => self.steer(*home_address, care_ofs, rules, now_ns)?,
            BindingChange::CareOfMoved {
                home_address,
                bid,
                care_of,
                test,
            } => {
                let moved = SteeredCareOf {
                    bid: *bid,
                    care_of: *care_of,
                    test: *test,
                };
                self.move_care_of(*home_address, moved, now_ns)?;
            }
            BindingChange::Released { home_address, .. } => {
                self.writer.remove_binding(*home_address);
                self.bound.remove(*home_address);
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
        let is_here = |bound: &BoundAddress| bound.care_ofs().any(|here| here == care_of);
        let path_mtu = path_mtu.max(LEAST_MTU);
        if self.bound.get(home_address).is_some_and(is_here)
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
        self.forget_old_direct_path_mtus(now_ns);
    }

    /// The way of a binding to its care-of address, by the routes of the plan and what was learned of the path.
    fn path_to(&self, home_address: Ipv6Addr, care_of: Ipv6Addr) -> TunnelPath {
        let learned = self.path_mtus.get(home_address, care_of);
        self.path_with(care_of, learned, TUNNEL_OVERHEAD)
    }

    /// The way to a care-of address, where `overhead` octets are added to each packet and routers have told of `learned`.
    fn path_with(&self, care_of: Ipv6Addr, learned: Option<u16>, overhead: u16) -> TunnelPath {
        let (action, mtu) = self
            .routes
            .lookup(care_of)
            .map_or((PlannedAction::Unreachable, LEAST_MTU), |route| {
                (route.action, route.mtu)
            });
        let next_hop = match action {
            PlannedAction::Via(key) => self.next_hops.known(key),
            // The kernel finds the neighbour, has another way, or answers that there is none.
            _ => None,
        };
        let mtu = learned.map_or(mtu, |learned| mtu.min(learned));
        let mtu = mtu.min(self.limits.path_mtu);
        TunnelPath {
            care_of,
            next_hop,
            mtu: mtu.max(LEAST_MTU).saturating_sub(overhead),
        }
    }

    /// Bring the segment nearer to the plan. `true`: nothing is left to be done. Cheap when that was so before.
    ///
    /// # Errors
    /// A table of the segment is too small, said once; what fits in is in force.
    pub fn settle(&mut self) -> Result<bool, ForwardingError> {
        let stepped = self.step();
        self.retarget_touched();
        self.retarget()?;
        let retargeted = self.retarget_optimized()?;
        match stepped {
            Err(ForwardingError::Busy) => return Ok(false),
            stepped => stepped?,
        }
        if !self.steps.is_empty() || !self.to_retarget.is_empty() || !retargeted {
            return Ok(false);
        }
        // Neither a route nor a tunnel names the others any more.
        match self.next_hops.release_unused(&mut self.writer) {
            Err(SegmentError::Busy { .. }) => Ok(false),
            Err(error) => Err(error.into()),
            Ok(placed) if placed.is_empty() => Ok(true),
            Ok(placed) => {
                let goes_there = |route: &&PlannedRoute| match route.action {
                    PlannedAction::Via(key) => placed.contains(&key),
                    _ => false,
                };
                let routes = self.routes.iter().map(|(_, route)| route);
                let renewed = routes.filter(goes_there);
                self.steps
                    .extend(renewed.map(|route| Step::Renew(route.prefix)));
                Ok(false)
            }
        }
    }

    /// Have the tunnels looked at whose care-of addresses are in a prefix that was touched. No other has another way now.
    fn retarget_touched(&mut self) {
        for prefix in mem::take(&mut self.touched) {
            self.to_retarget.extend(self.bound.going_to(prefix));
            self.touch_optimized(prefix);
        }
    }

    /// Move tunnels whose way has changed, some at a time.
    fn retarget(&mut self) -> Result<(), ForwardingError> {
        for _ in 0..RETARGETS_AT_ONCE {
            let Some(home_address) = self.to_retarget.pop_first() else {
                break;
            };
            match self.retarget_one(home_address) {
                Ok(()) => {}
                Err(SegmentError::Busy { .. }) => {
                    self.to_retarget.insert(home_address);
                    break;
                }
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    fn retarget_one(&mut self, home_address: Ipv6Addr) -> Result<(), SegmentError> {
        let Some(bound) = self.bound.get(home_address) else {
            return Ok(());
        };
        let path = self.path_to(home_address, bound.path.care_of);
        let next_hop = self.next_hops.id(path.next_hop);
        let test = bound.test.as_ref();
        let test = test.map(|test| Box::new(self.test_path(home_address, test.told())));
        if (path, next_hop, &test) != (bound.path, bound.next_hop, &bound.test) {
            self.retarget_default(home_address, next_hop, path.mtu, test.as_deref())?;
            self.bound.change(home_address, |bound| {
                (bound.path, bound.next_hop, bound.test) = (path, next_hop, test);
            });
        }
        self.retarget_further(home_address)
    }

    /// Tell the workers that the control plane lives.
    pub fn heartbeat(&mut self, now_ns: u64) {
        self.writer.heartbeat(now_ns);
    }
}
