//! What the demo must show, each with its value, its limit and a verdict.

use serde::Serialize;

use crate::demo_report::DemoReport;
use crate::flows::Flow;
use crate::handoff::{HandoffReport, Manner};

/// Upper limit of the round trip to the correspondent through the DHP.
const DHP_RTT_LIMIT_MS: f64 = 25.0;
/// Lower limit of the round trip through the home agent, to show what the DHP spares.
const HA_RTT_LIMIT_MS: f64 = 150.0;
/// What a handoff may take beyond one round trip to the DHP once the new care-of address can be used.
const HANDOFF_ALLOWANCE_MS: f64 = 20.0;

/// One criterion.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Criterion {
    /// What is judged.
    pub what: String,
    /// What was seen.
    pub value: String,
    /// What was to be seen.
    pub limit: String,
    /// Whether it holds.
    pub holds: bool,
}

impl Criterion {
    /// A line for people.
    pub fn line(&self, colour: bool) -> String {
        let (mark, code) = if self.holds {
            ("✔", "32")
        } else {
            ("✘", "1;31")
        };
        let mark = if colour {
            format!("\x1b[{code}m{mark}\x1b[0m")
        } else {
            mark.to_owned()
        };
        format!("  {mark} {}: {} ({})\n", self.what, self.value, self.limit)
    }
}

/// Judges a demo.
pub fn judge(report: &DemoReport) -> Vec<Criterion> {
    let mut criteria = vec![
        Criterion {
            what: "round trip MN–CN through the DHP".to_owned(),
            value: format!("{:.1} ms", report.round_trips.dhp_ms),
            limit: format!("≤ {DHP_RTT_LIMIT_MS} ms"),
            holds: report.round_trips.dhp_ms <= DHP_RTT_LIMIT_MS,
        },
        Criterion {
            what: "round trip MN–CN through the home agent".to_owned(),
            value: format!("{:.1} ms", report.round_trips.ha_ms),
            limit: format!("≥ {HA_RTT_LIMIT_MS} ms"),
            holds: report.round_trips.ha_ms >= HA_RTT_LIMIT_MS,
        },
    ];
    criteria.extend(Flow::ALL.map(|flow| download(report, flow)));
    criteria.extend(handoffs(report));
    criteria.push(signalling(report));
    criteria
}

/// No handoff is free: where nothing was counted the capture was broken.
fn signalling(report: &DemoReport) -> Criterion {
    let counted = report.handoffs.iter().map(|handoff| {
        let is_something = handoff.signalling_bytes > 0 && handoff.signalling_packets > 0;
        is_something.then_some(handoff.signalling_bytes)
    });
    let counted: Option<Vec<u64>> = counted.collect();
    let range = counted.and_then(|all| {
        let least = all.iter().min().copied()?;
        Some((least, all.iter().max().copied()?))
    });
    Criterion {
        what: "signalling of each handoff was counted".to_owned(),
        value: range.map_or_else(
            || "not in all".to_owned(),
            |(least, most)| match least == most {
                true => format!("{least} octets each"),
                false => format!("{least} to {most} octets"),
            },
        ),
        limit: "> 0 octets".to_owned(),
        holds: range.is_some(),
    }
}

fn download(report: &DemoReport, flow: Flow) -> Criterion {
    let megabytes = |octets: u64| octets as f64 / 1e6;
    let Some(result) = report.downloads.iter().find(|result| result.flow == flow) else {
        return Criterion {
            what: format!("download, {}", flow.name()),
            value: "not run".to_owned(),
            limit: "run".to_owned(),
            holds: false,
        };
    };
    let value = format!(
        "{:.1} of {:.0} MB, curl exit {}",
        megabytes(result.received),
        megabytes(result.length),
        result
            .curl_exit
            .map_or_else(|| "by signal".to_owned(), |code| code.to_string()),
    );
    let last_octets_s = report.seconds(result.last_growth_ns());
    if !flow.is_persistent() {
        let second_move_s = report
            .handoffs
            .get(1)
            .map_or(f64::MAX, |handoff| handoff.begun_s);
        return Criterion {
            what: format!("download, {}", flow.name()),
            value,
            limit: "breaks at the first move".to_owned(),
            holds: result.broke() && last_octets_s < second_move_s,
        };
    }
    let last_move_s = report
        .handoffs
        .last()
        .map_or(0.0, |handoff| handoff.begun_s);
    let right = result.is_complete(&report.expected_sha256);
    let digest = if right {
        "SHA-256 right"
    } else {
        "SHA-256 WRONG"
    };
    let lasted = last_octets_s > last_move_s;
    let lasting = if lasted {
        "lasted over all moves"
    } else {
        "ended before the last move"
    };
    Criterion {
        what: format!("one TCP connection, {}", flow.name()),
        value: format!("{value}, {digest}, {lasting}"),
        limit: "complete, over every move".to_owned(),
        holds: right && lasted,
    }
}

