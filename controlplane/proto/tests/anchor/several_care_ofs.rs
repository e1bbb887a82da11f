//! Section 4.1, "What a request touches": Binding Identifiers and Flow Identifications in DMIPv6 messages.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use dhp_proto::anchor::{AnchorConfig, BindingView, Limits, PoolConfig, PoolKind};
use dhp_wire::codepoints::{Status, dmip_flag};
use dhp_wire::mobility::{Lifetime, MobilityOption};

use crate::answer::Answer;
use crate::harness::{ANCHOR, CARE_OF, CARE_OF_2, TEN_MINUTES, World, config, mn1, mn2};
use crate::message::{Dmip, dhoa};

const CARE_OF_3: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 3);

/// Selector sub-options for Next Header 6 and 17, Binding References to BIDs 1 and 2.
const TCP: [u8; 9] = [3, 7, 2, 0, 0, 2, 0, 0, 6];
const UDP: [u8; 9] = [3, 7, 2, 0, 0, 2, 0, 0, 17];
const TO_1: [u8; 4] = [2, 2, 0, 1];
const TO_2: [u8; 4] = [2, 2, 0, 2];

fn bid(bid: u16, care_of: Option<Ipv6Addr>) -> MobilityOption<'static> {
    MobilityOption::BindingIdentifier {
        bid,
        status: Status(0),
        home_flag: false,
        priority: u8::try_from(bid * 10).unwrap(),
        care_of: care_of.map(IpAddr::V6),
    }
}

fn flow(fid: u16, sub_options: &[u8]) -> MobilityOption<'_> {
    MobilityOption::FlowIdentification {
        fid,
        priority: fid,
        status: 0,
        sub_options,
    }
}

/// An anchor where the first mobile node has a shared DHoA and one for flow 3; numbers up to 2 are used.
fn with_two_dhoas() -> (World, Ipv6Addr, Ipv6Addr) {
    let mut world = World::new();
    let shared = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    let dedicated = Dmip::dhoa_request(2)
        .flags(dmip_flag::DEDICATED)
        .option(flow(3, &[]));
    let dedicated = world.ask(&dedicated.by(&mn1())).dhoa();
    (world, shared, dedicated)
}

fn view(world: &World, home_address: Ipv6Addr) -> BindingView<'_> {
    world
        .anchor
        .binding(world.now, &home_address)
        .expect("bound")
}

fn care_ofs(world: &World, home_address: Ipv6Addr) -> Vec<(u16, Ipv6Addr)> {
    let care_ofs = view(world, home_address).care_ofs.iter();
    care_ofs
        .map(|care_of| (care_of.bid, care_of.address))
        .collect()
}

fn fids(world: &World, home_address: Ipv6Addr) -> Vec<u16> {
    let flows = view(world, home_address).flow_bindings.iter();
    flows.map(|flow| flow.fid).collect()
}

fn ask(world: &mut World, message: Dmip<'_>) -> Answer {
    let answer = world.ask(&message.by(&mn1()));
    assert!(answer.is_by_anchor_of(&mn1(), CARE_OF, ANCHOR));
    answer
}

/// "BIDs apply to every listed DHoA", where the first ones take the place of the care-of address without one.
#[test]
fn bids_apply_to_every_listed_dhoa() {
    let (mut world, shared, dedicated) = with_two_dhoas();
    let update = Dmip::update(3, &[shared, dedicated])
        .option(bid(1, Some(CARE_OF)))
        .option(bid(2, Some(CARE_OF_2)));
    let answer = ask(&mut world, update);
    assert_eq!((answer.status, answer.statuses()), (0, vec![0, 0]));
    assert_eq!(answer.bids, [(1, 0), (2, 0)]);
    assert_eq!(answer.lifetime, TEN_MINUTES);
    for address in [shared, dedicated] {
        let both = [(1, CARE_OF), (2, CARE_OF_2)];
        assert_eq!(care_ofs(&world, address), both);
    }
    // They are added to; a BID moves to another care-of address.
    let update = Dmip::update(4, &[shared])
        .option(bid(3, Some(CARE_OF_3)))
        .option(bid(1, Some(CARE_OF_2)));
    assert_eq!(ask(&mut world, update).bids, [(3, 0), (1, 0)]);
    let three = [(1, CARE_OF_2), (2, CARE_OF_2), (3, CARE_OF_3)];
    assert_eq!(care_ofs(&world, shared), three);
    assert_eq!(care_ofs(&world, dedicated).len(), 2, "not listed");
    assert_eq!(world.care_of(shared), Some(CARE_OF_2));
}

