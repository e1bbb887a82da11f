//! Several accesses at once: what the engine is told of them, and what it says in words.

use std::net::Ipv6Addr;

use dhp_proto::mobile_node::judgment::{Shortfall, Verdict, Waiting};
use dhp_proto::mobile_node::policy::{Rule, Treatment};
use dhp_proto::mobile_node::{
    AccessRule, Attachment, ChoiceReason, MnCommand, Status as EngineStatus, Steering,
};
use ipnet::Ipv6Net;

use super::Agent;
use crate::access::CareOf;
use crate::config::{FlowAccess, Link};
use crate::link_rate::link_rate_kbps;
use crate::status::QualityStatus;
use crate::tunnel::{Path, SteeredPath};

impl Agent {
    /// Tells the engine which accesses can be used, the default one first; with those addresses that have packets.
    pub(super) fn tell_of_accesses(&mut self) {
        self.tell_of_rules();
        let active = self.data.take_active();
        let attached = self.access.attached();
        let accesses = attached.iter().map(|care_of| self.attachment(care_of));
        let accesses: Vec<Attachment> = accesses.collect();
        let now = self.clock.now();
        self.engine.handle_command(now, MnCommand::Active(active));
        self.engine
            .handle_command(now, MnCommand::SetAccesses(accesses));
    }

    /// Tells the engine what the policy asks of accesses, with the addresses that names have now.
    pub(super) fn tell_of_rules(&mut self) {
        let rules = self.config.policy.rules.iter().enumerate();
        let rules = rules.map(|(place, rule)| self.access_rule(place, rule));
        let command = MnCommand::AccessRules {
            rules: rules.collect(),
            probe_interval_ns: self.config.probe_interval_ns,
        };
        self.engine.handle_command(self.clock.now(), command);
    }

    fn access_rule(&self, place: usize, rule: &Rule) -> AccessRule {
        let selector = &rule.selector;
        let correspondents: Vec<Ipv6Net> = match &selector.name {
            Some(_) => self.names.of_rule(place).map(Ipv6Net::from).collect(),
            None => vec![selector.prefix],
        };
        let FlowAccess {
            interfaces,
            may_be_metered,
            unmet,
        } = self.flow_access(place);
        let bids = interfaces.iter().filter_map(|name| self.bid_of(name));
        AccessRule {
            correspondents,
            protocol: selector.protocol,
            ports: selector.ports.clone(),
            dscp: selector.dscp,
            need: match rule.treatment {
                Treatment::Anchored(need) => Some(need),
                Treatment::NonPersistent => None,
            },
            accesses: bids.collect(),
            may_be_metered: *may_be_metered,
            unmet: *unmet,
        }
    }

    fn flow_access(&self, place: usize) -> &FlowAccess {
        const ANY: &FlowAccess = &FlowAccess::ANY;
        self.config.flow_accesses.get(place).unwrap_or(ANY)
    }

    fn attachment(&self, care_of: &CareOf) -> Attachment {
        let name = self.name(care_of.index);
        Attachment {
            bid: self.bid(care_of.index),
            care_of: care_of.address,
            rate_kbps: self.rate_kbps(&name),
            metered: self.is_metered(&name),
        }
    }

    fn link(&self, name: &str) -> Option<&Link> {
        self.config.links.iter().find(|link| link.name == name)
    }

    /// What an interface carries, as configured or as the kernel says.
    pub(super) fn rate_kbps(&self, name: &str) -> Option<u32> {
        let configured = self.link(name).and_then(|link| link.rate_kbps);
        configured.or_else(|| link_rate_kbps(name))
    }

    /// Whether what goes over an interface costs money.
    pub(super) fn is_metered(&self, name: &str) -> bool {
        self.link(name).is_some_and(|link| link.metered)
    }

    /// What was measured over an interface.
    pub(super) fn measured(&self, engine: &EngineStatus, index: u32) -> Vec<QualityStatus> {
        let bid = self.bid(index);
        let qualities = engine.qualities.iter();
        let measured = qualities.filter(|quality| quality.bid == bid);
        measured
            .map(|quality| QualityStatus {
                anchor: quality.anchor,
                rtt_ns: quality.round_trip_ns,
                lost: quality.lost,
                probes: quality.probes,
            })
            .collect()
    }

    /// The number of an interface: its place in the configuration, from 1.
    fn bid(&self, index: u32) -> u16 {
        let mut interfaces = (1..).zip(self.access.interfaces());
        let found = interfaces.find(|(_, interface)| interface.index == index);
        found.map_or(0, |(bid, _)| bid)
    }

