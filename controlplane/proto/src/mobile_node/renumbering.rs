//! A new prefix at home (RFC 6275 §11.4.3): "Such processing may result in the mobile node configuring a new home address".
//!
//! While the home address's prefix is preferred, others on the home link mean nothing to this node. When it no longer is, a home address of
//! one that is preferred follows: with the same interface identifier, since the home agent has to know whose it is. It is registered
//! beside the one there is, and takes its place for new sessions when the home agent has accepted it.

use core::net::Ipv6Addr;

use dhp_wire::icmpv6::{PrefixInformation, prefix_flag};
use dhp_wire::ipv6::is_unicast_routable;
use ipnet::Ipv6Net;

use super::MobileNode;
use super::action::{MnEvent, Session, UnboundReason};
use super::flow::Stage;
use super::other_homes::{OtherHome, Role};
use super::prefix::HomePrefix;
use super::registration::HomeRegistration;
use super::steering::Steering;
use crate::time::{NANOS_PER_SECOND, Now};

/// Former home addresses that are kept; of more, the oldest are given back.
pub(super) const MAX_FORMER: usize = 2;
/// Interface identifiers have 64 bits (RFC 4291 §2.5.1).
const PREFIX_LEN: u8 = 64;

/// A prefix at home, as a Mobile Prefix Advertisement has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Advertised {
    pub(super) net: Ipv6Net,
    pub(super) valid_s: u32,
    pub(super) preferred_s: u32,
    makes_addresses: bool,
}

impl Advertised {
    /// Reads an option. `None`: it is to be ignored.
    pub(super) fn read(option: &PrefixInformation) -> Option<Self> {
        let net = Ipv6Net::new(option.prefix, option.prefix_len).ok()?;
        let (valid_s, preferred_s) = (option.valid_lifetime_s, option.preferred_lifetime_s);
        // RFC 4862 §5.5.3 c; and the link-local prefix is nobody's home.
        if preferred_s > valid_s || option.prefix.is_unicast_link_local() {
            return None;
        }
        Some(Self {
            net: net.trunc(),
            valid_s,
            preferred_s,
            makes_addresses: option.flags & prefix_flag::AUTONOMOUS != 0,
        })
    }

    /// The address with the interface identifier of another one. RFC 4862 §5.5.3 d: a prefix of another length makes none.
    fn address_like(&self, other: &Ipv6Addr) -> Option<Ipv6Addr> {
        let (network, identifier) = (self.net.network().to_bits(), other.to_bits());
        let address = Ipv6Addr::from_bits(network | identifier & u128::from(u64::MAX));
        let usable = self.makes_addresses
            && self.net.prefix_len() == PREFIX_LEN
            && is_unicast_routable(&address);
        usable.then_some(address)
    }
}

impl MobileNode {
    /// Follows what the home agent says of the prefixes at home: all of them, each time (§10.6.2).
    pub(super) fn follow_prefixes(&mut self, now: Now, prefixes: &[Advertised]) {
        let of = |address: &Ipv6Addr| prefixes.iter().find(|prefix| prefix.net.contains(address));
        let others = self.other_homes.iter_mut();
        let others = others.map(|other| &mut other.registration);
        for home in self.home.iter_mut().chain(others) {
            if let Some(prefix) = of(&home.address) {
                home.prefix = HomePrefix::after(home.prefix, prefix.valid_s, now);
            }
        }
        let Some(home) = &mut self.home else { return };
        let preferred_s = of(&home.address).map_or(0, |prefix| prefix.preferred_s);
        home.deprecated_ns = (1..u32::MAX)
            .contains(&preferred_s)
            .then(|| now.deadline_ns(u64::from(preferred_s).saturating_mul(NANOS_PER_SECOND)));
        if preferred_s == 0 {
            self.look_for_new_home(now, prefixes);
        }
    }

    fn look_for_new_home(&mut self, now: Now, prefixes: &[Advertised]) {
        // What was asked before the node came home is asked again when it has left.
        let Some(home) = self.home.as_ref().filter(|_| !self.is_on_home_link()) else {
            return;
        };
        let is_coming = self.other_homes.iter().any(|one| one.role == Role::Next);
        let preferred = prefixes.iter().filter(|prefix| {
            let others = self.other_homes.iter();
            let mut homes = others.map(|other| &other.registration).chain([home]);
            prefix.preferred_s > 0 && !homes.any(|home| prefix.net.contains(&home.address))
        });
        // Of several, the one that lasts longest, and of equal ones the first.
        let made =
            preferred.filter_map(|prefix| Some((prefix, prefix.address_like(&home.address)?)));
        let best = made.rev().max_by_key(|(prefix, _)| prefix.preferred_s);
        let Some((prefix, address)) = best.filter(|_| !is_coming) else {
            return;
        };
        let (agent, key) = (home.agent, home.key.clone());
        let valid_s = prefix.valid_s;
        let sequence = super::random_sequence(&mut self.random);
        let mut registration = HomeRegistration::new(agent, address, key, sequence);
        registration.prefix = HomePrefix::after(None, valid_s, now);
        self.other_homes.push(OtherHome {
            registration,
            role: Role::Next,
        });
        self.update_other(now, address);
    }

    /// The home agent has accepted the home address that is to follow: new sessions have it from now on.
    pub(super) fn follow_with(&mut self, now: Now, address: Ipv6Addr) {
        let others = &mut self.other_homes;
        let next = others
            .iter()
            .position(|other| other.role == Role::Next && other.registration.address == address);
        let (Some(next), Some(home)) = (next, &mut self.home) else {
            return;
        };
        let next = others.remove(next).registration;
        let former = core::mem::replace(home, next);
        let from = former.address;
        let is_single = former.steered.knows(&Steering::default());
        let is_to_be_told = self.is_registering() || !is_single;
        self.exchanges.retain(|exchange| !exchange.registers_home());
        let was_bound = former.grant.is_some();
        if was_bound {
            self.other_homes.push(OtherHome {
                registration: former,
                role: Role::Former,
            });
        }
        self.event(MnEvent::HomeRenumbered { from, to: address });
        if was_bound && is_to_be_told {
            self.update_other(now, from);
        }
        let kept = self
            .other_homes
            .iter()
            .filter(|one| one.role == Role::Former);
        let kept: Vec<Ipv6Addr> = kept.map(|other| other.registration.address).collect();
        for oldest in kept.iter().take(kept.len().saturating_sub(MAX_FORMER)) {
            self.leave_other(now, *oldest, UnboundReason::Released);
        }
        for (key, flow) in &mut self.flows {
            let has_former = matches!(flow.stage, Stage::Ready { address, .. } if address == from);
            if key.need.session == Session::Fixed && has_former {
                flow.begin_again();
            }
        }
        self.home_is_ready();
        // The home agent has the default care-of address alone as yet; or the new prefix is that of the link on which the node is.
        self.register_home(now);
    }

    /// Gives up the home address that was to follow, on the home link: it is the present one that is used there.
    pub(super) fn leave_next_home(&mut self, now: Now) {
        let mut others = self.other_homes.iter();
        let next = others.find(|other| other.role == Role::Next);
        if let Some(address) = next.map(|other| other.registration.address) {
            self.leave_other(now, address, UnboundReason::Released);
        }
    }
}
