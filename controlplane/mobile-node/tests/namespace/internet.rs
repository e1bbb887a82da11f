//! Everything beyond the access link, in one thread: a router that advertises, a DHP, a correspondent that echoes, and one that
//! can do route optimization.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv6Addr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dhp_port_afpacket::{KernelGuard, PacketSocket, Profile, RawIpv6Sender};
use dhp_proto::anchor::{
    Anchor, AnchorAction, AnchorConfig, DirectoryEntry, FlowBinding, FlowSelector, PoolConfig,
    PoolKind, RouteOptimization,
};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_proto::time::Now;
use dhp_wire::checksum::upper_layer_checksum;
use dhp_wire::codepoints::CodePoints;
use dhp_wire::extension;
use dhp_wire::ipv6::{HEADER_LEN, Ipv6Header, Ipv6View};
use dhp_wire::mobility::{Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::MobilityPacket;
use ipnet::Ipv6Net;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use tun_rs::{DeviceBuilder, SyncDevice};

use super::advertiser::Advertiser;
use super::network::{hurry, inside};

pub const DHP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
/// The correspondent that can do route optimization; all others know nothing of mobility.
pub const CAPABLE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x90);
/// Of the mobile node; the DHP is its home agent as well.
pub const HOME_ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
/// The mobile node's security associations: SPI, and the octet that its home key repeats.
pub const ASSOCIATIONS: [(u32, u8); 2] = [(256, 0x42), (512, 0x77)];

/// A locator that knows the DHP, where there is one.
pub const LOCATOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 1);

/// How long signalling is under way, there and back.
#[derive(Debug, Default, Clone, Copy)]
pub struct Ways {
    /// To the DHP.
    pub dhp: Duration,
    /// To the locator.
    pub locator: Duration,
}

/// What the DHP covers, beside the site of the one correspondent, when it is far away: pairs of sites, far from other pairs.
pub fn site(pair: u16, which: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2a00, pair << 8, which, 0, 0, 0, 0, 0)
}
/// So many pairs.
pub const PAIRS: u16 = 8;
/// The pair of which the locator covers the first site.
pub const NEAR: u16 = PAIRS;