    fn bid_of(&self, name: &str) -> Option<u16> {
        let mut interfaces = (1..).zip(self.access.interfaces());
        let found = interfaces.find(|(_, interface)| interface.name == name);
        found.map(|(bid, _)| bid)
    }

    /// The name of the interface with a BID.
    pub(super) fn interface_of(&self, bid: u16) -> String {
        let place = usize::from(bid).checked_sub(1);
        let interface = place.and_then(|place| self.access.interfaces().get(place));
        interface.map_or_else(String::new, |interface| interface.name.clone())
    }

    /// The ways of flows that do not go the default one, from accesses that can be used. Without `Steering` there are none.
    pub(super) fn steered_paths(&self, home: &Ipv6Addr, anchor: &Ipv6Addr) -> Vec<SteeredPath> {
        let Some(steering) = self.steering(home, anchor) else {
            return Vec::new();
        };
        let flows = steering.flows.iter().map(|flow| {
            let mut care_ofs = steering.care_ofs.iter();
            let bound = care_ofs.find(|(bid, _)| *bid == flow.bid);
            let care_of = bound.and_then(|(_, address)| self.access.usable(*address));
            SteeredPath {
                selector: flow.selector,
                path: care_of.map(|care_of| self.path(care_of, anchor)),
            }
        });
        flows.collect()
    }

    /// What an anchor has bound for a home address, if that is more than one care-of address.
    fn steering(&self, home: &Ipv6Addr, anchor: &Ipv6Addr) -> Option<&Steering> {
        let (of, steering) = self.steerings.get(home)?;
        (of == anchor && !steering.is_single()).then_some(steering)
    }

    /// A care-of address that an anchor has bound beside the default one, and that can be used.
    pub(super) fn other_care_of(&self, home: &Ipv6Addr, anchor: &Ipv6Addr) -> Option<CareOf> {
        let steering = self.steering(home, anchor)?;
        let mut care_ofs = steering.care_ofs.iter();
        care_ofs.find_map(|(_, address)| self.access.usable(*address))
    }

    fn path(&self, care_of: CareOf, anchor: &Ipv6Addr) -> Path {
        Path {
            care_of,
            mtu: self.tunnel_mtu(Some(care_of), anchor),
        }
    }
}

/// In what an access falls short.
pub(super) fn shortfall_words(shortfall: Shortfall) -> &'static str {
    match shortfall {
        Shortfall::Metered => "it costs money",
        Shortfall::Bandwidth => "the link is too slow",
        Shortfall::Silent => "nothing comes back over it",
        Shortfall::Loss => "too much is lost",
        Shortfall::Latency => "it takes too long",
    }
}

/// Why flows use the access that they use.
pub(super) fn choice_reason(reason: ChoiceReason) -> String {
    match reason {
        ChoiceReason::Default => "the default access".to_owned(),
        ChoiceReason::First => "the first that the rule names".to_owned(),
        ChoiceReason::OthersGone => "those before it are not there".to_owned(),
        ChoiceReason::OthersWorse(shortfall) => {
            format!("not one before it: {}", shortfall_words(shortfall))
        }
        ChoiceReason::OthersRecovering => {
            "those before it have come back and are watched for a while".to_owned()
        }
        ChoiceReason::NoneBetter(shortfall) => {
            format!("none is good enough: {}", shortfall_words(shortfall))
        }
        ChoiceReason::NoneThere => {
            "none that the rule names is there: the default access".to_owned()
        }
    }
}

/// What becomes of flows and why, in a line.
pub(super) fn judged(verdict: Verdict) -> String {
    let (verdict, reason) = verdict_words(verdict);
    match reason.as_str() {
        "" => verdict.to_owned(),
        reason => format!("{verdict}: {reason}"),
    }
}

/// What becomes of flows, and why.
pub(super) fn verdict_words(verdict: Verdict) -> (&'static str, String) {
    let because = |what: &str, shortfall| format!("{}, {what}", shortfall_words(shortfall));
    match verdict {
        Verdict::Maintain => ("maintain", String::new()),
        Verdict::Wait(Waiting::NotMeasured) => ("wait", "not measured yet".to_owned()),
        Verdict::Wait(Waiting::ComingBack(shortfall)) => {
            ("wait", because("another access may come back", shortfall))
        }
        Verdict::Wait(Waiting::Passing(shortfall)) => ("wait", because("it may pass", shortfall)),
        Verdict::Terminate(shortfall) => ("terminate", shortfall_words(shortfall).to_owned()),
    }
}
