//! The short way does what the long way does. A worker that is asked for traces uses the long way alone.

use dhp_segment::TraceRequest;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::appliance::*;
use crate::mutation::{Numbers, corpus, mutate};
use crate::packets::*;
use crate::strategies::{FAR, arrival, batch, packet};

/// Pass all packets in one round, by the short way where there is one and by the long one, and compare all that is to be seen.
fn compare(packets: &[(usize, Vec<u8>)], clamp: bool) {
    let setup = || {
        let mut setup = Setup::default();
        setup.config.tcp_mss_clamp = clamp;
        setup
    };
    let [mut short, mut long] = [Appliance::with(setup()), Appliance::with(setup())];
    long.control.set_trace(Some(TraceRequest {
        address: Some(address(NOBODY)),
        drops_only: true,
    }));
    let seen = [&mut short, &mut long].map(|appliance| {
        for (port, packet) in packets {
            appliance.receive(*port, packet);
        }
        while appliance.poll() > 0 {}
        appliance.assert_conserved();
        let homes = [HOME, OTHER_HOME, PENDING_HOME, NARROW_HOME, LOOPED_HOME];
        let carried = homes.map(|home| appliance.writer.carried(address(home)));
        (appliance.left(), appliance.counted(), carried)
    });
    assert_eq!(seen[0], seen[1], "of {packets:02x?}");
}

/// In no packet of any test.
const NOBODY: &str = "2001:db8:ffff::ffff";

/// A packet such as most are, of which then one octet is another one.
fn nearly_plain() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let homes =
        prop::sample::select(&[HOME, OTHER_HOME, NARROW_HOME, PENDING_HOME, UNBOUND_HOME][..]);
    let care_ofs = prop::sample::select(&[CARE_OF, OTHER_CARE_OF, PREVIOUS_CARE_OF, FAR][..]);
    let remotes =
        prop::sample::select(&[CORRESPONDENT, STRANGER, NARROW, PENDING, HOME, LOCAL][..]);
    let size = prop_oneof![0..100_usize, 1180..1460_usize];
    (
        homes,
        care_ofs,
        remotes,
        size,
        any::<bool>(),
        prop::option::of((0..130_usize, any::<u8>())),
    )
        .prop_map(|(home, care_of, remote, size, down, change)| {
            let mut packet = if down {
                udp(remote, home, size)
            } else {
                tunnelled(care_of, ANCHOR, &udp(home, remote, size))
            };
            if let Some((at, octet)) = change
                && let Some(place) = packet.get_mut(at)
            {
                *place = octet;
            }
            (if down { CN } else { CORE }, packet)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 128 } else { 1024 }))]

    #[test]
    fn both_ways_are_one_for_packets_that_are_nearly_plain(
        packets in batch().prop_flat_map(|size| vec(nearly_plain(), size)),
        clamp in any::<bool>(),
    ) {
        compare(&packets, clamp);
    }

    #[test]
    fn both_ways_are_one_for_arbitrary_packets(
        packets in batch().prop_flat_map(|size| vec((arrival(), packet(2)), size)),
    ) {
        compare(&packets, false);
    }

    #[test]
    fn both_ways_are_one_for_mutated_packets(
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
        compare(&packets, true);
    }
}

/// What a binding has carried is counted on both ways, in both directions, and outlives handoffs.
#[test]
fn a_binding_counts_what_it_carries() {
    let mut appliance = Appliance::new();
    let (down, inner) = (udp(CORRESPONDENT, HOME, 100), udp(HOME, CORRESPONDENT, 60));
    let up = tunnelled(CARE_OF, ANCHOR, &inner);
    appliance.pass(CN, &down);
    appliance.pass(CORE, &up);
    let before = appliance.writer.binding(address(HOME)).expect("bound");
    appliance
        .writer
        .publish_binding(address(HOME), &before.tunnel())
        .expect("room");
    appliance.pass(CN, &down);
    let carried = appliance.writer.carried(address(HOME)).expect("bound");
    assert_eq!(carried.packets, 3);
    assert_eq!(carried.octets as usize, 2 * down.len() + inner.len());
    assert_eq!(
        appliance.writer.carried(address(OTHER_HOME)),
        Some(dhp_segment::Carried::default())
    );
    assert_eq!(appliance.writer.carried(address(UNBOUND_HOME)), None);
}
