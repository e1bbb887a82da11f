//! Flows get their anchors: when a conversation is seen to begin, and when a name is resolved.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::mobile_node::policy::{Contact, Policy, Rule, Treatment};
use dhp_proto::mobile_node::{FlowKey, FlowProgress, MnCommand, Need, Session};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Agent;
use super::sockets::Sockets;
use crate::api::Answer;
use crate::data_path::Sighting;
use crate::dns::{PREPARED_ADDRESSES, Resolved};
use crate::exec::{LEASE, PREFERS_CARE_OF, PREFERS_HOME, SessionType};

/// How often it is looked which conversations go on and which addresses programs have, at the longest.
const LOOK: Duration = Duration::from_secs(60);
/// Names keep an address so long at least: programs do, whatever the resolver says.
const NAME_AT_LEAST: Duration = Duration::from_secs(300);
/// And so long at most.
const NAME_AT_MOST: Duration = Duration::from_secs(24 * 3600);
/// Answers that wait for anchors at once.
const MAX_PREPARING: usize = 128;

/// A resolved name that waits until its addresses have anchors.
#[derive(Debug)]
pub(super) struct Preparing {
    wanted: BTreeSet<(Ipv6Addr, Need)>,
    prepared: oneshot::Sender<()>,
}

/// What a rule wants of a DHP.
pub(super) fn lasting(rule: &Rule) -> Option<Need> {
    match rule.treatment {
        Treatment::Anchored(need) if need.session != Session::Fixed => Some(need),
        _ => None,
    }
}

/// What the policy wants at start, each flow once.
pub(super) fn prepared_flows(policy: &Policy) -> BTreeSet<FlowKey> {
    let rules = policy.rules.iter();
    rules
        .filter_map(|rule| match rule.treatment {
            Treatment::Anchored(need)
                if rule.selector.name.is_none()
                    && (rule.prepare || need.session == Session::Fixed) =>
            {
                Some(FlowKey::new(rule.selector.prefix, need))
            }
            _ => None,
        })
        .collect()
}

impl Agent {
    /// Tells the engine what the policy wants at start.
    pub(super) fn use_prepared(&mut self) {
        for flow in prepared_flows(&self.config.policy) {
            self.engine
                .handle_command(self.clock.now(), MnCommand::Use(flow));
        }
    }

    /// A conversation begins, or goes on.
    pub(super) async fn take_sighting(&mut self, sighting: Sighting) {
        let conversation = sighting.conversation;
        let contact = Contact {
            dscp: Some(sighting.dscp),
            ..Contact::new(conversation.remote)
                .to_port(conversation.protocol, conversation.remote_port)
        };
        self.optimize(&conversation, &contact).await;
        // "CN-initiated flows arrive on the HoA … and stay on MIPv6" (profile 1, section 2, step 2).
        if !sighting.began_here {
            return;
        }
        let judged = self.config.policy.judge(&contact, &self.names);
        let need = match judged.map(|(_, rule)| (rule, lasting(rule))) {
            Some((rule, Some(need))) => (!rule.prepare).then_some(need),
            // The packet does not tell the mark of its socket. But who else comes here with such a source?
            _ => self.marked_need(&contact, &conversation.local),
        };
        if let Some(need) = need {
            self.demand(conversation.remote, need);
            self.follow_engine().await;
        }
    }

    /// What sockets get that prefer a kind of source address, by their marks (profile 1, section 2, step 1: "RFC 6724/5014/8653 socket
    /// preferences win over policy"). Without a home agent the home addresses are those of DHPs.
    pub(super) fn preference_rules(&self) -> impl Iterator<Item = (u32, Rule)> {
        let home = match self.config.engine.home {
            Some(_) => SessionType::Fixed,
            None => SessionType::SessionLasting,
        };
        let rules = [
            (PREFERS_CARE_OF, SessionType::NonPersistent.rule()),
            (PREFERS_HOME, home.rule()),
        ];
        let followed = self.config.socket_preferences;
        rules.into_iter().filter(move |_| followed)
    }

    /// What sockets that are marked need of DHPs, while their sources are those of flows without.
    fn marked_need(&self, contact: &Contact, source: &Ipv6Addr) -> Option<Need> {
        let home = self.engine.present_home().map(|home| home.address);
        let care_of = self.access.current().map(|care_of| care_of.address);
        let without_dhp = home == Some(*source) || care_of == Some(*source);
        let preferred = self.preference_rules().map(|(_, rule)| rule);
        let leased = self.leases.keys().map(|session| session.rule());
        let leased = leased.chain(preferred);
        let programs = self.config.policy.rules.iter().filter(|rule| {
            rule.selector.program.is_some() && !rule.prepare && rule.selector.may_take(contact)
        });
        let mut marked = leased.chain(programs.cloned()).filter(|_| without_dhp);
        marked.find_map(|rule| lasting(&rule))
    }

    /// Programs mark their sockets with a session type for a while.
    pub(super) async fn lease(&mut self, session: SessionType) -> Answer {
        if session == SessionType::Fixed && self.config.engine.home.is_none() {
            return Answer::Refused("a fixed session needs a home agent".to_owned());
        }
        let until = Instant::now() + LEASE;
        if self.leases.insert(session, until).is_none() {
            self.watch();
            self.apply_plan().await;
        }
        Answer::Done
    }

