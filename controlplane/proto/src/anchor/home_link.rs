//! What an anchor has done on a real home link: it stands in for mobile nodes that are away (RFC 6275 §10.4.1).
//!
//! The link itself is the caller's: the engine names it by a [`LinkId`], asks for Neighbor Discovery messages by
//! [`LinkAction`]s and is told of those that come in by [`Anchor::handle_icmpv6`]. Virtual home links have none of this.

use core::net::Ipv6Addr;

use hashbrown::HashMap;

use super::Anchor;
use super::events::AnchorAction;
use super::timers::Timer;
use crate::time::{NANOS_PER_SECOND, Now};
use crate::timer_wheel::TimerKey;

/// MAX_NEIGHBOR_ADVERTISEMENT of RFC 4861 §10.
const MAX_NEIGHBOR_ADVERTISEMENT: u8 = 3;
/// RETRANS_TIMER of RFC 4861 §10: between repeated advertisements, and how long a probe waits for an answer.
pub(crate) const RETRANS_TIMER_NS: u64 = NANOS_PER_SECOND;
/// The all-nodes multicast address of a link (RFC 4291 §2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Names a link; the number is the caller's, an interface index for example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

/// Something to do on a home link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkAction {
    /// Ask whether anyone has this address: a Neighbor Solicitation from `::` to its solicited-node multicast address
    /// (RFC 4862 §5.4.2).
    Probe {
        /// The address.
        target: Ipv6Addr,
    },
    /// Join the solicited-node multicast address of this address, take in packets to it, and hand Neighbor
    /// Solicitations for it to [`Anchor::handle_icmpv6`].
    StartProxy {
        /// The address.
        address: Ipv6Addr,
    },
    /// Leave it to its owner again.
    StopProxy {
        /// The address.
        address: Ipv6Addr,
    },
    /// Send a Neighbor Advertisement with the anchor's link-layer address on the link as Target Link-Layer Address, the
    /// Router flag zero, from the anchor's address on the link.
    Advertise {
        /// Target Address.
        target: Ipv6Addr,
        /// Whom to tell.
        destination: Ipv6Addr,
        /// The Solicited flag.
        solicited: bool,
        /// The Override flag.
        override_flag: bool,
    },
    /// Send this packet, whose destination is a node on the link that this anchor stands in for, to the link-layer address
    /// that the node's last packet came from, or else resolve it by Neighbor Solicitation.
    Send(Vec<u8>),
}

/// A Neighbor Discovery message that came in on a home link and is valid (RFC 4861 §7.1). Those that the anchor itself has
/// sent there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeighborMessage {
    /// Neighbor Solicitation.
    Solicitation {
        /// The IPv6 source, `::` in Duplicate Address Detection.
        source: Ipv6Addr,
        /// Target Address.
        target: Ipv6Addr,
    },
    /// Neighbor Advertisement.
    Advertisement {
        /// Target Address.
        target: Ipv6Addr,
    },
}

/// An address that the anchor answers for.
#[derive(Debug)]
struct Proxied {
    /// The home addresses that it is answered for: itself, or all that a link-local address is derived from.
    home_addresses: Vec<Ipv6Addr>,
    /// Advertisements that are still to be repeated, and when the next one is.
    repeats: u8,
    timer: Option<TimerKey>,
}

/// The addresses that the anchor answers for. The same link-local address may be there on several links.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    addresses: HashMap<(LinkId, Ipv6Addr), Proxied>,
}

impl Proxies {
    /// Whether an address is answered for.
    pub(crate) fn contains(&self, link: LinkId, address: Ipv6Addr) -> bool {
        self.addresses.contains_key(&(link, address))
    }

    /// The home addresses that an address is answered for.
    pub(crate) fn home_addresses(&self, link: LinkId, address: Ipv6Addr) -> &[Ipv6Addr] {
        let proxied = self.addresses.get(&(link, address));
        proxied.map_or(&[], |proxied| &proxied.home_addresses)
    }
}

impl Anchor {
    /// Whether this anchor answers for an address on a link.
    #[must_use]
    pub fn answers_for(&self, link: LinkId, address: Ipv6Addr) -> bool {
        self.proxies.contains(link, address)
    }

    /// Takes a Neighbor Discovery message of a home link that has been read already; [`Self::handle_icmpv6`] reads them.
    pub fn handle_neighbor(&mut self, now: Now, link: LinkId, message: NeighborMessage) {
        self.catch_up(now);
        self.hear_neighbor(link, message);
    }

    pub(crate) fn hear_neighbor(&mut self, link: LinkId, message: NeighborMessage) {
        match message {
            NeighborMessage::Solicitation { source, target } => {
                // RFC 4862 §5.4.3: "If the source address of the Neighbor Solicitation is the unspecified address, the
                // solicitation is from a node performing Duplicate Address Detection", and both have to give way.
                if source.is_unspecified() {
                    self.address_is_taken(link, &target);
                }
                self.answer_solicitation(link, source, target);
            }
            // RFC 4862 §5.4.4: whoever advertises an address that is being probed has it.
            NeighborMessage::Advertisement { target } => self.address_is_taken(link, &target),
        }
    }

