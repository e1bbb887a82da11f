//! What an anchor has granted, and until when.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use crate::auth::Key;
use crate::time::NANOS_PER_SECOND;

use super::mesg_id::MesgIdClock;
use super::prefix::{HomePrefix, Solicitation};
use super::steered::Steered;

/// A Lifetime field that never ends (profile 1, section 4.1).
const INFINITE: u16 = u16::MAX;

/// Addresses at one anchor: so many fit into one DHP Binding Update that is no longer than the smallest IPv6 MTU.
const MAX_DHOAS: usize = 32;

/// The binding of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Grant {
    /// The care-of address that the anchor has confirmed, unless another was sent to it since.
    pub(super) confirmed: Option<Ipv6Addr>,
    /// End of the binding; `None`: there is none, or it does not end.
    pub(super) expires_ns: Option<u64>,
    /// When to ask for a new lifetime.
    pub(super) refresh_ns: Option<u64>,
}

impl Grant {
    /// A binding of `lifetime` units of 4 seconds. RFC 6275 §11.7.3: "it correctly counts down from the Lifetime value
    /// given in the Binding Acknowledgement, but with the timer countdown beginning at the time that the Binding
    /// Update was sent."
    ///
    /// "Mobile nodes SHOULD send a new Binding Update well before the expiration of this period": after about three
    /// quarters of it; `spread` (0 … 255) keeps many nodes from asking in the same moment.
    pub(super) fn new(care_of: Ipv6Addr, lifetime: u16, sent_ns: u64, spread: u8) -> Self {
        if lifetime == INFINITE {
            return Self {
                confirmed: Some(care_of),
                expires_ns: None,
                refresh_ns: None,
            };
        }
        let total = u64::from(lifetime) * 4 * NANOS_PER_SECOND;
        let early = total / 4 + total / 4 / 256 * u64::from(spread) / 2;
        let expires = sent_ns.saturating_add(total);
        Self {
            confirmed: Some(care_of),
            expires_ns: Some(expires),
            refresh_ns: Some(expires.saturating_sub(early)),
        }
    }

    /// Asks for a new lifetime no later than `interval` units of 4 seconds after `sent_ns` (Binding Refresh Advice).
    pub(super) fn refresh_within(&mut self, interval: u16, sent_ns: u64) {
        let advised = sent_ns.saturating_add(u64::from(interval) * 4 * NANOS_PER_SECOND);
        if interval > 0 && self.refresh_ns.is_some_and(|refresh| advised < refresh) {
            self.refresh_ns = Some(advised);
        }
    }

    /// Whether the lifetime has ended.
    pub(super) fn is_over(&self, now_ns: u64) -> bool {
        self.expires_ns.is_some_and(|expires| expires <= now_ns)
    }
}

/// A DHoA of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dhoa {
    pub(super) address: Ipv6Addr,
    pub(super) grant: Grant,
    /// When it was assigned, or last known to be a program's.
    pub(super) in_use_ns: u64,
    /// When packets were last known to come or go.
    pub(super) active_ns: u64,
}

/// A DHP that this node has asked for a DHoA.
#[derive(Debug)]
pub(super) struct Anchor {
    pub(super) key: Key,
    pub(super) clock: MesgIdClock,
    /// The addresses it has assigned.
    pub(super) dhoas: Vec<Dhoa>,
    /// The addresses that are being given back.
    pub(super) releasing: Vec<Ipv6Addr>,
    /// Whether an answer of it has verified: then it speaks profile 1, whatever anyone says.
    pub(super) verified: bool,
    /// Whether messages carry MESG-ID: until the first verified answer, and again when it is asked for.
    pub(super) mesg_id: bool,
    /// Whether it permits route optimization: flag O of its last answer that accepted something.
    pub(super) permits_optimization: bool,
    pub(super) round_trip_ns: Option<u64>,
    /// When the way to it was last measured, or that was tried.
    pub(super) checked_ns: u64,
    /// For how long updates have awaited its answer after moves since it was heard last.
    pub(super) waited_ns: u64,
    /// Until when it gets no new flows, since it does not answer.
    pub(super) silent_until_ns: Option<u64>,
    /// The correspondents that it has last given an address for.
    pub(super) serves: Option<Ipv6Net>,
    /// How often in a row it was asked in vain whether it serves others.
    pub(super) misses: u8,
    /// How often in a row it was asked in vain for others in its directory.
    pub(super) untold: u8,
    /// When it is to be compared with other DHPs.
    pub(super) compare_ns: Option<u64>,
    /// What it knows of the node's accesses.
    pub(super) steered: Steered,
    sequence: u16,
}

