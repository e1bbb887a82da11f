//! The registration at the home agent (RFC 6275 §11.7.1).

use core::net::Ipv6Addr;

use super::MobileNode;
use super::action::{MnEvent, UnboundReason};
use super::agent_discovery::PATIENCE;
use super::exchange::{Exchange, FIRST_REGISTRATION_TIMEOUT_NS, Purpose};
use super::registration::Grant;
use crate::time::Now;

impl MobileNode {
    /// Home agent and home address, while the home address can be used: it is bound, or the node is at home.
    pub(super) fn usable_home(&self) -> Option<(Ipv6Addr, Ipv6Addr)> {
        let home = self.home.as_ref()?;
        let is_usable = home.grant.is_some() || home.back.is_some();
        is_usable.then_some((home.agent, home.address))
    }

    /// Home agent and home address, while the home address is bound.
    pub(super) fn bound_home(&self) -> Option<(Ipv6Addr, Ipv6Addr)> {
        let home = self.home.as_ref()?;
        home.grant.map(|_| (home.agent, home.address))
    }

    /// Whether a Binding Update to the home agent waits for its answer.
    pub(super) fn is_registering(&self) -> bool {
        self.exchanges.iter().any(|exchange| {
            matches!(
                exchange.purpose,
                Purpose::HomeRegister | Purpose::HomeReturn { .. }
            )
        })
    }

    /// Registers the current care-of address, unless the home agent has confirmed it already. On the home link it is told that the
    /// node is back.
    pub(super) fn register_home(&mut self, now: Now) {
        if self.is_on_home_link() {
            return self.arrive_home(now);
        }
        self.leave_home();
        let steering = self.steering();
        let Some(home) = &mut self.home else { return };
        home.refused = None;
        let steering = home.steered.wanted(now, steering);
        let knows = |grant: Grant| grant.confirmed == self.care_of && home.steered.knows(&steering);
        if !home.grant.is_some_and(knows) {
            self.update_home(now);
        }
    }

    /// Tells the home agent how flows use accesses, if it does not know.
    pub(super) fn steer_home(&mut self, now: Now) {
        // "At home and abroad at once" is refused (status 169): at home all goes over the home link.
        if self.is_on_home_link() {
            return;
        }
        let steering = self.steering();
        let Some(home) = &self.home else { return };
        let steering = home.steered.wanted(now, steering);
        let registering = self
            .exchanges
            .iter()
            .find(|exchange| exchange.purpose == Purpose::HomeRegister);
        let is_to_be_told = match registering {
            Some(exchange) => exchange.steering != steering,
            None => home.grant.is_some() && !home.steered.knows(&steering),
        };
        if is_to_be_told {
            self.update_home(now);
        }
    }

    /// Registers the current care-of address, confirmed or not.
    pub(super) fn reregister_home(&mut self, now: Now) {
        if let Some(home) = &mut self.home {
            home.refused = None;
        }
        self.update_home(now);
    }

    pub(super) fn update_home(&mut self, now: Now) {
        if self.is_on_home_link() {
            return self.return_home(now);
        }
        let steering = self.steering();
        let (Some(home), Some(care_of)) = (&mut self.home, self.care_of) else {
            return;
        };
        let steering = home.steered.wanted(now, steering);
        home.steered.sending(&steering);
        // From now on the home agent may have the new address, whether or not we get to know.
        if let Some(grant) = &mut home.grant {
            grant.confirmed = grant.confirmed.filter(|known| *known == care_of);
        }
        let mut exchange = Exchange::new(Purpose::HomeRegister, home.agent, care_of, now.mono_ns)
            .steered(steering)
            .patience(self.discovery.is_some().then_some(PATIENCE));
        // RFC 6275 §11.8: "If the mobile node is sending a Binding Update and does not have an existing binding at the
        // home agent, it SHOULD use InitialBindackTimeoutFirstReg".
        if home.grant.is_none() {
            exchange = exchange.initial_interval(FIRST_REGISTRATION_TIMEOUT_NS);
        }
        self.exchanges
            .retain(|exchange| exchange.purpose != Purpose::HomeRegister);
        self.exchanges.push(exchange);
    }

    /// Ends the registration.
    pub(super) fn deregister_home(&mut self, now: Now) {
        let (Some(home), Some(care_of)) = (&mut self.home, self.care_of) else {
            return;
        };
        // Without a confirmation the home agent may still have a binding, if an update had been sent.
        let (agent, address) = (home.agent, home.address);
        let bound = home.grant.take().is_some();
        if self.counters.home_updates_sent > 0 && home.back.is_none() {
            self.exchanges.push(Exchange::new(
                Purpose::HomeDeregister,
                agent,
                care_of,
                now.mono_ns,
            ));
        }
        if bound {
            self.unbound(agent, vec![address], UnboundReason::Released);
        }
    }

