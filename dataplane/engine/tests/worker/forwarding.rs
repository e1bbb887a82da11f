//! Transit: neither for the box nor for a home address

use crate::appliance::*;
use crate::packets::*;

const FAR: &str = "2001:db8:a::42";

#[test]
fn forwarded_by_route_with_one_hop_less() {
    let mut appliance = Appliance::new();
    let packet = udp(FAR, CORRESPONDENT, 100);
    assert_eq!(
        appliance.pass(CORE, &packet),
        [(CN, with_hop_limit(&packet, 63))]
    );
    let back = udp(CORRESPONDENT, FAR, 100);
    assert_eq!(
        appliance.pass(CN, &back),
        [(CORE, with_hop_limit(&back, 63))]
    );
    assert_eq!(
        appliance.counted(),
        [("rx_packets", 2), ("tx_packets", 2), ("forwarded", 2)].into()
    );
}

/// Routing headers, Home Address options and broken option chains are for those they are addressed to.
#[test]
fn extension_headers_are_not_touched_in_transit() {
    let packet = udp(FAR, CORRESPONDENT, 10);
    for packet in [
        with_extension(&packet, 43, &[0, 0, 0, 1, 0, 0, 0, 0]),
        with_extension(&packet, 43, &type_2_routing_header(HOME)),
        with_extension(&packet, 60, &home_address_header(HOME)),
        with_extension(&packet, 44, &fragment_header(8, true)),
        mobility(FAR, CORRESPONDENT),
        tunnelled(FAR, CORRESPONDENT, &packet),
    ] {
        let mut appliance = Appliance::new();
        assert_eq!(
            appliance.pass(CORE, &packet),
            [(CN, with_hop_limit(&packet, 63))]
        );
    }
}

#[test]
fn an_on_link_stranger_is_found_by_the_kernel() {
    let mut appliance = Appliance::new();
    let packet = udp(FAR, STRANGER, 10);
    // One hop taken here, one given back for the kernel to take.
    assert_eq!(appliance.pass(CORE, &packet), [(HOST, packet)]);
    assert_eq!(appliance.counted()["neighbour_pending"], 1);
}

#[test]
fn an_unresolved_router_is_found_by_the_kernel() {
    let mut appliance = Appliance::new();
    let packet = with_hop_limit(&udp(FAR, PENDING, 10), 255);
    assert_eq!(appliance.pass(CORE, &packet), [(HOST, packet)]);
}

#[test]
fn queries_to_prefixes_that_are_not_covered_are_forwarded() {
    let mut appliance = Appliance::new();
    let query = mobility(FAR, "2001:db8:f::fdff:ffff:ffff:fffe");
    assert_eq!(
        appliance.pass(CORE, &query),
        [(CN, with_hop_limit(&query, 63))]
    );
}

#[test]
fn what_is_no_query_passes_the_anycast_address_by() {
    let mut appliance = Appliance::new();
    let packet = udp(FAR, ANYCAST, 10);
    // The /64 is on-link, and no neighbour has that address.
    assert_eq!(appliance.pass(CORE, &packet), [(HOST, packet)]);
}

#[test]
fn the_next_links_mtu_is_answered() {
    let mut appliance = Appliance::new();
    let fitting = udp(FAR, NARROW, 1300 - 48);
    assert_eq!(appliance.pass(CORE, &fitting).len(), 1);
    let sent = appliance.pass(CORE, &udp(FAR, NARROW, 1301 - 48));
    let [(CORE, error)] = &sent[..] else {
        panic!("{sent:?}");
    };
    let (kind, _, mtu, _) = icmp_error(error);
    assert_eq!((kind, mtu), (2, 1300));
}

#[test]
fn the_kernel_is_not_given_back_what_it_sent() {
    let mut appliance = Appliance::new();
    for destination in [STRANGER, PENDING, LOCAL, ANCHOR] {
        assert_eq!(appliance.pass(HOST, &udp(ANCHOR, destination, 10)), []);
    }
    let counted = appliance.counted();
    assert_eq!(
        (counted["neighbour_unresolved"], counted["no_route"]),
        (2, 2)
    );
}
