//! Packets between the tunnel interface and the access interfaces.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::Ipv6Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use dhp_port_afpacket::{PacketSocket, RawIpv6Sender};
use dhp_proto::anchor::RouteEnds;
use dhp_proto::mobile_node::is_tunnelled_signalling;
use dhp_proto::mobile_node::policy::{Conversation, Conversations};
use dhp_wire::icmpv6::{self, IcmpError};
use dhp_wire::ipv6::{HEADER_LEN, Ipv6View, MIN_MTU};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tun_rs::AsyncDevice;

use crate::access::CareOf;
use crate::arrival::Arrival;
use crate::direct_route::DirectRoute;
use crate::readiness::watch;
use crate::traffic_by_mode::{Mode, TrafficByMode};
use crate::tunnel::{Refusal, Tunnel, Tunnels, Uplink};

/// Packets per wakeup, before others get their turn.
const BATCH: usize = 64;
/// The longest packet that an interface can hand over.
const LONGEST: usize = 65_535;
/// Packets that wait for an anchor to confirm the care-of address: at 1000 a second, a quarter of a second of them.
const HELD: usize = 256;
/// Anchors whose packets are counted: more than are in use at once.
const COUNTED: usize = 256;
/// What has waited longer is no longer wanted: its sender has sent it again.
const HELD_FOR: Duration = Duration::from_millis(500);

/// A conversation goes through the tunnel interface.
#[derive(Debug, Clone, Copy)]
pub struct Sighting {
    /// The conversation.
    pub conversation: Conversation,
    /// DSCP of its packets.
    pub dscp: u8,
    /// Whether it began at this node.
    pub began_here: bool,
}

/// What the data path counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Packets sent through tunnels.
    pub encapsulated: Cell<u64>,
    /// Packets sent from the care-of address while there is no anchor for them.
    pub plain: Cell<u64>,
    /// Packets taken out of tunnels.
    pub decapsulated: Cell<u64>,
    /// Packets sent to correspondents directly, with a Home Address option.
    pub optimized: Cell<u64>,
    /// Packets with a type 2 routing header, of correspondents or of anchors themselves.
    pub routed: Cell<u64>,
    /// Packets that were kept until an anchor had bound the care-of address, and sent then.
    pub held: Cell<u64>,
    /// Packets that waited too long, or were too many.
    pub held_dropped: Cell<u64>,
    /// Packet Too Big messages to programs of this host.
    pub too_big: Cell<u64>,
    /// Packets that are no IPv6 packets.
    pub malformed: Cell<u64>,
    /// Packets from or to an address that is no home address.
    pub not_for_tunnel: Cell<u64>,
    /// Tunnel packets of somebody who is not the anchor of their destination.
    pub wrong_anchor: Cell<u64>,
    /// Packets dropped for congestion that they cannot tell of (RFC 6040).
    pub congestion: Cell<u64>,
    /// Packets that an interface did not take.
    pub send_failed: Cell<u64>,
}

/// What has gone through the tunnel to an anchor, in packets and in octets without the tunnel header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Packets of this host.
    pub packets_sent: u64,
    /// Their octets.
    pub bytes_sent: u64,
    /// Packets for this host.
    pub packets_received: u64,
    /// Their octets.
    pub bytes_received: u64,
}

impl Traffic {
    /// A packet of so many octets has gone.
    pub fn note_sent(&mut self, octets: u64) {
        self.packets_sent = self.packets_sent.wrapping_add(1);
        self.bytes_sent = self.bytes_sent.wrapping_add(octets);
    }

    /// A packet of so many octets has come.
    pub fn note_received(&mut self, octets: u64) {
        self.packets_received = self.packets_received.wrapping_add(1);
        self.bytes_received = self.bytes_received.wrapping_add(octets);
    }
}

fn count(counter: &Cell<u64>) {
    counter.set(counter.get().wrapping_add(1));
}

