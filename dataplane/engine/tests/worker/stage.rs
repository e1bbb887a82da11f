//! Where a script is played: an appliance, and beside it the model of what it may do

use std::net::Ipv6Addr;

use dhp_segment::{
    CareOfTest, Counter, ExactFlow, FlowRange, FlowRule, FlowSelector, TRACE_PACKET_BYTES,
    TestedCareOf, TraceRequest, Tunnel,
};

use crate::appliance::*;
use crate::explained::unexplained;
use crate::model::{Binding, CareOf, From, Leaving, World};
use crate::naive::exact;
use crate::packets::{address, cut};
use crate::script::Event;

/// Every frame of a round fits on a wire, whatever becomes of it.
const FRAMES_PER_ROUND: usize = 64;
/// Longer than anything is kept for (RFC 8200 §4.5: 60 s).
const EVERYTHING_IS_OVER_NS: u64 = 61_000_000_000;

const HOMES: [&str; 6] = [
    HOME,
    OTHER_HOME,
    PENDING_HOME,
    NARROW_HOME,
    LOOPED_HOME,
    UNBOUND_HOME,
];
const CARE_OFS: [&str; 6] = [
    CARE_OF,
    OTHER_CARE_OF,
    PREVIOUS_CARE_OF,
    "2001:db8:a::8",
    ANCHOR,
    HOME,
];
const TUNNEL_MTUS: [u16; 5] = [1460, 1240, 1300, 0, u16::MAX];

fn pick(from: &[&str], index: u8) -> Ipv6Addr {
    address(from[usize::from(index) % from.len()])
}

/// The appliance and the model beside each other.
pub struct Stage {
    appliance: Appliance,
    world: World,
    permitted: Vec<Leaving>,
    has_host: bool,
    /// Packets that wait for a round, and where.
    waiting: Vec<(usize, Vec<u8>)>,
    received: u64,
}

impl Stage {
    /// An appliance of this setup, as a script names it.
    pub fn new(setup: u8) -> Self {
        let is_set = move |bit: u8| setup >> bit & 1 == 1;
        let has_host = !is_set(2);
        let mut setup = Setup {
            host_has_copy: is_set(0),
            host_port: has_host.then_some(HOST),
            ring_slots: 8,
            wire_depth: 4 * FRAMES_PER_ROUND,
            frames: if is_set(3) { 12 } else { 5 * FRAMES_PER_ROUND },
            ..Setup::default()
        };
        setup.config.transit = !is_set(1);
        let mut appliance = Appliance::with(setup);
        // One frame waits from the first round on for what the control plane injects.
        appliance.poll();
        let mut world = World::new();
        world.pieces.is_scarce = is_set(3);
        Self {
            appliance,
            world,
            permitted: Vec::new(),
            has_host,
            waiting: Vec::new(),
            received: 0,
        }
    }

    pub fn act(&mut self, event: &Event) {
        match event {
            Event::Frame { port, octets } => self.frame(*port, octets),
            Event::Round { passed_log2 } => self.round(1 << passed_log2),
            Event::Inject { octets } => {
                if self.appliance.control.inject(0, octets).is_ok() {
                    self.permitted
                        .extend(self.world.permitted(From::Own, octets));
                }
            }
            Event::Bind {
                home,
                care_of,
                mtu,
                limits,
            } => {
                self.round(0);
                let (home, care_of) = (pick(&HOMES, *home), pick(&CARE_OFS, *care_of));
                self.bind(home, care_of, *mtu, *limits);
            }
            Event::Unbind { home } => {
                self.round(0);
                self.world.bindings.remove(&pick(&HOMES, *home));
                self.appliance.writer.remove_binding(pick(&HOMES, *home));
            }
            Event::Flows { home, rule } => {
                self.round(0);
                self.give_flows(pick(&HOMES, *home), *rule);
            }
            Event::Fragments {
                port,
                size,
                order,
                octets,
            } => {
                let port = if port % 2 == 0 { CORE } else { CN };
                for piece in in_fragments(octets, *size, *order) {
                    self.frame(port, &ethernet(PORT_MACS[port], &piece));
                }
            }
            Event::Trace { which } => {
                self.round(0);
                self.read_trace();
                let is_set = |bit: u8| which >> bit & 1 == 1;
                let request = TraceRequest {
                    address: is_set(2).then(|| pick(&HOMES, which >> 3)),
                    drops_only: is_set(1),
                };
                self.appliance
                    .control
                    .set_trace(is_set(0).then_some(request));
            }
        }
    }

    fn frame(&mut self, port: usize, octets: &[u8]) {
        if self.appliance.wires[port].push(octets).is_err() {
            // Longer than a frame of the pool, or none is left.
            return;
        }
        let link_header = if port == HOST { 0 } else { 14 };
        let packet = octets.get(link_header..).unwrap_or_default();
        self.waiting.push((port, packet.to_vec()));
        self.received += 1;
        if self.waiting.len() == FRAMES_PER_ROUND {
            self.round(0);
        }
    }

    /// What waits is treated, at the time that the model has judged it by; then time passes.
    fn round(&mut self, passed_ns: u64) {
        self.permitted.extend(self.world.overdue());
        // Ports are looked at in their order.
        self.waiting.sort_by_key(|(port, _)| *port);
        for (port, packet) in self.waiting.drain(..) {
            let from = match port {
                HOST if self.has_host => From::Host,
                _ => From::Link,
            };
            self.permitted.extend(self.world.permitted(from, &packet));
        }
        while self.appliance.poll() > 0 {}
        let left = self.appliance.left();
        for (port, packet) in &left {
            let stated = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            assert_eq!(
                stated + 40,
                packet.len(),
                "length, on port {port}: {packet:02x?}"
            );
        }
        let unexplained = unexplained(&left, &self.permitted);
        assert!(unexplained.is_empty(), "no rule permits {unexplained:02x?}");
        self.permitted.clear();
        self.appliance.now_ns += passed_ns;
        self.world.now_ns = self.appliance.now_ns;
    }

