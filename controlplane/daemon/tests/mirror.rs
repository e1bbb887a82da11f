//! From what the kernel has to what the workers do

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use dhpd::mirror::{
    Change, Followed, KernelRoute, KernelState, Link, Neighbour, NextHopFacts, NextHopKey, Plan,
    PlanChanges, PlannedAction, PlannedRoute, Reachability, RouteKind, SolicitationKind, Solicitor,
    Territory, changes, changes_of_territory, plan,
};
use ipnet::Ipv6Net;
use proptest::collection::vec;
use proptest::prelude::*;

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
    let gateways: Vec<_> = state().gateways().collect();
    let expected = [(CORE, address("fe80::a")), (MANAGEMENT, address("fe80::f"))];
    assert_eq!(gateways, expected);
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
    state.apply(Change::Route(refused(
        "2001:db8:4::/48",
        RouteKind::Prohibited,
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
        action(&plan, "2001:db8:4::/48"),
        Some(PlannedAction::Prohibited)
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
        state.apply(Change::RouteGone(vec![default.clone()])),
        Followed::Changed
    );
    assert_eq!(action(&made(&state), "::/0"), None);
    assert_eq!(
        state.apply(Change::RouteGone(vec![default.clone()])),
        Followed::Unclear,
        "of a route that was never there"
    );
    assert_eq!(state.apply(Change::Route(default)), Followed::Changed);
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
    let mut solicitor = Solicitor::default();
    let start = Instant::now();
    let mut asked = |after: u64, state: &KernelState| -> Vec<(Ipv6Addr, SolicitationKind)> {
        let due = solicitor.due(state, &territory(), start + Duration::from_secs(after));
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

/// The next hops of the default route, in the order in which the kernel tries them.
fn defaults(state: &KernelState) -> Vec<Option<Ipv6Addr>> {
    let mut state = state.clone();
    let mut found = Vec::new();
    while let Some(best) = state.best_route(net("::/0")).cloned() {
        found.push(best.gateway);
        state.apply(Change::RouteGone(vec![best]));
    }
    found
}

/// As ip6_route_multipath_add, fib6_add_rt2node and fib6_del_route notify, and without reading anything again.
#[test]
fn multipath_and_replaced_routes_are_followed_by_what_the_notification_says() {
    let mut state = state();
    let [a, b, c] = ["fe80::a", "fe80::b", "fe80::c"].map(|at| route("::/0", CORE, Some(at)));
    let addresses =
        |routes: &[&KernelRoute]| -> Vec<_> { routes.iter().map(|route| route.gateway).collect() };
    let mut follow = |change, expected: &[&KernelRoute]| {
        assert_eq!(state.apply(change), Followed::Changed);
        assert_eq!(defaults(&state), addresses(expected));
    };
    follow(Change::Multipath(vec![a.clone(), b.clone()]), &[&a, &b]);
    follow(Change::RouteGone(vec![a.clone()]), &[&b]);
    follow(Change::Multipath(vec![c.clone(), b.clone()]), &[&c, &b]);
    follow(Change::Replaced(vec![a.clone()]), &[&a]);
    follow(Change::Replaced(vec![b.clone(), c.clone()]), &[&b, &c]);
    // On the link, and so no part of the multipath route: it stands beside it.
    let on_link = route("::/0", CN, None);
    follow(Change::Route(on_link.clone()), &[&b, &c, &on_link]);
    let other = route("::/0", MANAGEMENT, None);
    follow(Change::Replaced(vec![other.clone()]), &[&b, &c, &other]);
    follow(Change::RouteGone(vec![b, c]), &[&other]);
    follow(Change::Replaced(vec![a.clone()]), &[&a]);
    let preferred = KernelRoute { metric: 1, ..other };
    follow(Change::Replaced(vec![preferred.clone()]), &[&preferred, &a]);
}

/// What changes make of a plan, kept as the control plane keeps it.
#[derive(Default)]
struct Followers {
    routes: BTreeMap<Ipv6Net, PlannedRoute>,
    next_hops: BTreeMap<NextHopKey, NextHopFacts>,
    coverage: Vec<Ipv6Net>,
}

impl Followers {
    fn follow(&mut self, changes: PlanChanges) {
        self.next_hops.extend(changes.next_hops);
        for (prefix, route) in changes.routes {
            match route {
                Some(route) => self.routes.insert(prefix, route),
                None => self.routes.remove(&prefix),
            };
        }
        self.coverage = changes.coverage.unwrap_or(self.coverage.clone());
        let used: Vec<NextHopKey> = self.routes.values().filter_map(used).collect();
        self.next_hops.retain(|key, _| used.contains(key));
    }

    fn plan(&self) -> Plan {
        Plan {
            routes: self.routes.values().copied().collect(),
            coverage: self.coverage.clone(),
            next_hops: self.next_hops.clone(),
        }
    }
}

fn used(route: &PlannedRoute) -> Option<NextHopKey> {
    match route.action {
        PlannedAction::Via(key) => Some(key),
        _ => None,
    }
}

fn any_prefix() -> impl Strategy<Value = Ipv6Net> {
    prop::sample::select(vec![
        "::/0",
        "2001:db8::/32",
        "2001:db8:a::/64",
        "2001:db8:a::80/128",
        "2001:db8:c:1::/64",
        "2001:db8:c:1::80/128",
        "2001:db8:d:1::/64",
        "2001:db8:d:1::5/128",
        "2001:db8:d::1/128",
        "2001:db8:e::1/128",
        "2001:db8:e:1::/64",
        "fe80::/64",
    ])
    .prop_map(net)
}

fn any_address() -> impl Strategy<Value = Ipv6Addr> {
    let addresses = [
        "2001:db8:a::80",
        "2001:db8:c:1::80",
        "2001:db8:d:1::5",
        "fe80::a",
        "fe80::c",
    ];
    prop::sample::select(addresses.to_vec()).prop_map(address)
}

fn any_route() -> impl Strategy<Value = KernelRoute> {
    let gateway = prop::option::of(prop::sample::select(vec!["fe80::a", "fe80::c"]));
    let kind = prop::sample::select(vec![
        RouteKind::Unicast,
        RouteKind::Unicast,
        RouteKind::Unicast,
        RouteKind::Local,
        RouteKind::Blackhole,
    ]);
    let mtu = prop::option::of(Just(1400));
    (
        any_prefix(),
        1..3_u32,
        kind,
        CORE..=MANAGEMENT,
        gateway,
        mtu,
        any::<bool>(),
    )
        .prop_map(
            |(destination, metric, kind, interface, gateway, mtu, tunnel)| KernelRoute {
                destination,
                metric,
                kind,
                interface: Some(interface),
                gateway: gateway.map(address),
                mtu,
                encapsulated: tunnel && gateway.is_some(),
            },
        )
}

fn any_change() -> impl Strategy<Value = Change> {
    let mac = prop::sample::select(vec![ROUTER_MAC, SERVER_MAC]);
    let reachability =
        prop::sample::select(vec![Reachability::Confirmed, Reachability::Unresolved]);
    let name = prop::sample::select(vec!["core0", "cn0", "mgmt0", "other0"]);
    prop_oneof![
        4 => any_route().prop_map(Change::Route),
        2 => any_route().prop_map(|route| Change::RouteGone(vec![route])),
        2 => any_route().prop_map(|route| Change::Replaced(vec![route])),
        4 => (CORE..=CN, any_address(), mac, reachability).prop_map(
            |(interface, address, mac, reachability)| Change::Neighbour(Neighbour {
                interface,
                address,
                mac: Some(mac),
                reachability,
            })
        ),
        1 => (CORE..=CN, any_address()).prop_map(|(interface, at)| Change::NeighbourGone(interface, at)),
        1 => (CORE..=MANAGEMENT, name, 1400_u32..1402, any::<bool>()).prop_map(
            |(index, name, mtu, up)| Change::Link(Link {
                index,
                name: name.to_owned(),
                mac: ROUTER_MAC,
                mtu,
                up,
            })
        ),
        1 => (CORE..=MANAGEMENT).prop_map(Change::LinkGone),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// However things happen, in whatever portions they are followed, and whatever is read again: the changes lead to the
    /// plan of everything.
    #[test]
    fn the_changes_lead_to_the_plan(
        portions in vec(vec(any_change(), 1..6), 1..12),
        read_again in vec(any_change(), 0..8),
    ) {
        let mut state = state();
        let mut followers = Followers::default();
        let nothing = Territory::default();
        followers.follow(changes_of_territory(&state, &nothing, &nothing));
        state.take_touched();
        followers.follow(changes_of_territory(&state, &territory(), &nothing));
        prop_assert_eq!(followers.plan(), made(&state));
        for portion in portions {
            for change in portion {
                state.apply(change);
            }
            let touched = state.take_touched();
            followers.follow(changes(&state, &territory(), touched));
            prop_assert_eq!(followers.plan(), made(&state));
        }
        let mut now = state.clone();
        for change in read_again {
            now.apply(change);
        }
        state.resync(now.clone());
        let touched = state.take_touched();
        followers.follow(changes(&state, &territory(), touched));
        prop_assert_eq!(followers.plan(), made(&now));
        let elsewhere = Territory {
            pools: vec![net("2001:db8:e:1::/64")],
            anchors: vec![address("2001:db8:e::1")],
            ports: vec!["cn0".to_owned()],
            ..territory()
        };
        followers.follow(changes_of_territory(&state, &elsewhere, &territory()));
        prop_assert_eq!(followers.plan(), plan(&state, &elsewhere));
    }
}
