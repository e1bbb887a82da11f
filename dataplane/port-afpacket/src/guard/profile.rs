//! The rules of either kind of box

use dhp_wire::codepoints::next_header;

use super::expression::Expression::{
    self, Accept, DestinationIsLocal, Drop, Masked, NotIpv6, Octet,
};
use super::transaction::Transaction;

/// Where the first next header is in an IPv6 packet, the destination, and the first octets behind the header.
const NEXT_HEADER: u32 = 6;
const DESTINATION: u32 = 24;
const EXTENSION_NEXT_HEADER: u32 = 40;
const ROUTING_TYPE: u32 = 42;
/// RFC 6275 §6.4: the routing header with the home address.
const ROUTING_TYPE_MOBILE_IPV6: u8 = 2;

/// What is kept from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// On a worker's port: the kernel forwards nothing, and gets what is for the box itself except tunnels, routing headers,
    /// destination options and mobility, which it would answer with a Parameter Problem. Neighbour discovery, multicast,
    /// link-local and all that is not IPv6 stay the kernel's.
    Anchor,
    /// On a home link, beside [`Anchor`](Self::Anchor): the kernel does not send back to the link what goes to the link-local
    /// address of a mobile node that is away.
    HomeLink,
    /// On an access interface of a mobile node: the kernel gets all except tunnels, type 2 routing headers and mobility that
    /// are for this node.
    MobileNode,
}

type Rule = (&'static [Expression], &'static str);

const ANCHOR: &[Rule] = &[
    (&[NotIpv6, Accept], "not IPv6"),
    (&[octet(DESTINATION, 0xff), Accept], "multicast"),
    (&[LINK_LOCAL, Accept], "link-local"),
    (&[first(next_header::IPV6), Drop], "tunnel"),
    (&[DestinationIsLocal(false), Drop], "the worker forwards"),
    (&[first(next_header::ROUTING), Drop], "routing header"),
    (
        &[first(next_header::DESTINATION), Drop],
        "destination options",
    ),
    (&[first(next_header::MOBILITY), Drop], "mobility"),
    // What follows a fragment header or hop-by-hop options; in fragments behind the first it is repeated (RFC 8200 §4.5).
    (
        &[
            first(next_header::FRAGMENT),
            second(next_header::IPV6),
            Drop,
        ],
        "tunnel, fragment",
    ),
    (
        &[
            first(next_header::FRAGMENT),
            second(next_header::ROUTING),
            Drop,
        ],
        "routing header, fragment",
    ),
    (
        &[
            first(next_header::FRAGMENT),
            second(next_header::DESTINATION),
            Drop,
        ],
        "destination options, fragment",
    ),
    (
        &[
            first(next_header::FRAGMENT),
            second(next_header::MOBILITY),
            Drop,
        ],
        "mobility, fragment",
    ),
    (
        &[
            first(next_header::HOP_BY_HOP),
            second(next_header::IPV6),
            Drop,
        ],
        "tunnel, hop-by-hop",
    ),
    (
        &[
            first(next_header::HOP_BY_HOP),
            second(next_header::ROUTING),
            Drop,
        ],
        "routing header, hop-by-hop",
    ),
    (
        &[
            first(next_header::HOP_BY_HOP),
            second(next_header::DESTINATION),
            Drop,
        ],
        "destination options, hop-by-hop",
    ),
    (
        &[
            first(next_header::HOP_BY_HOP),
            second(next_header::MOBILITY),
            Drop,
        ],
        "mobility, hop-by-hop",
    ),
];

const HOME_LINK: &[Rule] = &[
    (&[NotIpv6, Accept], "not IPv6"),
    (
        &[LINK_LOCAL, DestinationIsLocal(false), Drop],
        "link-local address of another",
    ),
];

const MOBILE_NODE: &[Rule] = &[
    (&[NotIpv6, Accept], "not IPv6"),
    (
        &[first(next_header::IPV6), DestinationIsLocal(true), Drop],
        "tunnel",
    ),
    (
        &[
            first(next_header::ROUTING),
            octet(ROUTING_TYPE, ROUTING_TYPE_MOBILE_IPV6),
            DestinationIsLocal(true),
            Drop,
        ],
        "type 2 routing header",
    ),
    (
        &[first(next_header::MOBILITY), DestinationIsLocal(true), Drop],
        "mobility",
    ),
];

/// fe80::/10
const LINK_LOCAL: Expression = Masked {
    offset: DESTINATION,
    mask: 0xffc0,
    value: 0xfe80,
};

/// Add the chain of `interface` to `steps`.
pub(super) fn add_chain(steps: &mut Transaction, table: &str, interface: &str, profile: Profile) {
    let chain = format!("in_{interface}");
    steps.add_chain(table, &chain, interface);
    let rules = match profile {
        Profile::Anchor => ANCHOR,
        Profile::HomeLink => HOME_LINK,
        Profile::MobileNode => MOBILE_NODE,
    };
    for (rule, comment) in rules {
        steps.add_rule(table, &chain, rule, comment);
    }
}

const fn octet(offset: u32, value: u8) -> Expression {
    Octet { offset, value }
}

/// The IPv6 header's next header.
const fn first(value: u8) -> Expression {
    octet(NEXT_HEADER, value)
}

/// The next header of the extension header that follows the IPv6 header.
const fn second(value: u8) -> Expression {
    octet(EXTENSION_NEXT_HEADER, value)
}
