//! From what was noted in a mode to its report.

use crate::access::Access;
use crate::addresses::HA;
use crate::handoff::{Handoff, Phases, milliseconds};
use crate::stream_record::Direction;
use crate::streams::Way;

use super::access_use::AccessUse;
use super::model::{Flow, Mode, Scenario, SessionType};
use super::network::Place;
use super::outage::{Outage, OutageReport};
use super::permission::Noted;
use super::prober::Probe;
use super::report::{
    AnchorReport, BIN_S, FlowReport, HandoffSummary, Interruption, ModeReport, RoundTrips,
};
use super::routes::{self, RoutesReport};
use super::run::Findings;
use super::statistics::median;
use super::traffic::Notes;

/// After a handoff the first probes may still be on the old way.
const SETTLED_NS: u64 = 500_000_000;

/// The node that anchors a flow in a mode.
fn anchor_of(scenario: &Scenario, flow: &Flow, mode: Mode) -> Option<String> {
    match (flow.session, mode) {
        (SessionType::NonPersistent, _) => None,
        (SessionType::SessionLasting, mode) if mode.has_dhps() => scenario
            .region(&flow.to)
            .ok()
            .map(|index| Place(index).dhp()),
        _ => Some("ha".to_owned()),
    }
}

impl ModeReport {
    /// Puts a mode's findings together.
    pub fn of(scenario: &Scenario, findings: &Findings) -> Self {
        let seconds = findings.end_ns.saturating_sub(findings.start_ns) as f64 / 1e9;
        let octets_in = |from_ns, until_ns| -> u64 {
            let window = from_ns..until_ns;
            let frames = findings.signalling.iter();
            frames
                .filter(|(at_ns, _)| window.contains(at_ns))
                .map(|(_, frame)| frame.ipv6_bytes)
                .sum()
        };
        let handoffs: Vec<_> = findings
            .handoffs
            .iter()
            .map(|handoff| {
                let octets = octets_in(handoff.begun_ns, handoff.until_ns);
                summary(scenario, findings, handoff, octets)
            })
            .collect();
        let octets = octets_in(findings.start_ns, findings.end_ns);
        let in_handoffs: u64 = handoffs.iter().map(|one| one.signalling_octets).sum();
        let flows = findings
            .flows
            .iter()
            .filter_map(|(index, notes)| {
                let flow = scenario.flows.get(*index)?;
                let mut report = flow_report(scenario, findings, flow, notes);
                report.access_use = AccessUse::of(scenario, findings, *index);
                Some(report)
            })
            .collect();
        let trouble = |name: &str| {
            matches!(
                name,
                "anchor_silent" | "fallback" | "unbound" | "flow_access"
            )
        };
        let events = findings.events.iter();
        Self {
            mode: findings.mode,
            seconds,
            flows,
            anchors: anchors(scenario, findings),
            routes: (findings.mode == Mode::Ro).then(|| routes(scenario, findings)),
            outages: outages(scenario, findings),
            signalling_octets: octets,
            signalling_per_minute: octets as f64 * 60.0 / seconds.max(1e-3),
            signalling_per_handoff: in_handoffs as f64 / handoffs.len().max(1) as f64,
            handoffs,
            troubles: events
                .filter(|event| trouble(&event.name) && event.at_ns >= findings.start_ns)
                .map(|event| {
                    let s = event.at_ns.saturating_sub(findings.start_ns) as f64 / 1e9;
                    format!("{s:.1} s: {}", event.describe())
                })
                .collect(),
        }
    }
}

fn phases(findings: &Findings, handoff: &Handoff) -> Phases {
    handoff.phases(&findings.events, "", HA)
}

fn summary(
    scenario: &Scenario,
    findings: &Findings,
    handoff: &Handoff,
    signalling_octets: u64,
) -> HandoffSummary {
    let usable_ns = phases(findings, handoff).usable_ns;
    HandoffSummary {
        number: handoff.number,
        from: scenario.access_name(handoff.from).to_owned(),
        to: scenario.access_name(handoff.to).to_owned(),
        begun_s: handoff.begun_ns.saturating_sub(findings.start_ns) as f64 / 1e9,
        usable_ms: usable_ns.map(|ns| milliseconds(ns.saturating_sub(handoff.begun_ns))),
        signalling_octets,
        stalled_ms: milliseconds(handoff.stalled_ns),
        is_spoiled: handoff.is_spoiled(),
    }
}

