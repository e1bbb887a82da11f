//! The mobility security association of a mobile node and an anchor (RFC 4285 §5.1).

use core::net::Ipv6Addr;
use std::sync::Arc;

use thiserror::Error;

use crate::auth::{self, Algorithm, AuthenticationData, Key, PreparedKey};

/// RFC 4285 §5.1: "The mobility SPI is a number in the range [0-4294967296], where the range [0-255] is reserved."
pub const FIRST_UNRESERVED_SPI: u32 = 256;

/// Subtype of a Network Access Identifier in the MN-ID option (RFC 4283 §3.1).
pub const MN_ID_SUBTYPE_NAI: u8 = 1;

/// The identity of a mobile node as its MN-ID option gives it (RFC 4283).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MnId {
    /// Kind of identifier; 1 is a Network Access Identifier.
    pub subtype: u8,
    /// The identifier's octets.
    pub identifier: Vec<u8>,
}

impl MnId {
    /// The identity of a Network Access Identifier such as `mn1@example.net`.
    #[must_use]
    pub fn nai(identifier: &str) -> Self {
        Self {
            subtype: MN_ID_SUBTYPE_NAI,
            identifier: identifier.as_bytes().to_vec(),
        }
    }
}

impl core::fmt::Display for MnId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match core::str::from_utf8(&self.identifier) {
            Ok(text) if self.subtype == MN_ID_SUBTYPE_NAI => f.write_str(text),
            _ => {
                write!(f, "{}:", self.subtype)?;
                self.identifier
                    .iter()
                    .try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// What the owner of a security association may do at the anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Home addresses it owns: it may register each by a Binding Update.
    pub home_addresses: Vec<Ipv6Addr>,
    /// Whether it may ask for DHoAs (else 129).
    pub dhoa: bool,
    /// How many DHoAs it may hold at once (else 130).
    pub max_dhoas: usize,
    /// Whether route optimization is permitted with its DHoAs (flag O of the answers).
    pub route_optimization: bool,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            home_addresses: Vec::new(),
            dhoa: true,
            max_dhoas: 16,
            route_optimization: false,
        }
    }
}

/// Why a security association cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecurityAssociationError {
    /// SPIs 0 to 255 are reserved (RFC 4285 §5.1).
    #[error("SPI {0} is reserved, expected {FIRST_UNRESERVED_SPI} or more")]
    ReservedSpi(u32),
    /// The key does not have the length that the algorithm asks for.
    #[error("key of {actual} octets, {algorithm} has keys of {} octets", algorithm.key_len())]
    KeyLength {
        /// The algorithm.
        algorithm: Algorithm,
        /// Octets given.
        actual: usize,
    },
}

/// A security association: what an SPI stands for at one anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityAssociation {
    spi: u32,
    mn_id: Arc<MnId>,
    key: PreparedKey,
    permissions: Permissions,
}

impl SecurityAssociation {
    /// An association whose `key` is used as it is.
    ///
    /// # Errors
    /// A reserved SPI, or a key that does not have [`Algorithm::key_len`] octets.
    pub fn new(
        spi: u32,
        mn_id: MnId,
        key: Key,
        algorithm: Algorithm,
        permissions: Permissions,
    ) -> Result<Self, SecurityAssociationError> {
        if spi < FIRST_UNRESERVED_SPI {
            return Err(SecurityAssociationError::ReservedSpi(spi));
        }
        if key.octets().len() != algorithm.key_len() {
            return Err(SecurityAssociationError::KeyLength {
                algorithm,
                actual: key.octets().len(),
            });
        }
        Ok(Self {
            spi,
            mn_id: Arc::new(mn_id),
            key: PreparedKey::new(algorithm, &key),
            permissions,
        })
    }

    /// An association whose key is derived from a home key for the anchor with the address `anchor`
    /// (see [`auth::derive_dhp_key`]).
    ///
    /// # Errors
    /// A reserved SPI.
    pub fn from_home_key(
        spi: u32,
        mn_id: MnId,
        home_key: &Key,
        anchor: &Ipv6Addr,
        algorithm: Algorithm,
        permissions: Permissions,
    ) -> Result<Self, SecurityAssociationError> {
        Self::new(
            spi,
            mn_id,
            auth::derive_dhp_key(home_key, anchor, algorithm),
            algorithm,
            permissions,
        )
    }

    /// Whether messages of the other are authenticated in the same way.
    pub(crate) fn has_key_of(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// The index that messages carry.
    #[must_use]
    pub fn spi(&self) -> u32 {
        self.spi
    }

    /// The mobile node that owns the association.
    #[must_use]
    pub fn mn_id(&self) -> &MnId {
        &self.mn_id
    }

    /// The same, for those who keep it too.
    pub(crate) fn shared_mn_id(&self) -> &Arc<MnId> {
        &self.mn_id
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// What the owner may do.
    #[must_use]
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// The authentication data of a message; see [`auth::mac`].
    #[must_use]
    pub fn mac(
        &self,
        care_of: &Ipv6Addr,
        home: &Ipv6Addr,
        mh_through_spi: &[u8],
    ) -> AuthenticationData {
        self.key.mac(care_of, home, mh_through_spi)
    }

    /// Whether `received` authenticates a message; see [`auth::verify`].
    #[must_use]
    pub fn verify(
        &self,
        care_of: &Ipv6Addr,
        home: &Ipv6Addr,
        mh_through_spi: &[u8],
        received: &[u8],
    ) -> bool {
        self.key.verify(care_of, home, mh_through_spi, received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_spis_and_keys_of_another_length_are_refused() {
        let make = |spi, key: &[u8], algorithm| {
            SecurityAssociation::new(
                spi,
                MnId::nai("a@b"),
                Key::new(key),
                algorithm,
                Permissions::default(),
            )
        };
        assert!(make(256, &[1; 16], Algorithm::HmacSha1_96).is_ok());
        assert_eq!(
            make(255, &[1; 16], Algorithm::HmacSha1_96),
            Err(SecurityAssociationError::ReservedSpi(255))
        );
        assert_eq!(
            make(256, &[1; 16], Algorithm::HmacSha256_128),
            Err(SecurityAssociationError::KeyLength {
                algorithm: Algorithm::HmacSha256_128,
                actual: 16
            })
        );
    }

    #[test]
    fn an_identity_that_is_no_text_is_shown_in_hex() {
        assert_eq!(MnId::nai("mn1@example.net").to_string(), "mn1@example.net");
        assert_eq!(
            MnId {
                subtype: 2,
                identifier: vec![0x20, 0x01]
            }
            .to_string(),
            "2:2001"
        );
    }
}
