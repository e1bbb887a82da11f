//! What has gone and come, by the mode of its flow (profile 1, section 2, steps 4 and 7).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use crate::data_path::Traffic;

/// How packets go between this host and a correspondent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// By a DHP.
    Proxy,
    /// By the home agent.
    HomeAgent,
    /// Directly, with the home address in an extension header.
    RouteOptimized,
    /// From the care-of address, while there is no anchor for them.
    None,
}

impl Mode {
    const ALL: [Self; 4] = [
        Self::Proxy,
        Self::HomeAgent,
        Self::RouteOptimized,
        Self::None,
    ];

    /// The label of its metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::HomeAgent => "home-agent",
            Self::RouteOptimized => "route-optimized",
            Self::None => "none",
        }
    }
}

/// The counters.
#[derive(Debug)]
pub struct TrafficByMode {
    /// The addresses at the home agent: a router may be home agent and DHP at once, and only the address tells which.
    homes: RefCell<BTreeSet<Ipv6Addr>>,
    traffic: RefCell<BTreeMap<Mode, Traffic>>,
}

impl TrafficByMode {
    pub fn new() -> Self {
        let none = Mode::ALL.map(|mode| (mode, Traffic::default()));
        Self {
            homes: RefCell::default(),
            traffic: RefCell::new(none.into()),
        }
    }

    /// The home addresses are these from now on.
    pub fn set_homes(&self, homes: impl Iterator<Item = Ipv6Addr>) {
        *self.homes.borrow_mut() = homes.collect();
    }

    /// The mode of what goes through a tunnel from or to an address of this host.
    pub fn tunnelled(&self, address: &Ipv6Addr) -> Mode {
        match self.homes.borrow().contains(address) {
            true => Mode::HomeAgent,
            false => Mode::Proxy,
        }
    }

    /// A packet of so many octets has gone.
    pub fn sent(&self, mode: Mode, octets: u64) {
        if let Some(traffic) = self.traffic.borrow_mut().get_mut(&mode) {
            traffic.note_sent(octets);
        }
    }

    /// A packet of so many octets has come.
    pub fn received(&self, mode: Mode, octets: u64) {
        if let Some(traffic) = self.traffic.borrow_mut().get_mut(&mode) {
            traffic.note_received(octets);
        }
    }

    /// All of it, by the names of the modes.
    pub fn by_name(&self) -> BTreeMap<String, Traffic> {
        let traffic = self.traffic.borrow();
        let named = traffic.iter();
        named
            .map(|(mode, traffic)| (mode.name().to_owned(), *traffic))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_tells_the_home_agent_from_a_dhp_and_every_mode_is_there_from_the_start() {
        let home = Ipv6Addr::LOCALHOST;
        let modes = TrafficByMode::new();
        modes.set_homes([home].into_iter());
        assert_eq!(modes.tunnelled(&home), Mode::HomeAgent);
        assert_eq!(modes.tunnelled(&Ipv6Addr::UNSPECIFIED), Mode::Proxy);
        modes.sent(Mode::Proxy, 100);
        modes.received(Mode::Proxy, 60);
        let counted = modes.by_name();
        let names: Vec<&str> = counted.keys().map(String::as_str).collect();
        assert_eq!(names, ["home-agent", "none", "proxy", "route-optimized"]);
        let expected = Traffic {
            packets_sent: 1,
            bytes_sent: 100,
            packets_received: 1,
            bytes_received: 60,
        };
        assert_eq!(counted["proxy"], expected);
        assert_eq!(counted["none"], Traffic::default());
    }
}