impl Counters {
    /// Each counter with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("encapsulated", &self.encapsulated),
            ("plain", &self.plain),
            ("decapsulated", &self.decapsulated),
            ("optimized", &self.optimized),
            ("routed", &self.routed),
            ("held", &self.held),
            ("held_dropped", &self.held_dropped),
            ("too_big", &self.too_big),
            ("malformed", &self.malformed),
            ("not_for_tunnel", &self.not_for_tunnel),
            ("wrong_anchor", &self.wrong_anchor),
            ("congestion", &self.congestion),
            ("send_failed", &self.send_failed),
        ]
        .into_iter()
        .map(|(name, counter)| (name, counter.get()))
    }

    fn refused(&self, refusal: Refusal) {
        count(match refusal {
            Refusal::Malformed => &self.malformed,
            Refusal::NotForTunnel => &self.not_for_tunnel,
            Refusal::WrongAnchor => &self.wrong_anchor,
            Refusal::Congestion => &self.congestion,
        });
    }
}

#[derive(Debug)]
struct Held {
    since: Instant,
    packet: Vec<u8>,
}

/// The tunnel interface, the ways out of the host, and the tunnels between them.
pub struct DataPath {
    tun: AsyncDevice,
    senders: HashMap<u32, RawIpv6Sender>,
    tunnels: RefCell<Tunnels>,
    held: RefCell<HashMap<Ipv6Addr, VecDeque<Held>>>,
    conversations: RefCell<Conversations>,
    /// Where conversations that begin here are told.
    sightings: mpsc::Sender<Sighting>,
    /// Whether anybody wants to know.
    watched: Cell<bool>,
    /// What has gone to and come from each anchor.
    traffic: RefCell<BTreeMap<Ipv6Addr, Traffic>>,
    /// The same by the mode of the flow.
    pub modes: TrafficByMode,
    /// What it counts.
    pub counters: Counters,
}

impl DataPath {
    /// A data path without tunnels. `senders` by interface index; conversations that begin here are told to `sightings`, when that is
    /// [asked for](Self::watch).
    pub fn new(
        tun: AsyncDevice,
        senders: HashMap<u32, RawIpv6Sender>,
        sightings: mpsc::Sender<Sighting>,
    ) -> Self {
        Self {
            tun,
            senders,
            tunnels: RefCell::default(),
            held: RefCell::default(),
            conversations: RefCell::default(),
            sightings,
            watched: Cell::new(false),
            traffic: RefCell::default(),
            modes: TrafficByMode::new(),
            counters: Counters::default(),
        }
    }

