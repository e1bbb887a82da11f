//! A correspondent prefix whose flows have an anchored address, and how far it has got.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::action::FallbackReason;
use super::judgment::Verdict;

/// How far a flow has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is no care-of address, or no home registration yet.
    Waiting,
    /// Queries are out. `until_ns`: when the answers so far are looked at; `None` while there is none.
    Querying { until_ns: Option<u64> },
    /// A DHoA Request is out.
    Requesting { anchor: Ipv6Addr },
    /// The flow has its address.
    Ready { anchor: Ipv6Addr, address: Ipv6Addr },
    /// No DHoA for now; the next attempt is at `retry_ns`.
    Fallback { retry_ns: u64 },
}

/// A correspondent prefix in use.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) stage: Stage,
    /// When it was last asked for, if it lives only as long as somebody does.
    pub(super) demanded_ns: Option<u64>,
    /// The correspondents that its anchor serves.
    pub(super) serves: Ipv6Net,
    /// What its anchor covers, where that is known.
    pub(super) coverage: Option<Ipv6Net>,
    /// Why it has no DHP, where the last search has found none.
    pub(super) fallback: Option<FallbackReason>,
    /// Candidates that have refused or did not answer since the last success.
    pub(super) tried: Vec<Ipv6Addr>,
    /// The status of the last refusal.
    pub(super) refused: Option<u8>,
    /// Whether a Binding Error has answered one of the requests.
    pub(super) not_supported: bool,
    /// Whether the candidates have been probed.
    pub(super) probed: bool,
    /// The address it had, to be wished for again.
    pub(super) wish: Option<(Ipv6Addr, Ipv6Addr)>,
    /// A better DHP that is asked for an address while it has one.
    pub(super) challenger: Option<Ipv6Addr>,
    /// The DHP that was the better one in the last measurements, and in how many.
    pub(super) lead: Option<(Ipv6Addr, u8)>,
    /// Whether its DHP was chosen before the ways to others were measured.
    pub(super) in_haste: bool,
    /// How the accesses have been judged for it.
    pub(super) verdict: Verdict,
    /// Since when none is good enough.
    pub(super) short_since_ns: Option<u64>,
    /// The anchor that it had before it was terminated: the way there shows when it can begin again.
    pub(super) left: Option<Ipv6Addr>,
}

impl Flow {
    pub(super) fn new(serves: Ipv6Net) -> Self {
        Self {
            stage: Stage::Waiting,
            demanded_ns: None,
            serves,
            coverage: None,
            fallback: None,
            tried: Vec::new(),
            refused: None,
            not_supported: false,
            probed: false,
            wish: None,
            challenger: None,
            lead: None,
            in_haste: false,
            verdict: Verdict::Maintain,
            short_since_ns: None,
            left: None,
        }
    }

    /// Whether it has no DHP because no access is good enough.
    pub(super) fn is_terminated(&self) -> bool {
        matches!(self.fallback, Some(FallbackReason::Terminated(_)))
    }

    /// Forgets which candidates have failed, and that it was terminated.
    pub(super) fn begin_again(&mut self) {
        self.left = None;
        self.stage = Stage::Waiting;
        self.fallback = None;
        self.tried.clear();
        self.refused = None;
        self.not_supported = false;
        self.probed = false;
        self.forget_rivals();
    }

    /// Forgets what was found out about other DHPs: it was from another place.
    pub(super) fn forget_rivals(&mut self) {
        self.challenger = None;
        self.lead = None;
        self.in_haste = false;
    }

    /// When its timer runs out.
    pub(super) fn due_ns(&self) -> Option<u64> {
        match self.stage {
            Stage::Querying { until_ns } => until_ns,
            Stage::Fallback { retry_ns } => Some(retry_ns),
            Stage::Waiting | Stage::Requesting { .. } | Stage::Ready { .. } => None,
        }
    }

    /// The anchor whose address it has.
    pub(super) fn anchor(&self) -> Option<Ipv6Addr> {
        match self.stage {
            Stage::Ready { anchor, .. } => Some(anchor),
            _ => None,
        }
    }

    /// The anchor by which the accesses are measured for it.
    pub(super) fn measured_by(&self) -> Option<Ipv6Addr> {
        self.anchor().or(self.left)
    }

    /// Whether it uses the address of the anchor.
    pub(super) fn uses(&self, of: &Ipv6Addr, which: &Ipv6Addr) -> bool {
        matches!(self.stage, Stage::Ready { anchor, address } if anchor == *of && address == *which)
    }
}
