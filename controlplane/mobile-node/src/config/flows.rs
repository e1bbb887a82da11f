//! `[[flow]]`: the policy.

use std::ops::RangeInclusive;

use dhp_config::{Located, Problem, Section};
use dhp_proto::mobile_node::policy::{NameSuffix, Policy, Program, Rule, Selector, Treatment};
use dhp_proto::mobile_node::{Need, Requirements, Session};
use dhp_wire::codepoints::next_header;
use ipnet::Ipv6Net;

use super::accesses::flow_access;
use super::read::route_optimization;
use super::{FlowAccess, SITE};
use crate::plan::MAX_POLICY_RULES;

/// The policy; of each rule the line where it begins, and what it asks of accesses.
pub(super) fn flows(
    sections: Vec<Section<'_>>,
    has_home: bool,
    optimize: bool,
    text: &str,
    interfaces: &[String],
) -> (Policy, Vec<usize>, Vec<FlowAccess>) {
    let mut policy = Policy::default();
    let mut accesses = Vec::new();
    let mut lines = Vec::new();
    for section in sections {
        let before = text.get(..section.span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        if policy.rules.len() >= MAX_POLICY_RULES {
            section.problem(Problem::new(
                section.span.clone(),
                "one flow too many",
                format!("at most {MAX_POLICY_RULES}"),
            ));
            break;
        }
        let rule = flow(section, has_home, optimize, &policy, interfaces);
        if let Some((rule, access)) = rule {
            policy.rules.push(rule);
            lines.push(line);
            accesses.push(access);
        }
    }
    (policy, lines, accesses)
}

fn flow(
    section: Section<'_>,
    has_home: bool,
    optimize: bool,
    before: &Policy,
    interfaces: &[String],
) -> Option<(Rule, FlowAccess)> {
    let prefix = section.prefix("prefix");
    let protocol = section.word(
        "protocol",
        &[
            ("tcp", next_header::TCP),
            ("udp", next_header::UDP),
            ("udp-lite", next_header::UDP_LITE),
            ("sctp", next_header::SCTP),
            ("icmpv6", next_header::ICMPV6),
        ],
    );
    let ports = section.texts(
        "ports",
        "ports such as \"443\" or \"8000-8999\"",
        port_range,
    );
    let dscp = section.integer("dscp", 0..=63);
    let name = section.text("name", "a domain such as \"example.net\"", |text| {
        NameSuffix::new(text).ok_or("no domain name")
    });
    let command = section.text("command", "the name of a program such as \"ssh\"", command);
    let group = section.text("cgroup", "a path such as \"user.slice\"", control_group);
    if let (Some(_), Some(group)) = (&command, &group) {
        section.problem(Problem::new(
            group.span.clone(),
            "`command` and `cgroup` both say which programs are meant",
            "one of them, or a [[flow]] for each",
        ));
    }
    let program = command.or(group).map(|program| program.value);
    let is_unclear = program.is_none() && (section.has("command") || section.has("cgroup"));
    let says_more = ["protocol", "ports", "dscp", "name", "command", "cgroup"]
        .into_iter()
        .any(|key| section.has(key));
    let place = prefix.as_ref().map(|prefix| prefix.span.clone());
    let prefix = match prefix {
        None if says_more && !section.has("prefix") => Ipv6Net::default(),
        prefix => {
            let prefix = section.require("prefix", prefix, "\"2001:db8:c:1::/64\"");
            prefix.map_or_else(Ipv6Net::default, |prefix| prefix.value)
        }
    };
    let selector = Selector {
        prefix,
        protocol: protocol.map(|protocol| protocol.value),
        ports: ports
            .into_iter()
            .flatten()
            .map(|range| range.value)
            .collect(),
        dscp: dscp.and_then(|dscp| u8::try_from(dscp.value).ok()),
        name: name.map(|name| name.value),
        program,
    };
    if let (Some(wider), Some(span)) = (hiding(before, &selector), place) {
        section.problem(Problem::new(
            span,
            format!(
                "{prefix} never matches: {} stands before it",
                wider.selector.prefix
            ),
            "the narrower prefix first",
        ));
    }
    let treatment = treatment(&section, has_home, selector.dscp);
    let by_default = prefix.prefix_len() >= SITE
        && selector.is_about_addresses_only()
        && selector.name.is_none();
    let prepare = section.boolean("prepare");
    let own = route_optimization(&section);
    if prepare == Some(true) && selector.name.is_some() {
        section.problem(Problem::new(
            section.span.clone(),
            "`prepare` with a `name`, whose addresses nobody knows at start",
            "one of them",
        ));
    }
    let access = flow_access(&section, treatment, interfaces);
    section.finish();
    // Without its program it would seem to hide those after it.
    if is_unclear {
        return None;
    }
    let rule = Rule {
        selector,
        treatment: treatment?,
        prepare: prepare.unwrap_or(by_default),
        optimize: own.unwrap_or(optimize),
    };
    Some((rule, access))
}

/// The rule that takes all that this one is about.
fn hiding<'a>(before: &'a Policy, selector: &Selector) -> Option<&'a Rule> {
    before.rules.iter().find(|rule| {
        rule.selector.is_about_addresses_only()
            && rule.selector.name.is_none()
            && rule.selector.prefix.contains(&selector.prefix)
    })
}

