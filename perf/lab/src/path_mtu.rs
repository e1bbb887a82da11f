//! `dhp-lab path-mtu`: tunnels over a path that is narrower than either end of it knows.
//!
//! The links between the access routers and the core take 1,400 octets; all others 1,500. Who sends more must be told, from
//! inside the tunnel (RFC 2473 §8), or, where a firewall swallows the messages, must not send more in the first place.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::addresses::{CN_DHP, DHP};
use crate::agent_events::AgentEvents;
use crate::criteria::Criterion;
use crate::demo_lab::DemoLab;
use crate::lab::{Lab, LabOptions};
use crate::stop::Stop;
use crate::timeline::{Timeline, Tone};

/// MTU of the narrow links, octets.
pub const NARROW: u32 = 1400;
/// What of that is left in the tunnel: the outer header takes 40 octets.
const IN_TUNNEL: u32 = NARROW - 40;
/// How long the agent may take for its anchors.
const READY: Duration = Duration::from_secs(20);
/// Echoes of each size. The first ones teach the path's MTU, on both ways: one is lost for each place that takes less than
/// the one before.
const ECHOES: usize = 8;
/// So many may be lost to that: the tunnel's entry and the narrow link, for the request and for the reply.
const LESSONS: usize = 4;

/// How the senders learn that the path is narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learning {
    /// By Packet Too Big messages (RFC 8201).
    Discovery,
    /// By configuration: a firewall drops all ICMPv6 errors, so that both ends of the tunnel are told, and the anchor clamps
    /// TCP's MSS.
    Blocked,
}

impl Learning {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Discovery, Self::Blocked];

    fn name(self) -> &'static str {
        match self {
            Self::Discovery => "with path MTU discovery",
            Self::Blocked => "with ICMPv6 errors blocked",
        }
    }
}

/// What was seen one way of learning.
#[derive(Clone, Debug, Serialize)]
pub struct PathMtuReport {
    /// How the senders learned.
    pub learning: Learning,
    /// The verdicts.
    pub criteria: Vec<Criterion>,
}

impl PathMtuReport {
    /// Whether all is well.
    pub fn holds(&self) -> bool {
        !self.criteria.is_empty() && self.criteria.iter().all(|criterion| criterion.holds)
    }

    /// As text.
    pub fn render(&self, colour: bool) -> String {
        let mut text = format!("\nPath of {NARROW} octets, {}\n", self.learning.name());
        for criterion in &self.criteria {
            text.push_str(&criterion.line(colour));
        }
        text
    }
}

/// Builds the lab with the narrow links and sends packets of all sizes; `octets` is the length of each TCP transfer.
pub fn run(
    options: LabOptions,
    learning: Learning,
    octets: u64,
    stop: &Stop,
) -> Result<PathMtuReport> {
    let mut timeline = Timeline::start();
    let text = format!("building the networks, {NARROW} octets between access and core");
    timeline.say(Tone::Act, &text);
    let path_mtu = (learning == Learning::Blocked).then_some(NARROW);
    let mut demo = DemoLab::build(options, path_mtu)?;
    narrow(&demo.lab)?;
    if learning == Learning::Blocked {
        block_errors(&demo.lab)?;
    }
    demo.lab.start_server("cn", None)?;
    demo.lab.start_server("mn", None)?;
    demo.start_anchors(stop)?;
    demo.start_agent(stop)?;
    let lab = demo.lab;
    let mut scene = Scene {
        home: distributed_home_address(&lab, stop)?,
        lab,
        stop,
        timeline,
        criteria: Vec::new(),
    };
    let text = format!("{}: DHoA {}", learning.name(), scene.home);
    scene.timeline.say(Tone::Good, &text);
    if learning == Learning::Discovery {
        scene.echoes()?;
        scene.transfers(octets)?;
    } else {
        // What the ends of the tunnel say is not heard either: nothing but the MSS tells TCP. Only then the echoes, since
        // what they teach would be remembered.
        scene.each_host("add table ip6 deaf")?;
        scene.each_host("add chain ip6 deaf input { type filter hook input priority 0 ; }")?;
        scene.each_host("add rule ip6 deaf input icmpv6 type packet-too-big drop")?;
        scene.transfers(octets)?;
        scene.each_host("delete table ip6 deaf")?;
        scene.echoes()?;
    }
    scene.trace()?;
    Ok(PathMtuReport {
        learning,
        criteria: scene.criteria,
    })
}

