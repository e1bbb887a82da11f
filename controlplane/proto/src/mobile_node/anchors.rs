//! The bindings at the DHPs: moved, refreshed, given back.

use core::net::Ipv6Addr;

use super::MobileNode;
use super::action::{MnEvent, UnboundReason};
use super::exchange::{Exchange, Purpose};
use super::registration::Grant;
use crate::time::{NANOS_PER_SECOND, Now};

/// What an anchor has answered about one address of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AddressAnswer {
    pub(super) address: Ipv6Addr,
    pub(super) status: u8,
    pub(super) lifetime: u16,
}

/// Why an anchor is told of the care-of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UpdateKind {
    /// It may be another one. What is being given back there is given back again.
    Move,
    /// Flows may use other accesses.
    Steer,
    /// The anchor is to confirm it again. What is being given back there is given back again.
    Confirm,
}

/// A refresh that was refused for want of resources is tried again after this time.
const REFUSED_REFRESH_NS: u64 = 10 * NANOS_PER_SECOND;

impl MobileNode {
    /// Whether an update to the anchor waits for its answer.
    pub(super) fn is_updating(&self, anchor: &Ipv6Addr) -> bool {
        self.exchanges.iter().any(|exchange| {
            exchange.peer == *anchor && matches!(exchange.purpose, Purpose::Update { .. })
        })
    }

    /// Binds the care-of address at the anchor, where that is to be done: one DHP Binding Update for all its addresses.
    pub(super) fn bind_anchor(&mut self, now: Now, address: Ipv6Addr, kind: UpdateKind) {
        let steering = self.steering();
        let (Some(anchor), Some(care_of)) = (self.anchors.get(&address), self.care_of) else {
            return;
        };
        let steering = anchor.steered.wanted(now, steering);
        let is_on_its_way =
            |exchange: &Exchange| exchange.is_update_to(&address) && exchange.steering == steering;
        let differs = !anchor.steered.knows(&steering);
        let mut grants = anchor.dhoas.iter().map(|dhoa| dhoa.grant);
        let is_to_bind = match kind {
            UpdateKind::Move => {
                differs && !anchor.dhoas.is_empty()
                    || grants.any(|grant| grant.confirmed != Some(care_of))
            }
            UpdateKind::Steer => {
                differs && !anchor.dhoas.is_empty() && !self.exchanges.iter().any(is_on_its_way)
            }
            UpdateKind::Confirm => !anchor.dhoas.is_empty(),
        };
        let releasing = match kind {
            UpdateKind::Steer => Vec::new(),
            UpdateKind::Move | UpdateKind::Confirm => anchor.releasing.clone(),
        };
        let replaces = is_to_bind && !releasing.is_empty() && !self.is_requesting(&address);
        if is_to_bind {
            self.update_anchor(now, address, replaces);
        }
        if !replaces && !releasing.is_empty() {
            let purpose = Purpose::Release {
                addresses: releasing,
            };
            self.exchanges
                .push(Exchange::new(purpose, address, care_of, now.mono_ns));
        }
    }

    /// Whether an address may be on its way from the anchor: then a list of its addresses is not complete.
    fn is_requesting(&self, anchor: &Ipv6Addr) -> bool {
        self.exchanges.iter().any(|exchange| {
            exchange.peer == *anchor && matches!(exchange.purpose, Purpose::Request { .. })
        })
    }

    /// DHP Binding Update. `replaces`: what it does not list is released by it (profile 1, section 4.1, R flag).
    pub(super) fn update_anchor(&mut self, now: Now, address: Ipv6Addr, replaces: bool) {
        let steering = self.steering();
        let (Some(anchor), Some(care_of)) = (self.anchors.get_mut(&address), self.care_of) else {
            return;
        };
        let steering = anchor.steered.wanted(now, steering);
        anchor.steered.sending(&steering);
        let addresses = anchor.addresses();
        // From now on the anchor may have the new address, whether or not we get to know.
        for dhoa in &mut anchor.dhoas {
            dhoa.grant.confirmed = dhoa.grant.confirmed.filter(|known| *known == care_of);
        }
        self.exchanges.retain(|exchange| {
            exchange.peer != address
                || !matches!(
                    exchange.purpose,
                    Purpose::Update { .. } | Purpose::Detach { .. }
                )
        });
        let purpose = Purpose::Update { addresses };
        let mut exchange = Exchange::new(purpose, address, care_of, now.mono_ns).steered(steering);
        exchange.replaces = replaces;
        self.exchanges.push(exchange);
    }

