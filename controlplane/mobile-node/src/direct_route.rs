//! Packets that go to a correspondent directly (RFC 6275 §11.3.1).

use std::net::Ipv6Addr;

use dhp_wire::codepoints::{ipv6_option, next_header};
use dhp_wire::ipv6::{HEADER_LEN, Ipv6View};

use crate::access::CareOf;

/// Octets of a Destination Options header with a Home Address option, and of a type 2 routing header: as much longer is a packet
/// than the programs know.
pub const ADDRESS_HEADER: usize = 24;

/// The route between a home address and a correspondent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectRoute {
    /// The care-of address that the correspondent has confirmed, while its interface can be used. Without it packets go by the
    /// anchor, but those that come directly are taken: the correspondent may know already.
    pub care_of: Option<CareOf>,
    /// The longest packet before the Home Address option, in octets.
    pub mtu: u16,
}

impl DirectRoute {
    /// From where a packet goes, and how long it may be; `None`: by the anchor. The option stands behind hop-by-hop options and
    /// routing headers (RFC 6275 §6.3); what has them is rare, and goes by the anchor as well.
    pub fn way(&self, packet: &Ipv6View<'_>) -> Option<(CareOf, u16)> {
        let in_front = [next_header::HOP_BY_HOP, next_header::ROUTING];
        self.care_of
            .filter(|_| !in_front.contains(&packet.next_header()))
            .map(|care_of| (care_of, self.mtu))
    }
}

/// Puts a Home Address option into the packet of `total` octets that stands behind the first 40 octets of `buffer`, and the care-of
/// address where the home address was. "This includes the calculation of upper-layer checksums using the home address as the value
/// of the source": they stay as they are. `None`: it would be too long for a packet.
pub fn put_home_address<'a>(
    buffer: &'a mut [u8],
    total: usize,
    care_of: &Ipv6Addr,
) -> Option<&'a [u8]> {
    const FRONT: usize = HEADER_LEN - ADDRESS_HEADER;
    let payload_len = total
        .checked_add(ADDRESS_HEADER)?
        .checked_sub(HEADER_LEN)
        .and_then(|length| u16::try_from(length).ok())?;
    let packet = buffer.get_mut(FRONT..HEADER_LEN.checked_add(total)?)?;
    packet.copy_within(ADDRESS_HEADER..ADDRESS_HEADER + HEADER_LEN, 0);
    let (header, behind) = packet.split_first_chunk_mut::<HEADER_LEN>()?;
    let option = behind.first_chunk_mut::<ADDRESS_HEADER>()?;
    // The option is aligned 8n+6 (§6.3).
    option[..8].copy_from_slice(&[
        header[6],
        2,
        ipv6_option::PADN,
        2,
        0,
        0,
        ipv6_option::HOME_ADDRESS,
        16,
    ]);
    option[8..].copy_from_slice(&header[8..24]);
    header[4..6].copy_from_slice(&payload_len.to_be_bytes());
    header[6] = next_header::DESTINATION;
    header[8..24].copy_from_slice(&care_of.octets());
    Some(packet)
}
