//! The ICMPv6 messages of the access links that the agent sends and reads (RFC 4861, RFC 4443).

use std::net::Ipv6Addr;

use dhp_wire::codepoints::{icmpv6, ipv6_option, next_header};
use dhp_wire::icmpv6::{
    Body, Builder, Envelope, Message, NdOption, PrefixInformation, neighbor_flag, prefix_flag,
};
use ipnet::Ipv6Net;

/// Octets of an ICMPv6 error before what it quotes.
const ERROR_LEN: usize = 8;
/// "All-routers" (RFC 4291 §2.7.1).
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// "All-nodes" (RFC 4291 §2.7.1).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A Router Advertisement.
    Advertisement(Advertisement),
    /// A router on the way to a correspondent cannot forward packets that are longer than `mtu`.
    RouteTooBig {
        /// Where they went, with a Home Address option.
        correspondent: Ipv6Addr,
        /// In octets.
        mtu: u32,
    },
    /// A router on the path of a tunnel cannot forward packets that are longer than `mtu`.
    TunnelTooBig {
        /// The far end of the tunnel.
        anchor: Ipv6Addr,
        /// In octets.
        mtu: u32,
    },
}

/// What a Router Advertisement says that matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertisement {
    /// The router's link-local address.
    pub router: Ipv6Addr,
    /// Whether it is a default router: Router Lifetime is not 0.
    pub is_default: bool,
    /// Prefixes that addresses are made of, with a valid lifetime.
    pub prefixes: Vec<Ipv6Net>,
}

/// A Router Solicitation; the kernel sets the checksum anew. The link-layer address must be left out when the source
/// address is unspecified (RFC 4861 §4.1).
pub fn router_solicitation(link_layer_address: Option<[u8; 6]>) -> Vec<u8> {
    let mut builder = Builder::new(&Body::RouterSolicitation);
    if let Some(address) = link_layer_address {
        builder = builder.option(&NdOption::<&[u8]>::SourceLinkLayer(address));
    }
    builder.finish(&Ipv6Addr::UNSPECIFIED, &ALL_ROUTERS)
}

/// An unsolicited Neighbor Advertisement to all nodes, after which they send what is for `target` to this link-layer address; the
/// kernel sets the checksum anew. RFC 6275 §11.5.5: "The Solicited (S) flag in these Advertisements MUST NOT be set", and "The
/// Override (O) flag in these Advertisements MUST be set".
pub fn neighbor_advertisement(target: Ipv6Addr, link_layer_address: [u8; 6]) -> Vec<u8> {
    let flags = neighbor_flag::OVERRIDE;
    Builder::new(&Body::NeighborAdvertisement { flags, target })
        .option(&NdOption::<&[u8]>::TargetLinkLayer(link_layer_address))
        .finish(&Ipv6Addr::UNSPECIFIED, &ALL_NODES)
}

/// Reads an ICMPv6 message; `None` if it is not for us to know. The kernel has checked the checksum.
pub fn read(message: &[u8], source: Ipv6Addr, hop_limit: u8) -> Option<Received> {
    match *message.first()? {
        icmpv6::ROUTER_ADVERTISEMENT => advertisement(message, source, hop_limit),
        icmpv6::PACKET_TOO_BIG => too_big(message),
        _ => None,
    }
}

fn advertisement(message: &[u8], source: Ipv6Addr, hop_limit: u8) -> Option<Received> {
    let envelope = Envelope {
        source,
        // Of an advertisement the destination does not matter.
        destination: Ipv6Addr::UNSPECIFIED,
        hop_limit,
    };
    let message = Message::parse(message, &envelope).ok()?;
    let Body::RouterAdvertisement(advertisement) = message.body else {
        return None;
    };
    let prefixes = message.options.iter().filter_map(|option| match option {
        Ok(NdOption::Prefix(information)) => prefix(&information),
        _ => None,
    });
    Some(Received::Advertisement(Advertisement {
        router: source,
        is_default: advertisement.lifetime_s > 0,
        prefixes: prefixes.collect(),
    }))
}

/// A prefix to make an address of.
fn prefix(information: &PrefixInformation) -> Option<Ipv6Net> {
    let makes_addresses = information.flags & prefix_flag::AUTONOMOUS != 0
        && information.valid_lifetime_s != 0
        && !information.prefix.is_unicast_link_local();
    Ipv6Net::new(information.prefix, information.prefix_len)
        .ok()
        .filter(|_| makes_addresses)
        .map(|prefix| prefix.trunc())
}

