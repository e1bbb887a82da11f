//! The rings between the worker and the control plane

use std::sync::atomic::Ordering;

use crate::appliance::*;
use crate::packets::*;
use dhp_engine::{BATCH_SIZE, PuntRates};
use dhp_segment::DropReason;

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
        appliance.receive(CORE, &mobility(CARE_OF, ANCHOR));
        appliance.receive(CORE, &udp(FAR, CORRESPONDENT, 10));
    }
    appliance.poll();
    appliance.assert_conserved();
    assert_eq!(
        appliance.counted(),
        [
            ("rx_packets", 12),
            ("punted_mobility", 4),
            ("ring_full", 2),
            ("forwarded", 6),
            ("tx_packets", 6)
        ]
        .into()
    );
}

#[test]
fn the_last_quarter_of_the_ring_is_for_registered_care_of_addresses() {
    let mut appliance = Appliance::with(Setup {
        ring_slots: 8,
        ..Setup::default()
    });
    // Few strangers look like registered ones, and not all of these do.
    for host in 0..64 {
        let stranger = format!("2001:db8:e::{host:x}");
        appliance.receive(CORE, &mobility(&stranger, ANCHOR));
    }
    while appliance.poll() > 0 {}
    let strangers = appliance.counted()["punted_mobility"];
    for _ in 0..8 {
        appliance.pass(CORE, &mobility(CARE_OF, ANCHOR));
    }
    let punted = appliance.punted();
    assert_eq!(punted.len(), 8);
    let unknown = punted.iter().filter(|(meta, _)| !meta.known).count();
    assert!(unknown <= 6, "{unknown} of 8");
    assert!(strangers >= 6, "{strangers} of 8");
    assert!(punted[7].0.known);
}

fn with_rates(punt_rates: PuntRates) -> Appliance {
    let mut setup = Setup::default();
    setup.config.punt_rates = punt_rates;
    Appliance::with(setup)
}

/// How many of these messages, all of them at one time, reach the control plane as those of known and of unknown sources. A few
/// strangers look like known ones.
fn reach(appliance: &mut Appliance, sources: impl Iterator<Item = String>) -> (usize, usize) {
    let before = appliance.counters().drops(DropReason::PuntRateLimited);
    let mut sent = 0;
    for source in sources {
        appliance.receive(CORE, &mobility(&source, ANCHOR));
        appliance.poll();
        sent += 1;
    }
    appliance.assert_conserved();
    let punted = appliance.punted();
    let dropped = appliance.counters().drops(DropReason::PuntRateLimited) - before;
    assert_eq!(punted.len() as u64 + dropped, sent);
    let known = punted.iter().filter(|(meta, _)| meta.known).count();
    (known, punted.len() - known)
}

#[test]
fn each_source_each_network_and_all_together_have_their_rates() {
    let rates = PuntRates {
        known: 20,
        unknown: 15,
        per_network: 8,
        per_source: 5,
    };
    let one_network = || (1..30).map(|host| format!("2001:db8:a::{host:x}:0"));
    let networks = || (1..30).map(|network| format!("2001:db8:a:{network:x}::1"));
    let registered = || (0..30).map(|_| CARE_OF.to_owned());

    assert_eq!(reach(&mut with_rates(rates), one_network()).1, 8);
    let mut appliance = with_rates(rates);
    let (look_known, unknown) = reach(&mut appliance, networks());
    assert_eq!(unknown, 15);
    let (known, _) = reach(&mut appliance, registered());
    assert_eq!(known + look_known, 20, "a flood takes nothing from them");
    appliance.now_ns += 1_000_000_000;
    assert_eq!(reach(&mut appliance, networks()).1, 15, "a second later");
    // One of them at least does not look like a registered one.
    let strangers = (1..9).map(|host| format!("2001:db8:e:{host:x}::1"));
    let most = strangers.map(|stranger| {
        let mut appliance = with_rates(rates);
        reach(&mut appliance, (0..30).map(|_| stranger.clone())).1
    });
    assert_eq!(most.max(), Some(5), "from one source");
}
