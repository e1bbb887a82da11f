//! From what the kernel has to what the workers do

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use dhpd::mirror::{
    Change, Followed, KernelRoute, KernelState, Link, Neighbour, NextHopKey, Plan, PlannedAction,
    Reachability, RouteKind, SolicitationKind, Solicitor, Territory, plan,
};
use ipnet::Ipv6Net;

const CORE: u32 = 2;
const CN: u32 = 3;
const MANAGEMENT: u32 = 4;
const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xc];

fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn net(text: &str) -> Ipv6Net {
    text.parse().expect("a prefix")
}

fn link(index: u32, name: &str) -> Change {
    Change::Link(Link {
        index,
        name: name.to_owned(),
        mac: [2, 0, 0, 0, 1, u8::try_from(index).expect("small")],
        mtu: 1500,
        up: true,
    })
}

fn route(destination: &str, interface: u32, gateway: Option<&str>) -> KernelRoute {
    KernelRoute {
        destination: net(destination),
        metric: 1024,
        kind: RouteKind::Unicast,
        interface: Some(interface),
        gateway: gateway.map(address),
        mtu: None,
        encapsulated: false,
    }
}

fn local(destination: &str) -> KernelRoute {
    KernelRoute {
        kind: RouteKind::Local,
        metric: 0,
        ..route(destination, CORE, None)
    }
}

fn neighbour(interface: u32, at: &str, mac: [u8; 6], reachability: Reachability) -> Neighbour {
    Neighbour {
        interface,
        address: address(at),
        mac: Some(mac),
        reachability,
    }
}

fn territory() -> Territory {
    Territory {
        ports: vec!["core0".to_owned(), "cn0".to_owned()],
        anchors: vec![address("2001:db8:d::1")],
        pools: vec![net("2001:db8:d:1::/64")],
        coverage: vec![net("2001:db8:c::/48")],
    }
}

/// A router with a port on either side, a management interface, and a default route.
fn state() -> KernelState {
    let mut state = KernelState::default();
    for change in [
        link(1, "lo"),
        link(CORE, "core0"),
        link(CN, "cn0"),
        link(MANAGEMENT, "mgmt0"),
        Change::Route(route("::/0", CORE, Some("fe80::a"))),
        Change::Route(route("2001:db8:a::/64", CORE, None)),
        Change::Route(route("2001:db8:c:1::/64", CN, None)),
        Change::Route(route("2001:db8:f::/48", MANAGEMENT, Some("fe80::f"))),
        Change::Route(route("fe80::/64", CORE, None)),
        Change::Route(route("ff00::/8", CORE, None)),
        Change::Route(local("::1/128")),
        Change::Route(local("2001:db8:a::1/128")),
        Change::Route(local("2001:db8:d::1/128")),
        Change::Route(local("fe80::2/128")),
        Change::Neighbour(neighbour(
            CORE,
            "fe80::a",
            ROUTER_MAC,
            Reachability::Confirmed,
        )),
        Change::Neighbour(neighbour(
            CN,
            "2001:db8:c:1::80",
            SERVER_MAC,
            Reachability::Stale,
        )),
    ] {
        assert_ne!(state.apply(change.clone()), Followed::Unclear, "{change:?}");
    }
    state
}

fn made(state: &KernelState) -> Plan {
    plan(state, &territory())
}

fn action(plan: &Plan, prefix: &str) -> Option<PlannedAction> {
    let route = plan.routes.iter().find(|route| route.prefix == net(prefix));
    route.map(|route| route.action)
}

fn via(port: u16, at: &str) -> PlannedAction {
    PlannedAction::Via(NextHopKey {
        port,
        address: address(at),
    })
}

#[test]
fn a_router_is_planned_as_a_whole() {
    let plan = made(&state());
    let all: Vec<(String, PlannedAction)> = plan
        .routes
        .iter()
        .map(|route| (route.prefix.to_string(), route.action))
        .collect();
    let expected = [
        ("::/0", via(0, "fe80::a")),
        ("2001:db8:a::/64", PlannedAction::Connected { port: 0 }),
        ("2001:db8:a::1/128", PlannedAction::Local),
        ("2001:db8:c:1::/64", PlannedAction::Connected { port: 1 }),
        ("2001:db8:c:1::80/128", via(1, "2001:db8:c:1::80")),
        ("2001:db8:d::1/128", PlannedAction::Anchor),
        ("2001:db8:d:1::/64", PlannedAction::Pool),
        ("2001:db8:f::/48", PlannedAction::ByKernel),
    ];
    assert_eq!(
        all,
        expected.map(|(prefix, action)| (prefix.to_owned(), action))
    );
    let macs: Vec<_> = plan
        .next_hops
        .iter()
        .map(|(key, facts)| (key.port, facts.mac, facts.source_mac, facts.mtu))
        .collect();
    assert_eq!(
        macs,
        [
            (0, Some(ROUTER_MAC), [2, 0, 0, 0, 1, 2], 1500),
            (1, Some(SERVER_MAC), [2, 0, 0, 0, 1, 3], 1500)
        ]
    );
    assert_eq!(plan.gateways, [(CORE, address("fe80::a"))]);
}

