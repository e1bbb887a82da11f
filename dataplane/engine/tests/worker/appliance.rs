//! An appliance under test: one worker between two Ethernet links and the host kernel
//!
//! ```text
//!  mobile nodes, 2001:db8:a::/64 and :b::/64       correspondents, 2001:db8:c:1::/64
//!            │ core0 (port 0)                              │ cn0 (port 1)
//!  ┌─────────┴───────────────────────────────────────────┴──────────┐
//!  │ anchor 2001:db8:d::1, pool 2001:db8:d:1::/64, host 2001:db8:d::2 │
//!  └──────────────────────────────┬─────────────────────────────────┘
//!                                │ dhp0 (port 2): the host kernel
//! ```

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dhp_engine::{FramePool, Link, PortInfo, Worker, WorkerConfig};
use dhp_port_memory::{MemoryPort, MemoryWire};
use dhp_segment::{
    Control, Counter, CounterSnapshot, DropReason, Geometry, NextHop, NextHopState, PuntMeta,
    Route, RouteAction, Segment, Tunnel, Writer,
};
use tempfile::TempDir;

use crate::packets::{address, assert_valid};

pub const CORE: usize = 0;
pub const CN: usize = 1;
pub const HOST: usize = 2;
/// Where the punt ring leads, beside the ports.
pub const CONTROL: usize = 3;

pub const ANCHOR: &str = "2001:db8:d::1";
/// Bound to [`CARE_OF`].
pub const HOME: &str = "2001:db8:d:1::100";
pub const CARE_OF: &str = "2001:db8:a::7";
/// Bound to [`OTHER_CARE_OF`], and for [`PREVIOUS_UNTIL_NS`] to [`PREVIOUS_CARE_OF`] too.
pub const OTHER_HOME: &str = "2001:db8:d:1::200";
pub const OTHER_CARE_OF: &str = "2001:db8:b::9";
pub const PREVIOUS_CARE_OF: &str = "2001:db8:a::9";
/// Bound behind a next hop that is not resolved.
pub const PENDING_HOME: &str = "2001:db8:d:1::300";
/// Bound through a path of 1280 octets.
pub const NARROW_HOME: &str = "2001:db8:d:1::400";
/// Bound to itself, which no control plane should do.
pub const LOOPED_HOME: &str = "2001:db8:d:1::500";
/// In the pool, never bound.
pub const UNBOUND_HOME: &str = "2001:db8:d:1::dead";
/// The box's own, not the anchor's.
pub const LOCAL: &str = "2001:db8:d::2";
pub const CORRESPONDENT: &str = "2001:db8:c:1::80";
/// On the correspondents' link, not yet a neighbour.
pub const STRANGER: &str = "2001:db8:c:1::81";
pub const ANYCAST: &str = "2001:db8:c:1:fdff:ffff:ffff:fffe";
pub const PENDING: &str = "2001:db8:e::1";
/// Behind a link of 1300 octets.
pub const NARROW: &str = "2001:db8:f::1";
pub const BLACKHOLE: &str = "2001:db8:bad::1";
pub const PROHIBITED: &str = "2001:db8:baf::1";
pub const NOWHERE: &str = "2001:db9::1";

pub const START_NS: u64 = 1_000_000_000_000;
pub const PREVIOUS_UNTIL_NS: u64 = START_NS + 2_000_000_000;

pub const PORT_MACS: [[u8; 6]; 3] = [[2, 0, 0, 0, 0, 0xc0], [2, 0, 0, 0, 0, 0xc1], [0; 6]];
pub const CORE_ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0xaa, 1];
pub const CORRESPONDENT_MAC: [u8; 6] = [2, 0, 0, 0, 0xbb, 0x80];

/// Where the segment lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// In private memory, for both planes in one process (`dhpd run`).
    #[default]
    Anonymous,
    /// In a file that each plane has mapped for itself, as two processes would.
    File,
}

/// How an appliance differs from the ordinary one.
pub struct Setup {
    pub placement: Placement,
    pub config: WorkerConfig,
    pub host_has_copy: bool,
    pub host_port: Option<usize>,
    pub ring_slots: u32,
    pub wire_depth: usize,
    pub frames: usize,
    pub frame_octets: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            config: WorkerConfig {
                anchor_addresses: vec![address(ANCHOR)],
                ..WorkerConfig::default()
            },
            placement: Placement::default(),
            host_has_copy: false,
            host_port: Some(HOST),
            ring_slots: 256,
            wire_depth: 1024,
            frames: 4096,
            frame_octets: 2048,
        }
    }
}

pub struct Appliance {
    pub worker: Worker<MemoryPort>,
    pub wires: [MemoryWire; 3],
    pub pool: FramePool,
    pub segment: Segment,
    pub writer: Writer,
    pub control: Control,
    pub punt_signals: Arc<AtomicU32>,
    pub now_ns: u64,
    /// Where the segment's file is, if it has one.
    _directory: Option<TempDir>,
}

impl Appliance {
    pub fn new() -> Self {
        Self::with(Setup::default())
    }

