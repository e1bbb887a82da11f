//! `dhp-lab route`: packets that do not go by their anchors (RFC 6275 route optimization).
//!
//! `dhpd` on the correspondent has the role of one; its kernel has the sockets. Echoes have the home address, 160 ms by the home
//! agent; all else has a DHoA. The access networks' ingress filters let nothing out but the care-of address.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

use crate::access::Access;
use crate::addresses::{CN_DHP, CN_DIRECT};
use crate::agent_events::AgentEvents;
use crate::children::{Output, Program, Running};
use crate::configuration;
use crate::criteria::Criterion;
use crate::lab::{Lab, LabOptions};
use crate::ping;
use crate::stop::Stop;
use crate::timeline::{Timeline, Tone};

/// How long a program may take until it answers, and the agent until packets go directly.
const READY: Duration = Duration::from_secs(20);
/// Echoes of a measurement.
const ECHOES: u16 = 20;
/// Octets of a transfer.
const OCTETS: u64 = 20_000_000;
/// How much longer than the direct path's the round trip may be.
const STRETCH: f64 = 1.05;
/// The radio is without a link for so long.
const GAP: Duration = Duration::from_millis(50);

/// What was seen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RouteReport {
    /// The verdicts.
    pub criteria: Vec<Criterion>,
}

impl RouteReport {
    /// Whether all is well.
    pub fn holds(&self) -> bool {
        !self.criteria.is_empty() && self.criteria.iter().all(|criterion| criterion.holds)
    }

    /// As text.
    pub fn render(&self, colour: bool) -> String {
        let lines = self.criteria.iter().map(|criterion| criterion.line(colour));
        format!("\nRoute optimization\n{}", lines.collect::<String>())
    }
}

/// Builds the lab, has the routes optimized, moves, and measures.
pub fn run(options: LabOptions, stop: &Stop) -> Result<RouteReport> {
    let mut timeline = Timeline::start();
    timeline.say(Tone::Act, "building the networks");
    let ports = options.ports;
    let signalling = options.signalling;
    let mut lab = Lab::build(options)?;
    lab.start_server(None)?;
    let mut scene = Scene {
        lab,
        stop,
        timeline,
        programs: Vec::new(),
        report: RouteReport::default(),
    };
    let socket = |node| scene.lab.socket(node);
    let texts = [
        (
            "ha",
            configuration::home_agent(&socket("ha"), ports, signalling),
        ),
        (
            "dhp",
            permitting(&configuration::home_proxy(
                &socket("dhp"),
                ports,
                signalling,
                None,
            )),
        ),
        ("cn", configuration::correspondent(&socket("cn"), ports)),
    ];
    for (node, text) in texts {
        scene.start(node, "dhpd", &text)?;
    }
    for node in ["ha", "dhp", "cn"] {
        stop.wait_for(&format!("dhpd on {node} answers"), READY, || {
            Ok((!scene.lab.counters(node).is_null()).then_some(()))
        })?;
    }
    scene.lab.warm_up()?;
    let text = configuration::mobile_node_with_routes(&scene.lab.socket("mn"));
    scene.start("mn", "dhp-mn", &text)?;
    stop.wait_for("dhp-mn answers", READY, || {
        let socket = scene.lab.socket("mn");
        Ok(std::os::unix::net::UnixStream::connect(socket)
            .ok()
            .map(drop))
    })?;
    scene.act()?;
    Ok(std::mem::take(&mut scene.report))
}

/// The configuration of the DHP, with route optimization permitted to its mobile node.
fn permitting(text: &str) -> String {
    text.replace(
        "[[mobile-node]]\n",
        "[[mobile-node]]\nroute-optimization = true\n",
    )
}

struct Scene<'a> {
    lab: Lab,
    stop: &'a Stop,
    timeline: Timeline,
    programs: Vec<Running>,
    report: RouteReport,
}

