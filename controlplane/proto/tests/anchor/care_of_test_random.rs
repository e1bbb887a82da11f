//! Random handoffs, echoes and releases: nothing gets more than a credit that no cookie has come back from, no test lasts longer
//! than ten seconds, and the events tell the forwarding plane all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use dhp_proto::anchor::{AnchorConfig, BindingChange, UnderTest};
use dhp_wire::codepoints::{Status, dmip_flag};
use dhp_wire::mobility::MobilityOption;
use proptest::prelude::*;

use crate::answer::Answer;
use crate::harness::{CARE_OF, CARE_OF_2, Mn, World, config, mn1, mn2};
use crate::message::{Dmip, Update, dhoa, flow};

const CARE_OFS: [Ipv6Addr; 4] = [
    CARE_OF,
    CARE_OF_2,
    Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 3),
    Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 4),
];
const TEST_NS: u64 = 10_000_000_000;

#[derive(Debug, Clone)]
enum Step {
    /// A DHoA for a flow.
    Request {
        fid: u16,
        care_of: usize,
    },
    /// The DHoAs of these numbers move.
    Move {
        listed: Vec<usize>,
        care_of: usize,
        lifetime: u16,
        flags: u16,
        behind: u16,
        echo: Option<usize>,
    },
    /// They get these care-of addresses.
    Spread {
        listed: Vec<usize>,
        bids: Vec<(u16, usize)>,
        lifetime: u16,
        echo: Option<usize>,
    },
    /// By a classic update.
    Classic {
        dhoa: usize,
        care_of: usize,
    },
    Again(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let care_of = 0..CARE_OFS.len();
    let listed = prop::collection::vec(0..4usize, 1..4);
    // Mostly the last cookie.
    let echo = || prop::option::weighted(0.6, prop_oneof![3 => 0..2usize, 1 => 0..9usize]);
    let lifetime = || prop_oneof![6 => Just(150u16), 1 => 1u16..5, 1 => Just(0)];
    let flags = prop_oneof![3 => Just(0), 1 => Just(dmip_flag::REPLACE)];
    let behind = prop_oneof![5 => Just(0u16), 1 => 1u16..5];
    prop_oneof![
        2 => (0u16..3, care_of.clone()).prop_map(|(fid, care_of)| Step::Request { fid, care_of }),
        6 => (listed.clone(), care_of.clone(), lifetime(), flags, behind, echo()).prop_map(
            |(listed, care_of, lifetime, flags, behind, echo)| Step::Move {
                listed,
                care_of,
                lifetime,
                flags,
                behind,
                echo,
            }
        ),
        4 => (
            listed,
            prop::collection::vec((1u16..4, care_of.clone()), 1..4),
            lifetime(),
            echo()
        )
            .prop_map(|(listed, bids, lifetime, echo)| Step::Spread {
                listed,
                bids,
                lifetime,
                echo,
            }),
        1 => (0..4usize, care_of).prop_map(|(dhoa, care_of)| Step::Classic { dhoa, care_of }),
        1 => (0..9usize).prop_map(Step::Again),
        3 => (0u64..15_000).prop_map(Step::Wait),
    ]
}

/// What the forwarding plane knows of a home address, by events alone.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plane {
    default: Option<(Ipv6Addr, Option<UnderTest>)>,
    numbered: BTreeMap<u16, (Ipv6Addr, Option<UnderTest>)>,
}

struct Run {
    world: World,
    mn: Mn,
    sequence: u16,
    classic: u16,
    sent: Vec<Vec<u8>>,
    cookies: Vec<(Ipv6Addr, Vec<u8>)>,
    /// Where the mobile node has shown to be reached, or needs not.
    reached: BTreeSet<Ipv6Addr>,
    /// Since when each care-of address is under test without a break.
    begun: BTreeMap<Ipv6Addr, u64>,
    planes: BTreeMap<Ipv6Addr, Plane>,
    seen: usize,
    granted: Vec<Ipv6Addr>,
}

impl Run {
    fn new() -> Self {
        Self {
            world: World::with(AnchorConfig {
                care_of_test: true,
                security_associations: vec![mn1().security, mn2().security],
                ..config()
            }),
            mn: mn1(),
            sequence: 100,
            classic: 0,
            sent: Vec::new(),
            cookies: Vec::new(),
            reached: BTreeSet::new(),
            begun: BTreeMap::new(),
            planes: BTreeMap::new(),
            seen: 0,
            granted: Vec::new(),
        }
    }

    fn listed(&self, numbers: &[usize]) -> Vec<Ipv6Addr> {
        let granted = numbers
            .iter()
            .filter_map(|number| self.granted.get(*number).copied());
        granted.collect()
    }

    fn send(&mut self, message: Dmip<'_>) {
        let packet = message.by(&self.mn);
        self.sent.push(packet.clone());
        self.feed(&packet);
    }

    fn feed(&mut self, packet: &[u8]) {
        for packet in self.world.feed(packet) {
            let answer = Answer::read(&packet);
            if let Some(cookie) = answer.cookie {
                assert_eq!(answer.status, 16);
                self.cookies.push((answer.destination, cookie));
            }
            for granted in answer.dhoas {
                if granted.status == 0 && !self.granted.contains(&granted.address) {
                    self.granted.push(granted.address);
                }
            }
        }
    }

