//! The addresses of the cases, by name.

use std::net::Ipv6Addr;

const NAMES: [(&str, &str); 28] = [
    ("ANCHOR", "2001:db8:d::1"),
    ("ANCHOR2", "2001:db8:e::1"),
    ("COA", "2001:db8:a::100"),
    ("COA2", "2001:db8:b::100"),
    ("COA3", "2001:db8:c::100"),
    ("HOME", "2001:db8:1:1::100"),
    ("HOME2", "2001:db8:1:1::200"),
    ("TWIN", "2001:db8:1:2::100"),
    ("TWIN2", "2001:db8:1:2::200"),
    ("NOBODYS", "2001:db8:1:1::999"),
    ("FOREIGN", "2001:db8:77::1"),
    ("DHOA", "2001:db8:d:1::7"),
    // Of the pool of DHoAs, and nobody's.
    ("FREE1", "2001:db8:d:1::11"),
    ("FREE2", "2001:db8:d:1::12"),
    ("FREE3", "2001:db8:d:1::13"),
    // A correspondent that is covered, and its anycast address.
    ("CN", "2001:db8:c0::80"),
    ("CNANYCAST", "2001:db8:c0:0:fdff:ffff:ffff:fffe"),
    ("NEIGHBOR", "2001:db8:1:1::55"),
    ("LINKLOCAL", "fe80::100"),
    ("LINKLOCAL2", "fe80::200"),
    ("ROUTER", "fe80::5"),
    ("ROUTER2", "fe80::6"),
    ("HA2", "2001:db8:1:1::2"),
    ("HA3", "2001:db8:1:1::3"),
    ("HA4", "2001:db8:1:1::4"),
    ("ALLNODES", "ff02::1"),
    ("HOMEANYCAST", "2001:db8:1:1:fdff:ffff:ffff:fffe"),
    ("UNSPECIFIED", "::"),
];

pub fn read(text: &str) -> Ipv6Addr {
    let named = NAMES.iter().find(|(name, _)| *name == text);
    let text = named.map_or(text, |(_, address)| address);
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is no address"))
}

/// The name of an address, or else the address.
pub fn name(address: Ipv6Addr) -> String {
    let text = address.to_string();
    let named = NAMES.iter().find(|(_, of)| *of == text);
    named.map_or(text.clone(), |(name, _)| (*name).to_owned())
}