    pub fn with(setup: Setup) -> Self {
        let geometry = Geometry {
            workers: 1,
            home_addresses: 64,
            templates: 256,
            next_hops: 16,
            routes: 64,
            flow_sets: 8,
            flows: 2_048,
            meters: 8,
            optimized_routes: 16,
            ring_slots: setup.ring_slots,
        };
        let (segment, workers_view, directory) = place(setup.placement, &geometry);
        let mut writer = segment.writer().expect("the writer");
        publish(&mut writer);
        let pool = FramePool::new(setup.frames, setup.frame_octets);
        let port = |number: usize, name: &str| {
            let info = PortInfo {
                name: name.to_owned(),
                mac: PORT_MACS[number],
                mtu: 1500,
                link: if number == HOST {
                    Link::RawIp
                } else {
                    Link::Ethernet
                },
                host_has_copy: setup.host_has_copy && number != HOST,
            };
            MemoryPort::new(info, pool.clone(), setup.wire_depth)
        };
        let (core, core_wire) = port(CORE, "core0");
        let (cn, cn_wire) = port(CN, "cn0");
        let (host, host_wire) = port(HOST, "dhp0");
        let punt_signals = Arc::new(AtomicU32::new(0));
        let signals = Arc::clone(&punt_signals);
        let worker = Worker::new(
            setup.config,
            vec![core, cn, host],
            setup.host_port,
            workers_view.reader(0).expect("the reader"),
        )
        .expect("a worker")
        .with_punt_signal(move || {
            signals.fetch_add(1, Ordering::Relaxed);
        });
        Self {
            worker,
            wires: [core_wire, cn_wire, host_wire],
            pool,
            control: segment.control().expect("the control end"),
            segment,
            writer,
            punt_signals,
            now_ns: START_NS,
            _directory: directory,
        }
    }

    /// Put an IPv6 packet on a port's link.
    pub fn receive(&self, port: usize, packet: &[u8]) {
        let frame = if port == HOST {
            packet.to_vec()
        } else {
            ethernet(PORT_MACS[port], packet)
        };
        self.wires[port].push(&frame).expect("room on the wire");
    }

    pub fn poll(&mut self) -> usize {
        self.worker.poll(self.now_ns)
    }

    /// All that was sent, link headers checked and taken off; each packet is checked to be valid.
    pub fn sent(&self) -> Vec<(usize, Vec<u8>)> {
        let mut sent = Vec::new();
        for (port, wire) in self.wires.iter().enumerate() {
            while let Some(frame) = wire.pop() {
                let packet = if port == HOST {
                    frame
                } else {
                    let (header, packet) = frame.split_at(14);
                    assert_eq!(
                        header[6..12],
                        PORT_MACS[port],
                        "source address of the frame"
                    );
                    let to = if port == CORE {
                        CORE_ROUTER_MAC
                    } else {
                        CORRESPONDENT_MAC
                    };
                    assert_eq!(header[..6], to, "destination address of the frame");
                    assert_eq!(header[12..], [0x86, 0xdd], "EtherType");
                    packet.to_vec()
                };
                assert_valid(&packet);
                sent.push((port, packet));
            }
        }
        sent
    }

    /// All that went anywhere, without link headers: on the ports, and to the control plane as [`CONTROL`].
    pub fn left(&mut self) -> Vec<(usize, Vec<u8>)> {
        let mut left = Vec::new();
        for (port, wire) in self.wires.iter().enumerate() {
            let link_header = if port == HOST { 0 } else { 14 };
            while let Some(frame) = wire.pop() {
                left.push((port, frame[link_header..].to_vec()));
            }
        }
        let punted = self.punted().into_iter();
        left.extend(punted.map(|(_, packet)| (CONTROL, packet)));
        left
    }

    pub fn punted(&mut self) -> Vec<(PuntMeta, Vec<u8>)> {
        let mut punted = Vec::new();
        let mut buffer = [0; dhp_segment::RING_PACKET_BYTES];
        while let Some(punt) = self.control.punt_pop(0, &mut buffer) {
            punted.push((punt.meta, buffer[..punt.len].to_vec()));
        }
        punted
    }

    pub fn counters(&self) -> CounterSnapshot {
        self.segment.counters(0)
    }

    /// Frames that have not come back to the pool, but for the one that the worker keeps for the next injected packet.
    pub fn frames_in_use(&self) -> usize {
        self.pool.frames() - self.pool.available() - 1
    }

    /// One packet in, one round, everything out.
    pub fn pass(&mut self, port: usize, packet: &[u8]) -> Vec<(usize, Vec<u8>)> {
        self.receive(port, packet);
        assert_eq!(self.poll(), 1);
        self.assert_conserved();
        self.sent()
    }

