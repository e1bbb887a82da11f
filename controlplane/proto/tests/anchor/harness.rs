//! An anchor, a clock, and a second opinion on its bindings made of the events alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{
    Anchor, AnchorAction, AnchorCommand, AnchorConfig, BindingChange, BindingEvent, DirectoryEntry,
    IdentifierSecret, Kept, NotRestored, PoolConfig, PoolKind, ReconfigureError, UsedNumber,
};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_proto::time::Now;
use dhp_wire::mobility::Lifetime;

use crate::answer::Answer;

/// Addresses of the documentation prefix, by role.
pub const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
pub const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x100);
pub const CARE_OF_2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 0x100);
pub const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x80);
pub const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
pub const HOME_2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x200);
pub const OWN_DHOA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 0, 7);

/// A time of day that is no edge of anything.
pub const START: Now = Now {
    mono_ns: 1_000_000_000,
    ntp: 0xe5a1_b2c0_0000_0000,
};

/// Lifetimes in units of 4 s.
pub const TEN_MINUTES: Lifetime = Lifetime(150);

/// A mobile node: its association, as both sides have it.
#[derive(Clone)]
pub struct Mn {
    pub security: SecurityAssociation,
}

impl Mn {
    pub fn new(number: u8, home_addresses: &[Ipv6Addr]) -> Self {
        let algorithm = if number % 2 == 1 {
            Algorithm::HmacSha1_96
        } else {
            Algorithm::HmacSha256_128
        };
        let permissions = Permissions {
            home_addresses: home_addresses.to_vec(),
            max_dhoas: 4,
            ..Permissions::default()
        };
        Self::with(number, algorithm, permissions)
    }

    pub fn with(number: u8, algorithm: Algorithm, permissions: Permissions) -> Self {
        let key = Key::new(vec![number; algorithm.key_len()]);
        let id = MnId::nai(&format!("mn{number}@example.net"));
        let spi = 255 + u32::from(number);
        Self {
            security: SecurityAssociation::new(spi, id, key, algorithm, permissions).unwrap(),
        }
    }
}

/// First mobile node: owns a home address and a DHoA.
pub fn mn1() -> Mn {
    Mn::new(1, &[HOME, OWN_DHOA])
}

/// Second mobile node: owns another home address.
pub fn mn2() -> Mn {
    Mn::new(2, &[HOME_2])
}

pub fn config() -> AnchorConfig {
    AnchorConfig {
        pools: vec![
            PoolConfig::new("2001:db8:d:1::/64".parse().unwrap(), PoolKind::Dhoa),
            PoolConfig::new("2001:db8:1:1::/64".parse().unwrap(), PoolKind::Home),
        ],
        coverage: vec!["2001:db8:c::/48".parse().unwrap()],
        directory: vec![DirectoryEntry {
            dhp: "2001:db8:e::1".parse().unwrap(),
            prefix: "2001:db8::/32".parse().unwrap(),
            preference: 100,
            load: 40,
            path_rtt_us: 0,
        }],
        security_associations: vec![mn1().security, mn2().security],
        epoch: 9,
        ..AnchorConfig::new(ANCHOR)
    }
}

pub struct World {
    pub anchor: Anchor,
    pub now: Now,
    /// Every event so far.
    pub events: Vec<BindingEvent>,
    /// Every number that was to be kept.
    pub kept: Vec<UsedNumber>,
    bound: BTreeMap<Ipv6Addr, (String, Ipv6Addr)>,
    /// Every home address that was ever bound.
    known: BTreeSet<Ipv6Addr>,
}