    /// Has conversations told where something depends on them.
    pub(super) fn watch(&self) {
        let is_on_demand = |rule: &Rule| !rule.prepare && lasting(rule).is_some();
        let on_demand = self.config.policy.rules.iter().any(is_on_demand);
        let mut preferred = self.preference_rules();
        let leased = !self.leases.is_empty() || preferred.any(|(_, rule)| lasting(&rule).is_some());
        self.data.watch(on_demand || leased || self.may_optimize());
    }

    fn demand(&mut self, correspondent: Ipv6Addr, need: Need) {
        let command = MnCommand::Demand {
            correspondent,
            need,
        };
        self.engine.handle_command(self.clock.now(), command);
    }

    /// Somebody asks for a name's addresses: those that it had last time are prepared while the question is answered.
    pub(super) async fn expect_name(&mut self, name: &str) {
        let expires_ns = {
            let kept = u64::try_from(NAME_AT_LEAST.as_nanos()).unwrap_or(u64::MAX);
            self.clock.now().mono_ns.saturating_add(kept)
        };
        let policy = &self.config.policy;
        let mut wanted = BTreeSet::new();
        for address in self.known_names.addresses(name) {
            policy.learn_name(&mut self.names, name, *address, expires_ns);
            for (_, rule) in policy.possible(address, &self.names) {
                let need = lasting(rule).filter(|_| !rule.prepare);
                wanted.extend(need.map(|need| (*address, need)));
            }
        }
        for (address, need) in wanted {
            self.demand(address, need);
        }
        self.follow_engine().await;
    }

    /// A name has addresses: those that the policy gives to DHPs are prepared.
    pub(super) async fn take_name(&mut self, resolved: Resolved) {
        let now_ns = self.clock.now().mono_ns;
        let mut wanted = BTreeSet::new();
        for (address, ttl) in resolved.addresses.iter().take(PREPARED_ADDRESSES) {
            let kept = (*ttl).clamp(NAME_AT_LEAST, NAME_AT_MOST);
            let kept_ns = u64::try_from(kept.as_nanos()).unwrap_or(u64::MAX);
            let policy = &self.config.policy;
            let expires_ns = now_ns.saturating_add(kept_ns);
            policy.learn_name(&mut self.names, &resolved.name, *address, expires_ns);
            for (_, rule) in policy.possible(address, &self.names) {
                wanted.extend(lasting(rule).map(|need| (*address, need, rule.prepare)));
            }
        }
        let prepared = resolved.addresses.iter().take(PREPARED_ADDRESSES);
        let prepared = prepared.map(|(address, _)| *address).collect();
        self.known_names.learn(&resolved.name, prepared);
        for (address, need, _) in wanted.iter().filter(|(_, _, prepared)| !prepared) {
            self.demand(*address, *need);
        }
        if self.preparing.len() < MAX_PREPARING {
            self.preparing.push(Preparing {
                wanted: wanted
                    .into_iter()
                    .map(|(address, need, _)| (address, need))
                    .collect(),
                prepared: resolved.prepared,
            });
        }
        self.tell_of_rules();
        self.apply_plan().await;
        self.follow_engine().await;
    }

    /// Tells those who wait for anchors that nothing more will come of it, where that is so.
    pub(super) fn tell_prepared(&mut self) {
        self.preparing.retain(|one| !one.prepared.is_closed());
        if self.preparing.is_empty() {
            return;
        }
        let searching: Vec<_> = self
            .engine
            .status()
            .flows
            .into_iter()
            .filter(|flow| {
                matches!(
                    flow.progress,
                    FlowProgress::Querying | FlowProgress::Requesting(_)
                )
            })
            .map(|flow| flow.key)
            .collect();
        let is_settled = |address: &Ipv6Addr, need: &Need| {
            !searching
                .iter()
                .any(|key| key.need == *need && key.correspondent.contains(address))
        };
        let waiting = std::mem::take(&mut self.preparing);
        for one in waiting {
            if one
                .wanted
                .iter()
                .all(|(address, need)| is_settled(address, need))
            {
                // The program that has asked may have gone.
                let _ = one.prepared.send(());
            } else {
                self.preparing.push(one);
            }
        }
    }

    /// When it is to be looked again what goes on.
    pub(super) fn look_interval(&self) -> Duration {
        LOOK.min(Duration::from_nanos(self.config.engine.idle_ns / 3))
    }

    /// Looks which conversations go on and which home addresses programs have, so that what is in use is kept.
    pub(super) async fn look_around(&mut self) {
        if self.next_look > Instant::now() {
            return;
        }
        self.next_look = Instant::now() + self.look_interval();
        self.marking.refresh();
        self.data.look_again();
        let active = MnCommand::Active(self.data.take_active());
        self.engine.handle_command(self.clock.now(), active);
        for address in Sockets::now().addresses() {
            if self.bindings.contains_key(&address) {
                self.engine
                    .handle_command(self.clock.now(), MnCommand::InUse(address));
            }
        }
        let before = self.leases.len();
        self.leases.retain(|_, until| *until > Instant::now());
        self.watch();
        self.tell_of_rules();
        self.prefetch();
        if self.names.expire(self.clock.now().mono_ns) || self.leases.len() < before {
            self.apply_plan().await;
        }
        self.follow_engine().await;
    }
}
