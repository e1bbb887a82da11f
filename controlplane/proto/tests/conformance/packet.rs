//! Packets with every field open to damage.

use std::net::Ipv6Addr;

use dhp_wire::checksum::upper_layer_checksum;
use dhp_wire::packet::compose;

use crate::address;
use crate::words::{Words, edits};

/// Where a packet comes from and goes to.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    pub home_address: Option<Ipv6Addr>,
    pub type2_home: Option<Ipv6Addr>,
}

impl Way {
    /// `from=`, `to=`, `hao=` and `rh2=` of a line.
    pub fn read(words: &Words, source: &str, home_address: Option<Ipv6Addr>) -> Self {
        Self {
            source: words.address("from").unwrap_or(address::read(source)),
            destination: words.address("to").unwrap_or(address::read("ANCHOR")),
            home_address: match words.get("hao") {
                Some("none") => None,
                Some(text) => Some(address::read(text)),
                None => home_address,
            },
            type2_home: words.address("rh2"),
        }
    }
}

/// Writes octets over a Mobility Header, as far as it goes: `set=offset:octets`.
pub fn damage(mh: &mut [u8], words: &Words) {
    for (at, octets) in edits(&words.all("set")) {
        for (index, octet) in (at..).zip(octets) {
            if let Some(place) = mh.get_mut(index) {
                *place = octet;
            }
        }
    }
}

/// The packet around a Mobility Header, after its damage: with the right checksum, unless `badsum`; without what is behind
/// `cut=` octets; and `ip=offset:octets` written over the whole at last.
pub fn wrap(way: Way, mut mh: Vec<u8>, words: &Words) -> Vec<u8> {
    if let Some(len) = words.number("cut") {
        mh.truncate(len as usize);
    }
    let source = way.home_address.unwrap_or(way.source);
    let destination = way.type2_home.unwrap_or(way.destination);
    if let Some(field) = mh.get_mut(4..6) {
        field.fill(0);
    }
    let sum = upper_layer_checksum(&source, &destination, 135, &mh);
    let sum = if words.has("badsum") { !sum } else { sum };
    if let Some(field) = mh.get_mut(4..6) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    let mut packet = compose(
        &way.source,
        &way.destination,
        way.home_address.as_ref(),
        way.type2_home.as_ref(),
        &mh,
    );
    for (at, octets) in edits(&words.all("ip")) {
        packet[at..at + octets.len()].copy_from_slice(&octets);
    }
    packet
}
