//! An anchor and its time.

use std::time::Duration;

use dhp_proto::anchor::{
    Anchor, AnchorAction, AnchorConfig, DirectoryEntry, HeartbeatConfig, Limits, LinkAction,
    LinkId, PoolConfig, PoolKind, PrefixAdvertisements, PrefixDelivery, PrefixLifetimes, Roles,
    SignallingDrop, UsedNumber,
};
use dhp_proto::time::Now;
use dhp_wire::mobility::Lifetime;

use crate::address;
use crate::cookies::Cookies;
use crate::mobile_node::{association, association_with};
use crate::return_routability::Tokens;
use crate::script::Link;
use crate::words::Words;

/// The real home link.
pub const HOME_LINK: LinkId = LinkId(7);

/// A time of day that is no edge of anything.
const START: Now = Now {
    mono_ns: 1_000_000_000,
    ntp: 0xe5a1_b2c0_0000_0000,
};

pub struct World {
    pub anchor: Anchor,
    pub now: Now,
    pub tokens: Tokens,
    pub cookies: Cookies,
    /// How it was configured.
    given: Words,
    link: Link,
    /// The numbers that it had kept.
    kept: Vec<UsedNumber>,
    /// Drops of each reason before the last input.
    dropped: Vec<u64>,
}

impl World {
    /// `given`: `roles=` letters of d(hp), h(ome agent), l(ocator); `max-home=`, `max-split=`, `max-care-ofs=`, `max-flows=`,
    /// `errors=` a second; `max-life=` in 4 s units;
    /// `valid=` and `preferred=` seconds of the home prefix; `refresh-advice=` in 4 s units, `refresh-request=` in seconds;
    /// `second-prefix` on the same link, with TWIN and TWIN2 for mobile node 1;
    /// `directory=` an address that covers 2001:db8::/32, with load 40; `optimize`: route optimization is permitted;
    /// `cookies-above=` queries and requests a second; `care-of-test`: new care-of addresses are tested;
    /// `numbers-lost`; `unauthenticated`; `correspondent` (for 2001:db8:cc::/64 too), `max-correspondents=`;
    /// `peer=` and `restarts=` of heartbeats; `preference=` as a home agent; `advertise=off` or `solicited`,
    /// `max-interval=` and `min-interval=` of Mobile Prefix Advertisements in seconds.
    pub fn new(given: &Words, link: Link) -> Self {
        let mut world = Self {
            anchor: Anchor::new(configuration(given, link), START, [7; 32]).unwrap(),
            now: START,
            tokens: Tokens::default(),
            cookies: Cookies::default(),
            given: given.clone(),
            link,
            kept: Vec::new(),
            dropped: Vec::new(),
        };
        world.remember_drops();
        world
    }

    /// Another configuration: `changes` are settings as above.
    pub fn reload(&mut self, changes: &Words) {
        self.given = changes.before(&self.given);
        let config = configuration(&self.given, self.link);
        self.anchor.reconfigure(self.now, config).unwrap();
    }

    /// What a mobile node learns from what the anchor sends.
    pub fn learn(&mut self, actions: &[AnchorAction]) {
        self.tokens.learn(actions);
        self.cookies.learn(actions);
    }

    /// Has later questions about drops mean those from here on.
    pub fn remember_drops(&mut self) {
        let counters = self.anchor.counters();
        let counts = SignallingDrop::ALL
            .iter()
            .map(|reason| counters.dropped(*reason));
        self.dropped = counts.collect();
    }

    /// The reasons of drops since then.
    pub fn drops(&self) -> Vec<&'static str> {
        let counters = self.anchor.counters();
        let now = SignallingDrop::ALL
            .iter()
            .map(|reason| (reason, counters.dropped(*reason)));
        now.zip(&self.dropped)
            .filter(|((_, count), before)| count > before)
            .map(|((reason, _), _)| reason.name())
            .collect()
    }

    /// What the anchor wants done; the numbers that it wants kept are.
    pub fn take_actions(&mut self) -> Vec<AnchorAction> {
        let actions: Vec<_> = std::iter::from_fn(|| self.anchor.poll_action()).collect();
        let kept = actions.iter().filter_map(|action| match action {
            AnchorAction::KeepNumber(number) => Some(*number),
            _ => None,
        });
        self.kept.extend(kept);
        actions
    }

    /// Another start of the anchor, which has lost everything but the numbers that were kept.
    pub fn restart(&mut self) {
        let mut fresh = Self::new(&self.given, self.link);
        for number in &self.kept {
            fresh.anchor.restore_number(*number);
        }
        fresh.kept = std::mem::take(&mut self.kept);
        fresh.wait((self.now.mono_ns - fresh.now.mono_ns) as f64 / 1e9);
        *self = fresh;
        self.remember_drops();
    }

    /// Lets time pass, waking the anchor as it asks to be.
    pub fn wait(&mut self, seconds: f64) -> Vec<AnchorAction> {
        let end = self.now.plus_ns((seconds * 1e9) as u64);
        let mut actions = Vec::new();
        while let Some(at) = self.anchor.poll_timeout().filter(|at| *at <= end.mono_ns) {
            self.now = self.now.plus_ns(at.saturating_sub(self.now.mono_ns));
            self.anchor.handle_timeout(self.now);
            actions.extend(self.take_actions());
        }
        self.now = end;
        self.anchor.handle_timeout(self.now);
        actions.extend(self.take_actions());
        actions
    }
}

