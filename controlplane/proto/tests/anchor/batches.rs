//! Section 4.1, type 5: many addresses and flows in one message, and one answer that tells of all of them.

use std::net::Ipv6Addr;

use dhp_proto::anchor::AnchorConfig;
use dhp_proto::auth::Algorithm;
use dhp_proto::security_association::Permissions;
use dhp_wire::codepoints::{Status, dmip_flag, flow_status};
use dhp_wire::mobility::{Lifetime, MobilityOption, Mode};

use crate::harness::{ANCHOR, CARE_OF, CARE_OF_2, HOME, Mn, World, config, mn1};
use crate::message::{Dmip, dhoa, flow};

/// A mobile node that may have many DHoAs, and route optimization.
fn mn() -> Mn {
    let permissions = Permissions {
        max_dhoas: 100,
        route_optimization: true,
        ..Permissions::default()
    };
    Mn::with(3, Algorithm::HmacSha256_128, permissions)
}

/// An anchor where it has so many, one for each flow; as many numbers are used.
fn with_dhoas(count: u16) -> (World, Vec<Ipv6Addr>) {
    let mut config = config();
    config.security_associations.push(mn().security);
    let mut world = World::with(AnchorConfig {
        route_optimization: true,
        ..config
    });
    let dhoas = (1..=count).map(|fid| {
        let request = Dmip::dhoa_request(fid).flags(dmip_flag::DEDICATED);
        world.ask(&request.option(flow(fid)).by(&mn())).dhoa()
    });
    let dhoas = dhoas.collect();
    (world, dhoas)
}

fn bid(bid: u16, care_of: Option<Ipv6Addr>) -> MobilityOption<'static> {
    MobilityOption::BindingIdentifier {
        bid,
        status: Status(0),
        home_flag: false,
        priority: 1,
        care_of: care_of.map(Into::into),
    }
}

fn optimized(fid: u16) -> MobilityOption<'static> {
    MobilityOption::CommunicationMode {
        mode: Mode::RouteOptimized,
        fid,
    }
}

/// As many as a message can list move at once, each with its lifetime and its mode, and the answer has them all in the order in
/// which they were listed.
#[test]
fn sixty_addresses_move_by_one_message() {
    let (mut world, dhoas) = with_dhoas(60);
    let mut update = Dmip::update(61, &[]).from(CARE_OF_2);
    for (fid, address) in (1..).zip(&dhoas) {
        // A mode needs no more than the padding between two DHoAs.
        update = update.option(dhoa(*address, fid, fid));
        update = update.option(optimized(fid));
    }
    let answer = world.ask(&update.by(&mn()));
    assert_eq!((answer.status, answer.lifetime), (0, Lifetime(1)));
    let told: Vec<_> = answer.dhoas.iter().map(|dhoa| dhoa.address).collect();
    assert_eq!(told, dhoas);
    let granted = answer.dhoas.iter().map(|dhoa| (dhoa.status, dhoa.lifetime));
    assert!(granted.eq((1..=60).map(|fid| (0, Lifetime(fid)))));
    assert_eq!(answer.modes.len(), 60);
    assert!(answer.is_by_anchor_of(&mn(), CARE_OF_2, ANCHOR));
    assert_eq!(world.anchor.counters().handoffs(), 60);
    assert!(
        dhoas
            .iter()
            .all(|dhoa| world.care_of(*dhoa) == Some(CARE_OF_2))
    );
    let flows = world.anchor.bindings(world.now).map(|view| view.flows);
    assert!(
        flows
            .flatten()
            .all(|flow| flow.mode == Mode::RouteOptimized)
    );
}

/// Partial success: each address has its own status, the header that of the whole.
#[test]
fn each_of_many_addresses_has_its_own_status() {
    let (mut world, dhoas) = with_dhoas(30);
    let mut listed = Vec::new();
    for (number, address) in (0u16..).zip(&dhoas) {
        listed.push(*address);
        // Beside each own one an address of nobody.
        listed.push(Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 1, number));
    }
    let answer = world.ask(&Dmip::update(31, &listed).from(CARE_OF_2).by(&mn()));
    assert_eq!(answer.status, 0);
    assert_eq!(answer.statuses(), [0, 194].repeat(30));
    assert!(
        dhoas
            .iter()
            .all(|dhoa| world.care_of(*dhoa) == Some(CARE_OF_2))
    );
}

/// An update whose answer no Mobility Header has room for is refused before it acts: in smaller pieces it is accepted.
#[test]
fn what_cannot_be_answered_does_not_act() {
    let (mut world, dhoas) = with_dhoas(70);
    let two = [bid(1, Some(CARE_OF)), bid(2, Some(CARE_OF_2))];
    for (sequence, part) in (71..).zip(dhoas.chunks(35)) {
        let update = two
            .iter()
            .fold(Dmip::update(sequence, part), |update, bid| {
                update.option(*bid)
            });
        assert_eq!(world.ask(&update.by(&mn())).status, 0);
    }
    let events = world.events.len();
    // Of all addresses, none of which is named: the answer would name all of them.
    let update = Dmip::update(73, &[])
        .lifetime(0)
        .option(bid(1, None))
        .by(&mn());
    let refused = world.ask(&update);
    assert_eq!((refused.status, refused.dhoas.len()), (130, 0));
    assert_eq!(world.events.len(), events);
    assert_eq!(world.ask(&update).packet, refused.packet, "it is stored");
    for (sequence, part) in (74..).zip(dhoas.chunks(35)) {
        let update = Dmip::update(sequence, part).lifetime(0);
        let answer = world.ask(&update.option(bid(1, None)).by(&mn()));
        assert_eq!(answer.statuses(), [0; 35]);
    }
}

