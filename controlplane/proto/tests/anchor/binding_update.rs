//! Section 4.1, types 5 and 6: DHP Binding Update and Confirmation.

use std::net::Ipv6Addr;

use dhp_proto::anchor::{BindingChange, ReleaseReason};
use dhp_proto::security_association::Permissions;
use dhp_wire::codepoints::{DmipType, Status, dmip_flag, flow_status};
use dhp_wire::mobility::{Lifetime, MobilityOption, Mode};

use crate::harness::{
    ANCHOR, CARE_OF, CARE_OF_2, HOME, Mn, OWN_DHOA, TEN_MINUTES, World, config, mn1, mn2,
};
use crate::message::{Dmip, Update, dhoa, flow};

/// An anchor where the first mobile node has a shared DHoA and one for flow 3; numbers up to 2 are used.
fn with_two_dhoas() -> (World, Ipv6Addr, Ipv6Addr) {
    let mut world = World::new();
    let shared = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    let dedicated = Dmip::dhoa_request(2)
        .flags(dmip_flag::DEDICATED)
        .option(flow(3));
    let dedicated = world.ask(&dedicated.by(&mn1())).dhoa();
    (world, shared, dedicated)
}

/// A handoff: one update moves every listed DHoA; each Bound event carries the previous care-of address.
#[test]
fn one_update_moves_all_listed() {
    let (mut world, shared, dedicated) = with_two_dhoas();
    let answer = world.ask(
        &Dmip::update(3, &[shared, dedicated])
            .from(CARE_OF_2)
            .by(&mn1()),
    );
    assert_eq!(
        (answer.kind, answer.status),
        (Some(DmipType::BindingConfirmation), 0)
    );
    assert_eq!(answer.statuses(), [0, 0]);
    assert_eq!(answer.destination, CARE_OF_2);
    assert!(answer.is_by_anchor_of(&mn1(), CARE_OF_2, ANCHOR));
    assert_eq!(
        (world.care_of(shared), world.care_of(dedicated)),
        (Some(CARE_OF_2), Some(CARE_OF_2))
    );
    let BindingChange::Bound { previous, .. } = world.last_change() else {
        panic!()
    };
    assert_eq!(*previous, Some(CARE_OF));
    assert_eq!(world.anchor.counters().handoffs(), 2);
    // A refresh moves nothing and carries no previous address.
    world.ask(&Dmip::update(4, &[shared]).from(CARE_OF_2).by(&mn1()));
    let BindingChange::Bound { previous, .. } = world.last_change() else {
        panic!()
    };
    assert_eq!(*previous, None);
}

/// An address that is not this mobile node's: 194; the header tells what became of the rest.
#[test]
fn anothers_dhoa_is_not_touched() {
    let (mut world, shared, _) = with_two_dhoas();
    let others = world.ask(&Dmip::dhoa_request(1).by(&mn2())).dhoa();
    let answer = world.ask(
        &Dmip::update(3, &[others, shared])
            .from(CARE_OF_2)
            .by(&mn1()),
    );
    assert_eq!((answer.status, answer.statuses()), (0, vec![194, 0]));
    assert_eq!(answer.dhoas[0].lifetime, Lifetime::ZERO);
    assert_eq!(
        answer.lifetime, TEN_MINUTES,
        "the smallest granted, not the refused one"
    );
    let answer = world.ask(
        &Dmip::update(4, &[others, HOME, Ipv6Addr::UNSPECIFIED])
            .from(CARE_OF_2)
            .by(&mn1()),
    );
    assert_eq!(
        (answer.status, answer.statuses(), answer.lifetime),
        (194, vec![194; 3], Lifetime::ZERO)
    );
    assert_eq!(world.care_of(others), Some(CARE_OF));
}

/// Replace: what is not listed is released at once, home addresses excepted.
#[test]
fn replace_releases_what_is_not_listed() {
    let (mut world, shared, dedicated) = with_two_dhoas();
    world.ask(&Update::new(HOME, 1).by(&mn1()));
    let others = world.ask(&Dmip::dhoa_request(1).by(&mn2())).dhoa();
    let update = Dmip::update(3, &[dedicated])
        .from(CARE_OF_2)
        .flags(dmip_flag::REPLACE);
    assert_eq!(world.ask(&update.by(&mn1())).status, 0);
    assert_eq!(
        *world.last_change(),
        BindingChange::Released {
            home_address: shared,
            reason: ReleaseReason::Replaced
        }
    );
    assert_eq!(world.care_of(dedicated), Some(CARE_OF_2));
    assert!(world.care_of(HOME).is_some() && world.care_of(others).is_some());
}

