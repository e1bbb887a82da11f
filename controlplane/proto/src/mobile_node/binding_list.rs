//! What concerns an entry of the Binding Update List, and comes from its anchor unasked: Binding Errors and Binding Refresh Requests
//! (RFC 6275 §11.3.6, §11.7.4).
//!
//! Neither is authenticated. Both do no more than have a binding confirmed that there is, as seldom as updates may be sent anyway.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::binding_error_status;

use super::MobileNode;
use super::anchors::UpdateKind;
use super::receive::count;
use crate::time::Now;

impl MobileNode {
    /// §11.3.6: "If the mobile node does not have such an entry, it MUST ignore the message."
    ///
    /// Status 1, unknown binding: "If the Binding Error Message was sent by the home agent, the mobile node SHOULD send a Binding Update
    /// to the home agent", and a DHP is the home agent of its DHoAs. Status 2, unrecognized MH Type: "The MN takes that as a hint" (profile 1, section 4): it is noted, and counts
    /// when the retransmissions have failed as well. Who is not waited for is not heard.
    pub(super) fn receive_binding_error(&mut self, now: Now, source: &Ipv6Addr, error: u8) {
        match error {
            binding_error_status::UNKNOWN_BINDING if self.is_running() => {
                self.confirm_bindings(now, source);
            }
            binding_error_status::UNRECOGNIZED_MH_TYPE => {
                for exchange in &mut self.exchanges {
                    exchange.not_supported |=
                        exchange.peer == *source && !exchange.purpose.is_home();
                }
            }
            _ => {}
        }
    }

    /// §11.7.4: "the mobile node should be careful not to respond to Binding Refresh Requests for addresses not in the Binding Update
    /// List". A binding that this node has it wants to keep.
    pub(super) fn receive_refresh_request(&mut self, now: Now, source: &Ipv6Addr) {
        count(&mut self.counters.refresh_requests);
        if self.is_running() && self.care_of.is_some() {
            self.confirm_bindings(now, source);
        }
    }

    /// Has the bindings that an anchor should have confirmed by it, unless that is under way.
    fn confirm_bindings(&mut self, now: Now, source: &Ipv6Addr) {
        let from_home = self.bound_home().is_some_and(|(agent, _)| agent == *source);
        if from_home && !self.is_registering() {
            self.reregister_home(now);
            self.register_others(now);
        }
        let has_addresses = self
            .anchors
            .get(source)
            .is_some_and(|anchor| !anchor.dhoas.is_empty());
        if has_addresses && !self.is_updating(source) {
            self.bind_anchor(now, *source, UpdateKind::Confirm);
        }
    }
}
