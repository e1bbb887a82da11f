//! Batches of every size do what single packets do

use dhp_engine::BATCH_SIZE;
use dhp_segment::Counter;

use crate::appliance::*;
use crate::packets::*;

/// Packets of all treatments, told apart by their lengths.
fn mixture(count: usize) -> Vec<Vec<u8>> {
    let far = "2001:db8:a::42";
    (0..count)
        .map(|number| match number % 7 {
            0 => udp(far, HOME, number),
            1 => tunnelled(CARE_OF, ANCHOR, &udp(HOME, CORRESPONDENT, number)),
            2 => udp(far, CORRESPONDENT, number),
            3 => tunnelled(CARE_OF, ANCHOR, &udp(HOME, OTHER_HOME, number)),
            4 => udp(far, UNBOUND_HOME, number),
            5 => tunnelled(far, ANCHOR, &udp(HOME, CORRESPONDENT, number)),
            _ => udp(far, LOCAL, number),
        })
        .collect()
}

#[test]
fn every_size_gives_what_the_packets_give_one_by_one() {
    for size in [1, 2, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 64, 200] {
        let packets = mixture(size);
        let mut one_by_one = Appliance::new();
        let mut expected: Vec<_> = packets
            .iter()
            .flat_map(|packet| one_by_one.pass(CORE, packet))
            .collect();
        // Order is kept on each port, not between ports.
        expected.sort_by_key(|(port, _)| *port);

        let mut batched = Appliance::new();
        for packet in &packets {
            batched.receive(CORE, packet);
        }
        let mut left = size;
        while left > 0 {
            let round = batched.poll();
            assert_eq!(round, left.min(BATCH_SIZE));
            left -= round;
        }
        assert_eq!(batched.poll(), 0);
        assert_eq!(batched.sent(), expected, "{size}");
        assert_eq!(batched.counted(), one_by_one.counted(), "{size}");
        batched.assert_conserved();
    }
}

#[test]
fn a_round_takes_a_batch_from_every_port() {
    let mut appliance = Appliance::new();
    for number in 0..BATCH_SIZE {
        appliance.receive(
            CORE,
            &tunnelled(CARE_OF, ANCHOR, &udp(HOME, CORRESPONDENT, number)),
        );
        appliance.receive(CN, &udp(CORRESPONDENT, HOME, number));
        appliance.receive(HOST, &udp(LOCAL, HOME, number));
    }
    assert_eq!(appliance.poll(), 3 * BATCH_SIZE);
    appliance.assert_conserved();
    let counters = appliance.counters();
    let batch = BATCH_SIZE as u64;
    assert_eq!(counters.get(Counter::TxPackets), 3 * batch);
    assert_eq!(
        (
            counters.get(Counter::Encapsulated),
            counters.get(Counter::Decapsulated),
            counters.get(Counter::RoutedType2)
        ),
        (batch, batch, batch)
    );
    assert_eq!(
        (
            counters.get(Counter::Polls),
            counters.get(Counter::IdlePolls)
        ),
        (1, 0)
    );
}

/// The lookup of a batch has room for two addresses of every packet.
#[test]
fn a_full_batch_of_hairpins_finds_all_its_bindings() {
    let mut appliance = Appliance::new();
    for number in 0..BATCH_SIZE {
        appliance.receive(
            CORE,
            &tunnelled(CARE_OF, ANCHOR, &udp(HOME, OTHER_HOME, number)),
        );
    }
    assert_eq!(appliance.poll(), BATCH_SIZE);
    let hairpinned = appliance.counters().get(Counter::Hairpinned);
    assert_eq!(hairpinned as usize, BATCH_SIZE);
    assert_eq!(appliance.counters().total_drops(), 0);
    assert_eq!(appliance.sent().len(), BATCH_SIZE);
}

#[test]
fn octets_are_those_of_the_frames() {
    let mut appliance = Appliance::new();
    let packet = udp(CORRESPONDENT, HOME, 100);
    appliance.pass(CN, &packet);
    let counters = appliance.counters();
    assert_eq!(counters.get(Counter::RxBytes), packet.len() as u64 + 14);
    assert_eq!(counters.get(Counter::TxBytes), packet.len() as u64 + 54);
}