/// What kind of anchor there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anchoring {
    /// A home agent that is a DHP as well.
    #[default]
    Distributed,
    /// A home agent of RFC 6275: messages of DMIPv6 are of an unknown type to it.
    HomeAgent,
    /// None; the correspondent is reached without.
    None,
}

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
    /// UDP packets that have come out of tunnels, and with a Home Address option.
    pub tunnelled: AtomicU64,
    pub direct: AtomicU64,
    /// What the capable correspondent has bound: home addresses with their care-of addresses.
    pub routes: Mutex<BTreeMap<Ipv6Addr, Ipv6Addr>>,
    /// The DHP does not permit route optimization.
    pub not_permitted: AtomicBool,
    /// Updates that echo the cookie of a care-of test do not arrive.
    pub cookies_lost: AtomicBool,
    /// The prefix of the second link, if there is one.
    second: Option<Ipv6Addr>,
    /// Nothing comes through the second link any more, although it is there.
    pub second_is_broken: AtomicBool,
    /// Tunnel packets: the link, whether they came from the mobile node, and the correspondent's port of the packet inside.
    pub seen: Mutex<Vec<(usize, bool, u16)>>,
    /// The DHP answers nothing.
    pub is_silent: AtomicBool,
    tests_care_ofs: bool,
    anchor: Anchoring,
    /// The kernel is the correspondent: what comes out of tunnels goes to it.
    kernel_answers: bool,
    ways: Ways,
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

    /// The same with another kind of anchor.
    pub fn start_with_anchor(namespace: &str, prefix: Ipv6Addr, anchor: Anchoring) -> Self {
        let shared = Shared {
            anchor,
            ..Shared::default()
        };
        Self::with(namespace, prefix, shared)
    }

    /// The same, with the kernel of the namespace as the correspondent; it needs the address, and has a TUN interface to the DHP.
    pub fn start_with_kernel(namespace: &str, prefix: Ipv6Addr) -> Self {
        let shared = Shared {
            kernel_answers: true,
            ..Shared::default()
        };
        Self::with(namespace, prefix, shared)
    }

    /// The same; the DHP is so far away, and there is a locator.
    pub fn start_far(namespace: &str, prefix: Ipv6Addr, ways: Ways) -> Self {
        let shared = Shared {
            ways,
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
    advertiser: Advertiser,
}

impl Link {
    fn open(name: &str) -> Self {
        let packets = PacketSocket::open(name).expect("a packet socket");
        Self {
            advertiser: Advertiser::new(packets.interface()),
            packets,
            sender: RawIpv6Sender::open(Some(name)).expect("a raw socket"),
        }
    }
}

struct Machine {
    shared: Arc<Shared>,
    start: Instant,
    anchor: Anchor,
    permits: bool,
    correspondent: Anchor,
    locator: Anchor,
    /// Signalling under way, each packet with the time when it is taken to have arrived.
    under_way: VecDeque<(Instant, Vec<u8>)>,
    links: Vec<Link>,
    kernel: Option<SyncDevice>,
    _guard: KernelGuard,
}

impl Machine {
    /// What the DHP covers.
    fn coverage(shared: &Shared) -> Vec<Ipv6Net> {
        let mut coverage = vec!["2001:db8:c::/48".parse().expect("a prefix")];
        if !shared.ways.dhp.is_zero() {
            let sites = (0..PAIRS).flat_map(|pair| [site(pair, 1), site(pair, 2)]);
            coverage.extend(sites.map(|site| Ipv6Net::new(site, 48).expect("a prefix")));
        }
        coverage
    }

    /// The mobile node's security association with an anchor.
    fn association(
        anchor: &Ipv6Addr,
        home_addresses: Vec<Ipv6Addr>,
        (spi, octet): (u32, u8),
    ) -> SecurityAssociation {
        SecurityAssociation::from_home_key(
            spi,
            MnId::nai("mn1@example.net"),
            &Key::new([octet; 32]),
            anchor,
            Algorithm::HmacSha256_128,
            Permissions {
                home_addresses,
                route_optimization: true,
                ..Permissions::default()
            },
        )
        .expect("a security association")
    }

    /// The DHP's configuration; `permits` route optimization or not.
    fn dhp_config(shared: &Shared, permits: bool) -> AnchorConfig {
        let association = |association| Self::association(&DHP, vec![HOME_ADDRESS], association);
        let mut config = AnchorConfig::new(DHP);
        let pool = "2001:db8:d:1::/64".parse().expect("a prefix");
        let home = "2001:db8:1:1::/64".parse().expect("a prefix");
        config.pools = vec![
            PoolConfig::new(pool, PoolKind::Dhoa),
            PoolConfig::new(home, PoolKind::Home),
        ];
        config.coverage = Self::coverage(shared);
        config.security_associations = ASSOCIATIONS.map(association).into();
        config.care_of_test = shared.tests_care_ofs;
        config.route_optimization = permits;
        if shared.anchor == Anchoring::HomeAgent {
            config.code_points = CodePoints {
                mh_type: 220,
                option: 220,
            };
        }
        config
    }

    /// A locator that knows all that the DHP covers. It is a DHP itself, for a site of its own.
    fn locator_config(shared: &Shared) -> AnchorConfig {
        let mut locator = AnchorConfig::new(LOCATOR);
        let pool = "2001:db8:f:1::/64".parse().expect("a prefix");
        locator.pools = vec![PoolConfig::new(pool, PoolKind::Dhoa)];
        locator.coverage = vec![Ipv6Net::new(site(NEAR, 1), 48).expect("a prefix")];
        locator.security_associations = ASSOCIATIONS
            .map(|association| Self::association(&LOCATOR, Vec::new(), association))
            .into();
        let covered = Self::coverage(shared).into_iter();
        let covered = covered.map(|prefix| DirectoryEntry {
            dhp: DHP,
            prefix,
            preference: 100,
            load: 0,
            path_rtt_us: 0,
        });
        locator.directory = covered.collect();
        locator
    }

    fn new(shared: Arc<Shared>) -> Self {
        let correspondent = AnchorConfig {
            is_correspondent: true,
            ..AnchorConfig::new(CAPABLE)
        };
        let kernel = shared.kernel_answers.then(|| {
            let tun = DeviceBuilder::new().name("cn0").mtu(1400).build_sync();
            tun.expect("a TUN interface")
        });
        let start = Instant::now();
        let names: &[&str] = match shared.second {
            Some(_) => &["r0", "r1"],
            None => &["r0"],
        };
        Self {
            anchor: Anchor::new(Self::dhp_config(&shared, true), now(start), [3; 32])
                .expect("a valid configuration"),
            permits: true,
            correspondent: Anchor::new(correspondent, now(start), [4; 32])
                .expect("a valid configuration"),
            locator: Anchor::new(Self::locator_config(&shared), now(start), [5; 32])
                .expect("a valid configuration"),
            under_way: VecDeque::new(),
            shared,
            start,
            links: names.iter().map(|name| Link::open(name)).collect(),
            kernel,
            _guard: KernelGuard::new(Profile::Anchor, names).expect("a guard"),
        }
    }

    fn work(mut self) {
        if !self.shared.ways.dhp.is_zero() {
            hurry();
        }
        let mut buffer = [0; 4096];
        while !self.shared.stop.load(Ordering::Relaxed) {
            let mut waiting = Vec::new();
            for link in &self.links {
                waiting.push(PollFd::new(link.packets.as_fd(), PollFlags::POLLIN));
                waiting.push(PollFd::new(link.advertiser.as_fd(), PollFlags::POLLIN));
            }
            let kernel = self.kernel.as_ref();
            waiting.extend(kernel.map(|tun| PollFd::new(tun.as_fd(), PollFlags::POLLIN)));
            let due = self.under_way.iter().map(|(due, _)| *due).min();
            let bound = Duration::from_millis(20);
            let bound = due.map_or(bound, |due| {
                due.saturating_duration_since(Instant::now()).min(bound)
            });
            ppoll(&mut waiting, Some(TimeSpec::from_duration(bound)), None).expect("poll");
            let answered = waiting.last().and_then(PollFd::any) == Some(true);
            if let (Some(tun), true) = (&self.kernel, answered) {
                let length = tun.recv(&mut buffer).expect("the TUN interface is there");
                self.send_down(&buffer[..length]);
            }
            for link in 0..self.links.len() {
                while let Ok(length) = self.links[link].packets.recv(&mut buffer) {
                    if !self.is_broken(link) {
                        self.receive(link, &buffer[..length]);
                    }
                }
            }
            for link in 0..self.links.len() {
                let prefix = match link {
                    0 => *self.shared.prefix.lock().expect("the lock"),
                    _ => self.shared.second,
                };
                self.links[link].advertiser.answer(prefix);
            }
            for packet in std::mem::take(&mut *self.shared.inbound.lock().expect("the lock")) {
                self.send_down(&packet);
            }
            let permits = !self.shared.not_permitted.load(Ordering::Relaxed);
            if permits != self.permits {
                self.permits = permits;
                let config = Self::dhp_config(&self.shared, permits);
                let changed = self.anchor.reconfigure(now(self.start), config);
                changed.expect("a valid configuration");
            }
            self.arrive();
            self.anchor.handle_timeout(now(self.start));
            self.correspondent.handle_timeout(now(self.start));
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
            _ if self.shared.anchor == Anchoring::None => {}
            135 if self.shared.is_silent.load(Ordering::Relaxed) => {}
            135 | 60 if view.destination() == CAPABLE => self.meet(&view),
            135 if self.shared.cookies_lost.load(Ordering::Relaxed) && has_cookie(packet) => {}
            // A Binding Update has its Home Address option in front.
            135 | 60 => {
                let ways = self.shared.ways;
                let way = match view.destination() {
                    LOCATOR => ways.locator,
                    _ => ways.dhp,
                };
                self.under_way
                    .push_back((Instant::now() + way, packet.to_vec()));
            }
            41 => self.take_out(link, &view),
            _ => {}
        }
    }

    /// Signalling that has been under way for long enough is answered.
    fn arrive(&mut self) {
        let under_way = std::mem::take(&mut self.under_way);
        for (due, packet) in under_way {
            if due > Instant::now() {
                self.under_way.push_back((due, packet));
                continue;
            }
            let to_locator = Ipv6View::new(&packet).is_ok_and(|view| view.destination() == LOCATOR);
            let anchor = match to_locator {
                true => &mut self.locator,
                false => &mut self.anchor,
            };
            anchor.handle_packet(now(self.start), &packet);
        }
    }

    /// The DHP takes the tunnel off.
    fn take_out(&mut self, link: usize, outer: &Ipv6View<'_>) {
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
        if let Some(tun) = &self.kernel {
            tun.send(inner.packet())
                .expect("the TUN interface is there");
            return;
        }
        match inner.next_header() {
            17 => {
                self.shared.tunnelled.fetch_add(1, Ordering::Relaxed);
                self.echo(&inner);
            }
            135 if inner.destination() == CAPABLE => self.meet(&inner),
            135 => self.send_down(&parameter_problem(&inner)),
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

    /// The capable correspondent takes a message, or a datagram from a care-of address that it knows.
    fn meet(&mut self, packet: &Ipv6View<'_>) {
        if MobilityPacket::parse(packet.packet()).is_ok() {
            let now = now(self.start);
            return self.correspondent.handle_packet(now, packet.packet());
        }
        let chain = extension::walk(packet.packet()).expect("headers");
        let (home, _) = chain.home_address.expect("a Home Address option");
        let known = self
            .shared
            .routes
            .lock()
            .expect("the lock")
            .get(&home)
            .copied();
        if known == Some(packet.source()) && chain.upper_protocol == 17 {
            self.shared.direct.fetch_add(1, Ordering::Relaxed);
            let datagram = &packet.packet()[chain.upper_offset..];
            let as_sent = self::packet(17, home, CAPABLE, datagram);
            self.echo(&Ipv6View::new(&as_sent).expect("an IPv6 packet"));
        }
    }

    /// What correspondents send reaches home addresses through the DHP's tunnel, and care-of addresses as it is.
    fn send_down(&self, inner: &[u8]) {
        let Ok(view) = Ipv6View::new(inner) else {
            return;
        };
        let to = view.destination();
        let route = self
            .shared
            .routes
            .lock()
            .expect("the lock")
            .get(&to)
            .copied();
        // RFC 6275 §9.3.2; Mobility Headers are not sent so, except acknowledgements, which bring their own header.
        if let (Some(care_of), CAPABLE, 17) = (route, view.source(), view.next_header()) {
            let mut routed = vec![17, 2, 2, 1, 0, 0, 0, 0];
            routed.extend(to.octets());
            routed.extend(view.payload());
            self.send(&packet(43, CAPABLE, care_of, &routed));
            return;
        }
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
        while let Some(action) = self
            .anchor
            .poll_action()
            .or_else(|| self.locator.poll_action())
        {
            if let AnchorAction::Transmit(packet) = action {
                self.send(&packet);
            }
        }
        while let Some(action) = self.correspondent.poll_action() {
            let mut routes = self.shared.routes.lock().expect("the lock");
            match action {
                AnchorAction::Transmit(packet) => {
                    drop(routes);
                    self.send_down(&packet);
                }
                AnchorAction::Route(RouteOptimization::Begins { ends, care_of, .. }) => {
                    routes.insert(ends.home_address, care_of);
                }
                AnchorAction::Route(RouteOptimization::Ends { ends }) => {
                    routes.remove(&ends.home_address);
                }
                _ => {}
            }
        }
        let bound = self.anchor.bindings(now(self.start));
        let bound = bound.map(|binding| (binding.home_address, binding.care_of));
        *self.shared.bindings.lock().expect("the lock") = bound.collect();
        let associations = self.anchor.security_associations();
        let heard = associations.filter_map(|view| Some((view.heard_ns?, view.spi)));
        *self.shared.heard.lock().expect("the lock") = heard.max().map(|(_, spi)| spi);
    }
}

/// What a host answers that does not know the next header.
fn parameter_problem(sent: &Ipv6View<'_>) -> Vec<u8> {
    let mut message = vec![4, 1, 0, 0, 0, 0, 0, 6];
    message.extend(sent.packet());
    let (from, to) = (sent.destination(), sent.source());
    let sum = upper_layer_checksum(&from, &to, 58, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    packet(58, from, to, &message)
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
