//! Real home links: what the protocol engine says there goes out, what concerns it comes in (RFC 6275 §10.4.1)
//!
//! A home link is the link of an AF_PACKET port, of which the host kernel, the workers and this module each see every frame:
//!
//! - The kernel is the router there. It answers for the box's own addresses, and ignores solicitations for others.
//! - The workers forward. A frame for a mobile node that is away comes to the box's MAC address since [`HomeLinks`] has said
//!   so on the link, and goes into the tunnel by a route of that one address. The other addresses of the prefix are on the link.
//! - A [`LinkListener`] hears Neighbor Discovery, the Binding Updates of mobile nodes that have come home (the workers take
//!   a packet from the address of a node that is away for a lie), and what goes to the link-local address of a node that is away.
//!
//! Sending belongs to the control thread, so that a proxy begins and ends exactly when the engine says so.

mod error;
mod frames;
mod groups;
mod interception;
mod listener;
mod watched;

use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::sync::Arc;

use dhp_port_afpacket::{HomeLinkSocket, KernelGuard, Profile};
use dhp_proto::anchor::{LinkAction, LinkId};
use dhp_wire::ethernet::MacAddr;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub use error::HomeLinkError;
use frames::Station;
use groups::Groups;
pub use interception::{Interception, hand_over};
pub use listener::LinkListener;
use watched::Watched;

/// Senders of a link whose MAC addresses are remembered until they are answered, which is at once or within a second.
const SENDERS: usize = 256;

/// The side of the home links that the control thread owns.
#[derive(Debug)]
pub struct HomeLinks {
    /// By the number of their [`LinkId`].
    links: Vec<HomeLink>,
    interceptions: UnboundedSender<Interception>,
    /// Keeps the kernel from what it must not do there.
    _guard: Option<KernelGuard>,
}

#[derive(Debug)]
struct HomeLink {
    socket: Arc<HomeLinkSocket>,
    station: Station,
    watched: Arc<Watched>,
    groups: Groups,
    /// Who was heard last is first.
    senders: VecDeque<(Ipv6Addr, MacAddr)>,
}

impl HomeLinks {
    /// Open a socket at each of these interfaces, whose places are the numbers of their links. Within a runtime.
    ///
    /// # Errors
    /// [`HomeLinkError`].
    pub fn open(
        names: &[&str],
    ) -> Result<(Self, Vec<LinkListener>, UnboundedReceiver<Interception>), HomeLinkError> {
        let mut links = Vec::new();
        let mut listeners = Vec::new();
        for (name, number) in names.iter().zip(0..) {
            let socket = Arc::new(HomeLinkSocket::open(name)?);
            let watched = Arc::new(Watched::default());
            let station = Station {
                mac: MacAddr(socket.interface().mac),
                address: link_local_address(name)?,
            };
            let groups = Groups::new(socket.interface().index);
            let (heard, watch) = (Arc::clone(&socket), Arc::clone(&watched));
            listeners.push(LinkListener::new(LinkId(number), heard, watch)?);
            links.push(HomeLink {
                socket,
                station,
                watched,
                groups,
                senders: VecDeque::with_capacity(SENDERS),
            });
        }
        let guard = || KernelGuard::new(Profile::HomeLink, names);
        let guard = (!names.is_empty()).then(guard).transpose()?;
        let (interceptions, orders) = unbounded_channel();
        let opened = Self {
            links,
            interceptions,
            _guard: guard,
        };
        Ok((opened, listeners, orders))
    }

    /// Have the host kernel hand over what it sends to an address, or no more.
    pub fn hand_over(&self, address: Ipv6Addr, wanted: bool) {
        // Nobody takes orders any more only when the daemon ends.
        let _ = self.interceptions.send(Interception { address, wanted });
    }

    /// Remember who has sent a packet, so that an answer finds its way.
    pub fn note_sender(&mut self, link: LinkId, source: Ipv6Addr, mac: MacAddr) {
        let Some(link) = self.link_mut(link) else {
            return;
        };
        link.senders.retain(|(address, _)| *address != source);
        link.senders.truncate(SENDERS - 1);
        link.senders.push_front((source, mac));
    }

