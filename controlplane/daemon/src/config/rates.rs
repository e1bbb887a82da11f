//! The section `[rates]`

use dhp_config::Section;
use dhp_engine::{ErrorRates, PuntRates};

use super::Rates;

/// Octets per second in a kbit/s.
const OCTETS_PER_KBIT: u32 = 125;
/// More a second than any box handles: no limit.
const MOST: u64 = 100_000_000;

/// Read the section.
pub(super) fn read(section: Section<'_>) -> Rates {
    let rate = |key, otherwise| {
        let rate = section.integer(key, 0..=MOST);
        rate.and_then(|rate| u32::try_from(rate.value).ok())
            .unwrap_or(otherwise)
    };
    let punts = PuntRates::default();
    let errors = ErrorRates::default();
    let rates = Rates {
        punts: PuntRates {
            bound: rate("signalling-bound", punts.bound),
            handoffs: rate("signalling-handoffs", punts.handoffs),
            per_home_address: rate("signalling-per-home-address", punts.per_home_address),
            known: rate("signalling-known", punts.known),
            unknown: rate("signalling", punts.unknown),
            per_network: rate("signalling-per-network", punts.per_network),
            per_source: rate("signalling-per-source", punts.per_source),
        },
        icmp_errors: ErrorRates {
            per_cause: rate("icmp-errors", errors.per_cause),
            per_network: rate("icmp-errors-per-network", errors.per_network),
        },
        binding: section
            .integer("binding", 0..=u64::from(u32::MAX / OCTETS_PER_KBIT))
            .and_then(|kbit| u32::try_from(kbit.value).ok())
            .filter(|kbit| *kbit != 0)
            .map(|kbit| kbit.saturating_mul(OCTETS_PER_KBIT)),
    };
    section.finish();
    rates
}
