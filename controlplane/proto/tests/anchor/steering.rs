//! Random registrations of care-of addresses and flows: the anchor and a simple model say the same, in answers and in where
//! packets go.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{AnchorConfig, BindingChange, Limits, SteeringRule};
use dhp_wire::codepoints::Status;
use dhp_wire::mobility::{
    Bids, BuFlags, FlowIds, FlowSubOption, Ipv4TrafficSelector, MobilityOption, SelectorRange,
    TrafficSelector,
};
use proptest::prelude::*;

use crate::harness::{CARE_OF, CARE_OF_2, HOME, OWN_DHOA, World, config, mn1};
use crate::message;
use crate::steering_model::{
    BidOption, FlowOption, MOST_CARE_OFS, MOST_FLOWS, MOST_RULES, Model, Reply, Selector, Update,
};

const CARE_OF_3: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 3);

#[derive(Debug, Clone)]
enum Step {
    Update(Update),
    Wait(u64),
}

fn care_of() -> impl Strategy<Value = Ipv6Addr> {
    let multicast = Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 1);
    prop_oneof![
        4 => Just(CARE_OF),
        4 => Just(CARE_OF_2),
        4 => Just(CARE_OF_3),
        1 => Just(OWN_DHOA),
        1 => Just(multicast),
    ]
}

fn bid() -> impl Strategy<Value = BidOption> {
    let care_of = prop_oneof![3 => care_of().prop_map(Some), 1 => Just(None)];
    (1u16..6, 0u8..4, care_of, prop::bool::weighted(0.05)).prop_map(
        |(bid, priority, care_of, home)| BidOption {
            bid,
            priority,
            care_of,
            home,
        },
    )
}

