//! What is to be done for a route now.

use core::net::Ipv6Addr;

use dhp_wire::mobility::Lifetime;

use super::super::exchange::Due;
use super::super::{MobileNode, Phase};
use super::ProxyReason;
use super::route::Route;
use super::token_test::TokenTest;
use super::update::Update;
use crate::anchor::RouteEnds;
use crate::return_routability::{TokenKind, management_key};
use crate::time::{NANOS_PER_SECOND, Now};

/// A token with less left is asked for anew before it is used: a binding that ends so soon is not worth its update.
const WORTH_NS: u64 = 60 * NANOS_PER_SECOND;

/// What a route depends on, beside itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// Whose home address it is, if it is one of this node's.
    pub(super) anchor: Option<Ipv6Addr>,
    care_of: Option<Ipv6Addr>,
    /// Whether the anchor has confirmed the care-of address: before, nothing that goes by it arrives.
    is_bound: bool,
    is_permitted: bool,
    /// Whether it is the present home address, and the node on its home link.
    pub(super) is_at_home: bool,
}

impl MobileNode {
    pub(super) fn route_situation(&self, home_address: &Ipv6Addr) -> Situation {
        let mut situation = Situation {
            anchor: None,
            care_of: self.care_of,
            is_bound: false,
            // A plain home agent has no say in it.
            is_permitted: true,
            is_at_home: false,
        };
        let is_here =
            |confirmed: Option<Ipv6Addr>| confirmed.is_some() && confirmed == self.care_of;
        let mut homes = self.registrations();
        if let Some(home) = homes.find(|home| home.address == *home_address) {
            // It is configured: until it is bound, its routes wait.
            let is_hopeless = home.grant.is_none() && home.refused.is_some();
            situation.anchor = (!is_hopeless).then_some(home.agent);
            situation.is_bound = home.grant.is_some_and(|grant| is_here(grant.confirmed));
            let is_present = self.home_address() == Some(*home_address);
            situation.is_at_home = is_present && self.is_on_home_link();
            return situation;
        }
        for (address, anchor) in &self.anchors {
            let mut dhoas = anchor.dhoas.iter();
            if let Some(dhoa) = dhoas.find(|dhoa| dhoa.address == *home_address) {
                situation.anchor = Some(*address);
                situation.is_bound = is_here(dhoa.grant.confirmed);
                situation.is_permitted = anchor.permits_optimization;
            }
        }
        situation
    }

    /// Does the next step for every route. Nothing that it does makes anything else due.
    pub(in super::super) fn drive_routes(&mut self, now: Now) {
        for (ends, mut route) in self.routes.take_all() {
            if self.drive_route(now, ends, &mut route) {
                self.routes.put_back(ends, route);
            }
        }
    }

    /// False if the route is over.
    fn drive_route(&mut self, now: Now, ends: RouteEnds, route: &mut Route) -> bool {
        let situation = self.route_situation(&ends.home_address);
        if route.care_of != situation.care_of {
            let was_bound = route.binding.is_some();
            if was_bound {
                self.route_proxied(ends, route, ProxyReason::Moved);
            }
            let correspondent = &ends.correspondent;
            let retry_ns = self.routes.incapable_until_ns(correspondent, now.mono_ns);
            route.moved(situation.care_of, retry_ns);
        }
        let idle_ns = route
            .wanted_ns
            .map(|at| at.saturating_add(self.config.idle_ns / 2));
        let is_wanted = idle_ns.is_some_and(|at| at > now.mono_ns);
        let against = match situation {
            _ if self.phase != Phase::Running || !is_wanted => Some(ProxyReason::NotWanted),
            // RFC 6275 §11.7.2: who has come home deletes what correspondents have.
            Situation {
                is_at_home: true, ..
            } => Some(ProxyReason::AtHome),
            Situation { anchor: None, .. } => Some(ProxyReason::AddressLost),
            Situation {
                is_permitted: false,
                ..
            } => Some(ProxyReason::NotPermitted),
            _ => None,
        };
        let goes_on = match against {
            Some(reason) => {
                self.leave_route(now, ends, route, situation, reason);
                // What is only not permitted may be so again.
                reason == ProxyReason::NotPermitted || route.told_until_ns.is_some()
            }
            None => {
                self.pursue_route(now, ends, route, situation);
                true
            }
        };
        let binding = route.binding.iter();
        let deadlines = binding.flat_map(|binding| [binding.refresh_ns, binding.expires_ns]);
        route.due_ns = deadlines
            .chain(route.home_test.next_ns())
            .chain(route.care_of_test.next_ns())
            .chain(route.update.as_ref().map(|update| update.sending.next_ns()))
            .chain([route.retry_ns])
            .chain(idle_ns)
            .chain(route.told_until_ns)
            // What could not be done now becomes possible by something that drives the engine.
            .filter(|at| *at > now.mono_ns)
            .min();
        goes_on
    }

