//! Why a connection gets the source address that it gets.

use std::net::Ipv6Addr;

use dhp_proto::anchor::RouteEnds;
use dhp_proto::mobile_node::policy::{Contact, Rule, Treatment};
use dhp_proto::mobile_node::{Advantage, FlowKey, FlowProgress, FlowStatus, Need, RouteMode};
use ipnet::Ipv6Net;

use super::Agent;
use super::accesses::choice_reason;
use super::choosing::lasting;
use super::engine_events::{fallback_reason, proxy_reason};
use super::report::{about, candidate_status, session_name};
use super::routes::mode_name;
use crate::explanation::{CandidateExplanation, Connection, Explanation, RuleExplanation};
use crate::plan::Way;

impl Agent {
    /// What becomes of a connection now.
    pub(super) fn explain(&self, connection: Connection) -> Explanation {
        let contact = Contact {
            destination: connection.destination,
            protocol: connection.protocol,
            port: connection.port,
            dscp: connection.dscp,
        };
        let policy = &self.config.policy;
        let judged = policy.judge(&contact, &self.names);
        let undecided = policy
            .possible(&contact.destination, &self.names)
            .take_while(|(position, _)| judged.is_none_or(|(decides, _)| *position < decides))
            .filter(|(_, rule)| might_match(rule, &contact))
            .map(|(position, rule)| self.explain_rule(position, rule))
            .collect();
        let mut explanation = Explanation {
            connection,
            rule: judged.map(|(position, rule)| self.explain_rule(position, rule)),
            undecided,
            source: self.access.current().map(|care_of| care_of.address),
            anchor: None,
            anchor_rtt_ns: None,
            access: judged.and_then(|(position, _)| self.explain_access(position)),
            mode: "direct".to_owned(),
            why: "no rule of the policy matches: the host's own routes and addresses decide"
                .to_owned(),
            candidates: Vec::new(),
            next: None,
        };
        if let Some((_, rule)) = judged {
            self.explain_way(rule, &mut explanation);
        }
        explanation
    }

    fn explain_access(&self, position: usize) -> Option<String> {
        let choices = self.engine.status().choices;
        let choice = choices.get(position)?;
        let interface = self.interface_of(choice.bid?);
        Some(format!("{interface}: {}", choice_reason(choice.reason)))
    }

    fn explain_rule(&self, position: usize, rule: &Rule) -> RuleExplanation {
        let line = self.config.policy_lines.get(position);
        let file = self.path.display();
        let more = about(&rule.selector);
        let prefix = rule.selector.prefix;
        RuleExplanation {
            number: position + 1,
            place: line.map_or_else(|| file.to_string(), |line| format!("{file}:{line}")),
            about: match more.as_str() {
                "" => prefix.to_string(),
                more => format!("{prefix}, {more}"),
            },
            session: session_name(rule.treatment).to_owned(),
        }
    }

    fn explain_way(&self, rule: &Rule, explanation: &mut Explanation) {
        let destination = Ipv6Net::from(explanation.connection.destination);
        let home = self.engine.present_home();
        let is_home = |source| home.filter(|home| home.address == source);
        let anchored = lasting(rule).and_then(|need| self.anchored(&need, &destination));
        if let Some((key, ready)) = anchored {
            explanation.source = Some(ready.home_address);
            self.go_through(ready.anchor, "proxy", explanation);
            explanation.why = format!("the DHP serves {}", ready.serves);
            self.explain_route(rule, explanation);
            if let Some(challenger) = self.challenger(key) {
                explanation.next = Some(format!(
                    "{challenger} is better and is asked for an address, for new connections"
                ));
            }
            self.explain_candidates(key.correspondent, explanation);
            return;
        }
        let at_home = self.at_home().map(|way| way.address);
        match self.way_without_dhp(rule) {
            // As it is, without a tunnel.
            Way::Tunnel(source) | Way::Home(source) if at_home == Some(source) => {
                explanation.source = Some(source);
            }
            Way::Tunnel(source) if let Some(home) = is_home(source) => {
                explanation.source = Some(source);
                match home.agent {
                    Some(agent) => self.go_through(agent, "home agent", explanation),
                    None => explanation.mode = "home agent".to_owned(),
                }
                self.explain_route(rule, explanation);
                explanation.next = self.search_for_home_agent().or(explanation.next.take());
            }
            _ => {}
        }
        match (rule.treatment, lasting(rule)) {
            (_, Some(need)) => self.explain_search(rule, need, explanation),
            (Treatment::NonPersistent, _) => {
                explanation.why =
                    "the rule says that its sessions need not outlive the attachment".to_owned();
            }
            (Treatment::Anchored(_), None) => {
                explanation.why = match at_home {
                    Some(_) => {
                        "the rule wants the home address, and the node is at home".to_owned()
                    }
                    None => "the rule wants the home address".to_owned(),
                };
            }
        }
    }

    /// Why there is no DHP for the destination, and when there may be one.
    fn explain_search(&self, rule: &Rule, need: Need, explanation: &mut Explanation) {
        let destination = explanation.connection.destination;
        let status = self.engine.status();
        let flow = status
            .flows
            .iter()
            .find(|flow| flow.key.need == need && flow.key.correspondent.contains(&destination));
        let meanwhile = match explanation.mode.as_str() {
            "home agent" => "meanwhile it goes by the home agent",
            _ if self.at_home().is_some() => {
                "meanwhile it has the home address, and goes directly: the node is at home"
            }
            _ => "meanwhile it has the care-of address",
        };
        let asked = self.config.engine.locators.len();
        let asked = match asked {
            0 => "the routers on the path".to_owned(),
            1 => "the routers on the path and the locator".to_owned(),
            several => format!("the routers on the path and {several} locators"),
        };
        let (why, next) = match flow {
            None if rule.prepare => ("the agent has not begun".to_owned(), None),
            None => (
                "nobody has talked to it yet".to_owned(),
                Some(format!(
                    "the first packet makes the agent ask {asked} for a DHP{}; {meanwhile}",
                    self.asked_at_once(destination, need)
                )),
            ),
            Some(flow) => {
                self.explain_candidates(flow.key.correspondent, explanation);
                (search_state(flow), Some(meanwhile.to_owned()))
            }
        };
        explanation.why = why;
        explanation.next = next;
    }

