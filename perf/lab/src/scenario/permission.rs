//! DHPs that withdraw their permission to optimize routes (flag O of their answers, profile 1, section 4.1) and give it again: what
//! became of the routes.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::agent_events::AgentEvent;
use crate::handoff::{Handoff, milliseconds};

use super::routes::{Count, change, optimized_at};

/// A time in which a DHP permitted no route optimization. The mobile node gets to know by the DHP's next answer, so at its next
/// handoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// The DHP's region.
    pub region: usize,
    /// When it had taken that over, monotonic ns.
    pub from_ns: u64,
    /// When it was told that it may permit it again; `u64::MAX`: never.
    pub until_ns: u64,
}

impl Withdrawn {
    /// Whether what is answered in a handoff that begins at this time says so.
    pub fn holds_at(&self, at_ns: u64) -> bool {
        (self.from_ns..self.until_ns).contains(&at_ns)
    }
}

/// What a withdrawal did to the routes that were optimized when it began.
#[derive(Clone, Debug, Serialize)]
pub struct WithdrawalReport {
    /// The DHP's region.
    pub dhp: String,
    /// When the DHP withdrew its permission, seconds from the beginning of the trace.
    pub from_s: f64,
    /// When it gave it again; none if it did not.
    pub until_s: Option<f64>,
    /// Routes of its addresses that were optimized.
    pub routes: usize,
    /// How many of them have gone by the DHP from the next handoff on, until the permission was back.
    pub proxied: usize,
    /// That handoff.
    pub proxied_by: Option<usize>,
    /// Packets that the DHP tunnelled meanwhile, as far as it was asked.
    pub tunnelled: Option<u64>,
    /// How many of the routes were optimized again before the end of the first handoff after that.
    pub restored: usize,
    /// That handoff.
    pub restored_by: Option<usize>,
    /// From its usable care-of address until the last of them was, ms; none if not all were.
    pub restored_ms: Option<f64>,
}

impl WithdrawalReport {
    /// Changes of the permission that the next handoff did not bring into effect: 0 to 2.
    pub fn not_followed(&self) -> usize {
        let went = self.routes > 0 && self.proxied == self.routes;
        let came = self.routes > 0 && self.restored == self.routes;
        usize::from(!went) + usize::from(self.until_s.is_some() && !came)
    }
}

/// What is known of a mode's routes.
#[derive(Clone, Copy, Debug)]
pub struct Noted<'a> {
    /// What the agent reported.
    pub events: &'a [AgentEvent],
    /// The handoffs, in order.
    pub handoffs: &'a [Handoff],
    /// What the anchors had tunnelled.
    pub counts: &'a [Count],
    /// Beginning of the trace, monotonic ns.
    pub start_ns: u64,
}

