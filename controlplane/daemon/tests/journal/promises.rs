//! No two mobile nodes hold or are promised the same DHoA, whatever happens in between: releases, refreshes, moves, orderly
//! stops, and stops that lose whatever no answer has waited for
//!
//! The model is what the mobile nodes believe, by the answers that have left.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use dhp_proto::anchor::{
    Anchor, AnchorAction, AnchorConfig, BindingChange, Kept, PoolConfig, PoolKind,
};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_proto::time::{NANOS_PER_SECOND, Now};
use dhp_wire::codepoints::{CodePoints, DmipType, Status, dmip_flag, status};
use dhp_wire::mobility::{Builder, DmipHeader, Lifetime, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::{MobilityPacket, compose};
use dhpd::journal::{Header, Record, State};
use proptest::prelude::*;

const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x80);
const MOBILE_NODES: usize = 4;
/// Of seven that a pool of eight has.
const MOST_EACH: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// A DHoA for a flow, or for all that have none of their own.
    Request {
        mn: usize,
        fid: u16,
        lifetime: u16,
    },
    /// Refresh or release what it holds.
    Update {
        mn: usize,
        lifetime: u16,
    },
    Wait {
        seconds: u64,
    },
    /// A restart. Without an orderly stop this share of what no answer has waited for is lost.
    Restart {
        down: u64,
        lost: Option<prop::sample::Index>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let mn = 0..MOBILE_NODES;
    let lifetime = 1_u16..150;
    prop_oneof![
        6 => (mn.clone(), 0_u16..4, lifetime.clone())
            .prop_map(|(mn, fid, lifetime)| Step::Request { mn, fid, lifetime }),
        3 => (mn, prop_oneof![1 => Just(0), 2 => lifetime])
            .prop_map(|(mn, lifetime)| Step::Update { mn, lifetime }),
        3 => (0_u64..500).prop_map(|seconds| Step::Wait { seconds }),
        3 => (0_u64..900, any::<Option<prop::sample::Index>>())
            .prop_map(|(down, lost)| Step::Restart { down, lost }),
    ]
}

fn security(number: usize) -> SecurityAssociation {
    let number = u8::try_from(number).expect("small");
    let permissions = Permissions {
        max_dhoas: MOST_EACH,
        ..Permissions::default()
    };
    SecurityAssociation::new(
        256 + u32::from(number),
        MnId::nai(&format!("mn{number}@example.net")),
        Key::new(vec![number; 32]),
        Algorithm::HmacSha256_128,
        permissions,
    )
    .expect("right")
}

fn config() -> AnchorConfig {
    AnchorConfig {
        pools: vec![PoolConfig::new(
            "2001:db8:d:1::/125".parse().expect("a prefix"),
            PoolKind::Dhoa,
        )],
        coverage: vec!["2001:db8:c::/48".parse().expect("a prefix")],
        security_associations: (0..MOBILE_NODES).map(security).collect(),
        ..AnchorConfig::new(ANCHOR)
    }
}

/// What a mobile node believes to have, and until when.
#[derive(Clone, Copy, Debug)]
struct Promise {
    mn: usize,
    until_ns: u64,
}

struct Run {
    anchor: Anchor,
    state: State,
    /// The file, and how much of it an answer has waited for.
    file: Vec<u8>,
    safe: usize,
    /// The time, since the beginning and since the last start.
    now_ns: u64,
    up_ns: u64,
    sequence: [u16; MOBILE_NODES],
    promises: BTreeMap<Ipv6Addr, Promise>,
}

impl Run {
    fn new() -> Self {
        let state = State::new(Header::new().expect("randomness"));
        let mut run = Self {
            anchor: Anchor::new(config(), Now::default(), [5; 32]).expect("right"),
            file: state.to_file(),
            safe: 0,
            state,
            now_ns: 0,
            up_ns: 0,
            sequence: [0; MOBILE_NODES],
            promises: BTreeMap::new(),
        };
        run.safe = run.file.len();
        run.anchor.restore_secret(run.state.header.secret);
        run
    }

    fn now(&self) -> Now {
        let day = Now {
            mono_ns: 0,
            ntp: 0xe5a1_b2c3 << 32,
        };
        Now {
            mono_ns: self.now_ns - self.up_ns,
            ..day.plus_ns(self.now_ns)
        }
    }