    /// Has the tunnel interface outlive this process.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn persist(&self) -> io::Result<()> {
        self.tun.persist()
    }

    /// Sends a whole packet from an interface.
    pub fn send(&self, index: u32, packet: &[u8]) {
        let sender = self.senders.get(&index);
        let sent = sender.map_or_else(
            || Err(io::Error::from(io::ErrorKind::NotConnected)),
            |sender| sender.send(packet),
        );
        if let Err(error) = sent {
            tracing::debug!(%error, index, "a packet was not sent");
            count(&self.counters.send_failed);
        }
    }

    /// Replaces all tunnels; what was held for an anchor that can be reached now is sent.
    pub fn set_tunnels(
        &self,
        tunnels: Vec<(Ipv6Addr, Tunnel)>,
        routes: Vec<(RouteEnds, DirectRoute)>,
        care_of: Option<CareOf>,
    ) {
        let mut reachable = Vec::new();
        {
            let mut table = self.tunnels.borrow_mut();
            let active = table.take_active();
            *table = Tunnels::default();
            table.set_care_of(care_of);
            for (home, tunnel) in tunnels {
                if tunnel.care_of.is_some() {
                    reachable.push(tunnel.anchor);
                }
                // What one has counted stays, so that it goes on where it was when the anchor comes back.
                let mut traffic = self.traffic.borrow_mut();
                if traffic.len() < COUNTED {
                    traffic.entry(tunnel.anchor).or_default();
                }
                table.insert(home, tunnel);
            }
            for (ends, route) in routes {
                table.insert_route(ends.home_address, ends.correspondent, route);
            }
            table.set_active(&active);
        }
        let mut released = Vec::new();
        for anchor in reachable {
            released.extend(self.held.borrow_mut().remove(&anchor).into_iter().flatten());
        }
        for mut held in released {
            if held.since.elapsed() > HELD_FOR {
                count(&self.counters.held_dropped);
                continue;
            }
            count(&self.counters.held);
            self.send_up(&mut held.packet);
        }
    }

    /// The home addresses that packets have come or gone for since this was asked last.
    pub fn take_active(&self) -> Vec<Ipv6Addr> {
        self.tunnels.borrow().take_active()
    }

    /// Takes packets of this host out of the tunnel interface, for as long as it exists.
    ///
    /// # Errors
    /// The tunnel interface is gone.
    pub async fn run_uplink(self: Rc<Self>) -> io::Result<()> {
        let mut buffer = vec![0; HEADER_LEN + LONGEST];
        loop {
            self.tun.readable().await?;
            for _ in 0..BATCH {
                let room = buffer.get_mut(HEADER_LEN..).unwrap_or_default();
                match self.tun.try_recv(room) {
                    Ok(length) => {
                        let end = HEADER_LEN.saturating_add(length);
                        self.send_up(buffer.get_mut(..end).unwrap_or_default());
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Takes packets for this host from an access interface: tunnel packets to the tunnel interface, what concerns mobility to
    /// `signalling`.
    ///
    /// # Errors
    /// The interface is gone.
    pub async fn run_downlink(
        self: Rc<Self>,
        socket: PacketSocket,
        signalling: mpsc::Sender<Vec<u8>>,
    ) -> io::Result<()> {
        let socket = watch(socket)?;
        let mut buffer = vec![0; LONGEST];
        loop {
            let mut ready = socket.readable().await?;
            for _ in 0..BATCH {
                match socket.get_ref().recv(&mut buffer) {
                    Ok(length) => {
                        self.receive(buffer.get_mut(..length).unwrap_or_default(), &signalling);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready.clear_ready();
                        break;
                    }
                    // The interface went down; the socket works again when it is up again.
                    Err(error) if error.kind() == io::ErrorKind::NetworkDown => {}
                    Err(error) => return Err(error),
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn receive(&self, packet: &mut [u8], signalling: &mpsc::Sender<Vec<u8>>) {
        let Ok(view) = Ipv6View::new(packet) else {
            return count(&self.counters.malformed);
        };
        let anchor = view.source();
        let tunnels = self.tunnels.borrow();
        let (opened, counter) = match Arrival::of(&view) {
            Arrival::Signalling => {
                // Full: the sender repeats what is not answered.
                let _ = signalling.try_send(view.packet().to_vec());
                return;
            }
            Arrival::Tunnelled if is_tunnelled_signalling(&view) => {
                // The engine looks at the tunnel header as well.
                let _ = signalling.try_send(view.packet().to_vec());
                return;
            }
            Arrival::Tunnelled => (tunnels.decapsulate(packet), &self.counters.decapsulated),
            Arrival::Routed => (tunnels.take_off_routing(packet), &self.counters.routed),
        };
        match opened {
            Ok(inner) => {
                self.note_received(inner);
                self.note_arrived(&anchor, inner);
                match self.tun.try_send(inner) {
                    Ok(_) => count(counter),
                    Err(_) => count(&self.counters.send_failed),
                }
            }
            Err(refusal) => self.counters.refused(refusal),
        }
    }

    /// Sends the packet that stands behind the first 40 octets of `buffer` through its tunnel.
    fn send_up(&self, buffer: &mut [u8]) {
        self.note_sent(buffer.get(HEADER_LEN..).unwrap_or_default());
        let tunnels = self.tunnels.borrow();
        match tunnels.encapsulate(buffer) {
            Uplink::Send(care_of, packet) => {
                self.send(care_of.index, packet);
                count(&self.counters.encapsulated);
                self.note_tunnelled(packet);
            }
            Uplink::Direct(care_of, packet) => {
                self.send(care_of.index, packet);
                self.modes.sent(Mode::RouteOptimized, octets(packet));
                count(&self.counters.optimized);
            }
            Uplink::Plain(care_of, packet) => {
                self.send(care_of.index, packet);
                self.modes.sent(Mode::None, octets(packet));
                count(&self.counters.plain);
            }
            Uplink::Hold(anchor) => self.hold(anchor, buffer),
            Uplink::TooBig { mtu } => self.tell_too_big(&tunnels, mtu, buffer),
            Uplink::Drop(refusal) => self.counters.refused(refusal),
        }
    }

    /// What has gone to and come from an anchor.
    pub fn traffic(&self, anchor: &Ipv6Addr) -> Traffic {
        let traffic = self.traffic.borrow();
        traffic.get(anchor).copied().unwrap_or_default()
    }

    fn note_tunnelled(&self, packet: &[u8]) {
        let Ok(outer) = Ipv6View::new(packet) else {
            return;
        };
        let inner = outer.payload();
        if let Some(traffic) = self.traffic.borrow_mut().get_mut(&outer.destination()) {
            traffic.note_sent(octets(inner));
        }
        if let Ok(view) = Ipv6View::new(inner) {
            let mode = self.modes.tunnelled(&view.source());
            self.modes.sent(mode, octets(inner));
        }
    }

    /// A packet for a home address has come from an anchor, or from its correspondent directly.
    fn note_arrived(&self, from: &Ipv6Addr, inner: &[u8]) {
        let mut traffic = self.traffic.borrow_mut();
        let of_anchor = traffic.get_mut(from);
        let Ok(view) = Ipv6View::new(inner) else {
            return;
        };
        let mode = match of_anchor {
            Some(traffic) => {
                traffic.note_received(octets(inner));
                self.modes.tunnelled(&view.destination())
            }
            None => Mode::RouteOptimized,
        };
        self.modes.received(mode, octets(inner));
    }

    /// Whether conversations are told from now on.
    pub fn watch(&self, watched: bool) {
        self.watched.set(watched);
    }

    /// Every conversation counts as new again: those that go on are told once more.
    pub fn look_again(&self) {
        self.conversations.borrow_mut().turn();
    }

    fn note_sent(&self, packet: &[u8]) {
        if !self.watched.get() {
            return;
        }
        let Ok(view) = Ipv6View::new(packet) else {
            return;
        };
        let Some(conversation) = Conversation::of_sent(&view) else {
            return;
        };
        let mut conversations = self.conversations.borrow_mut();
        if conversations.sent(conversation) {
            let sighting = Sighting {
                conversation,
                dscp: view.traffic_class() >> 2,
                began_here: true,
            };
            // Full: its next packet tells it.
            if self.sightings.try_send(sighting).is_err() {
                conversations.forget(&conversation);
            }
        }
    }

    fn note_received(&self, packet: &[u8]) {
        if self.watched.get()
            && let Ok(view) = Ipv6View::new(packet)
            && let Some(conversation) = Conversation::of_received(&view)
        {
            let mut conversations = self.conversations.borrow_mut();
            if conversations.received(conversation) {
                let sighting = Sighting {
                    conversation,
                    dscp: view.traffic_class() >> 2,
                    began_here: false,
                };
                if self.sightings.try_send(sighting).is_err() {
                    conversations.forget(&conversation);
                }
            }
        }
    }

    fn hold(&self, anchor: Ipv6Addr, packet: &[u8]) {
        let mut held = self.held.borrow_mut();
        let queue = held.entry(anchor).or_default();
        if queue.len() >= HELD {
            queue.pop_front();
            count(&self.counters.held_dropped);
        }
        queue.push_back(Held {
            since: Instant::now(),
            packet: packet.to_vec(),
        });
    }

    fn tell_too_big(&self, tunnels: &Tunnels, mtu: u16, buffer: &[u8]) {
        let Some(Ok(view)) = buffer.get(HEADER_LEN..).map(Ipv6View::new) else {
            return;
        };
        let Some(tunnel) = tunnels.get(&view.source()) else {
            return;
        };
        let error = IcmpError::PacketTooBig {
            mtu: u32::from(mtu),
        };
        let mut answer = [0; MIN_MTU];
        let (from, to) = (tunnel.anchor, view.source());
        if icmpv6::may_answer(view.packet(), error)
            && let Some(length) = icmpv6::write_error(&mut answer, &from, &to, error, view.packet())
            && let Some(message) = answer.get(..length)
            && self.tun.try_send(message).is_ok()
        {
            count(&self.counters.too_big);
        }
    }
}

fn octets(packet: &[u8]) -> u64 {
    u64::try_from(packet.len()).unwrap_or(u64::MAX)
}
