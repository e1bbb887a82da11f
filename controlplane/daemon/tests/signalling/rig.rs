//! An appliance in one thread: a worker on memory ports, and the control plane's turns
//!
//! ```text
//!   mobile nodes behind fe80::a          correspondents, 2001:db8:c:1::/64
//!          │ core0 (port 0)                     │ cn0 (port 1)
//!        worker ── punt, inject ── Signalling (anchor 2001:db8:d::1)
//!          │ dhp0 (port 2): the host kernel
//! ```

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dhp_engine::{Worker, WorkerConfig};
use dhp_port_memory::{MemoryPort, MemoryWire};
use dhp_proto::anchor::{AnchorConfig, PoolConfig, PoolKind};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_proto::time::Now;
use dhp_segment::{Geometry, Segment};
use dhp_wire::codepoints::{CodePoints, DmipType, Status};
use dhp_wire::ipv6::home_agents_anycast;
use dhp_wire::mobility::{BuFlags, Builder, DmipHeader, Lifetime, MobilityOption};
use dhp_wire::packet::compose;
use dhpd::metrics::Metrics;
use dhpd::mirror::{
    Change, KernelRoute, KernelState, Link, Neighbour, Plan, Reachability, RouteKind, Territory,
    changes, plan,
};
use dhpd::signalling::Signalling;

use crate::memory_ports::ports;

pub const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
pub const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
pub const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 7);
pub const OTHER_CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 7);
pub const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
pub const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
pub const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xc];
pub const CORE: u32 = 2;
pub const CN: u32 = 3;
/// Where the rig's clock begins, in nanoseconds.
const START_NS: u64 = 1_000_000_000_000;

pub fn net(text: &str) -> ipnet::Ipv6Net {
    text.parse().expect("a prefix")
}

pub fn route(destination: &str, interface: u32, gateway: Option<&str>) -> KernelRoute {
    KernelRoute {
        destination: net(destination),
        metric: 1024,
        kind: RouteKind::Unicast,
        interface: Some(interface),
        gateway: gateway.map(|text| text.parse().expect("an address")),
        mtu: None,
        encapsulated: false,
    }
}

pub fn neighbour(interface: u32, address: &str, mac: [u8; 6]) -> Change {
    Change::Neighbour(Neighbour {
        interface,
        address: address.parse().expect("an address"),
        mac: Some(mac),
        reachability: Reachability::Confirmed,
    })
}

fn link(index: u32, name: &str) -> Change {
    Change::Link(Link {
        index,
        name: name.to_owned(),
        mac: [2, 0, 0, 0, 1, u8::try_from(index).expect("small")],
        mtu: 1500,
        up: true,
    })
}

pub fn kernel() -> KernelState {
    let mut state = KernelState::default();
    for change in [
        link(CORE, "core0"),
        link(CN, "cn0"),
        Change::Route(route("::/0", CORE, Some("fe80::a"))),
        Change::Route(route("2001:db8:c:1::/64", CN, None)),
        neighbour(CORE, "fe80::a", ROUTER_MAC),
        neighbour(CN, "2001:db8:c:1::80", SERVER_MAC),
    ] {
        state.apply(change);
    }
    state
}

pub fn territory() -> Territory {
    Territory {
        ports: vec!["core0".to_owned(), "cn0".to_owned()],
        anchors: vec![ANCHOR],
        pools: vec![net("2001:db8:1:1::/64"), net("2001:db8:d:1::/64")],
        coverage: vec![net("2001:db8:c::/48"), net("2001:db8:1:1::/64")],
    }
}

pub fn planned(state: &KernelState) -> Plan {
    plan(state, &territory())
}

pub fn security() -> SecurityAssociation {
    security_with([0x42; 32])
}

/// The security association of the mobile node, or of somebody with another key who poses as it.
pub fn security_with(home_key: [u8; 32]) -> SecurityAssociation {
    let permissions = Permissions {
        home_addresses: vec![HOME],
        ..Permissions::default()
    };
    let (id, key) = (MnId::nai("mn1@example.net"), Key::new(home_key));
    SecurityAssociation::from_home_key(
        256,
        id,
        &key,
        &ANCHOR,
        Algorithm::HmacSha256_128,
        permissions,
    )
    .expect("right")
}

