//! An anchor with everything switched on, and what must hold of it

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{
    Anchor, AnchorAction, AnchorCommand, AnchorConfig, BindingChange, HeartbeatConfig, Limits,
    LinkAction, LinkId, PoolConfig, PoolKind, PrefixAdvertisements, PrefixLifetimes, RouteEnds,
    RouteOptimization,
};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_proto::time::Now;
use dhp_wire::checksum::upper_layer_checksum;
use dhp_wire::codepoints::next_header;
use dhp_wire::mobility::Lifetime;
use dhp_wire::packet::{IcmpPacket, MobilityPacket};

use crate::script::{Event, Script};

/// The anchor, on a home link that its pool is on-link of.
pub const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
/// A home address that belongs to a mobile node.
pub const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x1234);
const OTHER_HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x1235);
/// Another anchor.
pub const PEER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 0, 1);
const LINK: LinkId = LinkId(1);
const NANOS: u64 = 1_000_000_000;
/// Longer than anything lasts here.
const LONG_NS: u64 = 20_000 * NANOS;

/// An anchor, its time, and what is open by its actions.
pub struct World {
    anchor: Anchor,
    now: Now,
    bound: BTreeMap<Ipv6Addr, Ipv6Addr>,
    proxied: BTreeSet<Ipv6Addr>,
    routes: BTreeSet<RouteEnds>,
}

fn config() -> AnchorConfig {
    let association = |spi: u32, home: Ipv6Addr| {
        let permissions = Permissions {
            home_addresses: vec![home],
            ..Permissions::default()
        };
        let id = MnId::nai(&format!("mn{spi}@example.net"));
        let (key, algorithm) = (Key::new([1; 16]), Algorithm::HmacSha1_96);
        SecurityAssociation::new(spi, id, key, algorithm, permissions).expect("right")
    };
    AnchorConfig {
        pools: vec![
            PoolConfig {
                link: Some(LINK),
                ..PoolConfig::new("2001:db8:1::/64".parse().expect("right"), PoolKind::Home)
            },
            PoolConfig::new("2001:db8:d:1::/64".parse().expect("right"), PoolKind::Dhoa),
        ],
        coverage: vec!["2001:db8:c::/48".parse().expect("right")],
        security_associations: vec![association(256, HOME), association(257, OTHER_HOME)],
        allow_unauthenticated: true,
        care_of_test: true,
        is_correspondent: true,
        prefix_advertisements: PrefixAdvertisements {
            max_interval: Duration::from_secs(20),
            min_interval: Duration::from_secs(1),
            ..PrefixAdvertisements::default()
        },
        refresh_advice: Some(Lifetime(5)),
        refresh_request: Some(Duration::from_secs(20)),
        heartbeat: HeartbeatConfig {
            peers: vec![PEER],
            ..HeartbeatConfig::default()
        },
        limits: Limits {
            max_home_addresses: 3,
            max_correspondents: 2,
            errors_per_second: 5,
            max_split_bindings: 1,
            max_care_of_addresses: 3,
            max_flow_bindings: 4,
            max_flow_rules: 2,
        },
        ..AnchorConfig::new(ANCHOR)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A fresh anchor.
    #[must_use]
    pub fn new() -> Self {
        let now = Now {
            mono_ns: NANOS,
            ntp: 0xe5a1_b2c0 << 32,
        };
        Self {
            anchor: Anchor::new(config(), now, [7; 32]).expect("a sound configuration"),
            now,
            bound: BTreeMap::new(),
            proxied: BTreeSet::new(),
            routes: BTreeSet::new(),
        }
    }

    /// Plays a script, and then lets everything end.
    ///
    /// # Panics
    /// Something does not hold.
    pub fn play(mut self, script: &Script) {
        for event in &script.0 {
            self.happen(event);
            self.follow();
        }
        for home_address in self.bound.clone().into_keys() {
            let command = AnchorCommand::Release { home_address };
            self.anchor.handle_command(self.now, command);
        }
        self.follow();
        self.wait(LONG_NS);
        assert!(self.bound.is_empty() && self.proxied.is_empty() && self.routes.is_empty());
        assert_eq!(self.anchor.pools().map(|pool| pool.used).sum::<usize>(), 0);
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Mobility(packet) => {
                self.anchor
                    .handle_packet(self.now, &with_mh_checksum(packet.clone()));
            }
            Event::Raw(packet) => self.anchor.handle_packet(self.now, packet),
            Event::Icmp { on_link, packet } => {
                let packet = with_icmp_checksum(packet.clone());
                self.anchor
                    .handle_icmpv6(self.now, on_link.then_some(LINK), &packet);
            }
            Event::Unbound(packet) => {
                self.anchor.handle_unbound_home_address(self.now, packet);
                self.anchor.handle_link_local(self.now, LINK, packet);
            }
            Event::Wait(units) => self.wait(u64::from(*units) * NANOS / 10),
            Event::Command(number) => self.anchor.handle_command(self.now, command(*number)),
        }
    }

    fn wait(&mut self, nanos: u64) {
        let end = self.now.plus_ns(nanos);
        while let Some(at) = self.anchor.poll_timeout().filter(|at| *at <= end.mono_ns) {
            self.now = self.now.plus_ns(at.saturating_sub(self.now.mono_ns));
            self.anchor.handle_timeout(self.now);
            self.follow();
            assert!(self.anchor.poll_timeout().is_none_or(|next| next > at));
        }
        self.now = end;
        self.anchor.handle_timeout(self.now);
        self.follow();
    }

    fn follow(&mut self) {
        while let Some(action) = self.anchor.poll_action() {
            match action {
                AnchorAction::Event(event) => match event.change {
                    BindingChange::Bound {
                        home_address,
                        care_of,
                        ..
                    } => {
                        self.bound.insert(home_address, care_of);
                    }
                    BindingChange::Steered {
                        home_address,
                        care_ofs,
                        rules,
                    } => {
                        assert!(self.bound.contains_key(&home_address));
                        assert!(care_ofs.len() <= 3 && rules.len() <= 4);
                    }
                    BindingChange::CareOfMoved { home_address, .. } => {
                        assert!(self.bound.contains_key(&home_address));
                    }
                    BindingChange::Released { home_address, .. } => {
                        assert!(self.bound.remove(&home_address).is_some());
                    }
                },
                AnchorAction::OnLink { action, .. } => match action {
                    LinkAction::StartProxy { address } => assert!(self.proxied.insert(address)),
                    LinkAction::StopProxy { address } => assert!(self.proxied.remove(&address)),
                    _ => {}
                },
                AnchorAction::Route(RouteOptimization::Begins { ends, .. }) => {
                    self.routes.insert(ends);
                }
                AnchorAction::Route(RouteOptimization::Ends { ends }) => {
                    assert!(self.routes.remove(&ends));
                }
                AnchorAction::Route(RouteOptimization::IsUsed { ends }) => {
                    assert!(self.routes.contains(&ends));
                }
                AnchorAction::Transmit(packet) => {
                    assert!(packet.len() <= 2048 + 128, "an answer of {}", packet.len());
                }
                AnchorAction::KeepNumber(_)
                | AnchorAction::KeepAssignment { .. }
                | AnchorAction::Peer { .. } => {}
            }
        }
        let bindings = self.anchor.bindings(self.now);
        let held: BTreeMap<_, _> = bindings
            .map(|binding| (binding.home_address, binding.care_of))
            .collect();
        assert_eq!(held, self.bound);
    }
}

