//! An RFC 6275 Binding Update as the home agent looks at it, and its acknowledgement.

use core::net::Ipv6Addr;
use std::sync::Arc;

use dhp_wire::codepoints::{Status, status};
use dhp_wire::mobility::{BindingUpdate, BuFlags, Builder, Lifetime, MobilityOption};
use dhp_wire::packet::compose;

use super::Anchor;
use super::counters::MessageKind;
use super::drop_reason::SignallingDrop;
use super::events::AnchorAction;
use super::home_link::LinkAction;
use super::identifiers::Identified;
use super::mobile_nodes::MnIndex;
use super::reply::Proof;
use super::steering_options::{SteeringAnswer, SteeringOptions};
use crate::security_association::SecurityAssociation;

/// What the options of a Binding Update say.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpdateOptions {
    pub(crate) alternate_care_of: Option<Ipv6Addr>,
    pub(crate) mesg_id: Option<u64>,
    pub(crate) has_nonce_indices: bool,
    pub(crate) steering: SteeringOptions,
}

/// A Binding Update and who has sent it.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    /// The IPv6 source, to which the answer goes.
    pub(crate) source: Ipv6Addr,
    /// `None`: it is not authenticated, nor is its answer.
    pub(crate) security: Option<Arc<SecurityAssociation>>,
    /// `None`: nobody who is known here.
    pub(crate) owner: Option<MnIndex>,
    pub(crate) home_address: Ipv6Addr,
    pub(crate) care_of: Ipv6Addr,
    /// The care-of address that its MAC, and that of the answer, is computed with.
    pub(crate) mac_care_of: Ipv6Addr,
    pub(crate) has_home_address_option: bool,
    pub(crate) sequence: u16,
    pub(crate) flags: BuFlags,
    pub(crate) lifetime: Lifetime,
    pub(crate) options: UpdateOptions,
}

/// A Binding Acknowledgement in the making.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledgement {
    pub(crate) status: u8,
    pub(crate) sequence: u16,
    pub(crate) lifetime: Lifetime,
    pub(crate) mesg_id: Option<u64>,
    /// The interval of the Binding Refresh Advice, if there is one.
    pub(crate) refresh: Option<Lifetime>,
    /// What became of care-of addresses and flows.
    pub(crate) steering: SteeringAnswer,
}

impl Update {
    /// The acknowledgement with a status, which grants nothing.
    pub(crate) fn acknowledge(&self, status: u8) -> Acknowledgement {
        // RFC 6275 §10.3.1: "The Sequence Number field MUST be copied from the Sequence Number given in the Binding
        // Update." RFC 4285 §6: what has a MESG-ID gets it back.
        Acknowledgement {
            status,
            sequence: self.sequence,
            lifetime: Lifetime::ZERO,
            mesg_id: self.options.mesg_id,
            refresh: None,
            steering: SteeringAnswer::default(),
        }
    }

    /// The acknowledgement that tells what became of the Binding Identifier options, and grants nothing.
    pub(crate) fn acknowledge_identifiers(&self, identified: &Identified) -> Acknowledgement {
        let (status, identifiers) = identified.summary(status::ACCEPTED);
        Acknowledgement {
            steering: SteeringAnswer {
                identifiers,
                ..SteeringAnswer::default()
            },
            ..self.acknowledge(status)
        }
    }

    /// RFC 6275 §10.3.2, and what RFC 3775 §10.3.2 had beside Lifetime 0: a care-of address that is the home address. With
    /// BIDs it is their care-of addresses that count.
    pub(crate) fn deregisters(&self) -> bool {
        let is_home = self.care_of == self.home_address;
        self.lifetime.is_zero() || (is_home && self.options.steering.identifiers.is_empty())
    }
}

impl Anchor {
    /// RFC 6275 §9.5.4: "the acknowledgement MUST be sent to the Source Address".
    pub(crate) fn send_acknowledgement(
        &mut self,
        update: &Update,
        acknowledgement: Acknowledgement,
        proof: Proof,
    ) -> Result<(), SignallingDrop> {
        let Acknowledgement {
            status,
            sequence,
            lifetime,
            mesg_id,
            refresh,
            steering,
        } = acknowledgement;
        // RFC 6275 §10.3.1: the K bit is set where "the IPsec security associations between the mobile node and the home agent
        // have been established dynamically". There are none here.
        let mut builder = Builder::binding_acknowledgement(Status(status), 0, sequence, lifetime);
        if let Some(interval) = refresh {
            builder = builder.option(&MobilityOption::BindingRefreshAdvice(interval));
        }
        builder = update.options.steering.answer(builder, &steering);
        if let Some(timestamp) = mesg_id {
            builder = builder.option(&MobilityOption::MesgId(timestamp));
        }
        if let Some(security) = &update.security {
            let mac = |mh: &[u8]| security.mac(&update.mac_care_of, &update.home_address, mh);
            builder = builder.auth(security.spi(), security.algorithm().mac_len(), mac);
        }
        if !builder.is_complete() {
            return Err(SignallingDrop::AnswerTooLong);
        }
        // "If the Source Address is the home address of the mobile node … the routing header MUST NOT be used.
        // Otherwise, the Binding Acknowledgement MUST be sent using a type 2 routing header that contains the mobile
        // node's home address." (RFC 6275 §9.5.4)
        let home = update
            .has_home_address_option
            .then_some(&update.home_address);
        let anchor = &self.config.address;
        let mh = builder.finish(anchor, home.unwrap_or(&update.source));
        let packet = compose(anchor, &update.source, None, home, &mh);
        let kind = MessageKind::BindingAcknowledgement;
        // RFC 6275 §10.3.2: to a mobile node on its home link "the home agent MUST send it to the mobile node's link-layer
        // address", since packets to the home address may still be intercepted.
        match self.home_link(&update.source) {
            Some(link) if update.source == update.home_address => {
                self.counters.count_sent(kind, status);
                let action = LinkAction::Send(packet);
                self.actions
                    .push_back(AnchorAction::OnLink { link, action });
            }
            _ => self.transmit(kind, status, packet, proof),
        }
        Ok(())
    }
}

/// Subtype and identifier of a Mobile Node Identifier option (RFC 4283), if there is one.
pub(crate) type MnIdOption<'a> = Option<(u8, &'a [u8])>;

/// Reads what matters, and who the mobile node says it is; RFC 6275 §6.2.1 has unknown options skipped.
pub(crate) fn read_options<'a>(
    update: &BindingUpdate<'a>,
) -> Result<(UpdateOptions, MnIdOption<'a>), SignallingDrop> {
    let mut read = UpdateOptions::default();
    let mut mn_id = None;
    for option in &update.options {
        let option = match option {
            Ok(option) => option,
            Err(error) if read.steering.take_unreadable(&error) => continue,
            Err(_) => return Err(SignallingDrop::Malformed),
        };
        match option {
            MobilityOption::AlternateCareOf(address) => {
                read.alternate_care_of.get_or_insert(address);
            }
            MobilityOption::MnId {
                subtype,
                identifier,
            } => {
                mn_id.get_or_insert((subtype, identifier));
            }
            MobilityOption::MesgId(timestamp) => {
                read.mesg_id.get_or_insert(timestamp);
            }
            MobilityOption::NonceIndices { .. } => read.has_nonce_indices = true,
            other => read.steering.take(&other),
        }
    }
    Ok((read, mn_id))
}
