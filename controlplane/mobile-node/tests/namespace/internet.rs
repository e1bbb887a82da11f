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
use dhp_proto::anchor::{Anchor, AnchorAction, AnchorConfig, PoolConfig, PoolKind};
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
use tun_rs::{DeviceBuilder, SyncDevice};

use super::network::inside;

pub const DHP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
/// Of the mobile node; the DHP is its home agent as well.
pub const HOME_ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
/// The mobile node's security associations: SPI, and the octet that its home key repeats.
pub const ASSOCIATIONS: [(u32, u8); 2] = [(256, 0x42), (512, 0x77)];

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
    /// Updates that echo the cookie of a care-of test do not arrive.
    pub cookies_lost: AtomicBool,
    tests_care_ofs: bool,
    anchor: Anchoring,
    /// The kernel is the correspondent: what comes out of tunnels goes to it.
    kernel_answers: bool,
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

struct Machine {
    shared: Arc<Shared>,
    start: Instant,
    anchor: Anchor,
    packets: PacketSocket,
    sender: RawIpv6Sender,
    icmp: OwnedFd,
    kernel: Option<SyncDevice>,
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
        if shared.anchor == Anchoring::HomeAgent {
            config.code_points = CodePoints {
                mh_type: 220,
                option: 220,
            };
        }
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let icmp = socket(
            AddressFamily::Inet6,
            SockType::Raw,
            flags,
            SockProtocol::IcmpV6,
        )
        .expect("a raw socket");
        setsockopt(&icmp, sockopt::Ipv6MulticastHops, &255).expect("a hop limit");
        let kernel = shared.kernel_answers.then(|| {
            let tun = DeviceBuilder::new().name("cn0").mtu(1400).build_sync();
            tun.expect("a TUN interface")
        });
        let start = Instant::now();
        Self {
            anchor: Anchor::new(config, now(start), [3; 32]).expect("a valid configuration"),
            shared,
            start,
            packets: PacketSocket::open("r0").expect("a packet socket"),
            sender: RawIpv6Sender::open(Some("r0")).expect("a raw socket"),
            icmp,
            kernel,
            _guard: KernelGuard::new(Profile::Anchor, &["r0"]).expect("a guard"),
        }
    }

    fn work(mut self) {
        let mut buffer = [0; 4096];
        while !self.shared.stop.load(Ordering::Relaxed) {
            let mut waiting = vec![
                PollFd::new(self.packets.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.icmp.as_fd(), PollFlags::POLLIN),
            ];
            let kernel = self.kernel.as_ref();
            waiting.extend(kernel.map(|tun| PollFd::new(tun.as_fd(), PollFlags::POLLIN)));
            let bound = Duration::from_millis(20);
            poll(
                &mut waiting,
                PollTimeout::try_from(bound).expect("a timeout"),
            )
            .expect("poll");
            let answered = waiting.get(2).and_then(PollFd::any) == Some(true);
            if let (Some(tun), true) = (&self.kernel, answered) {
                let length = tun.recv(&mut buffer).expect("the TUN interface is there");
                self.send_down(&buffer[..length]);
            }
            while let Ok(length) = self.packets.recv(&mut buffer) {
                self.receive(&buffer[..length]);
            }
            while let Ok(length) = recv(self.icmp.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT)
            {
                if buffer[..length].first() == Some(&133) {
                    self.advertise();
                }
            }
            for packet in std::mem::take(&mut *self.shared.inbound.lock().expect("the lock")) {
                self.send_down(&packet);
            }
            self.anchor.handle_timeout(now(self.start));
            self.act();
        }
    }

    fn receive(&mut self, packet: &[u8]) {
        let Ok(view) = Ipv6View::new(packet) else {
            return;
        };
        match view.next_header() {
            _ if self.shared.anchor == Anchoring::None => {}
            135 if self.shared.cookies_lost.load(Ordering::Relaxed) && has_cookie(packet) => {}
            // A Binding Update has its Home Address option in front.
            135 | 60 => self.anchor.handle_packet(now(self.start), packet),
            41 => self.take_out(&view),
            _ => {}
        }
    }

    /// The DHP takes the tunnel off.
    fn take_out(&self, outer: &Ipv6View<'_>) {
        let Ok(inner) = Ipv6View::new(outer.payload()) else {
            return;
        };
        let bindings = self.shared.bindings.lock().expect("the lock").clone();
        let care_of = bindings.get(&inner.source());
        if outer.destination() != DHP || care_of != Some(&outer.source()) {
            return;
        }
        if let Some(tun) = &self.kernel {
            tun.send(inner.packet())
                .expect("the TUN interface is there");
            return;
        }
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
        let bindings = self.shared.bindings.lock().expect("the lock");
        let _ = match bindings.get(&view.destination()) {
            Some(care_of) => self.sender.send(&packet(41, DHP, *care_of, inner)),
            None => self.sender.send(inner),
        };
    }

    fn act(&mut self) {
        while let Some(action) = self.anchor.poll_action() {
            if let AnchorAction::Transmit(packet) = action {
                let _ = self.sender.send(&packet);
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
    fn advertise(&self) {
        let Some(prefix) = *self.shared.prefix.lock().expect("the lock") else {
            return;
        };
        let mut message = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
        message.extend([
            3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0,
        ]);
        message.extend(prefix.octets());
        message.extend([1, 1]);
        message.extend(self.packets.interface().mac);
        let everyone = "ff02::1".parse().expect("an address");
        let to = SocketAddrV6::new(everyone, 0, 0, self.packets.interface().index);
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
