//! The keys of Mobile Prefix Advertisements in `[signalling]`

use std::time::Duration;

use dhp_config::{Section, parse_duration};
use dhp_proto::anchor::{PrefixAdvertisements, PrefixDelivery};

/// Read them. RFC 6275 §13: "Home agents MUST allow the first three variables to be configured", of which the third belongs to whoever
/// sends Router Advertisements.
pub(super) fn read(section: &Section<'_>) -> PrefixAdvertisements {
    let default = PrefixAdvertisements::default();
    let delivery = section.text(
        "prefix-advertisements",
        "\"on\", \"solicited\" or \"off\"",
        |text| match text {
            "on" => Ok(PrefixDelivery::On),
            "solicited" => Ok(PrefixDelivery::Solicited),
            "off" => Ok(PrefixDelivery::Off),
            _ => Err("not one of them"),
        },
    );
    let interval = |key, otherwise| {
        let read = section.text(key, "a time such as \"240s\", \"10m\" or \"1h\"", |text| {
            match parse_duration(text)? {
                time if time < Duration::from_secs(1) => Err("1s is the least"),
                time => Ok(time),
            }
        });
        read.map_or(otherwise, |time| time.value)
    };
    PrefixAdvertisements {
        delivery: delivery.map_or(default.delivery, |delivery| delivery.value),
        max_interval: interval("max-prefix-interval", default.max_interval),
        min_interval: interval("min-prefix-interval", default.min_interval),
    }
}
