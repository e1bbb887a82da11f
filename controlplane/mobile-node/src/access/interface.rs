//! One access interface: carrier, addresses, routers, and what of them belongs to the link it is on now.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use dhp_wire::ipv6::is_unicast_routable;

use super::{CareOf, Observation, Order, listed};
use crate::neighbor_discovery::Advertisement;

/// What the kernel says of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressState {
    /// Length of its prefix.
    pub prefix_len: u8,
    /// It may be used: not tentative (unless optimistic), not a duplicate.
    pub usable: bool,
    /// Its preferred lifetime has ended.
    pub deprecated: bool,
    /// It has a lifetime: made from a Router Advertisement.
    pub autoconfigured: bool,
}

#[derive(Debug, Clone, Copy)]
struct Address {
    state: AddressState,
    /// Whether it belongs to the link that the interface is on now.
    confirmed: bool,
    /// Whether that is only a guess, since it was there before any router was heard: it may be of a link that was left while no agent
    /// ran.
    assumed: bool,
    /// Whether [`Order::AddressConfigured`] was given since it was confirmed.
    reported: bool,
}

/// An access interface.
#[derive(Debug)]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Up, with carrier.
    pub up: bool,
    /// In octets.
    pub mtu: u32,
    /// How often its carrier was lost, as the kernel said last.
    carrier_losses: Option<u32>,
    /// Its link-local address, while that may be used as source.
    pub link_local: Option<Ipv6Addr>,
    addresses: BTreeMap<Ipv6Addr, Address>,
    /// Default routers, and whether they belong to the link that the interface is on now.
    routers: BTreeMap<Ipv6Addr, bool>,
    /// What each router has advertised since the carrier came.
    heard: BTreeMap<Ipv6Addr, Advertisement>,
}

impl Interface {
    pub(super) fn new(index: u32, name: String) -> Self {
        Self {
            index,
            name,
            up: false,
            mtu: 1500,
            carrier_losses: None,
            link_local: None,
            addresses: BTreeMap::new(),
            routers: BTreeMap::new(),
            heard: BTreeMap::new(),
        }
    }

