//! The sections `[[coverage]]` and `[[directory]]`: which DHP is near to which correspondents

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_config::{Located, Problem, Section, parse_duration};
use ipnet::Ipv6Net;

use super::read::octet;

/// Between two echo requests, unless configured otherwise.
const INTERVAL: Duration = Duration::from_secs(10);
/// More often than this a host that was asked for nothing should not be asked.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// `[[coverage]]`: correspondents that this DHP is near to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Their addresses.
    pub prefix: Ipv6Net,
    /// How it is found out how far they are; `None`: not at all.
    pub probe: Option<Probe>,
}

/// A host that answers ICMPv6 echo requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Probe {
    /// Its address.
    pub address: Ipv6Addr,
    /// Time between two requests.
    pub interval: Duration,
}

/// `[[directory]]`: a DHP that this locator knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The DHP.
    pub dhp: Ipv6Addr,
    /// What it covers.
    pub prefix: Ipv6Net,
    /// Higher is better.
    pub preference: u8,
    /// 0 idle … 255 full.
    pub load: u8,
    /// Round-trip time from it to the prefix in µs; 0 if it is not known.
    pub path_rtt_us: u32,
}

/// Read a `[[coverage]]`.
pub(super) fn coverage(section: Section<'_>) -> Option<Located<Coverage>> {
    let prefix = section.require("prefix", section.prefix("prefix"), "\"2001:db8:c::/48\"");
    let expected = "\"off\" or an IPv6 address such as \"2001:db8:c::1\"";
    let probe = section.text("probe", expected, |text| match text {
        "off" => Ok(None),
        address => address.parse::<Ipv6Addr>().map(Some),
    });
    let interval = section.duration_from("probe-interval", LEAST_INTERVAL);
    if let (Some(interval), false) = (&interval, section.has("probe")) {
        section.problem(Problem::new(
            interval.span.clone(),
            "`probe-interval` without a `probe`",
            "a host of the prefix that answers pings, `probe = \"2001:db8:c::1\"`",
        ));
    }
    let address = probe.as_ref().and_then(|probe| probe.value);
    if let (Some(prefix), Some(probe), Some(address)) = (&prefix, &probe, address)
        && !prefix.value.contains(&address)
    {
        section.problem(Problem::new(
            probe.span.clone(),
            format!("the probe {address} is outside of {}", prefix.value),
            "a host of the prefix: how far others are tells nothing of it",
        ));
    }
    section.finish();
    let prefix = prefix?;
    Some(Located {
        value: Coverage {
            prefix: prefix.value,
            probe: address.map(|address| Probe {
                address,
                interval: interval.map_or(INTERVAL, |interval| interval.value),
            }),
        },
        span: prefix.span,
    })
}

/// Read a `[[directory]]`.
pub(super) fn directory_entry(section: Section<'_>) -> Option<DirectoryEntry> {
    let dhp = section.require("dhp", section.address("dhp"), "\"2001:db8:d::1\"");
    let prefix = section.require("prefix", section.prefix("prefix"), "\"2001:db8:c::/48\"");
    let preference = octet(&section, "preference", 100);
    let load = octet(&section, "load", 0);
    let path_rtt_us = path_rtt_us(&section);
    section.finish();
    Some(DirectoryEntry {
        dhp: dhp?.value,
        prefix: prefix?.value,
        preference,
        load,
        path_rtt_us,
    })
}

/// A DHP Information option has 32 bits for it.
fn path_rtt_us(section: &Section<'_>) -> u32 {
    let expected = "\"unknown\", or a time such as \"300us\" or \"15ms\"";
    let time = section.text("path-rtt", expected, |text| match text {
        "unknown" => Ok(0),
        time => {
            let us = parse_duration(time)?.as_micros();
            u32::try_from(us).map_err(|_| "longer than any path: at most 4294s")
        }
    });
    time.map_or(0, |time| time.value)
}
