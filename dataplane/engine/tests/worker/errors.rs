//! ICMPv6 errors

use crate::appliance::*;
use crate::packets::*;

const FAR: &str = "2001:db8:a::42";

#[test]
fn each_cause_has_its_error() {
    let routed_by_0 = with_extension(&udp(FAR, ANCHOR, 10), 43, &[0, 0, 0, 1, 0, 0, 0, 0]);
    let routed_by_9 = with_extension(&udp(FAR, ANCHOR, 10), 43, &[0, 0, 9, 1, 0, 0, 0, 0]);
    let cases = [
        (udp(FAR, UNBOUND_HOME, 10), (1, 3, 0)),
        (udp(FAR, NOWHERE, 10), (1, 0, 0)),
        (udp(FAR, PROHIBITED, 10), (1, 1, 0)),
        (with_hop_limit(&udp(FAR, CORRESPONDENT, 10), 1), (3, 0, 0)),
        (with_hop_limit(&udp(FAR, CORRESPONDENT, 10), 0), (3, 0, 0)),
        (with_hop_limit(&udp(FAR, HOME, 10), 1), (3, 0, 0)),
        (with_hop_limit(&udp(FAR, STRANGER, 10), 1), (3, 0, 0)),
        (routed_by_0, (4, 0, 42)),
        (routed_by_9, (4, 0, 42)),
    ];
    for (packet, expected) in cases {
        let mut appliance = Appliance::new();
        let sent = appliance.pass(CORE, &packet);
        let [(CORE, error)] = &sent[..] else {
            panic!("{sent:?}");
        };
        let (kind, code, word, quoted) = icmp_error(error);
        assert_eq!((kind, code, word), expected);
        assert_eq!(quoted, packet, "as it was received");
        assert_eq!(
            (source(error), destination(error)),
            (address(ANCHOR), address(FAR))
        );
        assert_eq!(appliance.counted()["icmp_sent"], 1);
    }
}

/// RFC 8200 §3 has a packet without hops discarded, whatever else is wrong with it, as Linux does.
#[test]
fn what_is_out_of_hops_and_too_long_is_told_of_its_hops() {
    for destination in [NARROW, HOME, STRANGER] {
        let mut appliance = Appliance::with(Setup {
            frame_octets: 9_216,
            ..Setup::default()
        });
        let packet = with_hop_limit(&udp(FAR, destination, 1_600), 1);
        let sent = appliance.pass(CORE, &packet);
        let [(CORE, error)] = &sent[..] else {
            panic!("{sent:?}");
        };
        let (kind, code, _, quoted) = icmp_error(error);
        assert_eq!((kind, code), (3, 0), "{destination}");
        assert_eq!(quoted, &packet[..quoted.len()], "as it was received");
        assert_eq!(appliance.counted()["hop_limit_exceeded"], 1);
        let long = with_hop_limit(&packet, 2);
        let sent = appliance.pass(CORE, &long);
        let (kind, _, _, quoted) = icmp_error(&sent[0].1);
        assert_eq!(kind, 2, "{destination}");
        assert_eq!(
            quoted,
            &long[..quoted.len()],
            "with the hop that it came with"
        );
    }
}

#[test]
fn a_mobile_node_is_answered_through_its_tunnel() {
    let mut appliance = Appliance::new();
    let inner = with_hop_limit(&udp(HOME, CORRESPONDENT, 10), 1);
    let sent = appliance.pass(CORE, &tunnelled(CARE_OF, ANCHOR, &inner));
    let [(CORE, outer)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((outer[6], destination(outer)), (41, address(CARE_OF)));
    let error = &outer[40..];
    assert_eq!(
        (source(error), destination(error)),
        (address(ANCHOR), address(HOME))
    );
    assert_eq!(error[7], 64, "made here, so that it pays no hop");
    let (kind, _, _, quoted) = icmp_error(error);
    assert_eq!((kind, quoted), (3, &inner[..]));
}

#[test]
fn the_host_is_answered_too() {
    let mut appliance = Appliance::new();
    let sent = appliance.pass(HOST, &udp(LOCAL, UNBOUND_HOME, 10));
    let [(HOST, error)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(icmp_error(error).0, 1);
}

/// RFC 4443 §2.4 (e).
#[test]
fn errors_are_not_answered() {
    let mut appliance = Appliance::new();
    let error = raw(FAR, UNBOUND_HOME, 58, &[1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(appliance.pass(CORE, &error), []);
    assert_eq!(
        appliance.counted(),
        [("rx_packets", 1), ("no_binding", 1)].into()
    );
}

#[test]
fn each_cause_has_its_rate() {
    let mut setup = Setup::default();
    setup.config.icmp_errors.per_cause = 10;
    let mut appliance = Appliance::with(setup);
    let unbound = udp(FAR, UNBOUND_HOME, 10);
    for _ in 0..25 {
        appliance.receive(CORE, &unbound);
    }
    appliance.poll();
    appliance.assert_conserved();
    assert_eq!(appliance.sent().len(), 10);
    assert_eq!(appliance.counted()["icmp_rate_limited"], 15);
    assert_eq!(appliance.counted()["no_binding"], 25);
    let expired = with_hop_limit(&udp(FAR, CORRESPONDENT, 10), 1);
    assert_eq!(appliance.pass(CORE, &expired).len(), 1, "another cause");
    assert_eq!(appliance.pass(CORE, &unbound).len(), 0);
    appliance.now_ns += 100_000_000;
    assert_eq!(
        appliance.pass(CORE, &unbound).len(),
        1,
        "a tenth of a second later"
    );
    assert_eq!(appliance.pass(CORE, &unbound).len(), 0);
}

#[test]
fn one_network_does_not_use_up_what_others_are_to_be_told() {
    let mut setup = Setup::default();
    setup.config.icmp_errors.per_network = 10;
    let mut appliance = Appliance::with(setup);
    let mut told = |source: &str| {
        let unbound = udp(source, UNBOUND_HOME, 10);
        let sent = (0..25).map(|_| appliance.pass(CORE, &unbound).len());
        sent.sum::<usize>()
    };
    assert_eq!(told(FAR), 10);
    assert_eq!(told("2001:db8:a::43"), 0, "the same /64");
    assert_eq!(told("2001:db8:b::43"), 10);
}

#[test]
fn an_anchor_without_an_address_sends_none() {
    let mut setup = Setup::default();
    setup.config.anchor_addresses.clear();
    let mut appliance = Appliance::with(setup);
    assert_eq!(appliance.pass(CORE, &udp(FAR, UNBOUND_HOME, 10)), []);
    assert_eq!(
        appliance.counted(),
        [("rx_packets", 1), ("no_binding", 1)].into()
    );
}
