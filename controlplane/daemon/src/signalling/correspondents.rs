//! Correspondents, which the anchor speaks for: itself, and hosts behind it

use dhp_proto::anchor::{AnchorCommand, RouteOptimization};

use super::Signalling;
use crate::forwarding::ForwardingError;

impl Signalling {
    /// Have the workers follow a correspondent's binding, or tell the anchor of its use. `false`: not yet.
    pub(super) fn follow_route(&mut self, change: RouteOptimization) -> bool {
        let now = self.now();
        if let RouteOptimization::IsUsed { ends } = change {
            if self.forwarding.is_used(ends) {
                self.anchor
                    .handle_command(now, AnchorCommand::NoteUse { ends });
                self.collect(0, None);
            }
            return true;
        }
        let followed = self.forwarding.follow_route(&change, now.mono_ns);
        self.hand_over();
        match followed {
            Ok(()) => true,
            Err(ForwardingError::Busy) => false,
            Err(ForwardingError::Segment(error)) => {
                self.counters.unplaced += 1;
                tracing::error!(%error, ?change, "a correspondent's binding is not in the forwarding tables");
                true
            }
        }
    }

    /// Have the host kernel give the workers what it sends to mobile nodes that the box is a correspondent of.
    pub(super) fn hand_over(&mut self) {
        for handover in self.forwarding.take_handovers() {
            if let Some(links) = &self.home_links {
                links.hand_over(handover.address, handover.wanted);
            }
        }
    }
}
