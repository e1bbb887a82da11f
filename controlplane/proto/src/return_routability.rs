//! The cryptography of the return routability procedure (RFC 6275 §5.2): keygen tokens, the binding management key and
//! the Authenticator. Nothing here remembers anything: "The correspondent node operates in a stateless manner until it
//! receives a fully authorized Binding Update" (§15.4.1).

use core::net::Ipv6Addr;

use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use crate::auth::{self, Algorithm, AuthenticationData, Key};

/// A correspondent's secret, `Kcn`. RFC 6275 §5.2.1: "The node key MUST be a random number, 20 octets in length."
#[derive(Clone)]
pub struct NodeKey([u8; 20]);

impl NodeKey {
    /// Of 20 random octets.
    #[must_use]
    pub const fn new(octets: [u8; 20]) -> Self {
        Self(octets)
    }
}

impl core::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("NodeKey(20 octets)")
    }
}

/// A nonce. RFC 6275 §5.2.2: "an octet string of any length. The recommended length is 64 bits."
pub type Nonce = [u8; 8];

/// Which of its two addresses a mobile node proves to be reachable at, in the octet that ends the token's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TokenKind {
    /// Home Keygen Token.
    Home = 0,
    /// Care-of Keygen Token.
    CareOf = 1,
}

/// A keygen token. Whoever has the two of a mobile node can register for it, so it does not show in `Debug` output.
#[derive(Clone, Copy)]
pub struct KeygenToken([u8; 8]);

impl KeygenToken {
    /// RFC 6275 §5.2.5: "home keygen token := First (64, HMAC_SHA1 (Kcn, (home address | nonce | 0)))", and with the
    /// care-of address and 1 the care-of keygen token.
    #[must_use]
    pub fn derive(kcn: &NodeKey, address: &Ipv6Addr, nonce: &Nonce, kind: TokenKind) -> Self {
        let mut token = [0; 8];
        // An HMAC key may have any length, so this constructor has no error to report.
        if let Ok(mut hmac) = <Hmac<Sha1> as KeyInit>::new_from_slice(&kcn.0) {
            hmac.update(&address.octets());
            hmac.update(nonce);
            hmac.update(&[kind as u8]);
            for (to, from) in token.iter_mut().zip(hmac.finalize().into_bytes()) {
                *to = from;
            }
        }
        Self(token)
    }

    /// A token as a Home Test or Care-of Test carries it.
    #[must_use]
    pub const fn from_octets(octets: [u8; 8]) -> Self {
        Self(octets)
    }

    /// The octets to send.
    #[must_use]
    pub const fn octets(&self) -> [u8; 8] {
        self.0
    }
}

impl PartialEq for KeygenToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeygenToken {}

impl core::fmt::Debug for KeygenToken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("KeygenToken(8 octets)")
    }
}

/// The binding management key, `Kbm`. RFC 6275 §5.2.5: "Kbm = SHA-1 (home keygen token | care-of keygen token)".
///
/// Without a care-of token it is the key of a deletion: "Kbm = SHA-1(home keygen token)" (§5.2.5), for an update whose care-of
/// address is the home address or whose lifetime is zero.
#[must_use]
pub fn management_key(home: &KeygenToken, care_of: Option<&KeygenToken>) -> Key {
    let mut hash = Sha1::new();
    hash.update(home.0);
    if let Some(care_of) = care_of {
        hash.update(care_of.0);
    }
    Key::new(hash.finalize().to_vec())
}

/// The Authenticator of a Binding Update to a correspondent, or of its acknowledgement. RFC 6275 §6.2.7: "First (96,
/// HMAC_SHA1 (Kbm, care-of address | correspondent | MH Data))".
///
/// `mh` is the Mobility Header up to the Authenticator, the option's type and length among it; its checksum counts as 0. In
/// a de-registration the home address stands for the care-of address. Where the update went to a correspondent that is itself
/// mobile, `correspondent` is its home address.
#[must_use]
pub fn authenticator(
    kbm: &Key,
    care_of: &Ipv6Addr,
    correspondent: &Ipv6Addr,
    mh: &[u8],
) -> AuthenticationData {
    auth::mac(Algorithm::HmacSha1_96, kbm, care_of, correspondent, mh)
}