    /// Its global addresses.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.addresses.keys().copied()
    }

    /// Global addresses with their prefix lengths that belong to the link it is on now.
    pub fn confirmed(&self) -> impl Iterator<Item = (Ipv6Addr, u8)> {
        self.addresses
            .iter()
            .filter(|(_, address)| address.confirmed && address.state.usable)
            .map(|(address, known)| (*address, known.state.prefix_len))
    }

    /// A default router of the link it is on now.
    pub fn router(&self) -> Option<Ipv6Addr> {
        self.routers
            .iter()
            .find(|(_, confirmed)| **confirmed)
            .map(|(router, _)| *router)
    }

    /// The address to use, the current one before any other, one that is not deprecated before others.
    pub(super) fn care_of(&self, current: Option<Ipv6Addr>) -> Option<CareOf> {
        let router = self.router().filter(|_| self.up)?;
        let address = self
            .addresses
            .iter()
            .filter(|(_, known)| known.confirmed && known.state.usable)
            .min_by_key(|(address, known)| (known.state.deprecated, Some(**address) != current))
            .map(|(address, _)| *address)?;
        Some(CareOf {
            index: self.index,
            address,
            router,
        })
    }

    pub(super) fn observe(&mut self, observation: Observation, orders: &mut Vec<Order>) {
        match observation {
            Observation::Link {
                up,
                mtu,
                carrier_losses,
                ..
            } => {
                self.mtu = mtu.unwrap_or(self.mtu);
                if self.was_away(carrier_losses) {
                    self.set_link(false, orders);
                }
                self.set_link(up, orders);
            }
            Observation::Address { address, state, .. } => self.set_address(address, state),
            Observation::AddressGone { address, .. } => {
                self.addresses.remove(&address);
                if address.is_unicast_link_local() {
                    self.link_local = None;
                }
            }
            Observation::DefaultRoute { router, .. } => {
                // A route that was not there before was made on the link that the interface is on now.
                self.routers.entry(router).or_insert(true);
            }
            Observation::DefaultRouteGone { router, .. } => {
                self.routers.remove(&router);
            }
            Observation::Advertised { advertisement, .. } => {
                // Routers repeat themselves, up to 33 times a second (RFC 6275 §7.5).
                if self.heard.get(&advertisement.router) != Some(&advertisement) {
                    self.heard
                        .insert(advertisement.router, advertisement.clone());
                    orders.push(Order::Advertised {
                        index: self.index,
                        advertisement: advertisement.clone(),
                    });
                }
                self.set_advertised(&advertisement, orders);
            }
        }
        self.report(orders);
    }

    /// Whether the carrier was lost since the last observation. The kernel may tell of what a carrier does only once a second, and
    /// then only how it is by now; but it counts, and meanwhile the interface may have gone to another network.
    fn was_away(&mut self, carrier_losses: Option<u32>) -> bool {
        let before = self.carrier_losses;
        self.carrier_losses = carrier_losses.or(before);
        before.is_some() && before != self.carrier_losses
    }

    fn set_link(&mut self, up: bool, orders: &mut Vec<Order>) {
        if up == self.up {
            return;
        }
        self.up = up;
        let index = self.index;
        if !up {
            orders.push(Order::LinkDown { index });
            return;
        }
        // What a router has made may belong to another link; what an administrator has set belongs here.
        for address in self.addresses.values_mut() {
            address.confirmed = !address.state.autoconfigured;
            address.assumed = false;
            address.reported = false;
        }
        let fixed = self.addresses.values().any(|address| address.confirmed);
        for confirmed in self.routers.values_mut() {
            *confirmed = fixed;
        }
        self.heard.clear();
        orders.push(Order::LinkUp { index });
    }

    fn set_address(&mut self, address: Ipv6Addr, state: AddressState) {
        if address.is_unicast_link_local() {
            self.link_local = state.usable.then_some(address);
        } else if is_unicast_routable(&address) {
            // The kernel makes an address only when an advertisement has just arrived: what is new belongs to this link.
            let new = Address {
                state,
                confirmed: true,
                assumed: state.autoconfigured && self.heard.is_empty(),
                reported: false,
            };
            self.addresses.entry(address).or_insert(new).state = state;
        }
    }

    /// RFC 6275 §11.5.4: "it SHOULD invalidate all care-of addresses associated with address prefixes that it discovered
    /// from routers on the unreachable link that are not in the current set of address prefixes advertised by the
    /// (possibly new) current default router."
    fn set_advertised(&mut self, advertisement: &Advertisement, orders: &mut Vec<Order>) {
        let prefixes = &advertisement.prefixes;
        let mut wrong_guess = false;
        for (address, known) in &mut self.addresses {
            if listed(prefixes, address) {
                (known.confirmed, known.assumed) = (true, false);
            } else if known.assumed && !prefixes.is_empty() {
                // Another router of the link may have made it, and will say so.
                known.confirmed = false;
                wrong_guess = true;
            }
        }
        if wrong_guess {
            for (router, confirmed) in &mut self.routers {
                *confirmed &= self.heard.contains_key(router);
            }
        }
        if advertisement.is_default {
            self.routers.insert(advertisement.router, true);
        } else {
            self.routers.remove(&advertisement.router);
        }
        let same_link = self
            .addresses
            .keys()
            .any(|address| listed(prefixes, address));
        if same_link || prefixes.is_empty() {
            // Whatever else was configured on this link may still be right; its own routers will tell.
            return;
        }
        let index = self.index;
        self.routers.retain(|router, confirmed| {
            if !*confirmed {
                let router = *router;
                orders.push(Order::RemoveRouter { index, router });
            }
            *confirmed
        });
        self.addresses.retain(|address, known| {
            if !known.confirmed && !known.assumed {
                orders.push(Order::RemoveAddress {
                    index,
                    address: *address,
                    prefix_len: known.state.prefix_len,
                });
            }
            known.confirmed || known.assumed
        });
    }

    fn report(&mut self, orders: &mut Vec<Order>) {
        let up = self.up;
        for (address, known) in &mut self.addresses {
            if up && known.confirmed && known.state.usable && !known.reported {
                known.reported = true;
                orders.push(Order::AddressConfigured {
                    index: self.index,
                    address: *address,
                });
            }
        }
    }
}
