//! What a mobile node has to know again after a restart.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::MobileNode;
use super::candidate::Candidate;
use super::flow::Stage;
use super::need::FlowKey;
use super::registration::{Grant, HomeRegistration};

/// Sequence numbers that are written ahead: so many may be used between two writes, and none is used twice even if the process ends
/// before the second. At 13 messages a second to one anchor, which is the most that may be sent, they last for 5 seconds.
pub const RESERVED_NUMBERS: u16 = 64;

/// The state that is to outlive the process. Times are on the engine's monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The registration at the home agent.
    pub home: Option<KeptHome>,
    /// The home address that was configured, where renumbering has made another one of it.
    pub renumbered_from: Option<Ipv6Addr>,
    /// The home addresses before the present one.
    pub former_homes: Vec<KeptFormerHome>,
    /// The home agents that the home link has named, best first.
    pub home_agents: Vec<Ipv6Addr>,
    /// The DHPs that have been asked for DHoAs.
    pub anchors: Vec<KeptAnchor>,
    /// Flows that have their DHoAs.
    pub flows: Vec<KeptFlow>,
    /// DHPs that queries have named.
    pub candidates: Vec<KeptCandidate>,
}

/// A home agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptHome {
    /// Its address.
    pub agent: Ipv6Addr,
    /// Every Sequence # used so far is at most this one (modulo 2^16).
    pub sequence: u16,
    /// The home address.
    pub address: Ipv6Addr,
    /// Its binding, if there is one.
    pub binding: Option<KeptBinding>,
    /// Whether there is none since the node is at home.
    pub at_home: bool,
}

/// A home address before the present one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFormerHome {
    /// Its registration.
    pub home: KeptHome,
    /// When its prefix ends; `None`: never, as far as is known.
    pub ends_ns: Option<u64>,
}

/// A binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptBinding {
    /// The care-of address that the anchor has confirmed last.
    pub care_of: Option<Ipv6Addr>,
    /// When it ends; `None`: never.
    pub expires_ns: Option<u64>,
}

/// A DHP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnchor {
    /// Its address.
    pub address: Ipv6Addr,
    /// As in [`KeptHome`].
    pub sequence: u16,
    /// The DHoAs it has assigned.
    pub dhoas: Vec<(Ipv6Addr, KeptBinding)>,
    /// DHoAs that are being given back.
    pub releasing: Vec<Ipv6Addr>,
    /// Whether an answer of it has verified.
    pub verified: bool,
    /// The correspondents that it has last given an address for.
    pub serves: Option<Ipv6Net>,
    /// The last round trip to it; it only orders those that may be asked.
    pub round_trip_ns: Option<u64>,
}

/// A flow that has a DHoA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptFlow {
    /// Which one.
    pub key: FlowKey,
    /// Whether it ends when nobody asks for it.
    pub on_demand: bool,
    /// The correspondents that its anchor serves.
    pub serves: Ipv6Net,
    /// The anchor.
    pub anchor: Ipv6Addr,
    /// The DHoA.
    pub address: Ipv6Addr,
}

/// A DHP near a correspondent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptCandidate {
    /// For these correspondents.
    pub correspondent: Ipv6Net,
    /// What was said of it; round trips belong to a place and are not kept.
    pub candidate: Candidate,
    /// Whether the DHP has said so itself.
    pub is_own_word: bool,
    /// Until when that is believed.
    pub expires_ns: u64,
}

impl Kept {
    /// What is left of it when all addresses are given back: numbers that are used up, and what is known of DHPs.
    #[must_use]
    pub fn without_bindings(mut self) -> Self {
        if let Some(home) = &mut self.home {
            home.binding = None;
        }
        self.former_homes.clear();
        for anchor in &mut self.anchors {
            anchor.dhoas.clear();
            anchor.releasing.clear();
        }
        self.flows.clear();
        self
    }

    /// Whether this state has to be written where `written` was written last: anything but sequence numbers is different, or half of
    /// the numbers written ahead are used.
    #[must_use]
    pub fn outdates(&self, written: &Self) -> bool {
        let runs_out = |now: u16, then: u16| now.wrapping_sub(then) >= RESERVED_NUMBERS / 2;
        let registration = |now: &KeptHome, then: &KeptHome| {
            let known = |home: &KeptHome| (home.agent, home.address, home.binding, home.at_home);
            known(now) != known(then) || runs_out(now.sequence, then.sequence)
        };
        let home = match (&self.home, &written.home) {
            (Some(now), Some(then)) => registration(now, then),
            (now, then) => now.is_some() != then.is_some(),
        };
        let former = |now: &KeptFormerHome, then: &KeptFormerHome| {
            registration(&now.home, &then.home) || now.ends_ns != then.ends_ns
        };
        let home = home
            || self.renumbered_from != written.renumbered_from
            || self.home_agents != written.home_agents
            || self.former_homes.len() != written.former_homes.len()
            || self
                .former_homes
                .iter()
                .zip(&written.former_homes)
                .any(|(now, then)| former(now, then));
        let anchor = |now: &KeptAnchor, then: &KeptAnchor| {
            now.address != then.address
                || now.dhoas != then.dhoas
                || now.releasing != then.releasing
                || (now.verified, now.serves) != (then.verified, then.serves)
                || runs_out(now.sequence, then.sequence)
        };
        home || self.anchors.len() != written.anchors.len()
            || self
                .anchors
                .iter()
                .zip(&written.anchors)
                .any(|(now, then)| anchor(now, then))
            || self.flows != written.flows
            || self.candidates != written.candidates
    }
}

impl MobileNode {
    /// What has to be known again after a restart.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let configured = self.config.home.map(|home| home.address);
        let renumbered = configured.filter(|address| Some(*address) != self.home_address());
        let anchors = self.anchors.iter().map(|(address, anchor)| KeptAnchor {
            address: *address,
            sequence: anchor.last_sequence().wrapping_add(RESERVED_NUMBERS),
            dhoas: anchor
                .dhoas
                .iter()
                .map(|dhoa| (dhoa.address, kept_binding(&dhoa.grant)))
                .collect(),
            releasing: anchor.releasing.clone(),
            verified: anchor.verified,
            serves: anchor.serves,
            round_trip_ns: anchor.round_trip_ns,
        });
        let flows = self.flows.iter().filter_map(|(key, flow)| {
            let Stage::Ready { anchor, address } = flow.stage else {
                return None;
            };
            let at_dhp = self.anchors.contains_key(&anchor);
            at_dhp.then_some(KeptFlow {
                key: *key,
                on_demand: flow.demanded_ns.is_some(),
                serves: flow.serves,
                anchor,
                address,
            })
        });
        Kept {
            home: self.home.as_ref().map(kept_home),
            renumbered_from: renumbered,
            former_homes: self.kept_former_homes().collect(),
            home_agents: self
                .discovery
                .as_ref()
                .map_or_else(Vec::new, |discovery| discovery.known().to_vec()),
            anchors: anchors.collect(),
            flows: flows.collect(),
            candidates: self.candidates.kept().collect(),
        }
    }
}

/// A registration, with its numbers written ahead.
pub(super) fn kept_home(home: &HomeRegistration) -> KeptHome {
    KeptHome {
        agent: home.agent,
        sequence: home.last_sequence().wrapping_add(RESERVED_NUMBERS),
        address: home.address,
        binding: home.grant.as_ref().map(kept_binding),
        at_home: home.back.is_some(),
    }
}

fn kept_binding(grant: &Grant) -> KeptBinding {
    KeptBinding {
        care_of: grant.confirmed,
        expires_ns: grant.expires_ns,
    }
}
