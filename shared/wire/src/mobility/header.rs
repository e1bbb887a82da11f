//! The fixed part that all Mobility Headers share.

use core::fmt;
use core::net::Ipv6Addr;

use crate::checksum;
use crate::codepoints::{mh_type, next_header};
use crate::field::u8_at;

/// Offset of Payload Proto, for Parameter Problem pointers.
pub(super) const PAYLOAD_PROTO: usize = 0;
/// Offset of Header Len.
pub(super) const HEADER_LEN: usize = 1;
/// Offset of the Checksum field.
pub(super) const CHECKSUM: usize = 4;
/// Offset of the Message Data.
pub(super) const DATA: usize = 6;

/// Why octets are not a Mobility Header. Pointers are offsets from its first octet; RFC 6275 §9.2 has the node send
/// "ICMP Parameter Problem, Code 0, directly to the Source Address of the packet" for these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MhError {
    /// Fewer than 8 octets.
    TooShort,
    /// Header Len reaches beyond the octets there are.
    Truncated,
    /// Payload Proto is not 59, No Next Header.
    PayloadProto {
        /// Offset of the Payload Proto field.
        pointer: u32,
    },
    /// Header Len is less than the message's fixed part needs.
    HeaderLen {
        /// Offset of the Header Len field.
        pointer: u32,
    },
}

impl fmt::Display for MhError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "shorter than a Mobility Header",
            Self::Truncated => "Mobility Header cut short",
            Self::PayloadProto { .. } => "Payload Proto of a Mobility Header is not 59",
            Self::HeaderLen { .. } => "Header Len too small for the Mobility Header type",
        })
    }
}

impl core::error::Error for MhError {}

/// A Mobility Header, exactly as long as its Header Len says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MobilityHeader<'a> {
    bytes: &'a [u8],
    mh_type: u8,
}

impl<'a> MobilityHeader<'a> {
    /// Checks lengths and, for the types of RFC 6275 and those of RFCs 5142, 5846 and 5847, Payload Proto and the minimum Header Len. A type that
    /// is not known is for [`Self::message`] to tell, since RFC 6275 §9.2 answers an unknown type before it looks at
    /// those two. Octets behind the header are left out.
    ///
    /// # Errors
    /// [`MhError`]; its pointers go into the answer, from the header's offset in the packet.
    pub fn parse(mh: &'a [u8]) -> Result<Self, MhError> {
        let (Some(mh_type), Some(header_len), Some(payload_proto)) = (
            u8_at(mh, 2),
            u8_at(mh, HEADER_LEN),
            u8_at(mh, PAYLOAD_PROTO),
        ) else {
            return Err(MhError::TooShort);
        };
        if mh.len() < 8 {
            return Err(MhError::TooShort);
        }
        let bytes = mh.get(..total_len(header_len)).ok_or(MhError::Truncated)?;
        if let Some(minimum) = minimum_header_len(mh_type) {
            // "The Payload Proto field MUST be IPPROTO_NONE (59 decimal)." (RFC 6275 §9.2)
            if payload_proto != next_header::NO_NEXT {
                return Err(MhError::PayloadProto {
                    pointer: PAYLOAD_PROTO as u32,
                });
            }
            // "The Header Len field in the Mobility Header MUST NOT be less than the length specified for this
            // particular type of message in Section 6.1."
            if header_len < minimum {
                return Err(MhError::HeaderLen {
                    pointer: HEADER_LEN as u32,
                });
            }
        }
        Ok(Self { bytes, mh_type })
    }

    /// The MH Type field.
    #[must_use]
    pub const fn mh_type(&self) -> u8 {
        self.mh_type
    }

    /// The whole header with its options.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the checksum is right for these addresses: the home address in place of the source where a Home
    /// Address option is present, the final destination where a type 2 routing header is (RFC 6275 §6.1.1).
    #[must_use]
    pub fn checksum_is_valid(&self, src: &Ipv6Addr, dst: &Ipv6Addr) -> bool {
        checksum::upper_layer_checksum(src, dst, next_header::MOBILITY, self.bytes) == 0
    }

    /// The first `len` octets with the checksum field as 0, in pieces to feed to a MAC: what RFC 4285 §5.1 and RFC
    /// 6275 §6.2.7 call the Mobility Header's part of the authenticated data.
    #[must_use]
    pub fn mac_input(&self, len: usize) -> [&'a [u8]; 3] {
        let covered = self.bytes.get(..len).unwrap_or(self.bytes);
        match (covered.get(..CHECKSUM), covered.get(CHECKSUM + 2..)) {
            (Some(before), Some(behind)) => [before, &[0, 0], behind],
            _ => [covered, &[], &[]],
        }
    }
}

/// Octets of a Mobility Header with this Header Len: "in units of 8 octets, excluding the first 8 octets".
pub(crate) const fn total_len(header_len: u8) -> usize {
    (header_len as usize + 1) * 8
}

/// Smallest Header Len of the messages of RFC 6275 §6.1.2 to §6.1.9, RFC 5142 §4 (without addresses), RFC 5847 §3.3 and
/// RFC 5846 §5; those that end at octet 12 are padded.
const fn minimum_header_len(kind: u8) -> Option<u8> {
    Some(match kind {
        mh_type::BINDING_REFRESH_REQUEST | mh_type::HOME_AGENT_SWITCH => 0,
        mh_type::HOME_TEST_INIT | mh_type::CARE_OF_TEST_INIT => 1,
        mh_type::BINDING_UPDATE | mh_type::BINDING_ACKNOWLEDGEMENT => 1,
        mh_type::HEARTBEAT | mh_type::BINDING_REVOCATION => 1,
        mh_type::HOME_TEST | mh_type::CARE_OF_TEST | mh_type::BINDING_ERROR => 2,
        _ => return None,
    })
}