    /// Goes on towards a binding, or keeps it.
    fn pursue_route(&mut self, now: Now, ends: RouteEnds, route: &mut Route, situation: Situation) {
        if route.update.as_ref().is_some_and(Update::deletes) {
            route.update = None;
        }
        let binding = route.binding;
        if binding.is_some_and(|binding| binding.expires_ns <= now.mono_ns) {
            self.route_proxied(ends, route, ProxyReason::Expired);
        }
        let is_good = binding.is_some_and(|binding| binding.refresh_ns > now.mono_ns);
        let Some(care_of) = situation.care_of.filter(|_| !is_good) else {
            return;
        };
        if route.retry_ns > now.mono_ns {
            return;
        }
        if route.update.is_none() {
            let home = route.home_test.token(now.mono_ns, WORTH_NS);
            let away = route.care_of_test.token(now.mono_ns, WORTH_NS);
            // "MUST send (in parallel) a Home Test Init message and a Care-of Test Init message" (§11.6.1), where there is no
            // token yet. After a movement the care-of test need not wait for the anchor.
            if away.is_none() {
                route.care_of_test.ask(now.mono_ns, self.random.next_u64());
            }
            if home.is_none() && situation.is_bound {
                route.home_test.ask(now.mono_ns, self.random.next_u64());
            }
            if let (Some(home), Some(away), true) = (home, away, situation.is_bound) {
                // The home token can delete what it has made for as long as it lasts; so the binding ends before it does, and
                // the correspondent never has one for an address that the anchor has given to somebody else: a DHoA is
                // quarantined for longer (profile 1, section 3). The limit is MAX_RR_BINDING_LIFETIME otherwise.
                let left_ns = home.until_ns.saturating_sub(now.mono_ns);
                let lifetime = core::time::Duration::from_nanos(left_ns);
                let key = management_key(&home.keygen, Some(&away.keygen));
                let nonces = (home.nonce_index, away.nonce_index);
                let lifetime = Lifetime::at_most(lifetime);
                route.update = Some(Update::new(now.mono_ns, lifetime, care_of, key, nonces));
            }
        }
        self.send_due(now, ends, route, situation);
    }

    /// Ends what the correspondent has, and what is under way.
    fn leave_route(
        &mut self,
        now: Now,
        ends: RouteEnds,
        route: &mut Route,
        situation: Situation,
        reason: ProxyReason,
    ) {
        if route.binding.is_some() {
            self.route_proxied(ends, route, reason);
        }
        route.is_optimized = false;
        route.care_of_test.stop();
        if route
            .update
            .as_ref()
            .is_some_and(|update| !update.deletes())
        {
            route.update = None;
        }
        let is_told = route.told_until_ns.is_some_and(|at| at > now.mono_ns);
        let home = route.home_test.token(now.mono_ns, 0);
        let (true, Some(home), Some(_)) = (is_told, home, situation.care_of) else {
            // Nothing to end, or nothing to prove it with: then the lifetime does, which is no longer than the token's.
            route.stop();
            route.told_until_ns = route.told_until_ns.filter(|_| is_told && home.is_some());
            return;
        };
        if route.update.is_none() {
            // §5.2.5: "Kbm = SHA-1(home keygen token)"; §11.7.2: "The care-of nonce index SHOULD be set to zero in this case."
            let key = management_key(&home.keygen, None);
            let nonces = (home.nonce_index, 0);
            let update = Update::new(now.mono_ns, Lifetime::ZERO, ends.home_address, key, nonces);
            route.update = Some(update);
        }
        self.send_due(now, ends, route, situation);
    }

    /// Sends what is due, and gives up what has waited in vain.
    fn send_due(&mut self, now: Now, ends: RouteEnds, route: &mut Route, situation: Situation) {
        let test_due = |test: &mut TokenTest| {
            let asking = test.asking();
            asking.map_or(Due::Later, |asking| asking.sending.due(now.mono_ns))
        };
        let home = test_due(&mut route.home_test);
        let away = test_due(&mut route.care_of_test);
        let update = route.update.as_ref();
        let update = update.map_or(Due::Later, |update| update.sending.due(now.mono_ns));
        if [home, away, update].contains(&Due::GiveUp) {
            return self.route_unanswered(now, ends, route);
        }
        if home == Due::Transmit
            && let Some(anchor) = situation.anchor
        {
            self.send_test_init(now, ends, route, TokenKind::Home, anchor);
        }
        if away == Due::Transmit {
            let correspondent = ends.correspondent;
            self.send_test_init(now, ends, route, TokenKind::CareOf, correspondent);
        }
        if update == Due::Transmit {
            self.send_route_update(now, ends, route);
        }
    }

    /// The correspondent does not answer.
    fn route_unanswered(&mut self, now: Now, ends: RouteEnds, route: &mut Route) {
        if route.update.as_ref().is_some_and(Update::deletes) {
            // Nobody confirms the end: then the lifetime is it.
            route.told_until_ns = None;
        }
        route.fail(now.mono_ns);
        if !route.is_capable {
            let until_ns = self.routes.silent(now.mono_ns, ends.correspondent);
            route.retry_ns = until_ns;
        }
        // What the correspondent has confirmed lasts.
        if route.binding.is_none() {
            self.route_proxied(ends, route, ProxyReason::NoAnswer);
        }
    }
}