/// Replace counts a DHoA that a classic Binding Update has bound as well.
#[test]
fn replace_takes_dhoas_however_they_were_bound() {
    let (mut world, shared, _) = with_two_dhoas();
    world.ask(&Update::new(OWN_DHOA, 1).by(&mn1()));
    world.ask(
        &Dmip::update(3, &[shared])
            .flags(dmip_flag::REPLACE)
            .by(&mn1()),
    );
    assert_eq!(world.held_by(&mn1()), [shared]);
}

/// Replace acts only if the header's Status would be below 128.
#[test]
fn a_refused_replace_releases_nothing() {
    let (mut world, ..) = with_two_dhoas();
    let others = world.ask(&Dmip::dhoa_request(1).by(&mn2())).dhoa();
    assert_eq!(
        world
            .ask(
                &Dmip::update(3, &[others])
                    .flags(dmip_flag::REPLACE)
                    .by(&mn1())
            )
            .status,
        194
    );
    let to_pool = Dmip::update(4, &[OWN_DHOA])
        .flags(dmip_flag::REPLACE)
        .from("2001:db8:d:1::5".parse().unwrap());
    assert_eq!(world.ask(&to_pool.by(&mn1())).status, 174);
    assert_eq!(world.bound_count(), 3);
}

/// Lifetime 0 releases the listed DHoAs.
#[test]
fn lifetime_zero_releases_the_listed() {
    let (mut world, shared, dedicated) = with_two_dhoas();
    let answer = world.ask(&Dmip::update(3, &[shared]).lifetime(0).by(&mn1()));
    assert_eq!(
        (answer.status, answer.statuses(), answer.lifetime),
        (0, vec![0], Lifetime::ZERO)
    );
    assert_eq!(world.held_by(&mn1()), [dedicated]);
    let again = world.ask(&Dmip::update(4, &[shared]).lifetime(0).by(&mn1()));
    assert_eq!(
        (again.status, again.statuses()),
        (194, vec![194]),
        "the assignment has ended"
    );
}

/// An address may be listed once per flow. That is no reason to confirm the release of what is not the mobile node's.
#[test]
fn what_is_listed_twice_is_released_once_and_only_by_its_owner() {
    let (mut world, shared, _) = with_two_dhoas();
    let unassigned: Ipv6Addr = "2001:db8:d:1::77".parse().unwrap();
    let release = Dmip::update(3, &[]).lifetime(0);
    let listed = [(shared, 0), (shared, 3), (unassigned, 0), (unassigned, 3)];
    let release = listed.iter().fold(release, |release, (address, fid)| {
        release.option(dhoa(*address, *fid, 0))
    });
    let answer = world.ask(&release.by(&mn1()));
    assert_eq!(answer.statuses(), [0, 0, 194, 194]);
    assert_eq!(world.care_of(shared), None);
}

/// Lifetime 0 with an empty list releases all DHoAs, and no home address.
#[test]
fn lifetime_zero_without_a_list_releases_all() {
    let (mut world, ..) = with_two_dhoas();
    world.ask(&Update::new(HOME, 1).by(&mn1()));
    let answer = world.ask(&Dmip::update(3, &[]).lifetime(0).by(&mn1()));
    assert_eq!((answer.status, answer.statuses()), (0, vec![]));
    assert_eq!(world.held_by(&mn1()), [HOME]);
}

/// A de-registration may come from anywhere: the care-of address does not matter.
#[test]
fn a_release_from_inside_a_pool_is_good() {
    let (mut world, shared, _) = with_two_dhoas();
    assert_eq!(
        world
            .ask(
                &Dmip::update(3, &[shared])
                    .lifetime(0)
                    .from(shared)
                    .by(&mn1())
            )
            .status,
        0
    );
    assert_eq!(world.care_of(shared), None);
}

/// An empty list with a lifetime: 195. An address and FID that stand twice, a mode that stands twice: 195.
#[test]
fn malformed_updates_are_answered_with_195() {
    let (mut world, shared, _) = with_two_dhoas();
    let mode = |mode| MobilityOption::CommunicationMode { mode, fid: 0 };
    let bid = |care_of| MobilityOption::BindingIdentifier {
        bid: 1,
        status: Status(0),
        home_flag: false,
        priority: 1,
        care_of,
    };
    let cases = [
        ("an empty list", Dmip::update(3, &[])),
        ("twice the same", Dmip::update(4, &[shared, shared])),
        (
            "two modes",
            Dmip::update(5, &[shared])
                .option(mode(Mode::Proxy))
                .option(mode(Mode::Proxy)),
        ),
        (
            "two Alternate CoAs",
            Dmip::update(6, &[shared])
                .alternate(CARE_OF)
                .option(MobilityOption::AlternateCareOf(CARE_OF_2)),
        ),
        (
            "Alternate CoA and BID",
            Dmip::update(7, &[shared])
                .alternate(CARE_OF_2)
                .option(bid(None)),
        ),
        (
            "the same flow twice",
            Dmip::update(8, &[shared]).option(flow(4)).option(flow(4)),
        ),
        (
            "a mode that is none",
            Dmip::update(9, &[shared]).option(MobilityOption::Unknown {
                kind: 18,
                data: &[5, 2, 0, 0],
            }),
        ),
    ];
    let events = world.events.len();
    for (what, update) in cases {
        let answer = world.ask(&update.by(&mn1()));
        assert_eq!((answer.status, answer.dhoas.len()), (195, 0), "{what}");
    }
    assert_eq!(world.events.len(), events);
}

