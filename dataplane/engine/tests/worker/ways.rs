//! The routes of the appliance, read plainly

use std::net::Ipv6Addr;

use crate::appliance::*;
use crate::packets::address;

/// Where a route leads.
pub enum Way {
    Anchor,
    Local,
    Pool,
    Anycast,
    Link {
        port: usize,
        mtu: usize,
        is_resolved: bool,
    },
    Blackhole,
    Prohibited,
    Nowhere,
}

pub fn way(destination: Ipv6Addr) -> Way {
    let within = |prefix: &str, len: u32| {
        let mask = u128::MAX << (128 - len);
        destination.to_bits() & mask == address(prefix).to_bits() & mask
    };
    let link = |port, mtu, is_resolved| Way::Link {
        port,
        mtu,
        is_resolved,
    };
    match destination {
        _ if destination == address(ANCHOR) => Way::Anchor,
        _ if destination == address(LOCAL) => Way::Local,
        _ if destination == address(ANYCAST) => Way::Anycast,
        _ if destination == address(CORRESPONDENT) => link(CN, 1500, true),
        _ if within("2001:db8:d:1::", 64) => Way::Pool,
        _ if within("2001:db8:a::", 64) || within("2001:db8:b::", 64) => link(CORE, 1500, true),
        _ if within("2001:db8:c:1::", 64) => link(CN, 1500, false),
        _ if within(PENDING, 64) => link(CORE, 1500, false),
        _ if within(NARROW, 64) => link(CN, 1300, true),
        _ if within(BLACKHOLE, 48) => Way::Blackhole,
        _ if within(PROHIBITED, 48) => Way::Prohibited,
        _ => Way::Nowhere,
    }
}
