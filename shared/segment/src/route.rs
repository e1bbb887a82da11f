//! What a route says.

use core::net::Ipv6Addr;

/// What to do with packets to a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteAction {
    /// Send to this next hop.
    Forward {
        /// Index in the next hop table.
        next_hop: u32,
    },
    /// On-link at this port; the destination is not (yet) known as a neighbour.
    Connected {
        /// The port of the link.
        port: u16,
    },
    /// An address of the box: to the host.
    Local,
    /// An address of the DHP or home agent itself.
    Anchor,
    /// A pool of home addresses.
    Pool,
    /// The home-agents anycast address (RFC 2526) of every /64 in the prefix, or of the /64 around a longer one. It does
    /// not concern the other addresses of the prefix, for which another route holds.
    QueryAnycast,
    /// No route: Destination Unreachable.
    Unreachable,
    /// Forbidden: Destination Unreachable, administratively prohibited.
    Prohibited,
    /// Discard in silence.
    Blackhole,
}

/// A prefix and what holds for it. Bits beyond the length are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// The prefix.
    pub prefix: Ipv6Addr,
    /// Its length, at most 128.
    pub len: u8,
    /// What to do.
    pub action: RouteAction,
}

impl RouteAction {
    /// Argument in the low half, kind in the octet above, the rest 0. `Unreachable` is 0, so empty memory routes nothing.
    pub(crate) fn encode(self) -> u64 {
        let (kind, argument) = match self {
            Self::Unreachable => (0_u64, 0),
            Self::Forward { next_hop } => (1, next_hop),
            Self::Connected { port } => (2, u32::from(port)),
            Self::Local => (3, 0),
            Self::Anchor => (4, 0),
            Self::Pool => (5, 0),
            Self::QueryAnycast => (6, 0),
            Self::Blackhole => (7, 0),
            Self::Prohibited => (8, 0),
        };
        kind << 32 | u64::from(argument)
    }

    #[inline]
    pub(crate) fn decode(word: u64) -> Self {
        match (word >> 32) as u8 {
            1 => Self::Forward {
                next_hop: word as u32,
            },
            2 => Self::Connected { port: word as u16 },
            3 => Self::Local,
            4 => Self::Anchor,
            5 => Self::Pool,
            6 => Self::QueryAnycast,
            7 => Self::Blackhole,
            8 => Self::Prohibited,
            _ => Self::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_survive_the_segment() {
        for action in [
            RouteAction::Forward { next_hop: u32::MAX },
            RouteAction::Connected { port: u16::MAX },
            RouteAction::Local,
            RouteAction::Anchor,
            RouteAction::Pool,
            RouteAction::QueryAnycast,
            RouteAction::Unreachable,
            RouteAction::Prohibited,
            RouteAction::Blackhole,
        ] {
            assert_eq!(RouteAction::decode(action.encode()), action);
        }
        assert_eq!(RouteAction::decode(u64::MAX), RouteAction::Unreachable);
    }
}
