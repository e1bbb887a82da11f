use super::*;
use dhpctl::{Binding, BoundFlow, CareOf, NumberedCareOf, WorkerCounters};

#[test]
fn times_have_two_units() {
    assert_eq!(
        [0, 59, 61, 3_700, 90_000].map(span),
        ["0s", "59s", "1m 1s", "1h 1m", "1d 1h"]
    );
}

#[test]
fn a_binding_is_one_line() {
    let page = Bindings {
        bindings: vec![Binding {
            home_address: "2001:db8:d:1::7".parse().expect("an address"),
            role: "home".to_owned(),
            kind: "dhoa".to_owned(),
            mobile_node: Some("mn1@example.net".to_owned()),
            correspondent: None,
            care_of: CareOf {
                address: "2001:db8:a::5".parse().expect("an address"),
                next_hop: None,
                port: None,
                tunnel_mtu: 1460,
                under_test: false,
            },
            remaining_seconds: Some(590),
            packets: 12,
            octets: 3_456,
            care_ofs: Vec::new(),
            flows: Vec::new(),
        }],
        more: false,
    };
    let text = bindings(&page);
    assert_eq!(text.lines().count(), 2);
    let row = "2001:db8:d:1::7  home  dhoa  mn1@example.net  -              2001:db8:a::5    by the kernel  -     1460      9m 50s       12    3456";
    assert_eq!(text.lines().nth(1), Some(row));
}

#[test]
fn several_care_of_addresses_and_flows_have_tables_of_their_own() {
    let care_of = CareOf {
        address: "2001:db8:a::5".parse().expect("an address"),
        next_hop: None,
        port: None,
        tunnel_mtu: 1460,
        under_test: true,
    };
    let page = Bindings {
        bindings: vec![Binding {
            home_address: "2001:db8:d:1::7".parse().expect("an address"),
            role: "home".to_owned(),
            kind: "dhoa".to_owned(),
            mobile_node: Some("mn1@example.net".to_owned()),
            correspondent: None,
            care_of: care_of.clone(),
            remaining_seconds: None,
            packets: 0,
            octets: 0,
            care_ofs: vec![NumberedCareOf {
                bid: 2,
                priority: 10,
                care_of,
                remaining_seconds: Some(61),
            }],
            flows: vec![BoundFlow {
                fid: 4,
                priority: 30,
                selector: "destination-port 443 protocol 6".to_owned(),
                bids: vec![2, 9],
                is_active: true,
            }],
        }],
        more: false,
    };
    let text = bindings(&page);
    let (_, further) = text.split_once("\n\n").expect("a second table");
    assert_eq!(
        further,
        "HOME ADDRESS     BID  PRIORITY  CARE-OF ADDRESS       NEXT HOP       PORT  TUNNEL MTU  EXPIRES IN\n\
         2001:db8:d:1::7    2        10  2001:db8:a::5 (test)  by the kernel  -           1460       1m 1s\n\n\
         HOME ADDRESS     FLOW  PRIORITY  STATE   BIDS  PACKETS FROM CORRESPONDENTS\n\
         2001:db8:d:1::7     4        30  active  2,9   destination-port 443 protocol 6\n"
    );
}

#[test]
fn a_correspondents_binding_says_whose_packets_go_there() {
    let page = Bindings {
        bindings: vec![Binding {
            home_address: "2001:db8:77::1".parse().expect("an address"),
            role: "correspondent".to_owned(),
            kind: "foreign".to_owned(),
            mobile_node: None,
            correspondent: "2001:db8:c:1::80".parse().ok(),
            care_of: CareOf {
                address: "2001:db8:a::5".parse().expect("an address"),
                next_hop: None,
                port: None,
                tunnel_mtu: 1476,
                under_test: false,
            },
            remaining_seconds: Some(59),
            packets: 1,
            octets: 2,
            care_ofs: Vec::new(),
            flows: Vec::new(),
        }],
        more: false,
    };
    let text = bindings(&page);
    let row = "2001:db8:77::1  correspondent  foreign  -            2001:db8:c:1::80  2001:db8:a::5    by the kernel  -     1476         59s        1       2";
    assert_eq!(text.lines().nth(1), Some(row));
}

#[test]
fn a_port_is_one_line() {
    let text = ports(&[Port {
        name: "core0".to_owned(),
        driver: "dpdk".to_owned(),
        link_up: true,
        link: "Link up at 10 Gbps FDX Fixed".to_owned(),
        mtu: 1500,
        mac: "02:00:00:00:0a:01".to_owned(),
        rx_packets: 7,
        rx_missed: 0,
        tx_packets: 5,
        tx_failed: 1,
        counters: [("rx_good_packets".to_owned(), 7)].into(),
    }]);
    assert_eq!(
        text,
        "PORT   DRIVER  LINK                          MAC                 MTU  RX PACKETS  MISSED  TX PACKETS  FAILED\n\
         core0  dpdk    Link up at 10 Gbps FDX Fixed  02:00:00:00:0a:01  1500           7       0           5       1\n"
    );
}

#[test]
fn pools_have_a_column_for_each_state() {
    let pool = |prefix: &str, states: &[(&str, u64)]| Pool {
        prefix: prefix.to_owned(),
        kind: "dhoa".to_owned(),
        addresses: states
            .iter()
            .map(|(state, count)| ((*state).to_owned(), *count))
            .collect(),
    };
    let text = pools(&[
        pool("2001:db8:1::/64", &[("assigned", 3)]),
        pool("2001:db8:2::/64", &[("quarantined", 1)]),
    ]);
    assert_eq!(
        text,
        "PREFIX           KIND  ASSIGNED  QUARANTINED\n\
         2001:db8:1::/64  dhoa         3            -\n\
         2001:db8:2::/64  dhoa         -            1\n"
    );
}

#[test]
fn counters_of_zero_are_left_out() {
    let all = Counters {
        workers: vec![WorkerCounters {
            worker: 0,
            counters: [("rx_packets".to_owned(), 5), ("tx_packets".to_owned(), 0)].into(),
            drops: [("no_route".to_owned(), 2)].into(),
        }],
        engine: BTreeMap::new(),
    };
    let text = counters(&all);
    assert!(
        text.contains("worker 0          rx_packets      5"),
        "{text}"
    );
    assert!(
        text.contains("worker 0 dropped  no_route        2"),
        "{text}"
    );
    assert!(!text.contains("tx_packets"), "{text}");
}
