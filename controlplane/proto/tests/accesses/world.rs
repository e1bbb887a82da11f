//! Two accesses with a network behind each, a home agent and a DHP.

use core::net::Ipv6Addr;
use std::collections::BTreeMap;
use std::sync::Arc;

use dhp_proto::anchor::{
    self, Anchor, AnchorAction, AnchorConfig, BindingView, DirectoryEntry, PoolConfig, PoolKind,
    Roles,
};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::mobile_node::{
    AccessRule, Attachment, FlowKey, HomeConfig, Kept, KeptAnchor, KeptBinding, KeptFlow,
    KeyMaterial, MnAction, MnCommand, MnEvent, MobileNode, MobileNodeConfig, Need, Requirements,
    Session, Unmet,
};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_proto::time::{NANOS_PER_SECOND, Now};
use dhp_wire::codepoints::CodePoints;
use dhp_wire::ipv6::Ipv6View;
use ipnet::Ipv6Net;

pub const HA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
pub const HOA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
pub const DHP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
pub const CN: &str = "2001:db8:c:1::/64";
pub const MS: u64 = 1_000_000;
pub const WLAN: u16 = 1;
pub const WWAN: u16 = 2;
pub const UDP: u8 = 17;

/// A care-of address of an access.
pub fn care_of(bid: u16, network: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xa00 + bid, network, 0, 0, 0, 0x100)
}

pub fn attachment(bid: u16, network: u16) -> Attachment {
    Attachment {
        bid,
        care_of: care_of(bid, network),
        rate_kbps: None,
        metered: bid == WWAN,
    }
}

/// A rule about all that goes to the correspondents.
pub fn rule() -> AccessRule {
    AccessRule {
        correspondents: vec![CN.parse().expect("a prefix")],
        protocol: None,
        ports: Vec::new(),
        dscp: None,
        need: Some(Session::SessionLasting.into()),
        accesses: Vec::new(),
        may_be_metered: true,
        unmet: Unmet::Wait,
    }
}

/// The voice goes over the second access and the rest over the first.
pub fn voice() -> AccessRule {
    AccessRule {
        protocol: Some(UDP),
        ports: vec![5000..=5999],
        accesses: vec![WWAN, WLAN],
        ..rule()
    }
}

pub fn requirements(max_latency_ms: u16, max_loss_permille: u16) -> Need {
    Need {
        requirements: Requirements {
            max_latency_ms,
            max_loss_permille,
            ..Requirements::default()
        },
        ..Session::SessionLasting.into()
    }
}

/// How an access is.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// One way.
    pub delay_ns: u64,
    /// Of so many packets one is lost; 0: none.
    pub loses_one_in: u64,
}

pub struct World {
    pub now: Now,
    pub node: MobileNode,
    pub anchors: BTreeMap<Ipv6Addr, Anchor>,
    pub events: Vec<MnEvent>,
    /// Packets of the node with their octets, and where they went.
    pub sent: Vec<(Ipv6Addr, usize)>,
    /// By the third group of care-of addresses.
    pub paths: BTreeMap<u16, Path>,
    on_the_way: BTreeMap<(u64, u64), Vec<u8>>,
    launched: u64,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(configure: impl Fn(&mut AnchorConfig)) -> Self {
        let now = Now {
            mono_ns: NANOS_PER_SECOND,
            ntp: 0xe5a1_b2c3 << 32,
        };
        let home_key = Key::new([0x42; 32]);
        let association = |anchor: &Ipv6Addr| {
            let permissions = Permissions {
                home_addresses: if *anchor == HA { vec![HOA] } else { Vec::new() },
                ..Permissions::default()
            };
            let id = MnId::nai("mn1@example.net");
            let algorithm = Algorithm::HmacSha256_128;
            SecurityAssociation::from_home_key(256, id, &home_key, anchor, algorithm, permissions)
                .expect("a security association")
        };
        let net = |text: &str| -> Ipv6Net { text.parse().expect("a prefix") };
        let mut ha = AnchorConfig::new(HA);
        ha.roles = Roles {
            dhp: false,
            home_agent: true,
            locator: true,
        };
        ha.pools = vec![PoolConfig::new(net("2001:db8:1:1::/64"), PoolKind::Home)];
        ha.directory = vec![DirectoryEntry {
            dhp: DHP,
            prefix: net("2001:db8:c::/48"),
            preference: 100,
            load: 0,
            path_rtt_us: 0,
        }];
        let mut dhp = AnchorConfig::new(DHP);
        dhp.pools = vec![PoolConfig::new(net("2001:db8:d:1::/64"), PoolKind::Dhoa)];
        dhp.coverage = vec![net("2001:db8:c::/48")];
        let mut anchors = BTreeMap::new();
        for (address, mut config) in [(HA, ha), (DHP, dhp)] {
            config.security_associations = vec![association(&address)];
            configure(&mut config);
            let anchor = Anchor::new(config, now, [1; 32]).expect("a valid configuration");
            anchors.insert(address, anchor);
        }
        let config = MobileNodeConfig {
            mn_id: Some(MnId::nai("mn1@example.net")),
            spi: 256,
            algorithm: Algorithm::HmacSha256_128,
            key: KeyMaterial::Home(home_key),
            home: Some(HomeConfig {
                agent: Some(HA),
                address: HOA,
            }),
            locators: vec![HA],
            code_points: CodePoints::default(),
            lifetime: 150,
            check_interval_ns: None,
            idle_ns: MobileNodeConfig::DEFAULT_IDLE_NS,
        };
        let path = Path {
            delay_ns: 10 * MS,
            loses_one_in: 0,
        };
        Self {
            now,
            node: MobileNode::new(config, now, [1; 32]).expect("a valid configuration"),
            anchors,
            events: Vec::new(),
            sent: Vec::new(),
            paths: [(WLAN, path), (WWAN, path)].into(),
            on_the_way: BTreeMap::new(),
            launched: 0,
        }
    }

