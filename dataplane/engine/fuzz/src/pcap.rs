//! The IPv6 packets of a capture file

use std::path::Path;

use anyhow::{Context, Result, bail};

/// Octets of the link headers of the link types (<https://www.tcpdump.org/linktypes.html>) that captures of ours have.
fn link_header_octets(link_type: u32) -> Option<usize> {
    match link_type {
        1 => Some(14),        // Ethernet
        101 | 229 => Some(0), // raw IP, raw IPv6
        113 => Some(16),      // Linux cooked
        276 => Some(20),      // Linux cooked, version 2
        _ => None,
    }
}

/// The IPv6 packets in a pcap file, in order.
///
/// # Errors
/// A file that cannot be read, is no pcap of this machine's octet order or the other, or has another link type.
pub fn ipv6_packets(file: &Path) -> Result<Vec<Vec<u8>>> {
    let octets = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let word = |at: usize| {
        octets
            .get(at..at + 4)
            .and_then(|word| word.first_chunk::<4>())
    };
    let number = match word(0).copied().map(u32::from_le_bytes) {
        Some(0xa1b2_c3d4 | 0xa1b2_3c4d) => u32::from_le_bytes,
        Some(0xd4c3_b2a1 | 0x4d3c_b2a1) => u32::from_be_bytes,
        _ => bail!("{} is no pcap file", file.display()),
    };
    let link_type = word(20).copied().map(number).unwrap_or_default() & 0xffff;
    let Some(link_header) = link_header_octets(link_type) else {
        bail!("{} has link type {link_type}", file.display());
    };
    let mut packets = Vec::new();
    let mut at = 24;
    while let Some(captured) = word(at + 8).copied().map(number) {
        let begin = at + 16;
        let end = (begin + captured as usize).min(octets.len());
        let packet = octets.get(begin + link_header..end).unwrap_or_default();
        if packet.first().is_some_and(|first| first >> 4 == 6) {
            packets.push(packet.to_vec());
        }
        at = end.max(begin);
    }
    Ok(packets)
}
