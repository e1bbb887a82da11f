//! A mobile node's engine and an anchor that is home agent and DHP, while the key between them is changed.

use core::net::Ipv6Addr;

use dhp_proto::anchor::{Anchor, AnchorAction, AnchorConfig, BindingChange, PoolConfig, PoolKind};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::mobile_node::{
    ConfigError, FlowKey, HomeConfig, KeyMaterial, MnAction, MnCommand, MnEvent, MobileNode,
    MobileNodeConfig, Session,
};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_proto::time::{NANOS_PER_SECOND, Now};
use dhp_wire::codepoints::CodePoints;

const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 7);
const CARE_OF_2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 7);
const OLD: (u32, u8) = (256, 0x42);
const NEW: (u32, u8) = (512, 0x77);
const ALGORITHM: Algorithm = Algorithm::HmacSha256_128;

fn key((_, octet): (u32, u8)) -> Key {
    Key::new([octet; 32])
}

fn anchor_config(associations: &[(u32, u8)]) -> AnchorConfig {
    let prefix = |text: &str| text.parse().expect("a prefix");
    let association = |of: &(u32, u8)| {
        let id = MnId::nai("mn1@example.net");
        let permissions = Permissions {
            home_addresses: vec![HOME],
            ..Permissions::default()
        };
        SecurityAssociation::from_home_key(of.0, id, &key(*of), &ANCHOR, ALGORITHM, permissions)
            .expect("right")
    };
    AnchorConfig {
        pools: vec![
            PoolConfig::new(prefix("2001:db8:1:1::/64"), PoolKind::Home),
            PoolConfig::new(prefix("2001:db8:d:1::/64"), PoolKind::Dhoa),
        ],
        coverage: vec![prefix("2001:db8:c::/48")],
        security_associations: associations.iter().map(association).collect(),
        ..AnchorConfig::new(ANCHOR)
    }
}

struct World {
    now: Now,
    node: MobileNode,
    anchor: Anchor,
    events: Vec<MnEvent>,
    changes: Vec<BindingChange>,
}

impl World {
    /// Home address and a DHoA bound, by the old key.
    fn new() -> Self {
        let now = Now {
            mono_ns: NANOS_PER_SECOND,
            ntp: 0xe5a1_b2c3 << 32,
        };
        let config = MobileNodeConfig {
            mn_id: Some(MnId::nai("mn1@example.net")),
            spi: OLD.0,
            algorithm: ALGORITHM,
            key: KeyMaterial::Home(key(OLD)),
            home: Some(HomeConfig {
                agent: Some(ANCHOR),
                address: HOME,
            }),
            locators: Vec::new(),
            code_points: CodePoints::default(),
            lifetime: 150,
            check_interval_ns: None,
            idle_ns: MobileNodeConfig::DEFAULT_IDLE_NS,
        };
        let mut world = Self {
            now,
            node: MobileNode::new(config, now, [7; 32]).expect("right"),
            anchor: Anchor::new(anchor_config(&[OLD]), now, [8; 32]).expect("right"),
            events: Vec::new(),
            changes: Vec::new(),
        };
        world.command(MnCommand::SetCareOf(CARE_OF));
        world.command(MnCommand::Use(FlowKey::new(
            "2001:db8:c:1::/64"
                .parse::<ipnet::Ipv6Net>()
                .expect("a prefix"),
            Session::SessionLasting,
        )));
        assert_eq!(world.bound().len(), 2);
        world
    }

    fn command(&mut self, command: MnCommand) {
        self.node.handle_command(self.now, command);
        self.exchange();
    }

    fn change_key(&mut self, new: (u32, u8)) {
        let key = KeyMaterial::Home(key(new));
        let changed = self.node.change_key(self.now, new.0, ALGORITHM, key);
        changed.expect("a right key");
        self.exchange();
    }

    fn reconfigure(&mut self, associations: &[(u32, u8)]) {
        let ended = self
            .anchor
            .reconfigure(self.now, anchor_config(associations));
        assert_eq!(ended, Ok(Vec::new()), "nothing ends by it");
    }

