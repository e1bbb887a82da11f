//! Everything beyond the access link, in one thread: a router that advertises, a DHP, and a correspondent that echoes.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dhp_port_afpacket::{KernelGuard, PacketSocket, Profile, RawIpv6Sender};
use dhp_proto::anchor::{
    Anchor, AnchorAction, AnchorConfig, FlowBinding, FlowSelector, PoolConfig, PoolKind,
};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_proto::time::Now;
use dhp_wire::codepoints::CodePoints;
use dhp_wire::ipv6::{HEADER_LEN, Ipv6Header, Ipv6View};
use dhp_wire::mobility::{Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::MobilityPacket;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, recv, sendmsg,
    setsockopt, socket, sockopt,
};

use super::network::inside;

pub const DHP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
/// Of the mobile node; the DHP is its home agent as well.
pub const HOME_ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
/// The mobile node's security associations: SPI, and the octet that its home key repeats.
pub const ASSOCIATIONS: [(u32, u8); 2] = [(256, 0x42), (512, 0x77)];

/// What the thread and the test share.
#[derive(Debug, Default)]
pub struct Shared {
    /// The prefix that is advertised.
    pub prefix: Mutex<Option<Ipv6Addr>>,
    /// Home addresses with their care-of addresses.
    pub bindings: Mutex<BTreeMap<Ipv6Addr, Ipv6Addr>>,
    /// The SPI that the DHP has heard last.
    pub heard: Mutex<Option<u32>>,
    /// Packets from correspondents that are to reach a home address.
    pub inbound: Mutex<Vec<Vec<u8>>>,
    /// Sources of TCP packets that have come out of tunnels.
    pub answered: Mutex<Vec<Ipv6Addr>>,
    /// Updates that echo the cookie of a care-of test do not arrive.
    pub cookies_lost: AtomicBool,
    /// The prefix of the second link, if there is one.
    second: Option<Ipv6Addr>,
    /// Nothing comes through the second link any more, although it is there.
    pub second_is_broken: AtomicBool,
    /// Tunnel packets: the link, whether they came from the mobile node, and the correspondent's port of the packet inside.
    pub seen: Mutex<Vec<(usize, bool, u16)>>,
    tests_care_ofs: bool,
    stop: AtomicBool,
}

/// The thread; ended with this.
pub struct Internet {
    pub shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Internet {
    /// Begins, in the namespace.
    pub fn start(namespace: &str, prefix: Ipv6Addr) -> Self {
        Self::with(namespace, prefix, Shared::default())
    }

    /// The same; the DHP tests care-of addresses, and no echo arrives for now.
    pub fn start_losing_cookies(namespace: &str, prefix: Ipv6Addr) -> Self {
        let shared = Shared {
            tests_care_ofs: true,
            cookies_lost: true.into(),
            ..Shared::default()
        };
        Self::with(namespace, prefix, shared)
    }

    /// The same; the second link has a network of its own.
    pub fn start_on_two(namespace: &str, prefix: Ipv6Addr, second: Ipv6Addr) -> Self {
        let shared = Shared {
            second: Some(second),
            ..Shared::default()
        };
        Self::with(namespace, prefix, shared)
    }

    fn with(namespace: &str, prefix: Ipv6Addr, shared: Shared) -> Self {
        let shared = Arc::new(shared);
        *shared.prefix.lock().expect("the lock") = Some(prefix);
        let (namespace, with) = (namespace.to_owned(), Arc::clone(&shared));
        let thread =
            std::thread::spawn(move || inside(&namespace, move || Machine::new(with).work()));
        Self {
            shared,
            thread: Some(thread),
        }
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "the internet panicked"
            );
        }
    }
}

/// A link to the mobile node.
struct Link {
    packets: PacketSocket,
    sender: RawIpv6Sender,
}

struct Machine {
    shared: Arc<Shared>,
    start: Instant,
    anchor: Anchor,
    links: Vec<Link>,
    icmp: OwnedFd,
    _guard: KernelGuard,
}

