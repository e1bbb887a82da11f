//! Answers on their way out.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{DmipType, Status};
use dhp_wire::mobility::{Builder, DmipHeader, MobilityOption};
use dhp_wire::packet::compose;

use super::Anchor;
use super::counters::MessageKind;
use super::drop_reason::SignallingDrop;
use super::events::AnchorAction;
use crate::security_association::SecurityAssociation;

/// DMIPv6 profile 1, section 6.6: "to a source that neither MAC nor cookie has proved, no answer … is longer than 3
/// times the IPv6 packet that caused it".
const AMPLIFICATION: usize = 3;

/// What is known of the address that an answer goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proof {
    /// The request's MAC has verified.
    Mac,
    /// It carries a cookie that was sent there.
    Cookie,
    /// Nothing: anyone may have sent these octets with any source.
    None { request_len: usize },
}

impl Proof {
    /// Octets that an answer may have in all.
    pub(crate) fn longest_answer(self) -> usize {
        match self {
            Self::Mac | Self::Cookie => usize::MAX,
            Self::None { request_len } => request_len.saturating_mul(AMPLIFICATION),
        }
    }
}

/// The MAC of an answer: which association, and the care-of address that the request named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal<'a> {
    pub(crate) security: &'a SecurityAssociation,
    pub(crate) care_of: Ipv6Addr,
}

impl Anchor {
    /// The packet of a DMIP answer.
    ///
    /// # Errors
    /// The options do not fit a Mobility Header.
    pub(crate) fn dmip_answer(
        &self,
        destination: &Ipv6Addr,
        header: DmipHeader,
        options: &[MobilityOption<'_>],
        seal: Option<Seal<'_>>,
    ) -> Result<Vec<u8>, SignallingDrop> {
        let mut builder = Builder::dmip(&self.config.code_points, header);
        for option in options {
            builder = builder.option(option);
        }
        if let Some(Seal { security, care_of }) = seal {
            // Section 6.1: the "home address" input of DMIP messages is the DHP's address.
            let home = self.config.address;
            let mac_len = security.algorithm().mac_len();
            builder = builder.auth(security.spi(), mac_len, |mh| {
                security.mac(&care_of, &home, mh)
            });
        }
        if !builder.is_complete() {
            return Err(SignallingDrop::AnswerTooLong);
        }
        let mh = builder.finish(&self.config.address, destination);
        Ok(compose(&self.config.address, destination, None, None, &mh))
    }

    /// Sends a packet, unless that would amplify what an unproved source has sent.
    pub(crate) fn transmit(
        &mut self,
        kind: MessageKind,
        status: u8,
        packet: Vec<u8>,
        proof: Proof,
    ) {
        if packet.len() > proof.longest_answer() {
            self.counters.count_dropped(SignallingDrop::Amplification);
            return;
        }
        self.counters.count_sent(kind, status);
        self.actions.push_back(AnchorAction::Transmit(packet));
    }
}

/// Which message answers a request.
pub(crate) fn answer_to(request: DmipType) -> (DmipType, MessageKind) {
    match request {
        DmipType::DhpQuery | DmipType::DhpQueryReply => {
            (DmipType::DhpQueryReply, MessageKind::DhpQueryReply)
        }
        DmipType::DhoaRequest | DmipType::DhoaResponse => {
            (DmipType::DhoaResponse, MessageKind::DhoaResponse)
        }
        DmipType::BindingUpdate | DmipType::BindingConfirmation => (
            DmipType::BindingConfirmation,
            MessageKind::DhpBindingConfirmation,
        ),
    }
}

/// The status of a message that was refused, as its header has it.
pub(crate) fn is_refusal(status: u8) -> bool {
    !Status(status).is_accepted()
}
