//! The traffic class through a tunnel: RFC 6040 in normal mode, and the DSCP of RFC 2983's uniform ingress.

const NOT_ECT: u8 = 0b00;
const ECT_1: u8 = 0b01;
const CE: u8 = 0b11;

/// The outer traffic class for an inner one: DSCP and ECN both copied (RFC 6040 §4.1, normal mode).
#[inline]
#[must_use]
pub const fn encap_traffic_class(inner: u8) -> u8 {
    inner
}

/// The traffic class that leaves the tunnel: the inner DSCP with the ECN field of RFC 6040 §4.2, figure 4. `None`
/// where that has the packet dropped: a CE mark on a packet whose sender does not know ECN.
#[inline]
#[must_use]
pub const fn decap_traffic_class(inner: u8, outer: u8) -> Option<u8> {
    let ecn = match (inner & 0b11, outer & 0b11) {
        (NOT_ECT, CE) => return None,
        (NOT_ECT, _) => NOT_ECT,
        (_, CE) => CE,
        // The only other change that the outer header can make: ECT(0) to the more severe ECT(1).
        (0b10, ECT_1) => ECT_1,
        (own, _) => own,
    };
    Some(inner & !0b11 | ecn)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6040 figure 4, rows inner and columns outer, in the order Not-ECT, ECT(0), ECT(1), CE.
    #[test]
    fn decapsulation_table() {
        const ORDER: [u8; 4] = [0b00, 0b10, 0b01, 0b11];
        const TABLE: [[Option<u8>; 4]; 4] = [
            [Some(0b00), Some(0b00), Some(0b00), None],
            [Some(0b10), Some(0b10), Some(0b01), Some(0b11)],
            [Some(0b01), Some(0b01), Some(0b01), Some(0b11)],
            [Some(0b11), Some(0b11), Some(0b11), Some(0b11)],
        ];
        for (inner, row) in ORDER.into_iter().zip(TABLE) {
            for (outer, expected) in ORDER.into_iter().zip(row) {
                let inner = 0xb8 | inner;
                let outer = 0x28 | outer;
                let expected = expected.map(|ecn| 0xb8 | ecn);
                assert_eq!(
                    decap_traffic_class(inner, outer),
                    expected,
                    "{inner:#x} {outer:#x}"
                );
            }
        }
    }
}