impl Machine {
    fn new(shared: Arc<Shared>) -> Self {
        let association = |(spi, octet)| {
            SecurityAssociation::from_home_key(
                spi,
                MnId::nai("mn1@example.net"),
                &Key::new([octet; 32]),
                &DHP,
                Algorithm::HmacSha256_128,
                Permissions {
                    home_addresses: vec![HOME_ADDRESS],
                    ..Permissions::default()
                },
            )
            .expect("a security association")
        };
        let mut config = AnchorConfig::new(DHP);
        let pool = "2001:db8:d:1::/64".parse().expect("a prefix");
        let home = "2001:db8:1:1::/64".parse().expect("a prefix");
        config.pools = vec![
            PoolConfig::new(pool, PoolKind::Dhoa),
            PoolConfig::new(home, PoolKind::Home),
        ];
        config.coverage = vec!["2001:db8:c::/48".parse().expect("a prefix")];
        config.security_associations = ASSOCIATIONS.map(association).into();
        config.care_of_test = shared.tests_care_ofs;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let icmp = socket(
            AddressFamily::Inet6,
            SockType::Raw,
            flags,
            SockProtocol::IcmpV6,
        )
        .expect("a raw socket");
        setsockopt(&icmp, sockopt::Ipv6MulticastHops, &255).expect("a hop limit");
        let start = Instant::now();
        let names: &[&str] = match shared.second {
            Some(_) => &["r0", "r1"],
            None => &["r0"],
        };
        let link = |name: &&str| Link {
            packets: PacketSocket::open(name).expect("a packet socket"),
            sender: RawIpv6Sender::open(Some(name)).expect("a raw socket"),
        };
        Self {
            anchor: Anchor::new(config, now(start), [3; 32]).expect("a valid configuration"),
            shared,
            start,
            links: names.iter().map(link).collect(),
            icmp,
            _guard: KernelGuard::new(Profile::Anchor, names).expect("a guard"),
        }
    }

    fn work(mut self) {
        let mut buffer = [0; 4096];
        while !self.shared.stop.load(Ordering::Relaxed) {
            let sockets = self.links.iter().map(|link| link.packets.as_fd());
            let sockets = sockets.chain([self.icmp.as_fd()]);
            let mut waiting: Vec<PollFd<'_>> = sockets
                .map(|socket| PollFd::new(socket, PollFlags::POLLIN))
                .collect();
            let bound = Duration::from_millis(20);
            poll(
                &mut waiting,
                PollTimeout::try_from(bound).expect("a timeout"),
            )
            .expect("poll");
            for link in 0..self.links.len() {
                while let Ok(length) = self.links[link].packets.recv(&mut buffer) {
                    if !self.is_broken(link) {
                        self.receive(link, &buffer[..length]);
                    }
                }
            }
            while let Ok(length) = recv(self.icmp.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT)
            {
                if buffer[..length].first() == Some(&133) {
                    for link in 0..self.links.len() {
                        self.advertise(link);
                    }
                }
            }
            for packet in std::mem::take(&mut *self.shared.inbound.lock().expect("the lock")) {
                self.send_down(&packet);
            }
            self.anchor.handle_timeout(now(self.start));
            self.act();
        }
    }

    fn is_broken(&self, link: usize) -> bool {
        link == 1 && self.shared.second_is_broken.load(Ordering::Relaxed)
    }

    /// Sends a packet by the link that its destination is on.
    fn send(&self, packet: &[u8]) {
        let Ok(view) = Ipv6View::new(packet) else {
            return;
        };
        let is_on_second =
            |prefix: Ipv6Addr| prefix.segments()[..4] == view.destination().segments()[..4];
        let link = usize::from(self.shared.second.is_some_and(is_on_second));
        if self.is_broken(link) {
            return;
        }
        if let Ok(inner) = Ipv6View::new(view.payload()) {
            let port = port(inner.payload(), 0);
            let mut seen = self.shared.seen.lock().expect("the lock");
            seen.push((link, false, port));
        }
        let _ = self.links[link].sender.send(packet);
    }

    fn receive(&mut self, link: usize, packet: &[u8]) {
        let Ok(view) = Ipv6View::new(packet) else {
            return;
        };
        match view.next_header() {
            135 if self.shared.cookies_lost.load(Ordering::Relaxed) && has_cookie(packet) => {}
            // A Binding Update has its Home Address option in front.
            135 | 60 => self.anchor.handle_packet(now(self.start), packet),
            41 => self.take_out(link, &view),
            _ => {}
        }
    }

    /// The DHP takes the tunnel off.
    fn take_out(&self, link: usize, outer: &Ipv6View<'_>) {
        let Ok(inner) = Ipv6View::new(outer.payload()) else {
            return;
        };
        let binding = self.anchor.binding(now(self.start), &inner.source());
        let is_registered = binding.is_some_and(|binding| {
            let mut several = binding.care_ofs.iter();
            binding.care_of == outer.source()
                || several.any(|care_of| care_of.address == outer.source())
        });
        if outer.destination() != DHP || !is_registered {
            return;
        }
        let port = port(inner.payload(), 2);
        self.shared
            .seen
            .lock()
            .expect("the lock")
            .push((link, true, port));
        match inner.next_header() {
            17 => self.echo(&inner),
            6 => {
                let mut answered = self.shared.answered.lock().expect("the lock");
                answered.push(inner.source());
            }
            _ => {}
        }
    }