fn flow_report(scenario: &Scenario, findings: &Findings, flow: &Flow, notes: &Notes) -> FlowReport {
    let anchor = anchor_of(scenario, flow, findings.mode);
    let round_trips: Vec<_> = Access::first(Access::MOST)
        .take(scenario.accesses.len())
        .map(|access| round_trips(scenario, findings, flow, anchor.as_deref(), access))
        .collect();
    let directions = directions(notes);
    let mut interruptions = Vec::new();
    for handoff in &findings.handoffs {
        let phases = phases(findings, handoff);
        let to_anchor_ms = round_trips
            .get(handoff.to.index())
            .and_then(|trips| trips.to_anchor_ms);
        for (way, direction) in &directions {
            let effect = handoff.effect_on(&phases, (), *way, *direction);
            interruptions.push(Interruption {
                handoff: handoff.number,
                way: *way,
                interruption_ms: effect.interruption_ms,
                after_usable_ms: effect.after_usable_ms,
                over_rtt_ms: effect
                    .after_usable_ms
                    .zip(to_anchor_ms)
                    .map(|(after, rtt)| after - rtt),
                lost: effect.lost,
                is_spoiled: handoff.is_spoiled(),
            });
        }
    }
    let last_ns = findings.handoffs.last().map_or(0, |last| last.begun_ns);
    let troubles = scenario.troubles.iter();
    let over_s = troubles.map(|trouble| trouble.at_s + trouble.for_s);
    let over_ns = over_s.map(|s| findings.start_ns.saturating_add((s * 1e9) as u64));
    let last_ns = over_ns.fold(last_ns, u64::max);
    let goes_on = directions.iter().all(|(_, direction)| {
        let mut arrivals = direction.arrivals.iter();
        // What was under way at the last handoff does not show that the flow has survived it.
        arrivals.any(|one| one.received_ns > last_ns.saturating_add(SETTLED_NS))
    });
    let fault = match notes {
        Notes::Arrivals(arrived) => arrived.fault.clone(),
        Notes::Stream(_) => None,
    };
    let sent = directions.iter().map(|(_, one)| one.sent.len()).sum();
    let arrived: usize = directions.iter().map(|(_, one)| distinct(one)).sum();
    FlowReport {
        name: flow.name.clone(),
        kind: flow.kind,
        survived: goes_on && fault.is_none(),
        fault: match (fault, goes_on) {
            (None, false) => Some("nothing came after the last handoff".to_owned()),
            (fault, _) => fault,
        },
        sent,
        lost: if sent > 0 {
            sent.saturating_sub(arrived)
        } else {
            0
        },
        goodput: goodput(findings, notes),
        anchor,
        interruptions,
        round_trips,
        longest_silence_ms: longest_silence_ns(&directions, findings.end_ns).map(milliseconds),
        access_use: None,
    }
}

