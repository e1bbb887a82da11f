//! IPv6 packets read slowly and plainly, sharing no code with what is tested

use std::net::Ipv6Addr;

use crate::packets::destination;

/// The packet without link padding, if it is one: version 6, and as long as it says (RFC 8200 §3).
pub fn exact(octets: &[u8]) -> Option<&[u8]> {
    if octets.len() < 40 || octets[0] >> 4 != 6 {
        return None;
    }
    let length = 40 + usize::from(u16::from_be_bytes([octets[4], octets[5]]));
    octets.get(..length)
}

/// A routing header.
#[derive(Clone, Copy)]
pub struct Routing {
    pub kind: u8,
    pub segments_left: u8,
    pub offset: usize,
    /// What a type 2 header names (RFC 6275 §6.4.1).
    pub home: Option<Ipv6Addr>,
}

/// What stands between the IPv6 header and the upper layer.
#[derive(Default)]
pub struct Chain {
    pub upper: u8,
    pub offset: usize,
    /// The fragment's offset and whether more follow.
    pub fragment: Option<(u16, bool)>,
    /// Where the fragment header stands, if there is one.
    pub fragment_header: usize,
    pub routing: Option<Routing>,
    pub home_address: Option<(Ipv6Addr, usize)>,
    /// The Tunnel Encapsulation Limit, and where its value stands.
    pub limit: Option<(u8, usize)>,
}

impl Routing {
    fn of(header: &[u8], offset: usize) -> Self {
        let home = header.get(8..24).filter(|_| header[1..3] == [2, 2]);
        Self {
            kind: header[2],
            segments_left: header[3],
            offset,
            home: home.map(|octets| Ipv6Addr::from(<[u8; 16]>::try_from(octets).expect("16"))),
        }
    }
}

impl Chain {
    /// `None`: broken.
    pub fn of(packet: &[u8]) -> Option<Self> {
        let mut chain = Self {
            upper: packet[6],
            offset: 40,
            ..Self::default()
        };
        for _ in 0..9 {
            let at = chain.offset;
            let octets =
                |header: Option<&u8>, unit, more| Some((usize::from(*header?) + more) * unit);
            let length = match chain.upper {
                0 if at != 40 => return None,
                0 | 43 | 60 => octets(packet.get(at + 1), 8, 1)?,
                51 => octets(packet.get(at + 1), 4, 2)?,
                44 => 8,
                _ => return Some(chain),
            };
            let header = packet.get(at..at + length)?;
            match chain.upper {
                43 => drop(chain.routing.get_or_insert(Routing::of(header, at))),
                44 => {
                    let field = u16::from_be_bytes([header[2], header[3]]);
                    chain.fragment = Some((field & !7, field & 1 == 1));
                    chain.fragment_header = at;
                }
                0 | 60 => chain.options(header, at)?,
                _ => {}
            }
            (chain.upper, chain.offset) = (header[0], at + length);
            if chain.is_later_fragment() {
                return Some(chain);
            }
        }
        None
    }

    fn options(&mut self, header: &[u8], base: usize) -> Option<()> {
        let is_destination = self.upper == 60;
        let mut at = 2;
        while at < header.len() {
            if header[at] == 0 {
                at += 1;
                continue;
            }
            let length = usize::from(*header.get(at + 1)?);
            let data = header.get(at + 2..at + 2 + length)?;
            if is_destination && header[at] == 201 {
                let home = Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?);
                self.home_address.get_or_insert((home, base + at));
            }
            if is_destination && header[at] == 4 {
                let [limit] = *data else { return None };
                self.limit.get_or_insert((limit, base + at + 2));
            }
            at += 2 + length;
        }
        Some(())
    }

    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|(offset, _)| offset != 0)
    }

    /// A piece of a tunnel packet or of signalling, or of what may turn out to be either.
    pub fn is_piece_to_be_held(&self, packet: &[u8]) -> bool {
        self.is_partial() && matches!(packet[self.fragment_header], 41 | 60 | 135)
    }

    pub fn is_partial(&self) -> bool {
        self.fragment
            .is_some_and(|(offset, more)| offset != 0 || more)
    }
}

/// RFC 4443 §2.4 (e): no error about an error or a Redirect, nor about what cannot be told from one; nor to a source that is
/// not one node, nor about a multicast.
pub fn may_be_answered(packet: &[u8], source: Ipv6Addr) -> bool {
    if source.is_unspecified() || source.is_multicast() || source.is_loopback() {
        return false;
    }
    if destination(packet).is_multicast() {
        return false;
    }
    match Chain::of(packet) {
        Some(chain) if chain.upper == 58 => {
            let kind = packet.get(chain.offset);
            !chain.is_later_fragment() && kind.is_some_and(|kind| *kind >= 128 && *kind != 137)
        }
        _ => true,
    }
}

/// RFC 6040 §4.2, figure 4: the inner ECN field behind the tunnel, by inner (row) and outer field (column), both in the order of
/// their codepoints Not-ECT, ECT(1), ECT(0), CE.
pub fn ecn_behind_tunnel(inner: u8, outer: u8) -> Option<u8> {
    const FIGURE_4: [[Option<u8>; 4]; 4] = [
        [Some(0), Some(0), Some(0), None],
        [Some(1), Some(1), Some(1), Some(3)],
        [Some(2), Some(1), Some(2), Some(3)],
        [Some(3), Some(3), Some(3), Some(3)],
    ];
    FIGURE_4[usize::from(inner & 3)][usize::from(outer & 3)]
}
