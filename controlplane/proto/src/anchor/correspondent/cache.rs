//! The bindings of a correspondent node (RFC 6275 §9.1).

use core::net::Ipv6Addr;
use std::collections::BTreeMap;

use crate::timer_wheel::TimerKey;

/// The two ends of an optimized route: "each correspondent node" has a binding cache of its own (RFC 6275 §9.1), and a mobile
/// node may tell each where it is, or another place, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteEnds {
    /// The mobile node's home address.
    pub home_address: Ipv6Addr,
    /// The correspondent: this anchor, or a host that it acts for.
    pub correspondent: Ipv6Addr,
}

/// A home address whose mobile node has completed the return routability procedure.
#[derive(Debug)]
pub(crate) struct Entry {
    /// `None` once the binding has ended; the number is still remembered then.
    pub(crate) care_of: Option<Ipv6Addr>,
    /// The number of the last accepted update.
    pub(crate) sequence: u16,
    /// When the binding ends.
    pub(crate) expires_ns: u64,
    /// Until when the nonces of the last accepted update are good. RFC 6275 §5.2.8: "Correspondent nodes must retain bindings
    /// and the associated sequence number information at least as long as the nonces used in the authorization of the
    /// binding are still valid."
    pub(crate) nonces_until_ns: u64,
    /// Fires when the binding ends, and then when its number can be forgotten.
    pub(crate) timer: TimerKey,
    /// Fires when the mobile node should be asked for a refresh.
    pub(crate) refresh_timer: Option<TimerKey>,
    /// What is known of its use since the last update.
    pub(crate) usage: Usage,
}

/// Whether packets go to the home address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Nobody has said so.
    Unknown,
    /// It was asked, since the binding ends soon.
    Asked,
    /// They do.
    Known,
}

/// The bindings, and the numbers of those that have ended.
#[derive(Debug, Default)]
pub(crate) struct CorrespondentCache {
    /// Those of a home address stand together.
    pub(crate) entries: BTreeMap<RouteEnds, Entry>,
}

impl CorrespondentCache {
    /// Whether a home address has so many correspondents already.
    pub(crate) fn has(&self, home_address: Ipv6Addr, many: usize) -> bool {
        let ends = |correspondent| RouteEnds {
            home_address,
            correspondent: Ipv6Addr::from_bits(correspondent),
        };
        let of_home = self.entries.range(ends(0)..=ends(u128::MAX));
        of_home.take(many).count() == many
    }

    /// Where a mobile node is, if it has told this correspondent.
    pub(crate) fn care_of(&self, ends: &RouteEnds) -> Option<Ipv6Addr> {
        self.entries.get(ends)?.care_of
    }
}