impl Anchor {
    /// An anchor that has heard nothing from us; numbers begin anywhere (RFC 6275 §11.7.1: "it may start at any value").
    pub(super) fn new(key: Key, first_sequence: u16) -> Self {
        Self {
            key,
            clock: MesgIdClock::default(),
            dhoas: Vec::new(),
            releasing: Vec::new(),
            verified: false,
            mesg_id: true,
            permits_optimization: false,
            round_trip_ns: None,
            checked_ns: 0,
            waited_ns: 0,
            silent_until_ns: None,
            serves: None,
            misses: 0,
            untold: 0,
            compare_ns: None,
            steered: Steered::default(),
            sequence: first_sequence,
        }
    }

    /// The next number of the one space that types 3 and 5 share.
    pub(super) fn next_sequence(&mut self) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// The number given last.
    pub(super) fn last_sequence(&self) -> u16 {
        self.sequence
    }

    /// Continues after the highest number that the anchor has accepted (status 135).
    pub(super) fn resynchronise(&mut self, highest_accepted: u16) {
        self.sequence = highest_accepted;
    }

    /// The addresses, as a message lists them.
    pub(super) fn addresses(&self) -> Vec<Ipv6Addr> {
        self.dhoas.iter().map(|dhoa| dhoa.address).collect()
    }

    /// Notes what was granted for an address, which may be new. False if there are too many.
    pub(super) fn grant(&mut self, address: Ipv6Addr, grant: Grant, now_ns: u64) -> bool {
        self.releasing.retain(|releasing| *releasing != address);
        let full = self.dhoas.len() >= MAX_DHOAS;
        match self.dhoas.iter_mut().find(|dhoa| dhoa.address == address) {
            Some(dhoa) => dhoa.grant = grant,
            None if full => return false,
            None => self.dhoas.push(Dhoa {
                address,
                grant,
                in_use_ns: now_ns,
                active_ns: now_ns,
            }),
        }
        true
    }

    /// Notes that an address is to be given back. Of too many the first ones end with their lifetimes.
    pub(super) fn give_back(&mut self, address: Ipv6Addr) {
        if self.releasing.len() >= MAX_DHOAS {
            self.releasing.remove(0);
        }
        self.releasing.push(address);
    }

    /// Forgets an address. False if it was not there.
    pub(super) fn forget(&mut self, address: &Ipv6Addr) -> bool {
        let before = self.dhoas.len();
        self.dhoas.retain(|dhoa| dhoa.address != *address);
        self.dhoas.len() < before
    }

    /// When the next address wants a new lifetime.
    pub(super) fn refresh_ns(&self) -> Option<u64> {
        self.dhoas
            .iter()
            .filter_map(|dhoa| dhoa.grant.refresh_ns)
            .min()
    }

    /// When the next address's lifetime ends.
    pub(super) fn expires_ns(&self) -> Option<u64> {
        self.dhoas
            .iter()
            .filter_map(|dhoa| dhoa.grant.expires_ns)
            .min()
    }
}

/// The node is on its home link, and the home agent does not stand in for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Back {
    /// See [`Whereabouts::Home`](super::Whereabouts::Home).
    pub(super) detect_duplicates: bool,
}

