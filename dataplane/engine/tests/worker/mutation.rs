//! Frames as nobody should send them

use crate::appliance::*;
use crate::packets::*;

/// Where a mutation begins: one packet of each treatment.
pub fn corpus() -> Vec<(usize, Vec<u8>)> {
    let far = "2001:db8:a::42";
    let uplink = tunnelled(CARE_OF, ANCHOR, &udp(HOME, CORRESPONDENT, 40));
    vec![
        (CN, udp(CORRESPONDENT, HOME, 40)),
        (CN, udp(CORRESPONDENT, NARROW_HOME, 1280 - 48)),
        (CN, udp(CORRESPONDENT, PENDING_HOME, 40)),
        (
            CN,
            with_extension(
                &tunnelled(CORRESPONDENT, HOME, &uplink),
                60,
                &tunnel_limit_header(4),
            ),
        ),
        (CORE, uplink.clone()),
        (CORE, with_extension(&uplink, 60, &tunnel_limit_header(4))),
        (CORE, tunnelled(CARE_OF, ANCHOR, &udp(HOME, OTHER_HOME, 40))),
        (CORE, tunnelled(CARE_OF, ANCHOR, &mobility(HOME, ANCHOR))),
        (
            CORE,
            tunnelled(PREVIOUS_CARE_OF, ANCHOR, &udp(OTHER_HOME, far, 40)),
        ),
        (
            CORE,
            with_extension(&mobility(far, ANCHOR), 60, &home_address_header(HOME)),
        ),
        (
            CORE,
            with_extension(&mobility(far, ANCHOR), 43, &type_2_routing_header(ANCHOR)),
        ),
        (
            CORE,
            with_extension(&udp(CARE_OF, ANCHOR, 8), 60, &home_address_header(HOME)),
        ),
        (CORE, mobility(CARE_OF, ANCHOR)),
        (CORE, binding_update(far, ANCHOR, HOME)),
        (CORE, binding_update(CARE_OF, ANCHOR, HOME)),
        (CORE, dhp_binding_update(far, ANCHOR, &[UNBOUND_HOME, HOME])),
        (CORE, dhp_binding_update(CARE_OF, ANCHOR, &[HOME])),
        (CORE, mobility(far, ANYCAST)),
        (CORE, echo_request(far, ANCHOR)),
        (CORE, udp(far, CORRESPONDENT, 40)),
        (CORE, udp(far, STRANGER, 40)),
        (CORE, udp(far, NARROW, 1400)),
        (CORE, with_hop_limit(&udp(far, CORRESPONDENT, 40), 1)),
        (CORE, udp(far, UNBOUND_HOME, 40)),
        (CORE, with_extension(&uplink, 44, &fragment_header(0, true))),
        (HOST, udp(LOCAL, HOME, 40)),
    ]
}

/// Panic unless what was sent is IPv6 of exact length, and what was made here (tunnels and errors) is right throughout. Payloads
/// that came wrong leave wrong.
pub fn assert_well_formed(packet: &[u8]) {
    assert!(packet.len() >= 40, "{packet:02x?}");
    assert_eq!(packet[0] >> 4, 6, "{packet:02x?}");
    let stated = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    assert_eq!(stated + 40, packet.len(), "{packet:02x?}");
    if source(packet) != address(ANCHOR) {
        return;
    }
    match packet[6] {
        41 => assert_well_formed(&packet[40..]),
        58 if packet[40] < 128 => assert_valid(packet),
        _ => {}
    }
}

/// Numbers that repeat from run to run (xorshift64*).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 33) as usize) % bound.max(1)
    }
}

/// Change some octets, cut, or lengthen.
pub fn mutate(packet: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..numbers.below(4) {
        // Headers matter more than payload.
        let reach = if numbers.below(2) == 0 {
            100
        } else {
            packet.len()
        };
        let at = numbers.below(reach.min(packet.len()));
        let value = numbers.next() as u8;
        if let Some(octet) = packet.get_mut(at) {
            *octet = match numbers.below(3) {
                0 => value,
                1 => *octet ^ (1 << (value & 7)),
                _ => [0, 1, 6, 41, 43, 44, 60, 135, 255][usize::from(value) % 9],
            };
        }
    }
    match numbers.below(8) {
        0 => packet.truncate(numbers.below(packet.len())),
        1 => packet.extend(std::iter::repeat_n(0xa5, numbers.below(64))),
        _ => {}
    }
}
