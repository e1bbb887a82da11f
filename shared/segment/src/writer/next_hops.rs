//! Next hops: allocate, set, release.

use super::Writer;
use crate::error::{SegmentError, Table};
use crate::next_hop::{self, NextHop};
use crate::pool::Retired;

const TABLE: Table = Table::NextHops;

impl Writer {
    /// A next hop that is nobody's. Until it is set, readers find nothing there; one that is never set is free again for
    /// the next writer.
    ///
    /// # Errors
    /// [`SegmentError::Full`] when all are allocated; [`SegmentError::Busy`] when those released still wait for the workers.
    pub fn allocate_next_hop(&mut self) -> Result<u32, SegmentError> {
        if self.next_hops_allocated.iter().all(|allocated| *allocated) {
            return Err(SegmentError::Full {
                table: TABLE,
                capacity: self.view.layout.geometry.next_hops,
            });
        }
        self.make_space(TABLE, |writer| writer.next_hop_ids.has_free())?;
        let id = self
            .next_hop_ids
            .take()
            .ok_or(SegmentError::Busy { table: TABLE })?;
        self.mark(id, true);
        Ok(id)
    }

    /// Sets or changes a next hop, for all templates and routes that name it, by one atomic store.
    ///
    /// # Errors
    /// [`SegmentError::NoSuchNextHop`] if it is not allocated; [`SegmentError::Busy`] when the workers still hold all values
    /// that were replaced.
    pub fn set_next_hop(&mut self, id: u32, next_hop: NextHop) -> Result<(), SegmentError> {
        self.tidy();
        if self.next_hops_allocated.get(id as usize) != Some(&true) {
            return Err(SegmentError::NoSuchNextHop(id));
        }
        self.make_space(TABLE, |writer| writer.next_hop_values.has_free())?;
        let value = self
            .next_hop_values
            .take()
            .ok_or(SegmentError::Busy { table: TABLE })?;
        if let Some(slot) = self.view.slot(&self.view.layout.next_hop_values, value) {
            next_hop.store(slot);
        }
        let old = next_hop::value_index(&self.view, id);
        next_hop::point(&self.view, id, Some(value));
        if let Some(old) = old {
            self.retire(Retired::NextHopValue(old));
        }
        Ok(())
    }

    /// Gives a next hop back; `false` if it is not allocated. Templates and routes should no longer name it: readers find
    /// nothing there, and after the next quiescent point possibly another neighbour.
    pub fn release_next_hop(&mut self, id: u32) -> bool {
        self.tidy();
        if self.next_hops_allocated.get(id as usize) != Some(&true) {
            return false;
        }
        let old = next_hop::value_index(&self.view, id);
        next_hop::point(&self.view, id, None);
        if let Some(old) = old {
            self.retire(Retired::NextHopValue(old));
        }
        self.retire(Retired::NextHop(id));
        self.mark(id, false);
        true
    }

    /// The next hop `id`, if it is set.
    #[must_use]
    pub fn next_hop(&self, id: u32) -> Option<NextHop> {
        next_hop::read(&self.view, id)
    }

    /// Every next hop that is set: what a new writer compares with the kernel's neighbours.
    pub fn next_hops(&self) -> impl Iterator<Item = (u32, NextHop)> + '_ {
        (0..self.view.layout.next_hops.slots()).filter_map(|id| Some((id, self.next_hop(id)?)))
    }

    fn mark(&mut self, id: u32, allocated: bool) {
        if let Some(mark) = self.next_hops_allocated.get_mut(id as usize) {
            *mark = allocated;
        }
    }
}
