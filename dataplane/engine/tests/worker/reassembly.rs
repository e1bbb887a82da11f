//! Fragments of tunnel packets and of signalling: RFC 2473 §7, RFC 8200 §4.5

use dhp_engine::WorkerConfig;
use dhp_segment::DropReason;
use proptest::prelude::*;

use crate::appliance::*;
use crate::packets::*;

const FAR: &str = "2001:db8:a::42";
const SECOND_NS: u64 = 1_000_000_000;

fn uplink(payload: usize) -> Vec<u8> {
    tunnelled(CARE_OF, ANCHOR, &udp(HOME, CORRESPONDENT, payload))
}

/// Every piece in a round of its own; what the last one gave.
fn pass_all(appliance: &mut Appliance, pieces: &[Vec<u8>]) -> Vec<(usize, Vec<u8>)> {
    let mut last = Vec::new();
    for piece in pieces {
        assert_eq!(last, [], "nothing leaves before the packet is whole");
        last = appliance.pass(CORE, piece);
    }
    last
}

#[test]
fn a_tunnel_packet_in_two_fragments_is_opened_when_whole() {
    let whole = Appliance::new().pass(CORE, &uplink(1_232));
    for turned in [false, true] {
        let mut appliance = Appliance::new();
        let mut pieces = cut(&uplink(1_232), &[1_200], 7);
        if turned {
            pieces.reverse();
        }
        assert_eq!(pass_all(&mut appliance, &pieces), whole);
        assert_eq!(
            appliance.counted(),
            [
                ("rx_packets", 2),
                ("fragments_joined", 1),
                ("reassembled", 1),
                ("decapsulated", 1),
                ("forwarded", 1),
                ("tx_packets", 1)
            ]
            .into()
        );
        assert_eq!(appliance.frames_in_use(), 0);
    }
}

#[test]
fn signalling_in_fragments_is_punted_whole_with_its_home_address_option() {
    let mut appliance = Appliance::new();
    let update = raw(FAR, ANCHOR, 135, &[59; 64]);
    let with_option = |piece: &Vec<u8>| with_extension(piece, 60, &home_address_header(HOME));
    let pieces: Vec<_> = cut(&update, &[24], 7).iter().map(with_option).collect();
    assert_eq!(pass_all(&mut appliance, &pieces), []);
    let [(_, punted)] = &appliance.punted()[..] else {
        panic!("{:?}", appliance.counted());
    };
    assert_eq!(
        punted,
        &with_extension(&update, 60, &home_address_header(HOME))
    );
}

#[test]
fn the_host_reassembles_its_own() {
    let mut appliance = Appliance::new();
    for piece in cut(&udp(FAR, ANCHOR, 100), &[48], 7) {
        assert_eq!(appliance.pass(CORE, &piece), [(HOST, piece)]);
    }
}

#[test]
fn the_same_fragment_twice_does_no_harm() {
    let mut appliance = Appliance::new();
    let pieces = cut(&uplink(400), &[200, 304], 7);
    let order = [0, 0, 1, 1, 0].map(|piece| pieces[piece].clone());
    assert_eq!(pass_all(&mut appliance, &order), []);
    assert_eq!(appliance.pass(CORE, &pieces[2]).len(), 1);
    let counters = appliance.counters();
    assert_eq!(counters.drops(DropReason::FragmentDuplicate), 3);
    assert_eq!(counters.total_drops(), 3);
}