fn flow() -> impl Strategy<Value = FlowOption> {
    let selector = prop_oneof![
        2 => Just(Selector::All),
        3 => Just(Selector::Protocol(6)),
        3 => Just(Selector::Protocol(17)),
        4 => (1u16..4).prop_map(Selector::Exact),
        1 => Just(Selector::Ipv4),
        1 => Just(Selector::OtherFormat),
        1 => Just(Selector::Cut),
    ];
    let selector = prop::option::weighted(0.8, selector);
    let bids = prop::option::weighted(0.8, prop::collection::btree_set(1u16..6, 1..4));
    (1u16..7, 0u16..7, selector, bids).prop_map(|(fid, priority, selector, bids)| FlowOption {
        fid,
        priority,
        selector,
        bids,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let source = prop::sample::select(vec![CARE_OF, CARE_OF_2, CARE_OF_3]);
    let lifetime_s = prop_oneof![1 => Just(0u64), 4 => (1u64..100).prop_map(|units| units * 4)];
    let update = (
        source,
        lifetime_s,
        prop::bool::weighted(0.2),
        prop::collection::vec(bid(), 0..4),
        prop::collection::vec(flow(), 0..4),
        prop::collection::btree_set(1u16..7, 0..5),
    )
        .prop_map(|(source, lifetime_s, overwrite, bids, flows, summary)| {
            Step::Update(Update {
                source,
                lifetime_s,
                overwrite,
                bids,
                flows,
                summary,
            })
        });
    prop_oneof![6 => update, 1 => (1u64..200).prop_map(Step::Wait)]
}

/// What the forwarding plane knows, by events alone.
#[derive(Debug, Default)]
struct Plane {
    default: Option<Ipv6Addr>,
    care_ofs: BTreeMap<u16, Ipv6Addr>,
    rules: Vec<SteeringRule>,
}

impl Plane {
    fn follow(&mut self, change: &BindingChange) {
        match change {
            BindingChange::Bound { care_of, .. } => self.default = Some(*care_of),
            BindingChange::Steered {
                care_ofs, rules, ..
            } => {
                let care_ofs = care_ofs.iter();
                self.care_ofs = care_ofs
                    .map(|care_of| (care_of.bid, care_of.care_of))
                    .collect();
                self.rules.clone_from(rules);
            }
            BindingChange::CareOfMoved { bid, care_of, .. } => {
                assert!(self.care_ofs.insert(*bid, *care_of).is_some());
            }
            BindingChange::Released { .. } => *self = Self::default(),
        }
    }

    fn care_ofs_of(&self, protocol: u8) -> BTreeSet<Ipv6Addr> {
        let matches = |rule: &&SteeringRule| {
            let next_header = rule.selector.next_header;
            rule.selector.source.is_none()
                && next_header.is_none_or(|range| range.contains(protocol))
        };
        match self.rules.iter().find(matches) {
            Some(rule) => rule.bids.iter().map(|bid| self.care_ofs[bid]).collect(),
            None => self.default.into_iter().collect(),
        }
    }
}

struct Run {
    world: World,
    model: Model,
    plane: Plane,
    followed: usize,
    sequence: u16,
    now_s: u64,
}

impl Run {
    fn new() -> Self {
        let world = World::with(AnchorConfig {
            limits: Limits {
                max_care_of_addresses: MOST_CARE_OFS,
                max_flow_bindings: MOST_FLOWS,
                max_flow_rules: MOST_RULES,
                ..Limits::default()
            },
            ..config()
        });
        Self {
            world,
            model: Model::default(),
            plane: Plane::default(),
            followed: 0,
            sequence: 0,
            now_s: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Wait(seconds) => {
                self.now_s += seconds;
                self.world.wait(Duration::from_secs(seconds));
                self.model.pass(self.now_s);
            }
            Step::Update(update) => {
                self.sequence += 1;
                let expected = self.model.update(self.now_s, &update);
                assert_eq!(self.ask(&update), expected, "{update:?}");
            }
        }
        for event in &self.world.events[self.followed..] {
            self.plane.follow(&event.change);
        }
        self.followed = self.world.events.len();
        assert_eq!(self.world.care_of(HOME).is_some(), self.model.is_bound());
        for protocol in [6, 17, 58] {
            let (is, should) = (&self.plane, &self.model);
            assert_eq!(
                is.care_ofs_of(protocol),
                should.care_ofs_of(protocol),
                "{protocol}"
            );
        }
    }

    fn ask(&mut self, update: &Update) -> Reply {
        let sub_options: Vec<Vec<u8>> = update.flows.iter().map(sub_options).collect();
        let summary: Vec<[u8; 2]> = update.summary.iter().map(|fid| fid.to_be_bytes()).collect();
        let mut message = message::Update::new(HOME, self.sequence)
            .lifetime((update.lifetime_s / 4) as u16)
            .from(update.source);
        if update.overwrite {
            message.flags = message.flags | BuFlags::OVERWRITE;
        }
        for option in &update.bids {
            message = message.option(MobilityOption::BindingIdentifier {
                bid: option.bid,
                status: Status(0),
                home_flag: option.home,
                priority: option.priority,
                care_of: option.care_of.map(Into::into),
            });
        }
        for (option, sub_options) in update.flows.iter().zip(&sub_options) {
            message = message.option(MobilityOption::FlowIdentification {
                fid: option.fid,
                priority: option.priority,
                status: 0,
                sub_options,
            });
        }
        if let Some(fids) = FlowIds::new(&summary) {
            message = message.option(MobilityOption::FlowSummary(fids));
        }
        let answer = self.world.ask(&message.by(&mn1()));
        Reply {
            status: answer.status,
            bids: answer.bids,
            flows: answer.flows,
        }
    }
}

fn sub_options(option: &FlowOption) -> Vec<u8> {
    let mut octets = Vec::new();
    if let Some(bids) = &option.bids {
        let bids: Vec<[u8; 2]> = bids.iter().map(|bid| bid.to_be_bytes()).collect();
        let reference = FlowSubOption::BindingReference(Bids::new(&bids).unwrap());
        reference.write(&mut octets).unwrap();
    }
    if let Some(selector) = option.selector {
        let any = TrafficSelector::default();
        let (format, selector) = match selector {
            Selector::All => (2, any.to_octets()),
            Selector::Protocol(protocol) => {
                let next_header = Some(SelectorRange::one(protocol));
                (2, TrafficSelector { next_header, ..any }.to_octets())
            }
            Selector::Exact(port) => {
                let exact = TrafficSelector {
                    source: Some(SelectorRange::one(CARE_OF_3)),
                    next_header: Some(SelectorRange::one(17)),
                    source_port: Some(SelectorRange::one(53)),
                    destination_port: Some(SelectorRange::one(port)),
                    ..any
                };
                (2, exact.to_octets())
            }
            Selector::Ipv4 => (1, Ipv4TrafficSelector::default().to_octets()),
            Selector::OtherFormat => (9, vec![1, 2, 3]),
            Selector::Cut => (2, vec![0x80, 0, 0, 0, 1]),
        };
        let selector = &selector;
        let sub_option = FlowSubOption::TrafficSelector { format, selector };
        sub_option.write(&mut octets).unwrap();
    }
    octets
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_registrations_is_as_the_model_has_it(steps in prop::collection::vec(step(), 1..40)) {
        let mut run = Run::new();
        for step in steps {
            run.take(step);
        }
        // In the end all of it expires.
        run.take(Step::Wait(1000));
        prop_assert!(!run.model.is_bound());
        prop_assert_eq!(run.world.bound_count(), 0);
    }
}
