//! The life of a binding and of a DHoA's assignment: the one place where bindings change.

use core::net::Ipv6Addr;

use dhp_wire::ipv6::is_unicast_routable;
use dhp_wire::mobility::Lifetime;

use super::Anchor;
use super::binding_cache::{Binding, Order};
use super::care_of_addresses::{self, CareOfAddress};
use super::config::PoolKind;
use super::events::{AnchorAction, BindingChange, BindingEvent, ReleaseReason};
use super::home_link::link_local_of;
use super::mobile_nodes::MnIndex;
use super::steering::Steering;
use crate::time::{NANOS_PER_SECOND, Now};

/// A binding to be made or changed.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) home_address: Ipv6Addr,
    pub(crate) owner: MnIndex,
    /// Of several the first choice.
    pub(crate) care_of: Ipv6Addr,
    /// When it ends, `None` for never; without a meaning where there are several care-of addresses, each with its own end.
    pub(crate) expires_ns: Option<u64>,
    /// `None` for a classic Binding Update, which "does not touch the remembered number".
    pub(crate) order: Option<Order>,
    /// Whether the link-local address with the same interface identifier is the mobile node's too (L bit).
    pub(crate) link_local: bool,
    /// All that the binding has beside it from now on.
    pub(crate) steering: Steering,
}

impl Registration {
    /// When the last care-of address ends, and the binding with it; `None` for never.
    pub(crate) fn expires_ns(&self) -> Option<u64> {
        match &*self.steering.care_ofs {
            [] => self.expires_ns,
            care_ofs => care_of_addresses::last_end(care_ofs),
        }
    }

    /// Every care-of address.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> {
        let numbered = self.steering.care_ofs.iter();
        let only = Some(self.care_of).filter(|_| self.steering.care_ofs.is_empty());
        numbered.map(|care_of| care_of.address).chain(only)
    }
}

/// What is wrong with a care-of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CareOfFault {
    NotRoutable,
    /// It lies in a local pool, or is the anchor's own: packets would come back here (RFC 6275 §15.1).
    Local,
}

impl Anchor {
    /// The lifetime that is granted to who asks for `asked`; zero where the prefix is at its end.
    pub(crate) fn grant(&self, now: Now, home_address: &Ipv6Addr, asked: Lifetime) -> Lifetime {
        // RFC 6275 §10.3.1: "The home agent MAY further decrease the specified lifetime for the binding, for
        // example, based on a local policy."
        let granted = asked.min(self.config.max_lifetime);
        match self.pools.find(home_address) {
            Some((_, pool)) => pool.ends.limit(granted, now),
            None => Lifetime::ZERO,
        }
    }

    /// Whether packets for a home address can be tunnelled to a care-of address.
    pub(crate) fn check_care_of(&self, care_of: &Ipv6Addr) -> Result<(), CareOfFault> {
        if !is_unicast_routable(care_of) {
            return Err(CareOfFault::NotRoutable);
        }
        let Some((_, at)) = self.pools.find(care_of) else {
            let is_own = *care_of == self.config.address;
            return if is_own {
                Err(CareOfFault::Local)
            } else {
                Ok(())
            };
        };
        // An address that a node has on a real home link beside its home address is none that would lead back here, unless it is a
        // home address itself. It is where the DHoAs are bound of a node that has come home.
        let is_home = self.cache.bindings.contains_key(care_of)
            || self.nodes.owner(care_of).is_some()
            || *care_of == self.config.address;
        if at.link.is_some() && !is_home {
            Ok(())
        } else {
            Err(CareOfFault::Local)
        }
    }

    /// Home addresses that are bound, in quarantine, or being bound.
    pub(crate) fn held_addresses(&self) -> usize {
        self.cache
            .bindings
            .len()
            .saturating_add(self.pools.quarantine.len())
            .saturating_add(self.tentative.len())
    }

    /// Whether the caps permit one more home address.
    pub(crate) fn has_room(&self) -> bool {
        self.held_addresses() < self.config.limits.max_home_addresses
    }

    /// Makes, refreshes or moves a binding. The caller has checked that the owner may have it. `false` if the home
    /// address is in no pool.
    pub(crate) fn bind(&mut self, now: Now, mut registration: Registration) -> bool {
        let expires_ns = registration.expires_ns();
        self.follow_tests(&mut registration);
        let Registration {
            home_address,
            owner,
            care_of,
            order,
            link_local,
            steering,
            ..
        } = registration;
        let Some((pool_index, pool)) = self.pools.find(&home_address) else {
            return false;
        };
        let (kind, link) = (pool.kind, pool.link);
        let mut previous = None;
        let mut steered_before = None;
        let mut is_assigned = false;
        if let Some(binding) = self.cache.bindings.get_mut(&home_address) {
            if binding.care_of != care_of {
                previous = Some(core::mem::replace(&mut binding.care_of, care_of));
            }
            let moved = match (binding.care_ofs(), &*steering.care_ofs) {
                ([], _) | (_, []) => usize::from(previous.is_some()),
                (before, now) => count_moved(before, now),
            };
            self.counters.count_handoffs(moved);
            steered_before = binding.end_at(expires_ns, steering.boxed(), &mut self.timers);
            binding.order = order.or(binding.order);
            binding.link_local = link_local;
        } else {
            self.leave_quarantine(&home_address);
            let mut binding = Binding {
                home_address,
                pool: pool_index,
                kind,
                owner,
                care_of,
                expires_ns: None,
                timer: None,
                refresh_timer: None,
                order,
                link_local,
                dedicated: None,
                flows: Box::default(),
                steering: None,
            };
            binding.end_at(expires_ns, steering.boxed(), &mut self.timers);
            self.cache.bindings.insert(home_address, binding);
            let is_owned = self.nodes.owner(&home_address).is_some();
            if let Some(pool) = self.pools.get_mut(pool_index) {
                pool.used = pool.used.saturating_add(1);
                pool.reserved = pool.reserved.saturating_sub(usize::from(is_owned));
            }
            if kind == PoolKind::Dhoa
                && let Some(node) = self.nodes.node_mut(owner)
            {
                // Nearly all have one.
                node.dhoas.reserve_exact(1);
                node.dhoas.push(home_address);
            }
            is_assigned = kind == PoolKind::Dhoa && self.nodes.owner(&home_address).is_none();
            self.counters.count_registration();
        }
        self.tell_of_binding(&home_address, previous);
        if is_assigned {
            let assigned = AnchorAction::KeepAssignment { home_address };
            self.actions.push_back(assigned);
        }
        self.tell_of_steering(&home_address, steered_before);
        self.schedule_refresh_request(now, &home_address);
        if kind == PoolKind::Home {
            self.watch_prefixes(now, home_address);
        }
        if let Some(link) = link {
            self.start_proxy(now, link, home_address, home_address);
            let derived = link_local_of(&home_address);
            if link_local {
                self.start_proxy(now, link, derived, home_address);
            } else {
                self.stop_proxy(link, derived, home_address);
            }
        }
        true
    }