fn narrow(lab: &Lab) -> Result<()> {
    for (node, interface) in [
        ("ara", "core0"),
        ("arb", "core0"),
        ("core", "ara0"),
        ("core", "arb0"),
    ] {
        lab.node(node)?
            .ip(&format!("link set {interface} mtu {NARROW}"))?;
    }
    Ok(())
}

/// A firewall that lets no ICMPv6 error pass, neither its own nor others'.
fn block_errors(lab: &Lab) -> Result<()> {
    const RULES: &str = "add table ip6 firewall
add chain ip6 firewall output { type filter hook output priority 0 ; }
add chain ip6 firewall forward { type filter hook forward priority 0 ; }
add rule ip6 firewall output icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } drop
add rule ip6 firewall forward icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } drop";
    for node in ["ara", "arb", "core"] {
        for rule in RULES.lines() {
            lab.node(node)?.output("nft", &[rule])?;
        }
    }
    Ok(())
}

/// Waits until the agent has its DHoA.
fn distributed_home_address(lab: &Lab, stop: &Stop) -> Result<String> {
    let events = AgentEvents::follow(lab)?;
    stop.wait_for("the mobile node has a DHoA", READY, || {
        let events = events.since(0);
        let ready = events
            .iter()
            .find(|event| event.name == "anchor_ready" && event.text("kind") == Some("dhoa"));
        Ok(ready.and_then(|event| event.text("home_address").map(str::to_owned)))
    })
}

/// One direction: who begins, and whom it talks to.
struct Way {
    from: &'static str,
    to: String,
    name: &'static str,
}

struct Scene<'a> {
    lab: Lab,
    stop: &'a Stop,
    timeline: Timeline,
    home: String,
    criteria: Vec<Criterion>,
}