impl World {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: AnchorConfig) -> Self {
        let anchor = Anchor::new(config, START, [7; 32]).unwrap();
        Self {
            anchor,
            now: START,
            events: Vec::new(),
            kept: Vec::new(),
            bound: BTreeMap::new(),
            known: BTreeSet::new(),
        }
    }

    /// Another start, after having been down for a while: what was to be kept is there again. With the addresses whose bindings
    /// are not.
    pub fn restart(
        &self,
        config: AnchorConfig,
        down: Duration,
    ) -> (Self, Vec<(Ipv6Addr, NotRestored)>) {
        let up = self.now.plus_ns(down.as_nanos() as u64);
        // The machine has started anew too.
        self.restart_at(
            config,
            Now {
                mono_ns: START.mono_ns,
                ..up
            },
            false,
        )
    }

    /// The same by any clock; `unclean`: the last changes may be missing.
    pub fn restart_at(
        &self,
        config: AnchorConfig,
        now: Now,
        unclean: bool,
    ) -> (Self, Vec<(Ipv6Addr, NotRestored)>) {
        let mut world = Self {
            anchor: Anchor::new(config, now, [8; 32]).unwrap(),
            now,
            events: Vec::new(),
            kept: Vec::new(),
            bound: BTreeMap::new(),
            known: BTreeSet::new(),
        };
        world.anchor.restore_secret(IdentifierSecret::new([9; 32]));
        if unclean {
            world.anchor.distrust_ends(now);
        }
        for number in &self.kept {
            world.anchor.restore_number(*number);
        }
        let mut owners = world.anchor.owners();
        let mut not_restored = Vec::new();
        for home_address in self.known.iter().copied() {
            match self.anchor.kept(self.now, home_address) {
                Kept::Bound(kept) => {
                    let restored = world.anchor.restore_binding(now, &mut owners, kept);
                    not_restored.extend(restored.err().map(|reason| (home_address, reason)));
                }
                Kept::Quarantined(kept) => {
                    world.anchor.restore_quarantine(now, &mut owners, &kept);
                }
                Kept::Free { .. } => {}
            }
        }
        world.known.clone_from(&self.known);
        assert_eq!(world.collect(), Vec::<Vec<u8>>::new());
        (world, not_restored)
    }

    /// Feeds a packet; gives the packets that came out.
    pub fn feed(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.anchor.handle_packet(self.now, packet);
        self.collect()
    }

    /// Feeds a packet that has to get one answer, which must be a sound message.
    pub fn ask(&mut self, packet: &[u8]) -> Answer {
        let packets = self.feed(packet);
        assert_eq!(packets.len(), 1, "one answer");
        Answer::read(&packets[0])
    }

    /// Feeds a packet that must get no answer and change nothing.
    pub fn ignored(&mut self, packet: &[u8]) {
        let events = self.events.len();
        assert_eq!(self.feed(packet), Vec::<Vec<u8>>::new());
        assert_eq!(self.events.len(), events, "no event");
    }

    pub fn command(&mut self, command: AnchorCommand) {
        self.anchor.handle_command(self.now, command);
        assert_eq!(self.collect(), Vec::<Vec<u8>>::new());
    }

    /// Another configuration, by which these bindings must end.
    pub fn reconfigure(&mut self, config: AnchorConfig) -> Result<Vec<Ipv6Addr>, ReconfigureError> {
        let events = self.events.len();
        let ended = self.anchor.reconfigure(self.now, config);
        assert_eq!(self.collect(), Vec::<Vec<u8>>::new());
        let released: Vec<Ipv6Addr> = self.events[events..]
            .iter()
            .map(|event| match event.change {
                BindingChange::Released { home_address, .. } => home_address,
                _ => panic!("nothing is bound by a configuration"),
            })
            .collect();
        assert_eq!(released, ended.clone().unwrap_or_default());
        ended
    }

    /// Lets time pass, waking the anchor as it asks to be.
    pub fn wait(&mut self, duration: Duration) {
        let end = self.now.plus_ns(duration.as_nanos() as u64);
        while let Some(at) = self.anchor.poll_timeout().filter(|at| *at <= end.mono_ns) {
            self.now = self.now.plus_ns(at.saturating_sub(self.now.mono_ns));
            self.anchor.handle_timeout(self.now);
            self.collect();
            assert!(
                self.anchor.poll_timeout().is_none_or(|next| next > at),
                "the wake-up did something"
            );
        }
        self.now = end;
        self.anchor.handle_timeout(self.now);
        assert_eq!(self.collect(), Vec::<Vec<u8>>::new());
    }

    /// The care-of address of a home address, as the events tell it.
    pub fn care_of(&self, home_address: Ipv6Addr) -> Option<Ipv6Addr> {
        self.bound.get(&home_address).map(|(_, care_of)| *care_of)
    }

    /// The home addresses that a mobile node has bound.
    pub fn held_by(&self, mn: &Mn) -> Vec<Ipv6Addr> {
        let id = mn.security.mn_id().to_string();
        self.bound
            .iter()
            .filter(|(_, (owner, _))| *owner == id)
            .map(|(home, _)| *home)
            .collect()
    }

    pub fn bound_count(&self) -> usize {
        self.bound.len()
    }

    /// What the last event says.
    pub fn last_change(&self) -> &BindingChange {
        &self.events.last().expect("an event").change
    }

    pub fn collect(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while let Some(action) = self.anchor.poll_action() {
            match action {
                AnchorAction::Transmit(packet) => packets.push(packet),
                AnchorAction::Event(event) => {
                    assert!(
                        packets.is_empty(),
                        "what an acknowledgement reports comes before it"
                    );
                    self.apply(event);
                }
                AnchorAction::KeepNumber(number) => {
                    assert!(packets.is_empty(), "a number is kept before it is answered");
                    self.kept.push(number);
                }
                AnchorAction::KeepAssignment { home_address } => {
                    assert!(packets.is_empty(), "an assignment is kept first");
                    assert!(self.bound.contains_key(&home_address));
                }
                other => panic!("neither home links nor correspondents here: {other:?}"),
            }
        }
        self.check();
        packets
    }

    fn apply(&mut self, event: BindingEvent) {
        assert_eq!(event.epoch, 9);
        assert_eq!(
            event.number,
            self.events.last().map_or(1, |last| last.number + 1)
        );
        match &event.change {
            BindingChange::Bound {
                home_address,
                mn,
                care_of,
                previous,
                expires_ns,
                ..
            } => {
                assert!(event.pool.contains(home_address));
                self.known.insert(*home_address);
                assert!(expires_ns.is_none_or(|at| at > self.now.mono_ns));
                let before = self.bound.insert(*home_address, (mn.to_string(), *care_of));
                if let Some((owner, from)) = before {
                    assert_eq!(owner, mn.to_string(), "a bound address keeps its owner");
                    assert_eq!(*previous, (from != *care_of).then_some(from));
                } else {
                    assert_eq!(*previous, None);
                }
            }
            BindingChange::Steered { home_address, .. }
            | BindingChange::CareOfMoved { home_address, .. } => {
                assert!(
                    self.bound.contains_key(home_address),
                    "{home_address} is bound"
                );
            }
            BindingChange::Released { home_address, .. } => {
                assert!(
                    self.bound.remove(home_address).is_some(),
                    "{home_address} was bound"
                );
            }
        }
        self.events.push(event);
    }

    /// The events reconstruct exactly the set of bindings; pools count what is in them.
    fn check(&self) {
        let held: BTreeMap<_, _> = self
            .anchor
            .bindings(self.now)
            .map(|binding| {
                (
                    binding.home_address,
                    (binding.mn.to_string(), binding.care_of),
                )
            })
            .collect();
        assert_eq!(held, self.bound);
        let used: usize = self.anchor.pools().map(|pool| pool.used).sum();
        assert_eq!(used, self.bound.len());
    }
}
