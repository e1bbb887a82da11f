//! What has changed of the plan, brought into the segment step by step

use std::mem;
use std::net::Ipv6Addr;

use dhp_segment::SegmentError;

use super::routes::Step;
use super::{Forwarding, ForwardingError, RETARGETS_AT_ONCE};
use crate::mirror::{PlannedAction, PlannedRoute};

impl Forwarding {
    /// Bring the segment nearer to the plan. `true`: nothing is left to be done. Cheap when that was so before.
    ///
    /// # Errors
    /// A table of the segment is too small, said once; what fits in is in force.
    pub fn settle(&mut self) -> Result<bool, ForwardingError> {
        let stepped = self.step();
        self.retarget_touched();
        self.retarget()?;
        let retargeted = self.retarget_optimized()?;
        match stepped {
            Err(ForwardingError::Busy) => return Ok(false),
            stepped => stepped?,
        }
        if !self.steps.is_empty() || !self.to_retarget.is_empty() || !retargeted {
            return Ok(false);
        }
        // Neither a route nor a tunnel names the others any more.
        match self.next_hops.release_unused(&mut self.writer) {
            Err(SegmentError::Busy { .. }) => Ok(false),
            Err(error) => Err(error.into()),
            Ok(placed) if placed.is_empty() => Ok(true),
            Ok(placed) => {
                let goes_there = |route: &&PlannedRoute| match route.action {
                    PlannedAction::Via(key) => placed.contains(&key),
                    _ => false,
                };
                let routes = self.routes.iter().map(|(_, route)| route);
                let renewed = routes.filter(goes_there);
                self.steps
                    .extend(renewed.map(|route| Step::Renew(route.prefix)));
                Ok(false)
            }
        }
    }

    /// Have the tunnels looked at whose care-of addresses are in a prefix that was touched. No other has another way now.
    fn retarget_touched(&mut self) {
        for prefix in mem::take(&mut self.touched) {
            self.to_retarget.extend(self.bound.going_to(prefix));
            self.touch_optimized(prefix);
        }
    }

    /// Move tunnels whose way has changed, some at a time.
    fn retarget(&mut self) -> Result<(), ForwardingError> {
        for _ in 0..RETARGETS_AT_ONCE {
            let Some(home_address) = self.to_retarget.pop_first() else {
                break;
            };
            match self.retarget_one(home_address) {
                Ok(()) => {}
                Err(SegmentError::Busy { .. }) => {
                    self.to_retarget.insert(home_address);
                    break;
                }
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    fn retarget_one(&mut self, home_address: Ipv6Addr) -> Result<(), SegmentError> {
        let Some(bound) = self.bound.get(home_address) else {
            return Ok(());
        };
        let path = self.path_to(home_address, bound.path.care_of);
        let next_hop = self.next_hops.id(path.next_hop);
        let test = bound.test.as_ref();
        let test = test.map(|test| Box::new(self.test_path(home_address, test.told())));
        if (path, next_hop, &test) != (bound.path, bound.next_hop, &bound.test) {
            self.retarget_default(home_address, next_hop, path.mtu, test.as_deref())?;
            self.bound.change(home_address, |bound| {
                (bound.path, bound.next_hop, bound.test) = (path, next_hop, test);
            });
        }
        self.retarget_further(home_address)
    }
}
