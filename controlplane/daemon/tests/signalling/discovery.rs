//! Home agents and prefixes, asked for by ICMPv6 (RFC 6275 §10.5, §10.6)

use std::net::Ipv6Addr;

use dhp_wire::icmpv6::{Body, Builder};
use dhp_wire::ipv6::home_agents_anycast;
use dhp_wire::packet::{IcmpPacket, compose_icmpv6};

use crate::rig::*;

/// A message to an address, with a Home Address option if it is to have one.
fn ask(body: &Body, to: Ipv6Addr, home_address: Option<&Ipv6Addr>) -> Vec<u8> {
    let message = Builder::new(body).finish(home_address.unwrap_or(&CARE_OF), &to);
    frame(&compose_icmpv6(&CARE_OF, &to, home_address, None, &message))
}

#[test]
fn the_home_agent_of_a_home_prefix_is_found() {
    let mut rig = Rig::new();
    let request = Body::HomeAgentDiscoveryRequest { identifier: 7 };
    rig.core
        .push(&ask(&request, home_agents_anycast(&HOME), None))
        .expect("room");
    rig.settle();
    let answer = rig.core.pop().expect("a reply");
    assert_eq!(ends(&answer), (ROUTER_MAC, ANCHOR, CARE_OF));
    let packet = IcmpPacket::parse(&answer[14..]).expect("an ICMPv6 packet");
    let reply = packet.read().expect("a reply");
    assert_eq!(reply.body, Body::HomeAgentDiscoveryReply { identifier: 7 });
    assert!(reply.addresses.iter().eq([ANCHOR]));
}

#[test]
fn a_bound_mobile_node_is_told_of_its_prefix() {
    let mut rig = Rig::new();
    let solicitation = Body::MobilePrefixSolicitation { identifier: 9 };
    rig.core
        .push(&frame(&binding_update(1, CARE_OF)))
        .expect("room");
    rig.settle();
    rig.core.pop().expect("acknowledged");
    rig.core
        .push(&ask(&solicitation, ANCHOR, Some(&HOME)))
        .expect("room");
    rig.settle();
    let answer = rig.core.pop().expect("an advertisement");
    assert_eq!(ends(&answer), (ROUTER_MAC, ANCHOR, CARE_OF));
    let packet = IcmpPacket::parse(&answer[14..]).expect("an ICMPv6 packet");
    assert!(packet.checksum_is_valid());
    assert_eq!(packet.type2_home, Some(HOME));
    let expected = Body::MobilePrefixAdvertisement {
        identifier: 9,
        flags: 0,
    };
    assert_eq!(packet.read().expect("an advertisement").body, expected);
}
