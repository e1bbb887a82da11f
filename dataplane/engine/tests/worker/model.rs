//! What may leave, and by which row of the packet table in PROTOCOL.md: the plain reading that the worker is held against
//!
//! It says what is permitted, not what must happen: the rates of errors, full rings and missing buffers are not in it.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use crate::appliance::*;
use crate::naive::{Chain, Routing, ecn_behind_tunnel, exact, may_be_answered};
use crate::packets::*;
use crate::ways::{Way, way};

/// How a packet came to the anchor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum From {
    Link,
    Tunnel,
    Host,
    /// Made by the worker or the control plane: costs no hop, gets no answer.
    Own,
}

/// A packet that may leave.
#[derive(Debug)]
pub struct Leaving {
    pub row: &'static str,
    pub port: usize,
    pub packet: Vec<u8>,
}

pub struct Binding {
    /// The default one first. With flow rules a copy may go to each.
    pub care_ofs: Vec<Ipv6Addr>,
    pub previous: Option<(Ipv6Addr, u64)>,
    pub mtu: usize,
    pub is_resolved: bool,
}

/// What the appliance knows.
pub struct World {
    pub bindings: BTreeMap<Ipv6Addr, Binding>,
    pub now_ns: u64,
}

/// RFC 4291 §2.5: not to be forwarded.
fn is_link_scope(destination: Ipv6Addr) -> bool {
    destination.is_multicast()
        || destination.is_unicast_link_local()
        || destination.is_loopback()
        || destination.is_unspecified()
}

/// Whether this is the last node that the routing header names (RFC 6275 §6.4, RFC 8200 §4.4).
fn ends_here(routing: Routing) -> bool {
    if routing.kind != 2 {
        return routing.segments_left == 0;
    }
    let is_ours = |home| matches!(way(home), Way::Anchor | Way::Local);
    routing.segments_left == 1 && routing.home.is_some_and(is_ours)
}

fn one(row: &'static str, port: usize, packet: Vec<u8>) -> Vec<Leaving> {
    vec![Leaving { row, port, packet }]
}

impl World {
    /// As `appliance.rs` sets it up.
    pub fn new() -> Self {
        let bind = |care_of, mtu, is_resolved, previous| Binding {
            care_ofs: vec![address(care_of)],
            previous,
            mtu,
            is_resolved,
        };
        let previous = Some((address(PREVIOUS_CARE_OF), PREVIOUS_UNTIL_NS));
        let bindings = [
            (HOME, bind(CARE_OF, 1460, true, None)),
            (OTHER_HOME, bind(OTHER_CARE_OF, 1460, true, previous)),
            (PENDING_HOME, bind("2001:db8:a::8", 1460, false, None)),
            (NARROW_HOME, bind("2001:db8:a::9", 1240, true, None)),
            (LOOPED_HOME, bind(LOOPED_HOME, 1460, true, None)),
        ];
        Self {
            bindings: bindings
                .map(|(home, binding)| (address(home), binding))
                .into(),
            now_ns: START_NS,
        }
    }

    /// What may leave for these octets, received without link header on a link or from the host, or injected.
    pub fn permitted(&self, from: From, octets: &[u8]) -> Vec<Leaving> {
        let Some(packet) = exact(octets) else {
            return vec![];
        };
        let (from_address, to) = (source(packet), destination(packet));
        if from == From::Own {
            return self.routed(packet.to_vec(), from);
        }
        if from_address.is_multicast() || from_address.is_loopback() {
            return vec![];
        }
        if is_link_scope(to) {
            return self.to_host("everything else for the box itself", packet.to_vec(), from);
        }
        let is_ours = matches!(way(to), Way::Anchor | Way::Local);
        if from_address.is_unspecified() || from_address.is_unicast_link_local() && !is_ours {
            return vec![];
        }
        if from == From::Link && matches!(way(from_address), Way::Pool) {
            return vec![];
        }
        if matches!(way(to), Way::Anchor)
            && let Some(chain) = Chain::of(packet)
            && chain.upper == 41
        {
            return self.leave_tunnel(packet, &chain);
        }
        self.routed(packet.to_vec(), from)
    }

    fn routed(&self, packet: Vec<u8>, from: From) -> Vec<Leaving> {
        match way(destination(&packet)) {
            Way::Anchor => self.at_anchor(packet, from),
            Way::Local => self.to_host("everything else for the box itself", packet, from),
            Way::Pool => self.enter_tunnel(packet, from),
            Way::Anycast if is_query(&packet) => one(
                "DHP Query to the anycast address of a covered /64",
                CONTROL,
                packet,
            ),
            // Otherwise the /64 counts, which is a link's.
            Way::Anycast => self.onto_link(packet, from, CN, 1500, false),
            Way::Link {
                port,
                mtu,
                is_resolved,
            } => self.onto_link(packet, from, port, mtu, is_resolved),
            Way::Blackhole => vec![],
            Way::Nowhere => self.error(&packet, from, [1, 0], 0),
        }
    }