impl Scene<'_> {
    fn ways(&self) -> [Way; 2] {
        [
            Way {
                from: "cn",
                to: self.home.clone(),
                name: "CN→MN",
            },
            Way {
                from: "mn",
                to: CN_DHP.to_owned(),
                name: "MN→CN",
            },
        ]
    }

    /// Has the packet filter of both hosts take a rule.
    fn each_host(&self, rule: &str) -> Result<()> {
        for way in self.ways() {
            self.lab.node(way.from)?.output("nft", &[rule])?;
        }
        Ok(())
    }

    fn verdict(&mut self, criterion: Criterion) -> Result<()> {
        self.lab.check()?;
        self.stop.check()?;
        let tone = if criterion.holds {
            Tone::Good
        } else {
            Tone::Bad
        };
        let text = format!("{}: {}", criterion.what, criterion.value);
        self.timeline.say(tone, &text);
        self.criteria.push(criterion);
        Ok(())
    }

    /// Echoes of a whole link's length, and of many fragments.
    fn echoes(&mut self) -> Result<()> {
        for way in self.ways() {
            for size in ["1452", "8000"] {
                let count = ECHOES.to_string();
                let arguments = ["-6", "-n", "-i", "0.3", "-W", "2", "-c", &count, "-s", size];
                let arguments = [&arguments[..], &[&way.to]].concat();
                // Its exit status tells of lost echoes, which is judged here.
                let text = self.lab.node(way.from)?.output_anyway("ping", &arguments)?;
                let mut answers = text.lines().filter(|line| line.contains("bytes from"));
                let received = answers.clone().count();
                let number = format!("icmp_seq={ECHOES} ");
                let last = answers
                    .next_back()
                    .is_some_and(|line| line.contains(&number));
                self.verdict(Criterion {
                    what: format!("{}: echoes of {size} octets", way.name),
                    value: format!(
                        "{received} of {ECHOES} answered, {} the last",
                        if last { "also" } else { "NOT" }
                    ),
                    limit: format!("≥ {}, and the last", ECHOES - LESSONS),
                    holds: received >= ECHOES - LESSONS && last,
                })?;
            }
        }
        Ok(())
    }

    /// A download each way, over one TCP connection each.
    fn transfers(&mut self, octets: u64) -> Result<()> {
        for way in self.ways() {
            // Who begins receives, so that the name is the other way around.
            let url = format!("http://[{}]/{octets}", way.to);
            let text = self.lab.node(way.from)?.output_anyway(
                "curl",
                &[
                    "--silent",
                    "--show-error",
                    "--noproxy",
                    "*",
                    "--max-time",
                    "120",
                    "--output",
                    "/dev/null",
                    "--write-out",
                    "%{size_download} %{time_total}",
                    &url,
                ],
            )?;
            let mut words = text.split_whitespace();
            let received: u64 = words.next().unwrap_or("0").parse().unwrap_or(0);
            let seconds: f64 = words.next().unwrap_or("0").parse().unwrap_or(0.0);
            let rate = received as f64 * 8e-6 / seconds.max(1e-9);
            let direction = if way.from == "cn" {
                "MN→CN"
            } else {
                "CN→MN"
            };
            self.verdict(Criterion {
                what: format!("{direction}: TCP transfer of {} MB", octets / 1_000_000),
                value: format!(
                    "{} MB in {seconds:.1} s ({rate:.0} Mbit/s)",
                    received / 1_000_000
                ),
                limit: "complete".to_owned(),
                holds: received == octets,
            })?;
        }
        Ok(())
    }

    /// The tunnel is one hop, and its MTU is found.
    fn trace(&mut self) -> Result<()> {
        for way in self.ways() {
            let arguments = ["-n", "-m", "8", &way.to];
            let text = self
                .lab
                .node(way.from)?
                .output_anyway("tracepath", &arguments)?;
            let hops = hops(&text);
            let expected = [DHP, way.to.as_str()];
            let mtu = path_mtu(&text);
            self.verdict(Criterion {
                what: format!("{}: tracepath", way.name),
                value: format!(
                    "{}, pmtu {}",
                    hops.join(" → "),
                    mtu.map_or_else(|| "unknown".to_owned(), |mtu| mtu.to_string())
                ),
                limit: format!("{}, pmtu {IN_TUNNEL}", expected.join(" → ")),
                holds: hops == expected && mtu == Some(IN_TUNNEL),
            })?;
        }
        Ok(())
    }
}

/// The hops that a tracepath(8) has found, each once.
fn hops(text: &str) -> Vec<String> {
    let mut hops: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(_number), Some(address)) = (words.next(), words.next()) else {
            continue;
        };
        let is_new = hops.last().is_none_or(|last| last != address);
        if address.parse::<std::net::Ipv6Addr>().is_ok() && is_new {
            hops.push(address.to_owned());
        }
    }
    hops
}

/// The last MTU that a tracepath(8) has found.
fn path_mtu(text: &str) -> Option<u32> {
    let resume = text.lines().find(|line| line.contains("Resume:"))?;
    let (_, behind) = resume.split_once("pmtu ")?;
    behind.split_whitespace().next()?.parse().ok()
}

/// Both ways of learning, one lab after the other.
pub fn run_all(options: &LabOptions, octets: u64, stop: &Stop) -> Result<Vec<PathMtuReport>> {
    if octets == 0 {
        bail!("a transfer of no octets shows nothing");
    }
    Learning::BOTH
        .into_iter()
        .map(|learning| {
            run(options.clone(), learning, octets, stop).with_context(|| learning.name())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = " 1?: [LOCALHOST]                        0.024ms pmtu 1500
 1:  2001:db8:d::1                                         1.223ms 
 1:  2001:db8:d::1                                         1.196ms pmtu 1460
 2:  2001:db8:d:1::7                                      20.113ms reached
     Resume: pmtu 1360 hops 2 back 2 
";

    #[test]
    fn a_trace_is_read() {
        assert_eq!(hops(TRACE), ["2001:db8:d::1", "2001:db8:d:1::7"]);
        assert_eq!(path_mtu(TRACE), Some(1360));
        assert_eq!(path_mtu("nothing"), None);
    }
}
