//! The routes of the plan on their way into the segment, one by one

use std::collections::BTreeSet;

use dhp_segment::{Route, RouteAction, SegmentError, Table};
use ipnet::Ipv6Net;

use super::differences::differences;
use super::{Forwarding, ForwardingError};
use crate::mirror::{Plan, PlanChanges, PlannedAction, PlannedRoute};

/// Routes that one turn changes, so that a burst of them does not hold up signalling.
const STEPS_AT_ONCE: usize = 256;

/// What is to be done in the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The plan has this route now; `None`: none of this prefix.
    Plan(Ipv6Net, Option<PlannedRoute>),
    /// The route of this prefix may find room now, or goes to another number.
    Renew(Ipv6Net),
    /// DHP Queries to this prefix are answered here.
    Cover(Ipv6Net),
    /// They no longer are.
    Uncover(Ipv6Net),
}

impl Forwarding {
    /// Take over a plan of everything. [`settle`](Self::settle) puts it into the segment, except for the first: that is one
    /// whole table.
    pub fn follow_network(&mut self, plan: &Plan) {
        for (key, facts) in &plan.next_hops {
            self.next_hops.tell(*key, *facts);
        }
        self.steps.clear();
        if self.routes.is_empty() && self.publish(plan).is_ok() {
            return;
        }
        let routes = self.routes.iter().map(|(_, route)| *route);
        let differences = differences(routes, plan.routes.iter().copied());
        let steps = differences.into_iter();
        self.steps
            .extend(steps.map(|(prefix, route)| Step::Plan(prefix, route)));
        self.follow_coverage(&plan.coverage);
    }

    /// Take over what of the plan is different. [`settle`](Self::settle) puts it into the segment.
    pub fn follow_changes(&mut self, changes: PlanChanges) {
        for (key, facts) in changes.next_hops {
            self.next_hops.tell(key, facts);
        }
        let steps = changes.routes.into_iter();
        self.steps
            .extend(steps.map(|(prefix, route)| Step::Plan(prefix, route)));
        if let Some(coverage) = changes.coverage {
            self.follow_coverage(&coverage);
        }
    }

    fn follow_coverage(&mut self, coverage: &[Ipv6Net]) {
        let wanted: BTreeSet<Ipv6Net> = coverage.iter().copied().collect();
        // What was to be done to it leads elsewhere.
        self.steps
            .retain(|step| !matches!(step, Step::Cover(_) | Step::Uncover(_)));
        let gone = self.coverage.difference(&wanted);
        self.steps.extend(gone.map(|prefix| Step::Uncover(*prefix)));
        let new = wanted.difference(&self.coverage);
        self.steps.extend(new.map(|prefix| Step::Cover(*prefix)));
    }

    /// Write the whole table at once, before there is one. After an error there still is none.
    fn publish(&mut self, plan: &Plan) -> Result<(), SegmentError> {
        for key in plan.next_hops.keys() {
            self.next_hops.place(&mut self.writer, *key)?;
        }
        let routed = plan.routes.iter();
        let routed = routed.map(|route| self.segment_route(route));
        let covered = plan.coverage.iter().copied().map(coverage);
        let table: Vec<Route> = routed.chain(covered).collect();
        self.writer.try_publish_routes(&table)?;
        for route in &plan.routes {
            self.routes.insert(route.prefix, *route);
            if let PlannedAction::Via(key) = route.action {
                self.next_hops.add_route(key);
            }
        }
        self.coverage = plan.coverage.iter().copied().collect();
        Ok(())
    }

    /// Go some steps.
    pub(super) fn step(&mut self) -> Result<(), ForwardingError> {
        self.next_hops.update(&mut self.writer)?;
        for _ in 0..STEPS_AT_ONCE {
            let Some(step) = self.steps.pop_front() else {
                break;
            };
            let done = match step {
                Step::Plan(prefix, route) => self.change_route(prefix, route),
                Step::Renew(prefix) => self.renew_route(prefix),
                Step::Cover(prefix) => {
                    self.coverage.insert(prefix);
                    let put = self.writer.put_route(&coverage(prefix));
                    self.placed(prefix, put)
                }
                Step::Uncover(prefix) => {
                    self.coverage.remove(&prefix);
                    let removed = self.writer.remove_route(&coverage(prefix));
                    self.removed(prefix, removed)
                }
            };
            if let Err(error) = done {
                if matches!(error, SegmentError::Busy { .. }) {
                    self.steps.push_front(step);
                }
                return Err(error.into());
            }
        }
        self.left_out_told &= !self.left_out.is_empty();
        if !self.left_out.is_empty() && !self.left_out_told {
            self.left_out_told = true;
            let capacity = self.geometry.routes;
            let table = Table::Routes;
            return Err(SegmentError::Full { table, capacity }.into());
        }
        Ok(())
    }

