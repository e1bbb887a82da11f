//! Coming home and leaving again (RFC 6275 §11.5.5).
//!
//! The node is on its home link when its default care-of address has the home subnet prefix (§11.5.2: "the MN checks whether or not
//! the home prefix matches one of the prefixes received in the RA"): addresses of another link are not in it. There the home agent
//! is told once, from the home address itself, that it need no longer stand in for the node. DHPs are not told anything special:
//! they bind the address that the node has on its home link beside the home address, like any other care-of address. So does the
//! home agent for home addresses of before: sessions that have one go through the tunnel to the end of its prefix, wherever the node is.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::MobileNode;
use super::action::{MnEvent, UnboundReason};
use super::exchange::{Exchange, Purpose};
use super::receive::count;
use super::registration::Back;
use crate::time::Now;

/// Where the node is, seen from its home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// On another link or on none, or the home agent has refused to let go.
    Away,
    /// On the home link; the home agent has been told and has not confirmed it.
    Returning {
        /// Whether it had a binding. Then "the mobile node MUST be prepared to reply to Neighbor Solicitations for its home address"
        /// from now on, and "MUST NOT perform Duplicate Address Detection on its own home address".
        was_bound: bool,
    },
    /// On the home link, where the home address is the node's alone.
    Home {
        /// Whether no binding was ended by coming here: then the node "SHOULD perform DAD" where it configures its home address.
        detect_duplicates: bool,
    },
}

impl MobileNode {
    /// Where the node is, seen from its home; [`Whereabouts::Away`] if it has none.
    #[must_use]
    pub fn whereabouts(&self) -> Whereabouts {
        let Some(home) = self.home.as_ref().filter(|_| self.is_on_home_link()) else {
            return Whereabouts::Away;
        };
        if let Some(back) = home.back {
            return Whereabouts::Home {
                detect_duplicates: back.detect_duplicates,
            };
        }
        // "Until the mobile node sends such a de-registration Binding Update, it MUST NOT attempt to send and receive packets using
        // its home address from the home link."
        let sent = self
            .exchanges
            .iter()
            .filter(|exchange| exchange.transmissions > 0);
        let returns = sent.filter_map(|exchange| exchange.purpose.returns_bound());
        returns
            .map(|was_bound| Whereabouts::Returning { was_bound })
            .next()
            .unwrap_or(Whereabouts::Away)
    }

    /// The home address, and the prefix that addresses of its link have.
    #[must_use]
    pub fn home_link(&self) -> Option<(Ipv6Addr, Ipv6Net)> {
        let home = self.present_home()?;
        let prefix = Ipv6Net::new(home.address, home.prefix_len).ok()?;
        Some((home.address, prefix.trunc()))
    }

    /// Whether the default access is on the home link.
    pub(super) fn is_on_home_link(&self) -> bool {
        let link = self.home_link().zip(self.care_of);
        link.is_some_and(|((_, prefix), care_of)| prefix.contains(&care_of))
    }

    /// The node has arrived on its home link, or has another address there.
    pub(super) fn arrive_home(&mut self, now: Now) {
        self.leave_next_home(now);
        match self.home.as_ref().and_then(|home| home.back) {
            Some(back) => self.tell_home(back, None),
            None => self.return_home(now),
        }
    }

    /// Tells the home agent that the node is back, unless it knows or is being told.
    pub(super) fn return_home(&mut self, now: Now) {
        let Some(home) = self.home.as_mut().filter(|home| home.back.is_none()) else {
            return;
        };
        let is_told = |exchange: &Exchange| {
            exchange.purpose.returns_bound().is_some() && exchange.peer == home.agent
        };
        if self.exchanges.iter().any(is_told) {
            return;
        }
        home.refused = None;
        let was_bound = home.grant.is_some();
        // From now on the home agent may have let go, whether or not we get to know.
        if let Some(grant) = &mut home.grant {
            grant.confirmed = None;
        }
        // "set the care-of address for the binding to the mobile node's own home address", and "use its home address as the source
        // address in the Binding Update".
        let purpose = Purpose::HomeReturn { was_bound };
        let exchange = Exchange::new(purpose, home.agent, home.address, now.mono_ns);
        self.exchanges
            .retain(|other| !other.purpose.is_present_home());
        self.exchanges.push(exchange);
    }

    /// The home agent has answered that it stands in for the node no longer, or that it did not (status 133).
    pub(super) fn returned(&mut self, now: Now, exchange: &Exchange, sequence: u16, ended: bool) {
        let round_trip_ns = exchange.round_trip_ns(sequence, now.mono_ns);
        self.is_back(!ended, round_trip_ns);
    }

    /// Nobody has answered where no binding was known of, or the binding has ended by itself.
    pub(super) fn returned_unanswered(&mut self) {
        self.exchanges
            .retain(|exchange| exchange.purpose.returns_bound().is_none());
        self.is_back(true, None);
    }

    fn is_back(&mut self, detect_duplicates: bool, round_trip_ns: Option<u64>) {
        let Some(home) = &mut self.home else { return };
        let back = Back { detect_duplicates };
        home.back = Some(back);
        home.grant = None;
        home.solicitation = None;
        home.steered.released();
        home.round_trip_ns = round_trip_ns.or(home.round_trip_ns);
        count(&mut self.counters.home_returns);
        self.home_agent_accepted();
        self.home_is_ready();
        self.tell_home(back, round_trip_ns);
    }

    fn tell_home(&mut self, back: Back, round_trip_ns: Option<u64>) {
        let Some(home) = &self.home else { return };
        let (anchor, home_address) = (home.agent, home.address);
        self.event(MnEvent::AtHome {
            anchor,
            home_address,
            detect_duplicates: back.detect_duplicates,
            round_trip_ns,
        });
    }

    /// The care-of address is on another link: what was begun on the home link is over, and the home agent is to register again.
    pub(super) fn leave_home(&mut self) {
        let Some(home) = &mut self.home else { return };
        let (anchor, home_address) = (home.agent, home.address);
        if home.back.take().is_some() {
            self.event(MnEvent::LeftHome {
                anchor,
                home_address,
            });
        }
    }

    /// There is no link any more. Where the home link comes back, somebody may have taken the address meanwhile.
    pub(super) fn lose_home_link(&mut self) {
        if let Some(back) = self.home.as_mut().and_then(|home| home.back.as_mut()) {
            back.detect_duplicates = true;
        }
    }

    /// The home agent has refused to let go: the home address stays bound as it was, as far as the node knows, and cannot be used
    /// here.
    pub(super) fn return_refused(&mut self, status: u8) {
        let Some(home) = &mut self.home else { return };
        home.refused = Some(status);
        let was_bound = home.grant.take().is_some();
        let (agent, address) = (home.agent, home.address);
        if was_bound {
            self.unbound(agent, vec![address], UnboundReason::Refused(status));
        }
        self.home_gone();
    }
}