pub fn anchor_config() -> AnchorConfig {
    let mut config = AnchorConfig::new(ANCHOR);
    config.pools = vec![
        PoolConfig::new(net("2001:db8:1:1::/64"), PoolKind::Home),
        PoolConfig::new(net("2001:db8:d:1::/64"), PoolKind::Dhoa),
    ];
    config.coverage = vec![net("2001:db8:c::/48")];
    config.security_associations = vec![security()];
    config
}

pub fn geometry() -> Geometry {
    Geometry {
        home_addresses: 64,
        templates: 128,
        next_hops: 32,
        routes: 64,
        meters: 16,
        ring_slots: 64,
        ..Geometry::default()
    }
}

pub struct Rig {
    pub signalling: Signalling,
    pub metrics: Metrics,
    pub kernel: KernelState,
    pub core: MemoryWire,
    pub cn: MemoryWire,
    pub host: MemoryWire,
    territory: Territory,
    worker: Worker<MemoryPort>,
    now_ns: Arc<AtomicU64>,
    /// How far the time of day was set forward.
    ahead_ns: Arc<AtomicU64>,
}

impl Rig {
    pub fn new() -> Self {
        Self::with(anchor_config(), territory())
    }

    pub fn with(config: AnchorConfig, territory: Territory) -> Self {
        let segment = Segment::anonymous(&geometry()).expect("a segment");
        let metrics = Metrics::new(1).expect("metrics");
        let now_ns = Arc::new(AtomicU64::new(START_NS));
        let ahead_ns = Arc::new(AtomicU64::new(0));
        let (ticks, ahead) = (Arc::clone(&now_ns), Arc::clone(&ahead_ns));
        let clock = Box::new(move || {
            let start = Now {
                mono_ns: 0,
                ntp: 0xe5a1_b2c3 << 32,
            };
            let mono_ns = ticks.load(Ordering::Relaxed);
            let of_day = start.plus_ns(mono_ns + ahead.load(Ordering::Relaxed));
            Now { mono_ns, ..of_day }
        });
        let seconds = metrics.signalling_seconds();
        let correspondents = config.correspondents_behind.clone();
        let mut signalling = Signalling::new(&segment, config, clock, Vec::new(), [7; 32], seconds)
            .expect("a control plane");
        let mut kernel = kernel();
        kernel.take_touched();
        signalling.follow_network(&plan(&kernel, &territory));
        let (ports, [core, cn, host]) = ports(1024, 256);
        let settings = WorkerConfig {
            anchor_addresses: vec![ANCHOR],
            correspondents,
            ..WorkerConfig::default()
        };
        let reader = segment.reader(0).expect("a reader");
        let worker = Worker::new(settings, ports, Some(2), reader).expect("a worker");
        Self {
            signalling,
            metrics,
            kernel,
            core,
            cn,
            host,
            territory,
            worker,
            now_ns,
            ahead_ns,
        }
    }

    /// The worker's round.
    pub fn poll(&mut self) {
        self.worker.poll(self.now_ns.load(Ordering::Relaxed));
    }

    /// Rounds of worker and control plane until nothing moves any more.
    pub fn settle(&mut self) {
        for _ in 0..8 {
            self.poll();
            self.signalling.turn();
        }
        self.poll();
    }