    /// Tells of a binding as it is now, which was at `previous` until now.
    pub(crate) fn tell_of_binding(&mut self, home_address: &Ipv6Addr, previous: Option<Ipv6Addr>) {
        let Some(binding) = self.cache.bindings.get(home_address) else {
            return;
        };
        let pool = self.pools.get_mut(binding.pool);
        let node = self.nodes.node(binding.owner);
        if let (Some(pool), Some(node)) = (pool, node) {
            let prefix = pool.prefix;
            let change = BindingChange::Bound {
                home_address: *home_address,
                kind: binding.kind,
                mn: node.id.clone(),
                care_of: binding.care_of,
                previous,
                expires_ns: binding.expires_ns,
                test: self.care_of_tests.of_default(binding),
            };
            self.emit(prefix, change);
        }
    }

    /// The time has come that was planned for the end of a binding, or of the first of its care-of addresses. If it was
    /// refreshed since, that ends later.
    pub(crate) fn binding_is_due(&mut self, now: Now, home_address: &Ipv6Addr) {
        if let Some(binding) = self.cache.bindings.get_mut(home_address) {
            binding.timer = None;
            let is_over = binding.first_end_ns().is_some_and(|at| at <= now.mono_ns);
            if is_over {
                self.care_of_expires(now, home_address);
            } else {
                binding.wait_for_end(&mut self.timers);
            }
        }
    }

    /// Ends a binding. "An assignment ends with its last binding; the DHoA is then quarantined" (DMIPv6 profile 1,
    /// section 3). `false` if there was none.
    pub(crate) fn release(
        &mut self,
        now: Now,
        home_address: &Ipv6Addr,
        reason: ReleaseReason,
    ) -> bool {
        let Some(binding) = self.cache.bindings.swap_remove(home_address) else {
            return false;
        };
        self.forget_departure(home_address);
        self.forget_tests(home_address);
        self.forget_delivery(home_address);
        self.forget_tentative(home_address);
        for timer in [binding.timer, binding.refresh_timer].into_iter().flatten() {
            self.timers.cancel(timer);
        }
        let Some(pool) = self.pools.get_mut(binding.pool) else {
            return false;
        };
        let is_owned = self.nodes.owner(home_address).is_some();
        pool.used = pool.used.saturating_sub(1);
        pool.reserved = pool.reserved.saturating_add(usize::from(is_owned));
        let (prefix, quarantine, pool_link) = (pool.prefix, pool.quarantine, pool.link);
        if binding.kind == PoolKind::Dhoa {
            if let Some(node) = self.nodes.node_mut(binding.owner) {
                node.dhoas.retain(|dhoa| dhoa != home_address);
            }
            // An address that belongs to its mobile node for good is kept from others without a quarantine.
            if !is_owned {
                let ends_ns = self.end_of_quarantine(now, quarantine, 0);
                self.enter_quarantine(*home_address, binding.owner, binding.pool, ends_ns);
            }
        }
        // RFC 6275 §10.3.2: the home agent "MUST stop intercepting packets on the mobile node's home link".
        if let Some(link) = pool_link {
            self.stop_proxy(link, *home_address, *home_address);
            self.stop_proxy(link, link_local_of(home_address), *home_address);
        }
        self.counters.count_released(reason);
        self.emit(
            prefix,
            BindingChange::Released {
                home_address: *home_address,
                reason,
            },
        );
        self.tell_of_steering(home_address, binding.steering);
        true
    }

    pub(crate) fn emit(&mut self, pool: ipnet::Ipv6Net, change: BindingChange) {
        self.events = self.events.saturating_add(1);
        let event = BindingEvent {
            epoch: self.config.epoch,
            pool,
            number: self.events,
            change,
        };
        self.actions.push_back(AnchorAction::Event(event));
    }
}

/// BIDs that have another care-of address now.
fn count_moved(before: &[CareOfAddress], now: &[CareOfAddress]) -> usize {
    let has_moved = |care_of: &&CareOfAddress| {
        care_of_addresses::find(before, care_of.bid)
            .is_some_and(|known| known.address != care_of.address)
    };
    now.iter().filter(has_moved).count()
}

/// MAX_DELETE_BCE_TIMEOUT of RFC 6275 §12 in nanoseconds.
pub(crate) const MAX_DELETE_BCE_NS: u64 =
    dhp_wire::codepoints::constants::MAX_DELETE_BCE_TIMEOUT.as_secs() * NANOS_PER_SECOND;