    /// With the rules, on both accesses, and with a DHoA; all is quiet.
    pub fn settled(mut self, rules: Vec<AccessRule>) -> Self {
        self.rules(rules.clone());
        for rule in &rules {
            for prefix in &rule.correspondents {
                let need = rule.need.expect("an anchored flow");
                self.command(MnCommand::Use(FlowKey::new(*prefix, need)));
            }
        }
        self.attach(&[attachment(WLAN, 0), attachment(WWAN, 0)]);
        self.pass(3000);
        self
    }

    /// Node and DHP have been restarted, and have kept DHoAs with their flows.
    pub fn restore_dhoas(&mut self, dhoas: &[(Ipv6Addr, FlowKey)]) {
        const LIFETIME_S: u64 = 600;
        let now = self.now;
        let dhp = self.anchors.get_mut(&DHP).expect("the DHP");
        let mut owners = dhp.owners();
        for (home_address, _) in dhoas {
            let kept = anchor::KeptBinding {
                home_address: *home_address,
                kind: PoolKind::Dhoa,
                mn: Arc::new(MnId::nai("mn1@example.net")),
                care_of: care_of(WLAN, 0),
                ends: Some(anchor::KeptTime(now.ntp + (LIFETIME_S << 32))),
                kept: anchor::KeptTime(now.ntp),
                changed_by: None,
                link_local: false,
                dedicated: None,
                flows: Box::default(),
                care_ofs: Vec::new(),
                flow_bindings: Vec::new(),
            };
            let restored = dhp.restore_binding(now, &mut owners, kept);
            restored.expect("a binding that is permitted");
        }
        let binding = KeptBinding {
            care_of: Some(care_of(WLAN, 0)),
            expires_ns: Some(now.mono_ns + LIFETIME_S * NANOS_PER_SECOND),
        };
        let flow = |(address, key): &(Ipv6Addr, FlowKey)| KeptFlow {
            key: *key,
            on_demand: false,
            serves: key.correspondent,
            anchor: DHP,
            address: *address,
        };
        let kept = Kept {
            anchors: vec![KeptAnchor {
                address: DHP,
                sequence: 0,
                dhoas: dhoas
                    .iter()
                    .map(|(address, _)| (*address, binding))
                    .collect(),
                releasing: Vec::new(),
            }],
            flows: dhoas.iter().map(flow).collect(),
            ..Kept::default()
        };
        self.node.restore(now, kept);
        self.collect();
    }

    pub fn rules(&mut self, rules: Vec<AccessRule>) {
        self.command(MnCommand::AccessRules {
            rules,
            probe_interval_ns: NANOS_PER_SECOND,
        });
    }

    pub fn attach(&mut self, accesses: &[Attachment]) {
        self.events.clear();
        self.sent.clear();
        self.command(MnCommand::SetAccesses(accesses.to_vec()));
    }

    pub fn command(&mut self, command: MnCommand) {
        self.node.handle_command(self.now, command);
        self.collect();
    }