    /// Send a packet to a node on a link that was heard lately. `false`: it was not.
    pub fn send(&mut self, link: LinkId, packet: &[u8]) -> bool {
        let Some(link) = self.link_mut(link) else {
            return false;
        };
        let Ok(view) = dhp_wire::ipv6::Ipv6View::new(packet) else {
            return false;
        };
        match link.mac_of(&view.destination()) {
            Some(mac) => {
                link.transmit(&link.station.frame(mac, packet));
                true
            }
            None => false,
        }
    }

    /// Carry out what is neither a packet to send nor a route of the workers.
    pub fn act(&mut self, link: LinkId, action: &LinkAction) {
        let interceptions = self.interceptions.clone();
        let Some(link) = self.link_mut(link) else {
            return;
        };
        let intercept = |address: Ipv6Addr, wanted| {
            if !address.is_unicast_link_local() {
                // Without a receiver the daemon is about to end.
                let _ = interceptions.send(Interception { address, wanted });
            }
        };
        match action {
            LinkAction::Probe { target } => {
                // Before the question is out, so that no answer is missed.
                link.watch_probe(*target);
                link.transmit(&link.station.probe(target));
            }
            LinkAction::StartProxy { address } => {
                link.watched.start_proxy(*address);
                link.join(address);
                intercept(*address, true);
            }
            LinkAction::StopProxy { address } => {
                link.watched.stop_proxy(address);
                link.groups.leave(address);
                intercept(*address, false);
            }
            LinkAction::Advertise {
                target,
                destination,
                solicited,
                override_flag,
            } => {
                let to = match destination.is_multicast() {
                    true => Some(MacAddr::of_multicast(destination)),
                    false => link.mac_of(destination),
                };
                let Some(to) = to else {
                    tracing::debug!(%destination, "whoever has solicited is not known any more");
                    return;
                };
                let message = frames::advertisement(target, *solicited, *override_flag);
                link.transmit(&link.station.say(to, destination, message));
            }
            LinkAction::Send(_) => {}
        }
    }

    fn link_mut(&mut self, link: LinkId) -> Option<&mut HomeLink> {
        self.links.get_mut(usize::try_from(link.0).ok()?)
    }
}

impl HomeLink {
    fn mac_of(&self, address: &Ipv6Addr) -> Option<MacAddr> {
        let mut senders = self.senders.iter();
        let found = senders.find(|(sender, _)| sender == address);
        found.map(|(_, mac)| *mac)
    }

    fn watch_probe(&mut self, target: Ipv6Addr) {
        for over in self.watched.take_probed() {
            self.groups.leave(&over);
        }
        self.watched.probe(target);
        self.join(&target);
    }

    fn join(&mut self, address: &Ipv6Addr) {
        if let Err(error) = self.groups.join(address) {
            let link = self.socket.interface().name.as_str();
            tracing::warn!(%error, link, %address, "switches that filter multicast keep solicitations for a home address away");
        }
    }

    fn transmit(&self, frame: &[u8]) {
        if let Err(error) = self.socket.send(frame) {
            // As on a link that loses it: the engine repeats what matters.
            let link = self.socket.interface().name.as_str();
            tracing::debug!(%error, link, "a frame was not sent");
        }
    }
}

fn link_local_address(link: &str) -> Result<Ipv6Addr, HomeLinkError> {
    let entries = nix::ifaddrs::getifaddrs().map_err(|cause| HomeLinkError::Addresses {
        link: link.to_owned(),
        cause,
    })?;
    let of_link = entries.filter(|entry| entry.interface_name == link);
    let mut addresses = of_link.filter_map(|entry| Some(entry.address?.as_sockaddr_in6()?.ip()));
    addresses
        .find(Ipv6Addr::is_unicast_link_local)
        .ok_or_else(|| HomeLinkError::NoLinkLocal {
            link: link.to_owned(),
        })
}
