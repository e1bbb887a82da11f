//! What may leave, and by which row of the packet table in PROTOCOL.md: the plain reading that the worker is held against
//!
//! It says what is permitted, not what must happen: the rates of errors, full rings and missing buffers are not in it.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use crate::appliance::*;
use crate::naive::{Chain, Routing, ecn_behind_tunnel, exact, may_be_answered};
use crate::packets::*;
use crate::pieces::{Pieces, mistake};
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

pub struct CareOf {
    pub address: Ipv6Addr,
    pub mtu: usize,
    /// Where goes what this one, under test, has no credit for.
    pub tested: Option<Ipv6Addr>,
}

pub struct Binding {
    /// The default one first. With flow rules a copy may go to each.
    pub care_ofs: Vec<CareOf>,
    pub previous: Option<(Ipv6Addr, u64)>,
    pub is_resolved: bool,
    /// What it gets is accounted for: less may leave than is permitted here.
    pub is_metered: bool,
}

/// What the appliance knows.
pub struct World {
    pub bindings: BTreeMap<Ipv6Addr, Binding>,
    pub pieces: Pieces,
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
            care_ofs: vec![CareOf {
                address: address(care_of),
                mtu,
                tested: None,
            }],
            previous,
            is_resolved,
            is_metered: false,
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
            pieces: Pieces::default(),
            now_ns: START_NS,
        }
    }

    /// What may leave for these octets, received without link header on a link or from the host, or injected.
    pub fn permitted(&mut self, from: From, octets: &[u8]) -> Vec<Leaving> {
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
        match (way(to), Chain::of(packet)) {
            (Way::Anchor, Some(chain)) if chain.is_piece_to_be_held(packet) => {
                self.piece(packet, &chain, from)
            }
            (Way::Anchor, Some(chain)) => self.whole(packet, &chain, from),
            _ => self.routed(packet.to_vec(), from),
        }
    }

    /// What may leave because time has passed.
    pub fn overdue(&mut self) -> Vec<Leaving> {
        let firsts = self.pieces.overdue(self.now_ns);
        let errors = firsts
            .iter()
            .map(|first| self.error(first, From::Link, [3, 1], 0));
        errors.flatten().collect()
    }

    /// "outer fragments are reassembled before decapsulation, with caps"
    fn piece(&mut self, packet: &[u8], chain: &Chain, from: From) -> Vec<Leaving> {
        if chain.routing.is_some_and(|routing| !ends_here(routing)) {
            return vec![];
        }
        if let Some(pointer) = mistake(packet, chain) {
            return self.error(packet, from, [4, 0], pointer);
        }
        // A first fragment that shows a tunnel of nobody here is not worth its place.
        if chain.upper == 41 && !chain.is_later_fragment() {
            let inner = packet.get(chain.offset..).filter(|inner| inner.len() >= 24);
            if !inner.is_some_and(|inner| self.is_bound(source(inner), source(packet))) {
                return vec![];
            }
        }
        let wholes = self.pieces.join(packet, chain, self.now_ns);
        let leaving = wholes.iter().map(|whole| match Chain::of(whole) {
            Some(chain) if !chain.is_piece_to_be_held(whole) => self.whole(whole, &chain, from),
            _ => vec![],
        });
        leaving.flatten().collect()
    }

    /// To the anchor, and not to wait for the rest of it.
    fn whole(&self, packet: &[u8], chain: &Chain, from: From) -> Vec<Leaving> {
        match chain.upper {
            41 => self.leave_tunnel(packet, chain),
            _ => self.routed(packet.to_vec(), from),
        }
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
            Way::Prohibited => self.error(&packet, from, [1, 1], 0),
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
        if !has_hops(&packet, from) {
            return self.error(&packet, from, [3, 0], 0);
        }
        if packet.len() > mtu {
            return self.error(&packet, from, [2, 0], mtu as u32);
        }
        pay_hop(&mut packet, from);
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
        if let Some(direct) = direct(binding, &packet, from) {
            let row = "between the box itself and a bound MN";
            return self.onto(CORE, binding.is_resolved, row, direct, From::Own);
        }
        if !has_hops(&packet, from) {
            return self.error(&packet, from, [3, 0], 0);
        }
        let limit = Chain::of(&packet).and_then(|chain| chain.limit);
        if let Some((0, pointer)) = limit {
            return self.error(&packet, from, [4, 0], pointer as u32);
        }
        let limit = limit.map(|(limit, _)| limit - 1);
        let mut leaving = vec![];
        let received = packet.clone();
        pay_hop(&mut packet, from);
        for care_of in &binding.care_ofs {
            let room = care_of.mtu.clamp(1240, 1460) - limit.map_or(0, |_| 8);
            if packet.len() > room && packet.len() > 1280 {
                leaving.extend(self.error(&received, from, [2, 0], room.max(1280) as u32));
                continue;
            }
            for exit in [Some(care_of.address), care_of.tested]
                .into_iter()
                .flatten()
            {
                if exit == address(ANCHOR) || exit == destination(&packet) {
                    continue;
                }
                for outer in tunnel_packets(exit, &packet, limit, room) {
                    let row = "CN → DHoA/HoA, bound";
                    leaving.extend(self.onto(CORE, binding.is_resolved, row, outer, From::Own));
                }
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
            let mut care_ofs = binding.care_ofs.iter();
            care_ofs.any(|known| known.address == care_of || known.tested == Some(care_of))
                || previous.is_some_and(|(old, _)| old == care_of)
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
                // It is dropped; what goes is a copy.
                return one("HAO without binding (Binding Error 1)", CONTROL, packet);
            }
            packet[8..24].copy_from_slice(&home.octets());
            // An option that is skipped: Linux drops packets with more than 7 octets of padding.
            packet[option] = 0x1e;
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
fn has_hops(packet: &[u8], from: From) -> bool {
    matches!(from, From::Own | From::Host) || packet[7] > 1
}

fn pay_hop(packet: &mut [u8], from: From) {
    packet[7] -= u8::from(matches!(from, From::Link | From::Tunnel));
}

/// "RH2 put on (RFC 6275 §10.4.2), also for what the host kernel answers over the exception path; Mobility Headers other than BA
/// go through the tunnel", and so do our errors: the packet to the care-of address, unless it is to be tunnelled.
fn direct(binding: &Binding, packet: &[u8], from: From) -> Option<Vec<u8>> {
    let is_own = matches!(way(source(packet)), Way::Anchor | Way::Local);
    let chain = Chain::of(packet)?;
    if !is_own || from != From::Host || chain.upper == 135 {
        return None;
    }
    let [care_of, ..] = &binding.care_ofs[..] else {
        return None;
    };
    let is_loop = [address(ANCHOR), destination(packet)].contains(&care_of.address);
    let is_too_long = packet.len() + 24 > (care_of.mtu + 40).min(1500);
    if chain.routing.is_some() || binding.is_metered || is_loop || is_too_long {
        return None;
    }
    Some(with_type_2_routing(packet, care_of.address))
}

/// RFC 6275 §9.3.2, the header where RFC 8200 §4.1 has it: behind Hop-by-Hop Options.
fn with_type_2_routing(packet: &[u8], care_of: Ipv6Addr) -> Vec<u8> {
    let (kind, at) = match packet[6] {
        0 => (40, 48 + 8 * usize::from(packet[41])),
        _ => (6, 40),
    };
    let mut header = type_2_routing_header(&destination(packet).to_string());
    header[0] = packet[kind];
    let mut routed = [&packet[..at], &header, &packet[at..]].concat();
    routed[kind] = 43;
    routed[24..40].copy_from_slice(&care_of.octets());
    let length = (routed.len() - 40) as u16;
    routed[4..6].copy_from_slice(&length.to_be_bytes());
    routed
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
