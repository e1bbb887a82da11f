//! Whose a Binding Update for a home registration is (RFC 6275 §5.1, RFC 4285 §5.1).

use core::net::Ipv6Addr;
use std::sync::Arc;

use dhp_wire::mobility::{AuthOption, BindingUpdate};

use super::Anchor;
use super::drop_reason::SignallingDrop;
use super::home_update::MnIdOption;
use super::mobile_nodes::MnIndex;
use super::receive::Received;
use super::request::names;
use crate::security_association::SecurityAssociation;

/// Who has sent a Binding Update.
#[derive(Debug)]
pub(crate) struct Sender {
    /// The association that its answer is authenticated by; `None`: by none.
    pub(crate) security: Option<Arc<SecurityAssociation>>,
    /// `None`: nobody who is known here.
    pub(crate) owner: Option<MnIndex>,
    /// The care-of address that its MAC, and that of the answer, is computed with.
    pub(crate) mac_care_of: Ipv6Addr,
    /// Whether the MAC is right.
    pub(crate) is_proven: bool,
}

impl Anchor {
    /// Finds the sender by the authentication option. The error is that of a message that is discarded.
    pub(crate) fn sender_of(
        &self,
        received: &Received<'_>,
        update: &BindingUpdate<'_>,
        home_address: &Ipv6Addr,
        care_of: Ipv6Addr,
        mn_id: MnIdOption<'_>,
    ) -> Result<Sender, SignallingDrop> {
        let Some(auth) = update.options.auth() else {
            return self.unauthenticated(home_address, care_of);
        };
        // RFC 4285 §5.1: "MUST be the last option in a message with a mobility header if it is the only mobility
        // message authentication option".
        if !auth.is_last {
            return Err(SignallingDrop::BehindAuthentication);
        }
        // RFC 4285 §5.1.1: "If the Home Agent does not have shared-key-based mobility SA, Home Agent MUST discard
        // the BU."
        let association = self
            .nodes
            .association(auth.spi)
            .ok_or(SignallingDrop::UnknownSpi)?;
        let security = association.security.clone();
        let verifies = |care_of: &Ipv6Addr| {
            let AuthOption {
                mac_input_len,
                data,
                ..
            } = auth;
            let mh = received.header.bytes();
            let mh = mh.get(..mac_input_len).unwrap_or(mh);
            security.verify(care_of, home_address, mh, data)
        };
        let by_care_of = verifies(&care_of);
        // Which care-of address a de-registration's MAC takes is not spelled out; RFC 6275 §5.2.6 has the home
        // address in the analogous place.
        let by_home = !by_care_of && update.lifetime.is_zero() && verifies(home_address);
        // RFC 4283 §3: the option says who sends; it has to be the owner of the key.
        let is_named = mn_id.is_none_or(|mn_id| names(mn_id, security.mn_id()));
        Ok(Sender {
            owner: Some(association.owner),
            mac_care_of: if by_home { *home_address } else { care_of },
            is_proven: (by_care_of || by_home) && is_named,
            security: Some(security),
        })
    }

    /// In a laboratory an update may do without authentication: then it is taken for that of the mobile node that the home
    /// address belongs to.
    fn unauthenticated(
        &self,
        home_address: &Ipv6Addr,
        care_of: Ipv6Addr,
    ) -> Result<Sender, SignallingDrop> {
        if !self.config.allow_unauthenticated {
            return Err(SignallingDrop::NoAuthentication);
        }
        Ok(Sender {
            security: None,
            owner: self.nodes.owner(home_address),
            mac_care_of: care_of,
            is_proven: true,
        })
    }
}
