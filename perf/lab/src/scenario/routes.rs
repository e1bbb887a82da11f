//! What route optimization (RFC 6275) did in a mode: routes that fell back to their anchors at handoffs and were restored, and
//! anchors that stood still meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::agent_events::AgentEvent;
use crate::handoff::{Handoff, milliseconds};

use super::permission::WithdrawalReport;

/// What is under way by the anchor when the correspondent has confirmed a route has arrived after so long.
const UNDER_WAY_NS: u64 = 300_000_000;

/// What the anchors had tunnelled at one time.
#[derive(Clone, Debug)]
pub struct Count {
    /// When the first was asked, monotonic ns.
    pub begun_ns: u64,
    /// When the last had answered.
    pub ended_ns: u64,
    /// By node: packets that it has put into tunnels or taken out of them; none if it does not answer.
    pub tunnelled: Vec<(String, Option<u64>)>,
}

/// The routes of a mode.
#[derive(Clone, Debug, Serialize)]
pub struct RoutesReport {
    /// What each handoff did to the routes.
    pub restorations: Vec<Restoration>,
    /// The times between handoffs at which every route was optimized, as far as the anchors were asked.
    pub windows: Vec<Window>,
    /// What became of withdrawn permissions.
    pub withdrawals: Vec<WithdrawalReport>,
}

/// What a handoff did to the routes.
#[derive(Clone, Debug, Serialize)]
pub struct Restoration {
    /// The handoff, from 1.
    pub handoff: usize,
    /// How many were optimized when it began.
    pub routes: usize,
    /// How many of them fell back to their anchors.
    pub fell_back: usize,
    /// How many of those that ever were optimized are to be so again: all but those whose anchors permit it no longer.
    pub permitted: usize,
    /// How many were, before the next handoff.
    pub restored: usize,
    /// From the usable care-of address until the last of them was, ms; none if not all were.
    pub restored_ms: Option<f64>,
}

/// A time in which every route was optimized.
#[derive(Clone, Debug, Serialize)]
pub struct Window {
    /// Its beginning, seconds from that of the trace.
    pub from_s: f64,
    /// Its length, s.
    pub seconds: f64,
    /// Packets and TCP segments' reads that arrived at the mobile node in flows that an anchor would carry.
    pub arrived: u64,
    /// Packets that each anchor tunnelled.
    pub tunnelled: Vec<(String, Option<u64>)>,
}

impl Restoration {
    /// All fell back, and all that were permitted were restored, and no other.
    pub fn is_complete(&self) -> bool {
        let any = self.routes > 0 || self.permitted > 0;
        any && self.fell_back == self.routes && self.restored == self.permitted
    }
}

impl RoutesReport {
    /// Handoffs in which not every route fell back and was restored.
    pub fn incomplete(&self) -> usize {
        let all = self.restorations.iter();
        all.filter(|one| !one.is_complete()).count()
    }

    /// Packets that the anchors tunnelled though every route was optimized; none if no flow was seen to go on meanwhile, or an
    /// anchor did not say.
    pub fn tunnelled(&self) -> Option<u64> {
        let arrived: u64 = self.windows.iter().map(|window| window.arrived).sum();
        let counts = self.windows.iter().flat_map(|window| &window.tunnelled);
        let sum: Option<u64> = counts.map(|(_, count)| *count).sum();
        sum.filter(|_| arrived > 0)
    }
}

/// What a handoff did to the routes; `usable_ns` is when its care-of address could be used, and `permits` whether the anchor of the
/// flows to a correspondent permits that their routes are optimized.
pub fn restoration(
    events: &[AgentEvent],
    handoff: &Handoff,
    usable_ns: Option<u64>,
    permits: impl Fn(&str) -> bool,
) -> Restoration {
    let before = optimized_at(events, handoff.begun_ns);
    let ever = events.iter().filter(|one| one.at_ns <= handoff.begun_ns);
    let ever = ever.filter_map(change).filter(|(_, optimized)| *optimized);
    let ever: BTreeSet<Route> = ever.map(|(route, _)| route).collect();
    let window = handoff.begun_ns..handoff.until_ns;
    let mut fallen = BTreeSet::new();
    // For each route when it was optimized again.
    let mut again: BTreeMap<Route, u64> = BTreeMap::new();
    for event in events.iter().filter(|event| window.contains(&event.at_ns)) {
        let Some((route, is_optimized)) = change(event).filter(|(route, _)| ever.contains(route))
        else {
            continue;
        };
        let was_optimized = before.get(&route) == Some(&true);
        if !is_optimized {
            again.remove(&route);
            fallen.extend(was_optimized.then_some(route));
        } else if fallen.contains(&route) || !was_optimized {
            // Else it was renewed.
            again.insert(route, event.at_ns);
        }
    }
    let permitted = ever.iter().filter(|route| permits(&route.1)).count();
    let last_ns = again.values().max().filter(|_| again.len() >= permitted);
    Restoration {
        handoff: handoff.number,
        routes: before.values().filter(|optimized| **optimized).count(),
        fell_back: fallen.len(),
        permitted,
        restored: again.len(),
        restored_ms: last_ns
            .zip(usable_ns)
            .map(|(last, usable)| milliseconds(last.saturating_sub(usable))),
    }
}

