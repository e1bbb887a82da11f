//! Random input: nothing panics, and after every step the events reconstruct exactly the set of bindings, in which
//! every home address has one owner (the harness asserts both).

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{AnchorCommand, AnchorConfig, Limits, PoolConfig, PoolKind};
use dhp_wire::codepoints::{Status, dmip_flag};
use dhp_wire::mobility::{BuFlags, Lifetime, MobilityOption};
use proptest::prelude::*;

use crate::harness::{
    ANCHOR, CARE_OF, CARE_OF_2, HOME, HOME_2, Mn, OWN_DHOA, World, config, mn1, mn2,
};
use crate::message::{Dmip, Update, dhoa, flow};

/// One step of a random run. Addresses and mobile nodes are picked by number from what there is.
#[derive(Debug, Clone)]
enum Step {
    Request {
        mn: usize,
        sequence: u16,
        lifetime: u16,
        dedicated: bool,
        fid: u16,
        wish: Option<usize>,
        coa: usize,
    },
    DhpUpdate {
        mn: usize,
        sequence: u16,
        lifetime: u16,
        flags: u16,
        listed: Vec<(usize, u16, u16)>,
        coa: usize,
        spread: Spread,
    },
    HomeUpdate {
        mn: usize,
        sequence: u16,
        lifetime: u16,
        home: usize,
        coa: usize,
        at_home: bool,
        spread: Spread,
    },
    Again(usize),
    Release(usize),
    Drain(bool),
    Wait(u64),
}

/// Care-of addresses by BID, picked by number, and flows with their priorities and sub-options.
#[derive(Debug, Clone)]
struct Spread {
    bids: Vec<(u16, u8, Option<usize>)>,
    flows: Vec<(u16, u16, &'static [u8])>,
}

fn spread() -> impl Strategy<Value = Spread> {
    let bids = (1u16..4, 0u8..3, prop::option::weighted(0.8, 0..4usize));
    // A selector for UDP, one for all, a reference to BID 1, and what cannot be read.
    let sub_options: Vec<&[u8]> = vec![
        &[],
        &[3, 7, 2, 0, 0, 2, 0, 0, 17, 2, 2, 0, 1],
        &[3, 6, 2, 0, 0, 0, 0, 0, 2, 4, 0, 2, 0, 3],
        &[2, 2, 0, 1],
        &[2, 9, 0],
    ];
    let flows = (1u16..4, 0u16..4, prop::sample::select(sub_options));
    let few = (
        prop::collection::vec(bids, 0..3),
        prop::collection::vec(flows, 0..3),
    );
    few.prop_map(|(bids, flows)| Spread { bids, flows })
}

impl Spread {
    fn options(&self, care_ofs: &[Ipv6Addr]) -> Vec<MobilityOption<'static>> {
        let bids = self.bids.iter().map(|(bid, priority, care_of)| {
            let care_of = care_of.map(|number| care_ofs[number].into());
            MobilityOption::BindingIdentifier {
                bid: *bid,
                status: Status(0),
                home_flag: false,
                priority: *priority,
                care_of,
            }
        });
        let flows = self.flows.iter().map(|(fid, priority, sub_options)| {
            MobilityOption::FlowIdentification {
                fid: *fid,
                priority: *priority,
                status: 0,
                sub_options,
            }
        });
        bids.chain(flows).collect()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (mn, coa, home, lifetime) = (
        0..2usize,
        0..4usize,
        0..8usize,
        prop_oneof![0u16..4, 0u16..40, Just(0xffff)],
    );
    let sequence = prop_oneof![0u16..200, any::<u16>()];
    prop_oneof![
        4 => (mn.clone(), sequence.clone(), lifetime.clone(), any::<bool>(), 0u16..4, prop::option::of(home.clone()), coa.clone())
            .prop_map(|(mn, sequence, lifetime, dedicated, fid, wish, coa)| Step::Request { mn, sequence, lifetime, dedicated, fid, wish, coa }),
        4 => (mn.clone(), sequence.clone(), lifetime.clone(), any::<u16>(), prop::collection::vec((home.clone(), 0u16..3, 0u16..30), 0..4), coa.clone(), spread())
            .prop_map(|(mn, sequence, lifetime, flags, listed, coa, spread)| Step::DhpUpdate { mn, sequence, lifetime, flags, listed, coa, spread }),
        4 => (mn, sequence, lifetime, home.clone(), coa, any::<bool>(), spread())
            .prop_map(|(mn, sequence, lifetime, home, coa, at_home, spread)| Step::HomeUpdate { mn, sequence, lifetime, home, coa, at_home, spread }),
        2 => any::<usize>().prop_map(Step::Again),
        1 => home.prop_map(Step::Release),
        1 => any::<bool>().prop_map(Step::Drain),
        3 => (0u64..300_000).prop_map(Step::Wait),
    ]
}

struct Run {
    world: World,
    mns: [Mn; 2],
    /// Every packet so far, to be fed again.
    sent: Vec<Vec<u8>>,
    /// Every address that was ever granted.
    granted: Vec<Ipv6Addr>,
}

impl Run {
    fn new(care_of_test: bool) -> Self {
        let pools = vec![
            PoolConfig::new("2001:db8:d:1::/125".parse().unwrap(), PoolKind::Dhoa),
            PoolConfig::new("2001:db8:1:1::/64".parse().unwrap(), PoolKind::Home),
        ];
        let limits = Limits {
            max_home_addresses: 7,
            ..Limits::default()
        };
        let world = World::with(AnchorConfig {
            pools,
            limits,
            care_of_test,
            ..config()
        });
        Self {
            world,
            mns: [mn1(), mn2()],
            sent: Vec::new(),
            granted: vec![OWN_DHOA, HOME, HOME_2],
        }
    }

