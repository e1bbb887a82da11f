//! Where the workers differ from the kernel on purpose

use std::net::Ipv6Addr;

use crate::packets::{NARROW_MTU, address, destination, source};

/// One difference.
pub struct Difference {
    /// Whether it is what makes this packet's outcomes differ, if they do.
    pub concerns: fn(&[u8]) -> bool,
    pub reason: &'static str,
}

pub const DIFFERENCES: &[Difference] = &[
    Difference {
        concerns: has_options_that_the_kernel_acts_on,
        reason: "RFC 8200 §4: nodes on the way \"only examine and process the Hop-by-Hop Options header if explicitly \
                 configured to do so\"; the workers never are",
    },
    Difference {
        concerns: |packet| destination(packet).is_unspecified(),
        reason: "RFC 4291 §2.5.2: the unspecified address \"must not be used as the destination address\": dropped without \
                 an answer, as loopback is by both",
    },
    Difference {
        concerns: |packet| source(packet).is_unicast_link_local(),
        reason: "RFC 4291 §2.5.6 has it dropped by both; the kernel says so (RFC 4443 §3.1 code 2, a SHOULD), the workers do not: \
                 neighbours of that scope are known to the kernel alone, so that they have nobody to send the answer to",
    },
    Difference {
        concerns: is_later_fragment_of_icmp,
        reason: "RFC 4443 §2.4 (e.1): no error about an error. Of a later fragment of ICMPv6 nobody can tell; the workers are silent",
    },
    Difference {
        concerns: |packet| is_within(destination(packet), "2001:db8:d:1::", 64),
        reason: "PROTOCOL.md §5: an unbound address of a pool is unreachable with code 3; for the kernel there is no route",
    },
    Difference {
        concerns: |packet| {
            let is_behind = is_within(destination(packet), "2001:db8:f::", 48);
            is_behind && packet.len() > NARROW_MTU
        },
        reason: "a route's own MTU counts for tunnels, not for transit: next hops have the MTU of their link",
    },
];

fn is_within(address_: Ipv6Addr, prefix: &str, len: u32) -> bool {
    let mask = u128::MAX << (128 - len);
    address_.to_bits() & mask == address(prefix).to_bits() & mask
}

fn is_later_fragment_of_icmp(packet: &[u8]) -> bool {
    let field = |at: usize| {
        packet
            .get(at..at + 2)
            .map_or(0, |octets| u16::from_be_bytes([octets[0], octets[1]]))
    };
    packet[6] == 44 && packet.get(40) == Some(&58) && field(42) & !7 != 0
}

/// Broken options, and all but padding, what is to be skipped, and a router alert: the kernel drops and answers for some.
fn has_options_that_the_kernel_acts_on(packet: &[u8]) -> bool {
    packet[6] == 0 && has_only_options_to_skip(packet).is_none()
}

fn has_only_options_to_skip(packet: &[u8]) -> Option<()> {
    let stated = 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    let length = (usize::from(*packet.get(41)?) + 1) * 8;
    let options = packet.get(..stated)?.get(42..40 + length)?;
    let mut at = 0;
    while at < options.len() {
        if options[at] == 0 {
            at += 1;
            continue;
        }
        let data = options.get(at + 2..at + 2 + usize::from(*options.get(at + 1)?))?;
        match options[at] {
            // RFC 8504 §5.3 lets padding be refused that is longer than it need be or carries something.
            1 if data.len() <= 5 && data.iter().all(|octet| *octet == 0) => {}
            5 if data.len() == 2 => {}
            0x1e => {}
            _ => return None,
        }
        at += 2 + data.len();
    }
    Some(())
}
