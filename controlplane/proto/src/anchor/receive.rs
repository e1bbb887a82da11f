//! From a packet to its message: the checks of RFC 6275 §9.2, in their order.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{DmipType, binding_error_status, icmpv6};
use dhp_wire::icmpv6::{IcmpError, may_answer, write_error};
use dhp_wire::ipv6::{Ipv6View, MIN_MTU, home_agents_anycast};
use dhp_wire::mobility::{Builder, Dmip, Message, MessageError, MhError, MobilityHeader};
use dhp_wire::packet::{MobilityPacket, compose};
use ipnet::Ipv6Net;

use super::Anchor;
use super::counters::{MessageKind, SignallingDrop};
use super::reply::Proof;
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
    pub(crate) fn receive(&mut self, now: Now, packet: &[u8]) -> Result<(), SignallingDrop> {
        let parsed = MobilityPacket::parse(packet).map_err(|_| SignallingDrop::NotMobility)?;
        self.check_addresses(&parsed)?;
        // RFC 6275 §9.2: "The checksum must be verified as per Section 6.1. If invalid, the node MUST silently
        // discard the message."
        if !parsed.checksum_is_valid() {
            return Err(SignallingDrop::Checksum);
        }
        let packet = Ipv6View::new(packet)
            .map_err(|_| SignallingDrop::NotMobility)?
            .packet();
        let header = match MobilityHeader::parse(parsed.mh) {
            Ok(header) => header,
            Err(MhError::TooShort | MhError::Truncated) => return Err(SignallingDrop::Truncated),
            Err(MhError::PayloadProto { pointer }) => {
                self.parameter_problem(now, &parsed, packet, pointer);
                return Err(SignallingDrop::PayloadProto);
            }
            Err(MhError::HeaderLen { pointer }) => {
                self.parameter_problem(now, &parsed, packet, pointer);
                return Err(SignallingDrop::HeaderLen);
            }
        };
        let message = match header.message(&self.config.code_points) {
            Ok(message) => message,
            Err(MessageError::PayloadProto { pointer }) => {
                self.parameter_problem(now, &parsed, packet, pointer);
                return Err(SignallingDrop::PayloadProto);
            }
            Err(MessageError::HeaderLen { pointer }) => {
                self.parameter_problem(now, &parsed, packet, pointer);
                return Err(SignallingDrop::HeaderLen);
            }
            Err(MessageError::DmipVersion(_)) => return Err(SignallingDrop::UnknownDmipVersion),
            Err(MessageError::DmipType(_)) => return Err(SignallingDrop::UnknownDmipType),
            Err(MessageError::OptionChain { .. }) => return Err(SignallingDrop::OptionChain),
        };
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
        let anycast = received.destination != self.config.address;
        match message {
            Message::Dmip(dmip) => {
                self.counters.count_received(kind_of(&dmip));
                // RFC 6275 §6.1: Mobility Headers other than the Binding Update carry no Home Address option.
                if received.home_address.is_some() {
                    return Err(SignallingDrop::HomeAddressOption);
                }
                match dmip.header.kind {
                    DmipType::DhpQuery => self.dhp_query(received, &dmip),
                    _ if anycast => Err(SignallingDrop::NotForUs),
                    DmipType::DhoaRequest | DmipType::BindingUpdate => {
                        self.request(now, received, &dmip)
                    }
                    // Section 4.1: "an answer type sent to a DHP: discard and count, never a Binding Error".
                    DmipType::DhpQueryReply
                    | DmipType::DhoaResponse
                    | DmipType::BindingConfirmation => Err(SignallingDrop::NotForAnchors),
                }
            }
            _ if anycast => Err(SignallingDrop::NotForUs),
            Message::BindingUpdate(update) => {
                self.counters.count_received(MessageKind::BindingUpdate);
                self.home_registration(now, received, &update)
            }
            // RFC 6275 §9.2: "The MH Type field MUST have a known value (Section 6.1.1). Otherwise, the node MUST
            // discard the message and issue a Binding Error message".
            Message::Other { .. } => {
                self.binding_error(now, received);
                Err(SignallingDrop::UnknownMhType)
            }
            _ => Err(SignallingDrop::NotForAnchors),
        }
    }

    fn check_addresses(&self, packet: &MobilityPacket<'_>) -> Result<(), SignallingDrop> {
        // RFC 6275 §8.2: a node that is no mobile node ignores type 2 routing headers and silently discards.
        if packet.type2_home.is_some() {
            return Err(SignallingDrop::RoutingHeader);
        }
        let source = packet.source;
        if source.is_unspecified()
            || source.is_multicast()
            || source.is_loopback()
            || source == self.config.address
        {
            return Err(SignallingDrop::BadSource);
        }
        if packet.destination != self.config.address
            && !self.is_covered_anycast(&packet.destination)
        {
            return Err(SignallingDrop::NotForUs);
        }
        Ok(())
    }

    /// Whether this is the home-agents anycast address (RFC 2526) of a /64 that this DHP covers.
    fn is_covered_anycast(&self, destination: &Ipv6Addr) -> bool {
        *destination == home_agents_anycast(destination)
            && Ipv6Net::new(*destination, 64).is_ok_and(|link| self.coverage.covers(&link.trunc()))
    }

    /// RFC 6275 §9.3.3: "A Binding Error message is sent directly to the address that appeared in the IPv6 Source
    /// Address field of the offending packet."
    fn binding_error(&mut self, now: Now, received: &Received<'_>) {
        // "Binding Error messages SHOULD be subject to rate limiting in the same manner as is done for ICMPv6"
        if !self.binding_errors.take(now.mono_ns) {
            self.counters.count_dropped(SignallingDrop::RateLimited);
            return;
        }
        // "The Home Address field in the Binding Error message MUST be copied from the Home Address field in the
        // Home Address destination option of the offending packet, or set to the unspecified address".
        let home_address = received.home_address.unwrap_or(Ipv6Addr::UNSPECIFIED);
        let status = binding_error_status::UNRECOGNIZED_MH_TYPE;
        let mh = Builder::binding_error(status, &home_address)
            .finish(&self.config.address, &received.source);
        let packet = compose(&self.config.address, &received.source, None, None, &mh);
        self.transmit(
            MessageKind::BindingError,
            status,
            packet,
            received.unproved(),
        );
    }

    /// RFC 6275 §9.2: "the node MUST discard the message and SHOULD send ICMP Parameter Problem, Code 0, directly to
    /// the Source Address of the packet".
    fn parameter_problem(
        &mut self,
        now: Now,
        parsed: &MobilityPacket<'_>,
        packet: &[u8],
        pointer: u32,
    ) {
        let in_packet = u32::try_from(parsed.mh_offset)
            .unwrap_or(u32::MAX)
            .saturating_add(pointer);
        let error = IcmpError::ParameterProblem {
            code: icmpv6::ERRONEOUS_FIELD,
            pointer: in_packet,
        };
        if !may_answer(packet, error) {
            return;
        }
        if !self.parameter_problems.take(now.mono_ns) {
            self.counters.count_dropped(SignallingDrop::RateLimited);
            return;
        }
        let mut out = vec![0; MIN_MTU];
        if let Some(len) = write_error(
            &mut out,
            &self.config.address,
            &parsed.source,
            error,
            packet,
        ) {
            out.truncate(len);
            let proof = Proof::None {
                request_len: packet.len(),
            };
            self.transmit(
                MessageKind::ParameterProblem,
                icmpv6::ERRONEOUS_FIELD,
                out,
                proof,
            );
        }
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
