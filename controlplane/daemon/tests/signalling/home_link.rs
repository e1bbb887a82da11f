//! Single addresses of a real home link are tunnelled, whatever routes and neighbours say of the link

use std::net::Ipv6Addr;

use dhp_proto::anchor::{LinkId, MessageKind};
use dhp_wire::ethernet::MacAddr;
use dhp_wire::icmpv6::{Body, Builder};
use dhp_wire::mobility::{Message, MobilityHeader};
use dhp_wire::packet::{MobilityPacket, compose_icmpv6};
use dhpd::journal::Journal;
use dhpd::mirror::{Change, PlannedAction};

use crate::rig::*;

const LINK: LinkId = LinkId(0);
const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x99];
const SECOND_NS: u64 = 1_000_000_000;
const HOME_TEXT: &str = "2001:db8:1:1::100";

/// A home agent whose home prefix is on the link of cn0.
fn rig() -> Rig {
    let mut config = anchor_config();
    for pool in &mut config.pools {
        pool.link = (pool.prefix == net("2001:db8:1:1::/64")).then_some(LINK);
    }
    let mut territory = territory();
    territory.pools.retain(|pool| !pool.contains(&HOME));
    let mut rig = Rig::with(config, territory);
    rig.happen([Change::Route(route("2001:db8:1:1::/64", CN, None))]);
    rig.settle();
    rig
}

/// What the workers do with packets to the home address.
fn action(rig: &Rig) -> Option<PlannedAction> {
    let mut routes = rig.signalling.forwarding().routes_after(None);
    let host = routes.find(|route| route.prefix == HOME.into());
    host.map(|route| route.action)
}

/// The status that the Binding Acknowledgement at core0 has.
fn status(rig: &mut Rig) -> Option<u8> {
    let frame = rig.core.pop()?;
    let packet = MobilityPacket::parse(&frame[14..]).expect("a Mobility Header");
    let header = MobilityHeader::parse(packet.mh).expect("whole");
    match header.message(&Default::default()).expect("known") {
        Message::BindingAcknowledgement(acknowledgement) => Some(acknowledgement.status.0),
        _ => None,
    }
}

/// Register, up to the probe.
fn update(rig: &mut Rig, sequence: u16) {
    let update = frame(&binding_update(sequence, CARE_OF));
    rig.core.push(&update).expect("room");
    rig.settle();
    assert_eq!(
        status(rig),
        None,
        "duplicate address detection takes a second"
    );
}

fn bound() -> Rig {
    let mut rig = rig();
    update(&mut rig, 1);
    rig.pass(SECOND_NS);
    rig.settle();
    assert_eq!(status(&mut rig), Some(0));
    assert_eq!(action(&rig), Some(PlannedAction::Pool));
    rig
}

/// Where a packet to the home address leaves.
fn leaves_by(rig: &mut Rig) -> Option<(&'static str, [u8; 6])> {
    rig.settle();
    rig.core.push(&downlink(HOME)).expect("room");
    rig.poll();
    for (name, wire) in [("core0", &rig.core), ("cn0", &rig.cn)] {
        if let Some(frame) = wire.pop() {
            return Some((name, ends(&frame).0));
        }
    }
    rig.host.pop().map(|_| ("dhp0", [0; 6]))
}

#[test]
fn an_address_is_the_link_s_until_it_is_bound_and_again_after() {
    let mut rig = bound();
    assert_eq!(leaves_by(&mut rig), Some(("core0", ROUTER_MAC)));
    assert!(rig.signalling.release(HOME));
    assert_eq!(action(&rig), None);
    // To the kernel, which asks for it on the link.
    assert_eq!(leaves_by(&mut rig), Some(("dhp0", [0; 6])));
}

#[test]
fn a_neighbour_that_claims_a_bound_address_gets_its_packets_only_afterwards() {
    let mut rig = bound();
    rig.happen([neighbour(CN, HOME_TEXT, HOST_MAC)]);
    assert_eq!(leaves_by(&mut rig), Some(("core0", ROUTER_MAC)));
    assert!(rig.signalling.release(HOME));
    assert_eq!(leaves_by(&mut rig), Some(("cn0", HOST_MAC)));
}