/// Without a BID the care-of address of the message takes the place of all, as RFC 5648 §6.2 has it.
#[test]
fn an_update_without_bids_replaces_them() {
    let (mut world, shared, _) = with_two_dhoas();
    let update = Dmip::update(3, &[shared])
        .option(bid(1, Some(CARE_OF_2)))
        .option(bid(2, Some(CARE_OF_3)));
    ask(&mut world, update);
    assert_eq!(ask(&mut world, Dmip::update(4, &[shared])).status, 0);
    assert_eq!(care_ofs(&world, shared), []);
    assert_eq!(world.care_of(shared), Some(CARE_OF));
}

/// The binding's one timer waits for whichever ends first, whatever was refreshed and whatever was longer before.
#[test]
fn each_care_of_address_ends_at_its_own_time() {
    let (mut world, shared, _) = with_two_dhoas();
    let lasts = |number, named, care_of, units| {
        let update = Dmip::update(number, &[shared]).lifetime(units);
        update.option(bid(named, Some(care_of)))
    };
    ask(&mut world, lasts(3, 1, CARE_OF, 10));
    ask(&mut world, lasts(4, 2, CARE_OF_2, 20));
    // The timer for 40 s stays, and finds that nothing ends then.
    ask(&mut world, lasts(5, 1, CARE_OF, 15));
    world.wait(Duration::from_secs(50));
    let both = [(1, CARE_OF), (2, CARE_OF_2)];
    assert_eq!(care_ofs(&world, shared), both);
    // The one that was the last to end is the first now: 54 s come before 60.
    ask(&mut world, lasts(6, 2, CARE_OF_2, 1));
    world.wait(Duration::from_nanos(3_999_999_999));
    assert_eq!(care_ofs(&world, shared), both);
    world.wait(Duration::from_nanos(1));
    assert_eq!(care_ofs(&world, shared), [(1, CARE_OF)]);
    world.wait(Duration::from_nanos(5_999_999_999));
    assert_eq!(world.care_of(shared), Some(CARE_OF));
    world.wait(Duration::from_nanos(1));
    assert_eq!(world.care_of(shared), None);
}

/// A refused BID has its status in its option; the DHoA has 4 where others were accepted, else that status.
#[test]
fn refused_bids_are_told_apart() {
    let (mut world, shared, _) = with_two_dhoas();
    let update = Dmip::update(3, &[shared])
        .option(bid(1, Some(CARE_OF)))
        .option(bid(2, None))
        .option(bid(3, Some(ANCHOR)));
    let answer = ask(&mut world, update);
    assert_eq!((answer.status, answer.statuses()), (0, vec![4]));
    assert_eq!(answer.bids, [(1, 0), (2, 167), (3, 174)]);
    assert_eq!(care_ofs(&world, shared), [(1, CARE_OF)]);
    let answer = ask(&mut world, Dmip::update(4, &[shared]).option(bid(2, None)));
    assert_eq!((answer.status, answer.statuses()), (167, vec![167]));
    assert_eq!(answer.bids, [(2, 167)]);
    assert_eq!(care_ofs(&world, shared), [(1, CARE_OF)]);
    // Another's DHoA stays another's.
    let others = world.ask(&Dmip::dhoa_request(1).by(&mn2())).dhoa();
    let update = Dmip::update(5, &[others, shared]).option(bid(2, Some(CARE_OF_2)));
    assert_eq!(ask(&mut world, update).statuses(), [194, 0]);
    assert_eq!(care_ofs(&world, others), []);
    assert_eq!(care_ofs(&world, shared).len(), 2);
}

