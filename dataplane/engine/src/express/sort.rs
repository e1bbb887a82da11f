//! Which way a frame goes, by its own octets

use dhp_segment::{AddressWords, HomePlace, Homes, Landmarks};
use dhp_wire::codepoints::next_header;
use dhp_wire::ethernet::{ETHERTYPE_IPV6, HEADER_LEN as ETHERNET_LEN};

use super::header::Header;
use super::{BOTH_HEADERS, HEADERS, HEADERS_AND_PORTS, Lane};
use crate::PacketBuf;
use crate::classify::is_special_octet;

/// The EtherType of IPv6 and its version behind it.
const LINK_AND_VERSION: u64 = (ETHERTYPE_IPV6 as u64) << 4 | 6;

/// Which way a frame goes, as it was received on an Ethernet link, and where its binding is looked for. `None`: the long way.
#[inline(always)]
pub(super) fn sort(
    frame: &impl PacketBuf,
    landmarks: &Landmarks,
    homes: &Homes<'_>,
) -> Option<(Lane, HomePlace)> {
    let (lane, home) = lane(frame.bytes(), landmarks)?;
    if lane == Lane::Enter {
        frame.expect_prepend();
    }
    Some((lane, homes.expect(home)))
}

/// The lane of a frame and the home address whose binding it needs; `None`: the long one.
#[inline(always)]
fn lane(frame: &[u8], landmarks: &Landmarks) -> Option<(Lane, AddressWords)> {
    let headers = frame.first_chunk::<HEADERS>()?;
    let link = Header::<HEADERS, 0>(headers);
    let outer = Header::<HEADERS, ETHERNET_LEN>(headers);
    // EtherType, version to flow label, and length by one load.
    let word = u64::from_be_bytes(link.octets(12));
    let to_group = link.octet(0) & 1 == 1;
    if to_group || word >> 44 != LINK_AND_VERSION {
        return None;
    }
    // Neither link padding nor a truncated packet.
    let payload_len = usize::from(word as u16);
    if payload_len.checked_add(HEADERS) != Some(frame.len()) {
        return None;
    }
    // A destination that is a landmark is no special address.
    let (source, destination) = (outer.source(), outer.destination());
    if is_special(source) || !landmarks.is_outside(source) {
        return None;
    }
    if outer.next_header() == next_header::IPV6 && landmarks.is_anchor(destination) {
        let inner = Header::<BOTH_HEADERS, HEADERS>(frame.first_chunk()?);
        let fits = inner.payload_len().checked_add(BOTH_HEADERS) == Some(frame.len());
        if !inner.is_ipv6() || !fits || !inner.has_hops() || is_special(inner.destination()) {
            return None;
        }
        return Some((Lane::Leave, inner.source()));
    }
    let has_ports = matches!(outer.next_header(), next_header::UDP | next_header::TCP)
        && frame.len() >= HEADERS_AND_PORTS;
    if has_ports && outer.has_hops() && landmarks.is_in_pool(destination) {
        return Some((Lane::Enter, destination));
    }
    None
}

#[inline(always)]
fn is_special(address: AddressWords) -> bool {
    is_special_octet(address.first_octet())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhp_segment::{Geometry, Route, RouteAction, Segment};
    use std::net::Ipv6Addr;

    const ANCHOR: &str = "2001:db8:d::1";
    const HOME: &str = "2001:db8:d:1::7";
    const REMOTE: &str = "2001:db8:c::80";
    const CARE_OF: &str = "2001:db8:a::5";

    fn ipv6(next_header: u8, source: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
        let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address").octets();
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((payload.len() as u16).to_be_bytes());
        packet.extend([next_header, 64]);
        packet.extend(address(source));
        packet.extend(address(destination));
        packet.extend(payload);
        packet
    }

    fn frame(packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];
        frame.extend(packet);
        frame
    }

    /// Whether a frame goes the short way, and what changes of one octet have it go the long way.
    #[test]
    fn plain_packets_go_the_short_way_and_no_other() {
        let segment = Segment::anonymous(&Geometry::default()).expect("memory");
        let mut writer = segment.writer().expect("the writer");
        let route = |prefix: &str, len, action| Route {
            prefix: prefix.parse().expect("a prefix"),
            len,
            action,
        };
        writer
            .publish_routes(&[
                route(ANCHOR, 128, RouteAction::Anchor),
                route("2001:db8:d:1::", 64, RouteAction::Pool),
            ])
            .expect("room");
        let reader = segment.reader(0).expect("the reader");
        let mut landmarks = Landmarks::none();
        let down = frame(&ipv6(17, REMOTE, HOME, &[0; 20]));
        assert_eq!(lane(&down, &landmarks), None, "nothing is known");
        reader.renew(&mut landmarks);
        assert!(matches!(lane(&down, &landmarks), Some((Lane::Enter, _))));
        let inner = ipv6(58, HOME, REMOTE, &[0; 8]);
        let up = frame(&ipv6(41, CARE_OF, ANCHOR, &inner));
        assert!(matches!(lane(&up, &landmarks), Some((Lane::Leave, _))));

        let is_long = |frame: &[u8]| lane(frame, &landmarks).is_none();
        // To a group, another EtherType, another version, another length, an extension header, no hop left; special addresses,
        // a source in the pool, a destination outside.
        for (at, octet) in [
            (0, 3),
            (12, 8),
            (14, 0x40),
            (19, 19),
            (20, 60),
            (21, 1),
            (22, 0xff),
            (38, 0xfe),
            (38, 0x30),
        ] {
            let mut changed = down.clone();
            changed[at] = octet;
            assert!(is_long(&changed), "octet {at}");
        }
        for (at, octet) in [(54, 0x40), (59, 9), (61, 1), (78, 0xff), (20, 60), (53, 2)] {
            let mut changed = up.clone();
            changed[at] = octet;
            assert!(is_long(&changed), "octet {at}");
        }
        assert!(is_long(&frame(&ipv6(17, HOME, HOME, &[0; 20]))));
        assert!(is_long(&frame(&ipv6(17, REMOTE, HOME, &[0; 3]))));
        for length in 0..down.len() {
            assert!(is_long(&down[..length]));
        }
    }
}
