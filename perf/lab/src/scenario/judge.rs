//! A scenario's criteria, judged.

use crate::criteria::Criterion;

use super::model::{Kind, Measure, Mode, Wanted};
use super::outage::ReturnReport;
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
        value: value.map_or_else(
            || "not measured".to_owned(),
            |value| format!("{value:.2}{}", basis(report, wanted)),
        ),
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
        Measure::MedianPathStretch => "median RTT / median direct RTT",
        Measure::RoutesNotRestored => {
            "handoffs in which not every route fell back and was restored"
        }
        Measure::PermissionsNotFollowed => {
            "permissions withdrawn or renewed that the next handoff did not bring into effect"
        }
        Measure::TunnelPackets => {
            "packets tunnelled by the anchors while all routes were optimized"
        }
        Measure::SignallingRatio => "signalling per minute / that of mode ha",
        Measure::AccessShare => "part of the packets on the access that the agent says, worse way",
        Measure::AccessMoves => "moves to another access",
        Measure::LongestSilence => "longest time without an arrival, ms",
        Measure::FailureNoticed => "from the killing of the DHP until the agent says so, ms",
        Measure::SilenceAfterReturn => {
            "from the return of the killed DHP until its flows arrive again, ms"
        }
    }
}

/// What a value is of: how many handoffs a median leaves out, since the machine stood still; for how long anchors were watched.
fn basis(report: &ScenarioReport, wanted: &Wanted) -> String {
    let mode = report.mode(wanted.mode);
    let spoiled = mode.map_or(0, |mode| {
        mode.handoffs.iter().filter(|one| one.is_spoiled).count()
    });
    let all = mode.map_or(0, |mode| mode.handoffs.len());
    match wanted.what {
        Measure::InterruptionOverRtt if spoiled * 2 > all => {
            format!(" (all {all} handoffs, though the machine stood still in {spoiled})")
        }
        Measure::InterruptionOverRtt => format!(" (of {} handoffs of {all})", all - spoiled),
        Measure::TunnelPackets => {
            let routes = mode.and_then(|mode| mode.routes.as_ref());
            let windows = || routes.into_iter().flat_map(|routes| &routes.windows);
            let seconds: f64 = windows().map(|window| window.seconds).sum();
            let arrived: u64 = windows().map(|window| window.arrived).sum();
            format!(" (in {seconds:.0} s, while {arrived} packets arrived)")
        }
        Measure::PermissionsNotFollowed => {
            let routes = mode.and_then(|mode| mode.routes.as_ref());
            let withdrawals = routes.map_or(0, |routes| routes.withdrawals.len());
            format!(" (of {withdrawals} that were withdrawn)")
        }
        _ => String::new(),
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
        Measure::AccessShare => worst(
            flows()
                .map(|flow| flow.access_use.as_ref()?.share)
                .collect(),
        ),
        Measure::AccessMoves => {
            let moves = |flow: &FlowReport| Some(flow.access_use.as_ref()?.moves as f64);
            worst(flows().map(moves).collect())
        }
        Measure::LongestSilence => worst(flows().map(|flow| flow.longest_silence_ms).collect()),
        Measure::FailureNoticed => worst(mode.outages.iter().map(|one| one.noticed_ms).collect()),
        Measure::SilenceAfterReturn => {
            let all = mode.outages.iter().flat_map(|one| &one.flows);
            let named = |one: &&ReturnReport| {
                let mut wanted = wanted.flow.iter();
                wanted.all(|name| one.flow == *name)
            };
            worst(all.filter(named).map(|one| one.back_ms).collect())
        }
        Measure::MedianPathStretch => {
            let trips = flows().flat_map(|flow| &flow.round_trips);
            worst(trips.map(|trips| trips.median_stretch).collect())
        }
        Measure::RoutesNotRestored => {
            let routes = mode.routes.as_ref()?;
            (!routes.restorations.is_empty()).then(|| routes.incomplete() as f64)
        }
        Measure::PermissionsNotFollowed => {
            let withdrawals = &mode.routes.as_ref()?.withdrawals;
            let sum: usize = withdrawals.iter().map(|one| one.not_followed()).sum();
            (!withdrawals.is_empty()).then_some(sum as f64)
        }
        Measure::TunnelPackets => mode.routes.as_ref()?.tunnelled().map(|count| count as f64),
        Measure::SignallingRatio => {
            let base = report.mode(Mode::Ha)?;
            Some(mode.signalling_per_minute / base.signalling_per_minute.max(1e-9))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::library::load;
    use crate::scenario::sample::{self, flow};

    fn judged(flow: FlowReport, what: Measure, at_most: f64) -> bool {
        let mut scenario = load("two-regions").unwrap();
        scenario.criteria = vec![Wanted {
            what,
            mode: Mode::Dhp,
            flow: None,
            at_most: Some(at_most),
            at_least: None,
        }];
        let mut report = sample::report(flow);
        report.scenario = scenario;
        judge(&report, 0).iter().all(|criterion| criterion.holds)
    }

    #[test]
    fn handoffs_after_which_nothing_came_back_are_the_worst_and_not_basis() {
        let what = Measure::InterruptionOverRtt;
        let good = [Some(1.0), Some(2.0), None];
        assert!(judged(flow(&good, &[false; 3]), what, 5.0));
        let bad = [Some(1.0), None, None];
        assert!(!judged(flow(&bad, &[false; 3]), what, 5.0));
    }

    #[test]
    fn what_the_machine_spoiled_is_left_out_unless_it_is_most() {
        let what = Measure::InterruptionOverRtt;
        let over = [Some(1.0), Some(90.0), Some(2.0)];
        assert!(judged(flow(&over, &[false, true, false]), what, 2.0));
        assert!(!judged(
            flow(&[Some(1.0), Some(90.0), Some(95.0)], &[false, true, true]),
            what,
            2.0
        ));
    }

    #[test]
    fn what_was_not_measured_does_not_hold() {
        let mut unmeasured = flow(&[Some(1.0)], &[false]);
        unmeasured.round_trips[0].stretch = None;
        assert!(!judged(unmeasured, Measure::PathStretch, 9.0));
        let mut lost = flow(&[Some(1.0)], &[false]);
        assert!(judged(lost.clone(), Measure::SessionsLost, 0.0));
        lost.survived = false;
        assert!(!judged(lost, Measure::SessionsLost, 0.0));
    }
}