/// A DHoA option may ask a lifetime of its own; the header gives the smallest granted.
#[test]
fn addresses_have_lifetimes_of_their_own() {
    let (mut world, shared, dedicated) = with_two_dhoas();
    let update = Dmip::update(3, &[shared])
        .option(dhoa(dedicated, 3, 20))
        .lifetime(100);
    let answer = world.ask(&update.by(&mn1()));
    let lifetimes: Vec<u16> = answer.dhoas.iter().map(|dhoa| dhoa.lifetime.0).collect();
    assert_eq!((lifetimes, answer.lifetime), (vec![100, 20], Lifetime(20)));
    world.wait(std::time::Duration::from_secs(81));
    assert_eq!(world.held_by(&mn1()), [shared]);
}

/// Several flows on one DHoA: its option stands once per FID, and the binding lives as long as the longest.
#[test]
fn a_dhoa_may_stand_once_per_flow() {
    let (mut world, shared, _) = with_two_dhoas();
    let update = Dmip::update(3, &[])
        .option(dhoa(shared, 5, 10))
        .option(dhoa(shared, 6, 30));
    let answer = world.ask(&update.by(&mn1()));
    let granted: Vec<_> = answer
        .dhoas
        .iter()
        .map(|dhoa| (dhoa.fid, dhoa.status, dhoa.lifetime.0))
        .collect();
    assert_eq!(granted, [(5, 0, 10), (6, 0, 30)]);
    let view = world
        .anchor
        .bindings(world.now)
        .find(|binding| binding.home_address == shared)
        .unwrap();
    assert_eq!(view.remaining, Lifetime(30));
    assert_eq!(
        view.flows.iter().map(|flow| flow.fid).collect::<Vec<_>>(),
        [5, 6],
        "not mentioned: deleted"
    );
    let release = Dmip::update(4, &[])
        .option(dhoa(shared, 5, 0))
        .option(dhoa(shared, 6, 0))
        .lifetime(0);
    assert_eq!(world.ask(&release.by(&mn1())).statuses(), [0, 0]);
}

/// Without flag A only refusals are answered, be it of one address.
#[test]
fn without_flag_a_only_refusals_are_answered() {
    let (mut world, shared, _) = with_two_dhoas();
    let quiet = |sequence, dhoas: &[Ipv6Addr]| Dmip {
        flags: 0,
        ..Dmip::update(sequence, dhoas)
    };
    let moved = quiet(3, &[shared]).from(CARE_OF_2);
    assert!(world.feed(&moved.by(&mn1())).is_empty());
    assert_eq!(world.care_of(shared), Some(CARE_OF_2));
    let events = world.events.len();
    assert!(
        world.feed(&moved.by(&mn1())).is_empty(),
        "identical octets act once"
    );
    assert_eq!(world.events.len(), events);
    assert_eq!(
        world.ask(&quiet(4, &[shared, HOME]).by(&mn1())).statuses(),
        [0, 194]
    );
    assert_eq!(world.ask(&quiet(3, &[shared]).by(&mn1())).status, 135);
}

/// Order: a message with a lower number neither moves nor releases a binding that a later one has changed; its
/// answer gives the binding as it stands.
#[test]
fn an_overtaken_message_changes_nothing() {
    let (mut world, shared, dedicated) = with_two_dhoas();
    assert_eq!(
        world
            .ask(
                &Dmip::update(10, &[shared])
                    .from(CARE_OF_2)
                    .lifetime(50)
                    .by(&mn1())
            )
            .status,
        0
    );
    let late = world.ask(&Dmip::update(9, &[shared, dedicated]).by(&mn1()));
    assert_eq!(late.statuses(), [0, 0]);
    assert_eq!(late.dhoas[0].lifetime, Lifetime(50), "as it stands");
    assert_eq!(
        (world.care_of(shared), world.care_of(dedicated)),
        (Some(CARE_OF_2), Some(CARE_OF))
    );
    let release = world.ask(&Dmip::update(8, &[shared]).lifetime(0).by(&mn1()));
    assert_eq!((release.status, release.lifetime), (0, Lifetime(50)));
    let replace = world.ask(
        &Dmip::update(7, &[dedicated])
            .flags(dmip_flag::REPLACE)
            .by(&mn1()),
    );
    assert_eq!(replace.status, 0);
    world.ask(&Dmip::update(6, &[]).lifetime(0).by(&mn1()));
    let request = world.ask(&Dmip::dhoa_request(5).by(&mn1()));
    assert_eq!((request.dhoa(), request.lifetime), (shared, Lifetime(50)));
    assert_eq!(world.held_by(&mn1()).len(), 2);
    assert_eq!(world.care_of(shared), Some(CARE_OF_2));
}

