//! A port whose link the host kernel knows only through an exception port
//!
//! ```text
//!  core0 (port 0) ─ worker ─ cn0 (port 1)
//!        tap-core0 (port 2) │ dhp0 (port 3): the host kernel
//! ```

use dhp_engine::{FramePool, Link, PortInfo, Worker, WorkerConfig, WorkerError};
use dhp_port_memory::{MemoryPort, MemoryWire};
use dhp_segment::{Counter, DropReason, Geometry, Route, RouteAction, Segment};

use crate::appliance::{ANCHOR, LOCAL, ethernet};
use crate::packets::*;

const CORE: usize = 0;
const CN: usize = 1;
const TAP: usize = 2;
const HOST: usize = 3;
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xc0];
const FAR: &str = "2001:db8:a::42";

struct Exceptional {
    worker: Worker<MemoryPort>,
    wires: Vec<MemoryWire>,
    segment: Segment,
}

fn ports(pool: &FramePool) -> (Vec<MemoryPort>, Vec<MemoryWire>) {
    let port = |(name, link): (&str, Link)| {
        let info = PortInfo {
            name: name.to_owned(),
            mac: MAC,
            mtu: 1500,
            link,
            host_has_copy: false,
        };
        MemoryPort::new(info, pool.clone(), 64)
    };
    let links = [
        ("core0", Link::Ethernet),
        ("cn0", Link::Ethernet),
        ("tap-core0", Link::Ethernet),
        ("dhp0", Link::RawIp),
    ];
    links.into_iter().map(port).unzip()
}

fn worker(segment: &Segment, ports: Vec<MemoryPort>) -> Worker<MemoryPort> {
    let reader = segment.reader(0).expect("the reader");
    Worker::new(WorkerConfig::default(), ports, Some(HOST), reader).expect("a worker")
}

fn segment() -> Segment {
    let geometry = Geometry {
        workers: 1,
        home_addresses: 16,
        templates: 32,
        next_hops: 16,
        routes: 16,
        flow_sets: 0,
        flows: 0,
        meters: 0,
        optimized_routes: 0,
        ring_slots: 16,
    };
    let segment = Segment::anonymous(&geometry).expect("a segment");
    let route = |prefix: &str, action| Route {
        prefix: address(prefix),
        len: 128,
        action,
    };
    let routes = [
        route(ANCHOR, RouteAction::Anchor),
        route(LOCAL, RouteAction::Local),
    ];
    let mut writer = segment.writer().expect("the writer");
    assert!(writer.publish_routes(&routes).expect("room"));
    segment
}

impl Exceptional {
    fn new() -> Self {
        let (ports, wires) = ports(&FramePool::new(64, 2048));
        let segment = segment();
        let worker = worker(&segment, ports);
        Self {
            worker: worker.with_exception_port(CORE, TAP).expect("free ports"),
            wires,
            segment,
        }
    }

    /// One frame in, one round; the frames that came out, by port.
    fn pass(&mut self, port: usize, frame: &[u8]) -> Vec<(usize, Vec<u8>)> {
        self.wires[port].push(frame).expect("room");
        assert_eq!(self.worker.poll(1), 1);
        let wires = self.wires.iter().enumerate();
        wires
            .flat_map(|(port, wire)| std::iter::from_fn(move || Some((port, wire.pop()?))))
            .collect()
    }
}

fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0xcc, 0xcc, 0x08, 0x06]);
    frame.resize(60, 7);
    frame
}

#[test]
fn what_is_for_the_kernel_arrives_with_the_link_header_it_came_with() {
    let packets = [
        echo_request(FAR, ANCHOR),
        echo_request(FAR, LOCAL),
        udp("fe80::1", "fe80::2", 10),
        raw("::", "ff02::16", 58, &[143, 0, 0, 0]),
    ];
    let solicitation = raw("fe80::1", "ff02::1:ff00:1", 58, &[135, 0, 0, 0]);
    let mut frames: Vec<_> = packets.map(|packet| ethernet(MAC, &packet)).into();
    frames.push(ethernet([0x33, 0x33, 0xff, 0, 0, 1], &solicitation));
    frames.push(arp());
    for frame in frames {
        let mut appliance = Exceptional::new();
        assert_eq!(appliance.pass(CORE, &frame), [(TAP, frame.clone())]);
        let counters = appliance.segment.counters(0);
        assert_eq!(counters.get(Counter::PuntedHost), 1);
        assert_eq!(counters.get(Counter::TxPackets), 1);
        assert_eq!(counters.total_drops(), 0);
    }
}

#[test]
fn link_padding_does_not_reach_the_kernel() {
    let frame = ethernet(MAC, &echo_request(FAR, LOCAL));
    let mut padded = frame.clone();
    padded.extend([0; 9]);
    assert_eq!(Exceptional::new().pass(CORE, &padded), [(TAP, frame)]);
}

#[test]
fn what_the_kernel_sends_leaves_unchanged_and_is_not_routed() {
    let hopeless = ethernet(
        [2, 0, 0, 0, 0xaa, 1],
        &with_hop_limit(&udp(FAR, LOCAL, 10), 0),
    );
    for frame in [arp(), hopeless, vec![1; 14]] {
        let mut appliance = Exceptional::new();
        assert_eq!(appliance.pass(TAP, &frame), [(CORE, frame.clone())]);
        let counters = appliance.segment.counters(0);
        assert_eq!(counters.get(Counter::RxPackets), 1);
        assert_eq!(counters.get(Counter::RxBytes), frame.len() as u64);
        assert_eq!(counters.get(Counter::TxPackets), 1);
        assert_eq!(counters.get(Counter::Forwarded), 0);
    }
}

#[test]
fn other_ports_are_as_they_were() {
    let mut appliance = Exceptional::new();
    let packet = echo_request(FAR, LOCAL);
    assert_eq!(
        appliance.pass(CN, &ethernet(MAC, &packet)),
        [(HOST, packet)]
    );
    assert_eq!(appliance.pass(CN, &arp()), []);
    // Too short for a link header: nobody's.
    assert_eq!(appliance.pass(CORE, &[1; 13]), []);
    assert_eq!(appliance.segment.counters(0).drops(DropReason::NotIpv6), 2);
}

#[test]
fn a_port_that_cannot_be_an_exception_port_is_refused() {
    let refused = [(CORE, HOST), (HOST, TAP), (CORE, CORE), (CORE, 4), (9, TAP)];
    for (port, exception) in refused {
        let segment = segment();
        let (ports, _wires) = ports(&FramePool::new(4, 2048));
        let answer = worker(&segment, ports).with_exception_port(port, exception);
        assert_eq!(
            answer.err(),
            Some(WorkerError::ExceptionPort { port, exception })
        );
    }
}
