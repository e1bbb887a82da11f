//! The ways of tunnels, by the routes of the plan and by what routers have told

use std::net::Ipv6Addr;

use super::Forwarding;
use crate::mirror::{NextHopKey, PlannedAction};

/// Octets that a tunnel takes from the path MTU: the outer IPv6 header.
const TUNNEL_OVERHEAD: u16 = 40;
/// The path MTU where no route tells: RFC 8200 §5.
pub(super) const LEAST_MTU: u16 = 1280;

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

impl Forwarding {
    /// The way of a binding to its care-of address, by the routes of the plan and what was learned of the path.
    pub(super) fn path_to(&self, home_address: Ipv6Addr, care_of: Ipv6Addr) -> TunnelPath {
        let learned = self.path_mtus.get(home_address, care_of);
        self.path_with(care_of, learned, TUNNEL_OVERHEAD)
    }

    /// The way to a care-of address, where `overhead` octets are added to each packet and routers have told of `learned`.
    pub(super) fn path_with(
        &self,
        care_of: Ipv6Addr,
        learned: Option<u16>,
        overhead: u16,
    ) -> TunnelPath {
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
}