    /// Packets both ways until nobody has one.
    fn exchange(&mut self) {
        loop {
            let mut busy = false;
            while let Some(action) = self.node.poll_action() {
                busy = true;
                match action {
                    MnAction::Transmit(packet) => self.anchor.handle_packet(self.now, &packet),
                    MnAction::Event(event) => self.events.push(event),
                }
            }
            while let Some(action) = self.anchor.poll_action() {
                busy = true;
                match action {
                    AnchorAction::Transmit(packet) => self.node.handle_packet(self.now, &packet),
                    AnchorAction::Event(event) => self.changes.push(event.change),
                    _ => {}
                }
            }
            if !busy {
                return;
            }
        }
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now.mono_ns + seconds * NANOS_PER_SECOND;
        while let Some(at) = self.node.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.plus_ns(at.saturating_sub(self.now.mono_ns));
            self.node.handle_timeout(self.now);
            self.exchange();
        }
        self.now = self.now.plus_ns(end - self.now.mono_ns);
    }

    /// Home addresses and care-of addresses, as the anchor has them.
    fn bound(&self) -> Vec<(Ipv6Addr, Ipv6Addr)> {
        let bindings = self.anchor.bindings(self.now);
        let mut bound: Vec<_> = bindings
            .map(|binding| (binding.home_address, binding.care_of))
            .collect();
        bound.sort_unstable();
        bound
    }

    /// The SPI that the anchor has heard last.
    fn last_used(&self) -> Option<u32> {
        let associations = self.anchor.security_associations();
        let last = associations.max_by_key(|association| association.heard_ns);
        last.map(|association| association.spi)
    }

    fn lost(&self) -> bool {
        let is_loss =
            |event: &MnEvent| matches!(event, MnEvent::Unbound { .. } | MnEvent::Fallback { .. });
        let is_release = |change: &BindingChange| matches!(change, BindingChange::Released { .. });
        self.events.iter().any(is_loss) || self.changes.iter().any(is_release)
    }
}

#[test]
fn nothing_is_lost_while_the_key_is_changed() {
    let mut world = World::new();
    let before = world.bound();
    world.pass(5);
    world.reconfigure(&[OLD, NEW]);
    assert_eq!(world.last_used(), Some(OLD.0));
    world.change_key(NEW);
    assert_eq!(world.last_used(), Some(NEW.0), "at once");
    assert_eq!(world.bound(), before);
    world.pass(5);
    world.reconfigure(&[NEW]);
    world.command(MnCommand::SetCareOf(CARE_OF_2));
    let moved: Vec<_> = before.iter().map(|(home, _)| (*home, CARE_OF_2)).collect();
    assert_eq!(world.bound(), moved);
    // Through several refreshes.
    world.pass(3_000);
    assert_eq!(world.bound(), moved);
    assert!(!world.lost(), "{:?} {:?}", world.events, world.changes);
    // Nor is the way back another.
    world.reconfigure(&[NEW, OLD]);
    world.change_key(OLD);
    world.reconfigure(&[OLD]);
    world.command(MnCommand::SetCareOf(CARE_OF));
    assert_eq!(world.bound(), before);
    assert!(!world.lost(), "{:?} {:?}", world.events, world.changes);
}

/// The wrong order: the mobile node first. What was granted holds, and the anchor has time to follow.
#[test]
fn an_anchor_that_does_not_know_the_key_yet_loses_nothing() {
    let mut world = World::new();
    let before = world.bound();
    world.change_key(NEW);
    world.pass(300);
    assert_eq!(world.last_used(), Some(OLD.0));
    assert_eq!(world.bound(), before);
    world.reconfigure(&[OLD, NEW]);
    world.pass(35);
    assert_eq!(world.last_used(), Some(NEW.0), "by a retransmission");
    assert_eq!(world.bound(), before);
    assert!(!world.lost(), "{:?} {:?}", world.events, world.changes);
}

/// Without a network there is nobody to tell; the next care-of address is bound by the new key.
#[test]
fn a_key_may_be_changed_where_there_is_no_network() {
    let mut world = World::new();
    world.reconfigure(&[OLD, NEW]);
    world.command(MnCommand::LoseCareOf);
    world.change_key(NEW);
    assert_eq!(world.last_used(), Some(OLD.0));
    world.command(MnCommand::SetCareOf(CARE_OF_2));
    assert_eq!(world.last_used(), Some(NEW.0));
    assert!(world.bound().iter().all(|(_, at)| *at == CARE_OF_2));
}

#[test]
fn a_key_that_cannot_be_used_changes_nothing() {
    let mut world = World::new();
    let now = world.now;
    let short = KeyMaterial::Fixed(Key::new([1; 16]));
    let refused = world.node.change_key(now, NEW.0, ALGORITHM, short);
    let actual = 16;
    let algorithm = ALGORITHM;
    assert_eq!(refused, Err(ConfigError::KeyLength { algorithm, actual }));
    assert_eq!(
        world
            .node
            .change_key(now, 255, ALGORITHM, KeyMaterial::Home(key(NEW))),
        Err(ConfigError::ReservedSpi(255))
    );
    world.command(MnCommand::SetCareOf(CARE_OF_2));
    assert!(world.bound().iter().all(|(_, at)| *at == CARE_OF_2));
    assert_eq!(world.last_used(), Some(OLD.0));
}