/// The time between two counts, if every route was optimized all the time: none otherwise.
pub fn window(
    events: &[AgentEvent],
    start_ns: u64,
    counts: (&Count, &Count),
    arrived: impl Fn(u64, u64) -> u64,
) -> Option<Window> {
    let (first, second) = counts;
    let settled_ns = first.begun_ns.saturating_sub(UNDER_WAY_NS);
    let state = optimized_at(events, settled_ns);
    let falls = events.iter().any(|event| {
        (settled_ns..second.ended_ns).contains(&event.at_ns)
            && change(event).is_some_and(|(_, is_optimized)| !is_optimized)
    });
    if state.is_empty() || falls || state.values().any(|optimized| !optimized) {
        return None;
    }
    let difference = |((node, before), (_, after)): (&(String, Option<u64>), &(String, _))| {
        let count = before
            .zip(*after)
            .map(|(before, after): (u64, u64)| after.saturating_sub(before));
        (node.clone(), count)
    };
    Some(Window {
        from_s: first.ended_ns.saturating_sub(start_ns) as f64 / 1e9,
        seconds: second.begun_ns.saturating_sub(first.ended_ns) as f64 / 1e9,
        arrived: arrived(first.ended_ns, second.begun_ns),
        tunnelled: first
            .tunnelled
            .iter()
            .zip(&second.tunnelled)
            .map(difference)
            .collect(),
    })
}

/// Packets that an anchor has put into tunnels or taken out of them.
pub fn tunnelled(counters: &Value) -> Option<u64> {
    Some(sum(counters, "encapsulated")? + sum(counters, "decapsulated")?)
}

/// A counter of all workers; none if the anchor did not answer.
pub fn sum(counters: &Value, name: &str) -> Option<u64> {
    let workers = counters.get("workers")?.as_array()?;
    let of_worker = |worker: &Value| worker.get("counters")?.get(name)?.as_u64();
    Some(workers.iter().filter_map(of_worker).sum())
}

/// Home address and correspondent.
pub type Route = (String, String);

/// What an event says of a route.
pub fn change(event: &AgentEvent) -> Option<(Route, bool)> {
    let is_optimized = match event.name.as_str() {
        "route_optimized" => true,
        "route_proxied" => false,
        _ => return None,
    };
    let text = |field| event.text(field).map(str::to_owned);
    Some((
        (text("home_address")?, text("correspondent")?),
        is_optimized,
    ))
}

