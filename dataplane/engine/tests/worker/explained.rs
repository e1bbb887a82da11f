//! What left, against what the model permits

use std::collections::BTreeMap;

use crate::appliance::ANCHOR;
use crate::model::Leaving;
use crate::packets::{address, source};

/// The packet without what the table leaves open: flow label and Identification of what the anchor made.
fn comparable(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if source(&packet) == address(ANCHOR) {
        packet[1] &= 0xf0;
        packet[2..4].fill(0);
        if packet[6] == 44 && packet.len() >= 48 {
            packet[44..48].fill(0);
        }
    }
    packet
}

/// What left and is not permitted, or left more often than it is.
pub fn unexplained(left: &[(usize, Vec<u8>)], permitted: &[Leaving]) -> Vec<(usize, Vec<u8>)> {
    let mut permits: BTreeMap<(usize, Vec<u8>), usize> = BTreeMap::new();
    for leaving in permitted {
        *permits
            .entry((leaving.port, comparable(&leaving.packet)))
            .or_default() += 1;
    }
    let mut unexplained = left.to_vec();
    unexplained.retain(
        |(port, packet)| match permits.get_mut(&(*port, comparable(packet))) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        },
    );
    unexplained
}