#[test]
fn a_neighbour_from_before_has_its_packets_again() {
    let mut rig = rig();
    rig.happen([neighbour(CN, HOME_TEXT, HOST_MAC)]);
    assert_eq!(leaves_by(&mut rig), Some(("cn0", HOST_MAC)));
    update(&mut rig, 1);
    rig.pass(SECOND_NS);
    rig.settle();
    assert_eq!(status(&mut rig), Some(0));
    assert_eq!(leaves_by(&mut rig), Some(("core0", ROUTER_MAC)));
    // Meanwhile it is forgotten, comes back with another address, and goes in between.
    let address: Ipv6Addr = HOME_TEXT.parse().expect("an address");
    rig.happen([Change::NeighbourGone(CN, address)]);
    rig.settle();
    let other = [2, 0, 0, 0, 0, 0x98];
    rig.happen([neighbour(CN, HOME_TEXT, other)]);
    assert_eq!(leaves_by(&mut rig), Some(("core0", ROUTER_MAC)));
    assert!(rig.signalling.release(HOME));
    assert_eq!(leaves_by(&mut rig), Some(("cn0", other)));
    assert!(rig.signalling.network_error().is_none());
}

#[test]
fn who_answers_a_probe_keeps_the_address() {
    let mut rig = rig();
    update(&mut rig, 1);
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let body = Body::NeighborAdvertisement {
        flags: 0,
        target: HOME,
    };
    let message = Builder::new(&body).finish(&HOME, &all_nodes);
    let packet = compose_icmpv6(&HOME, &all_nodes, None, None, &message);
    rig.signalling
        .hear_on_link(LINK, MacAddr(HOST_MAC), &packet);
    rig.settle();
    assert_eq!(status(&mut rig), Some(134));
    rig.pass(2 * SECOND_NS);
    rig.settle();
    assert_eq!(action(&rig), None);
}

#[test]
fn a_mobile_node_that_has_come_home_is_answered_once() {
    let mut rig = bound();
    let answered = |rig: &Rig, status| {
        let counters = rig.signalling.anchor().counters();
        counters.sent(MessageKind::BindingAcknowledgement, status)
    };
    // Its home address for a care-of address is a de-registration.
    let home = binding_update(2, HOME);
    rig.signalling.hear_on_link(LINK, MacAddr(HOST_MAC), &home);
    assert_eq!(action(&rig), None);
    assert_eq!((answered(&rig, 0), answered(&rig, 135)), (2, 0));
    // The worker's copy of the same frame, which it looks at after that.
    rig.cn.push(&frame(&home)).expect("room");
    rig.settle();
    assert_eq!((answered(&rig, 0), answered(&rig, 135)), (2, 0));
    // Sent again it is another packet, and its number is used.
    rig.cn.push(&frame(&home)).expect("room");
    rig.settle();
    assert_eq!((answered(&rig, 0), answered(&rig, 135)), (2, 1));
}

#[test]
fn what_is_no_packet_is_not_heard() {
    let mut rig = rig();
    for octets in [&[][..], &[0x60; 39], &[0x60, 0, 0, 0, 0, 0, 58, 255]] {
        rig.signalling.hear_on_link(LINK, MacAddr(HOST_MAC), octets);
    }
}

/// Where the link is real, the route of the home address and its defence come back with the binding, and nobody is asked for
/// duplicates: there was a binding all the time.
#[test]
fn a_restart_keeps_intercepting() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal");
    let start = || {
        let mut rig = rig();
        let (journal, restored) = Journal::open(&path, &[]).expect("a journal");
        rig.signalling.keep_state(journal, restored);
        rig
    };
    let mut before = start();
    assert_eq!(action(&before), None);
    update(&mut before, 1);
    before.pass(SECOND_NS);
    before.settle();
    assert_eq!(status(&mut before), Some(0));
    let intercepted = action(&before);
    assert!(intercepted.is_some());
    drop(before);

    let mut again = start();
    again.settle();
    assert_eq!(action(&again), intercepted);
    assert!(again.signalling.anchor().answers_for(LINK, HOME));
    let refresh = frame(&binding_update(2, OTHER_CARE_OF));
    again.core.push(&refresh).expect("room");
    again.settle();
    assert_eq!(status(&mut again), Some(0), "at once");
}