/// A verdict on each handoff that the machine has not spoiled, and on whether there were as many as had to be shown.
fn handoffs(report: &DemoReport) -> Vec<Criterion> {
    let limit_ms = report.round_trips.mn_dhp_ms + HANDOFF_ALLOWANCE_MS;
    let mut criteria = Vec::new();
    for (manner, wanted) in [
        (Manner::BreakBeforeMake, report.moves),
        (Manner::MakeBeforeBreak, 1),
    ] {
        let of_manner = report
            .handoffs
            .iter()
            .filter(|handoff| handoff.manner == manner);
        let mut shown = 0;
        for handoff in of_manner.clone() {
            let (value, within) = interruption(handoff, limit_ms);
            let spoiled = handoff.is_spoiled() && !within;
            shown += usize::from(!spoiled);
            let value = if spoiled {
                format!(
                    "{value}, which says nothing: the machine stood still for {:.0} ms",
                    handoff.stalled_ms
                )
            } else {
                value
            };
            criteria.push(Criterion {
                what: format!(
                    "handoff {} {:?}→{:?}, DHP: interruption once the new CoA is usable",
                    handoff.number, handoff.from, handoff.to
                ),
                value,
                limit: format!("≤ {limit_ms:.1} ms"),
                holds: within || spoiled,
            });
        }
        criteria.push(Criterion {
            what: format!("handoffs shown, {}", manner.name()),
            value: format!("{shown} of {}", of_manner.count()),
            limit: format!("≥ {wanted}"),
            holds: shown >= wanted,
        });
    }
    criteria
}

/// The longest interruption of the flow through the DHP once the care-of address could be used, and whether that is
/// within the limit.
fn interruption(handoff: &HandoffReport, limit_ms: f64) -> (String, bool) {
    let effects = handoff
        .flows
        .iter()
        .filter(|effect| effect.flow == Flow::Dhp);
    let times: Option<Vec<f64>> = effects.map(|effect| effect.after_usable_ms).collect();
    match times.as_deref() {
        None | Some([]) => ("not restored".to_owned(), false),
        Some(times) => {
            let worst_ms = times.iter().copied().fold(0.0, f64::max);
            (format!("{worst_ms:.1} ms"), worst_ms <= limit_ms)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo_report::example;

    fn failing(report: &DemoReport) -> Vec<String> {
        judge(report)
            .into_iter()
            .filter(|criterion| !criterion.holds)
            .map(|criterion| criterion.what)
            .collect()
    }

    #[test]
    fn a_good_demo_fails_nothing() {
        assert_eq!(failing(&example()), Vec::<String>::new());
    }

    #[test]
    fn each_shortcoming_fails_its_own_criterion() {
        let check = |what: &str, spoil: fn(&mut DemoReport)| {
            let mut report = example();
            spoil(&mut report);
            let failing = failing(&report);
            assert!(
                failing.len() == 1 && failing[0].contains(what),
                "{what}: {failing:?}"
            );
        };
        check("through the DHP", |report| report.round_trips.dhp_ms = 25.1);
        check("through the home agent", |report| {
            report.round_trips.ha_ms = 149.0
        });
        check("DHoA via DHP", |report| {
            report.downloads[0].sha256 = "wrong".to_owned()
        });
        check("HoA via HA", |report| report.downloads[1].received = 99);
        check("CoA, no anchor", |report| {
            report.downloads[2].received = 100
        });
        check("handoff 1", |report| {
            report.handoffs[0].flows[0].after_usable_ms = Some(39.1)
        });
        check("handoff 1", |report| {
            report.handoffs[0].flows[1].after_usable_ms = None
        });
        check("signalling of each", |report| {
            report.handoffs[1].signalling_bytes = 0
        });
        check("signalling of each", |report| {
            report.handoffs[0].signalling_packets = 0
        });
        check("handoffs shown, break before make", |report| {
            report.moves = 2
        });
        check("handoffs shown, make before break", |report| {
            report.handoffs.pop();
        });
    }

    #[test]
    fn a_handoff_that_the_machine_spoiled_is_no_fault_but_shows_nothing() {
        let mut report = example();
        report.handoffs[0].stalled_ms = 5.1;
        assert_eq!(
            failing(&report),
            Vec::<String>::new(),
            "it held all the same"
        );
        report.handoffs[0].flows[0].after_usable_ms = Some(39.1);
        assert_eq!(failing(&report), ["handoffs shown, break before make"]);
        report.handoffs[0].stalled_ms = 4.9;
        assert_eq!(failing(&report).len(), 1);
        assert!(failing(&report)[0].starts_with("handoff 1"));
    }

    #[test]
    fn a_download_that_ends_before_the_last_move_shows_nothing() {
        let mut report = example();
        report.handoffs[1].begun_s = 9.5;
        assert!(
            failing(&report)
                .iter()
                .any(|what| what.contains("DHoA via DHP"))
        );
    }
}
