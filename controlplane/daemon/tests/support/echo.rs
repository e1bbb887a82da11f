//! Echo requests that come by a tunnel (RFC 4443 §4.1, RFC 2473)

use std::net::Ipv6Addr;

use dhp_wire::checksum::upper_layer_checksum;
use dhp_wire::codepoints::next_header;
use dhp_wire::ipv6::{HEADER_LEN, Ipv6View};

pub const ECHO_REQUEST: u8 = 128;
pub const ECHO_REPLY: u8 = 129;

/// The answer to a tunnelled echo request to `home`, back through the tunnel.
pub fn tunnelled_echo_reply(packet: &[u8], home: Ipv6Addr) -> Option<Vec<u8>> {
    let outer = Ipv6View::new(packet).ok()?;
    let inner = (outer.next_header() == next_header::IPV6).then(|| outer.payload())?;
    let reply = echo_reply(inner, home)?;
    let mut tunnelled = vec![0x60, 0, 0, 0];
    let length = u16::try_from(reply.len()).expect("short");
    tunnelled.extend(length.to_be_bytes());
    tunnelled.extend([next_header::IPV6, 64]);
    tunnelled.extend(outer.destination().octets());
    tunnelled.extend(outer.source().octets());
    tunnelled.extend(reply);
    Some(tunnelled)
}

/// The reply to an echo request to `home`.
fn echo_reply(request: &[u8], home: Ipv6Addr) -> Option<Vec<u8>> {
    let view = Ipv6View::new(request).ok()?;
    let is_echo = view.next_header() == next_header::ICMPV6
        && view.payload().first() == Some(&ECHO_REQUEST)
        && view.destination() == home;
    if !is_echo {
        return None;
    }
    let (from, to) = (view.destination(), view.source());
    let mut reply = view.packet().to_vec();
    reply[8..24].copy_from_slice(&from.octets());
    reply[24..40].copy_from_slice(&to.octets());
    reply[HEADER_LEN] = ECHO_REPLY;
    reply[HEADER_LEN + 2..HEADER_LEN + 4].fill(0);
    let sum = upper_layer_checksum(&from, &to, next_header::ICMPV6, &reply[HEADER_LEN..]);
    reply[HEADER_LEN + 2..HEADER_LEN + 4].copy_from_slice(&sum.to_be_bytes());
    Some(reply)
}
