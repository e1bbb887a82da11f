//! Routes as others see them.

use core::net::Ipv6Addr;

use super::super::MobileNode;
use super::ProxyReason;
use crate::anchor::RouteEnds;

/// How packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteMode {
    /// Directly.
    Optimized {
        /// The care-of address that the correspondent has confirmed.
        care_of: Ipv6Addr,
        /// End of the binding on the monotonic clock.
        expires_ns: u64,
    },
    /// By the anchor, and why if that was told; else the correspondent is being asked.
    Proxy(Option<ProxyReason>),
}

/// A home address and a correspondent that may be optimized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteStatus {
    /// Which ones.
    pub ends: RouteEnds,
    /// How packets between them go.
    pub mode: RouteMode,
}

impl MobileNode {
    /// The routes. Packets with a type 2 routing header are a correspondent's own if one of these names it: it may send them as
    /// soon as it has got an update, before its acknowledgement is here.
    pub fn routes(&self) -> impl Iterator<Item = RouteStatus> {
        self.routes.iter().map(|(ends, route)| RouteStatus {
            ends: *ends,
            mode: match route.binding {
                Some(binding) => RouteMode::Optimized {
                    care_of: binding.care_of,
                    expires_ns: binding.expires_ns,
                },
                None => RouteMode::Proxy(route.proxied),
            },
        })
    }
}
