//! A mobile node, a DHP that forwards between it and a correspondent, and the correspondent: a real one, or the test itself.

use core::net::Ipv6Addr;
use std::collections::BTreeMap;

use dhp_proto::anchor::{
    Anchor, AnchorAction, AnchorConfig, PoolConfig, PoolKind, Roles, RouteEnds, RouteOptimization,
};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::mobile_node::{
    FlowKey, FlowProgress, KeyMaterial, MnAction, MnCommand, MnEvent, MobileNode, MobileNodeConfig,
    RouteMode, Session,
};
use dhp_proto::random::Random;
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_proto::time::{NANOS_PER_SECOND, Now};
use dhp_wire::codepoints::{CodePoints, next_header};
use dhp_wire::ipv6::{HEADER_LEN, Ipv6Header, Ipv6View};
use dhp_wire::mobility::Mode;

pub const DHP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
pub const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = NANOS_PER_SECOND;

/// The care-of address in an access network.
pub fn care_of(network: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xa00 + network, 0, 0, 0, 0, 0x100)
}

/// How the network treats packets: of 100, so many are lost, and so many of the others come twice; up to `jitter_ns` more than
/// the delay lets them overtake each other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub loss: u64,
    pub repeats: u64,
    pub jitter_ns: u64,
}

pub struct World {
    pub now: Now,
    pub weather: Weather,
    pub node: MobileNode,
    pub events: Vec<MnEvent>,
    /// What the correspondent has bound.
    pub bound: BTreeMap<RouteEnds, Ipv6Addr>,
    /// Packets that came to the correspondent, each with the tunnel header it came with taken off.
    pub to_cn: Vec<Vec<u8>>,
    cn_is_silent: bool,
    random: Random,
    dhp: Anchor,
    cn: Option<Anchor>,
    on_the_way: BTreeMap<(u64, u64), Vec<u8>>,
    sent: u64,
    care_of: Option<Ipv6Addr>,
}

impl World {
    /// With a flow that has its DHoA; the DHP permits route optimization.
    pub fn new(seed: u8) -> Self {
        let mut world = Self::with(seed, Some(correspondent(seed)));
        world.begin();
        world
    }

    /// The same, but the test is the correspondent: see [`to_cn`](Self::to_cn) and [`arrive_from_cn`](Self::arrive_from_cn).
    pub fn by_hand() -> Self {
        let mut world = Self::with(1, None);
        world.begin();
        world
    }

    fn with(seed: u8, cn: Option<Anchor>) -> Self {
        let config = MobileNodeConfig {
            mn_id: Some(MnId::nai("mn1@example.net")),
            spi: 256,
            algorithm: Algorithm::HmacSha256_128,
            key: KeyMaterial::Home(home_key()),
            home: None,
            locators: Vec::new(),
            code_points: CodePoints::default(),
            lifetime: 150,
            check_interval_ns: None,
            idle_ns: MobileNodeConfig::DEFAULT_IDLE_NS,
        };
        let now = start();
        Self {
            now,
            weather: Weather::default(),
            node: MobileNode::new(config, now, [seed; 32]).expect("a valid configuration"),
            events: Vec::new(),
            bound: BTreeMap::new(),
            to_cn: Vec::new(),
            cn_is_silent: false,
            random: Random::new([seed; 32]),
            dhp: Anchor::new(dhp_config(true), now, [seed; 32]).expect("a valid configuration"),
            cn,
            on_the_way: BTreeMap::new(),
            sent: 0,
            care_of: None,
        }
    }

    fn begin(&mut self) {
        self.move_to(1);
        let prefix = "2001:db8:c:1::/64".parse().expect("a prefix");
        let flow = FlowKey::new(prefix, Session::SessionLasting);
        self.command(MnCommand::Use(flow));
        self.pass(SECOND);
        self.events.clear();
    }

    /// Whether the flow has its DHoA.
    pub fn has_dhoa(&self) -> bool {
        matches!(
            self.node.status().flows[0].progress,
            FlowProgress::Ready { .. }
        )
    }

    pub fn dhoa(&self) -> Ipv6Addr {
        match self.node.status().flows[0].progress {
            FlowProgress::Ready { home_address, .. } => home_address,
            other => panic!("{other:?}"),
        }
    }

