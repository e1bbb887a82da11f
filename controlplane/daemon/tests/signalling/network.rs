//! Tunnels follow the routes and neighbours of the kernel

use dhp_wire::icmpv6::{IcmpError, write_error};
use dhpd::mirror::{Change, KernelRoute};

use crate::rig::*;

fn bound() -> Rig {
    let mut rig = Rig::new();
    rig.core
        .push(&frame(&binding_update(1, CARE_OF)))
        .expect("room");
    rig.settle();
    rig.core.pop().expect("acknowledged");
    rig
}

/// Where the tunnelled packet leaves, after what the kernel tells has settled.
fn sent(rig: &mut Rig) -> Option<(&'static str, [u8; 6])> {
    rig.settle();
    rig.cn.push(&downlink(HOME)).expect("room");
    rig.poll();
    for (name, wire) in [("core0", &rig.core), ("cn0", &rig.cn)] {
        if let Some(frame) = wire.pop() {
            return Some((name, ends(&frame).0));
        }
    }
    rig.host.pop().map(|_| ("dhp0", [0; 6]))
}

#[test]
fn a_router_with_another_mac_address() {
    let mut rig = bound();
    assert_eq!(sent(&mut rig), Some(("core0", ROUTER_MAC)));
    let other = [2, 0, 0, 0, 0, 0xb];
    rig.happen([neighbour(CORE, "fe80::a", other)]);
    assert_eq!(sent(&mut rig), Some(("core0", other)));
}

#[test]
fn a_router_that_no_longer_answers_is_left_to_the_kernel() {
    let mut rig = bound();
    rig.happen([Change::NeighbourGone(
        CORE,
        "fe80::a".parse().expect("an address"),
    )]);
    assert_eq!(sent(&mut rig), Some(("dhp0", [0; 6])));
    rig.happen([neighbour(CORE, "fe80::a", ROUTER_MAC)]);
    assert_eq!(sent(&mut rig), Some(("core0", ROUTER_MAC)));
}

#[test]
fn a_more_specific_route_moves_the_tunnel_and_its_mtu() {
    let mut rig = bound();
    let narrow = KernelRoute {
        mtu: Some(1400),
        ..route("2001:db8:a::/48", CN, Some("fe80::c"))
    };
    rig.happen([
        Change::Route(narrow.clone()),
        neighbour(CN, "fe80::c", SERVER_MAC),
    ]);
    assert_eq!(sent(&mut rig), Some(("cn0", SERVER_MAC)));
    let path = rig.signalling.forwarding().bound(HOME).expect("bound").path;
    assert_eq!(path.mtu, 1360);
    rig.happen([Change::RouteGone(vec![narrow])]);
    assert_eq!(sent(&mut rig), Some(("core0", ROUTER_MAC)));
    assert_eq!(
        rig.signalling
            .forwarding()
            .bound(HOME)
            .expect("bound")
            .path
            .mtu,
        1460
    );
}

#[test]
fn next_hops_that_come_and_go_leave_nothing_behind() {
    let mut rig = bound();
    for round in 0_u8..100 {
        let gateway = format!("fe80::1:{round:x}");
        let specific = route("2001:db8:a::/48", CN, Some(&gateway));
        let mac = [2, 0, 0, 1, 0, round];
        rig.happen([
            Change::Route(specific.clone()),
            neighbour(CN, &gateway, mac),
        ]);
        assert_eq!(sent(&mut rig), Some(("cn0", mac)), "round {round}");
        let gone = Change::NeighbourGone(CN, gateway.parse().expect("an address"));
        rig.happen([Change::RouteGone(vec![specific]), gone]);
        assert_eq!(sent(&mut rig), Some(("core0", ROUTER_MAC)), "round {round}");
    }
    assert!(rig.signalling.network_error().is_none());
}

/// A tunnel goes by the longest prefix of its care-of address: routes of other prefixes do not move it, and a neighbour that
/// comes after its route does.
#[test]
fn only_routes_of_the_care_of_address_move_a_tunnel() {
    let mut rig = bound();
    let path = |rig: &Rig| rig.signalling.forwarding().bound(HOME).expect("bound").path;
    let before = path(&rig);
    for beside in ["2001:db8:9::/48", "2001:db8:b::/48"] {
        rig.happen([Change::Route(route(beside, CN, Some("fe80::c")))]);
        assert_eq!(sent(&mut rig), Some(("core0", ROUTER_MAC)), "{beside}");
    }
    assert_eq!(path(&rig), before);
    // The neighbour comes later than the routes by it: the tunnel follows what now has a number.
    rig.happen([Change::Route(route("2001:db8:a::/48", CN, Some("fe80::c")))]);
    rig.settle();
    rig.happen([neighbour(CN, "fe80::c", SERVER_MAC)]);
    assert_eq!(sent(&mut rig), Some(("cn0", SERVER_MAC)));
}