/// RFC 8200 §4.5: "reassembly of that packet must be abandoned and all the fragments that have been received for that packet
/// must be discarded, and no ICMP error messages should be sent" (RFC 5722).
#[test]
fn fragments_that_overlap_end_their_packet_and_what_comes_of_it_later() {
    let whole = uplink(400);
    let [first, second] = &cut(&whole, &[200], 7)[..] else {
        unreachable!()
    };
    let overlapping = cut(&whole, &[192], 7).remove(1);
    let mut other_octets = first.clone();
    *other_octets.last_mut().expect("an octet") ^= 1;
    // Ends before what has come, or says that more comes behind the end.
    let early_end = cut(&uplink(100), &[40], 7).remove(1);
    let mut no_end = second.clone();
    no_end[43] |= 1;
    let cases = [
        ("shares octets", first, &overlapping),
        ("other octets at the same place", first, &other_octets),
        ("an end within the packet", second, &early_end),
        ("the same octets, but not the end", second, &no_end),
    ];
    for (what, one, other) in cases {
        for (one, other) in [(one, other), (other, one)] {
            let mut appliance = Appliance::new();
            assert_eq!(appliance.pass(CORE, one), [], "{what}");
            assert_eq!(appliance.pass(CORE, other), [], "{what}");
            for piece in [first, second] {
                assert_eq!(appliance.pass(CORE, piece), [], "{what}");
            }
            let drops = appliance.counters().drops(DropReason::ReassemblyOverlap);
            assert_eq!(drops, 4, "{what}: {:?}", appliance.counted());
            assert_eq!(appliance.worker.fragments_held(), 0);
            assert_eq!(appliance.frames_in_use(), 0);
        }
    }
}

