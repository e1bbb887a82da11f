//! The bindings of a correspondent node (RFC 6275 §9.1).

use core::net::Ipv6Addr;

use hashbrown::HashMap;

use crate::timer_wheel::TimerKey;

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
    /// Whether packets went to the home address since the last update.
    pub(crate) in_use: bool,
}

/// The bindings, and the numbers of those that have ended, by home address.
#[derive(Debug, Default)]
pub(crate) struct CorrespondentCache {
    pub(crate) entries: HashMap<Ipv6Addr, Entry>,
}

impl CorrespondentCache {
    /// Where a mobile node is, if it has told.
    pub(crate) fn care_of(&self, home_address: &Ipv6Addr) -> Option<Ipv6Addr> {
        self.entries.get(home_address)?.care_of
    }
}
