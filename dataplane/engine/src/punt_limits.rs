//! How much may go to the control plane (DMIPv6 profile 1, section 5)
//!
//! A punted packet costs the control plane a MAC or a signature of its patience, and anybody can send one. So there are limits
//! in total, for each source and for each /64; and what comes from a registered care-of address, which is a hint and no
//! proof, is limited in total only, apart from the rest, so that a flood from elsewhere does not stop refreshes.

use crate::network_limits::NetworkLimits;
use crate::token_bucket::TokenBucket;

/// Packets per second that a worker gives to the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PuntRates {
    /// From registered care-of addresses, all together.
    pub known: u32,
    /// From all other sources together.
    pub unknown: u32,
    /// From one /64 whose sender is not registered.
    pub per_network: u32,
    /// From one address that is not registered.
    pub per_source: u32,
}

impl Default for PuntRates {
    fn default() -> Self {
        Self {
            known: 200_000,
            unknown: 100_000,
            per_network: 2_000,
            per_source: 100,
        }
    }
}

/// The state of these limits in one worker.
#[derive(Debug)]
pub(crate) struct PuntLimits {
    known: TokenBucket,
    unknown: TokenBucket,
    networks: NetworkLimits<[u8; 8]>,
    sources: NetworkLimits<[u8; 16]>,
}

impl PuntLimits {
    pub(crate) fn new(rates: &PuntRates) -> Self {
        Self {
            known: TokenBucket::new(rates.known),
            unknown: TokenBucket::new(rates.unknown),
            networks: NetworkLimits::new(rates.per_network),
            sources: NetworkLimits::new(rates.per_source),
        }
    }

    /// Whether one more packet may go. The narrowest limit is asked first, so that who exceeds it takes nothing from others.
    pub(crate) fn permit(&mut self, source: &[u8; 16], is_known: bool, now_ns: u64) -> bool {
        if is_known {
            return self.known.take(now_ns);
        }
        let [p0, p1, p2, p3, p4, p5, p6, p7, ..] = *source;
        self.sources.take(*source, now_ns)
            && self.networks.take([p0, p1, p2, p3, p4, p5, p6, p7], now_ns)
            && self.unknown.take(now_ns)
    }
}
