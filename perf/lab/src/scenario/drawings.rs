//! The plots of a scenario's page.

use dhp_svg::{COLOURS, Panel, Plot, document, number};

use super::model::Kind;
use super::report::{FlowReport, ModeReport, ScenarioReport};
use super::statistics::{distribution, quantile};

/// Interruptions beyond that are not drawn, ms.
const LONGEST_MS: f64 = 1000.0;
/// Nor are those beyond the 95th percentile and a half more, so that one outage does not hide the rest.
const TYPICAL: (f64, f64) = (0.95, 1.5);
/// The widest bar, pixels.
const BAR: f64 = 34.0;

/// The class of the line, dots or bars of this number.
fn colour(index: usize) -> &'static str {
    COLOURS.get(index % COLOURS.len()).copied().unwrap_or("c0")
}

fn persistent(mode: &ModeReport) -> impl Iterator<Item = &FlowReport> {
    mode.flows.iter().filter(|flow| flow.is_persistent())
}

/// How much of the interruptions is drawn, ms.
fn drawn_ms(report: &ScenarioReport) -> f64 {
    let flows = report.modes.iter().flat_map(persistent);
    let all: Vec<f64> = flows
        .flat_map(FlowReport::after_usable)
        .filter(|ms| ms.is_finite())
        .collect();
    let (part, more) = TYPICAL;
    let longest = all.iter().copied().fold(10.0, f64::max);
    let typical = quantile(all, part).unwrap_or(longest) * more;
    typical.clamp(10.0, longest).min(LONGEST_MS)
}

/// Cumulative distributions, flow by flow, a line for each mode.
pub fn interruptions_by_flow(report: &ScenarioReport) -> Vec<String> {
    let until = drawn_ms(report);
    let flows = report.scenario.flows.iter();
    flows
        .filter_map(|flow| {
            let mut plot = Plot::new((470.0, 230.0), (0.0, until), (0.0, 1.0));
            plot.axes(
                "ms after the care-of address is usable",
                "part of the handoffs",
            );
            let mut legend = Vec::new();
            for (index, mode) in report.modes.iter().enumerate() {
                let its = persistent(mode).find(|one| one.name == flow.name);
                let Some(its) = its.filter(|one| !one.interruptions.is_empty()) else {
                    continue;
                };
                let points: Vec<_> = distribution(its.after_usable())
                    .into_iter()
                    .take_while(|(ms, _)| *ms <= until)
                    .collect();
                plot.line(colour(index), &points);
                legend.push((colour(index), mode.mode.name().to_owned()));
            }
            let subtitle = match flow.kind {
                Kind::Stream => "cumulative, both ways",
                _ => "cumulative, as TCP has it: with its own timers",
            };
            (!legend.is_empty())
                .then(|| document(&flow.name, subtitle, vec![Panel { plot, legend }]))
        })
        .collect()
}

/// Each handoff at its time, a panel for each mode.
pub fn interruptions_over_time(report: &ScenarioReport) -> String {
    let until = drawn_ms(report);
    let panels = report.modes.iter().map(|mode| {
        let mut plot = Plot::new((940.0, 220.0), (0.0, mode.seconds), (0.0, until));
        plot.axes("seconds", "ms after the care-of address is usable");
        let mut legend = Vec::new();
        for (index, flow) in persistent(mode).enumerate() {
            let point = |handoff: usize, ms: f64| {
                let mut handoffs = mode.handoffs.iter();
                let its = handoffs.find(|one| one.number == handoff)?;
                (ms <= until).then_some((its.begun_s, ms))
            };
            let seen = flow.interruptions.iter();
            let points: Vec<_> = seen
                .filter_map(|one| point(one.handoff, one.after_usable_ms?))
                .collect();
            plot.dots(&format!("small {}", colour(index)), &points);
            legend.push((
                colour(index),
                format!("{}: {}", mode.mode.name(), flow.name),
            ));
        }
        Panel { plot, legend }
    });
    document(
        "Interruption of each handoff",
        &format!(
            "what took longer than {until:.0} ms, or never came back, is not drawn; the table has the longest"
        ),
        panels.collect(),
    )
}

/// What each group has in each mode, as bars beside each other.
struct Bars<'a> {
    title: &'a str,
    subtitle: &'a str,
    y_title: &'a str,
    /// Pixels.
    width: f64,
    /// Name, and the value of each mode.
    groups: Vec<(String, Vec<Option<f64>>)>,
}

impl Bars<'_> {
    /// Nothing, where there is nothing to show.
    fn draw(self, report: &ScenarioReport) -> Option<String> {
        let values = self.groups.iter().flat_map(|(_, values)| values);
        let top = values.copied().flatten().reduce(f64::max)?;
        let (count, width) = (self.groups.len() as f64, self.width);
        let mut plot = Plot::new(
            (width, 240.0),
            (-0.5, count - 0.5),
            (0.0, top.max(1e-3) * 1.15),
        );
        let names = self.groups.iter().enumerate();
        let ticks: Vec<_> = names
            .map(|(place, (name, _))| (place as f64, name.clone()))
            .collect();
        plot.axes_with(&ticks, "", self.y_title);
        let modes = report.modes.len() as f64;
        let bar = (0.7 * (width - 70.0) / count / modes.max(1.0)).min(BAR);
        for (place, (_, values)) in self.groups.iter().enumerate() {
            for (index, value) in values.iter().enumerate() {
                let shift = (index as f64 - (modes - 1.0) / 2.0) * bar;
                if let Some(value) = value {
                    plot.bar(colour(index), (place as f64, shift), bar - 3.0, *value);
                    plot.label((place as f64, shift), *value, &short(*value));
                }
            }
        }
        let legend = report.modes.iter().enumerate();
        let legend = legend
            .map(|(index, mode)| (colour(index), mode.mode.name().to_owned()))
            .collect();
        Some(document(
            self.title,
            self.subtitle,
            vec![Panel { plot, legend }],
        ))
    }
}