    pub fn pass(&mut self, nanoseconds: u64) {
        self.now_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The time of day is set forward.
    pub fn set_forward(&mut self, nanoseconds: u64) {
        self.ahead_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Something happens in the kernel, and the mirror tells.
    pub fn happen(&mut self, events: impl IntoIterator<Item = Change>) {
        for change in events {
            self.kernel.apply(change);
        }
        let touched = self.kernel.take_touched();
        let changes = changes(&self.kernel, &self.territory, touched);
        self.signalling.follow_changes(changes);
    }
}

/// An IPv6 packet in an Ethernet frame to core0.
pub fn frame(packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 0, 0xa, 0x86, 0xdd];
    frame.extend_from_slice(packet);
    frame
}

/// A home registration (RFC 6275) of [`HOME`] from a care-of address.
pub fn binding_update(sequence: u16, care_of: Ipv6Addr) -> Vec<u8> {
    binding_update_by(&security(), sequence, care_of)
}

/// The same, authenticated by `security`.
pub fn binding_update_by(
    security: &SecurityAssociation,
    sequence: u16,
    care_of: Ipv6Addr,
) -> Vec<u8> {
    let mac = |mh: &[u8]| security.mac(&care_of, &HOME, mh);
    let mh = Builder::binding_update(
        sequence,
        BuFlags::ACKNOWLEDGE | BuFlags::HOME,
        Lifetime(150),
    )
    .auth(security.spi(), security.algorithm().mac_len(), mac)
    .finish(&HOME, &ANCHOR);
    compose(&care_of, &ANCHOR, Some(&HOME), None, &mh)
}

/// A DHoA Request for talking to [`CORRESPONDENT`].
pub fn dhoa_request(sequence: u16, care_of: Ipv6Addr) -> Vec<u8> {
    dhoa_request_at(sequence, care_of, None)
}

/// The same with a MESG-ID, if there is one.
pub fn dhoa_request_at(sequence: u16, care_of: Ipv6Addr, mesg_id: Option<u64>) -> Vec<u8> {
    let security = security();
    let mac = |mh: &[u8]| security.mac(&care_of, &ANCHOR, mh);
    let header = DmipHeader {
        kind: DmipType::DhoaRequest,
        sequence,
        lifetime: Lifetime(150),
        flags: 0,
        status: Status(0),
    };
    let correspondent = MobilityOption::Correspondent {
        prefix_len: 128,
        address: CORRESPONDENT,
    };
    let code_points = CodePoints::default();
    let mut request = Builder::dmip(&code_points, header).option(&correspondent);
    if let Some(mesg_id) = mesg_id {
        request = request.option(&MobilityOption::MesgId(mesg_id));
    }
    let mh = request
        .auth(security.spi(), security.algorithm().mac_len(), mac)
        .finish(&care_of, &ANCHOR);
    compose(&care_of, &ANCHOR, None, None, &mh)
}

/// A DHP Query for a correspondent, to the home-agents anycast address of its link.
pub fn query(correspondent: Ipv6Addr) -> Vec<u8> {
    let header = DmipHeader {
        kind: DmipType::DhpQuery,
        sequence: 1,
        lifetime: Lifetime(0),
        flags: 0,
        status: Status(0),
    };
    let option = MobilityOption::Correspondent {
        prefix_len: 128,
        address: correspondent,
    };
    let anycast = home_agents_anycast(&correspondent);
    let mh = Builder::dmip(&CodePoints::default(), header)
        .option(&option)
        .padding(40)
        .finish(&CARE_OF, &anycast);
    compose(&CARE_OF, &anycast, None, None, &mh)
}

/// A DHP Binding Update that is authenticated, with options that `noise` has damaged before.
pub fn damaged_options(sequence: u16, care_of: Ipv6Addr, noise: u64) -> Vec<u8> {
    let security = security();
    let mac = |mh: &[u8]| security.mac(&care_of, &ANCHOR, mh);
    let octets = noise.to_be_bytes();
    let header = DmipHeader {
        kind: DmipType::BindingUpdate,
        sequence,
        lifetime: Lifetime(u16::from_be_bytes([octets[0], octets[1]]) & 0xff),
        flags: u16::from_be_bytes([octets[2], octets[3]]),
        status: Status(octets[4]),
    };
    let dhoa = MobilityOption::Dhoa {
        status: Status(0),
        fid: u16::from(octets[5]),
        address: Ipv6Addr::from_bits(0x2001_0db8_000d_0001_u128 << 64 | u128::from(noise)),
        lifetime: Lifetime(u16::from(octets[6])),
    };
    let unknown = MobilityOption::Unknown {
        kind: octets[7],
        data: &octets[..usize::from(octets[4] & 7)],
    };
    let mh = Builder::dmip(&CodePoints::default(), header)
        .option(&dhoa)
        .option(&unknown)
        .auth(security.spi(), security.algorithm().mac_len(), mac)
        .finish(&care_of, &ANCHOR);
    compose(&care_of, &ANCHOR, None, None, &mh)
}

/// A UDP packet from the correspondent in an Ethernet frame to cn0.
pub fn downlink(home: Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 16, 17, 64];
    packet.extend_from_slice(&CORRESPONDENT.octets());
    packet.extend_from_slice(&home.octets());
    packet.extend_from_slice(&[0, 53, 0, 53, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    frame(&packet)
}

/// Destination MAC, and source and destination of the (outer) IPv6 header.
pub fn ends(frame: &[u8]) -> ([u8; 6], Ipv6Addr, Ipv6Addr) {
    let address = |from: usize| {
        let octets: [u8; 16] = frame[from..from + 16].try_into().expect("16 octets");
        Ipv6Addr::from(octets)
    };
    (
        frame[..6].try_into().expect("6 octets"),
        address(14 + 8),
        address(14 + 24),
    )
}
