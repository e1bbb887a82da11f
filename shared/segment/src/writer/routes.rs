//! Routes: one at a time, and whole tables.

use super::Writer;
use super::route_tree::{Edit, paint};
use crate::error::{SegmentError, Table};
use crate::landmarks;
use crate::pool::Retired;
use crate::route::{Route, RouteAction};
use crate::route_node::{self, NodeRef};
use crate::route_table::{self, Head, host_bits, place, range_len, range_word};
use crate::sync::Ordering;
use crate::view::View;

const TABLE: Table = Table::Routes;

fn check(route: &Route) -> Result<(), SegmentError> {
    match route.len {
        0..=128 => Ok(()),
        len => Err(SegmentError::PrefixLength(len)),
    }
}

impl Writer {
    /// Sets what holds for one prefix. Costs what it changes: a few nodes, and the ranges in the prefix. No address has
    /// another answer in between than the one before or the new one.
    ///
    /// # Errors
    /// [`SegmentError::Full`] for more prefixes than declared, [`SegmentError::PrefixLength`], and [`SegmentError::Busy`]:
    /// nothing has changed.
    pub fn put_route(&mut self, route: &Route) -> Result<(), SegmentError> {
        check(route)?;
        self.tidy();
        self.make_tree()?;
        let (start, len) = place(route);
        let before = self.routes.prefixes.get(&(start, len)).copied();
        if before == Some(route.action) {
            return Ok(());
        }
        if before.is_none() {
            self.has_room(self.routes.prefixes.len() + 1)?;
            self.make_space_for_change()?;
        }
        self.routes.prefixes.insert((start, len), route.action);
        if self.routes.note((start, len), Some(route.action)) {
            self.publish_landmarks();
        }
        self.change(|edit, head, view| {
            if len == 0 {
                head.default.store(route.action.encode(), Ordering::Release);
                return Some(());
            }
            let last = start | host_bits(len);
            if before.is_none() {
                // The ranges that begin are as those around them until they get the new action.
                if let Some(behind) = last.checked_add(1) {
                    edit.insert(head, behind)?;
                }
                edit.insert(head, start)?;
            }
            let root = NodeRef::decode(head.root.load(Ordering::Relaxed));
            let word = range_word(route.action, len);
            let hides = |old: u64| if range_len(old) <= len { word } else { old };
            paint(view, root, (start, last), &hides)
        })
    }

    /// Takes out the route of a prefix: the shorter ones around it hold there. The action of `route` says no more than
    /// whether it is coverage ([`RouteAction::QueryAnycast`]). `false`: there is none.
    ///
    /// # Errors
    /// [`SegmentError::PrefixLength`], and [`SegmentError::Busy`]: nothing has changed.
    pub fn remove_route(&mut self, route: &Route) -> Result<bool, SegmentError> {
        check(route)?;
        self.tidy();
        self.make_tree()?;
        let (start, len) = place(route);
        if !self.routes.prefixes.contains_key(&(start, len)) {
            return Ok(false);
        }
        self.make_space_for_change()?;
        self.routes.prefixes.remove(&(start, len));
        if self.routes.note((start, len), None) {
            self.publish_landmarks();
        }
        let around = self.routes.prefixes.get_lpm(&(start, len));
        let around = around.map_or(0, |((_, len), action)| range_word(*action, len));
        let last = start | host_bits(len);
        let [begins, behind] = [Some(start), last.checked_add(1)]
            .map(|key| key.filter(|key| !self.routes.is_boundary(*key)));
        self.change(|edit, head, view| {
            if len == 0 {
                head.default
                    .store(RouteAction::Unreachable.encode(), Ordering::Release);
                return Some(());
            }
            let root = NodeRef::decode(head.root.load(Ordering::Relaxed));
            let shows = |old: u64| if range_len(old) == len { around } else { old };
            paint(view, root, (start, last), &shows)?;
            for key in [begins, behind].into_iter().flatten() {
                edit.remove(head, key)?;
            }
            Some(())
        })?;
        Ok(true)
    }

    /// How many prefixes the route table has, coverage included.
    #[must_use]
    pub fn routes(&self) -> usize {
        self.routes.prefixes.len()
    }

    /// Replaces all routes. `true`: readers see them now. `false`: the workers still hold too much of what was replaced
    /// before; [`Writer::reclaim`] publishes these as soon as they let go, unless newer ones have come by then.
    ///
    /// # Errors
    /// [`SegmentError::Full`] for more prefixes than declared, [`SegmentError::PrefixLength`].
    pub fn publish_routes(&mut self, routes: &[Route]) -> Result<bool, SegmentError> {
        self.check_table(routes)?;
        self.routes.waiting = Some(routes.to_vec());
        let needed = nodes_for(routes.len());
        match self.make_space(TABLE, |writer| writer.routes.nodes.free() >= needed) {
            // Reclaiming may have published them already.
            Ok(()) => self.publish_waiting_routes(),
            Err(_busy) => {}
        }
        Ok(self.routes.waiting.is_none())
    }