/// The registration at the home agent.
#[derive(Debug)]
pub(super) struct HomeRegistration {
    pub(super) agent: Ipv6Addr,
    pub(super) address: Ipv6Addr,
    pub(super) key: Key,
    pub(super) clock: MesgIdClock,
    /// The binding, once there is one.
    pub(super) grant: Option<Grant>,
    /// Since the node has come home, until it leaves.
    pub(super) back: Option<Back>,
    /// The status of a refusal that no retransmission can change.
    pub(super) refused: Option<u8>,
    /// Whether the home agent has asked for MESG-ID.
    pub(super) mesg_id: bool,
    pub(super) round_trip_ns: Option<u64>,
    /// What it knows of the node's accesses.
    pub(super) steered: Steered,
    /// When packets of the home address were last known to come or go.
    pub(super) active_ns: u64,
    /// The last question for the prefixes at home.
    pub(super) solicitation: Option<Solicitation>,
    /// What is known of the home address's prefix; `None`: no end.
    pub(super) prefix: Option<HomePrefix>,
    /// When that prefix ceases to be preferred, and the home agent is to be asked for another one; `None`: never, as far as is known.
    pub(super) deprecated_ns: Option<u64>,
    sequence: u16,
}

impl HomeRegistration {
    pub(super) fn new(agent: Ipv6Addr, address: Ipv6Addr, key: Key, first_sequence: u16) -> Self {
        Self {
            agent,
            address,
            key,
            clock: MesgIdClock::default(),
            grant: None,
            back: None,
            refused: None,
            mesg_id: false,
            round_trip_ns: None,
            steered: Steered::default(),
            active_ns: 0,
            solicitation: None,
            prefix: None,
            deprecated_ns: None,
            sequence: first_sequence,
        }
    }

    /// Another home agent is to have it. Numbers go on: no home agent has seen one twice.
    pub(super) fn change_agent(&mut self, agent: Ipv6Addr, key: Key) {
        *self = Self {
            active_ns: self.active_ns,
            prefix: self.prefix,
            deprecated_ns: self.deprecated_ns,
            ..Self::new(agent, self.address, key, self.sequence)
        };
    }

    /// RFC 6275 §11.8: "Retransmitted Binding Updates MUST use a Sequence Number value greater than that used for the
    /// previous transmission of this Binding Update."
    pub(super) fn next_sequence(&mut self) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// The number given last.
    pub(super) fn last_sequence(&self) -> u16 {
        self.sequence
    }

    /// RFC 6275 §11.7.1: "The mobile node MUST store this information and use the next Sequence Number value for the
    /// next Binding Update it sends."
    pub(super) fn resynchronise(&mut self, last_accepted: u16) {
        self.sequence = last_accepted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = NANOS_PER_SECOND;

    #[test]
    fn a_grant_counts_from_the_update_and_is_refreshed_well_before_its_end() {
        for spread in [0, 255] {
            let grant = Grant::new(Ipv6Addr::LOCALHOST, 150, 10 * SECOND, spread);
            assert_eq!(grant.expires_ns, Some(610 * SECOND));
            let refresh = grant.refresh_ns.expect("a refresh");
            assert!(
                (380 * SECOND..=460 * SECOND).contains(&refresh),
                "{refresh}"
            );
            assert!(!grant.is_over(610 * SECOND - 1));
            assert!(grant.is_over(610 * SECOND));
        }
    }

    #[test]
    fn an_infinite_lifetime_never_ends() {
        let grant = Grant::new(Ipv6Addr::LOCALHOST, u16::MAX, 0, 0);
        assert_eq!((grant.expires_ns, grant.refresh_ns), (None, None));
        assert!(!grant.is_over(u64::MAX));
    }

    #[test]
    fn advice_only_shortens_the_interval() {
        let mut grant = Grant::new(Ipv6Addr::LOCALHOST, 150, 0, 0);
        grant.refresh_within(200, 0);
        assert_eq!(grant.refresh_ns, Some(450 * SECOND));
        grant.refresh_within(10, 0);
        assert_eq!(grant.refresh_ns, Some(40 * SECOND));
        grant.refresh_within(0, 0);
        assert_eq!(grant.refresh_ns, Some(40 * SECOND));
    }

    #[test]
    fn numbers_go_on_after_what_the_anchor_has_accepted() {
        let mut anchor = Anchor::new(Key::new([0; 16]), u16::MAX);
        assert_eq!(anchor.next_sequence(), 0);
        anchor.resynchronise(41);
        assert_eq!(anchor.next_sequence(), 42);
    }
}
