//! The segment in private memory and in a file that both planes map: the same treatment of everything

use std::collections::BTreeMap;

use dhp_segment::{FlowRule, FlowSelector, PuntKind};

use crate::appliance::*;
use crate::packets::*;
use crate::{drops_table, mutation};

/// All that can be seen of what an appliance did.
#[derive(Debug, PartialEq)]
struct Outcome {
    sent: Vec<(usize, Vec<u8>)>,
    punted: Vec<(PuntKind, Vec<u8>)>,
    counted: BTreeMap<&'static str, u64>,
}

fn placed(placement: Placement) -> Appliance {
    Appliance::with(Setup {
        placement,
        ..Setup::default()
    })
}

fn outcome(appliance: &mut Appliance) -> Outcome {
    while appliance.poll() > 0 {}
    appliance.assert_conserved();
    let frames = |wire: &dhp_port_memory::MemoryWire| std::iter::from_fn(|| wire.pop()).collect();
    let sent: Vec<Vec<Vec<u8>>> = appliance.wires.iter().map(frames).collect();
    Outcome {
        sent: sent
            .into_iter()
            .enumerate()
            .flat_map(|(port, frames)| frames.into_iter().map(move |frame| (port, frame)))
            .collect(),
        punted: appliance
            .punted()
            .into_iter()
            .map(|(meta, packet)| (meta.kind, packet))
            .collect(),
        counted: appliance.counted(),
    }
}

/// What `act` leads to, which must not depend on the placement.
fn same_in_both(act: impl Fn(&mut Appliance)) -> Outcome {
    let [anonymous, file] = [Placement::Anonymous, Placement::File].map(|placement| {
        let mut appliance = placed(placement);
        act(&mut appliance);
        outcome(&mut appliance)
    });
    assert_eq!(anonymous, file);
    file
}

#[test]
fn each_treatment_is_the_same() {
    for (port, packet) in mutation::corpus() {
        same_in_both(|appliance| appliance.receive(port, &packet));
    }
}

#[test]
fn each_drop_is_the_same() {
    for (port, packet, reason) in drops_table::cases() {
        let outcome = same_in_both(|appliance| appliance.receive(port, &packet));
        assert_eq!(outcome.counted[reason.name()], 1, "{reason}");
    }
}

#[test]
fn batches_are_the_same() {
    let all: Vec<_> = mutation::corpus()
        .into_iter()
        .chain(
            drops_table::cases()
                .into_iter()
                .map(|(port, packet, _)| (port, packet)),
        )
        .collect();
    for size in [1, 63, 64] {
        same_in_both(|appliance| {
            for (port, packet) in all.iter().cycle().take(size) {
                appliance.receive(*port, packet);
            }
        });
    }
}

#[test]
fn a_handoff_in_one_mapping_moves_the_tunnel_in_the_other() {
    let moved = same_in_both(|appliance| {
        let home = address(HOME);
        let mut tunnel = appliance.writer.binding(home).expect("bound").tunnel();
        tunnel.care_of = address(OTHER_CARE_OF);
        appliance
            .writer
            .publish_binding(home, &tunnel)
            .expect("room");
        appliance.receive(CN, &udp(CORRESPONDENT, HOME, 10));
    });
    let [(CORE, frame)] = &moved.sent[..] else {
        panic!("{moved:?}");
    };
    assert_eq!(destination(&frame[14..]), address(OTHER_CARE_OF));

    let removed = same_in_both(|appliance| {
        assert!(appliance.writer.remove_binding(address(HOME)));
        appliance.receive(CN, &udp(CORRESPONDENT, HOME, 10));
    });
    assert_eq!(removed.counted["no_binding"], 1);
}

#[test]
fn flow_rules_cross_the_mappings() {
    let outcome = same_in_both(|appliance| {
        let home = address(HOME);
        let mut second = appliance.writer.binding(home).expect("bound").tunnel();
        second.care_of = address(OTHER_CARE_OF);
        let rule = FlowRule {
            selector: FlowSelector::default(),
            bids: vec![2],
            discard: false,
        };
        let set = appliance
            .writer
            .publish_flows(home, &[(2, second)], &[rule]);
        assert!(set.expect("room"));
        appliance.receive(CN, &udp(CORRESPONDENT, HOME, 10));
    });
    assert_eq!(
        destination(&outcome.sent[0].1[14..]),
        address(OTHER_CARE_OF)
    );
}

#[test]
fn both_rings_cross_the_mappings() {
    let answer = mobility(ANCHOR, CARE_OF);
    let query = mobility("2001:db8:a::42", ANCHOR);
    let outcome = same_in_both(|appliance| {
        appliance.control.inject(0, &answer).expect("room");
        appliance.receive(CORE, &query);
    });
    assert_eq!(outcome.punted, [(PuntKind::Mobility, query)]);
    assert_eq!(outcome.sent[0].1[14..], answer);
}
