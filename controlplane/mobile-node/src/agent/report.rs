//! The agent's state for `dhp-mn status`.

use std::net::Ipv6Addr;

use dhp_proto::mobile_node::policy::{Program, Rule, Selector, Treatment};
use dhp_proto::mobile_node::{Candidate, FlowKey, FlowProgress, Session, Status as EngineStatus};
use dhp_wire::codepoints::next_header;
use ipnet::Ipv6Net;

use super::Agent;
use super::accesses::{choice_reason, judged};
use super::choosing::lasting;
use super::engine_events::kind_name;
use super::sockets::Sockets;
use crate::plan::Way;
use crate::status::{
    AnchorStatus, AtHomeStatus, BindingStatus, CandidateStatus, CorrespondentStatus, FlowStatus,
    FormerHomeStatus, HomeStatus, InterfaceStatus, Status,
};

impl Agent {
    /// The present state.
    pub(super) fn status(&self) -> Status {
        let engine = self.engine.status();
        let now_ns = self.clock.now().mono_ns;
        let seconds_left = |expires_ns: u64| expires_ns.saturating_sub(now_ns) / 1_000_000_000;
        let sockets = Sockets::now();
        let anchors = engine.anchors.iter().map(|anchor| AnchorStatus {
            address: anchor.address,
            kind: kind_name(anchor.kind).to_owned(),
            rtt_ns: anchor.round_trip_ns,
            pending: anchor.pending,
            silent: anchor.silent,
            traffic: self.data.traffic(&anchor.address),
            bindings: anchor
                .bindings
                .iter()
                .map(|binding| BindingStatus {
                    home_address: binding.home_address,
                    care_of: binding.care_of,
                    seconds_left: binding.expires_ns.map(seconds_left),
                    sessions: sockets.sessions(&binding.home_address).count(),
                })
                .collect(),
        });
        let rules = self.config.policy.rules.iter().enumerate();
        let flows = rules.map(|(place, rule)| {
            let choice = engine.choices.get(place);
            let progress = engine.flows.iter().find(|flow| {
                let Treatment::Anchored(need) = rule.treatment else {
                    return false;
                };
                flow.key == FlowKey::new(rule.selector.prefix, need)
            });
            FlowStatus {
                prefix: rule.selector.prefix,
                about: about(&rule.selector),
                session: session_name(rule.treatment).to_owned(),
                state: progress
                    .map_or("-", |flow| progress_name(flow.progress))
                    .to_owned(),
                source: self.source(rule, &rule.selector.prefix),
                access: choice
                    .and_then(|choice| choice.bid)
                    .map(|bid| self.interface_of(bid)),
                access_reason: choice
                    .map_or_else(String::new, |choice| choice_reason(choice.reason)),
            }
        });
        let on_demand = engine.flows.iter().filter(|flow| flow.on_demand);
        let correspondents = on_demand.map(|flow| CorrespondentStatus {
            correspondent: flow.key.correspondent,
            serves: flow.serves,
            session: session_name(Treatment::Anchored(flow.key.need)).to_owned(),
            state: progress_name(flow.progress).to_owned(),
            judged: judged(flow.verdict),
            anchor: self.ready.get(&flow.key).map(|ready| ready.anchor),
            source: self.ready.get(&flow.key).map(|ready| ready.home_address),
        });
        let candidates = engine
            .candidates
            .iter()
            .flat_map(|(correspondent, candidates)| {
                candidates
                    .iter()
                    .map(|candidate| candidate_status(*correspondent, candidate))
            });
        let signalling = engine
            .counters
            .iter()
            .map(|(name, value)| (format!("signalling_{name}"), value));
        let data = self
            .data
            .counters
            .iter()
            .map(|(name, value)| (name.to_owned(), value));
        Status {
            care_of: engine.care_of,
            at_home: self
                .home_interface()
                .map(|(home_address, interface)| AtHomeStatus {
                    home_address,
                    interface,
                }),
            spi: self.config.engine.spi,
            algorithm: self.config.engine.algorithm.name().to_owned(),
            interfaces: self.interface_status(&engine),
            home: self.status_of_home(&engine),
            anchors: anchors.collect(),
            flows: flows.collect(),
            correspondents: correspondents.collect(),
            routes: self.route_status(),
            candidates: candidates.collect(),
            modes: self.data.modes.by_name(),
            counters: signalling.chain(data).collect(),
        }
    }

