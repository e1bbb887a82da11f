//! Mobility Headers in their packets.

use core::net::Ipv6Addr;

use super::{PacketError, Upper};
use crate::checksum;
use crate::codepoints::next_header;
use crate::field::u8_at;
use crate::mobility::total_len;

/// A Mobility Header and what its packet says about it.
#[derive(Clone, Copy, Debug)]
pub struct MobilityPacket<'a> {
    /// The IPv6 source address.
    pub source: Ipv6Addr,
    /// The IPv6 destination address.
    pub destination: Ipv6Addr,
    /// Address in the Home Address option.
    pub home_address: Option<Ipv6Addr>,
    /// Address in the type 2 routing header with one segment left.
    pub type2_home: Option<Ipv6Addr>,
    /// The Mobility Header, as long as its Header Len says, or all there is if that is less.
    pub mh: &'a [u8],
    /// Offset of the Mobility Header: add it to the pointers of [`crate::mobility::MhError`] and
    /// [`crate::mobility::MessageError`].
    pub mh_offset: usize,
}

impl<'a> MobilityPacket<'a> {
    /// Reads a packet addressed to this node, from its IPv6 header on. The Mobility Header itself is not looked into:
    /// its checksum comes first.
    ///
    /// # Errors
    /// [`PacketError`]; [`PacketError::parameter_problem`] has the answer.
    pub fn parse(ipv6_packet: &'a [u8]) -> Result<Self, PacketError> {
        let upper = Upper::read(ipv6_packet, next_header::MOBILITY)?;
        let rest = upper.payload;
        let stated = u8_at(rest, 1).map_or(rest.len(), total_len);
        Ok(Self {
            source: upper.source,
            destination: upper.destination,
            home_address: upper.home_address,
            type2_home: upper.type2_home,
            mh: rest.get(..stated).unwrap_or(rest),
            mh_offset: upper.offset,
        })
    }

    /// The source that the checksum takes. RFC 6275 §6.1.1: "If a mobility message has a Home Address destination
    /// option, then the checksum calculation uses the home address in this option as the value of the IPv6 Source
    /// Address field."
    #[must_use]
    pub fn checksum_source(&self) -> Ipv6Addr {
        self.home_address.unwrap_or(self.source)
    }

    /// The destination that the checksum takes: the final one (RFC 8200 §8.1).
    #[must_use]
    pub fn checksum_destination(&self) -> Ipv6Addr {
        self.type2_home.unwrap_or(self.destination)
    }

    /// Whether the Mobility Header's checksum is right. RFC 6275 §9.2: "If invalid, the node MUST silently discard
    /// the message."
    #[must_use]
    pub fn checksum_is_valid(&self) -> bool {
        let (src, dst) = (self.checksum_source(), self.checksum_destination());
        self.mh.len() >= 8
            && checksum::upper_layer_checksum(&src, &dst, next_header::MOBILITY, self.mh) == 0
    }
}