/// Limits: several care-of addresses, or several at once, are not for everybody.
#[test]
fn several_care_of_addresses_can_be_prohibited() {
    for (most, status) in [(0, 166), (1, 168)] {
        let mut world = World::with(AnchorConfig {
            limits: Limits {
                max_care_of_addresses: most,
                ..Limits::default()
            },
            ..config()
        });
        let shared = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
        let update = Dmip::update(2, &[shared])
            .option(bid(1, Some(CARE_OF_2)))
            .option(bid(2, Some(CARE_OF_3)));
        let answer = ask(&mut world, update);
        assert_eq!((answer.status, answer.statuses()), (status, vec![status]));
        assert_eq!(world.care_of(shared), Some(CARE_OF));
        // Nor does one end everything, when it would have ended one of several.
        let release = Dmip::update(3, &[]).option(bid(1, None)).lifetime(0);
        ask(&mut world, release);
        assert_eq!(world.care_of(shared), Some(CARE_OF));
    }
}

/// Lifetime 0 with BIDs takes those away, of the listed DHoAs or of all; a DHoA goes with its last one.
#[test]
fn lifetime_0_with_bids_takes_those_away() {
    let (mut world, shared, dedicated) = with_two_dhoas();
    let update = Dmip::update(3, &[shared, dedicated])
        .option(bid(1, Some(CARE_OF)))
        .option(bid(2, Some(CARE_OF_2)));
    ask(&mut world, update);
    let release = Dmip::update(4, &[]).option(bid(1, None)).lifetime(0);
    let answer = ask(&mut world, release);
    assert_eq!((answer.status, answer.lifetime), (0, Lifetime::ZERO));
    assert_eq!(answer.bids, [(1, 0)]);
    assert_eq!(answer.statuses(), [0, 0]);
    for address in [shared, dedicated] {
        assert_eq!(care_ofs(&world, address), [(2, CARE_OF_2)]);
        assert_eq!(world.care_of(address), Some(CARE_OF_2));
    }
    // An unknown one, and the last one; a DHoA that stands twice for its flows goes once.
    let release = Dmip::update(5, &[])
        .option(dhoa(shared, 0, 0))
        .option(dhoa(shared, 8, 0))
        .option(bid(1, None))
        .option(bid(2, None))
        .lifetime(0);
    let answer = ask(&mut world, release);
    assert_eq!(answer.bids, [(1, 133), (2, 0)]);
    assert_eq!(answer.status, 0);
    assert_eq!(world.care_of(shared), None);
    assert_eq!(world.care_of(dedicated), Some(CARE_OF_2));
    // Of a binding without BIDs none can go.
    let shared = ask(&mut world, Dmip::dhoa_request(6)).dhoa();
    let release = Dmip::update(7, &[shared]).option(bid(2, None)).lifetime(0);
    assert_eq!(ask(&mut world, release).statuses(), [133]);
    assert_eq!(world.care_of(shared), Some(CARE_OF));
}

/// "a Flow Identification to the DHoA whose option has its FID, one whose FID stands in no DHoA option to every listed DHoA with
/// FID 0"; "RFC 6089's 'flows not mentioned are deleted' holds for listed DHoAs".
#[test]
fn flows_are_bound_where_they_belong() {
    let (mut world, shared, dedicated) = with_two_dhoas();
    let [tcp, udp] = [TCP, UDP].map(|selector| [&selector[..], &TO_2].concat());
    let update = Dmip::update(3, &[shared])
        .option(dhoa(dedicated, 3, 0))
        .option(bid(1, Some(CARE_OF)))
        .option(bid(2, Some(CARE_OF_2)))
        .option(flow(3, &tcp))
        .option(flow(8, &udp))
        .option(flow(9, &TO_2));
    let answer = ask(&mut world, update);
    assert_eq!(answer.flows, [(3, 0), (8, 0), (9, 130)]);
    assert_eq!(fids(&world, shared), [8]);
    assert_eq!(fids(&world, dedicated), [3]);
    // A known one is kept by its number alone; the one of the DHoA that is not listed stays.
    let [more, elsewhere] = [
        [&TCP[..], &TO_1].concat(),
        [&TCP[..], &[2, 2, 0, 7]].concat(),
    ];
    let update = Dmip::update(4, &[shared])
        .option(bid(1, None))
        .option(flow(8, &[]))
        .option(flow(5, &more))
        .option(flow(6, &elsewhere));
    assert_eq!(ask(&mut world, update).flows, [(8, 0), (5, 0), (6, 131)]);
    assert_eq!(fids(&world, shared), [5, 8]);
    assert_eq!(fids(&world, dedicated), [3]);
    let update = Dmip::update(5, &[shared]).option(bid(1, None));
    ask(&mut world, update);
    assert!(fids(&world, shared).is_empty());
}