/// Whether `received` is the Authenticator of the message; takes the same time wherever they differ.
#[must_use]
pub fn verify_authenticator(
    kbm: &Key,
    care_of: &Ipv6Addr,
    correspondent: &Ipv6Addr,
    mh: &[u8],
    received: &[u8],
) -> bool {
    auth::verify(
        Algorithm::HmacSha1_96,
        kbm,
        care_of,
        correspondent,
        mh,
        received,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhp_wire::codepoints::CodePoints;
    use dhp_wire::mobility::{BuFlags, Builder, Lifetime, MobilityHeader, MobilityOption};

    const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x100);
    const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x100);
    const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 1);
    const NONCE: Nonce = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7];

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    fn tokens() -> (KeygenToken, KeygenToken) {
        let kcn: [u8; 20] = core::array::from_fn(|at| at as u8);
        let kcn = NodeKey::new(kcn);
        (
            KeygenToken::derive(&kcn, &HOME, &NONCE, TokenKind::Home),
            KeygenToken::derive(&kcn, &CARE_OF, &NONCE, TokenKind::CareOf),
        )
    }

    #[test]
    fn tokens_and_management_keys() {
        let (home, care_of) = tokens();
        assert_eq!(hex(&home.octets()), "a0e8498e964263cb");
        assert_eq!(hex(&care_of.octets()), "0e293c0f3b28ed75");
        assert_eq!(
            hex(management_key(&home, Some(&care_of)).octets()),
            "107fe33421edc4608b8d943cf33d442670130f7d"
        );
        assert_eq!(
            hex(management_key(&home, None).octets()),
            "1335de3bbdcb6868257f8153e205af093225ae1f"
        );
    }

    #[test]
    fn a_binding_update_to_a_correspondent_is_authentic() {
        let (home, care_of) = tokens();
        let kbm = management_key(&home, Some(&care_of));
        let mh = Builder::binding_update(1, BuFlags::ACKNOWLEDGE, Lifetime(105))
            .option(&MobilityOption::NonceIndices {
                home: 5,
                care_of: 5,
            })
            .binding_authorization(|mh| authenticator(&kbm, &CARE_OF, &CORRESPONDENT, mh))
            .finish(&HOME, &CORRESPONDENT);
        assert_eq!(
            hex(&mh),
            "3b0305004232000180000069040400050005050cef33d0e125f72c0f5d5327b8"
        );
        let header = MobilityHeader::parse(&mh).unwrap();
        let message = header.message(&CodePoints::default()).unwrap();
        let Some(Ok(MobilityOption::BindingAuthorizationData {
            authenticator: received,
            mac_input_len,
            ends_header: true,
        })) = message.options().unwrap().iter().last()
        else {
            panic!("{message:?}");
        };
        let covered = &mh[..mac_input_len];
        let check = |kbm: &Key, care_of, correspondent, mh: &[u8]| {
            verify_authenticator(kbm, care_of, correspondent, mh, received)
        };
        // The checksum in the header is not the zero that the MAC takes.
        assert_ne!(covered[4..6], [0, 0]);
        assert!(check(&kbm, &CARE_OF, &CORRESPONDENT, covered));
        assert!(!check(
            &management_key(&home, None),
            &CARE_OF,
            &CORRESPONDENT,
            covered
        ));
        assert!(!check(&kbm, &HOME, &CORRESPONDENT, covered));
        assert!(!check(&kbm, &CARE_OF, &HOME, covered));
        let mut later = covered.to_vec();
        later[7] ^= 1;
        assert!(!check(&kbm, &CARE_OF, &CORRESPONDENT, &later));
        assert!(!verify_authenticator(
            &kbm,
            &CARE_OF,
            &CORRESPONDENT,
            covered,
            &received[..11]
        ));
    }

    #[test]
    fn a_token_depends_on_all_that_it_is_made_of() {
        let kcn = NodeKey::new([1; 20]);
        let token = KeygenToken::derive(&kcn, &HOME, &NONCE, TokenKind::Home);
        let others = [
            KeygenToken::derive(&NodeKey::new([2; 20]), &HOME, &NONCE, TokenKind::Home),
            KeygenToken::derive(&kcn, &CARE_OF, &NONCE, TokenKind::Home),
            KeygenToken::derive(&kcn, &HOME, &[0; 8], TokenKind::Home),
            KeygenToken::derive(&kcn, &HOME, &NONCE, TokenKind::CareOf),
        ];
        assert!(others.iter().all(|other| *other != token));
        assert_eq!(token, KeygenToken::from_octets(token.octets()));
    }

    #[test]
    fn secrets_do_not_show() {
        let kcn = NodeKey::new([0x42; 20]);
        let token = KeygenToken::derive(&kcn, &HOME, &NONCE, TokenKind::Home);
        assert_eq!(
            format!("{kcn:?} {token:?}"),
            "NodeKey(20 octets) KeygenToken(8 octets)"
        );
    }
}
