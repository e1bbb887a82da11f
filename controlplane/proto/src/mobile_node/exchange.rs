//! A message that waits for its answer.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::need::FlowKey;
use super::steering::Steering;
use crate::time::NANOS_PER_SECOND;

/// INITIAL_BINDACK_TIMEOUT (RFC 6275 §12).
pub(super) const INITIAL_TIMEOUT_NS: u64 = NANOS_PER_SECOND;
/// InitialBindackTimeoutFirstReg (RFC 6275 §13): "This long retransmission interval will allow the home agent to
/// complete the Duplicate Address Detection procedure" (§11.8).
pub(super) const FIRST_REGISTRATION_TIMEOUT_NS: u64 = 3 * NANOS_PER_SECOND / 2;
/// MAX_BINDACK_TIMEOUT (RFC 6275 §12).
const MAX_TIMEOUT_NS: u64 = 32 * NANOS_PER_SECOND;

/// How often an answer may make us begin again at once (other cookie, other sequence number) before only the
/// retransmission timer does: an anchor that always asks for more, or a forger, cannot make us send without end.
const MAX_RESTARTS: u8 = 4;

/// Sequence numbers of a Binding Update that is retransmitted with a new one each time, the latest ones.
const REMEMBERED: usize = 8;

/// Whom a query asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Whoever on the path covers the prefix.
    Anycast,
    /// A configured locator.
    Locator,
    /// A DHP in use, which may have others in its directory.
    Neighbour,
    /// A candidate, to measure the way to it.
    Probe,
}

/// Why a DHP is asked for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is known to cover the correspondents.
    Covers,
    /// It may: who knows is asked at the same time.
    Guess,
}

/// What an exchange is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// DHP Query.
    Query { flow: FlowKey, asked: Asked },
    /// DHP Query to a DHP in use: is it there, how far is it, how busy?
    Check { correspondent: Ipv6Net },
    /// DHP Query to a DHP in use, over the access with this BID: how good is the way?
    Measure { correspondent: Ipv6Net, bid: u16 },
    /// DHoA Request.
    Request { flow: FlowKey, asked: Reason },
    /// DHP Binding Update that binds the addresses.
    Update { addresses: Vec<Ipv6Addr> },
    /// DHP Binding Update with lifetime 0; all addresses, if none is listed.
    Release { addresses: Vec<Ipv6Addr> },
    /// DHP Binding Update with lifetime 0 that takes care-of addresses away from the addresses, by their BIDs.
    Detach {
        addresses: Vec<Ipv6Addr>,
        bids: Vec<u16>,
    },
    /// Binding Update to the home agent.
    HomeRegister,
    /// The same with lifetime 0.
    HomeDeregister,
    /// The same with lifetime 0 from the home link. `was_bound`: there was a binding.
    HomeReturn { was_bound: bool },
    /// Binding Update to the home agent for a home address before or after renumbering.
    OtherRegister { home: Ipv6Addr },
    /// The same with lifetime 0.
    OtherDeregister { home: Ipv6Addr },
}

impl Purpose {
    /// Transmissions after which the exchange is given up; `None`: never (RFC 6275 §11.8: "The mobile node MAY
    /// continue to send these messages at this slower rate indefinitely").
    pub(super) fn max_transmissions(&self) -> Option<u32> {
        match self {
            Self::Query {
                asked: Asked::Probe | Asked::Neighbour,
                ..
            }
            | Self::Request {
                asked: Reason::Guess,
                ..
            }
            | Self::Measure { .. } => Some(1),
            Self::Check { .. } => Some(3),
            Self::Query { .. }
            | Self::Request { .. }
            | Self::Release { .. }
            | Self::Detach { .. }
            | Self::HomeDeregister
            | Self::HomeReturn { was_bound: false }
            | Self::OtherDeregister { .. } => Some(4),
            Self::Update { .. }
            | Self::HomeRegister
            | Self::HomeReturn { was_bound: true }
            | Self::OtherRegister { .. } => None,
        }
    }

    /// Whether the answer comes from the home agent as a Binding Acknowledgement.
    pub(super) fn is_home(&self) -> bool {
        matches!(
            self,
            Self::HomeRegister
                | Self::HomeDeregister
                | Self::HomeReturn { .. }
                | Self::OtherRegister { .. }
                | Self::OtherDeregister { .. }
        )
    }

    /// Whether it is about the present home address.
    pub(super) fn is_present_home(&self) -> bool {
        matches!(
            self,
            Self::HomeRegister | Self::HomeDeregister | Self::HomeReturn { .. }
        )
    }

    /// Whether it tells the home agent that the node is back, and then whether there was a binding.
    pub(super) fn returns_bound(&self) -> Option<bool> {
        match self {
            Self::HomeReturn { was_bound } => Some(*was_bound),
            _ => None,
        }
    }
}

/// What is due when an exchange's timer has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Not yet.
    Later,
    /// Send (again).
    Transmit,
    /// The last transmission had its time.
    GiveUp,
}

