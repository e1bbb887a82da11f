//! The one-page report: self-contained HTML with drawings, for light and dark.

use std::fmt::Write;

use crate::demo_report::DemoReport;
use crate::flows::Flow;
use crate::handoff::HandoffReport;
use crate::plots;
use crate::sketch;
use crate::streams::Way;

const STYLE: &str = include_str!("report.css");

/// The page.
pub fn render(report: &DemoReport) -> String {
    let mut page = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'>\
         <title>Handoffs through a Distributed Home-Proxy</title><style>{STYLE}</style></head><body><main>"
    );
    page.push_str(&head(report));
    section(
        &mut page,
        "The lab",
        "Network namespaces of one machine, joined by wires that delay. The correspondent is a plain Linux host; \
         access routers let only their own addresses out (BCP 38).",
        &format!("<div class=card>{}</div>", sketch::topology()),
    );
    section(
        &mut page,
        "Downloads by unmodified curl",
        "One TCP connection each. On the DHoA and on the HoA it lives through every move; on the care-of address, \
         without an anchor, it breaks at the first.",
        &format!(
            "<div class=card>{}{}</div>",
            flow_legend(),
            plots::goodput(report)
        ),
    );
    section(
        &mut page,
        "Interruption of each handoff",
        "The longest silence at the receiver of a UDP stream of 1,000 packets a second, split by what the mobile node was doing.",
        &format!(
            "<div class=card>{}{}</div>",
            phase_legend(),
            plots::interruptions(report)
        ),
    );
    let close_ups: String = report
        .handoffs
        .iter()
        .enumerate()
        .map(|(index, handoff)| {
            let title = format!(
                "{}. {:?}→{:?}, {}",
                handoff.number,
                handoff.from,
                handoff.to,
                handoff.manner.name()
            );
            format!(
                "<div class=card><h3>{title}</h3>{}</div>",
                plots::close_up(report, index, handoff)
            )
        })
        .collect();
    section(
        &mut page,
        "Close-ups",
        "Each dot is a packet that arrives at the mobile node. A horizontal break is silence, a vertical one is loss.",
        &format!("{}<div class=pair>{close_ups}</div>", flow_legend()),
    );
    let both = Way::BOTH
        .map(|way| format!("<div class=card>{}</div>", plots::arrivals(report, way)))
        .concat();
    section(
        &mut page,
        "The streams over time",
        "",
        &format!("{}<div class=pair>{both}</div>", flow_legend()),
    );
    section(
        &mut page,
        "Handoffs in figures",
        "Times in milliseconds.",
        &handoff_table(report),
    );
    section(&mut page, "Criteria", "", &criteria_table(report));
    let _ = write!(
        page,
        "<footer>dhp-lab {} · {:.0} s · sender and receiver share one clock, so one-way times are exact · wires: {}</footer></main></body></html>",
        report.version,
        report.seconds,
        wires(report)
    );
    page
}

fn head(report: &DemoReport) -> String {
    let (class, verdict) = if report.holds() {
        ("good", "all criteria hold")
    } else {
        ("bad", "not all criteria hold")
    };
    let after_usable = report
        .handoffs
        .iter()
        .flat_map(|handoff| &handoff.flows)
        .filter(|e| e.flow == Flow::Dhp);
    let worst = after_usable
        .filter_map(|effect| effect.after_usable_ms)
        .fold(0.0, f64::max);
    let survived = report
        .downloads
        .iter()
        .filter(|d| d.flow.is_persistent() && d.is_complete(&report.expected_sha256));
    let bytes: Vec<u64> = report
        .handoffs
        .iter()
        .map(|handoff| handoff.signalling_bytes)
        .collect();
    let mean_bytes = bytes
        .iter()
        .sum::<u64>()
        .checked_div(bytes.len() as u64)
        .unwrap_or(0);
    let tile = |value: String, what: &str| {
        format!("<div class=tile><b>{value}</b><span>{what}</span></div>")
    };
    [
        "<h1>A mobile node's sessions through a Distributed Home-Proxy</h1>".to_owned(),
        format!(
            "<p>{} handoffs of a roaming host, measured. <span class='verdict {class}'>{verdict}</span></p><div class=tiles>",
            report.handoffs.len()
        ),
        tile(format!("{:.1} ms", report.round_trips.dhp_ms), "round trip to the correspondent through the DHP"),
        tile(format!("{:.1} ms", report.round_trips.ha_ms), "the same through the home agent"),
        tile(format!("{worst:.1} ms"), "longest DHP interruption once the new care-of address was usable"),
        tile(format!("{} of 2", survived.count()), "anchored TCP downloads completed, SHA-256 right"),
        tile(format!("{mean_bytes} octets"), "signalling per handoff, both anchors, both ways"),
        "</div>".to_owned(),
    ]
    .concat()
}