    /// The message with a cookie that has been received; whoever has it was reached there.
    fn with_echo<'a>(
        cookies: &'a [(Ipv6Addr, Vec<u8>)],
        reached: &mut BTreeSet<Ipv6Addr>,
        message: Dmip<'a>,
        echo: Option<usize>,
    ) -> Dmip<'a> {
        let given = echo.and_then(|ago| cookies.iter().rev().nth(ago));
        match given {
            Some((care_of, cookie)) => {
                reached.insert(*care_of);
                message.option(MobilityOption::Cookie(cookie))
            }
            None => message,
        }
    }

    fn take(&mut self, step: &Step) {
        self.sequence += 1;
        let cookies = std::mem::take(&mut self.cookies);
        let mut reached = std::mem::take(&mut self.reached);
        let message = match step {
            Step::Request { fid, care_of } => {
                let request = Dmip::dhoa_request(self.sequence).from(CARE_OFS[*care_of]);
                Some(match fid {
                    0 => request,
                    fid => request.flags(dmip_flag::DEDICATED).option(flow(*fid)),
                })
            }
            Step::Move {
                listed,
                care_of,
                lifetime,
                flags,
                behind,
                echo,
            } => {
                let update = Dmip::update(self.sequence - behind, &self.listed(listed))
                    .from(CARE_OFS[*care_of])
                    .lifetime(*lifetime)
                    .flags(*flags);
                Some(Self::with_echo(&cookies, &mut reached, update, *echo))
            }
            Step::Spread {
                listed,
                bids,
                lifetime,
                echo,
            } => {
                let mut update =
                    Dmip::update(self.sequence, &self.listed(listed)).lifetime(*lifetime);
                for (bid, care_of) in bids {
                    update = update.option(MobilityOption::BindingIdentifier {
                        bid: *bid,
                        status: Status(0),
                        home_flag: false,
                        priority: 0,
                        care_of: Some(IpAddr::V6(CARE_OFS[*care_of])),
                    });
                }
                Some(Self::with_echo(&cookies, &mut reached, update, *echo))
            }
            _ => None,
        };
        // A cookie that is sent proves no more than that its receiver was there: that it is taken is not said.
        let message = message.map(|message| message.by(&self.mn));
        self.reached = reached;
        self.cookies = cookies;
        match (message, step) {
            (Some(packet), _) => {
                self.sent.push(packet.clone());
                self.feed(&packet);
            }
            (None, Step::Classic { dhoa, care_of }) => {
                self.classic += 1;
                if let Some(home) = self.granted.get(*dhoa).copied() {
                    self.reached.insert(CARE_OFS[*care_of]);
                    let update = Update::new(home, self.classic).from(CARE_OFS[*care_of]);
                    self.feed(&update.by(&self.mn));
                }
            }
            (None, Step::Again(ago)) => {
                if let Some(packet) = self.sent.iter().rev().nth(*ago).cloned() {
                    self.feed(&packet);
                }
            }
            (None, Step::Wait(milliseconds)) => {
                self.world.wait(Duration::from_millis(*milliseconds));
            }
            _ => unreachable!("a message has been made of it"),
        }
        self.follow();
        self.check();
    }

    fn follow(&mut self) {
        for event in &self.world.events[self.seen..] {
            match &event.change {
                BindingChange::Bound {
                    home_address,
                    care_of,
                    test,
                    ..
                } => {
                    let plane = self.planes.entry(*home_address).or_default();
                    plane.default = Some((*care_of, *test));
                }
                BindingChange::Steered {
                    home_address,
                    care_ofs,
                    ..
                } => {
                    let numbered = care_ofs
                        .iter()
                        .map(|care_of| (care_of.bid, (care_of.care_of, care_of.test)));
                    let plane = self.planes.entry(*home_address).or_default();
                    plane.numbered = numbered.collect();
                }
                BindingChange::CareOfMoved {
                    home_address,
                    bid,
                    care_of,
                    test,
                } => {
                    let plane = self.planes.entry(*home_address).or_default();
                    let before = plane.numbered.insert(*bid, (*care_of, *test));
                    assert!(before.is_some_and(|before| before != (*care_of, *test)));
                }
                BindingChange::Released { home_address, .. } => {
                    self.planes.remove(home_address);
                }
            }
        }
        self.seen = self.world.events.len();
    }

    fn check(&mut self) {
        let now = self.world.now;
        let mut under_test = BTreeSet::new();
        for binding in self.world.anchor.bindings(now) {
            let numbered = binding.care_ofs.iter();
            let numbered: BTreeMap<_, _> = numbered
                .map(|care_of| (care_of.bid, (care_of.address, care_of.test)))
                .collect();
            let all = numbered
                .values()
                .copied()
                .chain([(binding.care_of, binding.test)]);
            for (care_of, test) in all {
                match test {
                    None => assert!(self.reached.contains(&care_of), "{care_of} in full"),
                    Some(UnderTest { tested }) => {
                        under_test.insert(care_of);
                        assert_ne!(tested, Some(care_of));
                        assert!(tested.is_none_or(|tested| self.reached.contains(&tested)));
                    }
                }
            }
            let is_split = numbered.len() > 1;
            let plane = Plane {
                default: Some((binding.care_of, binding.test)),
                numbered: if is_split { numbered } else { BTreeMap::new() },
            };
            assert_eq!(self.planes[&binding.home_address], plane);
        }
        self.begun.retain(|care_of, _| under_test.contains(care_of));
        for care_of in under_test {
            let begun = self.begun.entry(care_of).or_insert(now.mono_ns);
            assert!(
                now.mono_ns - *begun < TEST_NS,
                "{care_of} is tested for long"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn what_is_not_proved_gets_no_more_than_its_credit(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut run = Run::new();
        let first = Dmip::dhoa_request(100).option(dhoa(Ipv6Addr::UNSPECIFIED, 0, 0));
        run.send(first);
        run.follow();
        for step in &steps {
            run.take(step);
        }
        run.world.wait(Duration::from_nanos(TEST_NS));
        let tests = run.world.anchor.counters().care_of_tests();
        prop_assert_eq!(tests.begun, tests.passed + tests.failed + tests.abandoned);
    }
}
