//! From a packet to its message: the checks of RFC 6275 §9.2, in their order.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{DmipType, binding_error_status, icmpv6};
use dhp_wire::ipv6::{Ipv6View, home_agents_anycast, is_unicast_routable};
use dhp_wire::mobility::{
    BuFlags, Dmip, Message, MessageError, MhError, MobilityHeader, RevocationHeader, RevocationKind,
};
use dhp_wire::packet::MobilityPacket;
use ipnet::Ipv6Net;

use super::Anchor;
use super::counters::MessageKind;
use super::drop_reason::SignallingDrop;
use super::error_messages::Offence;
use super::reply::Proof;
use crate::return_routability::TokenKind;
use crate::time::Now;

/// A Mobility Header whose checksum is right, and what its packet says about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received<'a> {
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
    pub(crate) home_address: Option<Ipv6Addr>,
    pub(crate) header: MobilityHeader<'a>,
    /// The whole IPv6 packet.
    pub(crate) packet: &'a [u8],
}

impl Received<'_> {
    /// What an answer may cost before the sender has proved anything.
    pub(crate) fn unproved(&self) -> Proof {
        Proof::None {
            request_len: self.packet.len(),
        }
    }
}

impl Anchor {
    pub(crate) fn receive(&mut self, now: Now, buffer: &[u8]) -> Result<(), SignallingDrop> {
        let view = Ipv6View::new(buffer).map_err(|_| SignallingDrop::NotMobility)?;
        self.check_addresses(view.source(), view.destination())?;
        let packet = view.packet();
        let parsed = match MobilityPacket::parse(packet) {
            Ok(parsed) => parsed,
            Err(error) => {
                if let Some((code, pointer)) = error.parameter_problem() {
                    self.parameter_problem(now, packet, code, pointer);
                }
                return Err(SignallingDrop::NotMobility);
            }
        };
        // RFC 6275 §8.2: a node that is no mobile node ignores type 2 routing headers and silently discards.
        if parsed.type2_home.is_some() {
            return Err(SignallingDrop::RoutingHeader);
        }
        // RFC 6275 §9.3.1: "Packets containing a Home Address option MUST be dropped if the given home address is
        // not a unicast routable address."
        if parsed
            .home_address
            .is_some_and(|home_address| !is_unicast_routable(&home_address))
        {
            return Err(SignallingDrop::HomeAddressNotRoutable);
        }
        // RFC 6275 §9.2: "The checksum must be verified as per Section 6.1. If invalid, the node MUST silently
        // discard the message."
        if !parsed.checksum_is_valid() {
            return Err(SignallingDrop::Checksum);
        }
        let code_points = self.config.code_points;
        // §9.2 again: "SHOULD send ICMP Parameter Problem, Code 0 … The Pointer field in the ICMP message SHOULD
        // point at the Payload Proto field", or "at the Header Len field".
        let mut points_at = |pointer: u32, reason: SignallingDrop| {
            let in_packet = u32::try_from(parsed.mh_offset)
                .unwrap_or(u32::MAX)
                .saturating_add(pointer);
            self.parameter_problem(now, packet, icmpv6::ERRONEOUS_FIELD, in_packet);
            reason
        };
        let header = MobilityHeader::parse(parsed.mh).map_err(|error| match error {
            MhError::TooShort | MhError::Truncated => SignallingDrop::Truncated,
            MhError::PayloadProto { pointer } => points_at(pointer, SignallingDrop::PayloadProto),
            MhError::HeaderLen { pointer } => points_at(pointer, SignallingDrop::HeaderLen),
        })?;
        let message = header.message(&code_points).map_err(|error| match error {
            MessageError::PayloadProto { pointer } => {
                points_at(pointer, SignallingDrop::PayloadProto)
            }
            MessageError::HeaderLen { pointer } => points_at(pointer, SignallingDrop::HeaderLen),
            MessageError::DmipVersion(_) => SignallingDrop::UnknownDmipVersion,
            MessageError::DmipType(_) => SignallingDrop::UnknownDmipType,
            MessageError::OptionChain { .. } => SignallingDrop::OptionChain,
        })?;
        let received = Received {
            source: parsed.source,
            destination: parsed.destination,
            home_address: parsed.home_address,
            header,
            packet,
        };
        self.dispatch(now, &received, message)
    }

