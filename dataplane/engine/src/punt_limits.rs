//! How much may go to the control plane (DMIPv6 profile 1, section 5)
//!
//! A punted packet costs the control plane a MAC or a signature of its patience, and anybody can send one. So there are limits
//! in total and for each source and /64. Nothing that a worker sees of a packet proves whose it is; but what refreshes a binding, or
//! moves one, has to name a home address that is bound here, which strangers do not know. These have limits of their own, so that a
//! flood from everywhere stops neither; who knows one home address can at most have the updates of that one treated as strangers'.

use dhp_segment::{DropReason, PuntClass};

use crate::network_limits::NetworkLimits;
use crate::token_bucket::TokenBucket;

/// Packets per second that a worker gives to the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PuntRates {
    /// From care-of addresses, about the home addresses that are bound to them, all together.
    pub bound: u32,
    /// About bound home addresses, from elsewhere, all together.
    pub handoffs: u32,
    /// About one bound home address, of either kind.
    pub per_home_address: u32,
    /// Anything else from addresses that look like registered care-of addresses, all together.
    pub known: u32,
    /// From all other sources together.
    pub unknown: u32,
    /// From one /64: as a stranger, and beside that as one that moves.
    pub per_network: u32,
    /// From one address, likewise.
    pub per_source: u32,
}

impl PuntRates {
    /// More than any control plane takes.
    pub const UNLIMITED: Self = Self {
        bound: u32::MAX,
        handoffs: u32::MAX,
        per_home_address: u32::MAX,
        known: u32::MAX,
        unknown: u32::MAX,
        per_network: u32::MAX,
        per_source: u32::MAX,
    };
}

impl Default for PuntRates {
    fn default() -> Self {
        Self {
            bound: 200_000,
            handoffs: 100_000,
            per_home_address: 20,
            known: 50_000,
            unknown: 100_000,
            per_network: 2_000,
            per_source: 100,
        }
    }
}

/// Whose a packet seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) source: [u8; 16],
    pub(crate) class: PuntClass,
    /// The bound home address that it names, where that made it [`PuntClass::Bound`] or [`PuntClass::Handoff`].
    pub(crate) home: [u8; 16],
}

/// The state of these limits in one worker.
#[derive(Debug)]
pub(crate) struct PuntLimits {
    bound: TokenBucket,
    bound_homes: NetworkLimits<[u8; 16]>,
    handoffs: Anywhere,
    moving_homes: NetworkLimits<[u8; 16]>,
    known: TokenBucket,
    unknown: Anywhere,
}

impl PuntLimits {
    pub(crate) fn new(rates: &PuntRates) -> Self {
        Self {
            bound: TokenBucket::new(rates.bound),
            bound_homes: NetworkLimits::new(rates.per_home_address),
            handoffs: Anywhere::new(rates.handoffs, rates),
            moving_homes: NetworkLimits::new(rates.per_home_address),
            known: TokenBucket::new(rates.known),
            unknown: Anywhere::new(rates.unknown, rates),
        }
    }

    /// As what one more packet may go. What exceeds the limits of its class has a stranger's chance; in each the narrowest limit is
    /// asked first, so that who exceeds it takes nothing from others.
    ///
    /// # Errors
    /// Not at all, by the limits of its class.
    pub(crate) fn permit(&mut self, sender: &Sender, now_ns: u64) -> Result<PuntClass, DropReason> {
        let Sender {
            source,
            class,
            home,
        } = sender;
        let is_permitted = match class {
            PuntClass::Bound => self.bound_homes.take(*home, now_ns) && self.bound.take(now_ns),
            PuntClass::Handoff => {
                self.moving_homes.take(*home, now_ns) && self.handoffs.take(source, now_ns)
            }
            PuntClass::Known => self.known.take(now_ns),
            PuntClass::Stranger => false,
        };
        if is_permitted {
            return Ok(*class);
        }
        if self.unknown.take(source, now_ns) {
            return Ok(PuntClass::Stranger);
        }
        Err(match class {
            PuntClass::Bound => DropReason::PuntBoundLimited,
            PuntClass::Handoff => DropReason::PuntHandoffLimited,
            PuntClass::Known => DropReason::PuntKnownLimited,
            PuntClass::Stranger => DropReason::PuntRateLimited,
        })
    }
}

/// The limits of those who may come from anywhere.
#[derive(Debug)]
struct Anywhere {
    total: TokenBucket,
    networks: NetworkLimits<[u8; 8]>,
    sources: NetworkLimits<[u8; 16]>,
}

impl Anywhere {
    fn new(total: u32, rates: &PuntRates) -> Self {
        Self {
            total: TokenBucket::new(total),
            networks: NetworkLimits::new(rates.per_network),
            sources: NetworkLimits::new(rates.per_source),
        }
    }

    fn take(&mut self, source: &[u8; 16], now_ns: u64) -> bool {
        let [p0, p1, p2, p3, p4, p5, p6, p7, ..] = *source;
        self.sources.take(*source, now_ns)
            && self.networks.take([p0, p1, p2, p3, p4, p5, p6, p7], now_ns)
            && self.total.take(now_ns)
    }
}