    fn interface_status(&self, engine: &EngineStatus) -> Vec<InterfaceStatus> {
        let current = self.access.current().map(|care_of| care_of.index);
        let interfaces = self
            .access
            .interfaces()
            .iter()
            .map(|interface| InterfaceStatus {
                name: interface.name.clone(),
                up: interface.up,
                in_use: current == Some(interface.index),
                preferred: self.access.preferred() == Some(interface.index),
                router: interface.router(),
                addresses: interface.addresses().collect(),
                rate_kbps: self.rate_kbps(&interface.name),
                metered: self.is_metered(&interface.name),
                measured: self.measured(engine, interface.index),
            });
        interfaces.collect()
    }
}

impl Agent {
    /// The home address and its home agent.
    pub(super) fn status_of_home(&self, engine: &EngineStatus) -> Option<HomeStatus> {
        let now_ns = self.clock.now().mono_ns;
        let seconds_left = |end_ns: u64| end_ns.saturating_sub(now_ns) / 1_000_000_000;
        let home = self.engine.present_home()?;
        let discovery = engine.home_agents.as_ref();
        let former = engine.former_homes.iter();
        Some(HomeStatus {
            address: home.address,
            agent: home.agent,
            discovered: discovery.is_some(),
            is_asking: discovery.is_some_and(|known| known.is_asking),
            known_agents: discovery.map_or_else(Vec::new, |known| known.known.clone()),
            former: former
                .map(|(address, ends_ns)| FormerHomeStatus {
                    address: *address,
                    seconds_left: ends_ns.map(seconds_left),
                })
                .collect(),
        })
    }

    /// The source of a rule's flows to a prefix.
    pub(super) fn source(&self, rule: &Rule, prefix: &Ipv6Net) -> Option<Ipv6Addr> {
        let anchored = lasting(rule).and_then(|need| self.anchored(&need, prefix));
        match (anchored, self.way_without_dhp(rule)) {
            (Some((_, ready)), _) => Some(ready.home_address),
            (None, Way::Tunnel(source) | Way::Home(source)) => Some(source),
            (None, Way::Direct) => None,
        }
    }
}

/// A candidate as others see it.
pub(super) fn candidate_status(correspondent: Ipv6Net, candidate: &Candidate) -> CandidateStatus {
    CandidateStatus {
        correspondent,
        dhp: candidate.dhp,
        coverage: candidate.coverage,
        preference: candidate.preference,
        load: candidate.load,
        rtt_ns: candidate.round_trip_ns,
        path_rtt_ns: candidate.path_round_trip_ns,
    }
}

/// What a rule is about beside its prefix, in words; empty: nothing.
pub(super) fn about(selector: &Selector) -> String {
    let protocol = selector.protocol.map(|number| match number {
        next_header::TCP => "tcp".to_owned(),
        next_header::UDP => "udp".to_owned(),
        next_header::UDP_LITE => "udp-lite".to_owned(),
        next_header::SCTP => "sctp".to_owned(),
        next_header::ICMPV6 => "icmpv6".to_owned(),
        other => format!("protocol {other}"),
    });
    let ports = selector
        .ports
        .iter()
        .map(|range| match (range.start(), range.end()) {
            (first, last) if first == last => format!("port {first}"),
            (first, last) => format!("ports {first}-{last}"),
        });
    let dscp = selector.dscp.map(|dscp| format!("DSCP {dscp}"));
    let name = selector.name.as_ref();
    let name = name.map(|name| format!("name {}", name.as_str()));
    let program = selector.program.as_ref().map(|program| match program {
        Program::Command(name) => format!("command {name}"),
        Program::ControlGroup(path) => format!("control group {path}"),
    });
    let parts = protocol.into_iter().chain(ports).chain(dscp).chain(name);
    let parts = parts.chain(program);
    parts.collect::<Vec<_>>().join(", ")
}

pub(super) fn session_name(treatment: Treatment) -> &'static str {
    match treatment {
        Treatment::Anchored(need) => match need.session {
            Session::SessionLasting => "session-lasting",
            Session::GracefulReplacement => "graceful-replacement",
            Session::Fixed => "fixed",
        },
        Treatment::NonPersistent => "non-persistent",
    }
}

pub(super) fn progress_name(progress: FlowProgress) -> &'static str {
    match progress {
        FlowProgress::Waiting => "waiting",
        FlowProgress::Querying => "querying",
        FlowProgress::Requesting(_) => "requesting",
        FlowProgress::Ready { .. } => "ready",
        FlowProgress::Fallback => "fallback",
    }
}