    /// What a journal does, and the packets that leave.
    fn carry_out(&mut self) -> Vec<Vec<u8>> {
        let now = self.now();
        let mut packets = Vec::new();
        let mut is_promise = false;
        while let Some(action) = self.anchor.poll_action() {
            let record = match action {
                AnchorAction::KeepNumber(number) => self.state.use_up(number),
                AnchorAction::Event(event) => match event.change {
                    BindingChange::Bound { home_address, .. }
                    | BindingChange::Released { home_address, .. } => {
                        self.state.change(self.anchor.kept(now, home_address))
                    }
                    _ => continue,
                },
                AnchorAction::KeepAssignment { .. } => {
                    is_promise = true;
                    continue;
                }
                AnchorAction::Transmit(packet) => {
                    packets.push(packet);
                    continue;
                }
                _ => continue,
            };
            record.encode(&mut self.file);
        }
        if is_promise {
            self.safe = self.file.len();
        }
        packets
    }

    fn pass(&mut self, nanoseconds: u64) {
        let end_ns = self.now_ns + nanoseconds;
        while let Some(at) = self.anchor.poll_timeout() {
            let at_ns = at + self.up_ns;
            if at_ns > end_ns {
                break;
            }
            self.now_ns = self.now_ns.max(at_ns);
            self.anchor.handle_timeout(self.now());
            assert_eq!(self.carry_out(), Vec::<Vec<u8>>::new());
        }
        self.now_ns = end_ns;
        self.anchor.handle_timeout(self.now());
        self.carry_out();
    }

    fn restart(&mut self, down: u64, lost: Option<prop::sample::Index>) {
        let mut file = std::mem::take(&mut self.file);
        match lost {
            None => Record::Closed.encode(&mut file),
            Some(lost) => file.truncate(self.safe + lost.index(file.len() - self.safe + 1)),
        }
        self.now_ns += down * NANOS_PER_SECOND;
        self.up_ns = self.now_ns;
        let fresh = Header::new().expect("randomness");
        let reading = State::read(&file, fresh).expect("a journal");
        assert_eq!(reading.is_complete, lost.is_none());
        self.state = reading.state;
        let now = self.now();
        self.anchor = Anchor::new(config(), now, [6; 32]).expect("right");
        self.anchor.restore_secret(self.state.header.secret);
        if !reading.is_complete {
            self.state.guard();
            self.anchor.distrust_ends(now);
        }
        for number in self.state.numbers() {
            self.anchor.restore_number(number);
        }
        let mut owners = self.anchor.owners();
        let mut changed = Vec::new();
        for kept in self.state.addresses() {
            let home_address = kept.home_address();
            match kept.clone() {
                Kept::Bound(binding) => {
                    let restored = self.anchor.restore_binding(now, &mut owners, binding);
                    changed.extend(restored.is_err().then_some(home_address));
                }
                Kept::Quarantined(quarantine) => {
                    self.anchor
                        .restore_quarantine(now, &mut owners, &quarantine);
                }
                Kept::Free { .. } => {}
            }
        }
        self.file = self.state.to_file();
        self.safe = self.file.len();
        for home_address in changed {
            let record = self.state.change(self.anchor.kept(now, home_address));
            record.encode(&mut self.file);
        }
        self.carry_out();
    }

