//! Home addresses beside the present one: that which is to follow it, and those that it has followed (RFC 6275 §11.4.3).
//!
//! Each has a registration of its own, with the default care-of address. A former one lives as long as its prefix is valid.

use core::net::Ipv6Addr;

use dhp_wire::mobility::BindingAcknowledgement;

use super::MobileNode;
use super::action::{MnEvent, UnboundReason};
use super::exchange::{Exchange, FIRST_REGISTRATION_TIMEOUT_NS, Purpose};
use super::kept::{KeptFormerHome, kept_home};
use super::prefix::HomePrefix;
use super::receive::count;
use super::registration::HomeRegistration;
use super::steering::Steering;
use crate::time::Now;

/// What a home address is beside the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It takes the present one's place when the home agent has accepted it.
    Next,
    /// It was the present one: sessions have it.
    Former,
    /// It is being given back.
    Leaving,
}

/// A home address beside the present one.
#[derive(Debug)]
pub(super) struct OtherHome {
    pub(super) registration: HomeRegistration,
    pub(super) role: Role,
}

impl OtherHome {
    fn is(&self, address: &Ipv6Addr) -> bool {
        self.registration.address == *address
    }

    fn is_kept(&self) -> bool {
        self.role != Role::Leaving
    }

    /// End of the prefix of one that sessions have.
    fn ends_ns(&self) -> Option<u64> {
        let prefix = self.registration.prefix?;
        (self.role == Role::Former).then_some(prefix.ends_ns)
    }
}

/// The same as [`MobileNode::registration`], of its parts.
pub(super) fn registration_of<'a>(
    home: &'a mut Option<HomeRegistration>,
    others: &'a mut [OtherHome],
    purpose: &Purpose,
) -> Option<&'a mut HomeRegistration> {
    match purpose {
        Purpose::HomeRegister | Purpose::HomeDeregister | Purpose::HomeReturn { .. } => {
            home.as_mut()
        }
        Purpose::OtherRegister { home } | Purpose::OtherDeregister { home } => {
            let other = others.iter_mut().find(|other| other.is(home));
            other.map(|other| &mut other.registration)
        }
        _ => None,
    }
}

impl MobileNode {
    /// All registrations at the home agent, the present one first.
    pub(super) fn registrations(&self) -> impl Iterator<Item = &HomeRegistration> {
        let others = self.other_homes.iter().map(|other| &other.registration);
        self.home.iter().chain(others)
    }

    /// The registration that a message is about.
    pub(super) fn registration(&self, purpose: &Purpose) -> Option<&HomeRegistration> {
        match purpose {
            Purpose::HomeRegister | Purpose::HomeDeregister | Purpose::HomeReturn { .. } => {
                self.home.as_ref()
            }
            Purpose::OtherRegister { home } | Purpose::OtherDeregister { home } => {
                let other = self.other_homes.iter().find(|other| other.is(home));
                other.map(|other| &other.registration)
            }
            _ => None,
        }
    }

    /// The present home address and those before it.
    pub fn home_addresses(&self) -> impl Iterator<Item = Ipv6Addr> {
        let former = self.former_homes().map(|(address, _)| address);
        self.home_address().into_iter().chain(former)
    }

    /// The registration of a home address that is bound.
    pub(super) fn bound_registration(
        &mut self,
        address: &Ipv6Addr,
    ) -> Option<&mut HomeRegistration> {
        let others = self.other_homes.iter_mut();
        let others = others.map(|other| &mut other.registration);
        let mut homes = self.home.iter_mut().chain(others);
        homes.find(|home| home.address == *address && home.grant.is_some())
    }

    fn other_mut(&mut self, address: &Ipv6Addr) -> Option<&mut OtherHome> {
        self.other_homes.iter_mut().find(|other| other.is(address))
    }

    fn is_registering_other(&self, address: &Ipv6Addr) -> bool {
        self.exchanges.iter().any(|exchange| {
            matches!(exchange.purpose, Purpose::OtherRegister { home } if home == *address)
        })
    }

