//! Interface identifiers of DHoAs, in the manner of RFC 7217 §5: stable, and nobody's guess.
//!
//! A mobile node gets the same identifier whenever it asks in the same pool for the same flow, so that what correspondents
//! know of it stays true; in another pool it gets one that cannot be linked to it (RFC 7721 §4). Whoever does not know the
//! secret can neither guess the addresses that are assigned nor search for them.

use hmac::{Hmac, KeyInit, Mac};
use ipnet::Ipv6Net;
use sha2::Sha256;

use crate::security_association::MnId;

/// The `secret_key` of RFC 7217 §5. Whoever knows it can tell which address a mobile node will get.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentifierSecret([u8; 32]);

/// Who asks for an address, and for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Applicant<'a> {
    pub(crate) mn: &'a MnId,
    /// The flow that the address shall be dedicated to, if any.
    pub(crate) flow: Option<u16>,
}

impl IdentifierSecret {
    /// A secret from the system's entropy, or one that was kept.
    #[must_use]
    pub const fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// Its octets, to be kept where nobody else can read them.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// The address bits behind a pool's prefix: "RID = F(Prefix, Net_Iface, Network_ID, DAD_Counter, secret_key)" with
    /// HMAC-SHA256 for F, and MN-ID and FID for interface and network. What the prefix leaves room for counts.
    pub(crate) fn host(self, prefix: &Ipv6Net, applicant: Applicant<'_>, dad_counter: u8) -> u128 {
        // An HMAC key may have any length, so this constructor has no error to report.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return 0;
        };
        let Applicant { mn, flow } = applicant;
        let [high, low] = flow.unwrap_or_default().to_be_bytes();
        hmac.update(&prefix.network().octets());
        hmac.update(&[prefix.prefix_len(), u8::from(flow.is_some()), high, low]);
        hmac.update(&[dad_counter, mn.subtype]);
        // The last, so that it needs no length before it.
        hmac.update(&mn.identifier);
        let block: [u8; 32] = hmac.finalize().into_bytes().into();
        block
            .first_chunk()
            .map_or(0, |octets| u128::from_be_bytes(*octets))
    }
}

impl core::fmt::Debug for IdentifierSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IdentifierSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: IdentifierSecret = IdentifierSecret::new([3; 32]);

    fn host(secret: IdentifierSecret, prefix: &str, mn: &str, flow: Option<u16>, dad: u8) -> u128 {
        let mn = MnId::nai(mn);
        let applicant = Applicant { mn: &mn, flow };
        secret.host(&prefix.parse().unwrap(), applicant, dad)
    }

    #[test]
    fn the_same_question_has_the_same_answer_and_any_other_another() {
        let pool = "2001:db8:d:1::/64";
        let first = host(SECRET, pool, "mn1@example.net", None, 0);
        assert_eq!(first, host(SECRET, pool, "mn1@example.net", None, 0));
        let others = [
            host(SECRET, "2001:db8:d:2::/64", "mn1@example.net", None, 0),
            host(SECRET, "2001:db8:d:1::/65", "mn1@example.net", None, 0),
            host(SECRET, pool, "mn2@example.net", None, 0),
            host(SECRET, pool, "mn1@example.net", Some(0), 0),
            host(SECRET, pool, "mn1@example.net", None, 1),
            host(
                IdentifierSecret::new([4; 32]),
                pool,
                "mn1@example.net",
                None,
                0,
            ),
        ];
        for other in others {
            let differing = (first ^ other).count_ones();
            assert!((32..96).contains(&differing), "{differing} bits differ");
        }
    }

    #[test]
    fn debug_output_keeps_the_secret() {
        assert_eq!(format!("{SECRET:?}"), "IdentifierSecret");
    }
}
