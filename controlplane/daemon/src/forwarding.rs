//! What the control plane decides, compiled into the tables of the segment
//!
//! [`Forwarding`] owns the segment's one [`Writer`]. Two things flow in: the anchor's binding events, and the plans that
//! the mirror makes of the kernel's routes and neighbours. Where they meet is the next hop of each tunnel: the route of a
//! care-of address decides it, and when that route changes the tunnel follows.

mod bound_addresses;
mod by_care_of;
mod care_of_tests;
mod differences;
mod error;
mod follow;
mod handovers;
mod interception;
mod next_hops;
mod optimized;
mod path_mtu;
mod routes;
mod settle;
mod steering;
mod tunnel_path;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hint::black_box;
use std::net::Ipv6Addr;
use std::ops::BitXor;

use dhp_segment::{Carried, Geometry, Segment, SegmentError, Writer};
use ipnet::Ipv6Net;

use crate::mirror::{LongestPrefix, NextHopFacts, NextHopKey, PlannedRoute};
pub use bound_addresses::BoundAddress;
use bound_addresses::BoundAddresses;
pub use care_of_tests::TestPath;
pub use error::ForwardingError;
pub use handovers::Handover;
use next_hops::NextHops;
pub use optimized::OptimizedAddress;
use optimized::OptimizedRoutes;
use path_mtu::PathMtus;
use routes::Step;
pub use steering::{FurtherCareOf, is_exact};
use tunnel_path::LEAST_MTU;
pub use tunnel_path::{TunnelLimits, TunnelPath};

/// How long packets from the care-of address before a handoff are still taken (DMIPv6 profile 1, section 5).
const PREVIOUS_CARE_OF_NS: u64 = 2_000_000_000;
/// Tunnels that one turn moves to other next hops, so that a change of routes does not hold up signalling.
const RETARGETS_AT_ONCE: usize = 1024;

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

    /// Tell the workers that the control plane lives.
    pub fn heartbeat(&mut self, now_ns: u64) {
        self.writer.heartbeat(now_ns);
    }
}
