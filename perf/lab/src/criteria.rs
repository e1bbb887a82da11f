//! What the demo must show, each with its value, its limit and a verdict.

use serde::Serialize;

use crate::demo_report::DemoReport;
use crate::flows::Flow;

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
    criteria
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
    let ended_s = result
        .samples
        .last()
        .map_or(0.0, |(time, _)| report.seconds(*time));
    if !flow.is_persistent() {
        let second_move_s = report
            .handoffs
            .get(1)
            .map_or(f64::MAX, |handoff| handoff.begun_s);
        return Criterion {
            what: format!("download, {}", flow.name()),
            value,
            limit: "breaks at the first move".to_owned(),
            holds: result.broke() && ended_s < second_move_s,
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
    let lasted = ended_s > last_move_s;
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

fn handoffs(report: &DemoReport) -> impl Iterator<Item = Criterion> {
    let limit = report.round_trips.mn_dhp_ms + HANDOFF_ALLOWANCE_MS;
    report.handoffs.iter().map(move |handoff| {
        let effects: Vec<_> = handoff
            .flows
            .iter()
            .filter(|effect| effect.flow == Flow::Dhp)
            .collect();
        let times: Vec<f64> = effects
            .iter()
            .filter_map(|effect| effect.after_usable_ms)
            .collect();
        let worst = times.iter().copied().fold(0.0, f64::max);
        let complete = times.len() == effects.len() && !effects.is_empty();
        Criterion {
            what: format!(
                "handoff {} {:?}→{:?}, DHP: interruption once the new CoA is usable",
                handoff.number, handoff.from, handoff.to
            ),
            value: if complete {
                format!("{worst:.1} ms")
            } else {
                "not restored".to_owned()
            },
            limit: format!("≤ {limit:.1} ms"),
            holds: complete && worst <= limit,
        }
    })
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
    }

    #[test]
    fn a_download_that_ends_before_the_last_move_shows_nothing() {
        let mut report = example();
        report.handoffs[0].begun_s = 9.5;
        assert!(
            failing(&report)
                .iter()
                .any(|what| what.contains("DHoA via DHP"))
        );
    }
}