    /// The correspondent sends the datagram back.
    fn echo(&self, sent: &Ipv6View<'_>) {
        let mut datagram = sent.payload().to_vec();
        // Ports change places, too; the checksum stays what it was.
        if let Some([a, b, c, d]) = datagram.first_chunk_mut() {
            (*a, *b, *c, *d) = (*c, *d, *a, *b);
        }
        self.send_down(&packet(17, sent.destination(), sent.source(), &datagram));
    }

    /// What correspondents send reaches home addresses through the DHP's tunnel, and care-of addresses as it is.
    fn send_down(&self, inner: &[u8]) {
        let Ok(view) = Ipv6View::new(inner) else {
            return;
        };
        match self.care_of(&view) {
            Some(care_of) => self.send(&packet(41, DHP, care_of, inner)),
            None => self.send(inner),
        }
    }

    /// Where a packet for a home address goes: by the first flow binding that takes it, else to the default care-of address.
    fn care_of(&self, view: &Ipv6View<'_>) -> Option<Ipv6Addr> {
        let binding = self.anchor.binding(now(self.start), &view.destination())?;
        let port = port(view.payload(), 0);
        let takes = |flow: &&FlowBinding| {
            let FlowSelector::Ipv6(selector) = flow.selector else {
                return false;
            };
            selector
                .source
                .is_none_or(|range| range.contains(view.source()))
                && selector
                    .source_port
                    .is_none_or(|range| range.contains(port))
                && selector
                    .next_header
                    .is_none_or(|range| range.contains(view.next_header()))
        };
        let flow = binding.flow_bindings.iter().find(takes);
        let bid = flow.and_then(|flow| flow.bids.first());
        let mut care_ofs = binding.care_ofs.iter();
        let steered = care_ofs.find(|care_of| Some(&care_of.bid) == bid);
        Some(steered.map_or(binding.care_of, |care_of| care_of.address))
    }

    fn act(&mut self) {
        while let Some(action) = self.anchor.poll_action() {
            if let AnchorAction::Transmit(packet) = action {
                self.send(&packet);
            }
        }
        let bound = self.anchor.bindings(now(self.start));
        let bound = bound.map(|binding| (binding.home_address, binding.care_of));
        *self.shared.bindings.lock().expect("the lock") = bound.collect();
        let associations = self.anchor.security_associations();
        let heard = associations.filter_map(|view| Some((view.heard_ns?, view.spi)));
        *self.shared.heard.lock().expect("the lock") = heard.max().map(|(_, spi)| spi);
    }

    /// A Router Advertisement with the present prefix.
    fn advertise(&self, link: usize) {
        let prefix = match link {
            0 => *self.shared.prefix.lock().expect("the lock"),
            _ => self.shared.second,
        };
        let Some(prefix) = prefix else {
            return;
        };
        let interface = self.links[link].packets.interface();
        let mut message = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
        message.extend([
            3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0,
        ]);
        message.extend(prefix.octets());
        message.extend([1, 1]);
        message.extend(interface.mac);
        let everyone = "ff02::1".parse().expect("an address");
        let to = SocketAddrV6::new(everyone, 0, 0, interface.index);
        let to = SockaddrIn6::from(to);
        let pieces = [IoSlice::new(&message)];
        let _ = sendmsg(
            self.icmp.as_raw_fd(),
            &pieces,
            &[],
            MsgFlags::empty(),
            Some(&to),
        );
    }
}

/// The port at an offset of a UDP or TCP header.
fn port(payload: &[u8], offset: usize) -> u16 {
    let octets = payload.get(offset..).and_then(|rest| rest.first_chunk());
    octets.map_or(0, |octets| u16::from_be_bytes(*octets))
}

fn has_cookie(packet: &[u8]) -> bool {
    let message = MobilityPacket::parse(packet).ok();
    let header = message.and_then(|message| MobilityHeader::parse(message.mh).ok());
    let message = header.and_then(|header| header.message(&CodePoints::default()).ok());
    let options = message.as_ref().and_then(Message::options);
    options.is_some_and(|options| {
        options
            .iter()
            .any(|option| matches!(option, Ok(MobilityOption::Cookie(_))))
    })
}

fn now(start: Instant) -> Now {
    let mono_ns = u64::try_from(start.elapsed().as_nanos()).expect("a short test");
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    Now::from_clocks(mono_ns, since_epoch.expect("a clock that is set"))
}

/// An IPv6 packet.
pub fn packet(next_header: u8, source: Ipv6Addr, destination: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; HEADER_LEN];
    Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: u16::try_from(payload.len()).expect("a short payload"),
        next_header,
        hop_limit: 64,
        source,
        destination,
    }
    .emit(packet.first_chunk_mut().expect("room for a header"));
    packet.extend(payload);
    packet
}