    /// RFC 6275 §10.4.1: "the home agent MUST reply to the Neighbor Solicitation with a Neighbor Advertisement giving the
    /// home agent's own link-layer address as the link-layer address for the specified Target Address."
    fn answer_solicitation(&mut self, link: LinkId, source: Ipv6Addr, target: Ipv6Addr) {
        if !self.proxies.contains(link, target) {
            return;
        }
        // RFC 4861 §7.2.4: to all nodes where the source is unspecified, and then not solicited.
        let solicited = !source.is_unspecified();
        let advertise = LinkAction::Advertise {
            target,
            destination: if solicited { source } else { ALL_NODES },
            solicited,
            // RFC 4861 §7.2.8: "All solicited proxy Neighbor Advertisement messages MUST have the Override flag set to
            // zero." Who tests the address for duplicates looks at the target alone.
            override_flag: false,
        };
        self.on_link(link, advertise);
    }

    /// Answers for an address of a home address from now on, and tells the link: "it MUST multicast onto the home link a
    /// Neighbor Advertisement message on behalf of the mobile node" (RFC 6275 §10.4.1).
    pub(crate) fn start_proxy(
        &mut self,
        now: Now,
        link: LinkId,
        address: Ipv6Addr,
        home_address: Ipv6Addr,
    ) {
        if let Some(proxied) = self.proxies.addresses.get_mut(&(link, address)) {
            if !proxied.home_addresses.contains(&home_address) {
                proxied.home_addresses.push(home_address);
            }
            return;
        }
        let proxied = Proxied {
            home_addresses: vec![home_address],
            repeats: MAX_NEIGHBOR_ADVERTISEMENT,
            timer: None,
        };
        self.proxies.addresses.insert((link, address), proxied);
        self.on_link(link, LinkAction::StartProxy { address });
        self.advertise_again(now, link, address);
    }

    /// "the home agent MAY retransmit this Neighbor Advertisement message up to MAX_NEIGHBOR_ADVERTISEMENT times to
    /// increase its reliability"
    pub(crate) fn advertise_again(&mut self, now: Now, link: LinkId, address: Ipv6Addr) {
        let Some(proxied) = self.proxies.addresses.get_mut(&(link, address)) else {
            return;
        };
        proxied.repeats = proxied.repeats.saturating_sub(1);
        proxied.timer = (proxied.repeats > 0).then(|| {
            let at = now.deadline_ns(RETRANS_TIMER_NS);
            self.timers
                .schedule(at, Timer::AdvertiseAgain(link, address))
        });
        // "The Router (R) bit in the Advertisement MUST be set to zero." "The Solicited (S) flag … MUST NOT be set".
        // "The Override (O) flag in the Advertisement MUST be set".
        let advertise = LinkAction::Advertise {
            target: address,
            destination: ALL_NODES,
            solicited: false,
            override_flag: true,
        };
        self.on_link(link, advertise);
    }

    /// RFC 6275 §10.3.2: the home agent "MUST stop intercepting packets on the mobile node's home link that are addressed to
    /// the mobile node". A link-local address stays until no home address needs it.
    pub(crate) fn stop_proxy(&mut self, link: LinkId, address: Ipv6Addr, home_address: Ipv6Addr) {
        let Some(proxied) = self.proxies.addresses.get_mut(&(link, address)) else {
            return;
        };
        proxied.home_addresses.retain(|home| *home != home_address);
        if !proxied.home_addresses.is_empty() {
            return;
        }
        if let Some(timer) = proxied.timer {
            self.timers.cancel(timer);
        }
        self.proxies.addresses.remove(&(link, address));
        self.on_link(link, LinkAction::StopProxy { address });
    }

    pub(crate) fn on_link(&mut self, link: LinkId, action: LinkAction) {
        self.actions
            .push_back(AnchorAction::OnLink { link, action });
    }

    /// The link that a home address is on, if that is a real one.
    pub(crate) fn home_link(&self, home_address: &Ipv6Addr) -> Option<LinkId> {
        self.pools
            .find(home_address)
            .and_then(|(_, pool)| pool.link)
    }
}

/// RFC 6275 §10.3.1: "The link-local address is derived by replacing the subnet prefix in the mobile node's home address
/// with the link-local prefix."
pub(crate) fn link_local_of(home_address: &Ipv6Addr) -> Ipv6Addr {
    let [_, _, _, _, a, b, c, d] = home_address.segments();
    Ipv6Addr::new(0xfe80, 0, 0, 0, a, b, c, d)
}