    /// The counters that are not 0, but for octets and rounds, and for one that counts strangers too, as the secret of the segment
    /// will have it.
    pub fn counted(&self) -> BTreeMap<&'static str, u64> {
        let counters = self.counters();
        let unimportant = [
            Counter::RxBytes,
            Counter::TxBytes,
            Counter::Polls,
            Counter::IdlePolls,
            Counter::PuntedKnown,
        ];
        let counted = Counter::ALL
            .iter()
            .filter(|counter| !unimportant.contains(counter))
            .map(|counter| (counter.name(), counters.get(*counter)));
        let dropped = DropReason::ALL
            .iter()
            .map(|reason| (reason.name(), counters.drops(*reason)));
        counted
            .chain(dropped)
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Every packet has ended in exactly one place.
    pub fn assert_conserved(&self) {
        let counters = self.counters();
        let come = counters.get(Counter::RxPackets)
            + counters.get(Counter::Injected)
            + counters.get(Counter::IcmpSent)
            + counters.get(Counter::OuterFragments)
            + counters.get(Counter::FlowCopies);
        let gone = counters.get(Counter::TxPackets)
            + counters.get(Counter::PuntedMobility)
            + counters.get(Counter::PuntedQuery)
            + counters.get(Counter::PuntedErrors)
            + counters.get(Counter::RelayedErrors)
            + counters.get(Counter::HostHasCopy)
            + counters.get(Counter::FragmentsJoined)
            + self.worker.fragments_held()
            + counters.total_drops()
            - counters.drops(DropReason::IcmpRateLimited);
        assert_eq!(come, gone, "{:?}", self.counted());
    }
}

pub fn ethernet(destination: [u8; 6], packet: &[u8]) -> Vec<u8> {
    let mut frame = destination.to_vec();
    frame.extend([2, 0, 0, 0, 0xcc, 0xcc, 0x86, 0xdd]);
    frame.extend(packet);
    frame
}

/// The segment as the control plane sees it, and as the workers do.
fn place(placement: Placement, geometry: &Geometry) -> (Segment, Segment, Option<TempDir>) {
    match placement {
        Placement::Anonymous => {
            // Of one seed, so that what fails fails again.
            let segment = Segment::anonymous_with_seed(geometry, [1, 2]).expect("a segment");
            (segment.clone(), segment, None)
        }
        Placement::File => {
            let directory = tempfile::tempdir().expect("a directory");
            let file = directory.path().join("segment");
            let workers_view = Segment::create(&file, geometry).expect("a segment");
            let segment = Segment::open(&file).expect("the same segment");
            (segment, workers_view, Some(directory))
        }
    }
}

fn publish(writer: &mut Writer) {
    let mut next_hop = |port: usize, state, destination_mac, mtu| {
        let id = writer.allocate_next_hop().expect("a next hop");
        let next_hop = NextHop {
            port: port as u16,
            state,
            destination_mac,
            source_mac: PORT_MACS[port],
            mtu,
        };
        writer.set_next_hop(id, next_hop).expect("room");
        id
    };
    let core = next_hop(CORE, NextHopState::Resolved, CORE_ROUTER_MAC, 1500);
    let correspondent = next_hop(CN, NextHopState::Resolved, CORRESPONDENT_MAC, 1500);
    let pending = next_hop(CORE, NextHopState::Unresolved, [0; 6], 1500);
    let narrow = next_hop(CN, NextHopState::Resolved, CORRESPONDENT_MAC, 1300);
    let route = |prefix: &str, len, action| Route {
        prefix: address(prefix),
        len,
        action,
    };
    let routes = [
        route("2001:db8:a::", 64, RouteAction::Forward { next_hop: core }),
        route("2001:db8:b::", 64, RouteAction::Forward { next_hop: core }),
        route(
            CORRESPONDENT,
            128,
            RouteAction::Forward {
                next_hop: correspondent,
            },
        ),
        route(
            "2001:db8:c:1::",
            64,
            RouteAction::Connected { port: CN as u16 },
        ),
        route(ANYCAST, 128, RouteAction::QueryAnycast),
        route(ANCHOR, 128, RouteAction::Anchor),
        route(LOCAL, 128, RouteAction::Local),
        route("2001:db8:d:1::", 64, RouteAction::Pool),
        route(PENDING, 64, RouteAction::Forward { next_hop: pending }),
        route(NARROW, 64, RouteAction::Forward { next_hop: narrow }),
        route(BLACKHOLE, 48, RouteAction::Blackhole),
        route(PROHIBITED, 48, RouteAction::Prohibited),
    ];
    assert!(writer.publish_routes(&routes).expect("room"));
    let mut bind = |home: &str, care_of: &str, next_hop, mtu, previous: Option<(Ipv6Addr, u64)>| {
        let tunnel = Tunnel {
            anchor: address(ANCHOR),
            care_of: address(care_of),
            next_hop,
            mtu,
            previous,
            metered: false,
            rate_cap: None,
            test: None,
        };
        writer
            .publish_binding(address(home), &tunnel)
            .expect("room");
    };
    let previous = Some((address(PREVIOUS_CARE_OF), PREVIOUS_UNTIL_NS));
    bind(HOME, CARE_OF, core, 1460, None);
    bind(OTHER_HOME, OTHER_CARE_OF, core, 1460, previous);
    bind(PENDING_HOME, "2001:db8:a::8", pending, 1460, None);
    bind(NARROW_HOME, "2001:db8:a::9", core, 1240, None);
    bind(LOOPED_HOME, LOOPED_HOME, core, 1460, None);
}
