//! The care-of test, from the message to the packets (DMIPv6 profile 1, section 6.4)

use std::net::Ipv6Addr;

use dhp_proto::anchor::AnchorConfig;
use dhp_segment::DropReason;
use dhp_wire::codepoints::{CodePoints, DmipType, Status, dmip_flag};
use dhp_wire::ipv6::Ipv6View;
use dhp_wire::mobility::{Builder, DmipHeader, Lifetime, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::{MobilityPacket, compose};
use dhpd::binding_row::BindingRow;
use dhpd::mirror::Change;

use crate::rig::*;

const THIRD_CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 9);
const SECOND_NS: u64 = 1_000_000_000;

/// An answer, and where it has gone.
#[derive(Debug)]
struct Answer {
    to: Ipv6Addr,
    status: u8,
    dhoa: Ipv6Addr,
    cookie: Option<Vec<u8>>,
}

fn rig() -> Rig {
    let config = AnchorConfig {
        care_of_test: true,
        ..anchor_config()
    };
    Rig::with(config, territory())
}

/// Everything that has left through core0.
fn sent(rig: &Rig) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| rig.core.pop()).collect()
}

fn read(frame: &[u8]) -> Answer {
    let packet = MobilityPacket::parse(&frame[14..]).expect("a mobility packet");
    let header = MobilityHeader::parse(packet.mh).expect("a mobility header");
    let Message::Dmip(dmip) = header.message(&CodePoints::default()).expect("a message") else {
        panic!("not a message of the profile");
    };
    let mut answer = Answer {
        to: packet.destination,
        status: dmip.header.status.0,
        dhoa: Ipv6Addr::UNSPECIFIED,
        cookie: None,
    };
    for option in dmip.options.iter() {
        match option.expect("a sound option") {
            MobilityOption::Dhoa { address, .. } => answer.dhoa = address,
            MobilityOption::Cookie(cookie) => answer.cookie = Some(cookie.to_vec()),
            _ => {}
        }
    }
    answer
}

fn ask(rig: &mut Rig, packet: &[u8]) -> Vec<Answer> {
    rig.core.push(&frame(packet)).expect("room");
    rig.settle();
    sent(rig).iter().map(|frame| read(frame)).collect()
}

/// A DHP Binding Update that lists a DHoA.
fn update(
    sequence: u16,
    care_of: Ipv6Addr,
    dhoa: Ipv6Addr,
    options: &[MobilityOption<'_>],
) -> Vec<u8> {
    let security = security();
    let mac = |mh: &[u8]| security.mac(&care_of, &ANCHOR, mh);
    let header = DmipHeader {
        kind: DmipType::BindingUpdate,
        sequence,
        lifetime: Lifetime(150),
        flags: dmip_flag::ACKNOWLEDGE,
        status: Status(0),
    };
    let listed = MobilityOption::Dhoa {
        status: Status(0),
        fid: 0,
        address: dhoa,
        lifetime: Lifetime(0),
    };
    let builder = Builder::dmip(&CodePoints::default(), header).option(&listed);
    let options = options.iter();
    let mh = options
        .fold(builder, |builder, option| builder.option(option))
        .auth(security.spi(), security.algorithm().mac_len(), mac)
        .finish(&care_of, &ANCHOR);
    compose(&care_of, &ANCHOR, None, None, &mh)
}

fn echo(rig: &mut Rig, sequence: u16, care_of: Ipv6Addr, answer: &Answer) -> Vec<Answer> {
    let cookie = answer.cookie.as_deref().expect("a cookie");
    let cookie = MobilityOption::Cookie(cookie);
    ask(rig, &update(sequence, care_of, answer.dhoa, &[cookie]))
}

fn datagram(from: Ipv6Addr, to: Ipv6Addr, octets: u16) -> Vec<u8> {
    let udp = octets - 40;
    let [high, low] = udp.to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, high, low, 17, 64];
    packet.extend_from_slice(&from.octets());
    packet.extend_from_slice(&to.octets());
    packet.extend_from_slice(&[0, 53, 0, 53, high, low, 0, 1]);
    packet.resize(octets.into(), 0);
    packet
}

/// How many packets of 1,000 octets with their tunnel headers go where, of so many from the correspondent.
fn downlink(rig: &mut Rig, dhoa: Ipv6Addr, packets: usize) -> Vec<(Ipv6Addr, usize)> {
    let mut to: Vec<(Ipv6Addr, usize)> = Vec::new();
    for _ in 0..packets {
        let packet = datagram(CORRESPONDENT, dhoa, 960);
        rig.cn.push(&frame(&packet)).expect("room");
        rig.poll();
        for frame in sent(rig) {
            let outer = ends(&frame).2;
            match to.last_mut() {
                Some((last, count)) if *last == outer => *count += 1,
                _ => to.push((outer, 1)),
            }
        }
    }
    to
}