/// The configuration that settings describe.
fn configuration(given: &Words, link: Link) -> AnchorConfig {
    let seconds = |key| given.number(key).map(Duration::from_secs);
    let home = PoolConfig {
        link: (link == Link::Real).then_some(HOME_LINK),
        lifetimes: PrefixLifetimes {
            valid: seconds("valid"),
            preferred: seconds("preferred"),
        },
        ..PoolConfig::new("2001:db8:1:1::/64".parse().unwrap(), PoolKind::Home)
    };
    // Mobile nodes can have an address with the same interface identifier there.
    let second = PoolConfig {
        link: home.link,
        ..PoolConfig::new("2001:db8:1:2::/64".parse().unwrap(), PoolKind::Home)
    };
    let second = given.has("second-prefix").then_some(second);
    let twins: &[&str] = match second {
        Some(_) => &["TWIN", "TWIN2"],
        None => &[],
    };
    let dhoas = PoolConfig::new("2001:db8:d:1::/64".parse().unwrap(), PoolKind::Dhoa);
    let plain = AnchorConfig::new(address::read("ANCHOR"));
    let roles = given.get("roles").map_or(plain.roles, |letters| Roles {
        dhp: letters.contains('d'),
        home_agent: letters.contains('h'),
        locator: letters.contains('l'),
    });
    AnchorConfig {
        roles,
        pools: [dhoas, home].into_iter().chain(second).collect(),
        coverage: vec!["2001:db8:c0::/48".parse().unwrap()],
        directory: given
            .address("directory")
            .map(|dhp| DirectoryEntry {
                dhp,
                prefix: "2001:db8::/32".parse().unwrap(),
                preference: 100,
                load: 40,
                path_rtt_us: 0,
            })
            .into_iter()
            .collect(),
        care_of_test: given.has("care-of-test"),
        cookies_above: given.number_or("cookies-above", 10_000) as u32,
        route_optimization: given.has("optimize"),
        security_associations: vec![association_with(1, twins), association(2)],
        limits: Limits {
            max_home_addresses: given.number_or("max-home", 1000) as usize,
            max_split_bindings: given.number_or("max-split", 1000) as usize,
            max_care_of_addresses: given.number_or("max-care-ofs", 8) as usize,
            max_flow_bindings: given.number_or("max-flows", 32) as usize,
            max_flow_rules: 32,
            max_correspondents: given.number_or("max-correspondents", 1000) as usize,
            errors_per_second: given.number_or("errors", 1000) as u32,
        },
        max_lifetime: Lifetime(given.number_or("max-life", 900) as u16),
        refresh_advice: given
            .number("refresh-advice")
            .map(|units| Lifetime(units as u16)),
        refresh_request: seconds("refresh-request"),
        home_agent_preference: given.number_or("preference", 0) as u16,
        prefix_advertisements: PrefixAdvertisements {
            delivery: match given.get("advertise") {
                Some("off") => PrefixDelivery::Off,
                Some("solicited") => PrefixDelivery::Solicited,
                _ => PrefixDelivery::On,
            },
            max_interval: seconds("max-interval").unwrap_or(Duration::from_secs(86_400)),
            min_interval: seconds("min-interval").unwrap_or(Duration::from_secs(600)),
        },
        heartbeat: HeartbeatConfig {
            peers: given.address("peer").into_iter().collect(),
            restart_counter: given.number_or("restarts", 0) as u32,
            ..HeartbeatConfig::default()
        },
        allow_unauthenticated: given.has("unauthenticated"),
        is_correspondent: given.has("correspondent"),
        correspondents_behind: given
            .has("correspondent")
            .then(|| "2001:db8:cc::/64".parse().unwrap())
            .into_iter()
            .collect(),
        home_sequence_state_lost: given.has("numbers-lost"),
        ..plain
    }
}

/// Whether the anchor asks the home link for duplicates.
pub fn is_probe(action: &AnchorAction) -> bool {
    matches!(
        action,
        AnchorAction::OnLink {
            action: LinkAction::Probe { .. },
            ..
        }
    )
}