    pub fn ends(&self) -> RouteEnds {
        RouteEnds {
            home_address: self.dhoa(),
            correspondent: CN,
        }
    }

    /// Somebody talks to the correspondent.
    pub fn talk(&mut self) {
        self.command(MnCommand::OptimizeRoute(self.ends()));
    }

    pub fn move_to(&mut self, network: u16) {
        self.care_of = Some(care_of(network));
        self.command(MnCommand::SetCareOf(care_of(network)));
    }

    pub fn lose_care_of(&mut self) {
        self.care_of = None;
        self.command(MnCommand::LoseCareOf);
    }

    /// The DHP permits route optimization or not, from its next answer on.
    pub fn permit(&mut self, permitted: bool) {
        let config = dhp_config(permitted);
        let changed = self.dhp.reconfigure(self.now, config);
        changed.expect("a valid configuration");
        self.collect();
    }

    /// The correspondent loses all that it knew.
    pub fn restart_cn(&mut self, seed: u8) {
        self.cn = Some(correspondent(seed));
        self.bound.clear();
    }

    /// Nothing reaches the correspondent any more, or everything again.
    pub fn silence_cn(&mut self, silent: bool) {
        self.cn_is_silent = silent;
    }

    /// The mode of the DHoA's flows, as the mobile node has reported it to the DHP.
    pub fn reported_mode(&self) -> Option<Mode> {
        let binding = self.dhp.binding(self.now, &self.dhoa())?;
        binding.flows.first().map(|flow| flow.mode)
    }

    /// The care-of address that the mobile node's packets go from directly.
    pub fn optimized(&self) -> Option<Ipv6Addr> {
        self.node.routes().find_map(|route| match route.mode {
            RouteMode::Optimized { care_of, .. } => Some(care_of),
            RouteMode::Proxy(_) => None,
        })
    }

    pub fn command(&mut self, command: MnCommand) {
        self.node.handle_command(self.now, command);
        self.collect();
    }

    /// A packet of the correspondent's, whatever it looks like, takes its way.
    pub fn arrive_from_cn(&mut self, packet: Vec<u8>) {
        self.arrive(packet);
        self.collect();
    }

    /// Data from the mobile node to the correspondent as its mode has it; whether the correspondent takes it.
    pub fn sends_data(&mut self) -> bool {
        let (Some(care_of), ends) = (self.optimized(), self.ends()) else {
            return true;
        };
        if self.bound.get(&ends) == Some(&care_of) {
            return true;
        }
        // RFC 6275 §9.3.1: a Home Address option without a binding.
        let mut packet =
            dhp_wire::packet::compose(&care_of, &CN, Some(&ends.home_address), None, &[0; 8]);
        packet[HEADER_LEN] = next_header::UDP;
        if let Some(cn) = &mut self.cn {
            cn.handle_unbound_home_address(self.now, &packet);
        }
        self.collect();
        false
    }

    /// Both ends' actions onto the network.
    fn collect(&mut self) {
        let mut packets = Vec::new();
        while let Some(action) = self.node.poll_action() {
            match action {
                MnAction::Transmit(packet) => packets.push(packet),
                MnAction::Event(event) => self.events.push(event),
            }
        }
        for anchor in self.cn.iter_mut().chain([&mut self.dhp]) {
            while let Some(action) = anchor.poll_action() {
                match action {
                    AnchorAction::Transmit(packet) => packets.push(packet),
                    AnchorAction::Route(RouteOptimization::Begins { ends, care_of, .. }) => {
                        self.bound.insert(ends, care_of);
                    }
                    AnchorAction::Route(RouteOptimization::Ends { ends }) => {
                        self.bound.remove(&ends);
                    }
                    _ => {}
                }
            }
        }
        for packet in packets {
            self.launch(packet);
        }
    }

    fn launch(&mut self, packet: Vec<u8>) {
        let Weather {
            loss,
            repeats,
            jitter_ns,
        } = self.weather;
        if self.random.below(100) < loss {
            return;
        }
        let copies = 1 + u64::from(self.random.below(100) < repeats);
        for _ in 0..copies {
            self.sent += 1;
            let arrival = self.now.mono_ns + 10 * MS + self.random.below(jitter_ns + 1);
            self.on_the_way.insert((arrival, self.sent), packet.clone());
        }
    }

