//! Flow sets: what the rules say, and when the space of a replaced one comes back.
#![cfg(not(loom))]

mod support;

use core::net::Ipv6Addr;
use dhp_segment::{
    ExactFlow, FlowKey, FlowRange, FlowRule, FlowSelector, Geometry, MAX_CARE_OFS, MAX_FLOW_RULES,
    Reader, Segment, SegmentError, Table,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use support::{SMALL, decided, generation_of, home, matches, tunnel};

/// One flow set, and one to replace it with.
const ONE: Geometry = Geometry {
    flow_sets: 1,
    flows: 64,
    meters: 0,
    workers: 1,
    ..SMALL
};

fn range<T: Arbitrary + Copy + Ord + core::fmt::Debug>(
    small: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<FlowRange<T>>> {
    let end = small.boxed();
    // Ends that cross make an empty range, which must match nothing.
    option::of((end.clone(), end).prop_map(|(first, last)| FlowRange { first, last }))
}

fn address() -> impl Strategy<Value = u128> {
    (0..3_u128, 0..3_u128).prop_map(|(high, low)| high << 64 | low)
}

fn selector() -> impl Strategy<Value = FlowSelector> {
    let addresses = || {
        range(address()).prop_map(|range| {
            range.map(|range| FlowRange {
                first: Ipv6Addr::from(range.first),
                last: Ipv6Addr::from(range.last),
            })
        })
    };
    (
        (addresses(), addresses()),
        (range(0..4_u32), range(0..4_u32)),
        (range(0..4_u16), range(0..4_u16)),
        (range(0..4_u8), range(0..4_u8)),
    )
        .prop_map(|(addresses, words, ports, octets)| FlowSelector {
            source: addresses.0,
            destination: addresses.1,
            spi: words.0,
            flow_label: words.1,
            source_port: ports.0,
            destination_port: ports.1,
            dscp: octets.0,
            next_header: octets.1,
        })
}

/// Of a flow of which [`key`] has packets.
fn exact_selector() -> impl Strategy<Value = FlowSelector> {
    (address(), 0..4_u16, 0..4_u16, 0..4_u8).prop_map(|(source, from, to, next_header)| {
        ExactFlow {
            source: source.into(),
            next_header,
            source_port: from,
            destination_port: to,
        }
        .into()
    })
}

fn rule() -> impl Strategy<Value = FlowRule> {
    let selector = prop_oneof![selector(), exact_selector()];
    (selector, vec(1..6_u16, 0..3), prop::bool::weighted(0.1)).prop_map(
        |(selector, bids, discard)| FlowRule {
            selector,
            bids,
            discard,
        },
    )
}

fn key() -> impl Strategy<Value = FlowKey> {
    (
        (address(), address()),
        option::of(0..4_u32),
        0..4_u32,
        option::of((0..4_u16, 0..4_u16)),
        (0..4_u8, 0..4_u8),
    )
        .prop_map(|(addresses, spi, flow_label, ports, octets)| FlowKey {
            source: addresses.0.to_be_bytes(),
            destination: addresses.1.to_be_bytes(),
            spi,
            flow_label,
            ports,
            dscp: octets.0,
            next_header: octets.1,
        })
}

/// RFC 6089 §5.3.6: the care-of addresses, None where no rule matches; none of them for a discard.
fn expected(rules: &[FlowRule], registered: &[u16], key: &FlowKey) -> Option<Vec<u16>> {
    rules.iter().find_map(|rule| {
        let mut bids = rule.bids.clone();
        bids.retain(|bid| registered.contains(bid));
        bids.sort_unstable();
        bids.dedup();
        let is_active = rule.discard || !bids.is_empty();
        (is_active && matches(&rule.selector, key))
            .then(|| if rule.discard { Vec::new() } else { bids })
    })
}

/// The generations of the tunnels that the verdict leads to, which are their BIDs.
fn found(reader: &Reader, key: &FlowKey) -> Option<Vec<u16>> {
    let decided = decided(reader, 1, key)?;
    Some(decided.into_iter().map(|bid| bid as u16).collect())
}

proptest! {
    #[test]
    fn rules_say_what_the_rfcs_say(
        rules in vec(rule(), 1..MAX_FLOW_RULES),
        keys in vec(key(), 1..40),
        removed in 1..6_u16,
    ) {
        let segment = Segment::anonymous(&ONE).unwrap();
        let mut writer = segment.writer().unwrap();
        let reader = segment.reader(0).unwrap();
        writer.publish_binding(home(1), &tunnel(1, 100)).unwrap();
        let care_ofs: Vec<_> = (1..5_u16).map(|bid| (bid, tunnel(1, bid.into()))).collect();
        prop_assert!(writer.publish_flows(home(1), &care_ofs, &rules).unwrap());
        let mut registered = vec![1, 2, 3, 4];
        for key in &keys {
            prop_assert_eq!(found(&reader, key), expected(&rules, &registered, key));
        }
        // BID 5 was never there.
        prop_assert_eq!(writer.set_care_of(home(1), removed, None).unwrap(), removed < 5);
        registered.retain(|bid| *bid != removed);
        for key in &keys {
            prop_assert_eq!(found(&reader, key), expected(&rules, &registered, key));
        }
    }
}

fn everything_to(bid: u16) -> FlowRule {
    FlowRule {
        selector: FlowSelector::default(),
        bids: vec![bid],
        discard: false,
    }
}

const KEY: FlowKey = FlowKey {
    source: [1; 16],
    destination: [2; 16],
    spi: None,
    flow_label: 0,
    ports: None,
    dscp: 0,
    next_header: 59,
};

#[test]
fn a_flow_set_in_use_is_not_reused_until_the_worker_is_quiescent() {
    let segment = Segment::anonymous(&ONE).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    writer.publish_binding(home(1), &tunnel(1, 100)).unwrap();
    let mut publish = |bid: u16| {
        let care_ofs = [(bid, tunnel(1, bid.into()))];
        writer.publish_flows(home(1), &care_ofs, &[everything_to(bid)])
    };
    assert!(publish(1).unwrap());
    let held = reader
        .lookup_home(&home(1).octets())
        .unwrap()
        .flows()
        .unwrap();
    assert!(publish(2).unwrap());
    assert!(matches!(
        publish(3),
        Err(SegmentError::Busy {
            table: Table::FlowSets
        })
    ));
    let set = reader.flow_set(held).unwrap();
    let template = reader.template(set.template(0).unwrap()).unwrap();
    assert_eq!(generation_of(1, &template.tunnel()), Some(1));
    assert_eq!(found(&reader, &KEY), Some(vec![2]));
    reader.quiescent();
    assert!(publish(3).unwrap());
    assert_eq!(found(&reader, &KEY), Some(vec![3]));
}

#[test]
fn nothing_is_lost_by_handoffs_replacements_and_removals() {
    let segment = Segment::anonymous(&ONE).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    for round in 0..1_000 {
        let n = round % 7;
        writer.publish_binding(home(n), &tunnel(n, 100)).unwrap();
        let care_ofs: Vec<_> = (1..=8_u16)
            .map(|bid| (bid, tunnel(n, bid.into())))
            .collect();
        reader.quiescent();
        assert!(
            writer
                .publish_flows(home(n), &care_ofs, &[everything_to(1)])
                .unwrap()
        );
        reader.quiescent();
        assert!(
            writer
                .set_care_of(home(n), 1, Some(&tunnel(n, round)))
                .unwrap()
        );
        // A handoff of the default care-of address leaves the rules alone.
        writer.publish_binding(home(n), &tunnel(n, 101)).unwrap();
        assert!(
            reader
                .lookup_home(&home(n).octets())
                .unwrap()
                .flows()
                .is_some()
        );
        assert!(writer.remove_binding(home(n)));
        reader.quiescent();
    }
    assert_eq!(writer.reclaim(), 0);
}

#[test]
fn limits_are_refused_and_change_nothing() {
    let segment = Segment::anonymous(&ONE).unwrap();
    let mut writer = segment.writer().unwrap();
    writer.publish_binding(home(1), &tunnel(1, 1)).unwrap();
    writer.publish_binding(home(2), &tunnel(2, 1)).unwrap();
    assert!(
        !writer
            .publish_flows(home(3), &[], &[everything_to(1)])
            .unwrap()
    );
    let rules = vec![everything_to(1); MAX_FLOW_RULES + 1];
    assert!(matches!(
        writer.publish_flows(home(1), &[], &rules),
        Err(SegmentError::FlowLimit { found: 33, .. })
    ));
    let care_ofs = [(1, tunnel(1, 1)); MAX_CARE_OFS + 1];
    assert!(matches!(
        writer.publish_flows(home(1), &care_ofs, &[]),
        Err(SegmentError::FlowLimit { found: 9, .. })
    ));
    assert!(
        writer
            .publish_flows(home(1), &care_ofs[..1], &rules[..32])
            .unwrap()
    );
    assert!(matches!(
        writer.publish_flows(home(2), &care_ofs[..1], &rules[..1]),
        Err(SegmentError::Full {
            table: Table::FlowSets,
            capacity: 1
        })
    ));
}

#[test]
fn a_new_writer_takes_over_with_the_rules_in_place() {
    let segment = Segment::anonymous(&ONE).unwrap();
    let reader = segment.reader(0).unwrap();
    let mut writer = segment.writer().unwrap();
    reader.quiescent();
    writer.publish_binding(home(1), &tunnel(1, 100)).unwrap();
    let care_ofs = [(1, tunnel(1, 1)), (2, tunnel(1, 2))];
    writer
        .publish_flows(home(1), &care_ofs, &[everything_to(2)])
        .unwrap();
    drop(writer);
    let mut writer = segment.writer().unwrap();
    reader.quiescent();
    // Would overwrite a template or flow set that the new writer took for free.
    for n in 2..60 {
        writer.publish_binding(home(n), &tunnel(n, 1)).unwrap();
    }
    assert_eq!(found(&reader, &KEY), Some(vec![2]));
    assert!(matches!(
        writer.publish_flows(home(2), &care_ofs, &[]),
        Err(SegmentError::Full { .. })
    ));
    assert!(writer.set_care_of(home(1), 2, Some(&tunnel(1, 7))).unwrap());
    assert_eq!(found(&reader, &KEY), Some(vec![7]));
}
