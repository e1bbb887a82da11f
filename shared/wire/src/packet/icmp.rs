//! ICMPv6 messages in their packets.

use core::net::Ipv6Addr;

use super::{PacketError, Upper};
use crate::codepoints::next_header;
use crate::icmpv6::{Envelope, Message, MessageError, checksum_is_valid};

/// An ICMPv6 message and what its packet says about it.
#[derive(Clone, Copy, Debug)]
pub struct IcmpPacket<'a> {
    /// The IPv6 source address.
    pub source: Ipv6Addr,
    /// The IPv6 destination address.
    pub destination: Ipv6Addr,
    /// Hop limit as received.
    pub hop_limit: u8,
    /// Address in the Home Address option.
    pub home_address: Option<Ipv6Addr>,
    /// Address in the type 2 routing header with one segment left.
    pub type2_home: Option<Ipv6Addr>,
    /// The message, from its type on.
    pub message: &'a [u8],
}

impl<'a> IcmpPacket<'a> {
    /// Reads a packet addressed to this node, from its IPv6 header on. The message itself is not looked into.
    ///
    /// # Errors
    /// [`PacketError`]; [`PacketError::parameter_problem`] has the answer.
    pub fn parse(ipv6_packet: &'a [u8]) -> Result<Self, PacketError> {
        let upper = Upper::read(ipv6_packet, next_header::ICMPV6)?;
        Ok(Self {
            source: upper.source,
            destination: upper.destination,
            hop_limit: upper.hop_limit,
            home_address: upper.home_address,
            type2_home: upper.type2_home,
            message: upper.payload,
        })
    }

    /// The addresses as the message has them: those that the checksum takes.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        Envelope {
            source: self.home_address.unwrap_or(self.source),
            destination: self.type2_home.unwrap_or(self.destination),
            hop_limit: self.hop_limit,
        }
    }

    /// Whether the message's checksum is right.
    #[must_use]
    pub fn checksum_is_valid(&self) -> bool {
        checksum_is_valid(self.message, &self.envelope())
    }

    /// Reads the message.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn read(&self) -> Result<Message<'a>, MessageError> {
        Message::parse(self.message, &self.envelope())
    }
}
