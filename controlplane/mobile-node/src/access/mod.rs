//! Movement detection: which address of which access interface is the care-of address.
//!
//! Neither clock nor socket: observations of the kernel and of Router Advertisements go in, orders come out. RFC 6275
//! §11.5.1 leaves the method open; this one takes the carrier for the hint and the prefixes of the new link's Router
//! Advertisements for the proof. A carrier that went and came again between two observations is such a hint too.

mod interface;
#[cfg(test)]
mod tests;

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

pub use interface::{AddressState, Interface};

use crate::neighbor_discovery::Advertisement;

/// Something that happened at an interface, by its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// It is up and has a carrier, or not.
    Link {
        /// The interface.
        index: u32,
        /// Whether packets can be sent.
        up: bool,
        /// In octets.
        mtu: Option<u32>,
        /// How often the carrier was lost since the interface was made.
        carrier_losses: Option<u32>,
    },
    /// An address is there, or has changed.
    Address {
        /// The interface.
        index: u32,
        /// The address.
        address: Ipv6Addr,
        /// What the kernel says of it.
        state: AddressState,
    },
    /// An address is gone.
    AddressGone {
        /// The interface.
        index: u32,
        /// The address.
        address: Ipv6Addr,
    },
    /// The main table has a default route through this router.
    DefaultRoute {
        /// The interface.
        index: u32,
        /// The router.
        router: Ipv6Addr,
    },
    /// It has no longer.
    DefaultRouteGone {
        /// The interface.
        index: u32,
        /// The router.
        router: Ipv6Addr,
    },
    /// A Router Advertisement arrived.
    Advertised {
        /// The interface.
        index: u32,
        /// What it says.
        advertisement: Advertisement,
    },
}

/// Something to do or to tell, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The carrier is gone, or the interface down.
    LinkDown {
        /// The interface.
        index: u32,
    },
    /// It is back: ask for routers at once.
    LinkUp {
        /// The interface.
        index: u32,
    },
    /// A router has been heard for the first time since the carrier came, or says something new.
    Advertised {
        /// The interface.
        index: u32,
        /// What it says.
        advertisement: Advertisement,
    },
    /// An address can be used as care-of address.
    AddressConfigured {
        /// The interface.
        index: u32,
        /// The address.
        address: Ipv6Addr,
    },
    /// An address belongs to a link that was left: remove it.
    RemoveAddress {
        /// The interface.
        index: u32,
        /// The address.
        address: Ipv6Addr,
        /// Its prefix length.
        prefix_len: u8,
    },
    /// So does a default router.
    RemoveRouter {
        /// The interface.
        index: u32,
        /// The router.
        router: Ipv6Addr,
    },
    /// Use this care-of address from now on; `None`: there is none.
    CareOf(Option<CareOf>),
    /// Other care-of addresses can be used beside the same one, or no longer.
    Attached,
}

/// A care-of address and the way that its packets leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CareOf {
    /// The interface.
    pub index: u32,
    /// The address.
    pub address: Ipv6Addr,
    /// The router.
    pub router: Ipv6Addr,
}

/// The access interfaces, and which of them is used.
#[derive(Debug)]
pub struct Access {
    interfaces: Vec<Interface>,
    /// The interface that was asked for, before the order of the configuration.
    preferred: Option<u32>,
    current: Option<CareOf>,
    /// One for each interface that can be used.
    attached: Vec<CareOf>,
}

impl Access {
    /// Interfaces by index and name, preferred first.
    pub fn new(interfaces: impl IntoIterator<Item = (u32, String)>) -> Self {
        Self {
            interfaces: interfaces
                .into_iter()
                .map(|(index, name)| Interface::new(index, name))
                .collect(),
            preferred: None,
            current: None,
            attached: Vec::new(),
        }
    }

    /// The interfaces, in the order of the configuration.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// The care-of address in use.
    pub fn current(&self) -> Option<CareOf> {
        self.current
    }

    /// A care-of address of each interface that can be used, the one in use first.
    pub fn attached(&self) -> Vec<CareOf> {
        let current = self.current.into_iter();
        let others = self.attached.iter().copied();
        let others = others.filter(|one| Some(one.index) != self.current.map(|used| used.index));
        current.chain(others).collect()
    }

    /// The interface of that index.
    pub fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces
            .iter()
            .find(|interface| interface.index == index)
    }

    /// The interface that was asked for with [`prefer`](Self::prefer).
    pub fn preferred(&self) -> Option<u32> {
        self.preferred
    }

    /// How packets with that source address leave, if their interface can be used.
    pub fn usable(&self, address: Ipv6Addr) -> Option<CareOf> {
        self.interfaces.iter().find_map(|interface| {
            let router = interface.router().filter(|_| interface.up)?;
            let confirmed = interface.confirmed().any(|(known, _)| known == address);
            confirmed.then_some(CareOf {
                index: interface.index,
                address,
                router,
            })
        })
    }

    /// Prefers an interface from now on; `None`: the order of the configuration. What is bound stays until the new
    /// interface has an address.
    pub fn prefer(&mut self, index: Option<u32>) -> Vec<Order> {
        self.preferred = index;
        let mut orders = Vec::new();
        self.choose(&mut orders);
        orders
    }

    /// Takes an observation.
    pub fn observe(&mut self, observation: Observation) -> Vec<Order> {
        let mut orders = Vec::new();
        let index = observation.index();
        if let Some(interface) = self
            .interfaces
            .iter_mut()
            .find(|interface| interface.index == index)
        {
            interface.observe(observation, &mut orders);
        }
        self.choose(&mut orders);
        orders
    }

    fn choose(&mut self, orders: &mut Vec<Order>) {
        let preferred = self
            .interfaces
            .iter()
            .filter(|one| Some(one.index) == self.preferred);
        let chosen = preferred
            .chain(self.interfaces.iter())
            .find_map(|interface| interface.care_of(self.current.map(|current| current.address)));
        let is_other = chosen != self.current;
        if is_other {
            self.current = chosen;
            orders.push(Order::CareOf(chosen));
        }
        let attached = self.interfaces.iter().filter_map(|interface| {
            let mut known = self.attached.iter();
            let before = known.find(|known| known.index == interface.index);
            interface.care_of(before.map(|before| before.address))
        });
        let attached: Vec<CareOf> = attached.collect();
        if attached != self.attached {
            self.attached = attached;
            if !is_other {
                orders.push(Order::Attached);
            }
        }
    }
}

impl Observation {
    fn index(&self) -> u32 {
        match self {
            Self::Link { index, .. }
            | Self::Address { index, .. }
            | Self::AddressGone { index, .. }
            | Self::DefaultRoute { index, .. }
            | Self::DefaultRouteGone { index, .. }
            | Self::Advertised { index, .. } => *index,
        }
    }
}

/// Whether the prefix lists contain the address.
fn listed(prefixes: &[Ipv6Net], address: &Ipv6Addr) -> bool {
    prefixes.iter().any(|prefix| prefix.contains(address))
}
