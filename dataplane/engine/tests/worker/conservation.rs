//! Every frame, whatever it is, ends in exactly one counted place

use dhp_segment::Counter;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::appliance::*;
use crate::mutation::{Numbers, assert_well_formed, corpus, mutate};
use crate::packets::udp;

/// Let the worker treat all that waits, and check what comes out.
fn drain(appliance: &mut Appliance) {
    while appliance.poll() > 0 {}
    appliance.assert_conserved();
    for (port, wire) in appliance.wires.iter().enumerate() {
        while let Some(frame) = wire.pop() {
            let link_header = if port == HOST { 0 } else { 14 };
            assert_well_formed(&frame[link_header..]);
        }
    }
    appliance.punted();
}

/// Fails if a frame was lost or counted twice, or not given back.
fn assert_all_came_back(appliance: &mut Appliance, pushed: u64) {
    assert_eq!(appliance.counters().get(Counter::RxPackets), pushed);
    // By then no fragment is held any more.
    appliance.now_ns += 120_000_000_000;
    drain(appliance);
    assert_eq!(appliance.worker.fragments_held(), 0);
    assert_eq!(appliance.frames_in_use(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 64 } else { 512 }))]

    #[test]
    fn of_arbitrary_frames(
        frames in vec((0..3_usize, vec(any::<u8>(), 0..200)), 1..130),
        host_has_copy: bool,
    ) {
        let mut appliance = Appliance::with(Setup { host_has_copy, ..Setup::default() });
        for (port, frame) in &frames {
            appliance.wires[*port].push(frame).expect("room");
        }
        drain(&mut appliance);
        assert_all_came_back(&mut appliance, frames.len() as u64);
    }

    #[test]
    fn of_arbitrary_packets_behind_a_right_start(
        packets in vec((0..3_usize, any::<u8>(), vec(any::<u8>(), 0..200)), 1..130),
    ) {
        let mut appliance = Appliance::new();
        for (port, next_header, rest) in &packets {
            let destination = if rest.len() % 2 == 0 { ANCHOR } else { HOME };
            appliance.receive(*port, &crate::packets::raw(CARE_OF, destination, *next_header, rest));
        }
        drain(&mut appliance);
        assert_all_came_back(&mut appliance, packets.len() as u64);
    }

    #[test]
    fn of_mutated_packets(
        choices in vec((0..21_usize, 1..u64::MAX), 1..130),
        host_has_copy: bool,
        transit: bool,
        has_host_port: bool,
    ) {
        let corpus = corpus();
        let mut setup = Setup { host_has_copy, ..Setup::default() };
        setup.config.transit = transit;
        if !has_host_port {
            setup.host_port = None;
        }
        let mut appliance = Appliance::with(setup);
        for (choice, seed) in &choices {
            let (port, mut packet) = corpus[*choice].clone();
            mutate(&mut packet, &mut Numbers(*seed));
            appliance.receive(port, &packet);
        }
        drain(&mut appliance);
        assert_all_came_back(&mut appliance, choices.len() as u64);
    }

    #[test]
    fn of_injected_octets(packets in vec(vec(any::<u8>(), 0..120), 1..100)) {
        let mut appliance = Appliance::new();
        for packet in &packets {
            appliance.control.inject(0, packet).expect("room");
        }
        drain(&mut appliance);
        prop_assert_eq!(appliance.counters().get(Counter::Injected), packets.len() as u64);
    }
}

#[test]
fn the_corpus_reaches_every_treatment() {
    let mut appliance = Appliance::new();
    for (port, packet) in corpus() {
        appliance.receive(port, &packet);
    }
    drain(&mut appliance);
    let counted = appliance.counted();
    for treatment in [
        "encapsulated",
        "decapsulated",
        "forwarded",
        "hairpinned",
        "punted_mobility",
        "punted_query",
        "punted_host",
        "neighbour_pending",
        "previous_care_of",
        "from_host",
        "icmp_sent",
        "outer_fragments",
    ] {
        assert!(counted.contains_key(treatment), "{treatment}: {counted:?}");
    }
}

#[test]
fn of_a_million_random_and_mutated_frames() {
    let frames: u64 = if cfg!(debug_assertions) {
        100_000
    } else {
        1_000_000
    };
    let corpus = corpus();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut appliance = Appliance::new();
    let mut pushed = 0;
    while pushed < frames {
        for _ in 0..500.min(frames - pushed) {
            pushed += 1;
            if numbers.below(10) == 0 {
                let frame: Vec<u8> = (0..numbers.below(160))
                    .map(|_| numbers.next() as u8)
                    .collect();
                appliance.wires[numbers.below(3)]
                    .push(&frame)
                    .expect("room");
            } else {
                let (port, mut packet) = corpus[numbers.below(corpus.len())].clone();
                mutate(&mut packet, &mut numbers);
                appliance.receive(port, &packet);
            }
        }
        drain(&mut appliance);
        appliance.now_ns += 1_000_000;
    }
    assert_all_came_back(&mut appliance, frames);
    println!("{frames} frames: {:?}", appliance.counted());
    // And it still works.
    let sent = appliance.pass(CN, &udp(CORRESPONDENT, HOME, 10));
    assert!(matches!(&sent[..], [(CORE, outer)] if outer[6] == 41));
}