#[test]
fn a_neighbour_without_an_answer_leaves_its_link_to_the_kernel() {
    let mut state = state();
    state.apply(Change::Neighbour(neighbour(
        CN,
        "2001:db8:c:1::80",
        SERVER_MAC,
        Reachability::Unresolved,
    )));
    state.apply(Change::NeighbourGone(CORE, address("fe80::a")));
    let plan = made(&state);
    assert_eq!(action(&plan, "2001:db8:c:1::80/128"), None);
    assert_eq!(
        action(&plan, "::/0"),
        Some(via(0, "fe80::a")),
        "the route stays"
    );
    let macs: Vec<_> = plan.next_hops.values().map(|facts| facts.mac).collect();
    assert_eq!(macs, [None], "only its next hop is unresolved");
}

/// The kernel makes an entry for whoever claims an address in a Neighbor Solicitation.
#[test]
fn nobody_attracts_traffic_by_claiming_an_address_of_elsewhere() {
    let mut state = state();
    for claimed in [
        "2001:db8:c:1::81",
        "2001:db8:99::1",
        "2001:db8:d:1::5",
        "2001:db8:d::1",
        "2001:db8:a::1",
    ] {
        state.apply(Change::Neighbour(neighbour(
            CORE,
            claimed,
            ROUTER_MAC,
            Reachability::Confirmed,
        )));
    }
    let plan = made(&state);
    assert_eq!(
        action(&plan, "2001:db8:c:1::81/128"),
        None,
        "of the other link"
    );
    assert_eq!(
        action(&plan, "2001:db8:99::1/128"),
        None,
        "behind the default route"
    );
    assert_eq!(action(&plan, "2001:db8:d:1::5/128"), None, "of a pool");
    assert_eq!(
        action(&plan, "2001:db8:d::1/128"),
        Some(PlannedAction::Anchor),
        "the anchor itself"
    );
    assert_eq!(
        action(&plan, "2001:db8:a::1/128"),
        Some(PlannedAction::Local),
        "the box itself"
    );
}

#[test]
fn a_pool_is_not_routed_elsewhere_but_addresses_of_the_box_stay_its_own() {
    let mut state = state();
    state.apply(Change::Route(route("2001:db8:d:1::/64", MANAGEMENT, None)));
    state.apply(Change::Route(route("2001:db8:d:1:8000::/65", CN, None)));
    state.apply(Change::Route(local("2001:db8:d:1::1/128")));
    let plan = made(&state);
    assert_eq!(
        action(&plan, "2001:db8:d:1::/64"),
        Some(PlannedAction::Pool)
    );
    assert_eq!(action(&plan, "2001:db8:d:1:8000::/65"), None);
    assert_eq!(
        action(&plan, "2001:db8:d:1::1/128"),
        Some(PlannedAction::Local)
    );
}

#[test]
fn metrics_mtus_and_refusals() {
    let mut state = state();
    let better = KernelRoute {
        metric: 100,
        mtu: Some(1400),
        ..route("::/0", CN, Some("fe80::c"))
    };
    state.apply(Change::Route(better));
    let refused = |destination, kind| KernelRoute {
        kind,
        ..route(destination, 1, None)
    };
    state.apply(Change::Route(refused(
        "2001:db8:1::/48",
        RouteKind::Unreachable,
    )));
    state.apply(Change::Route(refused(
        "2001:db8:2::/48",
        RouteKind::Blackhole,
    )));
    let tunnelled = KernelRoute {
        encapsulated: true,
        ..route("2001:db8:3::/48", CORE, Some("fe80::a"))
    };
    state.apply(Change::Route(tunnelled));
    let plan = made(&state);
    assert_eq!(
        action(&plan, "::/0"),
        Some(via(1, "fe80::c")),
        "the lower metric"
    );
    let default = plan.routes.iter().find(|route| route.prefix == net("::/0"));
    assert_eq!(default.map(|route| route.mtu), Some(1400));
    assert_eq!(
        action(&plan, "2001:db8:1::/48"),
        Some(PlannedAction::Unreachable)
    );
    assert_eq!(
        action(&plan, "2001:db8:2::/48"),
        Some(PlannedAction::Blackhole)
    );
    assert_eq!(
        action(&plan, "2001:db8:3::/48"),
        Some(PlannedAction::ByKernel)
    );
}