/// A DHoA that belongs to the mobile node by configuration can be bound by an update alone.
#[test]
fn an_own_dhoa_needs_no_request() {
    let mut world = World::new();
    assert_eq!(
        world.ask(&Dmip::update(1, &[OWN_DHOA]).by(&mn1())).status,
        0
    );
    assert_eq!(
        world.ask(&Dmip::update(1, &[OWN_DHOA]).by(&mn2())).status,
        194
    );
    assert_eq!(world.held_by(&mn1()), [OWN_DHOA]);
}

/// An overtaken update does not bring back an own DHoA that a later one has released.
#[test]
fn an_overtaken_update_brings_nothing_back() {
    let mut world = World::new();
    world.ask(&Dmip::update(1, &[OWN_DHOA]).by(&mn1()));
    world.ask(&Dmip::update(3, &[OWN_DHOA]).lifetime(0).by(&mn1()));
    assert_eq!(
        world.ask(&Dmip::update(2, &[OWN_DHOA]).by(&mn1())).status,
        194
    );
    assert_eq!(world.bound_count(), 0);
    assert_eq!(
        world.ask(&Dmip::update(4, &[OWN_DHOA]).by(&mn1())).status,
        0
    );
}

/// The mode that the mobile node confirms is recorded, if it may optimize routes; flag O tells.
#[test]
fn communication_modes_are_recorded() {
    let permissions = Permissions {
        route_optimization: true,
        ..Permissions::default()
    };
    let mn = Mn::with(3, dhp_proto::auth::Algorithm::HmacSha256_128, permissions);
    let mut config = config();
    config.security_associations.push(mn.security.clone());
    config.route_optimization = true;
    let mut world = World::with(config);
    let optimized = MobilityOption::CommunicationMode {
        mode: Mode::RouteOptimized,
        fid: 4,
    };
    for (mn, mode) in [(&mn, Mode::RouteOptimized), (&mn1(), Mode::Proxy)] {
        let granted = world.ask(&Dmip::dhoa_request(1).by(mn));
        let permitted = mode == Mode::RouteOptimized;
        assert_eq!(
            granted.flags & dmip_flag::ROUTE_OPTIMIZATION != 0,
            permitted
        );
        let update = Dmip::update(2, &[])
            .option(dhoa(granted.dhoa(), 4, 0))
            .option(optimized);
        let answer = world.ask(&update.by(mn));
        assert_eq!(answer.modes, [(4, mode)]);
        assert_eq!(answer.flags & dmip_flag::ROUTE_OPTIMIZATION != 0, permitted);
        let view = world
            .anchor
            .bindings(world.now)
            .find(|binding| binding.home_address == granted.dhoa())
            .unwrap();
        assert_eq!(
            view.flows
                .iter()
                .map(|flow| (flow.fid, flow.mode))
                .collect::<Vec<_>>(),
            [(4, mode)]
        );
    }
}

/// A flow that refers to a Binding Identifier that there is none of: its status is 131; other flows are accepted and remembered.
#[test]
fn flows_are_remembered() {
    let (mut world, shared, _) = with_two_dhoas();
    let referring = MobilityOption::FlowIdentification {
        fid: 9,
        priority: 2,
        status: 0,
        sub_options: &[3, 6, 2, 0, 0, 0, 0, 0, 2, 2, 0, 1],
    };
    let update = Dmip::update(3, &[shared]).option(flow(8)).option(referring);
    let answer = world.ask(&update.by(&mn1()));
    assert_eq!(
        answer.flows,
        [(8, flow_status::ACCEPTED), (9, flow_status::BID_NOT_FOUND)]
    );
}

/// Statuses of the care-of address hold for the header and every address.
#[test]
fn a_bad_care_of_address_refuses_all() {
    let (mut world, shared, dedicated) = with_two_dhoas();
    for (sequence, care_of) in (3..).zip(["fe80::1", "2001:db8:1:1::77", "2001:db8:d::1"]) {
        let update =
            Dmip::update(sequence, &[shared, dedicated]).alternate(care_of.parse().unwrap());
        let answer = world.ask(&update.by(&mn1()));
        assert_eq!(
            (answer.status, answer.statuses()),
            (174, vec![174, 174]),
            "{care_of}"
        );
    }
    assert_eq!(world.care_of(shared), Some(CARE_OF));
}
