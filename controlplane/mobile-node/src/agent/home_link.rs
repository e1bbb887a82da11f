//! The home link: whether the default access is on it, and what has to be done there for the home address (RFC 6275 §11.5.5).
//!
//! Until the home agent has answered, the home address goes on to be the tunnel interface's too, and its packets go through the
//! tunnel. Its Neighbor Solicitations for routers never have the home address for their source: before the update is sent, the
//! kernel's interface on the link does not have it.

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::mobile_node::Whereabouts;
use tokio::time::Instant;

use super::Agent;
use crate::access::{CareOf, Observation};
use crate::plan::AtHome;

/// MAX_NEIGHBOR_ADVERTISEMENT and RETRANS_TIMER (RFC 4861 §10).
const ADVERTISEMENTS: u32 = 3;
const INTERVAL: Duration = Duration::from_secs(1);

/// Neighbor Advertisements that tell the home link where packets of the home address go now. "Since multicasting on the local link
/// (such as Ethernet) is typically not guaranteed to be reliable, the mobile node MAY retransmit these" (RFC 6275 §11.5.5).
#[derive(Debug, Clone, Copy)]
pub(super) struct Announcements {
    due: Instant,
    left: u32,
}

impl Announcements {
    /// The first is due at once.
    pub(super) fn new() -> Self {
        Self {
            due: Instant::now(),
            left: ADVERTISEMENTS,
        }
    }

    /// When the next one is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// What is left when one is sent.
    fn next(self) -> Option<Self> {
        let left = self.left.saturating_sub(1);
        let due = self.due + INTERVAL;
        (left > 0).then_some(Self { due, left })
    }
}

impl Agent {
    /// How packets of the home address leave on the home link, while the default access is on it.
    pub(super) fn way_home(&self) -> Option<CareOf> {
        let (address, prefix) = self.engine.home_link()?;
        let current = self.access.current()?;
        prefix
            .contains(&current.address)
            .then_some(CareOf { address, ..current })
    }

    /// The same when the home agent no longer stands in for the node.
    pub(super) fn at_home(&self) -> Option<CareOf> {
        let is_home = matches!(self.engine.whereabouts(), Whereabouts::Home { .. });
        self.way_home().filter(|_| is_home)
    }

    /// How the home address is used on the home link now.
    pub(super) fn home_use(&self) -> Option<AtHome> {
        let way = self.way_home()?;
        match self.engine.whereabouts() {
            Whereabouts::Home { detect_duplicates } => Some(AtHome {
                way,
                is_returning: false,
                detect_duplicates,
            }),
            Whereabouts::Returning { was_bound: true } => Some(AtHome {
                way,
                is_returning: true,
                detect_duplicates: false,
            }),
            Whereabouts::Returning { was_bound: false } | Whereabouts::Away => None,
        }
    }

    /// Whether an observation is of the home address, which says nothing of the link that an interface is on: the agent itself puts
    /// it there.
    pub(super) fn is_of_home_address(&self, observation: &Observation) -> bool {
        let address = match observation {
            Observation::Address { address, .. } | Observation::AddressGone { address, .. } => {
                address
            }
            _ => return false,
        };
        let home = self.engine.home_link();
        home.is_some_and(|(home, _)| home == *address)
    }

    /// The home agent stands in for the node no longer: all nodes on the link are told. Where it did not before, there is nothing
    /// that they could have wrong.
    pub(super) fn announce_home(&mut self, detect_duplicates: bool) {
        self.announcements = (!detect_duplicates).then(Announcements::new);
    }

    /// Sends the advertisements that are due. RFC 6275 §11.5.5: "for each of its home addresses, as defined by the current on-link
    /// prefixes, including its link-local address".
    pub(super) fn announce_due(&mut self) {
        let Some(announcements) = self.announcements.filter(|one| one.due() <= Instant::now())
        else {
            return;
        };
        self.announcements = announcements.next();
        let Some(way) = self.at_home() else {
            self.announcements = None;
            return;
        };
        // An interface without one has no neighbours to tell.
        let Some(own) = self.hardware_addresses.get(&way.index).copied() else {
            return;
        };
        let interface = self.access.interface(way.index);
        let link_local = interface.and_then(|interface| interface.link_local);
        let addresses = [way.address].into_iter().chain(link_local);
        for address in addresses {
            if let Err(error) = self.icmp.advertise(way.index, address, own) {
                tracing::debug!(%error, %address, "cannot tell the home link of an address");
            }
        }
    }

    /// The interface whose link is the home link, while the node is at home.
    pub(super) fn home_interface(&self) -> Option<(Ipv6Addr, String)> {
        let way = self.at_home()?;
        Some((way.address, self.name(way.index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_told_three_times_a_second_apart() {
        let first = Announcements::new();
        let second = first.next().expect("a second");
        let third = second.next().expect("a third");
        assert_eq!(third.due() - first.due(), 2 * INTERVAL);
        assert!(third.next().is_none());
    }
}