    /// Repeats an update with the cookie of a care-of test (profile 1, section 6.4), with the next Sequence #: "with several CoAs
    /// … each is echoed in a type 5 of its own".
    pub(super) fn echo_care_of_test(
        &mut self,
        now: Now,
        tested: &Exchange,
        addresses: Vec<Ipv6Addr>,
        cookie: Vec<u8>,
    ) {
        let Some(care_of) = self.care_of else { return };
        let anchor = tested.peer;
        let is_echoed = |exchange: &Exchange| {
            exchange.is_update_to(&anchor) && exchange.cookie.as_ref() == Some(&cookie)
        };
        if self.exchanges.iter().any(is_echoed) {
            return;
        }
        let purpose = Purpose::Update { addresses };
        let mut exchange =
            Exchange::new(purpose, anchor, care_of, now.mono_ns).steered(tested.steering.clone());
        exchange.replaces = tested.replaces;
        exchange.cookie = Some(cookie);
        self.exchanges.push(exchange);
        self.counters.cookies_echoed = self.counters.cookies_echoed.saturating_add(1);
    }

    /// Takes what the anchor has granted and refused of an update. `pending`: it still tests the care-of address.
    pub(super) fn update_answered(
        &mut self,
        now: Now,
        exchange: &Exchange,
        answers: &[AddressAnswer],
        sent_ns: u64,
        pending: bool,
    ) {
        let Purpose::Update { addresses } = &exchange.purpose else {
            return;
        };
        let peer = exchange.peer;
        let mut bound = Vec::new();
        let mut lost = Vec::new();
        for answer in answers
            .iter()
            .filter(|answer| addresses.contains(&answer.address))
        {
            if answer.status >= 128 {
                lost.push((answer.address, answer.status));
                continue;
            }
            let mut grant = self.grant(exchange.care_of, answer.lifetime, sent_ns);
            if pending {
                grant.confirmed = None;
            }
            if let Some(anchor) = self.anchors.get_mut(&peer)
                && anchor
                    .dhoas
                    .iter()
                    .any(|dhoa| dhoa.address == answer.address)
            {
                anchor.grant(answer.address, grant, now.mono_ns);
                bound.push(answer.address);
            }
        }
        if !bound.is_empty() {
            let round_trip_ns = exchange.round_trip_ns(exchange.sequence, now.mono_ns);
            self.tell_of_binding(exchange, bound, round_trip_ns, pending);
        }
        for (address, status) in lost {
            self.lose_address(now, peer, address, UnboundReason::Refused(status));
        }
    }

    /// Tells that the care-of address of an exchange is bound for these addresses. `pending`: the anchor still tests it.
    pub(super) fn tell_of_binding(
        &mut self,
        exchange: &Exchange,
        home_addresses: Vec<Ipv6Addr>,
        round_trip_ns: Option<u64>,
        pending: bool,
    ) {
        let (anchor, care_of) = (exchange.peer, exchange.care_of);
        self.event(match pending {
            true => MnEvent::UnderTest {
                anchor,
                home_addresses,
                care_of,
            },
            false => MnEvent::Bound {
                anchor,
                home_addresses,
                care_of,
                round_trip_ns,
            },
        });
    }

    /// The anchor has refused an update as a whole.
    pub(super) fn update_refused(&mut self, now: Now, exchange: &Exchange, status: u8) {
        let Purpose::Update { addresses } = &exchange.purpose else {
            return;
        };
        for address in addresses.clone() {
            self.lose_address(now, exchange.peer, address, UnboundReason::Refused(status));
        }
    }

    /// There is no room for a longer lifetime now: the bindings stay as they are, and we ask again later.
    pub(super) fn refresh_postponed(&mut self, now: Now, peer: &Ipv6Addr) {
        if let Some(anchor) = self.anchors.get_mut(peer) {
            for dhoa in &mut anchor.dhoas {
                dhoa.grant.refresh_ns = Some(now.deadline_ns(REFUSED_REFRESH_NS));
            }
        }
    }

    /// What an answer grants.
    pub(super) fn grant(&mut self, care_of: Ipv6Addr, lifetime: u16, sent_ns: u64) -> Grant {
        let spread = u8::try_from(self.random.below(256)).unwrap_or_default();
        Grant::new(care_of, lifetime, sent_ns, spread)
    }