/// A message that waits for its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) purpose: Purpose,
    /// Where it is sent.
    pub(super) peer: Ipv6Addr,
    /// From where, and the address that it binds.
    pub(super) care_of: Ipv6Addr,
    /// The Sequence # of the last transmission.
    pub(super) sequence: u16,
    /// The packet; made anew for every transmission of a classic Binding Update.
    pub(super) packet: Vec<u8>,
    /// The MESG-ID it carries.
    pub(super) mesg_id: Option<u64>,
    /// The cookie it carries.
    pub(super) cookie: Option<Vec<u8>>,
    /// The care-of addresses and flow bindings of an update.
    pub(super) steering: Steering,
    /// Whether an update ends what it does not list.
    pub(super) replaces: bool,
    /// When it is due next.
    pub(super) next_ns: u64,
    /// How often it was sent.
    pub(super) transmissions: u32,
    /// How often since the peer was last heard.
    unanswered: u32,
    /// Since when an answer is awaited, or up to when that is accounted for.
    waiting_since_ns: Option<u64>,
    /// Whether an error said that the peer does not know the Mobility Header, or its type.
    pub(super) not_supported: bool,
    /// How many such errors came since the peer was last heard.
    pub(super) refused: u32,
    /// Transmissions without an answer after which somebody else is asked.
    patience: Option<u32>,
    interval_ns: u64,
    restarts: u8,
    is_last: bool,
    sent: Vec<(u16, u64)>,
}

impl Exchange {
    /// An exchange that is due at once.
    pub(super) fn new(purpose: Purpose, peer: Ipv6Addr, care_of: Ipv6Addr, now_ns: u64) -> Self {
        Self {
            purpose,
            peer,
            care_of,
            sequence: 0,
            packet: Vec::new(),
            mesg_id: None,
            cookie: None,
            steering: Steering::default(),
            replaces: false,
            next_ns: now_ns,
            transmissions: 0,
            unanswered: 0,
            waiting_since_ns: None,
            not_supported: false,
            refused: 0,
            patience: None,
            interval_ns: INITIAL_TIMEOUT_NS,
            restarts: 0,
            is_last: false,
            sent: Vec::new(),
        }
    }

    /// Goes on with another purpose of the same message, as often as that allows.
    pub(super) fn ask_on(&mut self, purpose: Purpose) {
        self.purpose = purpose;
        self.is_last = false;
    }

    /// Sends it no more: its answer is welcome, but nobody waits for it.
    pub(super) fn last_transmission(&mut self) {
        self.is_last = true;
    }

    /// Sets the first retransmission interval.
    #[must_use]
    pub(super) fn initial_interval(mut self, interval_ns: u64) -> Self {
        self.interval_ns = interval_ns;
        self
    }

    /// Has it given up after so many transmissions without an answer; `None`: as its purpose has it.
    #[must_use]
    pub(super) fn patience(mut self, transmissions: Option<u32>) -> Self {
        self.patience = transmissions;
        self
    }

    /// Sends it again no sooner than then.
    #[must_use]
    pub(super) fn pause(mut self, until_ns: u64) -> Self {
        self.refused = 0;
        self.next_ns = until_ns;
        self
    }

    /// Whether it binds the present home address.
    pub(super) fn registers_home(&self) -> bool {
        self.purpose == Purpose::HomeRegister
    }

    /// With care-of addresses and flow bindings.
    #[must_use]
    pub(super) fn steered(mut self, steering: Steering) -> Self {
        self.steering = steering;
        self
    }

    /// Whether it binds care-of addresses at a DHP.
    pub(super) fn is_update_to(&self, dhp: &Ipv6Addr) -> bool {
        self.peer == *dhp && matches!(self.purpose, Purpose::Update { .. })
    }

    /// What is due now.
    pub(super) fn due(&self, now_ns: u64) -> Due {
        if self.next_ns > now_ns {
            return Due::Later;
        }
        if self.patience.is_some_and(|limit| self.unanswered >= limit) {
            return Due::GiveUp;
        }
        let limit = match self.is_last {
            true => Some(1),
            false => self.purpose.max_transmissions(),
        };
        match limit {
            Some(limit) if self.transmissions >= limit => Due::GiveUp,
            _ => Due::Transmit,
        }
    }

    /// Notes a transmission. RFC 6275 §11.8: "the timeout period is doubled upon each retransmission, until either the
    /// node receives a response or the timeout period reaches the value MAX_BINDACK_TIMEOUT".
    pub(super) fn transmitted(&mut self, now_ns: u64) {
        self.transmissions = self.transmissions.saturating_add(1);
        self.unanswered = self.unanswered.saturating_add(1);
        self.waiting_since_ns = Some(now_ns);
        self.next_ns = now_ns.saturating_add(self.interval_ns);
        self.interval_ns = self.interval_ns.saturating_mul(2).min(MAX_TIMEOUT_NS);
        if self.sent.len() >= REMEMBERED {
            self.sent.remove(0);
        }
        self.sent.push((self.sequence, now_ns));
    }

