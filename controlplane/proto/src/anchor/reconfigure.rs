//! Another configuration for an anchor at work.
//!
//! Everything is checked before anything changes. Bindings, sequence numbers and quarantines stay, except where the new
//! configuration says that they must not: a mobile node that is no longer known loses its bindings.

use core::net::Ipv6Addr;

use hashbrown::{HashMap, HashSet};
use ipnet::Ipv6Net;
use thiserror::Error;

use super::Anchor;
use super::binding_cache::Binding;
use super::config::{AnchorConfig, PoolConfig, PoolKind};
use super::config_check::ConfigError;
use super::directory::Directory;
use super::events::ReleaseReason;
use super::mobile_nodes::MnIndex;
use super::pool::{Pool, Pools};
use super::prefix_lifetime::PrefixLifetimes;
use super::rate_limit::TokenBucket;
use crate::time::Now;

/// Why an anchor goes on with the configuration that it has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReconfigureError {
    /// The new one cannot work.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// It changes what an anchor is from its start to its end.
    #[error("the {0} of an anchor cannot change while it works")]
    Fixed(&'static str),
    /// It takes a pool away that mobile nodes use.
    #[error(
        "the pool {prefix} has {bound} bound addresses: it can go when they have expired or were released"
    )]
    PoolInUse {
        /// The pool.
        prefix: Ipv6Net,
        /// Bound addresses.
        bound: usize,
    },
}

impl Anchor {
    /// Goes on with another configuration. Its [`epoch`](AnchorConfig::epoch), its restart counter and what it says about lost
    /// sequence state are of the start, and are ignored. Gives the home addresses whose bindings have ended:
    ///
    /// - those of mobile nodes without any security association left,
    /// - home addresses that belong to somebody else now,
    /// - those whose care-of address lies in a pool now: packets would come back here.
    ///
    /// # Errors
    /// [`ReconfigureError`]; nothing has changed then.
    pub fn reconfigure(
        &mut self,
        now: Now,
        mut config: AnchorConfig,
    ) -> Result<Vec<Ipv6Addr>, ReconfigureError> {
        self.catch_up(now);
        config.check()?;
        config.retain_served_pools();
        self.check_what_is_fixed(&config)?;
        self.check_pools_in_use(now, &config.pools)?;

        let changed_prefixes = self.replace_pools(now, &config.pools);
        let associations = core::mem::take(&mut config.security_associations);
        let ended_associations = self.nodes.replace(associations);
        self.forget_orders(&ended_associations);
        self.coverage = Directory::of_own_coverage(&config);
        self.directory = Directory::of_others(&config);
        self.count_reserved();
        self.forget_uncovered_paths();
        let errors_per_second = config.limits.errors_per_second;
        if errors_per_second != self.config.limits.errors_per_second {
            self.binding_errors = TokenBucket::new(errors_per_second, now.mono_ns);
            self.icmp_errors = TokenBucket::new(errors_per_second, now.mono_ns);
        }
        config.epoch = self.config.epoch;
        config.heartbeat.restart_counter = self.config.heartbeat.restart_counter;
        config.sequence_state_lost = self.config.sequence_state_lost;
        config.home_sequence_state_lost = self.config.home_sequence_state_lost;
        self.config = config;
        self.follow_prefix_configuration(now, &changed_prefixes);
        self.end_forbidden_correspondents();

        let bindings = self.cache.bindings.values();
        let known = self.nodes.associations();
        let known: HashSet<MnIndex> = known.map(|association| association.owner).collect();
        let ended = bindings
            .filter(|binding| !known.contains(&binding.owner) || !self.is_permitted(binding));
        let mut ended: Vec<Ipv6Addr> = ended.map(|binding| binding.home_address).collect();
        ended.sort_unstable();
        for home_address in &ended {
            self.release(now, home_address, ReleaseReason::Administrative);
        }
        Ok(ended)
    }

    fn check_what_is_fixed(&self, config: &AnchorConfig) -> Result<(), ReconfigureError> {
        let fixed = [
            ("address", config.address == self.config.address),
            ("code points", config.code_points == self.config.code_points),
            ("roles", config.roles == self.config.roles),
            (
                "peers",
                config.heartbeat.peers == self.config.heartbeat.peers,
            ),
        ];
        match fixed.into_iter().find(|(_, same)| !same) {
            Some((what, _)) => Err(ReconfigureError::Fixed(what)),
            None => Ok(()),
        }
    }

    fn check_pools_in_use(&self, now: Now, pools: &[PoolConfig]) -> Result<(), ReconfigureError> {
        let wanted = Pools::new(pools, now);
        let stays = |pool: &Pool| wanted.iter().any(|new| new.is_same(pool));
        match self.pools.iter().find(|pool| pool.used > 0 && !stays(pool)) {
            Some(pool) => Err(ReconfigureError::PoolInUse {
                prefix: pool.prefix,
                bound: pool.used,
            }),
            None => Ok(()),
        }
    }

    /// Gives the prefixes that are new, or have other lifetimes.
    fn replace_pools(&mut self, now: Now, pools: &[PoolConfig]) -> Vec<Ipv6Net> {
        let known = self.pools.iter().map(|pool| (pool.prefix, pool.lifetimes));
        let known: HashMap<Ipv6Net, PrefixLifetimes> = known.collect();
        let places = self.pools.replace(pools, now);
        self.schedule_prefix_ends();
        let new_place = |old: usize| places.get(old).copied().flatten();
        for binding in self.cache.bindings.values_mut() {
            // Pools with bindings stay: `check_pools_in_use`.
            if let Some(place) = new_place(binding.pool) {
                binding.pool = place;
            }
        }
        let mut homeless = Vec::new();
        for (home_address, entry) in self.pools.quarantine.iter_mut() {
            match new_place(entry.pool) {
                Some(place) => entry.pool = place,
                None => homeless.push(*home_address),
            }
        }
        for home_address in homeless {
            self.forget_quarantine(&home_address);
        }
        let pools = self.pools.iter();
        let changed = pools.filter(|pool| known.get(&pool.prefix) != Some(&pool.lifetimes));
        changed.map(|pool| pool.prefix).collect()
    }

    /// The numbers of associations that have ended compare with none to come. An SPI that comes back with another key begins
    /// anew, below what the association before it had reached.
    fn forget_orders(&mut self, ended: &HashSet<u32>) {
        if ended.is_empty() {
            return;
        }
        for binding in self.cache.bindings.values_mut() {
            binding.order = binding.order.filter(|order| !ended.contains(&order.spi));
        }
    }

    /// Whether this configuration permits the binding of a home address.
    pub(crate) fn may_stay(&self, home_address: &Ipv6Addr) -> bool {
        let binding = self.cache.bindings.get(home_address);
        binding.is_some_and(|binding| self.is_permitted(binding))
    }

    fn is_permitted(&self, binding: &Binding) -> bool {
        let owner = self.nodes.owner(&binding.home_address);
        let is_owners = match binding.kind {
            PoolKind::Home => owner == Some(binding.owner),
            // An assigned one may belong to its mobile node by configuration, but to no other.
            PoolKind::Dhoa => owner.is_none_or(|owner| owner == binding.owner),
        };
        let others = binding.care_ofs().iter().map(|care_of| &care_of.address);
        let mut care_ofs = others.chain([&binding.care_of]);
        is_owners
            && care_ofs.all(|care_of| {
                let checked = self.check_care_of(care_of);
                checked.is_ok()
            })
    }
}
