//! The keys of `[signalling]` for Mobile Prefix Advertisements

use std::time::Duration;

use dhp_config::Section;
use dhp_proto::anchor::{PrefixAdvertisements, PrefixDelivery};

/// RFC 6275 §13: "Home agents MUST allow the first three variables to be configured", of which the third belongs to whoever
/// sends Router Advertisements.
pub(super) fn read(section: &Section<'_>) -> PrefixAdvertisements {
    let default = PrefixAdvertisements::default();
    let deliveries = [
        ("on", PrefixDelivery::On),
        ("solicited", PrefixDelivery::Solicited),
        ("off", PrefixDelivery::Off),
    ];
    let delivery = section.word("prefix-advertisements", &deliveries);
    let interval = |key, otherwise| {
        let read = section.duration_from(key, Duration::from_secs(1));
        read.map_or(otherwise, |time| time.value)
    };
    PrefixAdvertisements {
        delivery: delivery.map_or(default.delivery, |delivery| delivery.value),
        max_interval: interval("max-prefix-interval", default.max_interval),
        min_interval: interval("min-prefix-interval", default.min_interval),
    }
}
