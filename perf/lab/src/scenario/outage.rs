//! DHPs that were killed: when the mobile node noticed, and when the flows by them came back.

use serde::Serialize;

use crate::agent_events::AgentEvent;
use crate::handoff::milliseconds;

/// A DHP that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Its region.
    pub region: usize,
    /// When, monotonic ns.
    pub killed_ns: u64,
    /// When it was there again; none if it was not.
    pub back_ns: Option<u64>,
}

/// What that did.
#[derive(Clone, Debug, Serialize)]
pub struct OutageReport {
    /// The DHP's region.
    pub dhp: String,
    /// When it was killed, seconds from the beginning of the trace.
    pub killed_s: f64,
    /// When it was there again.
    pub back_s: Option<f64>,
    /// From then until the agent reported that it is silent, ms; none if it did not.
    pub noticed_ms: Option<f64>,
    /// The flows by it.
    pub flows: Vec<ReturnReport>,
}

/// A flow by a DHP that was killed.
#[derive(Clone, Debug, Serialize)]
pub struct ReturnReport {
    /// Its name.
    pub flow: String,
    /// From the DHP's return until something of it arrived, ms, the later way; none if nothing did.
    pub back_ms: Option<f64>,
}

impl Outage {
    /// The report without flows. `address` is the DHP's.
    pub fn report(
        &self,
        name: &str,
        address: &str,
        events: &[AgentEvent],
        start_ns: u64,
    ) -> OutageReport {
        let seconds = |at_ns: u64| at_ns.saturating_sub(start_ns) as f64 / 1e9;
        let end_ns = self.back_ns.unwrap_or(u64::MAX);
        let mut silent = events
            .iter()
            .filter(|event| event.name == "anchor_silent" && event.text("anchor") == Some(address));
        let noticed = silent.find(|event| (self.killed_ns..end_ns).contains(&event.at_ns));
        OutageReport {
            dhp: name.to_owned(),
            killed_s: seconds(self.killed_ns),
            back_s: self.back_ns.map(seconds),
            noticed_ms: noticed
                .map(|event| milliseconds(event.at_ns.saturating_sub(self.killed_ns))),
            flows: Vec::new(),
        }
    }

    /// What became of a flow; `arrivals` gives the times of arrivals of each way.
    pub fn return_of(&self, flow: &str, arrivals: &[Vec<u64>]) -> ReturnReport {
        let back_ns = |back_ns: u64| -> Option<u64> {
            let first = arrivals.iter().map(|way| {
                let later = way.iter().filter(|at_ns| **at_ns > back_ns);
                later.min().copied()
            });
            let last = first.collect::<Option<Vec<u64>>>()?.into_iter().max()?;
            Some(last - back_ns)
        };
        ReturnReport {
            flow: flow.to_owned(),
            back_ms: self.back_ns.and_then(back_ns).map(milliseconds),
        }
    }
}

impl OutageReport {
    /// One line for people.
    pub fn line(&self) -> String {
        let noticed = self.noticed_ms.map_or_else(
            || "not noticed".to_owned(),
            |ms| format!("noticed after {:.1} s", ms / 1e3),
        );
        let mut line = format!(
            "DHP {} was killed at {:.1} s, {noticed}",
            self.dhp, self.killed_s
        );
        match self.back_s {
            Some(back_s) => line.push_str(&format!("; it was back at {back_s:.1} s")),
            None => line.push_str("; it did not come back"),
        }
        for one in self.flows.iter().filter(|_| self.back_s.is_some()) {
            let after = one.back_ms.map_or_else(
                || "never".to_owned(),
                |ms| format!("{:.2} s later", ms / 1e3),
            );
            line.push_str(&format!(", {} {after}", one.flow));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_flow_is_back_when_both_ways_are() {
        let outage = Outage {
            region: 0,
            killed_ns: 10 * S,
            back_ns: Some(20 * S),
        };
        let back = |ways: &[Vec<u64>]| outage.return_of("voice", ways).back_ms;
        assert_eq!(back(&[vec![9 * S, 21 * S], vec![22 * S]]), Some(2000.0));
        assert_eq!(back(&[vec![9 * S, 21 * S], vec![9 * S]]), None);
        let dead = Outage {
            back_ns: None,
            ..outage
        };
        assert_eq!(dead.return_of("voice", &[vec![21 * S]]).back_ms, None);
    }

    #[test]
    fn it_is_noticed_by_what_the_agent_says_of_this_dhp_meanwhile() {
        let silent = |at_s: u64, anchor: &str| AgentEvent {
            at_ns: at_s * S,
            name: "anchor_silent".to_owned(),
            fields: serde_json::json!({ "anchor": anchor })
                .as_object()
                .unwrap()
                .clone(),
        };
        let outage = Outage {
            region: 0,
            killed_ns: 10 * S,
            back_ns: Some(30 * S),
        };
        let events = [
            silent(5, "dhp1"),
            silent(12, "dhp2"),
            silent(26, "dhp1"),
            silent(40, "dhp1"),
        ];
        let report = outage.report("west", "dhp1", &events, S);
        assert_eq!((report.killed_s, report.noticed_ms), (9.0, Some(16_000.0)));
        let report = outage.report("west", "dhp1", &events[..2], S);
        assert!(report.line().contains("not noticed"), "{}", report.line());
    }
}