/// A flow without a Binding Reference is described, not bound; a description that cannot be read is refused.
#[test]
fn a_description_binds_nothing() {
    let (mut world, shared, _) = with_two_dhoas();
    let update = Dmip::update(3, &[shared])
        .option(bid(1, Some(CARE_OF)))
        .option(flow(8, &UDP))
        .option(flow(9, &[3, 2, 9, 0]))
        .option(flow(10, &[3, 3, 2, 0, 0]));
    assert_eq!(ask(&mut world, update).flows, [(8, 0), (9, 133), (10, 130)]);
    assert!(fids(&world, shared).is_empty());
}

/// From one of several care-of addresses a DHoA Request refreshes that one, and may bind a flow; from elsewhere it takes the
/// place of all.
#[test]
fn a_request_leaves_the_others_where_they_are() {
    let (mut world, shared, _) = with_two_dhoas();
    let update = Dmip::update(3, &[shared])
        .option(bid(1, Some(CARE_OF)))
        .option(bid(2, Some(CARE_OF_2)))
        .lifetime(30);
    ask(&mut world, update);
    let udp = [&UDP[..], &TO_2].concat();
    let answer = ask(&mut world, Dmip::dhoa_request(4).option(flow(8, &udp)));
    assert_eq!((answer.dhoa(), answer.flows), (shared, vec![(8, 0)]));
    let tcp = [&TCP[..], &TO_1].concat();
    ask(&mut world, Dmip::dhoa_request(5).option(flow(9, &tcp)));
    assert_eq!(fids(&world, shared), [8, 9], "a request deletes none");
    let [first, second] = view(&world, shared).care_ofs else {
        panic!("both care-of addresses")
    };
    assert!(first.expires_ns > second.expires_ns, "refreshed alone");
    // A flow that cannot be bound does not cost the address.
    let elsewhere = [&TCP[..], &[2, 2, 0, 7]].concat();
    let answer = ask(
        &mut world,
        Dmip::dhoa_request(6).option(flow(10, &elsewhere)),
    );
    assert_eq!((answer.dhoa(), answer.flows), (shared, vec![(10, 131)]));

    let request = Dmip::dhoa_request(7).from(CARE_OF_3);
    assert_eq!(world.ask(&request.by(&mn1())).dhoa(), shared);
    assert_eq!(care_ofs(&world, shared), []);
    assert_eq!(world.care_of(shared), Some(CARE_OF_3));
    assert!(!view(&world, shared).flow_bindings[0].is_active(&[]));
}

/// A care-of address in a pool is a loop, whichever of several it is.
#[test]
fn a_care_of_address_in_a_new_pool_ends_the_binding() {
    let (mut world, shared, dedicated) = with_two_dhoas();
    let update = Dmip::update(3, &[shared])
        .option(bid(1, Some(CARE_OF)))
        .option(bid(2, Some(CARE_OF_2)));
    ask(&mut world, update);
    let mut changed = config();
    let pool = PoolConfig::new("2001:db8:b::/64".parse().unwrap(), PoolKind::Dhoa);
    changed.pools.push(pool);
    assert_eq!(world.reconfigure(changed), Ok(vec![shared]));
    assert_eq!(world.care_of(dedicated), Some(CARE_OF));
}

/// "a message with a lower one neither changes nor releases that binding": of an overtaken one nothing is taken.
#[test]
fn an_overtaken_update_changes_no_care_of_address() {
    let (mut world, shared, _) = with_two_dhoas();
    let update = |sequence| {
        Dmip::update(sequence, &[shared])
            .option(bid(1, Some(CARE_OF_2)))
            .option(flow(8, &[]))
    };
    ask(&mut world, update(9));
    let late = Dmip::update(5, &[shared]).option(bid(2, Some(CARE_OF_3)));
    assert_eq!(ask(&mut world, late).statuses(), [0]);
    let late = Dmip::update(6, &[shared]).option(bid(1, None)).lifetime(0);
    assert_eq!(ask(&mut world, late).statuses(), [0]);
    assert_eq!(care_ofs(&world, shared), [(1, CARE_OF_2)]);
}