/// What a binding has no room to remember is refused: of flows that are only described with 129, as RFC 6089 has no better status.
#[test]
fn more_flows_than_a_binding_remembers_are_refused() {
    let (mut world, dhoas) = with_dhoas(1);
    let update = (1..=70).fold(Dmip::update(2, &dhoas), |update, fid| {
        update.option(flow(fid))
    });
    let answer = world.ask(&update.by(&mn()));
    assert_eq!(answer.statuses(), [0]);
    let accepted = answer.flows.iter();
    let accepted = accepted.filter(|(_, status)| *status == flow_status::ACCEPTED);
    assert_eq!(accepted.count(), 63, "and FID 0, of the DHoA option");
    assert_eq!(answer.flows[62..64], [(63, 0), (64, flow_status::REJECTED)]);
    let view = world.anchor.binding(world.now, &dhoas[0]).unwrap();
    assert_eq!(view.flows.len(), 64);
    let request = Dmip::dhoa_request(3).flags(dmip_flag::DEDICATED);
    let answer = world.ask(&request.option(flow(1)).by(&mn()));
    assert_eq!(answer.status, 0, "one that is remembered");
}

/// An address that is not the mobile node's does not become it by standing twice, for two flows.
#[test]
fn an_address_of_nobody_is_refused_each_time() {
    let mut world = World::new();
    let nobodys = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 1, 1);
    for (sequence, address) in [(1, nobodys), (2, HOME)] {
        let release = Dmip::update(sequence, &[]).lifetime(0);
        let release = release
            .option(dhoa(address, 1, 0))
            .option(dhoa(address, 2, 0));
        let answer = world.ask(&release.by(&mn1()));
        assert_eq!((answer.status, answer.statuses()), (194, vec![194, 194]));
    }
}

/// "Type 5 with header Lifetime 0 releases the listed DHoAs", whatever their options ask for.
#[test]
fn lifetime_0_in_the_header_releases_whatever_the_options_say() {
    let (mut world, dhoas) = with_dhoas(1);
    let release = Dmip::update(2, &[])
        .lifetime(0)
        .option(dhoa(dhoas[0], 1, 50));
    let answer = world.ask(&release.by(&mn()));
    assert_eq!((answer.status, answer.lifetime), (0, Lifetime::ZERO));
    assert_eq!(answer.dhoas[0].lifetime, Lifetime::ZERO);
    assert_eq!(world.bound_count(), 0);
}

/// Without flag A "only status 16 and statuses ≥ 128 are answered", also where they stand in the options of care-of addresses and
/// flows.
#[test]
fn refused_care_of_addresses_and_flows_are_answered_without_flag_a() {
    let (mut world, dhoas) = with_dhoas(1);
    let quiet = |sequence| Dmip {
        flags: 0,
        ..Dmip::update(sequence, &dhoas)
    };
    let update = quiet(2).option(bid(1, Some(CARE_OF))).option(bid(2, None));
    let answer = world.ask(&update.by(&mn()));
    assert_eq!((answer.status, answer.statuses()), (0, vec![4]));
    assert_eq!(answer.bids, [(1, 0), (2, 167)]);
    let referring = MobilityOption::FlowIdentification {
        fid: 9,
        priority: 2,
        status: 0,
        sub_options: &[3, 6, 2, 0, 0, 0, 0, 0, 2, 2, 0, 7],
    };
    let answer = world.ask(&quiet(3).option(referring).by(&mn()));
    assert_eq!(answer.flows, [(9, flow_status::BID_NOT_FOUND)]);
    assert!(world.feed(&quiet(4).option(flow(9)).by(&mn())).is_empty());
}

/// The mode in the answer is the one that is in force: of a flow that is not there, none is.
#[test]
fn the_mode_of_a_flow_that_is_not_there_is_not_recorded() {
    let (mut world, dhoas) = with_dhoas(1);
    let update = Dmip::update(2, &[]).option(dhoa(dhoas[0], 1, 0));
    let update = update.option(optimized(1)).option(optimized(5));
    let answer = world.ask(&update.by(&mn()));
    assert_eq!(answer.modes, [(1, Mode::RouteOptimized), (5, Mode::Proxy)]);
}

/// "All other bits: sent 0, ignored."
#[test]
fn other_flags_are_ignored() {
    let (mut world, dhoas) = with_dhoas(2);
    let update = Dmip::update(3, &dhoas[..1]).flags(0x3fff);
    let answer = world.ask(&update.by(&mn()));
    assert_eq!((answer.status, answer.statuses()), (0, vec![0]));
    assert_eq!(
        answer.flags,
        dmip_flag::ROUTE_OPTIMIZATION,
        "and nothing else is sent"
    );
    assert_eq!(world.held_by(&mn()).len(), 2);
}

/// A Replace that lists nothing and asks for a lifetime is malformed, and releases nothing.
#[test]
fn a_replace_of_nothing_releases_nothing() {
    let (mut world, _) = with_dhoas(2);
    let update = Dmip::update(3, &[]).flags(dmip_flag::REPLACE);
    assert_eq!(world.ask(&update.by(&mn())).status, 195);
    assert_eq!(world.held_by(&mn()).len(), 2);
}