impl Noted<'_> {
    /// What a withdrawal did. `correspondent`: whom the DHP's addresses talk to; `name` and `node` are the DHP's.
    pub fn report(
        &self,
        withdrawn: &Withdrawn,
        correspondent: &str,
        (name, node): (&str, &str),
        usable_ns: impl Fn(&Handoff) -> Option<u64>,
    ) -> WithdrawalReport {
        let state = optimized_at(self.events, withdrawn.from_ns);
        let concerned = state
            .into_iter()
            .filter(|(route, optimized)| *optimized && route.1 == correspondent);
        let routes: BTreeSet<_> = concerned.map(|(route, _)| route).collect();
        let first_after = |at_ns| self.handoffs.iter().find(|one| one.begun_ns >= at_ns);
        let proxied_by =
            first_after(withdrawn.from_ns).filter(|one| withdrawn.holds_at(one.begun_ns));
        let restored_by = first_after(withdrawn.until_ns);
        let proxied = proxied_by.map_or(0, |by| {
            let end_ns = restored_by.map_or(u64::MAX, |one| one.begun_ns);
            self.proxied_between(&routes, by.begun_ns, end_ns)
        });
        let restored: Vec<u64> = restored_by.map_or_else(Vec::new, |by| {
            let at = |route| self.optimized_in(route, by.begun_ns, by.until_ns);
            routes.iter().filter_map(at).collect()
        });
        let last_ns = restored.iter().max().copied();
        let last_ns = last_ns.filter(|_| restored.len() == routes.len());
        let seconds = |at_ns: u64| at_ns.saturating_sub(self.start_ns) as f64 / 1e9;
        WithdrawalReport {
            dhp: name.to_owned(),
            from_s: seconds(withdrawn.from_ns),
            until_s: (withdrawn.until_ns < u64::MAX).then(|| seconds(withdrawn.until_ns)),
            routes: routes.len(),
            proxied,
            proxied_by: proxied_by.map(|one| one.number),
            tunnelled: proxied_by.and_then(|by| {
                let end_ns = restored_by.map_or(u64::MAX, |one| one.begun_ns);
                self.tunnelled_between(node, by.begun_ns, end_ns)
            }),
            restored: restored.len(),
            restored_by: restored_by.map(|one| one.number),
            restored_ms: restored_by
                .and_then(usable_ns)
                .zip(last_ns)
                .map(|(usable, last)| milliseconds(last.saturating_sub(usable))),
        }
    }

    /// How many of the routes fell back after `from_ns` and were not optimized before `until_ns`.
    fn proxied_between(
        &self,
        routes: &BTreeSet<(String, String)>,
        from_ns: u64,
        until_ns: u64,
    ) -> usize {
        let changes = |route: &(String, String)| -> Vec<bool> {
            let events = self.events.iter();
            let inside = events.filter(|event| (from_ns..until_ns).contains(&event.at_ns));
            let all = inside.filter_map(change);
            let its = all.filter(|(which, _)| which == route);
            its.map(|(_, optimized)| optimized).collect()
        };
        let went = |route: &&(String, String)| {
            let changes = changes(route);
            !changes.is_empty() && changes.iter().all(|optimized| !optimized)
        };
        routes.iter().filter(went).count()
    }

    /// When a route was optimized last in a time.
    fn optimized_in(&self, route: &(String, String), from_ns: u64, until_ns: u64) -> Option<u64> {
        let events = self.events.iter();
        let inside = events.filter(|event| (from_ns..until_ns).contains(&event.at_ns));
        let mut of_route = inside.filter_map(|event| {
            let (which, optimized) = change(event)?;
            (which == *route).then_some((event.at_ns, optimized))
        });
        let (at_ns, optimized) = of_route.next_back()?;
        optimized.then_some(at_ns)
    }

    /// Packets that a node tunnelled between the first and the last time that it was asked in a time.
    fn tunnelled_between(&self, node: &str, from_ns: u64, until_ns: u64) -> Option<u64> {
        let asked = self.counts.iter();
        let asked = asked.filter(|one| one.begun_ns >= from_ns && one.ended_ns < until_ns);
        let of_node = |count: &Count| {
            let mut nodes = count.tunnelled.iter();
            nodes.find(|(name, _)| name == node)?.1
        };
        let counts: Vec<Option<u64>> = asked.map(of_node).collect();
        let (first, last) = counts
            .first()
            .copied()
            .flatten()
            .zip(counts.last().copied().flatten())?;
        (counts.len() > 1).then(|| last.saturating_sub(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;
    use crate::handoff::Manner;

    const MS: u64 = 1_000_000;

    fn event(at_ms: u64, name: &str) -> AgentEvent {
        let fields = serde_json::json!({"home_address": "dhoa", "correspondent": "cn1"});
        AgentEvent {
            at_ns: at_ms * MS,
            name: name.to_owned(),
            fields: fields.as_object().unwrap().clone(),
        }
    }

    fn handoff(number: usize, begun_ms: u64) -> Handoff {
        Handoff {
            number,
            manner: Manner::BreakBeforeMake,
            from: Access::A,
            to: Access::B,
            begun_ns: begun_ms * MS,
            radio_up_ns: begun_ms * MS,
            until_ns: (begun_ms + 1000) * MS,
            stalled_ns: 0,
        }
    }

    fn count(at_ms: u64, packets: u64) -> Count {
        Count {
            begun_ns: at_ms * MS,
            ended_ns: at_ms * MS,
            tunnelled: vec![("dhp1".to_owned(), Some(packets))],
        }
    }

    /// Handoffs at 1, 2, 3 and 4 s; withdrawn from 1.5 to 3.5 s.
    fn report(events: &[AgentEvent]) -> WithdrawalReport {
        let handoffs: Vec<Handoff> = (1..5)
            .map(|number| handoff(number, number as u64 * 1000))
            .collect();
        let counts = [
            count(1200, 5),
            count(2500, 5),
            count(2900, 45),
            count(3900, 85),
            count(4300, 90),
        ];
        let noted = Noted {
            events,
            handoffs: &handoffs,
            counts: &counts,
            start_ns: 0,
        };
        let withdrawn = Withdrawn {
            region: 0,
            from_ns: 1500 * MS,
            until_ns: 3500 * MS,
        };
        noted.report(&withdrawn, "cn1", ("west", "dhp1"), |handoff| {
            Some(handoff.begun_ns + 20 * MS)
        })
    }

    fn obeyed() -> Vec<AgentEvent> {
        vec![
            event(100, "route_optimized"),
            event(1010, "route_proxied"),
            event(1150, "route_optimized"),
            event(2010, "route_proxied"),
            event(4120, "route_optimized"),
        ]
    }

    #[test]
    fn the_next_handoff_brings_a_withdrawal_into_effect_and_the_one_after_the_permission_ends_it() {
        let report = report(&obeyed());
        assert_eq!(report.not_followed(), 0);
        assert_eq!((report.proxied_by, report.restored_by), (Some(2), Some(4)));
        assert_eq!(report.restored_ms, Some(100.0));
        assert_eq!(report.tunnelled, Some(80), "the DHP carried the flows");
    }

    #[test]
    fn a_route_that_is_optimized_all_the_same_or_not_again_is_seen() {
        let mut events = obeyed();
        events.insert(4, event(2150, "route_optimized"));
        assert_eq!(report(&events).not_followed(), 1, "not obeyed");
        let mut events = obeyed();
        events.pop();
        assert_eq!(report(&events).not_followed(), 1, "not restored");
        assert_eq!(report(&[]).not_followed(), 2, "nothing to see");
    }
}
