//! The two options whose data is a MAC over the header before it.

use super::Builder;
use crate::codepoints::{auth_subtype, mobility_option};
use crate::mobility::emit::Alignment;

/// Octets of an authentication option before its Authentication Data.
pub(super) const AUTH_FIXED_LEN: usize = 7;
/// Octets of the Authenticator of the return routability procedure: 96 bits (RFC 6275 §6.2.7).
const AUTHENTICATOR_LEN: u8 = 12;

impl Builder {
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
        let len = u8::try_from((AUTH_FIXED_LEN - 2).saturating_add(mac_len));
        let (true, Ok(len)) = (mac_len > 0, len) else {
            self.complete = false;
            return self;
        };
        let [s0, s1, s2, s3] = spi.to_be_bytes();
        let head = [
            mobility_option::AUTH,
            len,
            auth_subtype::MN_HA,
            s0,
            s1,
            s2,
            s3,
        ];
        self.end_with(&head, mac_len, mac)
    }

    /// Appends Binding Authorization Data (RFC 6275 §6.2.7) such that it ends the header, sets Header Len and has `mac`
    /// compute the Authenticator from the header's first octet to the option's length, the checksum being 0. To that the
    /// caller prepends the two addresses. Of what `mac` returns the first 12 octets count. No option can follow.
    pub fn binding_authorization<M: AsRef<[u8]>>(self, mac: impl FnOnce(&[u8]) -> M) -> Self {
        let head = [
            mobility_option::BINDING_AUTHORIZATION_DATA,
            AUTHENTICATOR_LEN,
        ];
        self.end_with(&head, usize::from(AUTHENTICATOR_LEN), mac)
    }

    /// An option of `head` and a MAC over all before the MAC, at the end of a header that is as long as it will be.
    fn end_with<M: AsRef<[u8]>>(
        mut self,
        head: &[u8],
        mac_len: usize,
        mac: impl FnOnce(&[u8]) -> M,
    ) -> Self {
        let size = head.len() + mac_len;
        let alignment = Alignment {
            modulus: 8,
            remainder: (8 - size % 8) % 8,
        };
        let padding = alignment.padding(self.bytes.len());
        let total = self.bytes.len() + padding + size;
        if self.sealed || total > super::MAX_LEN {
            self.complete = false;
            return self;
        }
        self.pad(padding);
        self.set_header_len(total);
        self.bytes.extend(head);
        let computed = mac(&self.bytes);
        // A MAC shorter than announced must not go out: filled up, it would be one that is easier to guess.
        match computed.as_ref().get(..mac_len) {
            Some(data) => self.bytes.extend(data),
            None => {
                self.complete = false;
                self.bytes.resize(total, 0);
            }
        }
        self.sealed = true;
        self
    }
}