/// As many digits as fit above a bar.
fn short(value: f64) -> String {
    match value {
        _ if value >= 10_000.0 => format!("{:.1}k", value / 1000.0),
        _ if value >= 10.0 => format!("{value:.0}"),
        _ => number(value),
    }
}

/// Of each flow one figure in each mode.
fn of_flows(
    report: &ScenarioReport,
    figure: impl Fn(&FlowReport) -> Option<f64>,
) -> Vec<(String, Vec<Option<f64>>)> {
    let flows = report.scenario.flows.iter();
    let groups = flows.map(|flow| {
        let of_mode = |mode: &ModeReport| {
            let its = mode.flows.iter().find(|one| one.name == flow.name);
            its.and_then(&figure)
        };
        (
            flow.name.clone(),
            report.modes.iter().map(of_mode).collect(),
        )
    });
    let has_any = |(_, values): &(String, Vec<Option<f64>>)| values.iter().any(Option::is_some);
    groups.filter(has_any).collect()
}

/// Packets lost, of streams.
pub fn loss(report: &ScenarioReport) -> Option<String> {
    let groups = of_flows(report, FlowReport::lost_percent);
    Bars {
        title: "Loss",
        subtitle: "of the streams' packets, both ways, over the whole trace",
        y_title: "% lost",
        width: 940.0,
        groups,
    }
    .draw(report)
}

/// How much longer the way by the anchor is.
pub fn path_stretch(report: &ScenarioReport) -> Option<String> {
    let groups = of_flows(report, FlowReport::median_stretch);
    Bars {
        title: "Path stretch",
        subtitle: "median round trip as the flow goes / from the care-of address, in the access network where it is greatest",
        y_title: "times the direct path's round trip",
        width: 940.0,
        groups,
    }
    .draw(report)
}

/// Octets by handoff and by minute, and added up over time.
pub fn signalling(report: &ScenarioReport) -> Vec<String> {
    let bars = |title: &str, y_title: &str, figure: &dyn Fn(&ModeReport) -> f64| {
        let values = report.modes.iter().map(|mode| Some(figure(mode)));
        Bars {
            title,
            subtitle: "at the mobile node's access, both ways",
            y_title,
            width: 470.0,
            groups: vec![("all anchors".to_owned(), values.collect())],
        }
        .draw(report)
    };
    let by_handoff = bars("Signalling of a handoff", "octets, mean", &|mode| {
        mode.signalling_per_handoff
    });
    let by_minute = bars("Signalling by minute", "octets a minute", &|mode| {
        mode.signalling_per_minute
    });
    by_handoff.into_iter().chain(by_minute).collect()
}

/// Octets over time, added up.
pub fn signalling_over_time(report: &ScenarioReport) -> String {
    let modes = report.modes.iter();
    let end = modes.map(|mode| mode.seconds).fold(1.0, f64::max);
    let sum = |mode: &ModeReport| -> Vec<(f64, f64)> {
        let mut total = 0.0;
        let mut points = vec![(0.0, 0.0)];
        for handoff in &mode.handoffs {
            total += handoff.signalling_octets as f64 / 1000.0;
            points.push((handoff.begun_s, total));
        }
        points
    };
    let lines: Vec<_> = report.modes.iter().map(sum).collect();
    let points = lines.iter().flatten();
    let top = points.map(|point| point.1).fold(1.0, f64::max);
    let mut plot = Plot::new((940.0, 240.0), (0.0, end), (0.0, top * 1.05));
    plot.axes("seconds", "kilo-octets of signalling in handoffs, added up");
    let mut legend = Vec::new();
    for (index, (mode, points)) in report.modes.iter().zip(&lines).enumerate() {
        plot.line(colour(index), points);
        legend.push((colour(index), mode.mode.name().to_owned()));
    }
    document(
        "Signalling over time",
        "at the mobile node's access, both ways",
        vec![Panel { plot, legend }],
    )
}

/// Goodput of the TCP flows over time; of all, where there are none.
pub fn goodput(mode: &ModeReport) -> String {
    let tcp = |flow: &&FlowReport| flow.kind != Kind::Stream;
    let any_tcp = mode.flows.iter().any(|flow| tcp(&flow));
    let flows: Vec<_> = mode
        .flows
        .iter()
        .filter(|flow| !any_tcp || tcp(flow))
        .collect();
    let points = flows.iter().flat_map(|flow| &flow.goodput);
    let top = points.map(|point| point.1).fold(0.1, f64::max);
    let mut plot = Plot::new((940.0, 260.0), (0.0, mode.seconds), (0.0, top * 1.1));
    plot.axes("seconds", "goodput, Mbit/s");
    for handoff in &mode.handoffs {
        plot.mark(handoff.begun_s, "");
    }
    let mut legend = Vec::new();
    for (index, flow) in flows.iter().enumerate() {
        plot.line(colour(index), &flow.goodput);
        legend.push((colour(index), flow.name.clone()));
    }
    let what = if any_tcp { "TCP goodput" } else { "Goodput" };
    document(
        &format!("{what}, mode {}", mode.mode.name()),
        "at the mobile node, by half second; handoffs marked",
        vec![Panel { plot, legend }],
    )
}
