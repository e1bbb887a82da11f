//! A scenario's results as one self-contained page.

use std::fmt::Write;

use crate::criteria::Criterion;

use super::drawings;
use super::report::{FlowReport, ModeReport, ScenarioReport};
use super::statistics::quantile;
use super::table;

const STYLE: &str = include_str!("../report.css");

/// What stands where nothing was measured.
const NOTHING: &str = "–";

/// The page.
pub fn render(report: &ScenarioReport) -> String {
    let title = escape(&report.scenario.title);
    let (class, verdict) = match (report.criteria.is_empty(), report.holds()) {
        (true, _) => ("", "no criteria"),
        (false, true) => ("good", "all criteria hold"),
        (false, false) => ("bad", "not all criteria hold"),
    };
    let mut page = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'>\
         <title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>\
         <p>{}The same trace in each mode: {}. <span class='verdict {class}'>{verdict}</span></p>",
        if report.quick {
            "The quick form, with fewer handoffs. "
        } else {
            ""
        },
        escape(&modes(report))
    );
    page.push_str(&criteria(&report.criteria));
    page.push_str("<h2>Modes compared</h2>");
    page.push_str(&compared(report));
    page.push_str("<h2>Interruption</h2><p>The longest silence at the receiver around a handoff, less what it took until the new \
                   care-of address could be used. A line that ends below 1 has handoffs beyond the plot.</p>");
    pairs(&mut page, drawings::interruptions_by_flow(report));
    card(&mut page, &drawings::interruptions_over_time(report));
    page.push_str("<h2>Loss and path</h2>");
    for drawing in drawings::loss(report)
        .into_iter()
        .chain(drawings::path_stretch(report))
    {
        card(&mut page, &drawing);
    }
    page.push_str("<h2>Signalling</h2>");
    pairs(&mut page, drawings::signalling(report));
    card(&mut page, &drawings::signalling_over_time(report));
    page.push_str("<h2>Goodput</h2>");
    for mode in &report.modes {
        card(&mut page, &drawings::goodput(mode));
    }
    page.push_str("<h2>Flows</h2>");
    page.push_str(&flows(report));
    let notes = notes(report);
    if !notes.is_empty() {
        page.push_str("<h2>What happened</h2>");
        card(&mut page, &notes);
    }
    page.push_str("<h2>What was run</h2>");
    page.push_str(&handoffs(report));
    page.push_str(&scenario(report));
    let _ = write!(
        page,
        "<footer>dhp-lab {}; sender and receiver share one clock</footer></main></body></html>",
        escape(&report.version)
    );
    page
}

fn card(page: &mut String, content: &str) {
    let _ = write!(page, "<div class=card>{content}</div>");
}

fn pairs(page: &mut String, drawings: Vec<String>) {
    page.push_str("<div class=pair>");
    for drawing in drawings {
        card(page, &drawing);
    }
    page.push_str("</div>");
}

