//! The demo's final tables for the terminal.

use std::fmt::Write;

use crate::demo_report::DemoReport;
use crate::handoff::{FlowEffect, HandoffReport};

/// The handoffs and the criteria as text.
pub fn render(report: &DemoReport, colour: bool) -> String {
    let mut text = String::from("\nHandoffs\n");
    for handoff in &report.handoffs {
        text.push_str(&heading(handoff));
        for effect in &handoff.flows {
            text.push_str(&row(effect));
        }
    }
    text.push_str("\nCriteria\n");
    for criterion in &report.criteria {
        text.push_str(&criterion.line(colour));
    }
    let verdict = if report.holds() {
        "All criteria hold."
    } else {
        "NOT all criteria hold."
    };
    let _ = writeln!(text, "\n{verdict}");
    text
}

fn heading(handoff: &HandoffReport) -> String {
    format!(
        "\n  {}. {:?}→{:?} {} at {:.1} s: detection {} (radio gap {:.0}), address {}, confirmation DHP {}, HA {} ms; \
         signalling {} octets in {} packets{}\n     {:<16}{:<8}{:>17}{:>26}{:>7}\n",
        handoff.number,
        handoff.from,
        handoff.to,
        handoff.manner.name(),
        handoff.begun_s,
        optional(handoff.detection_ms),
        handoff.radio_gap_ms,
        optional(handoff.configuration_ms),
        optional(handoff.dhp_signalling_ms),
        optional(handoff.ha_signalling_ms),
        handoff.signalling_bytes,
        handoff.signalling_packets,
        stalled(handoff),
        "flow",
        "way",
        "interruption ms",
        "of it after CoA usable ms",
        "lost",
    )
}

/// What the reader has to know of the machine, if anything.
fn stalled(handoff: &HandoffReport) -> String {
    if handoff.is_spoiled() {
        format!("; the machine stood still for {:.0} ms", handoff.stalled_ms)
    } else {
        String::new()
    }
}

fn row(effect: &FlowEffect) -> String {
    let interruption = if effect.restored {
        format!("{:.1}", effect.interruption_ms)
    } else {
        "not restored".to_owned()
    };
    let after = if effect.restored {
        optional(effect.after_usable_ms)
    } else {
        "–".to_owned()
    };
    format!(
        "     {:<16}{:<8}{interruption:>17}{after:>26}{:>7}\n",
        effect.flow.name(),
        effect.way.name(),
        effect.lost
    )
}

fn optional(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"))
}