    fn lose_address(&mut self, now: Now, peer: Ipv6Addr, address: Ipv6Addr, reason: UnboundReason) {
        if self
            .anchors
            .get_mut(&peer)
            .is_some_and(|anchor| anchor.forget(&address))
        {
            self.unbound(peer, vec![address], reason);
            self.address_lost(now, peer, address);
        }
    }

    /// Gives an address back: a DHP Binding Update with lifetime 0 that lists it.
    pub(super) fn release_address(&mut self, now: Now, peer: Ipv6Addr, address: Ipv6Addr) {
        self.release_for(now, peer, address, UnboundReason::Released);
    }

    /// The same for a reason.
    pub(super) fn release_for(
        &mut self,
        now: Now,
        peer: Ipv6Addr,
        address: Ipv6Addr,
        reason: UnboundReason,
    ) {
        let Some(anchor) = self.anchors.get_mut(&peer) else {
            return;
        };
        if !anchor.forget(&address) {
            return;
        }
        anchor.give_back(address);
        let addresses = anchor.releasing.clone();
        let rest = !anchor.dhoas.is_empty();
        let updating = self.is_updating(&peer);
        self.exchanges.retain(|exchange| {
            exchange.peer != peer
                || !matches!(
                    exchange.purpose,
                    Purpose::Update { .. } | Purpose::Release { .. }
                )
        });
        if let Some(care_of) = self.care_of {
            let purpose = Purpose::Release { addresses };
            self.exchanges
                .push(Exchange::new(purpose, peer, care_of, now.mono_ns));
        }
        // An update on its way may list the address; it is replaced by one that does not.
        if updating && rest {
            self.update_anchor(now, peer, false);
        }
        self.unbound(peer, vec![address], reason);
    }

    /// A release was confirmed, or nobody confirms it: then the lifetime ends it.
    pub(super) fn release_over(&mut self, peer: Ipv6Addr) {
        if let Some(anchor) = self.anchors.get_mut(&peer) {
            anchor.releasing.clear();
        }
    }

    /// Gives back all addresses of all anchors.
    pub(super) fn release_everything(&mut self, now: Now) {
        let Some(care_of) = self.care_of else { return };
        let held: Vec<(Ipv6Addr, Vec<Ipv6Addr>)> = self
            .anchors
            .iter_mut()
            .filter(|(_, anchor)| !anchor.dhoas.is_empty() || !anchor.releasing.is_empty())
            .map(|(address, anchor)| {
                let addresses = anchor.addresses();
                anchor.dhoas.clear();
                (*address, addresses)
            })
            .collect();
        for (peer, addresses) in held {
            let purpose = Purpose::Release {
                addresses: Vec::new(),
            };
            self.exchanges
                .push(Exchange::new(purpose, peer, care_of, now.mono_ns));
            self.unbound(peer, addresses, UnboundReason::Released);
        }
    }

    /// Asks for new lifetimes where it is time. True if any was.
    pub(super) fn refresh_dhoas(&mut self, now: Now) -> bool {
        let due: Vec<Ipv6Addr> = self
            .anchors
            .iter()
            .filter(|(_, anchor)| anchor.refresh_ns().is_some_and(|at| at <= now.mono_ns))
            .map(|(address, _)| *address)
            .filter(|address| !self.is_updating(address))
            .collect();
        for anchor in &due {
            self.update_anchor(now, *anchor, false);
        }
        !due.is_empty()
    }

    /// Forgets bindings whose lifetime has ended. True if there were any.
    pub(super) fn expire_dhoas(&mut self, now: Now) -> bool {
        let over: Vec<(Ipv6Addr, Ipv6Addr)> = self
            .anchors
            .iter()
            .flat_map(|(peer, anchor)| {
                let over = anchor
                    .dhoas
                    .iter()
                    .filter(|dhoa| dhoa.grant.is_over(now.mono_ns));
                over.map(|dhoa| (*peer, dhoa.address))
            })
            .collect();
        for (peer, address) in &over {
            self.counters.expirations = self.counters.expirations.saturating_add(1);
            self.exchanges.retain(|exchange| {
                exchange.peer != *peer || !matches!(exchange.purpose, Purpose::Update { .. })
            });
            self.lose_address(now, *peer, *address, UnboundReason::Expired);
        }
        !over.is_empty()
    }
}