/// The routes at a time, and whether each was optimized.
pub fn optimized_at(events: &[AgentEvent], at_ns: u64) -> BTreeMap<Route, bool> {
    let until = events.iter().filter(|event| event.at_ns <= at_ns);
    until.filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;
    use crate::handoff::Manner;

    const MS: u64 = 1_000_000;

    fn event(at_ms: u64, name: &str, correspondent: &str) -> AgentEvent {
        let fields =
            serde_json::json!({"home_address": "2001:db8::1", "correspondent": correspondent});
        AgentEvent {
            at_ns: at_ms * MS,
            name: name.to_owned(),
            fields: fields.as_object().unwrap().clone(),
        }
    }

    /// From 1,000 to 3,000 ms.
    fn handoff() -> Handoff {
        Handoff {
            number: 1,
            manner: Manner::BreakBeforeMake,
            from: Access::A,
            to: Access::B,
            begun_ns: 1000 * MS,
            radio_up_ns: 1050 * MS,
            until_ns: 3000 * MS,
            stalled_ns: 0,
        }
    }

    fn count(at_ms: u64, tunnelled: Option<u64>) -> Count {
        Count {
            begun_ns: at_ms * MS,
            ended_ns: at_ms * MS,
            tunnelled: vec![("ha".to_owned(), tunnelled)],
        }
    }

    #[test]
    fn a_handoff_is_complete_when_each_route_fell_back_and_was_restored() {
        let mut events = vec![
            event(100, "route_optimized", "cn1"),
            event(200, "route_optimized", "cn2"),
            event(1010, "route_proxied", "cn1"),
            event(1010, "route_proxied", "cn2"),
            event(1150, "route_optimized", "cn1"),
        ];
        let half = restoration(&events, &handoff(), Some(1070 * MS), |_| true);
        assert!(!half.is_complete());
        assert_eq!((half.restored, half.restored_ms), (1, None));
        events.push(event(1170, "route_optimized", "cn2"));
        let whole = restoration(&events, &handoff(), Some(1070 * MS), |_| true);
        assert!(whole.is_complete());
        assert_eq!(whole.restored_ms, Some(100.0));
        // What is optimized after the next handoff has begun was not restored by this one.
        events.pop();
        events.push(event(3001, "route_optimized", "cn2"));
        assert!(!restoration(&events, &handoff(), None, |_| true).is_complete());
    }

    #[test]
    fn what_an_anchor_permits_no_longer_must_not_be_optimized_again() {
        let mut events = vec![
            event(100, "route_optimized", "cn1"),
            event(200, "route_optimized", "cn2"),
            event(1010, "route_proxied", "cn1"),
            event(1010, "route_proxied", "cn2"),
            event(1150, "route_optimized", "cn2"),
        ];
        let complete = |events: &[AgentEvent], permitted: &str| {
            let seen = restoration(events, &handoff(), None, |correspondent| {
                permitted.contains(correspondent)
            });
            seen.is_complete()
        };
        assert!(complete(&events, "cn2") && !complete(&events, "cn1 cn2"));
        events.push(event(1160, "route_optimized", "cn1"));
        assert!(!complete(&events, "cn2") && complete(&events, "cn1 cn2"));
        // One that was proxied before is restored when it may be again.
        events.insert(2, event(900, "route_proxied", "cn1"));
        assert!(complete(&events, "cn1 cn2"));
    }

    #[test]
    fn a_handoff_in_which_nothing_was_optimized_shows_nothing() {
        assert!(!restoration(&[], &handoff(), None, |_| true).is_complete());
    }

    #[test]
    fn a_window_counts_only_while_every_route_is_optimized() {
        let mut events = vec![event(100, "route_optimized", "cn1")];
        let between = |events: &[AgentEvent], from_ms, after| {
            window(
                events,
                0,
                (&count(from_ms, Some(5)), &count(2000, after)),
                |_, _| 9,
            )
        };
        let still = RoutesReport {
            restorations: Vec::new(),
            windows: between(&events, 1000, Some(7)).into_iter().collect(),
            withdrawals: Vec::new(),
        };
        assert_eq!(still.tunnelled(), Some(2));
        assert!(between(&events, 200, Some(5)).is_none(), "too soon");
        events.push(event(1500, "route_proxied", "cn1"));
        assert!(between(&events, 1000, Some(5)).is_none(), "fallen back");
        assert!(between(&[], 1000, Some(5)).is_none(), "no route");
    }

    #[test]
    fn an_anchor_that_does_not_answer_is_not_taken_for_still() {
        let events = [event(100, "route_optimized", "cn1")];
        let report = |after, arrived| RoutesReport {
            restorations: Vec::new(),
            windows: window(
                &events,
                0,
                (&count(1000, Some(5)), &count(2000, after)),
                |_, _| arrived,
            )
            .into_iter()
            .collect(),
            withdrawals: Vec::new(),
        };
        assert_eq!(report(None, 9).tunnelled(), None);
        assert_eq!(report(Some(5), 0).tunnelled(), None, "no flow went on");
        assert_eq!(report(Some(5), 9).tunnelled(), Some(0));
    }

    #[test]
    fn counters_of_all_workers_are_added() {
        let counters = serde_json::json!({"workers": [
            {"counters": {"encapsulated": 3, "decapsulated": 1, "other": 9}},
            {"counters": {"encapsulated": 4, "decapsulated": 0}},
        ]});
        assert_eq!(tunnelled(&counters), Some(8));
        assert_eq!(tunnelled(&Value::Null), None);
    }
}