    /// Which DHPs are asked for an address meanwhile, in words; empty: none.
    fn asked_at_once(&self, destination: Ipv6Addr, need: Need) -> String {
        let key = FlowKey::new(Ipv6Net::from(destination), need);
        let plausible = self.engine.plausible(&key);
        let names: Vec<String> = plausible.iter().map(Ipv6Addr::to_string).collect();
        match names.is_empty() {
            true => String::new(),
            false => format!(", and {} for an address at once", names.join(" and ")),
        }
    }

    /// The better DHP that a flow is about to have.
    fn challenger(&self, key: &FlowKey) -> Option<Ipv6Addr> {
        let flows = self.engine.status().flows;
        let flow = flows.into_iter().find(|flow| flow.key == *key)?;
        flow.challenger
    }

    /// Whether packets go directly, and why they do not although they may.
    fn explain_route(&self, rule: &Rule, explanation: &mut Explanation) {
        let Some(home_address) = explanation.source.filter(|_| rule.optimize) else {
            return;
        };
        let ends = RouteEnds {
            home_address,
            correspondent: explanation.connection.destination,
        };
        explanation.next = match self.route_mode(&ends) {
            Some(mode @ RouteMode::Optimized { .. }) => {
                explanation.mode = mode_name(&mode).to_owned();
                Some("by the anchor again when the correspondent no longer knows the care-of address".to_owned())
            }
            Some(RouteMode::Proxy(Some(reason))) => {
                Some(format!("not directly: {}", proxy_reason(reason)))
            }
            Some(RouteMode::Proxy(None)) => Some(
                "directly, when the correspondent has confirmed the care-of address".to_owned(),
            ),
            None => {
                Some("the first packet makes the agent ask whether it can go directly".to_owned())
            }
        };
    }

    /// What happens about a home agent that has to be found, in words.
    fn search_for_home_agent(&self) -> Option<String> {
        let home = self.status_of_home(&self.engine.status())?;
        match (home.is_asking, home.agent) {
            (true, _) => Some("the home link is being asked for its home agents".to_owned()),
            (false, None) => Some("the home link is asked for its home agents later".to_owned()),
            (false, Some(_)) => None,
        }
    }

    fn go_through(&self, anchor: Ipv6Addr, mode: &str, explanation: &mut Explanation) {
        let anchors = self.engine.status().anchors;
        let known = anchors.iter().find(|known| known.address == anchor);
        explanation.anchor = Some(anchor);
        explanation.anchor_rtt_ns = known.and_then(|known| known.round_trip_ns);
        explanation.mode = mode.to_owned();
    }

    fn explain_candidates(&self, correspondent: Ipv6Net, explanation: &mut Explanation) {
        let candidates = self.engine.candidates_for(&correspondent);
        let mut better = None;
        for candidate in &candidates {
            let advantage = better.map(|better| self.engine.advantage(better, candidate));
            explanation.candidates.push(CandidateExplanation {
                candidate: candidate_status(correspondent, candidate),
                loses_by: advantage.map(|advantage| advantage_name(advantage).to_owned()),
            });
            better = Some(candidate);
        }
    }
}

/// Whether a rule would match if more was known.
fn might_match(rule: &Rule, contact: &Contact) -> bool {
    let selector = &rule.selector;
    let ports = &selector.ports;
    let protocol = selector
        .protocol
        .is_none_or(|wanted| contact.protocol.is_none_or(|protocol| protocol == wanted));
    let port = ports.is_empty()
        || contact
            .port
            .is_none_or(|port| ports.iter().any(|range| range.contains(&port)));
    let dscp = selector
        .dscp
        .is_none_or(|wanted| contact.dscp.is_none_or(|dscp| dscp == wanted));
    protocol && port && dscp
}

fn search_state(flow: &FlowStatus) -> String {
    match (flow.progress, flow.fallback) {
        (FlowProgress::Fallback, Some(reason)) => fallback_reason(reason),
        (FlowProgress::Fallback, None) => "its DHP has been left, another is looked for".to_owned(),
        (FlowProgress::Waiting, _) => "there is no care-of address to ask from".to_owned(),
        (FlowProgress::Querying, _) => "DHPs near it are being looked for".to_owned(),
        (FlowProgress::Requesting(dhp), _) => format!("{dhp} is being asked for an address"),
        (FlowProgress::Ready { anchor, .. }, _) => {
            format!("{anchor} has given an address, which is being set up")
        }
    }
}

/// By what a DHP is better than another.
pub(super) fn advantage_of(advantage: Advantage) -> &'static str {
    match advantage {
        Advantage::Coverage => "a longer coverage prefix",
        Advantage::Cost => "a shorter way (round trips and load)",
        Advantage::InUse => "being in use already",
        Advantage::Preference => "a higher preference",
        Advantage::Address => "the order of addresses alone",
    }
}

fn advantage_name(advantage: Advantage) -> &'static str {
    match advantage {
        Advantage::Coverage => "a shorter coverage prefix",
        Advantage::Cost => "a longer way (round trips and load)",
        Advantage::InUse => "not being in use already",
        Advantage::Preference => "a lower preference",
        Advantage::Address => "the order of addresses alone",
    }
}