    /// What the home agent has accepted of several care-of addresses. RFC 5648 §5.3: without a Binding Identifier option in its
    /// answer it knows none, and has bound the source.
    pub(super) fn home_steered(&mut self, exchange: &Exchange, identifiers: usize) {
        let Some(home) = &mut self.home else { return };
        let (anchor, home_addresses) = (home.agent, vec![home.address]);
        let steering = exchange.steering.clone();
        if !steering.is_single() && identifiers == 0 {
            home.steered.ignores();
            return self.event(MnEvent::SteeringRefused {
                anchor,
                status: None,
            });
        }
        if home.steered.confirm(&steering) {
            self.event(MnEvent::Steered {
                anchor,
                home_addresses,
                steering,
            });
        }
    }

    /// The home agent has refused several care-of addresses, or flow bindings: it is told of the default one alone.
    pub(super) fn home_steering_refused(&mut self, now: Now, status: u8) {
        let Some(home) = &mut self.home else { return };
        home.steered.refuse(now);
        let anchor = home.agent;
        self.event(MnEvent::SteeringRefused {
            anchor,
            status: Some(status),
        });
        self.update_home(now);
    }

    /// The home agent has accepted. `lifetime` and `refresh_advice` are in units of 4 seconds.
    pub(super) fn home_accepted(
        &mut self,
        now: Now,
        exchange: &Exchange,
        sequence: u16,
        lifetime: u16,
        refresh_advice: Option<u16>,
    ) {
        let sent_ns = exchange.first_sent_ns(sequence).unwrap_or(now.mono_ns);
        let round_trip_ns = exchange.round_trip_ns(sequence, now.mono_ns);
        let mut grant = self.grant(exchange.care_of, lifetime, sent_ns);
        if let Some(interval) = refresh_advice {
            grant.refresh_within(interval, sent_ns);
        }
        let Some(home) = &mut self.home else { return };
        home.grant = Some(grant);
        home.round_trip_ns = round_trip_ns.or(home.round_trip_ns);
        let (anchor, address) = (home.agent, home.address);
        self.home_agent_accepted();
        self.home_is_ready();
        self.event(MnEvent::Bound {
            anchor,
            home_addresses: vec![address],
            care_of: exchange.care_of,
            round_trip_ns,
        });
    }

    /// The home agent has refused. RFC 6275 §11.7.3: "the mobile node SHOULD record in its Binding Update List that
    /// future Binding Updates SHOULD NOT be sent to this destination"; a new care-of address is a new attempt.
    pub(super) fn home_refused(&mut self, status: u8) {
        let Some(home) = &mut self.home else { return };
        home.refused = Some(status);
        home.grant = None;
        let (agent, address) = (home.agent, home.address);
        self.unbound(agent, vec![address], UnboundReason::Refused(status));
        self.home_gone();
    }

    /// Refreshes the registration if it is time. True if it was.
    pub(super) fn refresh_home(&mut self, now: Now) -> bool {
        let due = self.home.as_ref().is_some_and(|home| {
            home.grant
                .and_then(|grant| grant.refresh_ns)
                .is_some_and(|at| at <= now.mono_ns)
        });
        let due = due && !self.is_registering();
        if due {
            self.update_home(now);
        }
        due
    }

    /// Forgets the registration when its lifetime has ended; what was sent to renew it goes on. True if it had.
    pub(super) fn expire_home(&mut self, now: Now) -> bool {
        let Some(home) = &mut self.home else {
            return false;
        };
        if !home.grant.is_some_and(|grant| grant.is_over(now.mono_ns)) {
            return false;
        }
        home.grant = None;
        let (agent, address) = (home.agent, home.address);
        self.counters.expirations = self.counters.expirations.saturating_add(1);
        if self.is_on_home_link() {
            // The home agent's has ended too, so that there is nothing left to be confirmed.
            self.returned_unanswered();
            return true;
        }
        self.unbound(agent, vec![address], UnboundReason::Expired);
        self.home_gone();
        true
    }

    /// Fixed flows wait for the next registration.
    pub(super) fn home_gone(&mut self) {
        for (key, flow) in &mut self.flows {
            if key.need.session == super::Session::Fixed {
                flow.begin_again();
            }
        }
    }
}