/// A next hop that goes and comes back before the workers have let go of the old one.
#[test]
fn a_flapping_router_is_found_again() {
    let mut rig = bound();
    let without = {
        let mut state = rig.kernel.clone();
        state.apply(Change::RouteGone(vec![route(
            "::/0",
            CORE,
            Some("fe80::a"),
        )]));
        planned(&state)
    };
    let with = planned(&rig.kernel);
    for _ in 0..20 {
        rig.signalling.follow_network(&without);
        rig.signalling.follow_network(&with);
    }
    assert_eq!(sent(&mut rig), Some(("core0", ROUTER_MAC)));
}

#[test]
fn more_routes_than_there_is_room_for_are_an_error_that_heals() {
    let mut rig = bound();
    let many: Vec<Change> = (0..100)
        .map(|number| {
            Change::Route(route(
                &format!("2001:db8:{:x}::/48", 0x1000 + number),
                CN,
                None,
            ))
        })
        .collect();
    rig.happen(many);
    rig.settle();
    let error = rig.signalling.network_error().expect("too many").to_owned();
    assert!(error.contains("64"), "{error}");
    assert_eq!(
        sent(&mut rig),
        Some(("core0", ROUTER_MAC)),
        "the routes before stay in force"
    );
    let gone: Vec<Change> = (0..100)
        .map(|number| {
            Change::RouteGone(vec![route(
                &format!("2001:db8:{:x}::/48", 0x1000 + number),
                CN,
                None,
            )])
        })
        .collect();
    rig.happen(gone);
    rig.settle();
    assert_eq!(rig.signalling.network_error(), None);
}

#[test]
fn more_neighbours_than_there_is_room_for_go_through_the_kernel() {
    let mut rig = bound();
    let many = (0..64).map(|number| {
        neighbour(
            CN,
            &format!("2001:db8:c:1::{:x}", 0x100 + number),
            SERVER_MAC,
        )
    });
    // More routes than fit, too, would be the other error.
    rig.happen(many.take(40));
    assert_eq!(sent(&mut rig), Some(("core0", ROUTER_MAC)));
    assert!(rig.signalling.network_error().is_none());
}

/// A router on the way to the mobile node refuses what the anchor has sent through the tunnel last.
fn refuse(rig: &mut Rig, mtu: u32) {
    rig.cn.push(&downlink(HOME)).expect("room");
    rig.poll();
    let tunnelled = rig.core.pop().expect("a tunnel packet").split_off(14);
    let router = "2001:db8:f:1::2".parse().expect("an address");
    let mut message = [0; 1280];
    let error = IcmpError::PacketTooBig { mtu };
    let length =
        write_error(&mut message, &router, &ANCHOR, error, &tunnelled).expect("room for it");
    rig.core.push(&frame(&message[..length])).expect("room");
    rig.settle();
}

fn tunnel_mtu(rig: &Rig) -> u16 {
    let forwarding = rig.signalling.forwarding();
    forwarding.bound(HOME).expect("bound").path.mtu
}

#[test]
fn a_narrow_path_is_learned_and_tried_again_later() {
    let mut rig = bound();
    refuse(&mut rig, 1400);
    assert_eq!(tunnel_mtu(&rig), 1360);
    refuse(&mut rig, 1450);
    assert_eq!(
        tunnel_mtu(&rig),
        1360,
        "paths do not get wider by a message"
    );
    refuse(&mut rig, 1000);
    assert_eq!(tunnel_mtu(&rig), 1360, "no IPv6 path is that narrow");
    rig.pass(599_000_000_000);
    rig.core
        .push(&frame(&binding_update(2, CARE_OF)))
        .expect("room");
    rig.settle();
    rig.core.pop().expect("acknowledged");
    assert_eq!(tunnel_mtu(&rig), 1360, "a refresh changes no path");
    rig.pass(1_000_000_001);
    rig.settle();
    assert_eq!(
        tunnel_mtu(&rig),
        1460,
        "RFC 8201 has it forgotten after 10 minutes"
    );
}

#[test]
fn another_care_of_address_is_another_path() {
    let mut rig = bound();
    refuse(&mut rig, 1400);
    let elsewhere = "2001:db8:b::77".parse().expect("an address");
    rig.core
        .push(&frame(&binding_update(2, elsewhere)))
        .expect("room");
    rig.settle();
    assert_eq!(tunnel_mtu(&rig), 1460);
}
