//! A scenario's criteria, judged.

use crate::criteria::Criterion;

use super::model::{Kind, Measure, Mode, Wanted};
use super::report::{FlowReport, ModeReport, ScenarioReport};

/// A verdict on each criterion. With `quick` there are fewer handoffs than the scenario asks for.
pub fn judge(report: &ScenarioReport, planned_handoffs: usize) -> Vec<Criterion> {
    let wanted = report.scenario.criteria.iter();
    wanted
        .map(|wanted| verdict(report, wanted, planned_handoffs))
        .collect()
}

fn verdict(report: &ScenarioReport, wanted: &Wanted, planned_handoffs: usize) -> Criterion {
    let value = report
        .mode(wanted.mode)
        .and_then(|mode| measure(report, mode, wanted));
    // What a quick run leaves out is no fault of it.
    let at_least = match wanted.what {
        Measure::Handoffs if report.quick => Some(planned_handoffs as f64),
        _ => wanted.at_least,
    };
    let holds = value.is_some_and(|value| {
        wanted.at_most.is_none_or(|limit| value <= limit)
            && at_least.is_none_or(|limit| value >= limit)
    });
    let mut limits = Vec::new();
    limits.extend(at_least.map(|limit| format!("≥ {limit}")));
    limits.extend(wanted.at_most.map(|limit| format!("≤ {limit}")));
    let flow = wanted.flow.as_ref();
    Criterion {
        what: format!(
            "{}: {}{}",
            wanted.mode.name(),
            name(wanted.what),
            flow.map_or_else(String::new, |flow| format!(", {flow}"))
        ),
        value: value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.2}")),
        limit: limits.join(", "),
        holds,
    }
}

fn name(measure: Measure) -> &'static str {
    match measure {
        Measure::Handoffs => "handoffs",
        Measure::Anchors => "anchors that carried flows at the same time",
        Measure::SessionsLost => "sessions lost",
        Measure::InterruptionOverRtt => {
            "median interruption once the CoA is usable, beyond one RTT to the anchor, ms"
        }
        Measure::PathStretch => "RTT by the anchor / direct RTT",
        Measure::SignallingRatio => "signalling per minute / that of mode ha",
    }
}

fn measure(report: &ScenarioReport, mode: &ModeReport, wanted: &Wanted) -> Option<f64> {
    let flows = || {
        let named = |flow: &&FlowReport| match &wanted.flow {
            Some(name) => flow.name == *name,
            None => flow.is_persistent(),
        };
        mode.flows.iter().filter(named)
    };
    // The worst: the greatest where there is an upper limit, else the least. One that was not measured counts as not measured.
    let worst = |values: Vec<Option<f64>>| -> Option<f64> {
        let values: Option<Vec<f64>> = values.into_iter().collect();
        match wanted.at_most {
            Some(_) => values?.into_iter().reduce(f64::max),
            None => values?.into_iter().reduce(f64::min),
        }
    };
    match wanted.what {
        Measure::Handoffs => Some(mode.handoffs.len() as f64),
        Measure::Anchors => {
            let carried = mode.anchors.iter().filter(|anchor| anchor.carried());
            Some(carried.count() as f64)
        }
        Measure::SessionsLost => Some(flows().filter(|flow| !flow.survived).count() as f64),
        Measure::InterruptionOverRtt => {
            let streams = flows().filter(|flow| flow.kind == Kind::Stream);
            worst(
                streams
                    .map(|flow| flow.typical(|one| one.over_rtt_ms))
                    .collect(),
            )
        }
        Measure::PathStretch => {
            let trips = flows().flat_map(|flow| &flow.round_trips);
            worst(trips.map(|trips| trips.stretch).collect())
        }
        Measure::SignallingRatio => {
            let base = report.mode(Mode::Ha)?;
            Some(mode.signalling_per_minute / base.signalling_per_minute.max(1e-9))
        }
    }
}