    fn change_route(
        &mut self,
        prefix: Ipv6Net,
        route: Option<PlannedRoute>,
    ) -> Result<(), SegmentError> {
        let before = match self.intercepted.get(&prefix) {
            Some(planned) => *planned,
            None => self.routes.get(prefix).copied(),
        };
        if before == route {
            return Ok(());
        }
        let leads_to = |route: Option<PlannedRoute>| match route?.action {
            PlannedAction::Via(key) => Some(key),
            _ => None,
        };
        if let Some(key) = leads_to(route) {
            self.next_hops.place(&mut self.writer, key)?;
        }
        match (self.intercepted.get_mut(&prefix), route) {
            (Some(planned), route) => *planned = route,
            (None, Some(route)) => {
                let put = self.writer.put_route(&self.segment_route(&route));
                self.placed(prefix, put)?;
                self.routes.insert(prefix, route);
            }
            (None, None) => {
                // What it did does not matter.
                let gone = segment_route(prefix, RouteAction::Unreachable);
                let removed = self.writer.remove_route(&gone);
                self.removed(prefix, removed)?;
                self.routes.remove(prefix);
            }
        }
        self.touched.insert(prefix);
        if let Some(key) = leads_to(route) {
            self.next_hops.add_route(key);
        }
        if let Some(key) = leads_to(before) {
            self.next_hops.remove_route(key);
        }
        Ok(())
    }

    fn renew_route(&mut self, prefix: Ipv6Net) -> Result<(), SegmentError> {
        if self.coverage.contains(&prefix) {
            let put = self.writer.put_route(&coverage(prefix));
            self.placed(prefix, put)?;
        }
        if let Some(route) = self.routes.get(prefix) {
            let put = self.writer.put_route(&self.segment_route(route));
            self.placed(prefix, put)?;
            self.touched.insert(prefix);
        }
        Ok(())
    }

    /// A route was put, or there is no room for it.
    pub(super) fn placed(
        &mut self,
        prefix: Ipv6Net,
        put: Result<(), SegmentError>,
    ) -> Result<(), SegmentError> {
        match put {
            Ok(()) => {
                self.left_out.remove(&prefix);
            }
            Err(SegmentError::Full { .. }) => {
                self.left_out.insert(prefix);
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// A route was removed: there may be room for another one.
    pub(super) fn removed(
        &mut self,
        prefix: Ipv6Net,
        removed: Result<bool, SegmentError>,
    ) -> Result<(), SegmentError> {
        let made_room = removed?;
        self.left_out.remove(&prefix);
        if let Some(other) = self.left_out.first().filter(|_| made_room) {
            self.steps.push_back(Step::Renew(*other));
        }
        Ok(())
    }

    pub(super) fn segment_route(&self, route: &PlannedRoute) -> Route {
        segment_route(route.prefix, self.action(route.action))
    }

    fn action(&self, action: PlannedAction) -> RouteAction {
        let forward = |key| RouteAction::Forward {
            next_hop: self.next_hops.id(key),
        };
        match action {
            PlannedAction::Via(key) => forward(self.next_hops.known(key)),
            PlannedAction::ByKernel => forward(None),
            PlannedAction::Connected { port } => RouteAction::Connected { port },
            PlannedAction::Local => RouteAction::Local,
            PlannedAction::Anchor => RouteAction::Anchor,
            PlannedAction::Pool => RouteAction::Pool,
            PlannedAction::Unreachable => RouteAction::Unreachable,
            PlannedAction::Prohibited => RouteAction::Prohibited,
            PlannedAction::Blackhole => RouteAction::Blackhole,
        }
    }
}

pub(super) fn segment_route(prefix: Ipv6Net, action: RouteAction) -> Route {
    Route {
        prefix: prefix.network(),
        len: prefix.prefix_len(),
        action,
    }
}

fn coverage(prefix: Ipv6Net) -> Route {
    segment_route(prefix, RouteAction::QueryAnycast)
}