    /// Replaces all routes at once or not at all.
    ///
    /// # Errors
    /// As [`Writer::publish_routes`], and [`SegmentError::Busy`] where that would wait.
    pub fn try_publish_routes(&mut self, routes: &[Route]) -> Result<(), SegmentError> {
        self.check_table(routes)?;
        let needed = nodes_for(routes.len());
        self.make_space(TABLE, |writer| {
            writer.routes.nodes.free() >= needed && writer.routes.waiting.is_none()
        })?;
        self.routes.waiting = Some(routes.to_vec());
        self.publish_waiting_routes();
        Ok(())
    }

    /// Whether routes given to [`Writer::publish_routes`] still wait.
    #[must_use]
    pub fn routes_waiting(&self) -> bool {
        self.routes.waiting.is_some()
    }

    pub(super) fn publish_waiting_routes(&mut self) {
        let fits = |routes: &mut Vec<Route>| self.routes.nodes.free() >= nodes_for(routes.len());
        let Some(routes) = self
            .ready
            .then(|| self.routes.waiting.take_if(fits))
            .flatten()
        else {
            return;
        };
        let prefixes = routes.iter().map(|route| (place(route), route.action));
        self.routes.replace(prefixes.collect());
        self.write_tree();
    }

    pub(super) fn publish_landmarks(&self) {
        landmarks::publish(&self.view, self.routes.landmarks.iter());
    }

    fn check_table(&self, routes: &[Route]) -> Result<(), SegmentError> {
        self.has_room(routes.len())?;
        routes.iter().try_for_each(check)
    }

    fn has_room(&self, prefixes: usize) -> Result<(), SegmentError> {
        let capacity = self.view.layout.geometry.routes;
        if prefixes > capacity as usize {
            return Err(SegmentError::Full {
                table: TABLE,
                capacity,
            });
        }
        Ok(())
    }

    /// Makes sure that the tree in the segment is one of all prefixes, and that no other table waits.
    fn make_tree(&mut self) -> Result<(), SegmentError> {
        let busy = SegmentError::Busy { table: TABLE };
        if self.routes.waiting.is_some() {
            self.reclaim();
        }
        if self.routes.waiting.is_some() {
            return Err(busy);
        }
        if self.routes.stale {
            let needed = nodes_for(self.routes.prefixes.len());
            self.make_space(TABLE, |writer| writer.routes.nodes.free() >= needed)?;
            self.write_tree();
        }
        if self.routes.stale { Err(busy) } else { Ok(()) }
    }

    fn make_space_for_change(&mut self) -> Result<(), SegmentError> {
        let (_, levels) = route_node::most(2 * self.routes.prefixes.len() + 3);
        let needed = route_node::spare(levels);
        self.make_space(TABLE, |writer| writer.routes.nodes.free() >= needed)
    }

    /// Writes all prefixes as a new table. There must be free nodes for it.
    fn write_tree(&mut self) {
        let (ranges, default) = self.routes.compile();
        let mut edit = Edit::new(&self.view, &mut self.routes.nodes);
        let head = edit.build(ranges, default);
        if let Some(id) = head {
            route_table::publish(&self.view, id);
            route_table::announce_change(&self.view);
            let old = self.routes.in_use.iter_mut().zip(0..);
            edit.replaced
                .extend(old.filter(|(used, _)| **used).map(|(_, slot)| slot));
        }
        let (taken, replaced) = (edit.taken, edit.replaced);
        self.account(head.is_some(), taken, replaced);
        self.routes.stale = head.is_none();
        self.publish_landmarks();
    }

    /// Changes the current tree; where that fails, because somebody has scribbled on it, writes a new one.
    fn change(
        &mut self,
        change: impl FnOnce(&mut Edit<'_>, Head<'_>, &View) -> Option<()>,
    ) -> Result<(), SegmentError> {
        let head = route_table::current(&self.view).and_then(|id| Head::at(&self.view, id));
        let mut edit = Edit::new(&self.view, &mut self.routes.nodes);
        let done = head.and_then(|head| change(&mut edit, head, &self.view));
        route_table::announce_change(&self.view);
        let (taken, replaced) = (edit.taken, edit.replaced);
        // What failed may have been published in part: then all of it is in use until the new tree is there.
        self.account(
            true,
            taken,
            if done.is_some() { replaced } else { Vec::new() },
        );
        self.routes.stale = done.is_none();
        self.make_tree()
    }

    /// Notes which slots the current table uses now. What it no longer uses waits for the workers; what was taken for a
    /// table that is not published is free again.
    fn account(&mut self, published: bool, taken: Vec<u32>, replaced: Vec<u32>) {
        for slot in taken {
            match self.routes.in_use.get_mut(slot as usize) {
                Some(in_use) if published => *in_use = true,
                _ => self.routes.nodes.give(slot),
            }
        }
        for slot in replaced {
            // A tree that somebody has scribbled on may name any slot.
            let in_use = self.routes.in_use.get_mut(slot as usize);
            if in_use.is_some_and(|in_use| core::mem::replace(in_use, false)) {
                self.retire(Retired::RouteNode(slot));
            }
        }
    }
}

/// Nodes that a new table of so many prefixes needs at most.
fn nodes_for(prefixes: usize) -> usize {
    let (tree, _) = route_node::most(2 * prefixes + 1);
    tree + 1
}