    /// The home addresses before the present one, and when their prefixes end, where that is known.
    pub(super) fn former_homes(&self) -> impl Iterator<Item = (Ipv6Addr, Option<u64>)> {
        let others = self.other_homes.iter();
        let former = others.filter(|other| other.role == Role::Former);
        former.map(|other| (other.registration.address, other.ends_ns()))
    }

    /// The same with all that has to be known again after a restart.
    pub(super) fn kept_former_homes(&self) -> impl Iterator<Item = KeptFormerHome> {
        let others = self.other_homes.iter();
        let former = others.filter(|other| other.role == Role::Former);
        former.map(|other| KeptFormerHome {
            home: kept_home(&other.registration),
            ends_ns: other.ends_ns(),
        })
    }

    /// Has a former home address again, after a restart.
    pub(super) fn restore_former(&mut self, mut home: HomeRegistration, ends_ns: Option<u64>) {
        home.prefix = ends_ns.map(HomePrefix::until);
        self.other_homes.push(OtherHome {
            registration: home,
            role: Role::Former,
        });
    }

    /// Registers the care-of address for all of them that are to be kept; what is being given back is given back again.
    pub(super) fn register_others(&mut self, now: Now) {
        let others = self.other_homes.iter();
        let others = others.map(|other| (other.registration.address, other.is_kept()));
        for (address, is_kept) in others.collect::<Vec<_>>() {
            match is_kept {
                true => self.update_other(now, address),
                false => self.give_back_other(now, address),
            }
        }
    }

    fn give_back_other(&mut self, now: Now, address: Ipv6Addr) {
        let (Some(care_of), Some(other)) = (self.care_of, self.other_mut(&address)) else {
            return;
        };
        let purpose = Purpose::OtherDeregister { home: address };
        let agent = other.registration.agent;
        let exchange = Exchange::new(purpose.clone(), agent, care_of, now.mono_ns);
        self.exchanges
            .retain(|exchange| exchange.purpose != purpose);
        self.exchanges.push(exchange);
    }

    pub(super) fn update_other(&mut self, now: Now, address: Ipv6Addr) {
        let (Some(care_of), Some(other)) = (self.care_of, self.other_mut(&address)) else {
            return;
        };
        let registration = &mut other.registration;
        registration.steered.sending(&Steering::default());
        if let Some(grant) = &mut registration.grant {
            grant.confirmed = grant.confirmed.filter(|known| *known == care_of);
        }
        let purpose = Purpose::OtherRegister { home: address };
        let mut exchange = Exchange::new(purpose.clone(), registration.agent, care_of, now.mono_ns);
        if registration.grant.is_none() {
            exchange = exchange.initial_interval(FIRST_REGISTRATION_TIMEOUT_NS);
        }
        self.exchanges
            .retain(|exchange| exchange.purpose != purpose);
        self.exchanges.push(exchange);
    }

    /// Gives a home address back.
    pub(super) fn leave_other(&mut self, now: Now, address: Ipv6Addr, reason: UnboundReason) {
        let Some(other) = self.other_mut(&address) else {
            return;
        };
        let role = core::mem::replace(&mut other.role, Role::Leaving);
        let (agent, bound) = (other.registration.agent, other.registration.grant.take());
        let registers = Purpose::OtherRegister { home: address };
        let was_asked =
            bound.is_some() || role == Role::Next || self.is_registering_other(&address);
        self.exchanges
            .retain(|exchange| exchange.purpose != registers);
        // What has expired the home agent has ended itself.
        match self.care_of.is_some() && was_asked && reason != UnboundReason::Expired {
            true => self.give_back_other(now, address),
            false => self.forget_other(&address),
        }
        if bound.is_some() {
            self.unbound(agent, vec![address], reason);
        }
    }

    /// Ends all of their registrations.
    pub(super) fn leave_others(&mut self, now: Now) {
        let kept = self.other_homes.iter().filter(|other| other.is_kept());
        let addresses: Vec<Ipv6Addr> = kept.map(|other| other.registration.address).collect();
        for address in addresses {
            self.leave_other(now, address, UnboundReason::Released);
        }
    }

    /// Nothing more is to be said of a home address.
    pub(super) fn forget_other(&mut self, address: &Ipv6Addr) {
        self.other_homes.retain(|other| !other.is(address));
    }