/// What the sessions get: by `session`, or by how long they last.
fn treatment(section: &Section<'_>, has_home: bool, dscp: Option<u8>) -> Option<Treatment> {
    let sessions = [
        ("session-lasting", Some(Session::SessionLasting)),
        ("graceful-replacement", Some(Session::GracefulReplacement)),
        ("fixed", Some(Session::Fixed)),
        ("non-persistent", None),
    ];
    // A session that ends before the node moves needs no mobility.
    let durations = [("short", None), ("long", Some(Session::SessionLasting))];
    let duration = section.word("duration", &durations);
    let session = section.word("session", &sessions);
    let chosen = match duration {
        Some(duration) if section.has("session") => {
            section.problem(Problem::new(
                duration.span,
                "`duration` and `session` both say what is needed",
                "one of them",
            ));
            session
        }
        Some(duration) => Some(duration),
        None => section.require("session", session, "\"session-lasting\""),
    };
    let requirements = requirements(section, dscp);
    let Located { value, span } = chosen?;
    match value {
        None => Some(Treatment::NonPersistent),
        Some(Session::Fixed) => {
            if !has_home {
                section.problem(Problem::new(
                    span,
                    "a fixed session needs a home agent",
                    "a [home] section in this file",
                ));
            }
            Some(Treatment::Anchored(Session::Fixed.into()))
        }
        Some(session) => Some(Treatment::Anchored(Need {
            session,
            requirements,
        })),
    }
}

fn requirements(section: &Section<'_>, dscp: Option<u8>) -> Requirements {
    let bandwidth = section.integer("min-bandwidth-kbps", 0..=u64::from(u32::MAX));
    let latency = section.integer("max-latency-ms", 0..=u64::from(u16::MAX));
    let loss = section.integer("max-loss-permille", 0..=1000);
    let short = |number: Option<Located<u64>>| {
        number
            .and_then(|number| u16::try_from(number.value).ok())
            .unwrap_or_default()
    };
    Requirements {
        dscp: dscp.unwrap_or_default(),
        min_bandwidth_kbps: bandwidth
            .and_then(|number| u32::try_from(number.value).ok())
            .unwrap_or_default(),
        max_latency_ms: short(latency),
        max_loss_permille: short(loss),
    }
}

/// Longest name of a thread (TASK_COMM_LEN, less the zero at its end).
const LONGEST_COMMAND: usize = 15;

fn command(text: &str) -> Result<Program, &'static str> {
    match text {
        "" => Err("no name"),
        _ if text.contains(['/', '\0']) => Err("a name has no \"/\""),
        _ if text.len() > LONGEST_COMMAND => {
            Err("the kernel keeps 15 octets of a name: no more can match")
        }
        _ => Ok(Program::Command(text.to_owned())),
    }
}

fn control_group(text: &str) -> Result<Program, &'static str> {
    let path = text.trim_matches('/');
    let is_name = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    match path.split('/').all(is_name) {
        true => Ok(Program::ControlGroup(path.to_owned())),
        false => Err("no path below the root of all control groups"),
    }
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, &'static str> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err("no port and no range of ports"),
    }
}
