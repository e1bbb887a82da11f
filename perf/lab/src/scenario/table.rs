//! A scenario's results for the terminal.

use std::fmt::Write;

use super::report::{ModeReport, ScenarioReport};
use super::statistics::quantile;

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
        for trouble in &mode.troubles {
            let _ = writeln!(text, "  {trouble}");
        }
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

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"))
}