    fn bind(&mut self, home: Ipv6Addr, care_of: Ipv6Addr, mtu: u8, limits: u8) {
        let mtu = TUNNEL_MTUS[usize::from(mtu) % TUNNEL_MTUS.len()];
        let writer = &mut self.appliance.writer;
        let template = writer
            .binding(address(HOME))
            .or_else(|| writer.binding(home));
        let Some(tunnel) = template.map(|template| template.tunnel()) else {
            return;
        };
        let moved = writer.binding(home).map(|old| old.tunnel().care_of);
        let previous = moved.map(|old| (old, self.appliance.now_ns + 2_000_000_000));
        let next_hop = writer
            .binding(home)
            .map_or(tunnel.next_hop, |old| old.tunnel().next_hop);
        let is_set = |bit: u8| limits >> bit & 1 == 1;
        let tested = moved.filter(|_| is_set(2) && is_set(3));
        let test = CareOfTest {
            tested: tested.map(|care_of| TestedCareOf {
                care_of,
                next_hop,
                mtu,
            }),
        };
        let tunnel = Tunnel {
            care_of,
            next_hop,
            mtu,
            previous,
            metered: is_set(0),
            rate_cap: is_set(1).then_some(1_000 << (limits >> 4)),
            test: is_set(2).then_some(test),
            ..tunnel
        };
        // Refused where the tables are full; then all is as it was.
        if writer.publish_binding(home, &tunnel).is_err() {
            return;
        }
        let known = self.world.bindings.entry(home).or_insert_with(|| Binding {
            care_ofs: vec![],
            previous: None,
            is_resolved: true,
            is_metered: false,
        });
        let care_of = CareOf {
            address: care_of,
            mtu: mtu.into(),
            tested,
        };
        known
            .care_ofs
            .splice(..known.care_ofs.len().min(1), [care_of]);
        known.previous = previous;
        // A binding keeps its meter.
        known.is_metered |= limits & 7 != 0;
    }

    fn give_flows(&mut self, home: Ipv6Addr, rule: u8) {
        let Some(template) = self.appliance.writer.binding(home) else {
            return;
        };
        let other = |care_of| Tunnel {
            care_of,
            previous: None,
            ..template.tunnel()
        };
        let care_ofs = [pick(&CARE_OFS, rule), pick(&CARE_OFS, rule >> 3)];
        let ports = FlowRange {
            first: 0,
            last: u16::from(rule) << 8,
        };
        let to = |bids: &[u16], selector| FlowRule {
            selector,
            bids: bids.to_vec(),
            discard: rule & 0x80 != 0,
        };
        let some = FlowSelector {
            source_port: (rule & 0x40 != 0).then_some(ports),
            ..FlowSelector::default()
        };
        // What most packets of the corpus are.
        let exact = ExactFlow {
            source: address(CORRESPONDENT),
            next_header: 17,
            source_port: 40_000,
            destination_port: 80,
        };
        let mut rules = [to(&[2], exact.into()), to(&[1, 2], some)];
        if rule & 1 != 0 {
            rules.reverse();
        }
        let tunnels = [(1, other(care_ofs[0])), (2, other(care_ofs[1]))];
        let given = self.appliance.writer.publish_flows(home, &tunnels, &rules);
        if given.is_ok_and(|given| given)
            && let Some(binding) = self.world.bindings.get_mut(&home)
        {
            binding.care_ofs.truncate(1);
            binding.care_ofs.extend(care_ofs.map(|address| CareOf {
                address,
                mtu: template.mtu.into(),
                tested: None,
            }));
        }
    }

    /// What is told of a packet is as much of it as was said, and no more than is kept.
    fn read_trace(&mut self) {
        let mut buffer = [0; TRACE_PACKET_BYTES];
        while let Some(traced) = self.appliance.control.trace_pop(0, &mut buffer) {
            let length = traced.meta.length as usize;
            assert_eq!(traced.kept, length.min(TRACE_PACKET_BYTES));
        }
    }

    /// Panics unless all that came in has left, was dropped by a name, or was given back.
    pub fn finish(mut self) {
        self.round(EVERYTHING_IS_OVER_NS);
        self.round(0);
        self.read_trace();
        assert_eq!(self.appliance.worker.fragments_held(), 0);
        self.appliance.assert_conserved();
        let counters = self.appliance.counters();
        assert_eq!(counters.get(Counter::RxPackets), self.received);
        let pool = &self.appliance.pool;
        assert_eq!(pool.available(), pool.frames() - 1, "buffers came back");
    }
}

/// The pieces of a packet, as a script wants them.
fn in_fragments(packet: &[u8], size: u8, order: u8) -> Vec<Vec<u8>> {
    let Some(packet) = exact(packet) else {
        return vec![];
    };
    let is_set = |bit: u8| order >> bit & 1 == 1;
    let size = (usize::from(size) + 1) * 8;
    let places: Vec<_> = (size..packet.len() - 40).step_by(size).take(7).collect();
    let mut pieces = cut(packet, &places, u32::from(order >> 6));
    let first = usize::from(order & 7) % pieces.len();
    pieces.rotate_left(first);
    if is_set(3) {
        pieces.reverse();
    }
    if is_set(4) {
        pieces.pop();
    }
    if is_set(5) {
        pieces.extend(pieces.first().cloned());
    }
    pieces
}
