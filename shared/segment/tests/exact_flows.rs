//! Exact flows against a plain map: rules of single flows that come, change and go beside the list, while their table grows.
#![cfg(not(loom))]

mod support;

use dhp_segment::{
    ExactFlow, ExactRule, FlowKey, FlowRange, FlowRule, FlowSelector, Geometry, Reader, Segment,
    SegmentError, Table, Writer,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use support::{SMALL, decided, flow, home, matches, packet, tunnel};

const GEOMETRY: Geometry = Geometry {
    workers: 1,
    flow_sets: 8,
    flows: 400,
    ..SMALL
};

fn rule(f: u64, bids: &[u16], rank: usize) -> ExactRule {
    ExactRule {
        flow: flow(f),
        bids: bids.to_vec(),
        discard: false,
        rank,
    }
}

/// A rule of the list: everything from these ports of correspondents.
fn from_ports(first: u16, last: u16, bids: &[u16]) -> FlowRule {
    FlowRule {
        selector: FlowSelector {
            source_port: Some(FlowRange { first, last }),
            ..FlowSelector::default()
        },
        bids: bids.to_vec(),
        discard: false,
    }
}

/// The care-of addresses with these BIDs, whose generations are the BIDs.
fn care_ofs(n: u64, bids: &[u16]) -> Vec<(u16, dhp_segment::Tunnel)> {
    bids.iter()
        .map(|bid| (*bid, tunnel(n, (*bid).into())))
        .collect()
}

/// Lets the worker go on until a change is possible.
fn insist<T>(
    reader: &Reader,
    mut change: impl FnMut() -> Result<T, SegmentError>,
) -> Result<T, SegmentError> {
    for _ in 0..3 {
        match change() {
            Err(SegmentError::Busy { .. }) => reader.quiescent(),
            result => return result,
        }
    }
    change()
}

/// A home address as it should be.
#[derive(Debug, Clone, Default)]
struct Model {
    has_set: bool,
    bids: BTreeSet<u16>,
    list: Vec<FlowRule>,
    flows: BTreeMap<ExactFlow, ExactRule>,
}

impl Model {
    /// RFC 6089 §5.3.6, the exact flows among the rules of the list.
    fn decide(&self, key: &FlowKey) -> Option<Vec<u64>> {
        let exact = self.flows.values().find(|rule| {
            let selector = FlowSelector::from(rule.flow);
            matches(&selector, key)
        });
        let mut rules = self.list.clone();
        if let Some(rule) = exact {
            rules.insert(rule.rank.min(rules.len()), rule.clone().into());
        }
        rules.into_iter().find_map(|rule| {
            let bids = self.bids.iter().filter(|bid| rule.bids.contains(bid));
            let bids: Vec<u64> = bids.map(|bid| u64::from(*bid)).collect();
            let is_active = rule.discard || !bids.is_empty();
            let bids = if rule.discard { Vec::new() } else { bids };
            (is_active && matches(&rule.selector, key)).then_some(bids)
        })
    }
}

#[derive(Debug, Clone)]
enum Change {
    Set {
        first: u64,
        len: u64,
        bids: Vec<u16>,
        discard: bool,
        rank: usize,
    },
    Remove {
        first: u64,
        len: u64,
    },
    Publish {
        bids: BTreeSet<u16>,
        list: Vec<FlowRule>,
        keep: u64,
        first: u64,
        len: u64,
    },
    TakeCareOf(u16),
    Unbind,
    Quiescent,
    NewWriter,
}

const BIDS: std::ops::Range<u16> = 1..6;
/// More than fit.
const FLOWS: u64 = 250;

fn change() -> impl Strategy<Value = (u64, Change)> {
    let bids = || prop::collection::vec(BIDS, 0..3);
    let run = || (0..FLOWS, 1..60_u64);
    let listed = (440..447_u16, 0..4_u16, bids())
        .prop_map(|(first, len, bids)| from_ports(first, first + len, &bids));
    let publish = (
        prop::collection::btree_set(BIDS, 0..4),
        prop::collection::vec(listed, 0..4),
        0..3_u64,
        run(),
    );
    let change = prop_oneof![
        6 => (run(), bids(), prop::bool::weighted(0.1), 0..5_usize).prop_map(
            |((first, len), bids, discard, rank)| Change::Set { first, len, bids, discard, rank }
        ),
        3 => run().prop_map(|(first, len)| Change::Remove { first, len }),
        4 => publish.prop_map(|(bids, list, keep, (first, len))| Change::Publish { bids, list, keep, first, len }),
        1 => BIDS.prop_map(Change::TakeCareOf),
        1 => Just(Change::Unbind),
        3 => Just(Change::Quiescent),
        1 => Just(Change::NewWriter),
    ];
    (0..3_u64, change)
}

/// Each home address says of each flow what its model says.
fn assert_as_modelled(writer: &Writer, reader: &Reader, models: &[Model]) {
    for (n, model) in (0..).zip(models) {
        for f in 0..FLOWS + 60 {
            let key = packet(n, &flow(f));
            assert_eq!(
                decided(reader, n, &key),
                model.decide(&key),
                "home {n}, flow {f}"
            );
        }
        let listed = writer.flows(home(n)).map(|(rule, _)| rule.flow);
        let listed: BTreeSet<ExactFlow> = listed.collect();
        assert_eq!(listed, model.flows.keys().copied().collect());
    }
    let count: usize = models.iter().map(|model| model.flows.len()).sum();
    assert_eq!(writer.flow_count(), count);
}

/// The whole list of a home address: of the exact flows that it had every `keep`th, and these besides, in the order of their ranks.
fn whole_list(model: &Model, list: &[FlowRule], keep: u64, added: &[ExactRule]) -> Vec<FlowRule> {
    let kept = model.flows.values().enumerate();
    let kept = kept.filter(|(index, _)| keep > 0 && (*index as u64).is_multiple_of(keep));
    let mut flows: BTreeMap<ExactFlow, ExactRule> =
        kept.map(|(_, rule)| (rule.flow, rule.clone())).collect();
    flows.extend(added.iter().map(|rule| (rule.flow, rule.clone())));
    let mut rules = Vec::new();
    for rank in 0..=list.len() {
        let here = flows
            .values()
            .filter(|rule| rule.rank.min(list.len()) == rank);
        rules.extend(here.cloned().map(FlowRule::from));
        rules.extend(list.get(rank).cloned());
    }
    rules
}

/// What a model is when the list has been published: the exact rules that have an effect, with their ranks.
fn published(home: u64, bids: &BTreeSet<u16>, rules: &[FlowRule]) -> Model {
    let mut model = Model {
        has_set: !bids.is_empty() || !rules.is_empty(),
        bids: bids.clone(),
        ..Model::default()
    };
    for rule in rules {
        let Some(flow) = rule.selector.exact(support::home(home)) else {
            model.list.push(rule.clone());
            continue;
        };
        if rule.discard || rule.bids.iter().any(|bid| bids.contains(bid)) {
            let rank = model.list.len();
            let FlowRule { bids, discard, .. } = rule.clone();
            model.flows.insert(
                flow,
                ExactRule {
                    flow,
                    bids,
                    discard,
                    rank,
                },
            );
        }
    }
    model
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn behave_like_a_map_among_the_rules_of_a_list(
        capacity in 320_u32..700,
        seed in any::<[u64; 2]>(),
        changes in prop::collection::vec(change(), 1..40),
    ) {
        let geometry = Geometry { flows: capacity, ..GEOMETRY };
        let segment = Segment::anonymous_with_seed(&geometry, seed).unwrap();
        let mut writer = segment.writer().unwrap();
        let reader = segment.reader(0).unwrap();
        reader.quiescent();
        let mut models = vec![Model::default(); 3];
        for n in 0..3 {
            insist(&reader, || writer.publish_binding(home(n), &tunnel(n, 100))).unwrap();
        }
        for (n, change) in changes {
            let all: usize = models.iter().map(|model| model.flows.len()).sum();
            let model = &mut models[n as usize];
            match change {
                Change::Set { first, len, bids, discard, rank } => for f in first..first + len {
                    let rule = ExactRule { discard, ..rule(f, &bids, rank) };
                    let is_active = discard || bids.iter().any(|bid| model.bids.contains(bid));
                    match insist(&reader, || writer.set_flow(home(n), &rule)) {
                        Ok(has_set) => {
                            prop_assert_eq!(has_set, model.has_set);
                            model.flows.remove(&rule.flow);
                            if has_set && is_active {
                                model.flows.insert(rule.flow, rule);
                            }
                        }
                        Err(SegmentError::Full { table: Table::Flows, .. }) => {
                            prop_assert_eq!(writer.flow_count(), capacity as usize);
                            prop_assert!(!model.flows.contains_key(&rule.flow));
                        }
                        Err(error) => prop_assert!(false, "{}", error),
                    }
                },
                Change::Remove { first, len } => for f in first..first + len {
                    let removed = writer.remove_flow(home(n), &flow(f));
                    prop_assert_eq!(removed, model.flows.remove(&flow(f)).is_some());
                },
                Change::Publish { bids, list, keep, first, len } => {
                    let target = bids.iter().next().copied().unwrap_or(1);
                    let added = (first..first + len).map(|f| rule(f, &[target, 9], (f % 4) as usize));
                    let rules = whole_list(model, &list, keep, &added.collect::<Vec<_>>());
                    let care_ofs = care_ofs(n, &Vec::from_iter(bids.iter().copied()));
                    let then = published(n, &bids, &rules);
                    match insist(&reader, || writer.publish_flows(home(n), &care_ofs, &rules)) {
                        Ok(is_bound) => {
                            prop_assert!(is_bound);
                            *model = then;
                        }
                        Err(SegmentError::Full { table: Table::Flows, .. }) => {
                            prop_assert!(all - model.flows.len() + then.flows.len() > capacity as usize);
                        }
                        Err(error) => prop_assert!(false, "{}", error),
                    }
                }
                Change::TakeCareOf(bid) => {
                    let had = writer.set_care_of(home(n), bid, None).unwrap();
                    prop_assert_eq!(had, model.bids.remove(&bid));
                }
                Change::Unbind => {
                    prop_assert!(writer.remove_binding(home(n)));
                    insist(&reader, || writer.publish_binding(home(n), &tunnel(n, 100))).unwrap();
                    *model = Model::default();
                }
                Change::Quiescent => reader.quiescent(),
                Change::NewWriter => {
                    drop(writer);
                    writer = segment.writer().unwrap();
                }
            }
            assert_as_modelled(&writer, &reader, &models);
        }
        for n in 0..3 {
            writer.remove_binding(home(n));
        }
        for _ in 0..3 {
            reader.quiescent();
            writer.reclaim();
        }
        prop_assert_eq!((writer.reclaim(), writer.flow_count()), (0, 0));
    }
}

/// The list after the next one is written where the one before was, which still says something of the flow.
#[test]
fn a_flow_that_was_removed_between_two_lists_does_not_come_back_with_a_later_one() {
    let segment = Segment::anonymous(&GEOMETRY).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    bind(&mut writer, 1);
    let publish = |writer: &mut Writer, bid: u16, flows: std::ops::Range<u64>| {
        let rules: Vec<FlowRule> = flows.map(|f| rule(f, &[bid], 0).into()).collect();
        insist(&reader, || {
            writer.publish_flows(home(1), &care_ofs(1, &[bid]), &rules)
        })
        .unwrap();
    };
    publish(&mut writer, 3, 0..2);
    publish(&mut writer, 3, 0..3);
    // Nobody goes by the first list any more.
    reader.quiescent();
    assert!(writer.remove_flow(home(1), &flow(0)));
    publish(&mut writer, 5, 3..4);
    let says = |f| decided(&reader, 1, &packet(1, &flow(f)));
    assert_eq!((says(0), says(3)), (None, Some(vec![5])));
}

fn bind(writer: &mut Writer, n: u64) {
    writer.publish_binding(home(n), &tunnel(n, 100)).unwrap();
}

/// Nothing but care-of addresses, and no rule.
fn with_set(writer: &mut Writer, n: u64, bids: &[u16]) {
    bind(writer, n);
    assert!(
        writer
            .publish_flows(home(n), &care_ofs(n, bids), &[])
            .unwrap()
    );
}

#[test]
fn no_insertion_fails_below_the_declared_capacity_and_nothing_is_lost_at_it() {
    let capacity = 20_000;
    let geometry = Geometry {
        flows: capacity,
        ..GEOMETRY
    };
    for seed in [[0, 0], [1, 2], [u64::MAX, 7]] {
        let segment = Segment::anonymous_with_seed(&geometry, seed).unwrap();
        let mut writer = segment.writer().unwrap();
        with_set(&mut writer, 1, &[1, 2]);
        with_set(&mut writer, 2, &[1, 2]);
        let capacity = u64::from(capacity);
        // Each flow of both home addresses, of which the last one is one too many.
        let all = || (0..capacity).map(|m| (1 + m % 2, m / 2));
        for (n, f) in all() {
            assert!(writer.set_flow(home(n), &rule(f, &[n as u16], 0)).unwrap());
        }
        let refused = writer.set_flow(home(1), &rule(capacity, &[1], 0));
        assert!(
            matches!(
                refused,
                Err(SegmentError::Full {
                    table: Table::Flows,
                    ..
                })
            ),
            "{refused:?}"
        );
        for (n, f) in all() {
            let other = 3 - n as u16;
            assert!(writer.set_flow(home(n), &rule(f, &[other], 0)).unwrap());
        }
        let reader = segment.reader(0).unwrap();
        for (n, f) in all() {
            let found = decided(&reader, n, &packet(n, &flow(f)));
            assert_eq!(found, Some(vec![3 - n]));
        }
        assert_eq!(decided(&reader, 1, &packet(1, &flow(capacity))), None);
        assert!(writer.remove_flow(home(2), &flow(0)));
        assert!(writer.set_flow(home(1), &rule(capacity, &[1], 0)).unwrap());
        let found = decided(&reader, 1, &packet(1, &flow(capacity)));
        assert_eq!(found, Some(vec![1]));
    }
}

#[test]
fn a_list_of_more_flows_than_fit_changes_nothing() {
    let segment = Segment::anonymous(&GEOMETRY).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    bind(&mut writer, 1);
    with_set(&mut writer, 2, &[1]);
    let flows = |range: std::ops::Range<u64>, bid: u16| -> Vec<FlowRule> {
        range.map(|f| rule(f, &[bid], 0).into()).collect()
    };
    assert!(
        writer
            .publish_flows(home(1), &care_ofs(1, &[1]), &flows(0..300, 1))
            .unwrap()
    );
    for rules in [flows(0..401, 1), flows(200..602, 1)] {
        let refused = writer.publish_flows(home(1), &care_ofs(1, &[1, 2]), &rules);
        assert!(
            matches!(
                refused,
                Err(SegmentError::Full {
                    table: Table::Flows,
                    capacity: 400
                })
            ),
            "{refused:?}"
        );
    }
    for f in 0..410 {
        let expected = (f < 300).then(|| vec![1]);
        assert_eq!(decided(&reader, 1, &packet(1, &flow(f))), expected);
    }
    // Others can have what is left, to the last one.
    for f in 0..100 {
        assert!(writer.set_flow(home(2), &rule(f, &[1], 0)).unwrap());
    }
    assert_eq!(writer.flow_count(), 400);
    // A list in place of another of the same length fits into a table that is full.
    reader.quiescent();
    assert!(
        writer
            .publish_flows(home(1), &care_ofs(1, &[2]), &flows(100..400, 2))
            .unwrap()
    );
    for f in 0..400 {
        let expected = (f >= 100).then(|| vec![2]);
        assert_eq!(decided(&reader, 1, &packet(1, &flow(f))), expected);
    }
}

#[test]
fn a_packet_never_meets_the_flow_of_another_home_address() {
    let segment = Segment::anonymous(&GEOMETRY).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    for n in 1..=2 {
        with_set(&mut writer, n, &[1, 2]);
    }
    assert!(writer.set_flow(home(1), &rule(7, &[1], 0)).unwrap());
    assert!(writer.set_flow(home(2), &rule(8, &[2], 0)).unwrap());
    let found = |n, f| decided(&reader, n, &packet(n, &flow(f)));
    assert_eq!((found(1, 7), found(1, 8)), (Some(vec![1]), None));
    assert_eq!((found(2, 7), found(2, 8)), (None, Some(vec![2])));
    // Nor one of its own from before, when the address has been bound to another mobile node.
    assert!(writer.remove_binding(home(1)));
    with_set(&mut writer, 1, &[1, 2]);
    assert_eq!((found(1, 7), writer.flow_count()), (None, 1));
    assert!(writer.set_flow(home(1), &rule(9, &[2], 0)).unwrap());
    reader.quiescent();
    writer.reclaim();
    assert_eq!((found(1, 7), found(1, 9)), (None, Some(vec![2])));
}

#[test]
fn a_rule_that_leads_nowhere_has_no_effect_and_the_next_one_counts() {
    let segment = Segment::anonymous(&GEOMETRY).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    bind(&mut writer, 1);
    assert!(!writer.set_flow(home(1), &rule(1, &[1], 0)).unwrap());
    assert!(!writer.set_flow(home(2), &rule(1, &[1], 0)).unwrap());
    let rules: Vec<FlowRule> = [
        // BID 9 is nowhere, so that the second one for the same flow is the first.
        rule(1, &[9], 0).into(),
        rule(1, &[1, 9], 0).into(),
        rule(1, &[2], 0).into(),
        from_ports(0, u16::MAX, &[3]),
    ]
    .into();
    assert!(
        writer
            .publish_flows(home(1), &care_ofs(1, &[1, 2, 3]), &rules)
            .unwrap()
    );
    assert_eq!(writer.flow_count(), 1);
    let found = |f| decided(&reader, 1, &packet(1, &flow(f)));
    assert_eq!((found(1), found(2)), (Some(vec![1]), Some(vec![3])));
    assert!(writer.set_care_of(home(1), 1, None).unwrap());
    assert_eq!(found(1), Some(vec![2]));
    assert!(writer.set_care_of(home(1), 2, None).unwrap());
    assert_eq!(found(1), Some(vec![3]));
    assert!(writer.set_flow(home(1), &rule(1, &[1], 0)).unwrap());
    assert_eq!((found(1), writer.flow_count()), (Some(vec![3]), 0));
    let no_ports = FlowKey {
        ports: None,
        ..packet(1, &flow(1))
    };
    assert_eq!(decided(&reader, 1, &no_ports), None);
}

/// What a worker found before a change it may still ask about; what it finds after is the change.
#[test]
fn a_flow_that_is_held_stays_as_it_is_until_the_worker_is_quiescent() {
    let segment = Segment::anonymous(&GEOMETRY).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    bind(&mut writer, 1);
    let publish = |writer: &mut Writer, bids: &[u16], flows: &[(u64, u16)]| {
        let rules = flows.iter().map(|(f, bid)| rule(*f, &[*bid], 0).into());
        let rules: Vec<FlowRule> = rules.collect();
        writer.publish_flows(home(1), &care_ofs(1, bids), &rules)
    };
    assert!(publish(&mut writer, &[1, 2], &[(1, 1), (2, 2)]).unwrap());
    let entry = reader.lookup_home(&home(1).octets()).unwrap();
    let held = reader.flow_set(entry.flows().unwrap()).unwrap();
    let by_held = |f: u64| {
        let verdict = reader.find_flow(held, &packet(1, &flow(f)))?.verdict;
        let dhp_segment::FlowVerdict::CareOfs(mask) = verdict else {
            panic!("{verdict:?}");
        };
        let position = mask.trailing_zeros() as usize;
        let template = reader.template(held.template(position).unwrap()).unwrap();
        support::generation_of(1, &template.tunnel())
    };
    // BID 3 comes to where BID 1 was, flow 1 goes, flow 2 moves, flow 3 comes.
    assert!(publish(&mut writer, &[2, 3], &[(2, 3), (3, 3)]).unwrap());
    assert_eq!([1, 2, 3].map(by_held), [Some(1), Some(2), None]);
    let now = |f| decided(&reader, 1, &packet(1, &flow(f)));
    assert_eq!([1, 2, 3].map(now), [None, Some(vec![3]), Some(vec![3])]);
    // What is set and removed one by one is for those who go by what is current.
    assert!(writer.set_flow(home(1), &rule(1, &[2], 0)).unwrap());
    assert!(writer.remove_flow(home(1), &flow(2)));
    assert_eq!([1, 2, 3].map(by_held), [Some(1), Some(2), None]);
    assert_eq!([1, 2, 3].map(now), [Some(vec![2]), None, Some(vec![3])]);
    let busy = publish(&mut writer, &[2, 3], &[(2, 2)]);
    assert!(matches!(busy, Err(SegmentError::Busy { .. })), "{busy:?}");
    assert_eq!([1, 2, 3].map(by_held), [Some(1), Some(2), None]);
    assert_eq!([1, 2, 3].map(now), [Some(vec![2]), None, Some(vec![3])]);
    // The same flows need not wait, whatever else changes.
    assert!(publish(&mut writer, &[4, 3, 2], &[(1, 2), (3, 3)]).unwrap());
    assert_eq!([1, 2, 3].map(now), [Some(vec![2]), None, Some(vec![3])]);
    reader.quiescent();
    assert!(publish(&mut writer, &[2, 3], &[(2, 2)]).unwrap());
    assert_eq!([1, 2, 3].map(now), [None, Some(vec![2]), None]);
}

#[test]
fn what_a_flow_has_carried_is_counted_while_its_table_grows() {
    let segment = Segment::anonymous(&GEOMETRY).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    with_set(&mut writer, 1, &[1]);
    let entry = reader.lookup_home(&home(1).octets()).unwrap();
    let set = reader.flow_set(entry.flows().unwrap()).unwrap();
    let find = |f: u64| reader.find_flow(set, &packet(1, &flow(f))).unwrap();
    for f in 0..100 {
        assert!(writer.set_flow(home(1), &rule(f, &[1], 0)).unwrap());
        reader.carry_flow(&find(f), 1_000);
    }
    let held: Vec<_> = (0..100).map(find).collect();
    for f in 100..400 {
        assert!(writer.set_flow(home(1), &rule(f, &[1], 0)).unwrap());
    }
    assert!(
        (0..100).any(|f| find(f) != held[f as usize]),
        "some have moved"
    );
    for (f, held) in (0..100).zip(&held) {
        reader.carry_flow(held, 100);
        reader.carry_flow(&find(f), f);
    }
    reader.quiescent();
    assert_eq!(writer.reclaim(), 0);
    for f in 0..100 {
        let carried = writer.flow_carried(home(1), &flow(f)).unwrap();
        assert_eq!((carried.packets, carried.octets), (3, 1_100 + f));
    }
    assert!(writer.remove_flow(home(1), &flow(0)));
    assert_eq!(writer.flow_carried(home(1), &flow(0)), None);
    assert!(writer.set_flow(home(1), &rule(0, &[1], 0)).unwrap());
    assert_eq!(writer.flow_carried(home(1), &flow(0)).unwrap().packets, 0);
}
