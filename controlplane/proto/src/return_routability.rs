//! The keys of the return routability procedure (RFC 6275 §5.2): tokens, and what is made of them.

use core::net::Ipv6Addr;

use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};

use crate::auth::{Algorithm, AuthenticationData, Key, mac, verify};

/// A home or care-of keygen token.
pub type KeygenToken = [u8; 8];

/// A node key, Kcn: RFC 6275 §5.2.1 has it "a random number, 20 octets in length".
pub type NodeKey = [u8; 20];

/// What a keygen token is for, as the last octet of what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFor {
    /// A home address.
    HomeAddress = 0,
    /// A care-of address.
    CareOfAddress = 1,
}

/// RFC 6275 §5.2.5: "home keygen token := First (64, HMAC_SHA1 (Kcn, (home address | nonce | 0)))", and the same of the
/// care-of address with 1.
#[must_use]
pub fn keygen_token(
    node_key: &NodeKey,
    address: &Ipv6Addr,
    nonce: &[u8; 8],
    purpose: TokenFor,
) -> KeygenToken {
    let mut token = KeygenToken::default();
    // An HMAC key may have any length, so this constructor has no error to report.
    let Ok(mut hmac) = Hmac::<Sha1>::new_from_slice(node_key) else {
        return token;
    };
    hmac.update(&address.octets());
    hmac.update(nonce);
    hmac.update(&[purpose as u8]);
    for (to, from) in token.iter_mut().zip(hmac.finalize().into_bytes()) {
        *to = from;
    }
    token
}

/// The binding management key, Kbm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingManagementKey(Key);

impl BindingManagementKey {
    /// RFC 6275 §5.2.5: "Kbm = SHA-1 (home keygen token | care-of keygen token)", and to delete a binding
    /// "Kbm = SHA-1(home keygen token)".
    #[must_use]
    pub fn new(home: &KeygenToken, care_of: Option<&KeygenToken>) -> Self {
        let mut digest = Sha1::new();
        digest.update(home);
        if let Some(care_of) = care_of {
            digest.update(care_of);
        }
        Self(Key::new(digest.finalize().to_vec()))
    }

    /// RFC 6275 §6.2.7: "First (96, HMAC_SHA1 (Kbm, care-of address | correspondent | MH Data))". `mh` is the Mobility Header
    /// up to the authenticator; its checksum counts as zero.
    #[must_use]
    pub fn authenticator(
        &self,
        care_of: &Ipv6Addr,
        correspondent: &Ipv6Addr,
        mh: &[u8],
    ) -> AuthenticationData {
        mac(Algorithm::HmacSha1_96, &self.0, care_of, correspondent, mh)
    }

    /// Whether an authenticator is that of this key, in a time that does not tell where it differs.
    #[must_use]
    pub fn verify(
        &self,
        care_of: &Ipv6Addr,
        correspondent: &Ipv6Addr,
        mh: &[u8],
        received: &[u8],
    ) -> bool {
        let algorithm = Algorithm::HmacSha1_96;
        verify(algorithm, &self.0, care_of, correspondent, mh, received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn hex(text: &str) -> Vec<u8> {
        let octet = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(octet).collect()
    }

    const NODE_KEY: NodeKey = [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
        0x0f, 0x10, 0x11, 0x12, 0x13,
    ];
    const NONCE: [u8; 8] = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7];

    fn tokens() -> (KeygenToken, KeygenToken) {
        let (home, care_of) = (address("2001:db8:1::100"), address("2001:db8:2::100"));
        (
            keygen_token(&NODE_KEY, &home, &NONCE, TokenFor::HomeAddress),
            keygen_token(&NODE_KEY, &care_of, &NONCE, TokenFor::CareOfAddress),
        )
    }

    #[test]
    fn keygen_tokens() {
        let (home, care_of) = tokens();
        assert_eq!(home.to_vec(), hex("a0e8498e964263cb"));
        assert_eq!(care_of.to_vec(), hex("0e293c0f3b28ed75"));
    }

    #[test]
    fn binding_management_keys() {
        let (home, care_of) = tokens();
        let register = BindingManagementKey::new(&home, Some(&care_of));
        assert_eq!(
            register.0.octets(),
            hex("107fe33421edc4608b8d943cf33d442670130f7d")
        );
        let delete = BindingManagementKey::new(&home, None);
        assert_eq!(
            delete.0.octets(),
            hex("1335de3bbdcb6868257f8153e205af093225ae1f")
        );
    }

    #[test]
    fn the_authenticator_of_a_binding_update() {
        let (home, care_of) = tokens();
        let key = BindingManagementKey::new(&home, Some(&care_of));
        let mh = hex("3b0305004232000180000069040400050005050cef33d0e125f72c0f5d5327b8");
        let (covered, authenticator) = mh.split_at(20);
        let (care_of, correspondent) = (address("2001:db8:2::100"), address("2001:db8:3::1"));
        assert_eq!(
            key.authenticator(&care_of, &correspondent, covered)
                .as_ref(),
            authenticator
        );
        assert!(key.verify(&care_of, &correspondent, covered, authenticator));
        assert!(!key.verify(&care_of, &care_of, covered, authenticator));
    }
}