/// Whether the correspondent gets what the mobile node sends from a care-of address, in 1,000 octets.
fn uplink(rig: &mut Rig, dhoa: Ipv6Addr, care_of: Ipv6Addr) -> bool {
    let inner = datagram(dhoa, CORRESPONDENT, 960);
    let mut packet = vec![0x60, 0, 0, 0, 3, 0xc0, 41, 64];
    packet.extend_from_slice(&care_of.octets());
    packet.extend_from_slice(&ANCHOR.octets());
    packet.extend_from_slice(&inner);
    assert!(Ipv6View::new(&packet).is_ok());
    rig.core.push(&frame(&packet)).expect("room");
    rig.poll();
    rig.cn.pop().is_some()
}

/// A mobile node that has shown that it is reached at [`CARE_OF`]; numbers up to 2 are used.
fn bound() -> (Rig, Ipv6Addr) {
    let mut rig = rig();
    let answers = ask(&mut rig, &dhoa_request(1, CARE_OF));
    let [answer] = &*answers else {
        panic!("{answers:?}")
    };
    assert_eq!((answer.status, answer.to), (16, CARE_OF));
    let echoed = echo(&mut rig, 2, CARE_OF, answer);
    assert_eq!(echoed[0].status, 0);
    (rig, answer.dhoa)
}

fn is_under_test(rig: &mut Rig) -> bool {
    let (rows, _) = BindingRow::page(&mut rig.signalling, None, None, 10);
    let row = rows[0].describe(|port| port.to_string());
    row.care_of.under_test
}

#[test]
fn a_new_dhoa_gets_no_more_than_its_credit_until_the_echo() {
    let mut rig = rig();
    let answers = ask(&mut rig, &dhoa_request(1, CARE_OF));
    let dhoa = answers[0].dhoa;
    assert_eq!(downlink(&mut rig, dhoa, 10), [(CARE_OF, 3)]);
    assert!(uplink(&mut rig, dhoa, CARE_OF));
    assert_eq!(downlink(&mut rig, dhoa, 10), [(CARE_OF, 1)]);
    let drops = rig.signalling.worker_counters(0);
    assert_eq!(drops.drops(DropReason::CareOfTestCredit), 16);
    assert!(is_under_test(&mut rig));
    assert_eq!(echo(&mut rig, 2, CARE_OF, &answers[0])[0].status, 0);
    assert_eq!(downlink(&mut rig, dhoa, 20), [(CARE_OF, 20)]);
    assert!(!is_under_test(&mut rig));
}

#[test]
fn what_exceeds_the_credit_goes_to_the_old_care_of_address_until_the_echo() {
    let (mut rig, dhoa) = bound();
    // Before the handoff: it counts for 8 s, wherever it came from.
    for _ in 0..2 {
        assert!(uplink(&mut rig, dhoa, CARE_OF));
    }
    let answers = ask(&mut rig, &update(3, OTHER_CARE_OF, dhoa, &[]));
    assert_eq!((answers[0].status, answers[0].to), (16, OTHER_CARE_OF));
    let split = [(OTHER_CARE_OF, 5), (CARE_OF, 5)];
    assert_eq!(downlink(&mut rig, dhoa, 10), split);
    // Both are good, and not for 2 s alone.
    rig.pass(3 * SECOND_NS);
    for care_of in [CARE_OF, OTHER_CARE_OF] {
        assert!(uplink(&mut rig, dhoa, care_of), "{care_of}");
    }
    assert_eq!(
        downlink(&mut rig, dhoa, 3),
        [(OTHER_CARE_OF, 2), (CARE_OF, 1)]
    );
    assert_eq!(echo(&mut rig, 4, OTHER_CARE_OF, &answers[0])[0].status, 0);
    assert_eq!(downlink(&mut rig, dhoa, 20), [(OTHER_CARE_OF, 20)]);
    // What is in flight from the old one is good for 2 s from here.
    rig.pass(SECOND_NS);
    assert!(uplink(&mut rig, dhoa, CARE_OF));
    rig.pass(SECOND_NS);
    assert!(!uplink(&mut rig, dhoa, CARE_OF));
}

#[test]
fn without_an_echo_all_goes_to_the_old_care_of_address_again() {
    let (mut rig, dhoa) = bound();
    ask(&mut rig, &update(3, OTHER_CARE_OF, dhoa, &[]));
    rig.pass(10 * SECOND_NS);
    rig.settle();
    assert_eq!(downlink(&mut rig, dhoa, 20), [(CARE_OF, 20)]);
    let samples = rig.signalling.anchor().counters().care_of_tests();
    assert_eq!((samples.begun, samples.passed, samples.failed), (2, 1, 1));
}

