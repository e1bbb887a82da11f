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

/// Multiplies and folds the two halves of the product: every bit of both inputs reaches every bit of the result.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// [`flow_label_hash`] of a packet by its fields.
#[inline(always)]
#[must_use]
pub fn flow_label_of(
    source: &[u8; 16],
    destination: &[u8; 16],
    flow_label: u32,
    upper_protocol: u8,
    ports: u32,
) -> u32 {
    let words = |address: &[u8; 16]| {
        let bits = u128::from_ne_bytes(*address);
        [bits as u64, (bits >> 64) as u64]
    };
    let ([s0, s1], [d0, d1]) = (words(source), words(destination));
    let rest = u64::from(ports) << 28 ^ u64::from(flow_label) << 8 ^ u64::from(upper_protocol);
    // Constants of high entropy (digits of pi): no address that is likely makes a factor zero.
    let once = fold(
        s0 ^ rest ^ 0x2437_5a30_8d31_3198,
        s1 ^ 0xa409_3822_299f_31d1,
    );
    let hash = fold(once ^ d0, d1 ^ 0x0824_efa9_8ec4_e6c9);
    let label = (hash >> 44) as u32;
    // RFC 6437 §2: 0 says that no label has been set.
    if label == 0 { 1 } else { label }
}