    fn dispatch(
        &mut self,
        now: Now,
        received: &Received<'_>,
        message: Message<'_>,
    ) -> Result<(), SignallingDrop> {
        if self.acts_for(&received.destination) && !self.is_covered_anycast(&received.destination) {
            return self.dispatch_for_host(now, received, message);
        }
        let anycast = received.destination != self.config.address;
        match message {
            Message::Dmip(dmip) => {
                self.counters.count_received(kind_of(&dmip));
                // RFC 6275 §6.1: Mobility Headers other than the Binding Update carry no Home Address option.
                if received.home_address.is_some() {
                    return Err(SignallingDrop::HomeAddressOption);
                }
                match dmip.header.kind {
                    DmipType::DhpQuery => {
                        let reachable = self.check_cookie(now, received, &dmip)?;
                        self.dhp_query(now, received, &dmip, reachable)
                    }
                    _ if anycast => Err(SignallingDrop::NotForUs),
                    DmipType::DhoaRequest => {
                        self.check_cookie(now, received, &dmip)?;
                        self.request(now, received, &dmip)
                    }
                    DmipType::BindingUpdate => self.request(now, received, &dmip),
                    // Section 4.1: "an answer type sent to a DHP: discard and count, never a Binding Error".
                    DmipType::DhpQueryReply
                    | DmipType::DhoaResponse
                    | DmipType::BindingConfirmation => Err(SignallingDrop::NotForAnchors),
                }
            }
            _ if anycast => Err(SignallingDrop::NotForUs),
            Message::HomeTestInit { cookie, .. } => {
                self.counters.count_received(MessageKind::HomeTestInit);
                self.test_init(now, received, TokenKind::Home, cookie)
            }
            Message::CareOfTestInit { cookie, .. } => {
                self.counters.count_received(MessageKind::CareOfTestInit);
                self.test_init(now, received, TokenKind::CareOf, cookie)
            }
            Message::BindingUpdate(update) => {
                self.counters.count_received(MessageKind::BindingUpdate);
                // RFC 6275 §9.5.1: without the H bit a Nonce Indices option has to be there. What has an authentication
                // option for a home agent in its place is the home agent's to refuse.
                let is_home =
                    update.flags.contains(BuFlags::HOME) || update.options.auth().is_some();
                if self.config.is_correspondent && !is_home {
                    self.correspondent_update(now, received, &update)
                } else {
                    self.home_registration(now, received, &update)
                }
            }
            Message::Heartbeat { header, options } if received.home_address.is_none() => {
                self.counters.count_received(MessageKind::Heartbeat);
                self.heartbeat(received, header, &options)
            }
            Message::BindingRevocation {
                header:
                    RevocationHeader {
                        kind: RevocationKind::Acknowledgement { .. },
                        sequence,
                        ..
                    },
                options,
            } => {
                let kind = MessageKind::BindingRevocationAcknowledgement;
                self.counters.count_received(kind);
                self.revocation_acknowledged(now, received, sequence, &options)
            }
            Message::BindingError { status, .. }
                if status == binding_error_status::UNRECOGNIZED_MH_TYPE =>
            {
                self.counters.count_received(MessageKind::BindingError);
                self.peer_knows_no_heartbeat(received)
            }
            // RFC 6275 §9.2: "The MH Type field MUST have a known value (Section 6.1.1). Otherwise, the node MUST
            // discard the message and issue a Binding Error message".
            Message::Other { .. } => {
                // "The Home Address field in the Binding Error message MUST be copied from the Home Address field in the
                // Home Address destination option of the offending packet, or set to the unspecified address" (§9.3.3).
                let home_address = received.home_address.unwrap_or(Ipv6Addr::UNSPECIFIED);
                let status = binding_error_status::UNRECOGNIZED_MH_TYPE;
                let offence = Offence {
                    source: received.source,
                    destination: received.destination,
                };
                self.binding_error(now, offence, home_address, status, received.unproved());
                Err(SignallingDrop::UnknownMhType)
            }
            _ => Err(SignallingDrop::NotForAnchors),
        }
    }

    /// A message to a host that the anchor acts for, of which it takes what concerns a correspondent alone.
    fn dispatch_for_host(
        &mut self,
        now: Now,
        received: &Received<'_>,
        message: Message<'_>,
    ) -> Result<(), SignallingDrop> {
        match message {
            Message::HomeTestInit { cookie, .. } => {
                self.counters.count_received(MessageKind::HomeTestInit);
                self.test_init(now, received, TokenKind::Home, cookie)
            }
            Message::CareOfTestInit { cookie, .. } => {
                self.counters.count_received(MessageKind::CareOfTestInit);
                self.test_init(now, received, TokenKind::CareOf, cookie)
            }
            Message::BindingUpdate(update) if !update.flags.contains(BuFlags::HOME) => {
                self.counters.count_received(MessageKind::BindingUpdate);
                self.correspondent_update(now, received, &update)
            }
            _ => Err(SignallingDrop::NotForUs),
        }
    }

    pub(crate) fn check_addresses(
        &self,
        source: Ipv6Addr,
        destination: Ipv6Addr,
    ) -> Result<(), SignallingDrop> {
        let own = self.config.address;
        if source.is_unspecified() || source.is_multicast() || source.is_loopback() || source == own
        {
            return Err(SignallingDrop::BadSource);
        }
        let is_taken = destination == own
            || self.is_covered_anycast(&destination)
            || self.acts_for(&destination);
        is_taken.then_some(()).ok_or(SignallingDrop::NotForUs)
    }

    /// Whether this is the home-agents anycast address (RFC 2526) of a /64 that this DHP covers, or a part of.
    fn is_covered_anycast(&self, destination: &Ipv6Addr) -> bool {
        *destination == home_agents_anycast(destination)
            && Ipv6Net::new(*destination, 64).is_ok_and(|link| self.coverage.touches(&link.trunc()))
    }
}

fn kind_of(dmip: &Dmip<'_>) -> MessageKind {
    match dmip.header.kind {
        DmipType::DhpQuery => MessageKind::DhpQuery,
        DmipType::DhpQueryReply => MessageKind::DhpQueryReply,
        DmipType::DhoaRequest => MessageKind::DhoaRequest,
        DmipType::DhoaResponse => MessageKind::DhoaResponse,
        DmipType::BindingUpdate => MessageKind::DhpBindingUpdate,
        DmipType::BindingConfirmation => MessageKind::DhpBindingConfirmation,
    }
}
