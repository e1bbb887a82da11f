//! The accesses that a node is attached to at once, and what flows ask of them.

use core::net::Ipv6Addr;
use core::ops::RangeInclusive;

use ipnet::Ipv6Net;

use super::need::Need;

/// An access that can be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attachment {
    /// Binding Identification number (RFC 5648 §3), not 0: an access keeps its own.
    pub bid: u16,
    /// The care-of address there.
    pub care_of: Ipv6Addr,
    /// What the link carries in kbit/s, where that is known.
    pub rate_kbps: Option<u32>,
    /// Whether what goes over it costs money.
    pub metered: bool,
}

impl Attachment {
    /// The only access of a node that has one.
    #[must_use]
    pub fn only(care_of: Ipv6Addr) -> Self {
        Self {
            bid: 1,
            care_of,
            rate_kbps: None,
            metered: false,
        }
    }
}

/// What becomes of flows that no access is good enough for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unmet {
    /// They go on as well as they can.
    Wait,
    /// After a while they are terminated: no new care-of address is bound for them (profile 1, section 3, step 3).
    Release,
}

/// What a rule of the policy asks of accesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRule {
    /// The correspondents.
    pub correspondents: Vec<Ipv6Net>,
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// The correspondents' ports; none: all.
    pub ports: Vec<RangeInclusive<u16>>,
    /// 6 bits.
    pub dscp: Option<u8>,
    /// What its flows need; `None`: no home address.
    pub need: Option<Need>,
    /// BIDs of the accesses that it may use, the best first; none: the default one.
    pub accesses: Vec<u16>,
    /// Whether its packets may cost money.
    pub may_be_metered: bool,
    /// What becomes of it where nothing is good enough.
    pub unmet: Unmet,
}

impl AccessRule {
    /// Whether something has to be measured for it: it has a choice, or limits.
    pub(super) fn wants_measurement(&self) -> bool {
        let has_limits = self.need.is_some_and(|need| {
            need.requirements.max_latency_ms > 0 || need.requirements.max_loss_permille > 0
        });
        self.need.is_some() && (has_limits || !self.accesses.is_empty())
    }
}

/// Why a rule's flows use the access that they use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChoiceReason {
    /// The rule names none: it is the default one.
    Default,
    /// It is the first that the rule names.
    First,
    /// Those before it are not there.
    OthersGone,
    /// Those before it are not good enough.
    OthersWorse(super::judgment::Shortfall),
    /// Those before it have become better, and are watched for a while.
    OthersRecovering,
    /// None is good enough: it stays where it is.
    NoneBetter(super::judgment::Shortfall),
    /// None that the rule names is there: it is the default one.
    NoneThere,
}

/// The access that a rule's flows use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Its BID; `None`: there is no access at all.
    pub bid: Option<u16>,
    /// Why.
    pub reason: ChoiceReason,
}