/// From one arrival to the next, and from the last one to the end; none where nothing arrived.
fn longest_silence_ns(directions: &[(Way, Direction<'_>)], end_ns: u64) -> Option<u64> {
    let longest = directions.iter().map(|(_, direction)| {
        let times = direction.arrivals.iter().map(|one| one.received_ns);
        let mut times: Vec<u64> = times.filter(|at_ns| *at_ns < end_ns).collect();
        times.sort_unstable();
        let next = times.iter().skip(1).chain([&end_ns]);
        let silences = times.iter().zip(next);
        silences.map(|(from, to)| to.saturating_sub(*from)).max()
    });
    longest.collect::<Option<Vec<u64>>>()?.into_iter().max()
}

fn directions(notes: &Notes) -> Vec<(Way, Direction<'_>)> {
    match notes {
        Notes::Stream(stream) => Way::BOTH.map(|way| (way, stream.direction(way))).to_vec(),
        Notes::Arrivals(arrived) => vec![(
            Way::Downlink,
            Direction {
                sent: &[],
                arrivals: &arrived.arrivals,
            },
        )],
    }
}

fn distinct(direction: &Direction<'_>) -> usize {
    let mut seen: Vec<u64> = direction.arrivals.iter().map(|one| one.sequence).collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len()
}

/// UDP payload of the streams' packets, octets.
const STREAM_PAYLOAD: u64 = 100;

fn goodput(findings: &Findings, notes: &Notes) -> Vec<(f64, f64)> {
    let seconds = findings.end_ns.saturating_sub(findings.start_ns) as f64 / 1e9;
    let mut bins = vec![0_u64; (seconds / BIN_S).ceil().max(1.0) as usize];
    let mut add = |at_ns: u64, octets: u64| {
        let second = at_ns.saturating_sub(findings.start_ns) as f64 / 1e9;
        if let Some(bin) = bins.get_mut((second / BIN_S) as usize) {
            *bin = bin.saturating_add(octets);
        }
    };
    match notes {
        Notes::Stream(stream) => {
            for one in stream.direction(Way::Downlink).arrivals {
                add(one.received_ns, STREAM_PAYLOAD);
            }
        }
        Notes::Arrivals(arrived) => {
            for (one, octets) in arrived.arrivals.iter().zip(&arrived.octets) {
                add(one.received_ns, *octets);
            }
        }
    }
    let points = (0_u32..).zip(bins);
    points
        .map(|(bin, octets)| {
            let middle = (f64::from(bin) + 0.5) * BIN_S;
            (middle, octets as f64 * 8e-6 / BIN_S)
        })
        .collect()
}

fn round_trips(
    scenario: &Scenario,
    findings: &Findings,
    flow: &Flow,
    anchor: Option<&str>,
    access: Access,
) -> RoundTrips {
    // Where a DHP permits it no longer, its flows go by it.
    let is_proxied = |handoff: &Handoff| {
        let mut withdrawn = findings.withdrawn.iter();
        flow.session == SessionType::SessionLasting
            && withdrawn.any(|one| {
                scenario.region(&flow.to).ok() == Some(one.region) && one.holds_at(handoff.begun_ns)
            })
    };
    let times = |target: String| {
        let targets = super::run::targets(scenario);
        let index = targets.iter().position(|one| *one == target);
        let probes = index.and_then(|index| findings.probes.get(index));
        probes.map_or_else(Vec::new, |probes| {
            times_in(findings, probes, access, is_proxied)
        })
    };
    let least = |times: &[f64]| times.iter().copied().reduce(f64::min);
    let place = scenario.region(&flow.to).map(Place).unwrap_or(Place(0));
    let by_anchor = times(place.address(flow.session));
    let direct = times(place.address(SessionType::NonPersistent));
    let (by_anchor_ms, direct_ms) = (least(&by_anchor), least(&direct));
    let to_anchor_ms = anchor.and_then(|node| match node {
        "ha" => least(&times(HA.to_owned())),
        _ => least(&times(place.dhp_address())),
    });
    let ratio = |by: Option<f64>, direct: Option<f64>| {
        by.zip(direct).map(|(by, direct)| by / direct.max(1e-3))
    };
    let samples = by_anchor.len();
    let (median_by_anchor_ms, median_direct_ms) = (median(by_anchor), median(direct));
    RoundTrips {
        access: scenario.access_name(access).to_owned(),
        by_anchor_ms,
        direct_ms,
        to_anchor_ms,
        stretch: ratio(by_anchor_ms, direct_ms),
        samples,
        median_by_anchor_ms,
        median_direct_ms,
        median_stretch: ratio(median_by_anchor_ms, median_direct_ms),
    }
}

/// What the probes that began and ended in an access network have measured, ms. Where routes are optimized, those count that began
/// when all of them were, and after no handoff that left the flow with its anchor.
fn times_in(
    findings: &Findings,
    probes: &[Probe],
    access: Access,
    is_proxied: impl Fn(&Handoff) -> bool,
) -> Vec<f64> {
    let first_ns = findings
        .handoffs
        .first()
        .map_or(findings.end_ns, |one| one.begun_ns);
    let mut stays = Vec::new();
    if access == Access::A {
        stays.push((findings.start_ns, first_ns));
    }
    for handoff in findings
        .handoffs
        .iter()
        .filter(|handoff| handoff.to == access && !is_proxied(handoff))
    {
        stays.push((
            handoff
                .begun_ns
                .saturating_add(SETTLED_NS)
                .max(restored_ns(findings, handoff)),
            handoff.until_ns,
        ));
    }
    let inside = |probe: &&Probe| {
        let mut stays = stays.iter();
        stays.any(|(from, until)| probe.begun_ns >= *from && probe.ended_ns <= *until)
    };
    let times = probes
        .iter()
        .filter(inside)
        .filter_map(|probe| probe.round_trip_ns);
    times.map(milliseconds).collect()
}

/// When the last route was optimized that was so before the handoff; 0 where there is none.
fn restored_ns(findings: &Findings, handoff: &Handoff) -> u64 {
    let window = handoff.begun_ns..handoff.until_ns;
    let optimized = findings
        .events
        .iter()
        .filter(|event| event.name == "route_optimized" && window.contains(&event.at_ns));
    optimized.map(|event| event.at_ns).max().unwrap_or(0)
}

fn routes(scenario: &Scenario, findings: &Findings) -> RoutesReport {
    let usable_ns = |handoff: &Handoff| phases(findings, handoff).usable_ns;
    let restorations = findings.handoffs.iter().map(|handoff| {
        let permits = |correspondent: &str| {
            let mut withdrawn = findings.withdrawn.iter();
            withdrawn.all(|one| {
                let concerned = Place(one.region).address(SessionType::SessionLasting);
                concerned != correspondent || !one.holds_at(handoff.begun_ns)
            })
        };
        let usable_ns = usable_ns(handoff);
        routes::restoration(&findings.events, handoff, usable_ns, permits)
    });
    let noted = Noted {
        events: &findings.events,
        handoffs: &findings.handoffs,
        counts: &findings.counts,
        start_ns: findings.start_ns,
    };
    let withdrawals = findings.withdrawn.iter().map(|one| {
        let place = Place(one.region);
        let name = scenario.region_name(one.region);
        let correspondent = place.address(SessionType::SessionLasting);
        noted.report(one, &correspondent, (name, &place.dhp()), usable_ns)
    });
    let arrived = |from_ns: u64, until_ns: u64| -> u64 {
        let mut count = 0;
        for (index, notes) in &findings.flows {
            let flow = scenario.flows.get(*index);
            if flow.is_none_or(|flow| anchor_of(scenario, flow, findings.mode).is_none()) {
                continue;
            }
            for (_, direction) in directions(notes) {
                let arrivals = direction.arrivals.iter();
                let inside = arrivals.filter(|one| (from_ns..until_ns).contains(&one.received_ns));
                count += inside.count() as u64;
            }
        }
        count
    };
    let pairs = findings.counts.iter().zip(findings.counts.iter().skip(1));
    let windows =
        pairs.filter_map(|pair| routes::window(&findings.events, findings.start_ns, pair, arrived));
    RoutesReport {
        restorations: restorations.collect(),
        windows: windows.collect(),
        withdrawals: withdrawals.collect(),
    }
}

fn outages(scenario: &Scenario, findings: &Findings) -> Vec<OutageReport> {
    let of_dhp = |one: &Outage| {
        let place = Place(one.region);
        let (node, address) = (place.dhp(), place.dhp_address());
        let name = scenario.region_name(one.region);
        let mut report = one.report(name, &address, &findings.events, findings.start_ns);
        for (index, notes) in &findings.flows {
            let flow = scenario.flows.get(*index);
            let by_it = |flow: &&Flow| {
                anchor_of(scenario, flow, findings.mode).as_deref() == Some(node.as_str())
            };
            let Some(flow) = flow.filter(by_it) else {
                continue;
            };
            let arrivals: Vec<Vec<u64>> = directions(notes)
                .iter()
                .map(|(_, way)| way.arrivals.iter().map(|one| one.received_ns).collect())
                .collect();
            report.flows.push(one.return_of(&flow.name, &arrivals));
        }
        report
    };
    findings.outages.iter().map(of_dhp).collect()
}

fn anchors(scenario: &Scenario, findings: &Findings) -> Vec<AnchorReport> {
    let arrived = |node: &str| -> u64 {
        let mut count = 0;
        for (index, notes) in &findings.flows {
            let anchor = scenario
                .flows
                .get(*index)
                .and_then(|flow| anchor_of(scenario, flow, findings.mode));
            if let (true, Notes::Stream(stream)) = (anchor.as_deref() == Some(node), notes) {
                count += stream.direction(Way::Downlink).arrivals.len() as u64;
            }
        }
        count
    };
    findings
        .counters
        .iter()
        .map(|(node, counters)| AnchorReport {
            node: node.clone(),
            encapsulated: routes::sum(counters, "encapsulated"),
            arrived: arrived(node),
        })
        .collect()
}
