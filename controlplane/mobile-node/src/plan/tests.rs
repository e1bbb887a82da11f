//! Which rules, routes and addresses follow from a state

use super::*;
use crate::access::{AddressState, Observation};
use crate::neighbor_discovery::Advertisement;

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn access() -> Access {
    let mut access = Access::new([(2, "wlan0".to_owned())]);
    access.observe(Observation::Link {
        index: 2,
        up: true,
        mtu: Some(1500),
        carrier_losses: None,
    });
    let advertisement = Advertisement {
        router: ip("fe80::a"),
        is_default: true,
        prefixes: Vec::new(),
    };
    access.observe(Observation::Advertised {
        index: 2,
        advertisement,
    });
    let state = AddressState {
        prefix_len: 64,
        usable: true,
        deprecated: false,
        autoconfigured: true,
    };
    access.observe(Observation::Address {
        index: 2,
        address: ip("2001:db8:a::100"),
        state,
    });
    access
}

fn net(text: &str) -> Ipv6Net {
    text.parse().expect("a prefix")
}

#[test]
fn packets_leave_where_their_source_belongs_and_flows_get_theirs() {
    let (hoa, dhp) = (ip("2001:db8:1:1::100"), ip("2001:db8:d::1"));
    let secure = Selector {
        protocol: Some(6),
        ports: vec![443..=443, 8000..=8999],
        ..Selector::default()
    };
    let any = Selector::default();
    let flows = [
        FlowWays {
            selector: &secure,
            mark: None,
            ways: vec![(net("2001:db8:c::/48"), Way::Tunnel(hoa))],
        },
        FlowWays {
            selector: &any,
            mark: None,
            ways: vec![(net("2001:db8:c:3::/64"), Way::Direct)],
        },
    ];
    let needs = Needs {
        tunnel: 9,
        home_addresses: [hoa].into(),
        at_home: None,
        anchors: [dhp].into(),
        flows: &flows,
    };
    let plan = Plan::new(&access(), &needs);
    let rules: Vec<_> = plan
        .rules
        .iter()
        .map(|rule| (rule.from, rule.to, rule.selectors.ports, rule.table))
        .collect();
    let (low, high) = (Some((443, 443)), Some((8000, 8999)));
    assert_eq!(
        rules,
        [
            (Some(ip("2001:db8:a::100")), None, None, TABLE_ACCESS),
            (Some(hoa), None, low, TABLE_FLOWS),
            (Some(hoa), None, high, TABLE_FLOWS),
            (Some(hoa), None, None, TABLE_HOME),
            (None, Some(net("2001:db8:a::/64")), None, TABLE_MAIN),
            (None, Some(dhp.into()), None, TABLE_MAIN),
            (None, None, low, TABLE_FLOWS),
            (None, None, high, TABLE_FLOWS),
            (None, Some(net("2001:db8:c:3::/64")), None, TABLE_MAIN),
        ]
    );
    let flow = plan.routes.iter().find(|route| route.table == TABLE_FLOWS);
    let flow = flow.map(|route| (route.interface, route.prefix, route.source));
    assert_eq!(flow, Some((9, net("2001:db8:c::/48"), Some(hoa))));
    let main = plan.routes.iter().find(|route| route.table == TABLE_MAIN);
    assert_eq!(
        main.and_then(|route| route.source),
        Some(ip("2001:db8:a::100"))
    );
}

#[test]
fn at_home_the_home_address_is_on_its_link_and_its_flows_leave_there() {
    let (hoa, dhoa) = (ip("2001:db8:a::1"), ip("2001:db8:d:1::7"));
    let any = Selector::default();
    let flows = [FlowWays {
        selector: &any,
        mark: None,
        ways: vec![(Ipv6Net::default(), Way::Home(hoa))],
    }];
    let way = CareOf {
        index: 2,
        address: hoa,
        router: ip("fe80::a"),
    };
    let plan = |is_returning| {
        let at_home = AtHome {
            way,
            is_returning,
            detect_duplicates: false,
        };
        let needs = Needs {
            tunnel: 9,
            home_addresses: [hoa, dhoa].into(),
            at_home: Some(at_home),
            anchors: BTreeSet::new(),
            flows: &flows,
        };
        Plan::new(&access(), &needs)
    };
    // Until the home agent has let go, it is on both.
    let returning = plan(true);
    assert!(returning.at_home.contains_key(&(2, hoa)));
    assert_eq!(returning.addresses, [hoa, dhoa].into());
    let table_of = |plan: &Plan, from| {
        let mut rules = plan.rules.iter();
        let rule = rules.find(|rule| rule.from == Some(from) && rule.table < TABLE_FLOWS);
        rule.map(|rule| rule.table)
    };
    assert_eq!(table_of(&returning, hoa), Some(TABLE_HOME));

    let home = plan(false);
    assert!(home.at_home.contains_key(&(2, hoa)));
    assert_eq!(home.addresses, [dhoa].into());
    assert_eq!(table_of(&home, hoa), Some(TABLE_ACCESS));
    assert_eq!(table_of(&home, dhoa), Some(TABLE_HOME));
    let mut routes = home.routes.iter();
    let flow = routes.find(|route| route.table == TABLE_FLOWS);
    let flow = flow.map(|route| (route.interface, route.gateway, route.source));
    assert_eq!(flow, Some((2, Some(way.router), Some(hoa))));
}

#[test]
fn without_a_network_nothing_points_to_one() {
    let access = Access::new([(2, "wlan0".to_owned())]);
    assert_eq!(Plan::new(&access, &Needs::default()), Plan::default());
}