#[test]
fn without_an_echo_a_new_dhoa_is_no_ones() {
    let mut rig = rig();
    let dhoa = ask(&mut rig, &dhoa_request(1, CARE_OF))[0].dhoa;
    rig.pass(10 * SECOND_NS);
    rig.settle();
    assert_eq!(downlink(&mut rig, dhoa, 1), []);
    assert!(rig.signalling.forwarding().bound(dhoa).is_none());
}

/// Who names one care-of address after the other has no more sent to all of them than to one.
#[test]
fn a_second_handoff_during_a_test_has_what_is_left_of_the_credit() {
    let (mut rig, dhoa) = bound();
    ask(&mut rig, &update(3, OTHER_CARE_OF, dhoa, &[]));
    assert_eq!(
        downlink(&mut rig, dhoa, 4),
        [(OTHER_CARE_OF, 3), (CARE_OF, 1)]
    );
    let answers = ask(&mut rig, &update(4, THIRD_CARE_OF, dhoa, &[]));
    assert_eq!(downlink(&mut rig, dhoa, 5), [(CARE_OF, 5)]);
    assert!(uplink(&mut rig, dhoa, THIRD_CARE_OF));
    assert_eq!(
        downlink(&mut rig, dhoa, 5),
        [(THIRD_CARE_OF, 1), (CARE_OF, 4)]
    );
    assert_eq!(echo(&mut rig, 5, THIRD_CARE_OF, &answers[0])[0].status, 0);
    assert_eq!(downlink(&mut rig, dhoa, 9), [(THIRD_CARE_OF, 9)]);
}

/// The way to the old care-of address changes while the new one is tested.
#[test]
fn what_exceeds_the_credit_follows_the_routes() {
    let (mut rig, dhoa) = bound();
    ask(&mut rig, &update(3, OTHER_CARE_OF, dhoa, &[]));
    assert_eq!(downlink(&mut rig, dhoa, 3), [(OTHER_CARE_OF, 3)]);
    rig.happen([
        Change::Route(route("2001:db8:a::/48", CN, Some("fe80::c"))),
        neighbour(CN, "fe80::c", SERVER_MAC),
    ]);
    rig.settle();
    let packet = datagram(CORRESPONDENT, dhoa, 960);
    rig.cn.push(&frame(&packet)).expect("room");
    rig.poll();
    let frame = rig.cn.pop().expect("by the other port");
    assert_eq!((ends(&frame).0, ends(&frame).2), (SERVER_MAC, CARE_OF));
    assert_eq!(sent(&rig), Vec::<Vec<u8>>::new());
}

/// Each of several care-of addresses by itself: one that has passed serves while the other is tested.
#[test]
fn of_several_care_of_addresses_those_that_passed_serve_in_full() {
    let (mut rig, dhoa) = bound();
    let bid = |bid, care_of: Ipv6Addr| MobilityOption::BindingIdentifier {
        bid,
        status: Status(0),
        home_flag: false,
        priority: u8::try_from(bid).expect("small"),
        care_of: Some(care_of.into()),
    };
    let both = [bid(1, OTHER_CARE_OF), bid(2, THIRD_CARE_OF)];
    let answers = ask(&mut rig, &update(3, CARE_OF, dhoa, &both));
    let to: Vec<_> = answers
        .iter()
        .map(|answer| (answer.status, answer.to))
        .collect();
    assert_eq!(to, [(16, OTHER_CARE_OF), (16, THIRD_CARE_OF)]);
    // What no rule is for goes to the first, and what exceeds its credit to the one before them.
    assert_eq!(
        downlink(&mut rig, dhoa, 5),
        [(OTHER_CARE_OF, 3), (CARE_OF, 2)]
    );
    let cookie = answers[0].cookie.as_deref().expect("a cookie");
    let options = [both[0], both[1], MobilityOption::Cookie(cookie)];
    let echoed = ask(&mut rig, &update(4, CARE_OF, dhoa, &options));
    assert_eq!(
        echoed.len(),
        2,
        "to the sender, and to what is tested still"
    );
    assert_eq!(downlink(&mut rig, dhoa, 9), [(OTHER_CARE_OF, 9)]);
    let (rows, _) = BindingRow::page(&mut rig.signalling, None, None, 10);
    let row = rows[0].describe(|port| port.to_string());
    let marks = row.care_ofs.iter().map(|row| row.care_of.under_test);
    assert_eq!(marks.collect::<Vec<_>>(), [false, true]);
}

/// There is a meter for each DHoA that can be bound: who comes later gets 130.
#[test]
fn no_more_dhoas_are_bound_than_there_are_meters() {
    let limit = rig().signalling.anchor().config().limits.max_home_addresses;
    assert_eq!(u32::try_from(limit), Ok(geometry().meters));
    let untested = Rig::new();
    let limit = untested.signalling.anchor().config().limits;
    assert_eq!(
        u32::try_from(limit.max_home_addresses),
        Ok(geometry().home_addresses)
    );
}
