//! Bindings and quarantines of the time before, taken up again (RFC 6275 §10.3.1: a binding cache in non-volatile storage).
//!
//! What a reload would end ends here too: the configuration may have changed between the two runs. A DHoA that cannot be
//! bound again rests as if it had been released, so that nobody else gets what its mobile node still takes for its own.

use core::net::Ipv6Addr;
use std::sync::Arc;

use dhp_wire::mobility::Lifetime;
use hashbrown::HashMap;
use thiserror::Error;

use super::Anchor;
use super::binding_cache::Order;
use super::care_of_addresses::{self, CareOfAddress};
use super::config::PoolKind;
use super::events::ReleaseReason;
use super::interface_identifier::IdentifierSecret;
use super::kept::{KeptBinding, KeptDistrust, KeptQuarantine, KeptTime};
use super::lifecycle::Registration;
use super::mobile_nodes::{MnIndex, MobileNodes};
use super::steering::Steering;
use crate::security_association::MnId;
use crate::time::{NANOS_PER_SECOND, Now};

/// Why a binding of the time before is not one any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotRestored {
    /// Its lifetime has passed meanwhile.
    #[error("its lifetime has passed")]
    Ended,
    /// The home address is in no pool of its kind any more.
    #[error("its pool is gone")]
    NoPool,
    /// No security association names its mobile node any more.
    #[error("its mobile node is gone")]
    UnknownMobileNode,
    /// The home address belongs to another now, or a care-of address lies in a pool.
    #[error("the configuration does not permit it any more")]
    NotPermitted,
    /// There are more than [`super::Limits`] permit.
    #[error("the limits leave no room for it")]
    NoRoom,
}

/// The mobile nodes by name, while what was kept is restored.
#[derive(Debug)]
pub struct Owners(HashMap<Arc<MnId>, (MnIndex, bool)>);

impl Owners {
    /// The mobile node, and whether it has a security association. Another is remembered as one that had: it may own a DHoA
    /// that rests.
    fn get(&mut self, nodes: &mut MobileNodes, mn: &Arc<MnId>) -> (MnIndex, bool) {
        let owner = self.0.entry(Arc::clone(mn));
        *owner.or_insert_with_key(|id| (nodes.add_node(Arc::clone(id)), false))
    }
}

impl Anchor {
    /// What [`Self::restore_binding`] and [`Self::restore_quarantine`] need to know of mobile nodes.
    #[must_use]
    pub fn owners(&self) -> Owners {
        let known = self.nodes.associations().map(|association| {
            let id = Arc::clone(association.security.shared_mn_id());
            (id, (association.owner, true))
        });
        Owners(known.collect())
    }

    /// Has DHoAs made of the secret that they were made of before.
    pub fn restore_secret(&mut self, secret: IdentifierSecret) {
        self.identifier_secret = secret;
    }

    /// What was kept may lack the last changes. New assignments do not leave before they are kept, but a refresh may have,
    /// so that its mobile node holds the DHoA longer than is known here: for as long as one that was refreshed just now. No
    /// quarantine ends before that, and its own time after it. Before anything is restored.
    pub fn distrust_ends(&mut self, now: Now) {
        // What never ends by itself cannot be waited for.
        let longest = match self.config.max_lifetime.duration() {
            Some(longest) => longest.as_secs(),
            None => u64::from(Lifetime::INFINITE.0).saturating_mul(4),
        };
        self.refreshed_until_ns = now.deadline_ns(longest.saturating_mul(NANOS_PER_SECOND));
    }

    /// The same for the rest of the time for which the start before has distrusted what was kept.
    pub fn distrust_ends_further(&mut self, now: Now, kept: KeptDistrust) {
        let left_ns = u64::try_from(kept.until.left_ns(kept.kept, now)).unwrap_or_default();
        self.refreshed_until_ns = self.refreshed_until_ns.max(now.deadline_ns(left_ns));
    }

    /// What is to be kept of that, or the next start would trust what this one does not.
    #[must_use]
    pub fn distrust(&self, now: Now) -> Option<KeptDistrust> {
        (self.refreshed_until_ns > now.mono_ns).then_some(KeptDistrust {
            until: KeptTime::at(self.refreshed_until_ns, now),
            kept: KeptTime(now.ntp),
        })
    }

    /// Takes up a binding, before the first packet; the events tell of it as of a new one.
    ///
    /// # Errors
    /// [`NotRestored`]; a DHoA is in quarantine then, unless that is over too.
    pub fn restore_binding(
        &mut self,
        now: Now,
        owners: &mut Owners,
        kept: KeptBinding,
    ) -> Result<(), NotRestored> {
        let (owner, is_known) = owners.get(&mut self.nodes, &kept.mn);
        let home_address = kept.home_address;
        let ends = kept.ends.map(|at| at.left_ns(kept.kept, now));
        let restored = if is_known {
            self.bind_again(now, owner, kept)
        } else {
            Err(NotRestored::UnknownMobileNode)
        };
        if restored.is_err() {
            // What would have gone on ends now.
            let ended_ns = ends.map_or(0, |left_ns| left_ns.min(0));
            self.rest(now, home_address, owner, ended_ns);
        }
        restored
    }