/// What the modes are.
fn modes(report: &ScenarioReport) -> String {
    let all = report.modes.iter().map(|mode| mode.mode.describe());
    all.collect::<Vec<_>>().join("; ")
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

/// A row for each figure, a column for each mode.
fn compared(report: &ScenarioReport) -> String {
    let mut rows = String::new();
    let mut row = |first: bool, name: &str, what: &str, figure: &dyn Fn(&ModeReport) -> String| {
        let figures: Vec<String> = report.modes.iter().map(figure).collect();
        if figures.iter().all(|figure| figure == NOTHING) {
            return;
        }
        let class = if first { " class=first" } else { "" };
        let _ = write!(rows, "<tr{class}><td>{}<td>{what}", escape(name));
        for figure in figures {
            let _ = write!(rows, "<td class=n>{figure}");
        }
        rows.push_str("</tr>");
    };
    let lost = |mode: &ModeReport| {
        let flows = mode.flows.iter().filter(|flow| flow.is_persistent());
        let lost = flows.clone().filter(|flow| !flow.survived).count();
        format!("{lost} of {}", flows.count())
    };
    row(true, "sessions", "lost", &lost);
    row(true, "signalling", "octets a handoff", &|mode| {
        format!("{:.0}", mode.signalling_per_handoff)
    });
    row(false, "", "octets a minute", &|mode| {
        format!("{:.0}", mode.signalling_per_minute)
    });
    for flow in &report.scenario.flows {
        let of = |mode: &ModeReport, figure: &dyn Fn(&FlowReport) -> Option<f64>| {
            let its = mode.flows.iter().find(|one| one.name == flow.name);
            number(its.and_then(figure))
        };
        let name = flow.name.as_str();
        row(
            true,
            name,
            "interruption with usable CoA, median ms",
            &|mode| of(mode, &|flow| flow.typical(|one| one.after_usable_ms)),
        );
        row(false, "", "… longest", &|mode| {
            of(mode, &|flow| quantile(flow.after_usable(), 1.0))
        });
        row(false, "", "lost, %", &|mode| {
            of(mode, &FlowReport::lost_percent)
        });
        row(false, "", "round trip, median ms", &|mode| {
            of(mode, &FlowReport::median_round_trip_ms)
        });
        row(false, "", "… times the direct path's", &|mode| {
            of(mode, &FlowReport::median_stretch)
        });
    }
    let heads = report.modes.iter();
    let heads: String = heads
        .map(|mode| format!("<th class=n>{}", mode.mode.name()))
        .collect();
    format!("<div class=card><table><tr><th><th>{heads}</tr>{rows}</table></div>")
}

fn flows(report: &ScenarioReport) -> String {
    let mut rows = String::new();
    for mode in &report.modes {
        for (place, flow) in mode.flows.iter().enumerate() {
            let stretch = flow.round_trips.iter().filter_map(|trips| trips.stretch);
            let _ = write!(
                rows,
                "<tr{}><td>{}<td>{}<td>{}<td class=n>{}<td class=n>{}<td class=n>{} of {}<td class=n>{}<td class=n>{}<td>{}</tr>",
                if place == 0 { " class=first" } else { "" },
                mode.mode.name(),
                escape(&flow.name),
                escape(flow.anchor.as_deref().unwrap_or("none")),
                number(flow.typical(|one| Some(one.interruption_ms))),
                number(flow.typical(|one| one.after_usable_ms)),
                flow.lost,
                flow.sent,
                number(flow.median_round_trip_ms()),
                number(stretch.reduce(f64::max)),
                escape(flow.fault.as_deref().unwrap_or("survived")),
            );
        }
    }
    format!(
        "<div class=card><table><tr><th>mode<th>flow<th>anchor<th class=n>median ms<th class=n>… with usable CoA<th class=n>lost\
         <th class=n>median RTT ms<th class=n>path stretch, least<th></tr>{rows}</table></div>"
    )
}

/// Routes, outages, withdrawn permissions, and what the agent said of them.
fn notes(report: &ScenarioReport) -> String {
    let mut notes = String::new();
    for mode in &report.modes {
        let mut lines: Vec<String> = Vec::new();
        if let Some(routes) = &mode.routes {
            lines.push(table::routes_line(routes));
            lines.extend(routes.withdrawals.iter().map(table::withdrawal_line));
        }
        lines.extend(mode.outages.iter().map(|outage| outage.line()));
        lines.extend(mode.troubles.iter().cloned());
        for line in lines {
            let _ = write!(
                notes,
                "<p>{}: {}</p>",
                mode.mode.name(),
                escape(line.trim())
            );
        }
    }
    notes
}

/// Handoff by handoff, to be opened.
fn handoffs(report: &ScenarioReport) -> String {
    let mut rows = String::new();
    for mode in &report.modes {
        for (place, one) in mode.handoffs.iter().enumerate() {
            let _ = write!(
                rows,
                "<tr{}><td>{}<td class=n>{}<td>{} → {}<td class=n>{:.1}<td class=n>{}<td class=n>{}<td class=n>{:.1}{}</tr>",
                if place == 0 { " class=first" } else { "" },
                mode.mode.name(),
                one.number,
                escape(&one.from),
                escape(&one.to),
                one.begun_s,
                number(one.usable_ms),
                one.signalling_octets,
                one.stalled_ms,
                if one.is_spoiled { " (spoiled)" } else { "" },
            );
        }
    }
    format!(
        "<div class=card><details><summary>Handoffs</summary><table><tr><th>mode<th class=n>handoff<th>access networks<th class=n>begun, s\
         <th class=n>CoA usable after ms<th class=n>octets of signalling<th class=n>machine stood still, ms</tr>{rows}</table></details></div>"
    )
}

/// The scenario's file.
fn scenario(report: &ScenarioReport) -> String {
    let text = toml::to_string(&report.scenario).unwrap_or_else(|error| error.to_string());
    format!(
        "<div class=card><details><summary>The scenario{}</summary><pre>{}</pre></details></div>",
        if report.quick {
            ", in its quick form"
        } else {
            ""
        },
        escape(&text)
    )
}

fn number(value: Option<f64>) -> String {
    match value {
        None => NOTHING.to_owned(),
        Some(value) if value.is_infinite() => "never".to_owned(),
        Some(value) => format!("{value:.1}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::sample;

    #[test]
    fn a_page_has_what_was_seen_and_what_was_run() {
        let mut report = sample::report(sample::flow(&[Some(1.0), None], &[false; 2]));
        report.scenario.title = "a < b".to_owned();
        let page = render(&report);
        assert!(page.contains("a &lt; b") && !page.contains("a < b"));
        assert!(page.contains("no criteria"));
        // The worst handoff is the one after which nothing came back.
        assert!(page.contains("never"), "{page}");
        assert!(page.contains("voice-west") && page.contains("[[region]]"));
        // A flow that did not run has no plot.
        assert!(!page.contains(">voice-home</text>"));
    }

    #[test]
    fn figures_that_no_mode_has_are_left_out() {
        let mut flow = sample::flow(&[Some(1.0)], &[false]);
        assert!(compared(&sample::report(flow.clone())).contains("lost, %"));
        flow.sent = 0;
        assert!(!compared(&sample::report(flow)).contains("lost, %"));
    }
}
