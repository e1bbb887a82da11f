//! Whom the control plane hears when too many want to be heard

use dhp_engine::PuntRates;
use dhp_segment::{DropReason, OptimizedRoute, PuntClass};

use crate::appliance::*;
use crate::packets::*;

const FAR: &str = "2001:db8:e::42";

fn with_rates(punt_rates: PuntRates) -> Appliance {
    let mut setup = Setup::default();
    setup.config.punt_rates = punt_rates;
    Appliance::with(setup)
}

/// The class of each of these packets that reach the control plane, all of them sent at one time.
fn reach(appliance: &mut Appliance, packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<PuntClass> {
    for packet in packets {
        appliance.receive(CORE, &packet);
        appliance.poll();
    }
    appliance.assert_conserved();
    let punted = appliance.punted();
    punted.iter().map(|(meta, _)| meta.class).collect()
}

fn count(classes: &[PuntClass], class: PuntClass) -> usize {
    classes.iter().filter(|one| **one == class).count()
}

/// Signalling from so many networks, of which a few look like registered care-of addresses.
fn strangers(networks: u16) -> impl Iterator<Item = Vec<u8>> {
    (1..=networks).map(|network| mobility(&format!("2001:db8:a:{network:x}::1"), ANCHOR))
}

/// One who does not look like a registered care-of address, which depends on the segment's secret seed.
fn stranger(appliance: &mut Appliance) -> String {
    let mut hosts = (1..).map(|host| format!("2001:db8:e::{host:x}"));
    let is_stranger = |host: &String| {
        let classes = reach(appliance, [mobility(host, ANCHOR)]);
        classes == [PuntClass::Stranger]
    };
    hosts.find(is_stranger).expect("one of many")
}

#[test]
fn the_class_of_a_packet_is_told_by_what_it_names_and_where_it_comes_from() {
    let class = |packet: Vec<u8>| reach(&mut Appliance::new(), [packet]);
    for (packet, expected) in [
        (binding_update(CARE_OF, ANCHOR, HOME), PuntClass::Bound),
        (binding_update(FAR, ANCHOR, HOME), PuntClass::Handoff),
        (
            binding_update(PREVIOUS_CARE_OF, ANCHOR, OTHER_HOME),
            PuntClass::Bound,
        ),
        (
            dhp_binding_update(CARE_OF, ANCHOR, &[HOME]),
            PuntClass::Bound,
        ),
        (
            dhp_binding_update(CARE_OF, ANCHOR, &[UNBOUND_HOME, HOME]),
            PuntClass::Bound,
        ),
        (
            dhp_binding_update(FAR, ANCHOR, &[UNBOUND_HOME, HOME]),
            PuntClass::Handoff,
        ),
        // Home addresses that are bound, but not to there.
        (
            binding_update(CARE_OF, ANCHOR, OTHER_HOME),
            PuntClass::Handoff,
        ),
        (
            tunnelled(CARE_OF, ANCHOR, &mobility(HOME, ANCHOR)),
            PuntClass::Bound,
        ),
        (mobility(CARE_OF, ANCHOR), PuntClass::Known),
        (
            binding_update(CARE_OF, ANCHOR, UNBOUND_HOME),
            PuntClass::Known,
        ),
        (dhp_binding_update(CARE_OF, ANCHOR, &[]), PuntClass::Known),
        // Another message than an update is no handoff, whatever it names.
        (
            with_extension(
                &mobility(CARE_OF, ANCHOR),
                60,
                &home_address_header(OTHER_HOME),
            ),
            PuntClass::Known,
        ),
    ] {
        assert_eq!(class(packet.clone()), [expected], "{packet:02x?}");
    }
    let mut appliance = Appliance::new();
    let stranger = stranger(&mut appliance);
    for packet in [
        binding_update(&stranger, ANCHOR, UNBOUND_HOME),
        dhp_binding_update(&stranger, ANCHOR, &[UNBOUND_HOME]),
        dhp_binding_update(&stranger, ANCHOR, &["::"]),
        dhp_binding_update(&stranger, ANCHOR, &[]),
    ] {
        assert_eq!(
            reach(&mut appliance, [packet.clone()]),
            [PuntClass::Stranger],
            "{packet:02x?}"
        );
    }
}

#[test]
fn a_message_that_lists_many_addresses_is_looked_at_in_part() {
    let mut appliance = Appliance::new();
    let stranger = stranger(&mut appliance);
    let listed = |unbound: usize| {
        let mut dhoas = vec![UNBOUND_HOME; unbound];
        dhoas.push(HOME);
        dhp_binding_update(&stranger, ANCHOR, &dhoas)
    };
    assert_eq!(
        reach(&mut appliance, [listed(3), listed(4)]),
        [PuntClass::Handoff, PuntClass::Stranger]
    );
}

#[test]
fn the_configured_code_points_tell_an_update() {
    let mut setup = Setup::default();
    setup.config.code_points.mh_type = 200;
    let mut appliance = Appliance::with(setup);
    let stranger = stranger(&mut appliance);
    let mut update = dhp_binding_update(&stranger, ANCHOR, &[HOME]);
    assert_eq!(
        reach(&mut appliance, [update.clone()]),
        [PuntClass::Stranger]
    );
    update[42] = 200;
    assert_eq!(reach(&mut appliance, [update]), [PuntClass::Handoff]);
}

#[test]
fn whom_the_box_knows_as_a_correspondent_moves_as_others_do() {
    let roamer = "2001:db8:b::f00d";
    let at = "2001:db8:a::77";
    let mut appliance = Appliance::new();
    let next_hop = appliance
        .writer
        .binding(address(HOME))
        .expect("bound")
        .next_hop;
    appliance
        .writer
        .publish_optimized(&OptimizedRoute {
            correspondent: address(ANCHOR),
            home_address: address(roamer),
            care_of: address(at),
            previous: None,
            next_hop,
            path_mtu: 1500,
        })
        .expect("room");
    assert_eq!(
        reach(
            &mut appliance,
            [at, FAR].map(|source| binding_update(source, ANCHOR, roamer))
        ),
        [PuntClass::Bound, PuntClass::Handoff]
    );
}

const RATES: PuntRates = PuntRates {
    bound: 30,
    handoffs: 25,
    per_home_address: 10,
    known: 20,
    unknown: 15,
    per_network: 8,
    per_source: 5,
};

#[test]
fn each_source_each_network_and_all_together_have_their_rates() {
    let one_network = (1..30).map(|host| mobility(&format!("2001:db8:a::{host:x}:0"), ANCHOR));
    let most = reach(&mut with_rates(RATES), one_network);
    assert_eq!(count(&most, PuntClass::Stranger), 8);

    let mut appliance = with_rates(RATES);
    let first = reach(&mut appliance, strangers(60));
    assert_eq!(count(&first, PuntClass::Stranger), 15);
    let registered = (0..30).map(|_| mobility(CARE_OF, ANCHOR));
    let then = reach(&mut appliance, registered);
    let known = count(&first, PuntClass::Known) + count(&then, PuntClass::Known);
    assert_eq!(known, 20, "a flood of few takes nothing from them");
    appliance.now_ns += 1_000_000_000;
    let later = reach(&mut appliance, strangers(60));
    assert_eq!(count(&later, PuntClass::Stranger), 15, "a second later");

    let mut appliance = with_rates(RATES);
    let stranger = stranger(&mut appliance);
    appliance.now_ns += 1_000_000_000;
    let alone = reach(&mut appliance, (0..30).map(|_| mobility(&stranger, ANCHOR)));
    assert_eq!(count(&alone, PuntClass::Stranger), 5, "from one source");
}

#[test]
fn a_flood_of_strangers_stops_neither_refreshes_nor_handoffs() {
    let mut appliance = with_rates(RATES);
    reach(&mut appliance, strangers(200));
    let dropped = appliance.counters();
    assert!(dropped.drops(DropReason::PuntRateLimited) > 100);
    let updates = (0..10).flat_map(|_| {
        [
            binding_update(CARE_OF, ANCHOR, HOME),
            dhp_binding_update(OTHER_CARE_OF, ANCHOR, &[OTHER_HOME]),
        ]
    });
    let refreshes = reach(&mut appliance, updates);
    assert_eq!(refreshes, [PuntClass::Bound; 20]);
    let from = |host| format!("2001:db8:e:{host:x}::1");
    let moves = (0..10).flat_map(|host| {
        [
            binding_update(&from(host), ANCHOR, HOME),
            dhp_binding_update(&from(host + 100), ANCHOR, &[OTHER_HOME]),
        ]
    });
    let handoffs = reach(&mut appliance, moves);
    assert_eq!(handoffs, [PuntClass::Handoff; 20]);
}

#[test]
fn who_knows_one_home_address_uses_up_what_that_one_may_have() {
    let mut appliance = with_rates(RATES);
    let from = |host| format!("2001:db8:e:{host:x}::1");
    let flood = (0..200).map(|host| binding_update(&from(host), ANCHOR, HOME));
    let heard = reach(&mut appliance, flood);
    assert_eq!(count(&heard, PuntClass::Handoff), 10);
    assert_eq!(count(&heard, PuntClass::Stranger), 15, "as anybody");
    let counters = appliance.counters();
    assert_eq!(counters.drops(DropReason::PuntHandoffLimited), 175);
    // Of that home address itself refreshes still come through, and of others all.
    let others = reach(
        &mut appliance,
        [
            binding_update(CARE_OF, ANCHOR, HOME),
            binding_update(FAR, ANCHOR, OTHER_HOME),
        ],
    );
    assert_eq!(others, [PuntClass::Bound, PuntClass::Handoff]);
}

#[test]
fn one_place_does_not_use_up_the_handoffs_of_all() {
    let mut appliance = with_rates(PuntRates {
        per_home_address: 100,
        unknown: 0,
        ..RATES
    });
    let from_one = (0..30).map(|_| binding_update(FAR, ANCHOR, HOME));
    assert_eq!(reach(&mut appliance, from_one).len(), 5);
    let one_network = (0..30).map(|host| {
        let source = format!("2001:db8:f:0::{host:x}");
        binding_update(&source, ANCHOR, HOME)
    });
    assert_eq!(reach(&mut appliance, one_network).len(), 8);
    let networks = (1..60).map(|network| {
        let source = format!("2001:db8:e:{network:x}::1");
        binding_update(&source, ANCHOR, HOME)
    });
    assert_eq!(reach(&mut appliance, networks).len(), 25 - 5 - 8);
}

#[test]
fn a_full_ring_has_room_for_the_more_urgent() {
    let mut appliance = Appliance::with(Setup {
        ring_slots: 8,
        ..Setup::default()
    });
    // Of all these some look like registered care-of addresses, and not all.
    for packet in strangers(64) {
        appliance.receive(CORE, &packet);
    }
    while appliance.poll() > 0 {}
    for _ in 0..8 {
        appliance.receive(CORE, &mobility(CARE_OF, ANCHOR));
    }
    appliance.poll();
    for host in 0..8 {
        let source = format!("2001:db8:e:{host:x}::1");
        appliance.receive(CORE, &binding_update(&source, ANCHOR, HOME));
    }
    appliance.poll();
    for _ in 0..8 {
        appliance.receive(CORE, &binding_update(CARE_OF, ANCHOR, HOME));
    }
    appliance.poll();
    let punted = appliance.punted();
    let classes: Vec<_> = punted.iter().map(|(meta, _)| meta.class).collect();
    assert!(count(&classes, PuntClass::Stranger) <= 4, "{classes:?}");
    assert!(classes[..6].iter().all(|class| *class <= PuntClass::Known));
    assert_eq!(classes[6..], [PuntClass::Handoff, PuntClass::Bound]);
}