    fn address(&self, number: usize) -> Ipv6Addr {
        self.granted[number % self.granted.len()]
    }

    fn feed(&mut self, packet: Vec<u8>) {
        for answer in self.world.feed(&packet) {
            assert!(answer.len() <= 1280);
            let answer = crate::answer::Answer::read(&answer);
            for dhoa in answer.dhoas.iter().filter(|dhoa| dhoa.status == 0) {
                if !self.granted.contains(&dhoa.address) {
                    self.granted.push(dhoa.address);
                }
            }
        }
        self.sent.push(packet);
    }

    fn take(&mut self, step: Step) {
        let care_of = [
            CARE_OF,
            CARE_OF_2,
            "2001:db8:f::9".parse().unwrap(),
            OWN_DHOA,
        ];
        match step {
            Step::Request {
                mn,
                sequence,
                lifetime,
                dedicated,
                fid,
                wish,
                coa,
            } => {
                let mut request = Dmip::dhoa_request(sequence)
                    .lifetime(lifetime)
                    .from(care_of[coa]);
                if dedicated {
                    request = request.flags(dmip_flag::DEDICATED);
                }
                if fid > 0 {
                    request = request.option(flow(fid));
                }
                if let Some(wish) = wish {
                    request = request.option(dhoa(self.address(wish), 0, 0));
                }
                self.feed(request.by(&self.mns[mn].clone()));
            }
            Step::DhpUpdate {
                mn,
                sequence,
                lifetime,
                flags,
                listed,
                coa,
                spread,
            } => {
                let mut update = Dmip::update(sequence, &[])
                    .lifetime(lifetime)
                    .from(care_of[coa]);
                update.flags = flags;
                for (address, fid, lifetime) in listed {
                    update = update.option(dhoa(self.address(address), fid, lifetime));
                }
                let options = spread.options(&care_of);
                let update = options.into_iter().fold(update, Dmip::option);
                self.feed(update.by(&self.mns[mn].clone()));
            }
            Step::HomeUpdate {
                mn,
                sequence,
                lifetime,
                home,
                coa,
                at_home,
                spread,
            } => {
                let update = Update::new(self.address(home), sequence)
                    .lifetime(lifetime)
                    .from(care_of[coa]);
                let update = if at_home { update.at_home() } else { update };
                let options = spread.options(&care_of);
                let mut update = options.into_iter().fold(update, Update::option);
                if sequence % 2 == 1 {
                    update.flags = update.flags | BuFlags::OVERWRITE;
                }
                self.feed(update.by(&self.mns[mn].clone()));
            }
            Step::Again(number) => {
                if let Some(packet) = self.sent.get(number % self.sent.len().max(1)).cloned() {
                    self.feed(packet);
                }
            }
            Step::Release(number) => {
                let home_address = self.address(number);
                self.world.command(AnchorCommand::Release { home_address });
            }
            Step::Drain(draining) => self.world.command(AnchorCommand::SetDraining(draining)),
            Step::Wait(millis) => self.world.wait(Duration::from_millis(millis)),
        }
    }