#[test]
fn equal_states_make_equal_plans() {
    let mut other = KernelState::default();
    for change in [
        Change::Route(local("2001:db8:d::1/128")),
        Change::Neighbour(neighbour(
            CN,
            "2001:db8:c:1::80",
            SERVER_MAC,
            Reachability::Confirmed,
        )),
        Change::Route(route("::/0", CORE, Some("fe80::a"))),
    ] {
        other.apply(change);
    }
    for change in [link(CORE, "core0"), link(CN, "cn0")] {
        other.apply(change);
    }
    assert_eq!(made(&other), made(&other.clone()));
    assert_ne!(made(&other), made(&state()));
}

#[test]
fn notifications_are_followed_or_said_to_be_unclear() {
    let mut state = state();
    let default = route("::/0", CORE, Some("fe80::a"));
    assert_eq!(state.apply(Change::Route(default.clone())), Followed::Same);
    assert_eq!(
        state.apply(Change::RouteGone(default.clone())),
        Followed::Changed
    );
    assert_eq!(action(&made(&state), "::/0"), None);
    assert_eq!(
        state.apply(Change::RouteGone(default.clone())),
        Followed::Unclear,
        "of a route that was never there"
    );
    assert_eq!(state.apply(Change::Route(default)), Followed::Changed);
    let sibling = route("::/0", CN, Some("fe80::c"));
    assert_eq!(
        state.apply(Change::Route(sibling)),
        Followed::Unclear,
        "a second next hop"
    );
    assert_eq!(state.apply(Change::RoutesUnclear), Followed::Unclear);
    let server = neighbour(CN, "2001:db8:c:1::80", SERVER_MAC, Reachability::Stale);
    assert_eq!(state.apply(Change::Neighbour(server)), Followed::Same);
    assert_eq!(
        state.apply(Change::NeighbourGone(CN, server.address)),
        Followed::Changed
    );
    assert_eq!(
        state.apply(Change::NeighbourGone(CN, server.address)),
        Followed::Same
    );
    let down = Link {
        up: false,
        ..state.link(CN).expect("a link").clone()
    };
    assert_eq!(
        state.apply(Change::Link(down)),
        Followed::Unclear,
        "routes may have gone without a word"
    );
    assert_eq!(state.apply(Change::LinkGone(CORE)), Followed::Unclear);
    assert_eq!(
        state.neighbours().count(),
        0,
        "neighbours go with their link"
    );
    assert_eq!(state.apply(Change::LinkGone(CORE)), Followed::Same);
}

#[test]
fn gateways_are_solicited_until_they_answer_and_stale_hosts_now_and_then() {
    let mut state = state();
    state.apply(Change::NeighbourGone(CORE, address("fe80::a")));
    state.apply(Change::Neighbour(neighbour(
        MANAGEMENT,
        "2001:db8:f::9",
        SERVER_MAC,
        Reachability::Stale,
    )));
    let plan = made(&state);
    let mut solicitor = Solicitor::default();
    let start = Instant::now();
    let mut asked = |after: u64, state: &KernelState| -> Vec<(Ipv6Addr, SolicitationKind)> {
        let due = solicitor.due(
            state,
            &plan,
            &territory(),
            start + Duration::from_secs(after),
        );
        due.iter()
            .map(|solicitation| (solicitation.address, solicitation.kind))
            .collect()
    };
    let gateway = (address("fe80::a"), SolicitationKind::Manage);
    let server = (address("2001:db8:c:1::80"), SolicitationKind::Use);
    assert_eq!(
        asked(0, &state),
        [gateway, server],
        "none that is on no port"
    );
    assert_eq!(asked(1, &state), [], "not so soon again");
    assert_eq!(asked(4, &state), [gateway]);
    state.apply(Change::Neighbour(neighbour(
        CORE,
        "fe80::a",
        ROUTER_MAC,
        Reachability::Confirmed,
    )));
    assert_eq!(asked(20, &state), []);
    assert_eq!(asked(40, &state), [server], "still stale");
}