    /// The home agent has answered, and it was no answer to be repeated for.
    pub(super) fn other_answered(
        &mut self,
        now: Now,
        address: Ipv6Addr,
        exchange: &Exchange,
        ack: &BindingAcknowledgement<'_>,
    ) {
        if !ack.status.is_accepted() {
            count(&mut self.counters.refusals);
            return self.other_refused(address, ack.status.0);
        }
        let sent_ns = exchange.first_sent_ns(ack.sequence).unwrap_or(now.mono_ns);
        let round_trip_ns = exchange.round_trip_ns(ack.sequence, now.mono_ns);
        let grant = self.grant(exchange.care_of, ack.lifetime.0, sent_ns);
        let Some(other) = self.other_mut(&address) else {
            return;
        };
        let role = other.role;
        other.registration.grant = Some(grant);
        let anchor = other.registration.agent;
        let steering = Steering::default();
        if other.registration.steered.confirm(&steering) {
            self.event(MnEvent::Steered {
                anchor,
                home_addresses: vec![address],
                steering,
            });
        }
        self.event(MnEvent::Bound {
            anchor,
            home_addresses: vec![address],
            care_of: exchange.care_of,
            round_trip_ns,
        });
        if role == Role::Next {
            self.follow_with(now, address);
        }
    }

    fn other_refused(&mut self, address: Ipv6Addr, status: u8) {
        let Some(other) = self.other_mut(&address) else {
            return;
        };
        let (role, agent) = (other.role, other.registration.agent);
        self.forget_other(&address);
        match role {
            Role::Next => self.event(MnEvent::HomeAddressRefused { address, status }),
            Role::Former | Role::Leaving => {
                self.unbound(agent, vec![address], UnboundReason::Refused(status));
            }
        }
    }

    /// When a lifetime is to be renewed; only while something can be sent.
    pub(super) fn other_refreshes(&self) -> impl Iterator<Item = u64> {
        let waiting = self.other_homes.iter().filter(|other| {
            other.is_kept() && !self.is_registering_other(&other.registration.address)
        });
        waiting.filter_map(|other| other.registration.grant?.refresh_ns)
    }

    /// When a lifetime, or a prefix, ends.
    pub(super) fn other_ends(&self) -> impl Iterator<Item = u64> {
        let others = self.other_homes.iter().filter(|other| other.is_kept());
        others.flat_map(|other| {
            let grant = other.registration.grant;
            let expires_ns = grant.and_then(|grant| grant.expires_ns);
            expires_ns.into_iter().chain(other.ends_ns())
        })
    }

    /// Renews lifetimes. True if any was due.
    pub(super) fn refresh_others(&mut self, now: Now) -> bool {
        let due = self.other_homes.iter().filter(|other| {
            let refresh_ns = other.registration.grant.and_then(|grant| grant.refresh_ns);
            other.is_kept()
                && refresh_ns.is_some_and(|at| at <= now.mono_ns)
                && !self.is_registering_other(&other.registration.address)
        });
        let due: Vec<Ipv6Addr> = due.map(|other| other.registration.address).collect();
        for address in &due {
            self.update_other(now, *address);
        }
        !due.is_empty()
    }

    /// Ends what is over: "to prohibit use of a mobile node's home address after it becomes invalid" (§11.4.2). True if anything was.
    pub(super) fn end_others(&mut self, now: Now) -> bool {
        let is_over = |at: Option<u64>| at.is_some_and(|at| at <= now.mono_ns);
        let others = self.other_homes.iter().filter(|other| other.is_kept());
        let over = others.filter_map(|other| {
            let grant = other.registration.grant;
            let address = other.registration.address;
            if is_over(other.ends_ns()) {
                return Some((address, UnboundReason::PrefixEnded));
            }
            let expired = grant.is_some_and(|grant| grant.is_over(now.mono_ns));
            expired.then_some((address, UnboundReason::Expired))
        });
        let over: Vec<(Ipv6Addr, UnboundReason)> = over.collect();
        for (address, reason) in &over {
            if *reason == UnboundReason::Expired {
                count(&mut self.counters.expirations);
            }
            self.leave_other(now, *address, *reason);
        }
        !over.is_empty()
    }
}
