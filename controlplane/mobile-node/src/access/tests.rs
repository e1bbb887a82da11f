use super::*;

const WLAN: u32 = 2;
const WWAN: u32 = 3;

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn access() -> Access {
    Access::new([(WLAN, "wlan0".to_owned()), (WWAN, "wwan0".to_owned())])
}

fn link(index: u32, up: bool) -> Observation {
    Observation::Link {
        index,
        up,
        mtu: None,
        carrier_losses: None,
    }
}

/// The same where the kernel says how often the carrier was lost.
fn counted_link(up: bool, carrier_losses: u32) -> Observation {
    Observation::Link {
        index: WLAN,
        up,
        mtu: None,
        carrier_losses: Some(carrier_losses),
    }
}

fn address(index: u32, address: &str, autoconfigured: bool) -> Observation {
    Observation::Address {
        index,
        address: ip(address),
        state: AddressState {
            prefix_len: 64,
            usable: true,
            deprecated: false,
            autoconfigured,
        },
    }
}

fn advertised(index: u32, router: &str, prefix: &str) -> Observation {
    Observation::Advertised {
        index,
        advertisement: Advertisement {
            router: ip(router),
            is_default: true,
            prefixes: vec![prefix.parse().expect("a prefix")],
        },
    }
}

/// On network A with the first interface.
fn on_a() -> Access {
    let mut access = access();
    access.observe(link(WLAN, true));
    access.observe(advertised(WLAN, "fe80::a", "2001:db8:a::/64"));
    access.observe(address(WLAN, "2001:db8:a::100", true));
    assert_eq!(current(&access), Some((WLAN, ip("2001:db8:a::100"))));
    access
}

fn current(access: &Access) -> Option<(u32, Ipv6Addr)> {
    access
        .current()
        .map(|care_of| (care_of.index, care_of.address))
}

#[test]
fn a_move_to_another_network_removes_what_belonged_to_the_old_one() {
    let mut access = on_a();
    let orders = access.observe(link(WLAN, false));
    assert_eq!(
        orders,
        [Order::LinkDown { index: WLAN }, Order::CareOf(None)]
    );
    assert_eq!(
        access.observe(link(WLAN, true)),
        [Order::LinkUp { index: WLAN }]
    );
    let orders = access.observe(advertised(WLAN, "fe80::b", "2001:db8:b::/64"));
    assert_eq!(
        orders[1..],
        [
            Order::RemoveRouter {
                index: WLAN,
                router: ip("fe80::a")
            },
            Order::RemoveAddress {
                index: WLAN,
                address: ip("2001:db8:a::100"),
                prefix_len: 64
            }
        ]
    );
    let orders = access.observe(address(WLAN, "2001:db8:b::100", true));
    let care_of = CareOf {
        index: WLAN,
        address: ip("2001:db8:b::100"),
        router: ip("fe80::b"),
    };
    let configured = Order::AddressConfigured {
        index: WLAN,
        address: ip("2001:db8:b::100"),
    };
    assert_eq!(orders, [configured, Order::CareOf(Some(care_of))]);
}

#[test]
fn a_flapping_link_keeps_its_address_once_the_router_lists_its_prefix() {
    let mut access = on_a();
    access.observe(link(WLAN, false));
    access.observe(link(WLAN, true));
    assert_eq!(current(&access), None, "it may be another network");
    let orders = access.observe(advertised(WLAN, "fe80::a", "2001:db8:a::/64"));
    assert!(
        !orders
            .iter()
            .any(|order| matches!(order, Order::RemoveAddress { .. }))
    );
    assert_eq!(current(&access), Some((WLAN, ip("2001:db8:a::100"))));
}

#[test]
fn a_carrier_that_was_away_unseen_may_have_come_back_in_another_network() {
    let mut access = on_a();
    access.observe(counted_link(true, 3));
    assert!(
        access.observe(counted_link(true, 3)).is_empty(),
        "the interface is told of for another reason"
    );
    let orders = access.observe(counted_link(true, 4));
    let index = WLAN;
    let asks = [
        Order::LinkDown { index },
        Order::LinkUp { index },
        Order::CareOf(None),
    ];
    assert_eq!(orders, asks);
    // The next router has the same link-local address.
    access.observe(advertised(WLAN, "fe80::a", "2001:db8:b::/64"));
    access.observe(address(WLAN, "2001:db8:b::100", true));
    assert_eq!(current(&access), Some((WLAN, ip("2001:db8:b::100"))));
    // And where it was the same network after all, the address is good again.
    access.observe(counted_link(true, 6));
    access.observe(advertised(WLAN, "fe80::a", "2001:db8:b::/64"));
    assert_eq!(current(&access), Some((WLAN, ip("2001:db8:b::100"))));
}

#[test]
fn a_carrier_that_is_seen_to_go_and_come_is_one_loss() {
    let mut access = on_a();
    access.observe(counted_link(true, 3));
    let down = access.observe(counted_link(false, 4));
    assert_eq!(down, [Order::LinkDown { index: WLAN }, Order::CareOf(None)]);
    let up = access.observe(counted_link(true, 4));
    assert_eq!(up, [Order::LinkUp { index: WLAN }]);
    assert!(
        access.observe(counted_link(false, 5)).len() == 1
            && access.observe(counted_link(false, 6)).is_empty(),
        "what is down can only come"
    );
}