    fn collect(&mut self) {
        let mut packets = Vec::new();
        while let Some(action) = self.node.poll_action() {
            match action {
                MnAction::Transmit(packet) => {
                    let to = Ipv6View::new(&packet)
                        .expect("an IPv6 packet")
                        .destination();
                    self.sent.push((to, packet.len()));
                    packets.push(packet);
                }
                MnAction::Event(event) => self.events.push(event),
            }
        }
        for anchor in self.anchors.values_mut() {
            while let Some(action) = anchor.poll_action() {
                if let AnchorAction::Transmit(packet) = action {
                    packets.push(packet);
                }
            }
        }
        for packet in packets {
            self.launch(packet);
        }
    }

    fn launch(&mut self, packet: Vec<u8>) {
        let view = Ipv6View::new(&packet).expect("an IPv6 packet");
        let ends = [view.source(), view.destination()];
        let bid = |address: &Ipv6Addr| address.segments()[2].checked_sub(0xa00);
        let path = ends
            .iter()
            .filter_map(bid)
            .find_map(|bid| self.paths.get(&bid));
        let path = *path.expect("an access of the node");
        self.launched += 1;
        if path.loses_one_in == 0 || !self.launched.is_multiple_of(path.loses_one_in) {
            let arrival = self.now.mono_ns + path.delay_ns;
            self.on_the_way.insert((arrival, self.launched), packet);
        }
    }

    fn arrive(&mut self, packet: &[u8]) {
        let destination = Ipv6View::new(packet).expect("an IPv6 packet").destination();
        let accesses = self.node.status().accesses;
        if accesses.iter().any(|access| access.care_of == destination) {
            self.node.handle_packet(self.now, packet);
        } else {
            let covered: Ipv6Net = "2001:db8:c::/48".parse().expect("a prefix");
            let anchor = if covered.contains(&destination) {
                DHP
            } else {
                destination
            };
            if let Some(anchor) = self.anchors.get_mut(&anchor) {
                anchor.handle_packet(self.now, packet);
            }
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now.mono_ns + ms * MS;
        loop {
            let arrival = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
            let anchors = self.anchors.values().filter_map(Anchor::poll_timeout);
            let next = anchors.chain(arrival).chain(self.node.poll_timeout()).min();
            let Some(at) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.plus_ns(at.saturating_sub(self.now.mono_ns));
            while let Some(entry) = self.on_the_way.first_entry()
                && entry.key().0 <= self.now.mono_ns
            {
                let packet = entry.remove();
                self.arrive(&packet);
            }
            self.node.handle_timeout(self.now);
            for anchor in self.anchors.values_mut() {
                anchor.handle_timeout(self.now);
            }
            self.collect();
        }
        self.now = self.now.plus_ns(end.saturating_sub(self.now.mono_ns));
    }

    /// The binding of the node's only address at an anchor.
    pub fn binding(&self, anchor: Ipv6Addr) -> BindingView<'_> {
        let mut bindings = self.anchors[&anchor].bindings(self.now);
        let only = bindings.next().expect("a binding");
        assert!(bindings.next().is_none(), "one address");
        only
    }

    /// BIDs with their care-of addresses, as an anchor has them.
    pub fn care_ofs(&self, anchor: Ipv6Addr) -> Vec<(u16, Ipv6Addr)> {
        let binding = self.binding(anchor);
        let care_ofs = binding.care_ofs.iter();
        care_ofs.map(|known| (known.bid, known.address)).collect()
    }

    /// Selectors in words with their BIDs, as an anchor has them.
    pub fn flows(&self, anchor: Ipv6Addr) -> Vec<(String, Vec<u16>)> {
        let binding = self.binding(anchor);
        let flows = binding.flow_bindings.iter();
        flows
            .map(|flow| (flow.selector.to_string(), flow.bids.clone()))
            .collect()
    }

    /// Updates that the node has sent, by anchor, since it was attached last.
    pub fn updates(&self) -> Vec<Ipv6Addr> {
        let sent = self.events.iter().filter_map(|event| match event {
            MnEvent::UpdateSent { anchor, .. } => Some(*anchor),
            _ => None,
        });
        sent.collect()
    }

    /// The access of a rule's flows.
    pub fn access(&self, rule: usize) -> Option<u16> {
        self.node
            .status()
            .choices
            .get(rule)
            .and_then(|choice| choice.bid)
    }
}