    /// Asks, once more after 135, as a mobile node does.
    fn ask(&mut self, mn: usize, header: DmipHeader, options: &[MobilityOption<'_>]) {
        for _ in 0..2 {
            self.sequence[mn] = self.sequence[mn].wrapping_add(1);
            let header = DmipHeader {
                sequence: self.sequence[mn],
                ..header
            };
            let packet = sealed(mn, header, options);
            self.anchor.handle_packet(self.now(), &packet);
            let answers = self.carry_out();
            assert_eq!(answers.len(), 1, "one answer");
            let (code, lifetime) = self.believe(mn, &answers[0]);
            if code != status::SEQUENCE_OUT_OF_WINDOW {
                return;
            }
            self.sequence[mn] = lifetime.0;
        }
        panic!("the number that 135 has given is refused too");
    }

    /// What an answer has a mobile node believe; its status, and the lifetime of its header.
    fn believe(&mut self, mn: usize, answer: &[u8]) -> (u8, Lifetime) {
        let packet = MobilityPacket::parse(answer).expect("a mobility packet");
        let header = MobilityHeader::parse(packet.mh).expect("a mobility header");
        let Ok(Message::Dmip(dmip)) = header.message(&CodePoints::default()) else {
            panic!("no answer of DMIPv6");
        };
        for option in dmip.options.iter() {
            let Ok(MobilityOption::Dhoa {
                status,
                address,
                lifetime,
                ..
            }) = option
            else {
                continue;
            };
            if !status.is_accepted() {
                continue;
            }
            if lifetime.is_zero() {
                self.promises.remove(&address);
                continue;
            }
            let units = u64::from(lifetime.0);
            let promise = Promise {
                mn,
                until_ns: self.now_ns + units * 4 * NANOS_PER_SECOND,
            };
            let before = self.promises.insert(address, promise);
            if let Some(before) = before.filter(|before| before.mn != mn) {
                assert!(
                    before.until_ns <= self.now_ns,
                    "{address} was promised to {before:?} and now to {promise:?} at {}",
                    self.now_ns
                );
            }
        }
        (dmip.header.status.0, dmip.header.lifetime)
    }

    fn take(&mut self, step: Step) {
        let header = DmipHeader {
            kind: DmipType::DhoaRequest,
            sequence: 0,
            lifetime: Lifetime(1),
            flags: 0,
            status: Status(0),
        };
        match step {
            Step::Request { mn, fid, lifetime } => {
                let header = DmipHeader {
                    lifetime: Lifetime(lifetime),
                    flags: if fid == 0 { 0 } else { dmip_flag::DEDICATED },
                    ..header
                };
                let correspondent = MobilityOption::Correspondent {
                    prefix_len: 128,
                    address: CORRESPONDENT,
                };
                let flow = MobilityOption::FlowIdentification {
                    fid,
                    priority: 1,
                    status: 0,
                    sub_options: &[],
                };
                let options = [correspondent, flow];
                let count = if fid == 0 { 1 } else { 2 };
                self.ask(mn, header, &options[..count]);
            }
            Step::Update { mn, lifetime } => {
                let held = self.promises.iter();
                let held = held.filter(|(_, promise)| promise.mn == mn);
                let dhoas = held.map(|(address, _)| MobilityOption::Dhoa {
                    status: Status(0),
                    fid: 0,
                    address: *address,
                    lifetime: Lifetime(0),
                });
                let dhoas: Vec<MobilityOption<'_>> = dhoas.collect();
                if dhoas.is_empty() {
                    return;
                }
                let header = DmipHeader {
                    kind: DmipType::BindingUpdate,
                    lifetime: Lifetime(lifetime),
                    flags: dmip_flag::ACKNOWLEDGE,
                    ..header
                };
                self.ask(mn, header, &dhoas);
            }
            Step::Wait { seconds } => self.pass(seconds * NANOS_PER_SECOND),
            Step::Restart { down, lost } => self.restart(down, lost),
        }
    }

    /// What is bound is bound for who believes to have it.
    fn check(&self) {
        for binding in self.anchor.bindings(self.now()) {
            let Some(promise) = self.promises.get(&binding.home_address) else {
                continue;
            };
            let owner = security(promise.mn);
            assert!(
                promise.until_ns <= self.now_ns || owner.mn_id() == binding.mn,
                "{binding:?}, {promise:?}"
            );
        }
    }
}

fn sealed(mn: usize, header: DmipHeader, options: &[MobilityOption<'_>]) -> Vec<u8> {
    let security = security(mn);
    let number = u16::try_from(mn).expect("small");
    let care_of = Ipv6Addr::new(0x2001, 0xdb8, 0xa, number, 0, 0, 0, 7);
    let mac = |mh: &[u8]| security.mac(&care_of, &ANCHOR, mh);
    let builder = Builder::dmip(&CodePoints::default(), header);
    let mh = options
        .iter()
        .fold(builder, |builder, option| builder.option(option))
        .auth(security.spi(), security.algorithm().mac_len(), mac)
        .finish(&care_of, &ANCHOR);
    compose(&care_of, &ANCHOR, None, None, &mh)
}

proptest! {
    /// Whatever a disk makes of a file: it is read, or it is no journal.
    #[test]
    fn any_octets_are_survived(octets in prop::collection::vec(any::<u8>(), 0..400), has_header in any::<bool>()) {
        let fresh = Header::new().expect("randomness");
        let mut file = if has_header { fresh.encode() } else { Vec::new() };
        file.extend(&octets);
        match State::read(&file, fresh) {
            Ok(reading) => prop_assert!(!reading.is_complete),
            Err(_) => prop_assert!(!has_header),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_dhoa_is_ever_two_mobile_nodes(steps in prop::collection::vec(step(), 1..80)) {
        let mut run = Run::new();
        for step in steps {
            run.take(step);
            run.check();
        }
    }
}