    fn arrive(&mut self, packet: Vec<u8>) {
        let view = Ipv6View::new(&packet).expect("an IPv6 packet");
        let (source, destination) = (view.source(), view.destination());
        let is_tunnel = view.next_header() == next_header::IPV6;
        if destination == DHP && is_tunnel {
            let inner = view.payload().to_vec();
            let home = Ipv6View::new(&inner).expect("an IPv6 packet").source();
            let binding = self.dhp.binding(self.now, &home);
            if binding.is_some_and(|binding| binding.care_of == source) {
                self.launch(inner);
            }
        } else if destination == DHP || is_anycast(&destination) {
            self.dhp.handle_packet(self.now, &packet);
        } else if destination == CN {
            if self.cn_is_silent {
                return;
            }
            if let Some(cn) = &mut self.cn {
                cn.handle_packet(self.now, &packet);
            }
            self.to_cn.push(packet);
        } else if Some(destination) == self.care_of {
            self.node.handle_packet(self.now, &packet);
        } else if let Some(binding) = self.dhp.binding(self.now, &destination) {
            let outer = tunnelled(DHP, binding.care_of, &packet);
            self.launch(outer);
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, nanos: u64) {
        let end = self.now.mono_ns + nanos;
        loop {
            let anchors = self.cn.iter().chain([&self.dhp]);
            let arrival = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
            let next = anchors
                .filter_map(Anchor::poll_timeout)
                .chain(arrival)
                .chain(self.node.poll_timeout())
                .min();
            let Some(at) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.plus_ns(at.saturating_sub(self.now.mono_ns));
            while let Some(entry) = self.on_the_way.first_entry()
                && entry.key().0 <= self.now.mono_ns
            {
                let packet = entry.remove();
                self.arrive(packet);
            }
            self.node.handle_timeout(self.now);
            for anchor in self.cn.iter_mut().chain([&mut self.dhp]) {
                anchor.handle_timeout(self.now);
            }
            self.collect();
        }
        self.now = self.now.plus_ns(end.saturating_sub(self.now.mono_ns));
    }
}

pub fn start() -> Now {
    Now {
        mono_ns: SECOND,
        ntp: 0xe5a1_b2c3 << 32,
    }
}

fn home_key() -> Key {
    Key::new([0x42; 32])
}

fn dhp_config(permitted: bool) -> AnchorConfig {
    let association = SecurityAssociation::from_home_key(
        256,
        MnId::nai("mn1@example.net"),
        &home_key(),
        &DHP,
        Algorithm::HmacSha256_128,
        Permissions {
            route_optimization: true,
            ..Permissions::default()
        },
    );
    AnchorConfig {
        pools: vec![PoolConfig::new(
            "2001:db8:d:1::/64".parse().expect("a prefix"),
            PoolKind::Dhoa,
        )],
        coverage: vec!["2001:db8:c::/48".parse().expect("a prefix")],
        security_associations: vec![association.expect("a security association")],
        route_optimization: permitted,
        ..AnchorConfig::new(DHP)
    }
}

fn correspondent(seed: u8) -> Anchor {
    let config = AnchorConfig {
        roles: Roles {
            dhp: false,
            home_agent: false,
            locator: false,
        },
        is_correspondent: true,
        ..AnchorConfig::new(CN)
    };
    Anchor::new(config, start(), [seed; 32]).expect("a valid configuration")
}

fn is_anycast(address: &Ipv6Addr) -> bool {
    address.segments()[4..] == [0xfdff, 0xffff, 0xffff, 0xfffe]
}

/// IPv6 in IPv6.
pub fn tunnelled(source: Ipv6Addr, destination: Ipv6Addr, inner: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; HEADER_LEN];
    Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: u16::try_from(inner.len()).expect("a short packet"),
        next_header: next_header::IPV6,
        hop_limit: 64,
        source,
        destination,
    }
    .emit(packet.first_chunk_mut().expect("room for a header"));
    packet.extend(inner);
    packet
}
