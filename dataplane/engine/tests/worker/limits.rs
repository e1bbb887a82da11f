//! Limits of single bindings: the credit of a care-of address under test, and the cap on the rate

use dhp_segment::{CareOfTest, DropReason, TestedCareOf, Tunnel};

use crate::appliance::*;
use crate::packets::*;

const SECOND_NS: u64 = 1_000_000_000;
const VICTIM: &str = "2001:db8:b::666";

fn limited(change: impl FnOnce(&mut Tunnel)) -> Appliance {
    let mut appliance = Appliance::new();
    publish(&mut appliance, change);
    appliance
}

fn publish(appliance: &mut Appliance, change: impl FnOnce(&mut Tunnel)) {
    let mut tunnel = appliance
        .writer
        .binding(address(HOME))
        .expect("bound")
        .tunnel();
    change(&mut tunnel);
    appliance
        .writer
        .publish_binding(address(HOME), &tunnel)
        .expect("room");
}

fn on_trial(tunnel: &mut Tunnel, tested: Option<TestedCareOf>) {
    tunnel.care_of = address(VICTIM);
    tunnel.test = Some(CareOfTest { tested });
}

/// To whom packets of 1,000 octets with their tunnel headers go.
fn send(appliance: &mut Appliance, packets: usize) -> Vec<std::net::Ipv6Addr> {
    let packet = udp(CORRESPONDENT, HOME, 1_000 - 40 - 48);
    (0..packets)
        .flat_map(|_| appliance.pass(CN, &packet))
        .map(|(_, outer)| destination(&outer))
        .collect()
}

#[test]
fn a_care_of_address_under_test_gets_3000_octets_and_what_the_mobile_node_sends() {
    let mut appliance = limited(|tunnel| on_trial(tunnel, None));
    assert_eq!(send(&mut appliance, 10), [address(VICTIM); 3]);
    let drops = appliance.counters().drops(DropReason::CareOfTestCredit);
    assert_eq!(drops, 7);
    // 2,000 octets from the mobile node, wherever it is.
    let uplink = tunnelled(VICTIM, ANCHOR, &udp(HOME, CORRESPONDENT, 1_000 - 40 - 48));
    for _ in 0..2 {
        assert_eq!(appliance.pass(CORE, &uplink).len(), 1);
    }
    assert_eq!(send(&mut appliance, 10), [address(VICTIM); 2]);
}

#[test]
fn what_exceeds_the_credit_goes_to_the_tested_care_of_address() {
    let mut appliance = Appliance::new();
    publish(&mut appliance, |tunnel| {
        let tested = TestedCareOf {
            care_of: tunnel.care_of,
            next_hop: tunnel.next_hop,
            mtu: tunnel.mtu,
        };
        on_trial(tunnel, Some(tested));
    });
    let expected = [[address(VICTIM); 3], [address(CARE_OF); 3]].concat();
    assert_eq!(send(&mut appliance, 6), expected);
    // Packets are taken from both, and count for both.
    for from in [CARE_OF, VICTIM] {
        let uplink = tunnelled(from, ANCHOR, &udp(HOME, CORRESPONDENT, 1_000 - 40 - 48));
        assert_eq!(appliance.pass(CORE, &uplink).len(), 1, "{from}");
    }
    let expected = [[address(VICTIM); 2], [address(CARE_OF); 2]].concat();
    assert_eq!(send(&mut appliance, 4), expected);
    assert_eq!(appliance.counters().total_drops(), 0);
}

#[test]
fn what_came_before_the_test_counts_for_eight_seconds() {
    for (later_ns, expected) in [(0, 5), (7 * SECOND_NS, 5), (9 * SECOND_NS, 3)] {
        let mut appliance = limited(|tunnel| tunnel.metered = true);
        let uplink = tunnelled(CARE_OF, ANCHOR, &udp(HOME, CORRESPONDENT, 1_000 - 40 - 48));
        for _ in 0..2 {
            appliance.pass(CORE, &uplink);
        }
        appliance.now_ns += later_ns;
        publish(&mut appliance, |tunnel| on_trial(tunnel, None));
        assert_eq!(send(&mut appliance, 10).len(), expected, "{later_ns}");
    }
}

#[test]
fn neither_a_refresh_nor_soon_another_care_of_address_renews_the_credit() {
    let mut appliance = limited(|tunnel| on_trial(tunnel, None));
    assert_eq!(send(&mut appliance, 4).len(), 3);
    publish(&mut appliance, |tunnel| tunnel.mtu -= 8);
    assert_eq!(send(&mut appliance, 4).len(), 0);
    publish(&mut appliance, |tunnel| tunnel.care_of = address(CARE_OF));
    assert_eq!(send(&mut appliance, 4).len(), 0);
    appliance.now_ns += 8 * SECOND_NS;
    appliance.writer.heartbeat(appliance.now_ns);
    publish(&mut appliance, |tunnel| tunnel.care_of = address(VICTIM));
    assert_eq!(send(&mut appliance, 4).len(), 3);
    publish(&mut appliance, |tunnel| tunnel.test = None);
    assert_eq!(send(&mut appliance, 40).len(), 40, "it has passed");
}

#[test]
fn a_cap_holds_a_binding_to_its_rate_and_no_other() {
    let mut appliance = limited(|tunnel| tunnel.rate_cap = Some(100_000));
    let mut sent = send(&mut appliance, 50).len();
    assert!(
        (10..=12).contains(&sent),
        "a tenth of a second's worth: {sent}"
    );
    for _ in 0..10 {
        appliance.now_ns += SECOND_NS / 10;
        sent += send(&mut appliance, 20).len();
    }
    assert!((109..=112).contains(&sent), "{sent}");
    let dropped = appliance.counters().drops(DropReason::BindingRateCap);
    assert_eq!(dropped, 250 - sent as u64);
    let other = udp(CORRESPONDENT, OTHER_HOME, 1_000 - 40 - 48);
    let others = (0..50).map(|_| appliance.pass(CN, &other).len());
    assert_eq!(others.sum::<usize>(), 50);
}

/// What the box itself sends, and its ICMPv6 errors, could serve a flood as well.
#[test]
fn the_box_itself_keeps_to_the_credit_too() {
    let mut appliance = limited(|tunnel| on_trial(tunnel, None));
    let packet = udp(ANCHOR, HOME, 1_000 - 40 - 48);
    let sent: usize = (0..10).map(|_| appliance.pass(HOST, &packet).len()).sum();
    assert_eq!(sent, 3);
}