fn command(number: u16) -> AnchorCommand {
    let home_address = if number & 1 == 0 { HOME } else { OTHER_HOME };
    let seconds = u64::from(number >> 4);
    match (number >> 1) & 7 {
        0 => AnchorCommand::Release { home_address },
        1 => AnchorCommand::Revoke {
            home_address,
            trigger: 1,
        },
        2 => AnchorCommand::SwitchHomeAgent {
            home_address,
            home_agents: vec![PEER],
            remaining: Some(Lifetime(number >> 4)),
        },
        3 => AnchorCommand::SetDraining(number & 0x10 != 0),
        4 => AnchorCommand::NoteUse {
            ends: RouteEnds {
                home_address,
                correspondent: ANCHOR,
            },
        },
        _ => AnchorCommand::SetPrefixLifetimes {
            prefix: "2001:db8:1::/64".parse().expect("right"),
            lifetimes: PrefixLifetimes {
                valid: Some(Duration::from_secs(seconds)),
                preferred: Some(Duration::from_secs(seconds / 2)),
            },
        },
    }
}

fn with_mh_checksum(mut packet: Vec<u8>) -> Vec<u8> {
    let Ok(parsed) = MobilityPacket::parse(&packet) else {
        return packet;
    };
    let (source, destination) = (parsed.checksum_source(), parsed.checksum_destination());
    let mut mh = parsed.mh.to_vec();
    let at = parsed.mh_offset + 4;
    if mh.len() < 8 {
        return packet;
    }
    mh[4..6].fill(0);
    let sum = upper_layer_checksum(&source, &destination, next_header::MOBILITY, &mh);
    packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn with_icmp_checksum(mut packet: Vec<u8>) -> Vec<u8> {
    let Ok(parsed) = IcmpPacket::parse(&packet) else {
        return packet;
    };
    let mut message = parsed.message.to_vec();
    if message.len() < 4 {
        return packet;
    }
    let envelope = parsed.envelope();
    message[2..4].fill(0);
    let (source, destination) = (envelope.source, envelope.destination);
    let sum = upper_layer_checksum(&source, &destination, next_header::ICMPV6, &message);
    // The message ends with the payload, behind which there may be padding of the link.
    let payload_len = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    let at = (40 + payload_len).min(packet.len()) - message.len() + 2;
    packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    packet
}
