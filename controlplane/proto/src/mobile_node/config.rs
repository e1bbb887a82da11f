//! What a mobile node is told at start.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::CodePoints;
use dhp_wire::ipv6::is_unicast_routable;
use thiserror::Error;

use crate::auth::{Algorithm, Key, derive_dhp_key};
use crate::security_association::{FIRST_UNRESERVED_SPI, MnId};
use crate::time::NANOS_PER_SECOND;

/// Where the key of an anchor comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    /// A home key: each anchor has a key of its own, derived with its address (profile 1, section 6.2).
    Home(Key),
    /// One key, used as it is with every anchor.
    Fixed(Key),
}

/// The classic registration of RFC 6275.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomeConfig {
    /// The home agent; `None`: the home link is asked who that is (RFC 6275 §11.4.1).
    pub agent: Option<Ipv6Addr>,
    /// The home address that it anchors.
    pub address: Ipv6Addr,
    /// Length of the home subnet prefix, at most 128: where the node gets an address of that prefix, it is on its home link (RFC
    /// 6275 §11.5.2).
    pub prefix_len: u8,
}

/// The prefix length of links that make addresses (RFC 4291 §2.5.4).
const LINK_PREFIX_LEN: u8 = 64;

impl HomeConfig {
    /// With a home link as links are: its prefix has 64 bits.
    #[must_use]
    pub fn new(agent: impl Into<Option<Ipv6Addr>>, address: Ipv6Addr) -> Self {
        Self {
            agent: agent.into(),
            address,
            prefix_len: LINK_PREFIX_LEN,
        }
    }
}

/// The configuration of a [`MobileNode`](super::MobileNode).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MobileNodeConfig {
    /// The identity; `None` keeps it off the wire, where the SPI alone names the security association.
    pub mn_id: Option<MnId>,
    /// The security association's index at every anchor.
    pub spi: u32,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Its key.
    pub key: KeyMaterial,
    /// The home agent, if there is one.
    pub home: Option<HomeConfig>,
    /// Home agents and DHPs that are asked for the DHPs near a correspondent, besides the anycast address.
    pub locators: Vec<Ipv6Addr>,
    /// The code points of profile 1.
    pub code_points: CodePoints,
    /// Lifetime to ask for, in units of 4 seconds.
    pub lifetime: u16,
    /// How often DHPs in use are measured; `None`: never.
    pub check_interval_ns: Option<u64>,
    /// How long a flow on demand, or an address that no flow uses any more, is kept while nothing is heard of it.
    pub idle_ns: u64,
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// SPIs 0 to 255 are reserved (RFC 4285 §5.1).
    #[error("SPI {0} is reserved, expected {FIRST_UNRESERVED_SPI} or more")]
    ReservedSpi(u32),
    /// A key that is used as it is must have the algorithm's length.
    #[error("key of {actual} octets, {algorithm} has keys of {} octets", algorithm.key_len())]
    KeyLength {
        /// The algorithm.
        algorithm: Algorithm,
        /// Octets given.
        actual: usize,
    },
    /// An address that no node can have.
    #[error("{0} is not a unicast address that routers forward")]
    Address(Ipv6Addr),
    /// An address has 128 bits.
    #[error("a home prefix of {0} bits, expected 128 or less")]
    HomePrefixLength(u8),
    /// A lifetime of 0 would be a de-registration.
    #[error("a lifetime of 0 would end every binding")]
    Lifetime,
}

impl MobileNodeConfig {
    /// [`idle_ns`](Self::idle_ns) where nobody says otherwise: 5 minutes.
    pub const DEFAULT_IDLE_NS: u64 = 300 * NANOS_PER_SECOND;

    /// Checks what the types do not express.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.spi < FIRST_UNRESERVED_SPI {
            return Err(ConfigError::ReservedSpi(self.spi));
        }
        if let KeyMaterial::Fixed(key) = &self.key
            && key.octets().len() != self.algorithm.key_len()
        {
            return Err(ConfigError::KeyLength {
                algorithm: self.algorithm,
                actual: key.octets().len(),
            });
        }
        let home = self.home.iter();
        let home = home.flat_map(|home| home.agent.into_iter().chain([home.address]));
        if let Some(address) = home
            .chain(self.locators.iter().copied())
            .find(|address| !is_unicast_routable(address))
        {
            return Err(ConfigError::Address(address));
        }
        if let Some(home) = self.home.filter(|home| home.prefix_len > 128) {
            return Err(ConfigError::HomePrefixLength(home.prefix_len));
        }
        if self.lifetime == 0 {
            return Err(ConfigError::Lifetime);
        }
        Ok(())
    }

    /// The key shared with the anchor.
    pub(super) fn key_for(&self, anchor: &Ipv6Addr) -> Key {
        match &self.key {
            KeyMaterial::Home(home_key) => derive_dhp_key(home_key, anchor, self.algorithm),
            KeyMaterial::Fixed(key) => key.clone(),
        }
    }
}