#[test]
fn a_packet_that_stays_incomplete_is_given_up_after_60_seconds_and_its_source_told() {
    let mut appliance = Appliance::new();
    let mut pieces = cut(&uplink(400), &[200, 304], 0x0102_0304);
    // Reserved, "ignored on reception" (RFC 8200 §4.5).
    (pieces[0][41], pieces[0][43]) = (0x5a, pieces[0][43] | 0b110);
    appliance.pass(CORE, &pieces[0]);
    appliance.pass(CORE, &pieces[2]);
    appliance.now_ns += 60 * SECOND_NS - 1;
    appliance.poll();
    assert_eq!(appliance.worker.fragments_held(), 2);
    appliance.now_ns += SECOND_NS;
    appliance.poll();
    appliance.assert_conserved();
    assert_eq!(appliance.worker.fragments_held(), 0);
    assert_eq!(appliance.counters().drops(DropReason::ReassemblyTimeout), 2);
    let sent = appliance.sent();
    let [(CORE, told)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(destination(told), address(CARE_OF));
    assert_eq!(told[40..42], [3, 1], "fragment reassembly time exceeded");
    assert_eq!(told[48..], pieces[0], "the first fragment as it came");
    // What comes now is of another packet.
    assert_eq!(appliance.pass(CORE, &pieces[1]), []);
    appliance.now_ns += 61 * SECOND_NS;
    appliance.poll();
    assert_eq!(appliance.sent(), [], "nobody is told of what never began");
    assert_eq!(appliance.frames_in_use(), 0);
}

#[test]
fn a_first_fragment_of_a_tunnel_that_is_not_ours_takes_no_memory() {
    for (from, home, reason) in [
        (FAR, HOME, DropReason::TunnelSourceMismatch),
        (CARE_OF, UNBOUND_HOME, DropReason::TunnelUnknownHome),
    ] {
        let mut appliance = Appliance::new();
        let packet = tunnelled(from, ANCHOR, &udp(home, CORRESPONDENT, 400));
        appliance.pass(CORE, &cut(&packet, &[200], 7)[0]);
        assert_eq!(appliance.counters().drops(reason), 1);
        assert_eq!(appliance.worker.fragments_held(), 0);
    }
}

/// A flood of fragments from anywhere holds no more than its share, and a mobile node's packet finds a place all the same.
#[test]
fn a_flood_of_fragments_is_bounded_and_keeps_no_mobile_node_out() {
    let mut appliance = Appliance::with(Setup {
        config: WorkerConfig {
            anchor_addresses: vec![address(ANCHOR)],
            reassembly_packets: 16,
            ..WorkerConfig::default()
        },
        ..Setup::default()
    });
    for id in 0..1_000 {
        let packet = tunnelled(FAR, ANCHOR, &udp(HOME, CORRESPONDENT, 400));
        appliance.pass(CORE, &cut(&packet, &[200], id)[1]);
    }
    assert_eq!(appliance.worker.fragments_held(), 16);
    assert_eq!(appliance.frames_in_use(), 16);
    assert_eq!(
        appliance.counters().drops(DropReason::ReassemblyLimit),
        1_000 - 16
    );
    let sent = pass_all(&mut appliance, &cut(&uplink(400), &[200], 7));
    assert_eq!(sent.len(), 1);
    assert_eq!(appliance.worker.fragments_held(), 15, "one was displaced");
}

#[test]
fn without_places_nothing_is_held() {
    let mut appliance = Appliance::with(Setup {
        config: WorkerConfig {
            anchor_addresses: vec![address(ANCHOR)],
            reassembly_packets: 0,
            ..WorkerConfig::default()
        },
        ..Setup::default()
    });
    for piece in cut(&uplink(400), &[200], 7) {
        assert_eq!(appliance.pass(CORE, &piece), []);
    }
    assert_eq!(appliance.counters().drops(DropReason::ReassemblyLimit), 2);
}

/// RFC 3168 §5.3, then RFC 6040 §4.2.
#[test]
fn a_congestion_mark_on_any_fragment_marks_the_packet() {
    let (not_ect, ect_0, ce) = (0, 2, 3);
    for (inner, marks, expected) in [
        (ect_0, [ect_0, ect_0], Some(ect_0)),
        (ect_0, [ect_0, ce], Some(ce)),
        (ect_0, [ce, ect_0], Some(ce)),
        (ect_0, [not_ect, ce], None),
    ] {
        let mut appliance = Appliance::new();
        let inside = with_traffic_class(&udp(HOME, CORRESPONDENT, 400), inner);
        let pieces = cut(&tunnelled(CARE_OF, ANCHOR, &inside), &[200], 7);
        let marked: Vec<_> = pieces
            .iter()
            .zip(marks)
            .map(|(piece, mark)| with_traffic_class(piece, mark))
            .collect();
        let sent = pass_all(&mut appliance, &marked);
        let left = sent.first().map(|(_, packet)| traffic_class(packet));
        assert_eq!(left, expected, "{marks:?}");
    }
}

#[test]
fn malformed_fragments_are_answered_at_the_field_at_fault() {
    let piece = |offset, more| {
        with_extension(
            &raw(CARE_OF, ANCHOR, 41, &[0x60; 33]),
            44,
            &fragment_header(offset, more),
        )
    };
    let behind_options = with_extension(&piece(65_496, false), 60, &[0, 0, 1, 4, 0, 0, 0, 0]);
    for (packet, pointer) in [
        (piece(8, true), 4),
        (piece(65_504, false), 42),
        (behind_options, 50),
    ] {
        let mut appliance = Appliance::new();
        let sent = appliance.pass(CORE, &packet);
        let [(CORE, told)] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert_eq!(told[40..42], [4, 0], "Parameter Problem, erroneous field");
        assert_eq!(told[44..48], [0, 0, 0, pointer]);
    }
}

proptest! {
    /// Whatever the cuts and the order, what comes out is what comes out of the whole packet.
    #[test]
    fn any_cuts_in_any_order_give_the_packet(
        payload in 100_usize..1_400,
        cuts in proptest::collection::btree_set(1_usize..170, 1..6),
        order in any::<proptest::sample::Index>(),
        copies in any::<bool>(),
    ) {
        let packet = uplink(payload);
        let room = packet.len() - 40;
        let places: Vec<usize> = cuts.iter().map(|cut| cut * 8).filter(|cut| *cut < room).collect();
        // A first fragment without the inner source says nothing of whose it is.
        prop_assume!(places.first().is_none_or(|first| *first >= 40));
        prop_assume!(!places.is_empty());
        let mut pieces = cut(&packet, &places, 9);
        let turn = order.index(pieces.len());
        pieces.rotate_left(turn);
        if copies {
            pieces.insert(0, pieces[0].clone());
        }
        let mut appliance = Appliance::new();
        let sent = pass_all(&mut appliance, &pieces);
        prop_assert_eq!(sent, Appliance::new().pass(CORE, &packet));
        prop_assert_eq!(appliance.frames_in_use(), 0);
    }
}
