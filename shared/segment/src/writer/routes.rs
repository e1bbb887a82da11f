//! Routes: whole tables, two buffers.

use super::Writer;
use crate::error::{SegmentError, Table};
use crate::pool::Retired;
use crate::route::Route;
use crate::route_table::{self, Range};

/// What the writer knows of the two buffers beyond what the segment says.
#[derive(Debug, Default)]
pub(super) struct RouteBuffers {
    /// The buffer that is not current may still be read.
    other_in_use: bool,
    /// A table that waits for that buffer.
    waiting: Option<Vec<Range>>,
}

impl RouteBuffers {
    pub(super) fn reclaimed(&mut self) {
        self.other_in_use = false;
    }
}

const TABLE: Table = Table::Routes;

impl Writer {
    /// Replaces all routes. `true`: readers see them now. `false`: the workers still hold the table before the current
    /// one; [`Writer::reclaim`] publishes these as soon as they let go, unless newer ones have come by then.
    ///
    /// # Errors
    /// [`SegmentError::Full`] for more prefixes than declared, [`SegmentError::PrefixLength`].
    pub fn publish_routes(&mut self, routes: &[Route]) -> Result<bool, SegmentError> {
        self.routes.waiting = Some(self.compile(routes)?);
        match self.make_space(TABLE, |writer| !writer.routes.other_in_use) {
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
        let ranges = self.compile(routes)?;
        self.make_space(TABLE, |writer| {
            !writer.routes.other_in_use && writer.routes.waiting.is_none()
        })?;
        self.routes.waiting = Some(ranges);
        self.publish_waiting_routes();
        Ok(())
    }

    /// Whether routes given to [`Writer::publish_routes`] still wait.
    #[must_use]
    pub fn routes_waiting(&self) -> bool {
        self.routes.waiting.is_some()
    }

    fn compile(&self, routes: &[Route]) -> Result<Vec<Range>, SegmentError> {
        let capacity = self.view.layout.geometry.routes;
        if routes.len() > capacity as usize {
            return Err(SegmentError::Full {
                table: TABLE,
                capacity,
            });
        }
        route_table::compile(routes)
    }

    pub(super) fn publish_waiting_routes(&mut self) {
        if self.routes.other_in_use || !self.ready {
            return;
        }
        let Some(ranges) = self.routes.waiting.take() else {
            return;
        };
        let (buffer, _) = route_table::current(&self.view);
        route_table::publish(&self.view, 1 - buffer, &ranges);
        self.routes.other_in_use = true;
        self.retire(Retired::RouteBuffer);
    }
}