    /// Something was answered, though not all.
    pub(super) fn is_answered(&mut self) {
        self.waiting_since_ns = None;
    }

    /// For how long an answer was awaited in vain since this was asked last.
    pub(super) fn take_waited_ns(&mut self, now_ns: u64) -> u64 {
        let Some(since_ns) = &mut self.waiting_since_ns else {
            return 0;
        };
        let waited_ns = now_ns.saturating_sub(*since_ns);
        *since_ns = now_ns;
        waited_ns
    }

    /// Lets the exchange go on with other octets, as an answer has asked for: at once and with the first interval, since they are
    /// another message, or, where that has happened too often, when its timer runs out.
    pub(super) fn restart(&mut self, now_ns: u64) {
        self.packet.clear();
        self.is_answered();
        (self.unanswered, self.refused) = (0, 0);
        if self.restarts < MAX_RESTARTS {
            self.restarts += 1;
            self.next_ns = now_ns;
            self.interval_ns = INITIAL_TIMEOUT_NS;
        }
    }

    /// Whether an answer with this Sequence # may be for one of the transmissions.
    pub(super) fn sent_with(&self, sequence: u16) -> bool {
        self.sent.iter().any(|(sent, _)| *sent == sequence)
    }

    /// When the message that an answer with this Sequence # is for was first sent: lifetimes count from there.
    pub(super) fn first_sent_ns(&self, sequence: u16) -> Option<u64> {
        self.sent
            .iter()
            .find(|(sent, _)| *sent == sequence)
            .map(|(_, at)| *at)
    }

    /// The round trip that an answer with this Sequence # shows, if only one transmission had that number.
    pub(super) fn round_trip_ns(&self, sequence: u16, now_ns: u64) -> Option<u64> {
        let mut sent = self.sent.iter().filter(|(sent, _)| *sent == sequence);
        match (sent.next(), sent.next()) {
            (Some((_, at)), None) => Some(now_ns.saturating_sub(*at)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(purpose: Purpose) -> Exchange {
        Exchange::new(purpose, Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, 0)
    }

    #[test]
    fn the_interval_doubles_to_32_seconds_and_stays() {
        let mut exchange =
            exchange(Purpose::HomeRegister).initial_interval(FIRST_REGISTRATION_TIMEOUT_NS);
        let mut intervals = Vec::new();
        let mut now = 0;
        for _ in 0..8 {
            assert_eq!(exchange.due(now), Due::Transmit);
            exchange.transmitted(now);
            intervals.push((exchange.next_ns - now) / 500_000_000);
            assert_eq!(exchange.due(exchange.next_ns - 1), Due::Later);
            now = exchange.next_ns;
        }
        assert_eq!(intervals, [3, 6, 12, 24, 48, 64, 64, 64]);
    }

    #[test]
    fn a_release_is_given_up_after_four_transmissions() {
        let mut exchange = exchange(Purpose::Release {
            addresses: Vec::new(),
        });
        for _ in 0..4 {
            assert_eq!(exchange.due(exchange.next_ns), Due::Transmit);
            exchange.transmitted(exchange.next_ns);
        }
        assert_eq!(exchange.due(exchange.next_ns), Due::GiveUp);
        assert_eq!(exchange.next_ns, 15 * NANOS_PER_SECOND);
    }

    #[test]
    fn a_round_trip_is_measured_only_where_it_is_clear_which_transmission_was_answered() {
        let mut same = exchange(Purpose::HomeRegister);
        same.sequence = 7;
        same.transmitted(0);
        assert_eq!(same.round_trip_ns(7, 20), Some(20));
        same.transmitted(100);
        assert_eq!(same.round_trip_ns(7, 120), None);
        assert_eq!(same.first_sent_ns(7), Some(0));
        same.sequence = 8;
        same.transmitted(200);
        assert_eq!(same.round_trip_ns(8, 220), Some(20));
        assert!(same.sent_with(7) && !same.sent_with(9));
    }

    #[test]
    fn answers_can_restart_an_exchange_only_so_often() {
        let mut exchange = exchange(Purpose::HomeRegister);
        for _ in 0..MAX_RESTARTS {
            exchange.transmitted(5);
            exchange.restart(6);
            assert_eq!(exchange.due(6), Due::Transmit);
        }
        exchange.transmitted(6);
        exchange.restart(6);
        assert_eq!(exchange.due(6), Due::Later);
    }

    /// In a storm a cookie is good for a minute or two, and its echo has to come through as the request before it had to.
    #[test]
    fn what_an_answer_has_asked_for_is_repeated_as_soon_as_any_first_message() {
        let mut exchange = exchange(Purpose::HomeRegister);
        for _ in 0..6 {
            exchange.transmitted(exchange.next_ns);
        }
        let asked_ns = exchange.next_ns;
        exchange.restart(asked_ns);
        exchange.transmitted(asked_ns);
        assert_eq!(exchange.next_ns, asked_ns + INITIAL_TIMEOUT_NS);
    }
}
