//! A scenario's results for the terminal.

use std::fmt::Write;

use super::permission::WithdrawalReport;
use super::report::{ModeReport, ScenarioReport};
use super::routes::RoutesReport;
use super::statistics::{median, quantile};

/// The modes compared, and the criteria.
pub fn render(report: &ScenarioReport, colour: bool) -> String {
    let mut text = format!("\n{}\n", report.scenario.title);
    for mode in &report.modes {
        text.push_str(&heading(mode));
        for flow in &mode.flows {
            let after = |part| number(quantile(flow.after_usable(), part));
            let stretch = flow.round_trips.iter().filter_map(|trips| trips.stretch);
            let _ = writeln!(
                text,
                "  {:<16}{:<10}{:>10}{:>10}{:>10}{:>11}{:>9}  {}",
                flow.name,
                flow.anchor.as_deref().unwrap_or("–"),
                after(0.5),
                after(0.9),
                after(1.0),
                format!("{}/{}", flow.lost, flow.sent),
                number(stretch.reduce(f64::max)),
                flow.fault.as_deref().unwrap_or("survived"),
            );
        }
        if let Some(routes) = &mode.routes {
            text.push_str(&routes_line(routes));
            for withdrawal in &routes.withdrawals {
                let _ = writeln!(text, "  {}", withdrawal_line(withdrawal));
            }
        }
        for outage in &mode.outages {
            let _ = writeln!(text, "  {}", outage.line());
        }
        for trouble in &mode.troubles {
            let _ = writeln!(text, "  {trouble}");
        }
    }
    if report.modes.len() > 1 {
        text.push_str(&compared(report));
    }
    text.push_str("\nCriteria\n");
    for criterion in &report.criteria {
        text.push_str(&criterion.line(colour));
    }
    let verdict = match (report.criteria.is_empty(), report.holds()) {
        (true, _) => "There are no criteria.",
        (false, true) => "All criteria hold.",
        (false, false) => "NOT all criteria hold.",
    };
    let _ = writeln!(text, "\n{verdict}");
    text
}

fn heading(mode: &ModeReport) -> String {
    let spoiled = mode.handoffs.iter().filter(|one| one.is_spoiled).count();
    format!(
        "\nmode {}: {} handoffs in {:.0} s ({spoiled} while the machine stood still); signalling {:.0} octets a handoff, {:.0} a minute\n  \
         {:<16}{:<10}{:>10}{:>10}{:>10}{:>11}{:>9}\n  {:<16}{:<10}{:>30}\n",
        mode.mode.name(),
        mode.handoffs.len(),
        mode.seconds,
        mode.signalling_per_handoff,
        mode.signalling_per_minute,
        "flow",
        "anchor",
        "median",
        "90 %",
        "longest",
        "lost/sent",
        "stretch",
        "",
        "",
        "ms after the CoA is usable",
    )
}

/// What became of the optimized routes.
pub fn routes_line(routes: &RoutesReport) -> String {
    let restored: Vec<f64> = routes
        .restorations
        .iter()
        .filter_map(|one| one.restored_ms)
        .collect();
    let complete = routes.restorations.len() - routes.incomplete();
    let packets = routes.tunnelled();
    format!(
        "  every route fell back and was optimized again in {complete} of {} handoffs, {} ms after the CoA is usable (median; longest {}); \
         tunnelled meanwhile: {}\n",
        routes.restorations.len(),
        number(median(restored.clone())),
        number(restored.into_iter().reduce(f64::max)),
        packets.map_or_else(
            || "not known".to_owned(),
            |count| format!("{count} packets")
        ),
    )
}

/// What became of a permission that was withdrawn.
pub fn withdrawal_line(report: &WithdrawalReport) -> String {
    let handoff = |by: Option<usize>| {
        by.map_or_else(|| "no handoff".to_owned(), |by| format!("handoff {by}"))
    };
    let mut line = format!(
        "DHP {} permitted no route optimization from {:.1} s on: {} of {} routes went by it with {}",
        report.dhp,
        report.from_s,
        report.proxied,
        report.routes,
        handoff(report.proxied_by),
    );
    if let Some(packets) = report.tunnelled {
        let _ = write!(line, " ({packets} packets tunnelled)");
    }
    if let Some(until_s) = report.until_s {
        let _ = write!(
            line,
            "; again from {until_s:.1} s on: {} were optimized with {}, {} ms after the CoA is usable",
            report.restored,
            handoff(report.restored_by),
            number(report.restored_ms),
        );
    }
    line
}

/// The modes side by side: for each flow the median round trip, in the access network where it is longest, and the median
/// interruption once the care-of address is usable, of the handoffs that count.
fn compared(report: &ScenarioReport) -> String {
    let mut text = format!("\n{:<18}{:<22}", "compared", "");
    for mode in &report.modes {
        let _ = write!(text, "{:>12}", mode.mode.name());
    }
    text.push('\n');
    let mut row = |name: &str, what: &str, value: &dyn Fn(&ModeReport) -> String| {
        let _ = write!(text, "  {name:<16}{what:<22}");
        for mode in &report.modes {
            let _ = write!(text, "{:>12}", value(mode));
        }
        text.push('\n');
    };
    for flow in report.scenario.flows.iter().map(|flow| flow.name.as_str()) {
        let of = |mode: &ModeReport| mode.flows.iter().find(|one| one.name == flow).cloned();
        row(flow, "median RTT, ms", &|mode| {
            let flow = of(mode);
            let trips = flow.iter().flat_map(|flow| &flow.round_trips);
            number(
                trips
                    .filter_map(|trips| trips.median_by_anchor_ms)
                    .reduce(f64::max),
            )
        });
        row("", "median silence, ms", &|mode| {
            number(of(mode).and_then(|flow| flow.typical(|one| one.after_usable_ms)))
        });
    }
    row("signalling", "octets a handoff", &|mode| {
        format!("{:.0}", mode.signalling_per_handoff)
    });
    text
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"))
}
