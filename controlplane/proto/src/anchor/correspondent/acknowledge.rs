//! Binding Acknowledgements and Refresh Requests of a correspondent node (RFC 6275 §9.5.4, §9.5.5).

use dhp_wire::codepoints::{Status, status};
use dhp_wire::mobility::{Builder, Lifetime};
use dhp_wire::packet::compose;

use super::super::Anchor;
use super::super::counters::MessageKind;
use super::super::drop_reason::SignallingDrop;
use super::super::events::AnchorAction;
use super::super::reply::Proof;
use super::super::timers::Timer;
use super::cache::Usage;
use super::update::CorrespondentUpdate;
use super::{RouteEnds, RouteOptimization};
use crate::auth::Key;
use crate::return_routability::authenticator;
use crate::time::Now;

impl Anchor {
    /// Status 136, 137 or 138, "then the message MUST NOT include the Binding Authorization Data mobility option."
    pub(super) fn acknowledge_unauthenticated(
        &mut self,
        update: &CorrespondentUpdate,
        status: u8,
        proof: Proof,
    ) -> Result<(), SignallingDrop> {
        let sequence = update.sequence;
        let builder = Builder::binding_acknowledgement(Status(status), 0, sequence, Lifetime::ZERO);
        self.send_to_mobile_node(update, builder, status, proof);
        Ok(())
    }

    /// "Otherwise, the Binding Authorization Data mobility option MUST be included".
    pub(super) fn acknowledge_correspondent(
        &mut self,
        update: &CorrespondentUpdate,
        key: &Key,
        status: u8,
        lifetime: Lifetime,
    ) -> Result<(), SignallingDrop> {
        // "If the node rejects the Binding Update due to an expired nonce index, sequence number being out of window …, or
        // insufficiency of resources …, a Binding Acknowledgement MUST be sent. If the node accepts the Binding Update, the
        // Binding Acknowledgement SHOULD NOT be sent", without the A bit. §9.5.1 has 139 sent, too.
        if !update.wants_answer && Status(status).is_accepted() {
            return Ok(());
        }
        let known = self.correspondents.entries.get(&update.ends);
        let sequence = match known {
            Some(entry) if status == status::SEQUENCE_OUT_OF_WINDOW => entry.sequence,
            _ => update.sequence,
        };
        let own = update.ends.correspondent;
        let address = update.mac_address();
        let builder = Builder::binding_acknowledgement(Status(status), 0, sequence, lifetime)
            .binding_authorization(|mh| authenticator(key, &address, &own, mh));
        self.send_to_mobile_node(update, builder, status, Proof::Mac);
        Ok(())
    }

    /// "the acknowledgement MUST be sent to the Source Address", with a type 2 routing header unless that is the home
    /// address.
    fn send_to_mobile_node(
        &mut self,
        update: &CorrespondentUpdate,
        builder: Builder,
        status: u8,
        proof: Proof,
    ) {
        let RouteEnds {
            home_address,
            correspondent: own,
        } = update.ends;
        let is_away = update.source != home_address;
        let home = is_away.then_some(&home_address);
        let mh = builder.finish(&own, home.unwrap_or(&update.source));
        let packet = compose(&own, &update.source, None, home, &mh);
        self.transmit(MessageKind::BindingAcknowledgement, status, packet, proof);
    }

    /// Plans the request for a refresh of a binding that was just made or refreshed.
    pub(super) fn plan_correspondent_refresh(&mut self, now: Now, ends: RouteEnds) {
        let Some(ahead) = self.config.refresh_request else {
            return;
        };
        let ahead = u64::try_from(ahead.as_nanos()).unwrap_or(u64::MAX);
        let Some(entry) = self.correspondents.entries.get_mut(&ends) else {
            return;
        };
        let at = entry.expires_ns.saturating_sub(ahead);
        if at > now.mono_ns {
            let timer = Timer::CorrespondentRefreshDue(ends);
            entry.refresh_timer = Some(self.timers.schedule(at, timer));
        }
    }

    /// "If the sender knows that the Binding Cache entry is still in active use, it MAY send a Binding Refresh Request": whether
    /// it is only the workers can tell.
    pub(crate) fn correspondent_refresh_due(&mut self, ends: RouteEnds) {
        let Some(entry) = self.correspondents.entries.get_mut(&ends) else {
            return;
        };
        entry.refresh_timer = None;
        if entry.usage == Usage::Known {
            return self.send_refresh_request(&ends.correspondent, &ends.home_address, &[]);
        }
        entry.usage = Usage::Asked;
        self.actions
            .push_back(AnchorAction::Route(RouteOptimization::IsUsed { ends }));
    }

    /// Packets are going to the home address, so that its mobile node is asked in time, once per update. "This message is always
    /// sent to the home address of the mobile node."
    pub(crate) fn correspondent_is_used(&mut self, ends: RouteEnds) {
        let Some(entry) = self.correspondents.entries.get_mut(&ends) else {
            return;
        };
        let before = core::mem::replace(&mut entry.usage, Usage::Known);
        if before == Usage::Asked && entry.care_of.is_some() {
            self.send_refresh_request(&ends.correspondent, &ends.home_address, &[]);
        }
    }
}