#[test]
fn a_router_that_repeats_itself_is_no_news() {
    let mut access = on_a();
    let again = || advertised(WLAN, "fe80::a", "2001:db8:a::/64");
    assert!(access.observe(again()).is_empty());
    let other = access.observe(advertised(WLAN, "fe80::a", "2001:db8:a:1::/64"));
    assert!(matches!(other[..], [Order::Advertised { .. }]));
    access.observe(link(WLAN, false));
    access.observe(link(WLAN, true));
    assert!(matches!(
        access.observe(again())[..],
        [Order::Advertised { .. }, ..]
    ));
}

#[test]
fn routers_may_have_the_same_link_local_address_everywhere() {
    let mut access = on_a();
    access.observe(link(WLAN, false));
    access.observe(link(WLAN, true));
    let orders = access.observe(advertised(WLAN, "fe80::a", "2001:db8:b::/64"));
    assert!(
        !orders
            .iter()
            .any(|order| matches!(order, Order::RemoveRouter { .. }))
    );
    assert!(
        orders
            .iter()
            .any(|order| matches!(order, Order::RemoveAddress { .. }))
    );
}

#[test]
fn the_address_may_be_seen_before_the_advertisement() {
    let mut access = on_a();
    access.observe(link(WLAN, false));
    access.observe(link(WLAN, true));
    access.observe(Observation::DefaultRoute {
        index: WLAN,
        router: ip("fe80::b"),
    });
    access.observe(address(WLAN, "2001:db8:b::100", true));
    assert_eq!(current(&access), Some((WLAN, ip("2001:db8:b::100"))));
}

#[test]
fn addresses_that_an_administrator_has_set_need_no_advertisement() {
    let mut access = access();
    access.observe(Observation::DefaultRoute {
        index: WLAN,
        router: ip("fe80::a"),
    });
    access.observe(address(WLAN, "2001:db8:a::2", false));
    assert_eq!(current(&access), None);
    access.observe(link(WLAN, true));
    assert_eq!(current(&access), Some((WLAN, ip("2001:db8:a::2"))));
}

#[test]
fn an_address_is_used_when_it_is_usable_and_there_is_a_router() {
    let mut access = access();
    access.observe(link(WLAN, true));
    let tentative = Observation::Address {
        index: WLAN,
        address: ip("2001:db8:a::100"),
        state: AddressState {
            prefix_len: 64,
            usable: false,
            deprecated: false,
            autoconfigured: true,
        },
    };
    access.observe(tentative);
    access.observe(advertised(WLAN, "fe80::a", "2001:db8:a::/64"));
    assert_eq!(current(&access), None);
    access.observe(address(WLAN, "2001:db8:a::100", true));
    assert!(current(&access).is_some());
    access.observe(Observation::DefaultRouteGone {
        index: WLAN,
        router: ip("fe80::a"),
    });
    assert_eq!(current(&access), None, "it lost its router");
}

#[test]
fn the_preferred_interface_wins_while_it_can_be_used() {
    let mut access = on_a();
    access.observe(link(WWAN, true));
    access.observe(advertised(WWAN, "fe80::b", "2001:db8:b::/64"));
    access.observe(address(WWAN, "2001:db8:b::200", true));
    assert_eq!(current(&access), Some((WLAN, ip("2001:db8:a::100"))));
    // Make before break: the other one is asked for while both have an address.
    access.prefer(Some(WWAN));
    assert_eq!(current(&access), Some((WWAN, ip("2001:db8:b::200"))));
    access.observe(link(WWAN, false));
    assert_eq!(current(&access), Some((WLAN, ip("2001:db8:a::100"))));
    access.prefer(None);
    access.observe(link(WWAN, true));
    assert_eq!(current(&access), Some((WLAN, ip("2001:db8:a::100"))));
}

#[test]
fn an_interface_that_is_asked_for_too_early_is_used_when_it_is_ready() {
    let mut access = on_a();
    access.prefer(Some(WWAN));
    assert_eq!(current(&access), Some((WLAN, ip("2001:db8:a::100"))));
    access.observe(link(WWAN, true));
    access.observe(advertised(WWAN, "fe80::b", "2001:db8:b::/64"));
    access.observe(address(WWAN, "2001:db8:b::200", true));
    assert_eq!(current(&access), Some((WWAN, ip("2001:db8:b::200"))));
}

#[test]
fn a_second_interface_is_told_of_while_the_first_stays_in_use() {
    let mut access = on_a();
    access.observe(link(WWAN, true));
    access.observe(advertised(WWAN, "fe80::b", "2001:db8:b::/64"));
    let orders = access.observe(address(WWAN, "2001:db8:b::100", true));
    assert!(orders.contains(&Order::Attached), "{orders:?}");
    let attached = |access: &Access| -> Vec<u32> {
        let attached = access.attached().into_iter();
        attached.map(|care_of| care_of.index).collect()
    };
    assert_eq!(attached(&access), [WLAN, WWAN]);
    access.prefer(Some(WWAN));
    assert_eq!(attached(&access), [WWAN, WLAN], "the one in use first");
    let orders = access.observe(link(WLAN, false));
    assert!(orders.contains(&Order::Attached), "{orders:?}");
    assert_eq!(attached(&access), [WWAN]);
}
