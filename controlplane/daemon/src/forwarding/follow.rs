//! The anchor's binding events, compiled into tunnels

use std::sync::Arc;

use dhp_proto::anchor::{BindingChange, BindingEvent, SteeredCareOf};

use super::bound_addresses::BoundAddress;
use super::care_of_tests::TestPath;
use super::{Forwarding, ForwardingError, PREVIOUS_CARE_OF_NS};

impl Forwarding {
    /// Follow an event of the anchor. What it says holds for packets when this returns.
    ///
    /// # Errors
    /// [`ForwardingError::Busy`]: nothing has changed, the same event must come again.
    pub fn follow(&mut self, event: &BindingEvent, now_ns: u64) -> Result<(), ForwardingError> {
        match &event.change {
            BindingChange::Bound {
                home_address,
                kind,
                mn,
                care_of,
                previous,
                expires_ns,
                test,
            } => {
                let path = self.path_to(*home_address, *care_of);
                let next_hop = self.next_hops.id(path.next_hop);
                let test = test.map(|test| Box::new(self.test_path(*home_address, test)));
                let current = self.bound.get(*home_address);
                // The workers know nothing of lifetimes, so that a refresh is none of their business.
                if current.is_none_or(|bound| {
                    (bound.path, bound.next_hop, &bound.test) != (path, next_hop, &test)
                }) {
                    // What has moved within the last 2 s still says from where, unless it moves again.
                    let earlier = self
                        .writer
                        .binding(*home_address)
                        .and_then(|template| template.previous());
                    // The handoff is complete when the test is over: until now the tested one was as good as the new.
                    let test_before = current.and_then(|bound| bound.test.as_deref());
                    let test_before = test_before.filter(|_| test.is_none());
                    let left = test_before.and_then(TestPath::instead);
                    let previous = match previous.or(left.filter(|left| left != care_of)) {
                        Some(address) => {
                            Some((address, now_ns.saturating_add(PREVIOUS_CARE_OF_NS)))
                        }
                        None => earlier,
                    };
                    let tunnel =
                        self.default_tunnel(*kind, path, next_hop, previous, test.as_deref());
                    self.writer.publish_binding(*home_address, &tunnel)?;
                }
                let bound = BoundAddress {
                    kind: *kind,
                    mn: Arc::clone(mn),
                    expires_ns: *expires_ns,
                    path,
                    next_hop,
                    test,
                    further: Box::default(),
                };
                self.bound.set(*home_address, bound);
            }
            BindingChange::Steered {
                home_address,
                care_ofs,
                rules,
            } => self.steer(*home_address, care_ofs, rules, now_ns)?,
            BindingChange::CareOfMoved {
                home_address,
                bid,
                care_of,
                test,
            } => {
                let moved = SteeredCareOf {
                    bid: *bid,
                    care_of: *care_of,
                    test: *test,
                };
                self.move_care_of(*home_address, moved, now_ns)?;
            }
            BindingChange::Released { home_address, .. } => {
                self.writer.remove_binding(*home_address);
                self.bound.remove(*home_address);
                self.path_mtus.forget(*home_address);
            }
        }
        Ok(())
    }
}
