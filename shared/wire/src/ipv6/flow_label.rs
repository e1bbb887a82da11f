//! The flow label of a tunnel packet.

use super::Ipv6View;

/// A 20-bit flow label, never 0, for the tunnel packet of an inner flow: RFC 6438 §3 has the tunnel entry hash the
/// inner flow, so that routers on the way can spread tunnels over equal-cost paths and link bundles without
/// reordering any flow. `upper_protocol` and `ports` (both ports as one word, 0 where they cannot be seen in every
/// packet of the flow: see [`crate::extension::ports`]) complete the five-tuple.
#[inline]
#[must_use]
pub fn flow_label_hash(inner: &Ipv6View<'_>, upper_protocol: u8, ports: u32) -> u32 {
    flow_label_of(
        inner.source_octets(),
        inner.destination_octets(),
        inner.flow_label(),
        upper_protocol,
        ports,
    )
}

/// [`flow_label_hash`] of a packet by its fields.
#[inline]
#[must_use]
pub fn flow_label_of(
    source: &[u8; 16],
    destination: &[u8; 16],
    flow_label: u32,
    upper_protocol: u8,
    ports: u32,
) -> u32 {
    let source = u128::from_be_bytes(*source);
    let destination = u128::from_be_bytes(*destination);
    // Multiplication by an odd constant makes the two directions differ and moves every input bit upwards.
    let addresses = source.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        ^ destination.rotate_left(29);
    let rest =
        u64::from(ports) << 28 ^ u64::from(flow_label) << 8 ^ u64::from(upper_protocol);
    let mut hash = (addresses >> 64) as u64 ^ addresses as u64 ^ rest;
    // The finalizer of splitmix64: each output bit depends on each input bit.
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    let label = (hash >> 44) as u32;
    // RFC 6437 §2: 0 says that no label has been set.
    if label == 0 { 1 } else { label }
}