impl Scene<'_> {
    fn start(&mut self, node: &str, binary: &str, text: &str) -> Result<()> {
        let path = self.lab.socket(node).with_extension("toml");
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        let command = vec![
            self.lab.binary(binary)?,
            "run".into(),
            "--config".into(),
            path.display().to_string(),
        ];
        let running = self.lab.starter().start(Program {
            name: &format!("{binary}-{node}"),
            namespace: self.lab.node(node)?.name(),
            command,
            output: Output::Log,
        })?;
        self.programs.push(running);
        Ok(())
    }

    fn act(&mut self) -> Result<()> {
        let events = AgentEvents::follow(&self.lab)?;
        // The first echoes have the home address as soon as it is bound.
        let by_agent = self
            .stop
            .wait_for("echoes go by the home agent", READY, || {
                let round_trip = self.milliseconds(CN_DHP, 1).ok();
                Ok(round_trip.filter(|ms| *ms > 100.0))
            })?;
        self.wait_for_routes(&events, 0, 1)?;
        let direct = self.milliseconds(CN_DIRECT, ECHOES)?;
        self.verdict(Criterion {
            what: "first round trip, by the home agent".to_owned(),
            value: format!("{by_agent:.1} ms"),
            limit: format!("direct path {direct:.1} ms"),
            holds: by_agent > direct,
        })?;
        self.measure("at access network A")?;
        let seen = events.since(0).len();
        self.timeline.say(Tone::Act, "to access network B");
        self.lab.radio()?.change(self.stop, Access::B, GAP)?;
        // Both routes were in use: each is restored by itself.
        self.wait_for_routes(&events, seen, 2)?;
        self.measure("at access network B")
    }

    /// Round trip and transfer, while the anchors carry nothing.
    fn measure(&mut self, place: &str) -> Result<()> {
        let before = self.tunnelled("ha");
        let optimized = self.milliseconds(CN_DHP, ECHOES)?;
        let by_agent = self.tunnelled("ha").saturating_sub(before);
        let direct = self.milliseconds(CN_DIRECT, ECHOES)?;
        self.verdict(Criterion {
            what: format!("round trip {place}"),
            value: format!(
                "{optimized:.2} ms, {:.3} of the direct path",
                optimized / direct
            ),
            limit: format!("≤ {STRETCH} of {direct:.2} ms"),
            holds: optimized <= direct * STRETCH,
        })?;
        self.verdict(Criterion {
            what: format!("tunnel packets of the home agent {place}"),
            value: by_agent.to_string(),
            limit: format!("0 while {ECHOES} echoes go and come"),
            holds: by_agent == 0,
        })?;
        // The first packets of a conversation may still ask for its route.
        self.transfer(1000)?;
        self.stop
            .wait_for("the transfer's route is optimized", READY, || {
                Ok((self.optimized_routes()? == 2).then_some(()))
            })?;
        let before = self.tunnelled("dhp");
        let received = self.transfer(OCTETS)?;
        let by_dhp = self.tunnelled("dhp").saturating_sub(before);
        self.verdict(Criterion {
            what: format!("tunnel packets of the DHP {place}"),
            value: format!("{by_dhp}, {} MB received", received / 1_000_000),
            limit: format!("0 while {} MB go by TCP", OCTETS / 1_000_000),
            holds: by_dhp == 0 && received == OCTETS,
        })
    }

    fn milliseconds(&self, to: &str, count: u16) -> Result<f64> {
        let ns = ping::round_trip_ns(self.lab.node("mn")?, to, count)?;
        Ok(ns as f64 / 1e6)
    }

    /// Octets that a download has brought.
    fn transfer(&self, octets: u64) -> Result<u64> {
        let url = format!("http://[{CN_DHP}]/{octets}");
        let arguments = [
            "--silent",
            "--noproxy",
            "*",
            "--max-time",
            "60",
            "--output",
            "/dev/null",
            "--write-out",
            "%{size_download}",
            &url,
        ];
        let text = self.lab.node("mn")?.output_anyway("curl", &arguments)?;
        Ok(text.trim().parse().unwrap_or(0))
    }

    /// Packets that an anchor has put into tunnels or taken out of them.
    fn tunnelled(&self, node: &str) -> u64 {
        let counters = self.lab.counters(node);
        total(&counters, "encapsulated") + total(&counters, "decapsulated")
    }

    /// Routes that the agent holds for optimized.
    fn optimized_routes(&self) -> Result<usize> {
        let socket = self.lab.socket("mn").display().to_string();
        let arguments = ["status", "--json", "--socket", &socket];
        let binary = self.lab.binary("dhp-mn")?;
        let status: Value =
            serde_json::from_str(&self.lab.node("mn")?.output(&binary, &arguments)?)?;
        let Some(routes) = status["routes"].as_array() else {
            bail!("the agent tells of no routes");
        };
        let is_optimized = |route: &&Value| route["mode"] == "route-optimized";
        Ok(routes.iter().filter(is_optimized).count())
    }

    /// Waits for `count` routes to be optimized since the event `since`.
    fn wait_for_routes(&mut self, events: &AgentEvents, since: usize, count: usize) -> Result<()> {
        self.stop.wait_for("packets go directly", READY, || {
            let news = events.since(since);
            let optimized = news.iter().filter(|event| event.name == "route_optimized");
            Ok((optimized.count() >= count).then_some(()))
        })?;
        self.timeline.say(Tone::Good, "packets go directly");
        Ok(())
    }

    fn verdict(&mut self, criterion: Criterion) -> Result<()> {
        self.lab.check()?;
        self.programs.iter_mut().try_for_each(Running::check)?;
        self.stop.check()?;
        let tone = if criterion.holds {
            Tone::Good
        } else {
            Tone::Bad
        };
        let text = format!("{}: {}", criterion.what, criterion.value);
        self.timeline.say(tone, &text);
        self.report.criteria.push(criterion);
        Ok(())
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        // The agent was started last and ends first: it releases its bindings while the others still listen.
        while let Some(mut program) = self.programs.pop() {
            program.stop();
        }
    }
}

/// The sum of all numbers of that name, wherever they stand.
fn total(counters: &Value, name: &str) -> u64 {
    match counters {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| match value.as_u64() {
                Some(number) if key == name => number,
                _ => total(value, name),
            })
            .sum(),
        Value::Array(values) => values.iter().map(|value| total(value, name)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_all_workers_are_added() {
        let counters = serde_json::json!({
            "workers": [{"counters": {"encapsulated": 3, "other": 9}}, {"counters": {"encapsulated": 4}}],
        });
        assert_eq!(total(&counters, "encapsulated"), 7);
    }
}