fn section(page: &mut String, title: &str, text: &str, body: &str) {
    let text = if text.is_empty() {
        String::new()
    } else {
        format!("<p>{text}</p>")
    };
    let _ = write!(page, "<section><h2>{title}</h2>{text}{body}</section>");
}

fn flow_legend() -> String {
    let entries =
        Flow::ALL.map(|flow| format!("<span><i class={}></i>{}</span>", flow.key(), flow.name()));
    format!("<div class=legend>{}</div>", entries.concat())
}

fn phase_legend() -> String {
    "<div class=legend><span><i class=detection></i>detection (with the radio's gap)</span><span><i class=configuration></i>\
     address configuration</span><span><i class=signalling></i>signalling and path</span></div>"
        .to_owned()
}

fn handoff_table(report: &DemoReport) -> String {
    let rows: String = report.handoffs.iter().map(handoff_rows).collect();
    format!(
        "<div class=card><table><tr><th>handoff<th class=n>detection<th class=n>address<th class=n>DHP confirmed<th class=n>HA \
         acknowledged<th class=n>signalling<th>flow<th class=n>interruption<th class=n>with usable CoA<th class=n>lost</tr>{rows}</table></div>"
    )
}

fn handoff_rows(handoff: &HandoffReport) -> String {
    let mut rows = String::new();
    for (index, effect) in handoff.flows.iter().enumerate() {
        let (class, heading) = if index == 0 {
            (" class=first", heading_cells(handoff))
        } else {
            ("", "<td><td><td><td><td><td>".to_owned())
        };
        let (interruption, after) = if effect.restored {
            (
                format!("{:.1}", effect.interruption_ms),
                optional(effect.after_usable_ms),
            )
        } else {
            ("not restored".to_owned(), "–".to_owned())
        };
        let _ = write!(
            rows,
            "<tr{class}>{heading}<td>{} {}<td class=n>{interruption}<td class=n>{after}<td class=n>{}</tr>",
            effect.flow.name(),
            effect.way.name(),
            effect.lost
        );
    }
    rows
}

fn heading_cells(handoff: &HandoffReport) -> String {
    format!(
        "<td>{}. {:?}→{:?}, {}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{} octets, {} packets{}",
        handoff.number,
        handoff.from,
        handoff.to,
        handoff.manner.name(),
        optional(handoff.detection_ms),
        optional(handoff.configuration_ms),
        optional(handoff.dhp_signalling_ms),
        optional(handoff.ha_signalling_ms),
        handoff.signalling_bytes,
        handoff.signalling_packets,
        if handoff.is_spoiled() {
            format!(
                "<br>the machine stood still for {:.0} ms",
                handoff.stalled_ms
            )
        } else {
            String::new()
        },
    )
}

fn criteria_table(report: &DemoReport) -> String {
    let row = |criterion: &crate::criteria::Criterion| {
        let (class, mark) = if criterion.holds {
            ("good", "✔ holds")
        } else {
            ("bad", "✘ fails")
        };
        format!(
            "<tr><td>{}<td>{}<td>{}<td class={class}>{mark}</tr>",
            criterion.what, criterion.value, criterion.limit
        )
    };
    let rows: String = report.criteria.iter().map(row).collect();
    format!(
        "<div class=card><table><tr><th>criterion<th>seen<th>limit<th></tr>{rows}</table></div>"
    )
}

fn wires(report: &DemoReport) -> String {
    let one = |wire: &crate::demo_report::WireSummary| {
        format!(
            "{} {} frames, {} dropped",
            wire.name, wire.delivered, wire.dropped
        )
    };
    report.wires.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn optional(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criteria;
    use crate::demo_report::example;

    #[test]
    fn the_page_stands_alone_and_tells_the_verdict() {
        let mut report = example();
        report.criteria = criteria::judge(&report);
        let page = render(&report);
        assert!(page.contains("all criteria hold") && !page.contains("not all criteria hold"));
        for outside in ["http://", "https://", "<script", "<img", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(
            !page.contains("NaN") && !page.contains("inf"),
            "every place on the plots is a number"
        );

        report.round_trips.dhp_ms = 99.0;
        report.criteria = criteria::judge(&report);
        assert!(render(&report).contains("not all criteria hold"));
    }
}