    /// What holds whatever has happened.
    fn check(&self) {
        for binding in self.world.anchor.bindings(self.world.now) {
            assert!(binding.remaining > Lifetime::ZERO);
            let further = binding.care_ofs.iter().map(|care_of| care_of.address);
            let care_ofs: Vec<_> = further.chain([binding.care_of]).collect();
            assert!(!care_ofs.contains(&OWN_DHOA), "no loops");
            assert!(binding.care_ofs.is_sorted_by(|a, b| a.bid < b.bid));
            let flows = binding.flow_bindings;
            assert!(flows.is_sorted_by(|a, b| a.priority < b.priority));
            let own = match binding.home_address {
                HOME | OWN_DHOA => Some("mn1@example.net"),
                HOME_2 => Some("mn2@example.net"),
                _ => None,
            };
            assert!(
                own.is_none_or(|own| own == binding.mn.to_string()),
                "{binding:?}"
            );
        }
        let held: usize = self
            .world
            .anchor
            .pools()
            .map(|pool| pool.used + pool.quarantined)
            .sum();
        assert!(held <= 7, "the cap holds");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_messages_keeps_the_invariants(
        care_of_test in any::<bool>(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut run = Run::new(care_of_test);
        for step in steps {
            run.take(step);
            run.check();
        }
        // In the end everything expires, and the anchor has nothing left to do.
        run.world.wait(Duration::from_secs(2000));
        prop_assert_eq!(run.world.bound_count(), 0);
        prop_assert_eq!(run.world.anchor.poll_timeout(), None);
    }

    #[test]
    fn any_octets_are_survived(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut world = World::new();
        world.feed(&octets);
        // The same behind a sound IPv6 header and in a Mobility Header with a right checksum.
        let mut mh = octets;
        mh.resize(mh.len().next_multiple_of(8).max(8), 0);
        mh[0] = 59;
        mh[1] = u8::try_from(mh.len() / 8 - 1).unwrap();
        for (mh_type, dmip_type) in [(11, 1), (11, 3), (11, 5), (5, 0), (6, 0), (200, 0)] {
            mh[2] = mh_type;
            if let (11, Some(fixed)) = (mh_type, mh.get_mut(6..8)) {
                fixed.copy_from_slice(&[dmip_type, 0x10]);
            }
            mh[4..6].fill(0);
            let sum = dhp_wire::checksum::upper_layer_checksum(&CARE_OF, &ANCHOR, 135, &mh);
            mh[4..6].copy_from_slice(&sum.to_be_bytes());
            world.feed(&dhp_wire::packet::compose(&CARE_OF, &ANCHOR, None, None, &mh));
        }
        prop_assert_eq!(world.bound_count(), 0);
    }

    /// Options of any content, under a right MAC: what only a mobile node's own software could send.
    #[test]
    fn any_authentic_options_are_survived(
        options in prop::collection::vec((prop::sample::select(vec![3u8, 8, 10, 18, 35, 44, 45, 99]), prop::collection::vec(any::<u8>(), 0..45)), 0..8),
        request in any::<bool>(),
        flags in any::<u16>(),
        lifetime in 0u16..3,
    ) {
        let mut world = World::new();
        let message = if request { Dmip::dhoa_request(1) } else { Dmip::update(1, &[OWN_DHOA]) };
        let message = message.flags(flags).lifetime(lifetime);
        let message = options.iter().fold(message, |message, (kind, data)| {
            message.option(MobilityOption::Unknown { kind: *kind, data })
        });
        world.feed(&message.by(&mn1()));
    }
}
