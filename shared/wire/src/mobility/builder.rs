//! Mobility Headers to octets.

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::emit::Alignment;
use super::fields::{BuFlags, Lifetime};
use super::header;
use super::message::{DMIP_VERSION, DmipHeader};
use super::option::MobilityOption;
use crate::checksum;
use crate::codepoints::{CodePoints, Status, auth_subtype, mh_type, mobility_option, next_header};

/// Octets of the longest Mobility Header that Header Len can describe.
pub const MAX_LEN: usize = 2048;
/// Octets of an authentication option before its Authentication Data.
const AUTH_FIXED_LEN: usize = 7;

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
        bytes.extend([next_header::NO_NEXT, 0, mh_type, 0, 0, 0]);
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

    fn field<const N: usize>(mut self, octets: [u8; N]) -> Self {
        self.bytes.extend(octets);
        self
    }

    /// A Binding Refresh Request (RFC 6275 §6.1.2).
    pub fn binding_refresh_request() -> Self {
        Self::rfc(mh_type::BINDING_REFRESH_REQUEST).field([0, 0])
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

    /// A DMIPv6 message.
    pub fn dmip(code_points: &CodePoints, message: DmipHeader) -> Self {
        Self::new(code_points.mh_type, code_points.option)
            .field([message.kind as u8, DMIP_VERSION << 4])
            .field(message.sequence.to_be_bytes())
            .field(message.lifetime.0.to_be_bytes())
            .field(message.flags.to_be_bytes())
            .field([message.status.0, 0])
    }

    /// Appends an option, padded to its alignment. DMIPv6 options take the number of the code points that
    /// [`Self::dmip`] was given, and the default one in other messages.
    pub fn option(mut self, option: &MobilityOption<'_>) -> Self {
        match option.encode(self.dmip_option) {
            Some(octets) => self.append(option.alignment(), &octets),
            None => self.complete = false,
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

    /// Appends the MN-HA authentication option (RFC 4285 §5.1) such that it ends the header, sets Header Len and has
    /// `mac` compute the Authentication Data from the header's first octet through the SPI, the checksum being 0. To
    /// that the caller prepends the two addresses. Of what `mac` returns the first `mac_len` octets count, as in
    /// HMAC-SHA1-96's "First (96, ...)".
    ///
    /// `mac_len` is a multiple of 4 in both algorithms, which makes the place that ends the header a place that the
    /// alignment of 4n+1 allows. No option can follow.
    pub fn auth<M: AsRef<[u8]>>(
        mut self,
        spi: u32,
        mac_len: usize,
        mac: impl FnOnce(&[u8]) -> M,
    ) -> Self {
        let size = AUTH_FIXED_LEN.saturating_add(mac_len);
        let (true, Ok(len)) = (mac_len > 0, u8::try_from(size.saturating_sub(2))) else {
            self.complete = false;
            return self;
        };
        let alignment = Alignment {
            modulus: 8,
            remainder: (8 - size % 8) % 8,
        };
        let padding = alignment.padding(self.bytes.len());
        let total = self.bytes.len() + padding + size;
        if self.sealed || total > MAX_LEN {
            self.complete = false;
            return self;
        }
        self.pad(padding);
        self.set_header_len(total);
        self.bytes
            .extend([mobility_option::AUTH, len, auth_subtype::MN_HA]);
        self.bytes.extend(spi.to_be_bytes());
        let computed = mac(&self.bytes);
        let computed = computed.as_ref();
        // A MAC shorter than announced must not go out: filled up, it would be one that is easier to guess.
        match computed.get(..mac_len) {
            Some(data) => self.bytes.extend(data),
            None => {
                self.complete = false;
                self.bytes.resize(total, 0);
            }
        }
        self.sealed = true;
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
            AUTH_FIXED_LEN.checked_add(mac_len)?
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

    fn append(&mut self, alignment: Alignment, option: &[u8]) {
        let padding = alignment.padding(self.bytes.len());
        if self.sealed || self.bytes.len() + padding + option.len() > MAX_LEN {
            self.complete = false;
            return;
        }
        self.pad(padding);
        self.bytes.extend(option);
    }

    /// Pad1 for one octet, PadN for 2 to 257 (RFC 6275 §6.2.2, §6.2.3).
    fn pad(&mut self, mut len: usize) {
        while len > 0 {
            let piece = len.min(257);
            match u8::try_from(piece.saturating_sub(2)) {
                Ok(data) if piece >= 2 => {
                    self.bytes.extend([mobility_option::PADN, data]);
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