    fn onto_link(
        &self,
        mut packet: Vec<u8>,
        from: From,
        port: usize,
        mtu: usize,
        is_resolved: bool,
    ) -> Vec<Leaving> {
        if packet.len() > mtu {
            return self.error(&packet, from, [2, 0], mtu as u32);
        }
        if !pay_hop(&mut packet, from) {
            return self.error(&packet, from, [3, 0], 0);
        }
        self.onto(
            port,
            is_resolved,
            "transit, or the forward by route behind a tunnel",
            packet,
            from,
        )
    }

    /// To a neighbour, or to the kernel, which looks for it and takes one more hop.
    fn onto(
        &self,
        port: usize,
        is_resolved: bool,
        row: &'static str,
        mut packet: Vec<u8>,
        from: From,
    ) -> Vec<Leaving> {
        if is_resolved {
            return one(row, port, packet);
        }
        packet[7] = packet[7].saturating_add(1);
        self.to_host(row, packet, from)
    }

    fn to_host(&self, row: &'static str, packet: Vec<u8>, from: From) -> Vec<Leaving> {
        // The kernel is not given back what it sent.
        if from == From::Host {
            return vec![];
        }
        one(row, HOST, packet)
    }

    fn enter_tunnel(&self, mut packet: Vec<u8>, from: From) -> Vec<Leaving> {
        let Some(binding) = self.bindings.get(&destination(&packet)) else {
            return self.error(&packet, from, [1, 3], 0);
        };
        let limit = Chain::of(&packet).and_then(|chain| chain.limit);
        if let Some((0, pointer)) = limit {
            return self.error(&packet, from, [4, 0], pointer as u32);
        }
        let limit = limit.map(|(limit, _)| limit - 1);
        let room = binding.mtu.clamp(1240, 1460) - limit.map_or(0, |_| 8);
        if packet.len() > room && packet.len() > 1280 {
            return self.error(&packet, from, [2, 0], room.max(1280) as u32);
        }
        if !pay_hop(&mut packet, from) {
            return self.error(&packet, from, [3, 0], 0);
        }
        let mut leaving = vec![];
        for care_of in &binding.care_ofs {
            if *care_of == address(ANCHOR) || *care_of == destination(&packet) {
                continue;
            }
            for outer in tunnel_packets(*care_of, &packet, limit, room) {
                let row = "CN → DHoA/HoA, bound";
                leaving.extend(self.onto(CORE, binding.is_resolved, row, outer, From::Own));
            }
        }
        leaving
    }

    fn leave_tunnel(&self, outer: &[u8], chain: &Chain) -> Vec<Leaving> {
        let is_refused = chain.routing.is_some_and(|routing| !ends_here(routing));
        if chain.is_partial() || chain.home_address.is_some() || is_refused {
            return vec![];
        }
        let Some(inner) = exact(&outer[chain.offset..]) else {
            return vec![];
        };
        if is_link_scope(destination(inner)) || !self.is_bound(source(inner), source(outer)) {
            return vec![];
        }
        let (inside, outside) = (traffic_class(inner), traffic_class(outer));
        let Some(ecn) = ecn_behind_tunnel(inside, outside) else {
            return vec![];
        };
        self.routed(with_traffic_class(inner, inside & !3 | ecn), From::Tunnel)
    }

    /// "both checked (the previous CoA is good for 2 s more ...)"
    fn is_bound(&self, home: Ipv6Addr, care_of: Ipv6Addr) -> bool {
        self.bindings.get(&home).is_some_and(|binding| {
            let previous = binding
                .previous
                .filter(|(_, until_ns)| self.now_ns < *until_ns);
            binding.care_ofs.contains(&care_of) || previous.is_some_and(|(old, _)| old == care_of)
        })
    }

    fn at_anchor(&self, mut packet: Vec<u8>, from: From) -> Vec<Leaving> {
        let Some(chain) = Chain::of(&packet) else {
            return vec![];
        };
        match chain.routing {
            // RFC 6275 §6.4: silently.
            Some(routing) if !ends_here(routing) && routing.kind == 2 => return vec![],
            Some(routing) if !ends_here(routing) => {
                return self.error(&packet, from, [4, 0], routing.offset as u32 + 2);
            }
            _ => {}
        }
        if chain.upper == 135 {
            let row = "Mobility Header to the DHP";
            return if chain.is_partial() {
                vec![]
            } else {
                one(row, CONTROL, packet)
            };
        }
        if let Some((home, option)) = chain.home_address {
            if !self.is_bound(home, source(&packet)) {
                return vec![];
            }
            packet[8..24].copy_from_slice(&home.octets());
            packet[option] = 1;
            packet[option + 2..option + 18].fill(0);
            return self.to_host("between the box itself and a bound MN", packet, from);
        }
        let mut leaving = self.relayed(&packet, &chain, from);
        leaving.extend(self.to_host("everything else for the box itself", packet, from));
        leaving
    }

