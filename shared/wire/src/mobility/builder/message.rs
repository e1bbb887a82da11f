//! The fixed part of each message.

use core::net::Ipv6Addr;

use super::Builder;
use crate::codepoints::{CodePoints, Status, mh_type};
use crate::mobility::heartbeat::HeartbeatHeader;
use crate::mobility::home_agent_switch;
use crate::mobility::message::DmipHeader;
use crate::mobility::read::DMIP_VERSION;
use crate::mobility::revocation::RevocationHeader;
use crate::mobility::{BuFlags, Lifetime};

impl Builder {
    /// A Binding Refresh Request (RFC 6275 §6.1.2).
    pub fn binding_refresh_request() -> Self {
        Self::rfc(mh_type::BINDING_REFRESH_REQUEST).field([0, 0])
    }

    /// A Home Test Init (RFC 6275 §6.1.3).
    pub fn home_test_init(cookie: [u8; 8]) -> Self {
        Self::rfc(mh_type::HOME_TEST_INIT)
            .field([0, 0])
            .field(cookie)
    }

    /// A Care-of Test Init (RFC 6275 §6.1.4).
    pub fn care_of_test_init(cookie: [u8; 8]) -> Self {
        Self::rfc(mh_type::CARE_OF_TEST_INIT)
            .field([0, 0])
            .field(cookie)
    }

    /// A Home Test (RFC 6275 §6.1.5): Home Nonce Index, Home Init Cookie of the message that it answers, Home Keygen
    /// Token.
    pub fn home_test(nonce_index: u16, cookie: [u8; 8], token: [u8; 8]) -> Self {
        Self::rfc(mh_type::HOME_TEST)
            .field(nonce_index.to_be_bytes())
            .field(cookie)
            .field(token)
    }

    /// A Care-of Test (RFC 6275 §6.1.6): Care-of Nonce Index, Care-of Init Cookie of the message that it answers,
    /// Care-of Keygen Token.
    pub fn care_of_test(nonce_index: u16, cookie: [u8; 8], token: [u8; 8]) -> Self {
        Self::rfc(mh_type::CARE_OF_TEST)
            .field(nonce_index.to_be_bytes())
            .field(cookie)
            .field(token)
    }

    /// A Binding Update (RFC 6275 §6.1.7).
    pub fn binding_update(sequence: u16, flags: BuFlags, lifetime: Lifetime) -> Self {
        Self::rfc(mh_type::BINDING_UPDATE)
            .field(sequence.to_be_bytes())
            .field(flags.to_wire().to_be_bytes())
            .field(lifetime.0.to_be_bytes())
    }

    /// A Binding Acknowledgement (RFC 6275 §6.1.8).
    pub fn binding_acknowledgement(
        status: Status,
        flags: u8,
        sequence: u16,
        lifetime: Lifetime,
    ) -> Self {
        Self::rfc(mh_type::BINDING_ACKNOWLEDGEMENT)
            .field([status.0, flags])
            .field(sequence.to_be_bytes())
            .field(lifetime.0.to_be_bytes())
    }

    /// A Binding Error (RFC 6275 §6.1.9); see [`crate::codepoints::binding_error_status`]. `home` is that of the
    /// Home Address option, or `::`.
    pub fn binding_error(status: u8, home: &Ipv6Addr) -> Self {
        Self::rfc(mh_type::BINDING_ERROR)
            .field([status, 0])
            .field(home.octets())
    }

    /// A Home Agent Switch (RFC 5142 §4) that names these home agents, best first. A header has room for 127 of them;
    /// what is behind is left out, and [`Self::is_complete`] is false.
    pub fn home_agent_switch(addresses: &[Ipv6Addr]) -> Self {
        let named = addresses
            .get(..home_agent_switch::MAX_ADDRESSES)
            .unwrap_or(addresses);
        let count = u8::try_from(named.len()).unwrap_or(u8::MAX);
        let mut builder = Self::rfc(mh_type::HOME_AGENT_SWITCH).field([count, 0]);
        for address in named {
            builder = builder.field(address.octets());
        }
        builder.complete = named.len() == addresses.len();
        builder
    }

    /// A Heartbeat (RFC 5847 §3.3).
    pub fn heartbeat(header: HeartbeatHeader) -> Self {
        Self::rfc(mh_type::HEARTBEAT)
            .field(header.kind.to_wire().to_be_bytes())
            .field(header.sequence.to_be_bytes())
    }

    /// A Binding Revocation Indication or Acknowledgement (RFC 5846 §5).
    pub fn binding_revocation(header: RevocationHeader) -> Self {
        Self::rfc(mh_type::BINDING_REVOCATION)
            .field(header.kind.to_wire())
            .field(header.sequence.to_be_bytes())
            .field(header.flags.to_wire().to_be_bytes())
    }

    /// A DMIPv6 message.
    pub fn dmip(code_points: &CodePoints, message: DmipHeader) -> Self {
        Self::new(code_points.mh_type, code_points.option)
            .field([message.kind as u8, DMIP_VERSION << 4])
            .field(message.sequence.to_be_bytes())
            .field(message.lifetime.0.to_be_bytes())
            .field(message.flags.to_be_bytes())
            .field([message.status.0, 0])
    }

    /// A message of another type, such as RFC 5096's, with this Message Data. [`Self::finish`] appends padding options
    /// where the data does not end on a multiple of 8 octets, whatever that means in the message.
    pub fn other(mh_type: u8, data: &[u8]) -> Self {
        let mut builder = Self::rfc(mh_type);
        builder.complete = builder.bytes.len() + data.len() <= super::MAX_LEN;
        if builder.complete {
            builder.bytes.extend(data);
        }
        builder
    }
}
