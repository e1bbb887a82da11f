//! ICMPv6 errors of correspondents that know nothing of mobility (RFC 6275 §11.3.5).

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{icmpv6, ipv6_option, next_header};
use dhp_wire::ipv6::HEADER_LEN;

/// Octets of an ICMPv6 error before the packet that it quotes (RFC 4443 §3).
const ERROR_LEN: usize = 8;
/// Where the Next Header field, and the destination, stand in a packet.
const NEXT_HEADER: usize = 6;
const DESTINATION: usize = 24;

/// The correspondent that a Parameter Problem about a Mobility Header, or about a Home Address option, speaks of; `message` begins
/// with its type, and its checksum is right. `None`: it is about something else.
#[must_use]
pub fn refusing_correspondent(message: &[u8]) -> Option<Ipv6Addr> {
    let [kind, code, _, _, pointer @ ..] = *message.first_chunk::<ERROR_LEN>()?;
    let pointer = usize::try_from(u32::from_be_bytes(pointer)).ok()?;
    let quoted = message.get(ERROR_LEN..)?;
    // Nobody quotes the header of a tunnel here: these are packets of this node to the correspondent itself.
    let is_about_mobility = match code {
        icmpv6::UNRECOGNIZED_NEXT_HEADER => {
            pointer == NEXT_HEADER && *quoted.get(NEXT_HEADER)? == next_header::MOBILITY
                || pointer == HEADER_LEN
                    && *quoted.get(NEXT_HEADER)? == next_header::DESTINATION
                    && *quoted.get(HEADER_LEN)? == next_header::MOBILITY
        }
        icmpv6::UNRECOGNIZED_OPTION => *quoted.get(pointer)? == ipv6_option::HOME_ADDRESS,
        _ => false,
    };
    let destination = quoted.get(DESTINATION..)?.first_chunk::<16>()?;
    (kind == icmpv6::PARAMETER_PROBLEM && is_about_mobility).then(|| Ipv6Addr::from(*destination))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhp_wire::packet::compose;

    const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
    const COA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x100);

    fn problem(code: u8, pointer: u8, quoted: &[u8]) -> Vec<u8> {
        let mut message = vec![4, code, 0, 0, 0, 0, 0, pointer];
        message.extend(quoted);
        message
    }

    #[test]
    fn a_mobility_header_or_a_home_address_option_is_refused() {
        let test = compose(&COA, &CN, None, None, &[59, 1, 2, 0]);
        let update = compose(&COA, &CN, Some(&CN), None, &[59, 1, 5, 0]);
        for (message, expected) in [
            (problem(1, 6, &test), Some(CN)),
            (problem(2, 46, &update), Some(CN)),
            (problem(1, 40, &update), Some(CN)),
            (problem(1, 40, &test), None),
            (problem(2, 47, &update), None),
            (problem(0, 6, &test), None),
            (problem(2, 200, &update), None),
        ] {
            assert_eq!(refusing_correspondent(&message), expected, "{message:?}");
        }
        let mut other = problem(1, 6, &test);
        other[0] = 1;
        assert_eq!(refusing_correspondent(&other), None);
        let good = problem(1, 6, &test);
        for length in 0..good.len() {
            let read = refusing_correspondent(&good[..length]);
            assert_eq!(read.is_some(), length >= 48, "{length}");
        }
    }
}
