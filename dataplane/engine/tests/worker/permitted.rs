//! No packet leaves that no rule permits: the worker held against the plain reading in `model.rs`

use proptest::collection::vec;
use proptest::prelude::*;

use crate::appliance::*;
use crate::explained::unexplained;
use crate::model::{self, World};
use crate::mutation::{Numbers, corpus, mutate};
use crate::packets::udp;
use crate::strategies::{arrival, batch, packet};

/// Pass all packets in one round, and check each that leaves.
fn check(packets: &[(usize, Vec<u8>)]) {
    let mut appliance = Appliance::new();
    let mut world = World::new();
    let mut permitted = vec![];
    // Ports are looked at in their order.
    let mut in_order: Vec<_> = packets.iter().collect();
    in_order.sort_by_key(|(port, _)| *port);
    for (port, packet) in in_order {
        let from = match *port {
            HOST => model::From::Host,
            _ => model::From::Link,
        };
        permitted.extend(world.permitted(from, packet));
        appliance.receive(*port, packet);
    }
    while appliance.poll() > 0 {}
    appliance.assert_conserved();
    let left = appliance.left();
    let unexplained = unexplained(&left, &permitted);
    assert!(
        unexplained.is_empty(),
        "no rule permits {unexplained:02x?}\nof {packets:02x?}\npermitted {permitted:02x?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 96 } else { 768 }))]

    #[test]
    fn of_arbitrary_packets(
        packets in batch().prop_flat_map(|size| vec((arrival(), packet(2)), size)),
    ) {
        check(&packets);
    }

    #[test]
    fn of_mutated_packets(
        choices in batch().prop_flat_map(|size| vec((0..corpus().len(), 1..u64::MAX), size)),
    ) {
        let corpus = corpus();
        let packets: Vec<_> = choices
            .into_iter()
            .map(|(choice, seed)| {
                let (port, mut packet) = corpus[choice].clone();
                mutate(&mut packet, &mut Numbers(seed));
                (port, packet)
            })
            .collect();
        check(&packets);
    }
}

/// The model permits something, and each row of the table somewhere: it is no model that explains nothing.
#[test]
fn the_corpus_is_permitted_by_every_row() {
    let mut world = World::new();
    let rows: std::collections::BTreeSet<_> = corpus()
        .into_iter()
        .filter(|(port, _)| *port != HOST)
        .flat_map(|(_, packet)| world.permitted(model::From::Link, &packet))
        .map(|leaving| leaving.row)
        .collect();
    assert_eq!(rows.len(), 6, "{rows:?}");
    check(&corpus());
}

#[test]
fn a_packet_that_no_rule_permits_is_found() {
    let mut world = World::new();
    let packet = udp(CORRESPONDENT, HOME, 10);
    let permitted = world.permitted(model::From::Link, &packet);
    let [leaving] = &permitted[..] else {
        panic!("{permitted:?}");
    };
    let right = (leaving.port, leaving.packet.clone());
    let mut wrong = right.clone();
    wrong.1[39] ^= 1;
    let elsewhere = (CONTROL, right.1.clone());
    let left = [
        right.clone(),
        wrong.clone(),
        elsewhere.clone(),
        right.clone(),
    ];
    assert_eq!(unexplained(&left, &permitted), [wrong, elsewhere, right]);
}
