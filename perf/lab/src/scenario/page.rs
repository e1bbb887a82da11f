//! A scenario's results as one self-contained page.

use std::fmt::Write;

use dhp_svg::{COLOURS, Panel, Plot, document};

use crate::criteria::Criterion;

use super::report::{FlowReport, ModeReport, ScenarioReport};
use super::statistics::distribution;
use super::table;

const STYLE: &str = include_str!("../report.css");

/// The page.
pub fn render(report: &ScenarioReport) -> String {
    let title = escape(&report.scenario.title);
    let (class, verdict) = match report.holds() {
        true => ("good", "all criteria hold"),
        false => ("bad", "not all criteria hold"),
    };
    let mut page = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'>\
         <title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>\
         <p>The same trace in each mode. <span class='verdict {class}'>{verdict}</span></p>"
    );
    page.push_str(&criteria(&report.criteria));
    let card = |drawing: String| format!("<div class=card>{drawing}</div>");
    page.push_str(&card(interruptions(report)));
    page.push_str(&card(signalling(report)));
    for mode in &report.modes {
        page.push_str(&card(goodput(mode)));
    }
    page.push_str(&flows(report));
    for routes in report.modes.iter().filter_map(|mode| mode.routes.as_ref()) {
        let line = table::routes_line(routes);
        let _ = write!(page, "<div class=card><p>ro: {}</p></div>", escape(&line));
    }
    let _ = write!(
        page,
        "<footer>dhp-lab {}; sender and receiver share one clock</footer></main></body></html>",
        escape(&report.version)
    );
    page
}

fn colour(index: usize) -> &'static str {
    COLOURS.get(index % COLOURS.len()).copied().unwrap_or("c0")
}

/// Cumulative distributions: a panel for each mode, a line for each flow.
fn interruptions(report: &ScenarioReport) -> String {
    let persistent = |mode: &ModeReport| -> Vec<FlowReport> {
        let flows = mode.flows.iter().filter(|flow| flow.is_persistent());
        flows.cloned().collect()
    };
    let all = report.modes.iter().flat_map(persistent);
    let longest = all
        .flat_map(|flow| flow.after_usable())
        .filter(|ms| ms.is_finite())
        .fold(10.0, f64::max);
    let panels = report.modes.iter().map(|mode| {
        let mut plot = Plot::new((940.0, 260.0), (0.0, longest.min(1000.0)), (0.0, 1.0));
        plot.axes(
            "ms after the care-of address is usable",
            "part of the handoffs",
        );
        let mut legend = Vec::new();
        for (index, flow) in persistent(mode).iter().enumerate() {
            let points: Vec<_> = distribution(flow.after_usable())
                .into_iter()
                .take_while(|(ms, _)| *ms <= 1000.0)
                .collect();
            plot.line(colour(index), &points);
            legend.push((
                colour(index),
                format!("{}: {}", mode.mode.name(), flow.name),
            ));
        }
        Panel { plot, legend }
    });
    document(
        "Interruption of each handoff",
        "cumulative, all handoffs; what lies beyond 1,000 ms, or never came back, is not drawn: the line ends below 1",
        panels.collect(),
    )
}

/// Octets over time, added up.
fn signalling(report: &ScenarioReport) -> String {
    let end = report
        .modes
        .iter()
        .map(|mode| mode.seconds)
        .fold(1.0, f64::max);
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
    let top = lines
        .iter()
        .flatten()
        .map(|point| point.1)
        .fold(1.0, f64::max);
    let mut plot = Plot::new((940.0, 240.0), (0.0, end), (0.0, top * 1.05));
    plot.axes("seconds", "kilo-octets of signalling in handoffs, added up");
    let mut legend = Vec::new();
    for (index, (mode, points)) in report.modes.iter().zip(&lines).enumerate() {
        plot.line(colour(index), points);
        legend.push((
            colour(index),
            format!(
                "{}: {:.0} octets a handoff, {:.0} a minute",
                mode.mode.name(),
                mode.signalling_per_handoff,
                mode.signalling_per_minute
            ),
        ));
    }
    document(
        "Signalling",
        "at the mobile node's access, both ways",
        vec![Panel { plot, legend }],
    )
}

fn goodput(mode: &ModeReport) -> String {
    let points = || mode.flows.iter().flat_map(|flow| &flow.goodput);
    let top = points().map(|point| point.1).fold(0.1, f64::max);
    let mut plot = Plot::new((940.0, 260.0), (0.0, mode.seconds), (0.0, top * 1.1));
    plot.axes("seconds", "goodput, Mbit/s");
    for handoff in &mode.handoffs {
        plot.mark(handoff.begun_s, "");
    }
    let mut legend = Vec::new();
    for (index, flow) in mode.flows.iter().enumerate() {
        plot.line(colour(index), &flow.goodput);
        legend.push((colour(index), flow.name.clone()));
    }
    let title = format!("Goodput, mode {}", mode.mode.name());
    document(
        &title,
        "at the mobile node, by second; handoffs marked",
        vec![Panel { plot, legend }],
    )
}

fn criteria(criteria: &[Criterion]) -> String {
    let row = |one: &Criterion| {
        let (class, mark) = match one.holds {
            true => ("good", "holds"),
            false => ("bad", "fails"),
        };
        format!(
            "<tr><td>{}<td class=n>{}<td>{}<td class={class}>{mark}</tr>",
            escape(&one.what),
            escape(&one.value),
            escape(&one.limit)
        )
    };
    let rows: String = criteria.iter().map(row).collect();
    format!(
        "<div class=card><table><tr><th>criterion<th class=n>seen<th>limit<th></tr>{rows}</table></div>"
    )
}

fn flows(report: &ScenarioReport) -> String {
    let mut rows = String::new();
    for mode in &report.modes {
        for flow in &mode.flows {
            let typical = |value: Option<f64>| {
                value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"))
            };
            let stretch = flow.round_trips.iter().filter_map(|trips| trips.stretch);
            let trips = flow.round_trips.iter();
            let round_trip = trips.filter_map(|trips| trips.median_by_anchor_ms);
            let _ = write!(
                rows,
                "<tr><td>{}<td>{}<td>{}<td class=n>{}<td class=n>{}<td class=n>{} of {}<td class=n>{}<td class=n>{}<td>{}</tr>",
                mode.mode.name(),
                escape(&flow.name),
                escape(flow.anchor.as_deref().unwrap_or("none")),
                typical(flow.typical(|one| Some(one.interruption_ms))),
                typical(flow.typical(|one| one.after_usable_ms)),
                flow.lost,
                flow.sent,
                typical(round_trip.reduce(f64::max)),
                typical(stretch.reduce(f64::max)),
                escape(flow.fault.as_deref().unwrap_or("survived")),
            );
        }
    }
    format!(
        "<div class=card><table><tr><th>mode<th>flow<th>anchor<th class=n>median ms<th class=n>… with usable CoA<th class=n>lost\
         <th class=n>median RTT ms<th class=n>path stretch<th></tr>{rows}</table></div>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