    /// RFC 2473 §8: an error about a tunnel packet of ours, for the source of what was in it.
    fn relayed(&self, message: &[u8], chain: &Chain, from: From) -> Vec<Leaving> {
        let quoted = &message[message.len().min(chain.offset + 8)..];
        let is_error =
            chain.upper == 58 && message.get(chain.offset).is_some_and(|kind| *kind < 128);
        if from != From::Link || !is_error || chain.is_partial() || quoted.len() < 40 {
            return vec![];
        }
        let Some(tunnel) = Chain::of(quoted).filter(|tunnel| tunnel.upper == 41) else {
            return vec![];
        };
        let inner = &quoted[tunnel.offset..];
        if inner.len() < 40 || source(quoted) != address(ANCHOR) {
            return vec![];
        }
        if !self.is_bound(destination(inner), destination(quoted)) {
            return vec![];
        }
        let stated = 40 + usize::from(u16::from_be_bytes([inner[4], inner[5]]));
        let word = &message[chain.offset + 4..chain.offset + 8];
        let path_mtu = u32::from_be_bytes(*word.first_chunk().expect("four octets"));
        let headers = tunnel.offset - tunnel.fragment.map_or(0, |_| 8);
        let (kind, word) = match message[chain.offset] {
            2 => ([2, 0], path_mtu.saturating_sub(headers as u32).max(1280)),
            _ => ([1, 3], 0),
        };
        let row = "ICMPv6 errors from inside the tunnel";
        let mut leaving = one(row, CONTROL, message.to_vec());
        leaving.extend(self.send_error(
            source(inner),
            &inner[..inner.len().min(stated)],
            kind,
            word,
        ));
        leaving
    }

    /// "ICMPv6 errors come from the DHP's address".
    fn error(&self, packet: &[u8], from: From, kind: [u8; 2], word: u32) -> Vec<Leaving> {
        if from == From::Own || !may_be_answered(packet, source(packet)) {
            return vec![];
        }
        self.send_error(source(packet), packet, kind, word)
    }

    fn send_error(&self, to: Ipv6Addr, about: &[u8], kind: [u8; 2], word: u32) -> Vec<Leaving> {
        let quoted = &about[..about.len().min(1280 - 48)];
        self.routed(icmp(address(ANCHOR), to, kind, word, quoted), From::Own)
    }
}

/// RFC 8200 §3: what is forwarded loses one hop, and not its last one.
fn pay_hop(packet: &mut [u8], from: From) -> bool {
    if matches!(from, From::Own | From::Host) {
        return true;
    }
    let has_hops = packet[7] > 1;
    packet[7] -= u8::from(has_hops);
    has_hops
}

fn is_query(packet: &[u8]) -> bool {
    Chain::of(packet).is_some_and(|chain| {
        let is_discovery = chain.upper == 58 && packet.get(chain.offset) == Some(&144);
        !chain.is_partial() && (chain.upper == 135 || is_discovery)
    })
}

/// RFC 2473 §3 and §7.1: the tunnel packet for `inner`, or its two fragments, flow label and Identification left 0.
fn tunnel_packets(care_of: Ipv6Addr, inner: &[u8], limit: Option<u8>, room: usize) -> Vec<Vec<u8>> {
    let outer = |next_header, payload: &[u8]| {
        let packet = raw_between(address(ANCHOR), care_of, next_header, payload);
        with_traffic_class(&packet, traffic_class(inner))
    };
    let options: &[u8] = match limit {
        Some(limit) => &[41, 0, 4, 1, limit, 1, 1, 0],
        None => &[],
    };
    let first_header = limit.map_or(41, |_| 60);
    let payload = [options, inner].concat();
    if inner.len() <= room {
        return vec![outer(first_header, &payload)];
    }
    // The room is what is left of the path beside the tunnel's headers; the fragment header takes 8 octets more of it.
    let (first, second) = payload.split_at((room + options.len() - 8) & !7);
    let piece = |offset: u16, piece: &[u8]| {
        let [o0, o1] = offset.to_be_bytes();
        outer(
            44,
            &[&[first_header, 0, o0, o1, 0, 0, 0, 0], piece].concat(),
        )
    };
    vec![piece(1, first), piece(first.len() as u16, second)]
}
