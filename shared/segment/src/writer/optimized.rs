//! Optimized routes: publish, change, remove.

use core::net::Ipv6Addr;

use super::Writer;
use crate::care_of_filter::CareOfFilter;
use crate::carried::Carried;
use crate::error::{SegmentError, Table};
use crate::layout::header_word;
use crate::optimized::{OptimizedRoute, OptimizedTable};
use crate::pool::Retired;
use crate::sync::Ordering;

const TABLE: Table = Table::OptimizedRoutes;

impl Writer {
    /// Has packets between two ends go to a care-of address, or to another one: one atomic store. What the route has carried
    /// stays.
    ///
    /// # Errors
    /// [`SegmentError::Full`] when there are as many routes as were declared; [`SegmentError::Busy`] when the workers still hold
    /// what was replaced or removed lately. Nothing has changed then.
    pub fn publish_optimized(&mut self, route: &OptimizedRoute) -> Result<(), SegmentError> {
        self.tidy();
        let capacity = self.view.layout.geometry.optimized_routes;
        let full = SegmentError::Full {
            table: TABLE,
            capacity,
        };
        let before = self.optimized(route.correspondent, route.home_address);
        if before.is_none() && self.optimized_in_use >= capacity {
            return Err(full);
        }
        self.make_space(TABLE, |writer| writer.optimized.has_free())?;
        let slot = self
            .optimized
            .take()
            .ok_or(SegmentError::Busy { table: TABLE })?;
        match OptimizedTable(&self.view).put(route, slot) {
            Ok(Some(old)) => self.retire(Retired::Optimized(old)),
            Ok(None) => self.count_optimized(self.optimized_in_use.saturating_add(1)),
            Err(()) => {
                self.optimized.give(slot);
                return Err(full);
            }
        }
        let care_ofs = CareOfFilter(&self.view);
        care_ofs.add(&route.care_of.octets());
        if let Some(before) = before {
            care_ofs.remove(&before.care_of.octets());
        }
        Ok(())
    }

    /// Has packets between two ends go by the home agent again; `false` if they did.
    pub fn remove_optimized(&mut self, correspondent: Ipv6Addr, home_address: Ipv6Addr) -> bool {
        self.tidy();
        let Some(before) = self.optimized(correspondent, home_address) else {
            return false;
        };
        if let Some(slot) = OptimizedTable(&self.view).remove(correspondent, home_address) {
            CareOfFilter(&self.view).remove(&before.care_of.octets());
            self.retire(Retired::Optimized(slot));
            self.count_optimized(self.optimized_in_use.saturating_sub(1));
        }
        true
    }

    /// The optimized route between two ends as readers see it.
    #[must_use]
    pub fn optimized(
        &self,
        correspondent: Ipv6Addr,
        home_address: Ipv6Addr,
    ) -> Option<OptimizedRoute> {
        let found =
            OptimizedTable(&self.view).find(&correspondent.octets(), &home_address.octets());
        found.map(|entry| entry.route)
    }

    /// What an optimized route has carried.
    #[must_use]
    pub fn carried_optimized(
        &self,
        correspondent: Ipv6Addr,
        home_address: Ipv6Addr,
    ) -> Option<Carried> {
        OptimizedTable(&self.view).carried(correspondent, home_address)
    }

    /// Every optimized route, in no order.
    pub fn optimized_routes(&self) -> impl Iterator<Item = OptimizedRoute> + '_ {
        OptimizedTable(&self.view).entries().map(|(_, route)| route)
    }

    /// How many there are: the workers do not look where there is nothing.
    pub(super) fn count_optimized(&mut self, count: u32) {
        self.optimized_in_use = count;
        if let Some(word) = self.view.word(header_word::OPTIMIZED) {
            word.store(count.into(), Ordering::Release);
        }
    }
}
