//! Mobility Headers to octets.

mod authenticator;
mod message;

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::emit::Alignment;
use super::header;
use super::option::MobilityOption;
use crate::checksum;
use crate::codepoints::{CodePoints, mobility_option, next_header};

/// Octets of the longest Mobility Header that Header Len can describe.
pub const MAX_LEN: usize = 2048;

/// A Mobility Header in the making. Options are padded to their alignment with Pad1 and PadN, the whole to a multiple
/// of 8 octets.
///
/// An option that cannot be written, since the header would exceed [`MAX_LEN`] or a value is one that a reader would
/// call malformed, is left out, and [`Builder::is_complete`] is false from then on.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    bytes: Vec<u8>,
    dmip_option: u8,
    complete: bool,
    sealed: bool,
}

impl Builder {
    fn new(mh_type: u8, dmip_option: u8) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[next_header::NO_NEXT, 0, mh_type, 0, 0, 0]);
        Self {
            bytes,
            dmip_option,
            complete: true,
            sealed: false,
        }
    }

    fn rfc(mh_type: u8) -> Self {
        Self::new(mh_type, CodePoints::default().option)
    }

    /// Gives DMIPv6 options the number that these code points have for them.
    pub(super) const fn numbered(mut self, code_points: &CodePoints) -> Self {
        self.dmip_option = code_points.option;
        self
    }

    fn field<const N: usize>(mut self, octets: [u8; N]) -> Self {
        self.bytes.extend_from_slice(&octets);
        self
    }

    /// Appends an option, padded to its alignment. DMIPv6 options take the number of the code points that
    /// [`Self::dmip`] was given, and the default one in other messages.
    pub fn option(mut self, option: &MobilityOption<'_>) -> Self {
        let before = self.bytes.len();
        self.pad(option.alignment().padding(before));
        let written = option.encode_behind(&mut self.bytes, self.dmip_option);
        if self.sealed || written.is_none() || self.bytes.len() > MAX_LEN {
            self.bytes.truncate(before);
            self.complete = false;
        }
        self
    }

    /// Appends Pad1 or PadN options of `len` octets in all. A DHP Query may be padded to have room for a longer
    /// reply.
    pub fn padding(mut self, len: usize) -> Self {
        if self.sealed || self.bytes.len().saturating_add(len) > MAX_LEN {
            self.complete = false;
        } else {
            self.pad(len);
        }
        self
    }

    /// Octets so far, before the padding that [`Self::finish`] adds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: there is always a fixed part.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Octets that the header has with this option and an authentication option with a MAC of `mac_len` octets
    /// (0 for none) behind it, for keeping an answer within its limit. Nothing if the option cannot be written.
    #[must_use]
    pub fn len_with(&self, option: &MobilityOption<'_>, mac_len: usize) -> Option<usize> {
        let octets = option.encode(self.dmip_option)?;
        let before_auth =
            self.bytes.len() + option.alignment().padding(self.bytes.len()) + octets.len();
        let auth = if mac_len == 0 {
            0
        } else {
            authenticator::AUTH_FIXED_LEN.checked_add(mac_len)?
        };
        before_auth
            .checked_add(auth)?
            .checked_next_multiple_of(8)
            .filter(|len| *len <= MAX_LEN)
    }

    /// Whether every option that was asked for is in.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Pads the header, sets Header Len and the checksum for these addresses: the home address for a packet with a
    /// Home Address option or a type 2 routing header (RFC 6275 §6.1.1).
    #[must_use]
    pub fn finish(mut self, checksum_src: &Ipv6Addr, checksum_dst: &Ipv6Addr) -> Vec<u8> {
        let padding = Alignment {
            modulus: 8,
            remainder: 0,
        }
        .padding(self.bytes.len());
        self.pad(padding);
        self.set_header_len(self.bytes.len());
        let sum = checksum::upper_layer_checksum(
            checksum_src,
            checksum_dst,
            next_header::MOBILITY,
            &self.bytes,
        );
        if let Some(field) = self
            .bytes
            .get_mut(header::CHECKSUM..)
            .and_then(|rest| rest.first_chunk_mut())
        {
            *field = sum.to_be_bytes();
        }
        self.bytes
    }

    /// Pad1 for one octet, PadN for 2 to 257 (RFC 6275 §6.2.2, §6.2.3).
    fn pad(&mut self, mut len: usize) {
        while len > 0 {
            let piece = len.min(257);
            match u8::try_from(piece.saturating_sub(2)) {
                Ok(data) if piece >= 2 => {
                    self.bytes.extend_from_slice(&[mobility_option::PADN, data]);
                    self.bytes.resize(self.bytes.len() + usize::from(data), 0);
                }
                _ => self.bytes.push(mobility_option::PAD1),
            }
            len -= piece;
        }
    }

    fn set_header_len(&mut self, total: usize) {
        let units = (total / 8).saturating_sub(1);
        if let (Ok(units), Some(field)) =
            (u8::try_from(units), self.bytes.get_mut(header::HEADER_LEN))
        {
            *field = units;
        }
    }
}
