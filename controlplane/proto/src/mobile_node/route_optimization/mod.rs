//! Route optimization (RFC 6275 §5.2, §11.3, §11.6, §11.7.2): packets between a home address and a correspondent that can do it
//! go directly, with a Home Address option and a type 2 routing header, and not by the anchor.
//!
//! Each pair of a home address and a correspondent is a [`Route`]. Nothing in it asks "what has happened?": each time the engine
//! is driven, [`drive`] looks what is wanted, permitted and known, and does the next step. So a movement, a permission that comes
//! or goes, or an address that is given back need no code of their own.
//!
//! The anchor keeps its binding all the while: proxy is what remains when anything here fails.

mod compose;
mod drive;
mod receive;
mod retransmission;
mod route;
mod status;
mod table;
mod token_test;
mod update;

use core::net::Ipv6Addr;

pub use receive::is_tunnelled_signalling;
pub use status::{RouteMode, RouteStatus};
pub(super) use table::Routes;

use dhp_wire::ipv6::is_unicast_routable;
use dhp_wire::mobility::Mode;

use super::MobileNode;
use super::action::MnEvent;
use super::receive::count;
use crate::anchor::RouteEnds;
use crate::time::Now;
use route::Route;

/// Why packets to a correspondent go by the anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyReason {
    /// The care-of address is another one, or gone; the correspondent is told when the anchor knows.
    Moved,
    /// The anchor permits it no more.
    NotPermitted,
    /// Nobody asks for it any more.
    NotWanted,
    /// The home address is gone.
    AddressLost,
    /// The correspondent has not answered.
    NoAnswer,
    /// It does not know route optimization.
    NotSupported,
    /// It refused with this status.
    Refused(u8),
    /// It said that it has no such binding.
    Forgotten,
    /// The lifetime ended before it was renewed.
    Expired,
    /// The node is on its home link, where nothing goes by the anchor either.
    AtHome,
}

impl MobileNode {
    /// Somebody talks to the correspondent from the home address, and it may be told the care-of address.
    pub(super) fn optimize_route(&mut self, now: Now, ends: RouteEnds) {
        let correspondent = ends.correspondent;
        // What is said to an anchor meets it at the end of its own tunnel.
        let is_anchor = self.anchors.contains_key(&correspondent)
            || self
                .home
                .as_ref()
                .is_some_and(|home| home.agent == correspondent || home.address == correspondent);
        let situation = self.route_situation(&ends.home_address);
        let held = situation.anchor.is_some() && !situation.is_at_home;
        if is_anchor || !held || !is_unicast_routable(&correspondent) {
            return;
        }
        let retry_ns = self.routes.incapable_until_ns(&correspondent, now.mono_ns);
        let sequence = super::random_sequence(&mut self.random);
        match self
            .routes
            .get_or_insert(ends, || Route::new(sequence, retry_ns))
        {
            Some(route) => route.wanted_ns = Some(now.mono_ns),
            None => count(&mut self.counters.routes_refused),
        }
    }

    /// The flow is to be proxied again.
    pub(super) fn proxy_route(&mut self, ends: &RouteEnds) {
        if let Some(route) = self.routes.get_mut(ends) {
            route.wanted_ns = None;
        }
    }

    /// A correspondent has said by an ICMPv6 error that it knows nothing of mobility (RFC 6275 §11.3.5).
    pub(super) fn route_not_supported(&mut self, now: Now, correspondent: Ipv6Addr) {
        let Some(until_ns) = self.routes.not_supported(now.mono_ns, correspondent) else {
            return;
        };
        for (ends, mut route) in self.routes.take_those_of(&correspondent) {
            route.stop();
            route.retry_ns = until_ns;
            // It has no binding that could be deleted.
            route.told_until_ns = None;
            self.route_proxied(ends, &mut route, ProxyReason::NotSupported);
            self.routes.put_back(ends, route);
        }
    }

    /// Notes and tells that packets go by the anchor, unless that is known.
    fn route_proxied(&mut self, ends: RouteEnds, route: &mut Route, reason: ProxyReason) {
        let was_bound = route.binding.take().is_some();
        if reason != ProxyReason::Moved {
            route.is_optimized = false;
        }
        if was_bound || route.proxied != Some(reason) {
            route.proxied = Some(reason);
            self.event(MnEvent::RouteProxied { ends, reason });
        }
    }

    /// The mode of the flows of these addresses, as it was confirmed last (profile 1, section 2, step 7): "The MN reports the
    /// confirmed mode in its next DHP Binding Update". `None`: no correspondent was ever asked.
    pub(super) fn confirmed_mode(&self, addresses: &[Ipv6Addr]) -> Option<Mode> {
        let routes = self.routes.iter();
        let mut routes = routes
            .filter(|(ends, _)| addresses.contains(&ends.home_address))
            .peekable();
        routes.peek()?;
        // The option has no place for a correspondent: FID 0 speaks of all flows.
        Some(match routes.all(|(_, route)| route.is_optimized) {
            true => Mode::RouteOptimized,
            false => Mode::Proxy,
        })
    }
}