    /// Has a DHoA rest for the remaining time of its quarantine. `false` if that is over, or its pool gone.
    pub fn restore_quarantine(
        &mut self,
        now: Now,
        owners: &mut Owners,
        kept: &KeptQuarantine,
    ) -> bool {
        let (owner, _) = owners.get(&mut self.nodes, &kept.mn);
        let home_address = kept.home_address;
        let left_ns = kept.ends.left_ns(kept.kept, now);
        let (Ok(left_ns), Some((pool, of))) =
            (u64::try_from(left_ns), self.pools.find(&home_address))
        else {
            return false;
        };
        let rests = of.kind == PoolKind::Dhoa && self.is_nobodys(&home_address);
        if rests {
            self.enter_quarantine(home_address, owner, pool, now.deadline_ns(left_ns));
        }
        rests
    }

    /// Forgets what a DHoA has left that has not been taken up, as the end of its quarantine would have: whoever gets it next
    /// begins with numbers of its own. When what is to be kept is kept again.
    pub fn forget_unrestored(&mut self, home_address: &Ipv6Addr) {
        let pool = self.pools.find(home_address);
        if pool.is_some_and(|(_, pool)| pool.kind == PoolKind::Dhoa)
            && self.is_nobodys(home_address)
        {
            self.forget_quarantine(home_address);
        }
    }

    fn bind_again(
        &mut self,
        now: Now,
        owner: MnIndex,
        kept: KeptBinding,
    ) -> Result<(), NotRestored> {
        let home_address = kept.home_address;
        let Some((_, pool)) = self.pools.find(&home_address) else {
            return Err(NotRestored::NoPool);
        };
        if pool.kind != kept.kind || !pool.ends.is_valid(now) {
            return Err(NotRestored::NoPool);
        }
        let prefix_end_ns = pool.ends.valid_ns;
        if self.cache.bindings.contains_key(&home_address) {
            return Err(NotRestored::NotPermitted);
        }
        // The monotonic end of what has not ended, which no binding has beyond its prefix.
        let end = |at: Option<KeptTime>| -> Option<Option<u64>> {
            let end_ns = match at.map(|at| at.left_ns(kept.kept, now)) {
                Some(left_ns) if left_ns <= 0 => return None,
                Some(left_ns) => Some(now.deadline_ns(left_ns.unsigned_abs())),
                None => None,
            };
            Some(end_ns.into_iter().chain(prefix_end_ns).min())
        };
        let expires_ns = end(kept.ends).ok_or(NotRestored::Ended)?;
        let care_ofs = kept.care_ofs.iter().filter_map(|care_of| {
            Some(CareOfAddress {
                bid: care_of.bid,
                priority: care_of.priority,
                address: care_of.address,
                expires_ns: end(care_of.ends)?,
                test: None,
            })
        });
        let care_ofs: Vec<CareOfAddress> = care_ofs.collect();
        if care_ofs.is_empty() && !kept.care_ofs.is_empty() {
            return Err(NotRestored::Ended);
        }
        let steering = Steering {
            care_ofs,
            flows: kept.flow_bindings,
        };
        if !self.has_room() || (steering.is_split() && !self.may_split(&home_address)) {
            return Err(NotRestored::NoRoom);
        }
        let first = care_of_addresses::first_choice(&steering.care_ofs);
        let registration = Registration {
            home_address,
            owner,
            care_of: first.map_or(kept.care_of, |care_of| care_of.address),
            expires_ns,
            order: kept
                .changed_by
                .and_then(|by| self.order_of(by.spi, by.number)),
            link_local: kept.link_local,
            steering,
        };
        self.bind(now, registration);
        if let Some(binding) = self.cache.bindings.get_mut(&home_address) {
            binding.dedicated = kept.dedicated;
            binding.flows = kept.flows;
            if !self.may_stay(&home_address) {
                self.release(now, &home_address, ReleaseReason::Administrative);
                return Err(NotRestored::NotPermitted);
            }
        }
        Ok(())
    }

    /// The place of a number among those that its association has used. All of them count as used after a restart, so that
    /// only later ones come.
    fn order_of(&self, spi: u32, number: u16) -> Option<Order> {
        let window = &self.nodes.association(spi)?.window;
        let number = window.highest()?.at_or_before(number);
        Some(Order { spi, number })
    }

    /// Has a DHoA rest that was bound until `ended_ns` before now (0 or less), if it is not bound again.
    fn rest(&mut self, now: Now, home_address: Ipv6Addr, owner: MnIndex, ended_ns: i64) {
        let Some((pool, of)) = self.pools.find(&home_address) else {
            return;
        };
        if of.kind != PoolKind::Dhoa || !self.is_nobodys(&home_address) {
            return;
        }
        let ends_ns = self.end_of_quarantine(now, of.quarantine, ended_ns.unsigned_abs());
        if ends_ns > now.mono_ns {
            self.enter_quarantine(home_address, owner, pool, ends_ns);
        }
    }

    fn is_nobodys(&self, home_address: &Ipv6Addr) -> bool {
        !self.cache.bindings.contains_key(home_address)
            && !self.pools.quarantine.contains_key(home_address)
            && self.nodes.owner(home_address).is_none()
    }
}