/// A Packet Too Big that quotes a tunnel packet, or one with a Home Address option.
fn too_big(message: &[u8]) -> Option<Received> {
    let mtu = u32::from_be_bytes(*message.get(4..8)?.first_chunk()?);
    let quoted = message.get(ERROR_LEN..)?;
    if quoted.first()? >> 4 != 6 {
        return None;
    }
    let destination = Ipv6Addr::from(*quoted.get(24..40)?.first_chunk::<16>()?);
    match *quoted.get(6)? {
        next_header::IPV6 => Some(Received::TunnelTooBig {
            anchor: destination,
            mtu,
        }),
        // Where this node puts it.
        next_header::DESTINATION if *quoted.get(46)? == ipv6_option::HOME_ADDRESS => {
            Some(Received::RouteTooBig {
                correspondent: destination,
                mtu,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

    fn advertisement_with(flags: u8, valid: u32, length: u8) -> Vec<u8> {
        let mut message = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
        message.extend([1, 1, 2, 0, 0, 0, 0, 1]);
        message.extend([3, 4, length, flags]);
        message.extend(valid.to_be_bytes());
        message.extend([0, 0, 14, 16, 0, 0, 0, 0]);
        message.extend(
            "2001:db8:a::"
                .parse::<Ipv6Addr>()
                .expect("an address")
                .octets(),
        );
        message
    }

    #[test]
    fn an_advertisement_gives_router_and_prefixes() {
        let message = advertisement_with(0xc0, 3600, 64);
        let expected = Received::Advertisement(Advertisement {
            router: ROUTER,
            is_default: true,
            prefixes: vec!["2001:db8:a::/64".parse().expect("a prefix")],
        });
        assert_eq!(read(&message, ROUTER, 255), Some(expected));
    }

    #[test]
    fn prefixes_that_make_no_address_are_left_out() {
        for message in [
            advertisement_with(0x80, 3600, 64),
            advertisement_with(0xc0, 0, 64),
            advertisement_with(0xc0, 3600, 129),
        ] {
            assert!(matches!(read(&message, ROUTER, 255),
                Some(Received::Advertisement(read)) if read.prefixes.is_empty()));
        }
    }

    #[test]
    fn what_cannot_come_from_a_neighbour_is_no_advertisement() {
        let message = advertisement_with(0xc0, 3600, 64);
        let global = "2001:db8:a::1".parse().expect("an address");
        assert_eq!(read(&message, global, 255), None);
        assert_eq!(read(&message, ROUTER, 254), None);
    }

    #[test]
    fn a_cut_message_is_refused_everywhere() {
        let message = advertisement_with(0xc0, 3600, 64);
        for length in 0..message.len() {
            let cut = &message[..length];
            // Cut between two options, the rest is a shorter advertisement.
            let whole = matches!(length, 16 | 24);
            assert_eq!(read(cut, ROUTER, 255).is_some(), whole, "{length}");
        }
        let mut endless = message;
        endless[17] = 0;
        assert_eq!(read(&endless, ROUTER, 255), None);
    }

    #[test]
    fn a_packet_too_big_names_the_tunnel() {
        let mut message = vec![2, 0, 0, 0, 0, 0, 0x05, 0x78];
        let mut quoted = vec![0x60, 0, 0, 0, 0, 100, 41, 64];
        quoted.extend(
            "2001:db8:a::100"
                .parse::<Ipv6Addr>()
                .expect("an address")
                .octets(),
        );
        quoted.extend(
            "2001:db8:d::1"
                .parse::<Ipv6Addr>()
                .expect("an address")
                .octets(),
        );
        message.extend(&quoted);
        let expected = Received::TunnelTooBig {
            anchor: "2001:db8:d::1".parse().expect("an address"),
            mtu: 1400,
        };
        assert_eq!(read(&message, ROUTER, 64), Some(expected));
        message[8 + 6] = 6;
        assert_eq!(read(&message, ROUTER, 64), None);
        // With a Home Address option it is of a route to a correspondent.
        message[8 + 6] = 60;
        assert_eq!(read(&message, ROUTER, 64), None);
        message.extend([17, 2, 1, 2, 0, 0, 0xc9, 16]);
        let expected = Received::RouteTooBig {
            correspondent: "2001:db8:d::1".parse().expect("an address"),
            mtu: 1400,
        };
        assert_eq!(read(&message, ROUTER, 64), Some(expected));
    }

    #[test]
    fn an_advertisement_of_the_home_address_overrides_and_is_unsolicited() {
        let home: Ipv6Addr = "2001:db8:1:1::100".parse().expect("an address");
        let message = neighbor_advertisement(home, [2, 0, 0, 0, 0, 9]);
        assert_eq!((message[0], message[4]), (136, 0x20));
        assert_eq!(message[8..24], home.octets());
        assert_eq!(message[24..], [2, 1, 2, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn a_solicitation_has_the_link_layer_address_or_not() {
        assert_eq!(router_solicitation(None).len(), 8);
        assert_eq!(
            router_solicitation(Some([2, 0, 0, 0, 0, 9]))[8..],
            [1, 1, 2, 0, 0, 0, 0, 9]
        );
    }
}
