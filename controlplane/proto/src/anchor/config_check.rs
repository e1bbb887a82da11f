//! Which configurations cannot work.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::CodePoints;
use dhp_wire::ipv6::is_unicast_routable;
use hashbrown::{HashMap, HashSet};
use ipnet::Ipv6Net;
use thiserror::Error;

use super::config::{AnchorConfig, PoolConfig, PoolKind};

impl AnchorConfig {
    /// Finds what cannot work, before anything is started with it.
    ///
    /// # Errors
    /// The first thing that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !is_unicast_routable(&self.address) {
            return Err(ConfigError::Address(self.address));
        }
        if self.code_points.collides() {
            return Err(ConfigError::CodePoints(self.code_points));
        }
        if self.max_lifetime.is_zero() {
            return Err(ConfigError::MaxLifetime);
        }
        self.check_pools()?;
        self.check_security_associations()
    }

    fn check_pools(&self) -> Result<(), ConfigError> {
        for (index, pool) in self.pools.iter().enumerate() {
            if pool.prefix.prefix_len() == 0 || !is_unicast_routable(&pool.prefix.network()) {
                return Err(ConfigError::PoolPrefix(pool.prefix));
            }
            // RFC 6275 §10.3.1 has each new address tested for duplicates, which an answer to a DHoA Request cannot wait for.
            if pool.kind == PoolKind::Dhoa && pool.link.is_some() {
                return Err(ConfigError::LinkOfDhoas(pool.prefix));
            }
            let overlaps = |other: &&PoolConfig| {
                other.prefix.contains(&pool.prefix) || pool.prefix.contains(&other.prefix)
            };
            if let Some(other) = self.pools.iter().take(index).find(overlaps) {
                return Err(ConfigError::PoolsOverlap(other.prefix, pool.prefix));
            }
        }
        Ok(())
    }

    fn check_security_associations(&self) -> Result<(), ConfigError> {
        let mut spis = HashSet::new();
        let mut owners = HashMap::new();
        for association in &self.security_associations {
            if !spis.insert(association.spi()) {
                return Err(ConfigError::DuplicateSpi(association.spi()));
            }
            for home_address in &association.permissions().home_addresses {
                if !self
                    .pools
                    .iter()
                    .any(|pool| pool.prefix.contains(home_address))
                {
                    return Err(ConfigError::HomeAddressOutsidePools(*home_address));
                }
                if *home_address == self.address {
                    return Err(ConfigError::HomeAddressIsAnchor(*home_address));
                }
                if owners
                    .insert(*home_address, association.mn_id())
                    .is_some_and(|owner| owner != association.mn_id())
                {
                    return Err(ConfigError::HomeAddressOwnedTwice(*home_address));
                }
            }
        }
        Ok(())
    }
}

/// Why an anchor cannot be made of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Packets cannot be sent from the anchor's address.
    #[error("anchor address {0} is not a unicast routable address")]
    Address(Ipv6Addr),
    /// A code point is taken by another message or option.
    #[error("MH type {} or option type {} is taken by an RFC", .0.mh_type, .0.option)]
    CodePoints(CodePoints),
    /// Nothing could ever be bound.
    #[error("the longest lifetime is 0, expected 4 s or more")]
    MaxLifetime,
    /// A pool that cannot hold home addresses.
    #[error("pool {0} is not a prefix of unicast routable addresses")]
    PoolPrefix(Ipv6Net),
    /// DHoAs are addresses of a virtual home link.
    #[error("pool {0} of DHoAs has a home link, which only a home prefix can have")]
    LinkOfDhoas(Ipv6Net),
    /// An address would be in two pools.
    #[error("pools {0} and {1} overlap")]
    PoolsOverlap(Ipv6Net, Ipv6Net),
    /// An SPI has to name one association.
    #[error("SPI {0} stands twice")]
    DuplicateSpi(u32),
    /// This anchor does not serve the home address.
    #[error("home address {0} is in no pool")]
    HomeAddressOutsidePools(Ipv6Addr),
    /// The anchor cannot be the mobile node.
    #[error("home address {0} is the anchor's own address")]
    HomeAddressIsAnchor(Ipv6Addr),
    /// A home address has one owner.
    #[error("home address {0} belongs to two mobile nodes")]
    HomeAddressOwnedTwice(Ipv6Addr),
}
