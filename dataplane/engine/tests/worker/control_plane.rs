//! The rings between the worker and the control plane

use std::sync::atomic::Ordering;

use crate::appliance::*;
use crate::packets::*;
use dhp_engine::BATCH_SIZE;

const FAR: &str = "2001:db8:a::42";

#[test]
fn injected_packets_go_by_route() {
    let mut appliance = Appliance::new();
    let answer = with_extension(&mobility(ANCHOR, CARE_OF), 43, &type_2_routing_header(HOME));
    appliance.control.inject(0, &answer).expect("room");
    assert_eq!(appliance.poll(), 1);
    assert_eq!(appliance.sent(), [(CORE, answer)], "hop limit and all");
    assert_eq!(
        appliance.counted(),
        [("injected", 1), ("tx_packets", 1)].into()
    );
    appliance.assert_conserved();
}

#[test]
fn injected_packets_to_home_addresses_are_tunnelled() {
    let mut appliance = Appliance::new();
    let test = mobility(ANCHOR, HOME);
    appliance.control.inject(0, &test).expect("room");
    appliance.poll();
    let sent = appliance.sent();
    assert_eq!(sent[0].1[40..], test);
    assert_eq!(destination(&sent[0].1), address(CARE_OF));
    appliance.assert_conserved();
}

#[test]
fn injected_packets_to_strangers_are_left_to_the_kernel() {
    let mut appliance = Appliance::new();
    appliance
        .control
        .inject(0, &mobility(ANCHOR, STRANGER))
        .expect("room");
    appliance.poll();
    assert_eq!(
        appliance.sent()[0],
        (HOST, with_hop_limit(&mobility(ANCHOR, STRANGER), 65))
    );
}

#[test]
fn what_the_control_plane_cannot_have_meant_is_dropped() {
    let mut appliance = Appliance::new();
    let mut longer = mobility(ANCHOR, CARE_OF);
    longer.push(0);
    for wrong in [&[][..], &[0x60; 39], &[0x45; 60], &longer] {
        appliance.control.inject(0, wrong).expect("room");
    }
    appliance
        .control
        .inject(0, &mobility(ANCHOR, UNBOUND_HOME))
        .expect("room");
    assert_eq!(appliance.poll(), 5);
    assert_eq!(
        appliance.counted(),
        [
            ("injected", 5),
            ("injected_malformed", 4),
            ("no_binding", 1)
        ]
        .into()
    );
    appliance.assert_conserved();
}

#[test]
fn a_round_takes_a_batch_and_leaves_the_rest() {
    let mut appliance = Appliance::new();
    for _ in 0..BATCH_SIZE + 3 {
        appliance
            .control
            .inject(0, &mobility(ANCHOR, CARE_OF))
            .expect("room");
    }
    assert_eq!(appliance.poll(), BATCH_SIZE);
    assert_eq!(appliance.poll(), 3);
    assert_eq!(appliance.poll(), 0);
    assert_eq!(appliance.sent().len(), BATCH_SIZE + 3);
}

#[test]
fn a_round_signals_once_whatever_it_punts() {
    let mut appliance = Appliance::new();
    let signals = |appliance: &Appliance| appliance.punt_signals.load(Ordering::Relaxed);
    appliance.pass(CORE, &udp(FAR, CORRESPONDENT, 10));
    assert_eq!(signals(&appliance), 0);
    for _ in 0..10 {
        appliance.receive(CORE, &mobility(FAR, ANCHOR));
        appliance.receive(CN, &mobility(FAR, ANYCAST));
    }
    assert_eq!(appliance.poll(), 20);
    assert_eq!(signals(&appliance), 1);
    appliance.poll();
    assert_eq!(signals(&appliance), 1);
    assert_eq!(appliance.punted().len(), 20);
}

#[test]
fn a_control_plane_that_does_not_listen_costs_signalling_only() {
    let mut appliance = Appliance::with(Setup {
        ring_slots: 4,
        ..Setup::default()
    });
    for _ in 0..6 {
        appliance.receive(CORE, &binding_update(CARE_OF, ANCHOR, HOME));
        appliance.receive(CORE, &udp(FAR, CORRESPONDENT, 10));
    }
    appliance.poll();
    appliance.assert_conserved();
    assert_eq!(
        appliance.counted(),
        [
            ("rx_packets", 12),
            ("punted_mobility", 4),
            ("punted_bound", 4),
            ("ring_full", 2),
            ("forwarded", 6),
            ("tx_packets", 6)
        ]
        .into()
    );
}
