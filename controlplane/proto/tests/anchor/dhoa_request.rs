//! Section 4.1, types 3 and 4: DHoA Request and Response.

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{
    AnchorCommand, AnchorConfig, BindingChange, FlowCapacity, Limits, PoolKind, SignallingDrop,
};
use dhp_proto::auth::Algorithm;
use dhp_proto::security_association::Permissions;
use dhp_wire::codepoints::{DmipType, dmip_flag};
use dhp_wire::mobility::{Lifetime, MobilityOption, Mode, SessionType};

use crate::harness::{
    ANCHOR, CARE_OF, CARE_OF_2, HOME, Mn, OWN_DHOA, TEN_MINUTES, World, config, mn1, mn2,
};
use crate::message::{Dmip, dhoa, flow, mn_id};

/// The Response grants a DHoA of the pool and creates the first binding, with the care-of address of the Request.
#[test]
fn a_dhoa_is_assigned_and_bound() {
    let mut world = World::new();
    let answer = world.ask(&Dmip::dhoa_request(7).by(&mn1()));
    let dhoa = answer.dhoa();
    assert_eq!(
        (answer.kind, answer.sequence),
        (Some(DmipType::DhoaResponse), 7)
    );
    assert_eq!(
        (answer.lifetime, answer.dhoas[0].lifetime),
        (TEN_MINUTES, TEN_MINUTES)
    );
    assert_eq!(answer.modes, [(0, Mode::Proxy)]);
    assert!(answer.is_by_anchor_of(&mn1(), CARE_OF, ANCHOR));
    assert_eq!(world.care_of(dhoa), Some(CARE_OF));
    let BindingChange::Bound {
        kind, expires_ns, ..
    } = world.last_change()
    else {
        panic!()
    };
    assert_eq!(
        (*kind, *expires_ns),
        (PoolKind::Dhoa, Some(world.now.mono_ns + 600_000_000_000))
    );
}

/// All flows of a mobile node share its DHoA; another mobile node gets another.
#[test]
fn one_dhoa_per_mobile_node() {
    let mut world = World::new();
    let first = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    assert_eq!(
        world
            .ask(&Dmip::dhoa_request(2).option(flow(3)).by(&mn1()))
            .dhoa(),
        first
    );
    assert_ne!(world.ask(&Dmip::dhoa_request(1).by(&mn2())).dhoa(), first);
    assert_eq!(world.bound_count(), 2);
}

/// Flag D: a DHoA of its own for the flow; the same FID yields the same DHoA.
#[test]
fn a_dedicated_dhoa_belongs_to_its_flow() {
    let mut world = World::new();
    let shared = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    let dedicated = |sequence, fid| {
        Dmip::dhoa_request(sequence)
            .flags(dmip_flag::DEDICATED)
            .option(flow(fid))
    };
    let answer = world.ask(&dedicated(2, 3).by(&mn1()));
    let third = answer.dhoa();
    assert_eq!(answer.dhoas[0].fid, 3);
    assert_ne!(third, shared);
    assert_eq!(world.ask(&dedicated(3, 3).by(&mn1())).dhoa(), third);
    assert_ne!(world.ask(&dedicated(4, 4).by(&mn1())).dhoa(), third);
    assert_eq!(
        world.ask(&Dmip::dhoa_request(5).by(&mn1())).dhoa(),
        shared,
        "the shared one stays shared"
    );
    let view = world
        .anchor
        .bindings(world.now)
        .find(|binding| binding.home_address == third)
        .unwrap();
    assert_eq!(view.dedicated, Some(3));
}

/// No security association for the SPI: silence and a counter. No AUTH at all: the same.
#[test]
fn without_an_association_there_is_silence() {
    let mut world = World::new();
    world.ignored(&Dmip::dhoa_request(1).by(&Mn::new(9, &[])));
    world.ignored(&Dmip::dhoa_request(1).plain());
    assert_eq!(
        world.anchor.counters().dropped(SignallingDrop::UnknownSpi),
        1
    );
    assert_eq!(
        world
            .anchor
            .counters()
            .dropped(SignallingDrop::NoAuthentication),
        1
    );
}

/// A wrong MAC is answered with 146, authenticated, before anything else is looked at.
#[test]
fn a_wrong_mac_is_answered_with_146() {
    let mut world = World::new();
    let mut request = Dmip::dhoa_request(1).lifetime(0);
    request.care_of = CARE_OF_2;
    let packet = request.by(&mn1());
    let answer = world.ask(&packet);
    assert_eq!((answer.status, answer.dhoas.len()), (146, 0));
    assert!(answer.is_by_anchor_of(&mn1(), CARE_OF, ANCHOR));
    assert!(answer.packet.len() <= 3 * packet.len());
    // Nothing was used up: the number is still good.
    assert_eq!(world.ask(&Dmip::dhoa_request(1).by(&mn1())).status, 0);
}

/// Something behind AUTH: the message is discarded.
#[test]
fn auth_ends_the_header() {
    let mut world = World::new();
    let packet = Dmip::dhoa_request(1).by(&mn1());
    let mut mh = packet[40..].to_vec();
    mh.extend([1, 6, 0, 0, 0, 0, 0, 0]);
    mh[1] += 1;
    mh[4..6].fill(0);
    let sum = dhp_wire::checksum::upper_layer_checksum(&CARE_OF, &ANCHOR, 135, &mh);
    mh[4..6].copy_from_slice(&sum.to_be_bytes());
    world.ignored(&dhp_wire::packet::compose(
        &CARE_OF, &ANCHOR, None, None, &mh,
    ));
    assert_eq!(
        world
            .anchor
            .counters()
            .dropped(SignallingDrop::BehindAuthentication),
        1
    );
}

/// An MN-ID must be the association's owner, else 146.
#[test]
fn the_mn_id_is_the_owners() {
    let mut world = World::new();
    assert_eq!(
        world
            .ask(&Dmip::dhoa_request(1).option(mn_id(&mn2())).by(&mn1()))
            .status,
        146
    );
    assert_eq!(
        world
            .ask(&Dmip::dhoa_request(1).option(mn_id(&mn1())).by(&mn1()))
            .status,
        0
    );
}

/// Missing or malformed options, after the MAC: 195.
#[test]
fn malformed_requests_are_answered_with_195() {
    let mut world = World::new();
    let bare = Dmip {
        options: Vec::new(),
        ..Dmip::dhoa_request(1)
    };
    let cases = [
        ("no Correspondent", bare.clone()),
        ("Lifetime 0", Dmip::dhoa_request(2).lifetime(0)),
        (
            "D without a flow",
            Dmip::dhoa_request(3).flags(dmip_flag::DEDICATED),
        ),
        (
            "Correspondent twice",
            Dmip::dhoa_request(4).option(crate::message::correspondent()),
        ),
        (
            "two wishes",
            Dmip::dhoa_request(5)
                .option(dhoa(OWN_DHOA, 0, 0))
                .option(dhoa(CARE_OF, 0, 0)),
        ),
        (
            "two flows",
            Dmip::dhoa_request(6).option(flow(1)).option(flow(2)),
        ),
        (
            "FIDs that differ",
            Dmip::dhoa_request(7)
                .option(dhoa(OWN_DHOA, 4, 0))
                .option(flow(5)),
        ),
        (
            "a short Cookie",
            Dmip::dhoa_request(8).option(MobilityOption::Unknown {
                kind: 18,
                data: &[6, 1, 2],
            }),
        ),
        (
            "an empty DMIP option",
            Dmip::dhoa_request(9).option(MobilityOption::Unknown {
                kind: 18,
                data: &[],
            }),
        ),
        (
            "session type fixed",
            Dmip::dhoa_request(10).option(MobilityOption::Unknown {
                kind: 18,
                data: &[4, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            }),
        ),
    ];
    for (sequence, (what, request)) in (1..).zip(cases) {
        let request = Dmip {
            sequence,
            ..request
        };
        let answer = world.ask(&request.by(&mn1()));
        assert_eq!((answer.status, answer.dhoas.len()), (195, 0), "{what}");
    }
    assert_eq!(world.bound_count(), 0);
}

/// Options that the row of a DHoA Request does not list are skipped, sound or not.
#[test]
fn options_of_other_messages_are_skipped() {
    let mut world = World::new();
    let request = Dmip::dhoa_request(1)
        .option(MobilityOption::CommunicationMode {
            mode: Mode::Proxy,
            fid: 1,
        })
        .option(MobilityOption::Unknown {
            kind: 35,
            data: &[0],
        });
    assert_eq!(world.ask(&request.by(&mn1())).status, 0);
}

/// A correspondent that this DHP does not cover: 192.
#[test]
fn the_correspondent_must_be_covered() {
    let mut world = World::new();
    let mut request = Dmip::dhoa_request(1);
    request.options = vec![MobilityOption::Correspondent {
        prefix_len: 40,
        address: "2001:db8:c::".parse().unwrap(),
    }];
    assert_eq!(world.ask(&request.by(&mn1())).status, 192);
}

/// A care-of address that is not unicast routable, lies in a local pool, or is the anchor itself: 174.
#[test]
fn the_care_of_address_must_be_elsewhere() {
    let mut world = World::new();
    for (sequence, care_of) in (1..).zip([
        "fe80::1",
        "ff02::1",
        "::",
        "::1",
        "2001:db8:d:1::9",
        "2001:db8:1:1::9",
    ]) {
        let answer = world.ask(
            &Dmip::dhoa_request(sequence)
                .alternate(care_of.parse().unwrap())
                .by(&mn1()),
        );
        assert_eq!(answer.status, 174, "{care_of}");
    }
    assert_eq!(
        world
            .ask(&Dmip::dhoa_request(20).alternate(ANCHOR).by(&mn1()))
            .status,
        174
    );
    assert_eq!(world.bound_count(), 0);
}

/// An Alternate CoA is bound, and is the care-of address of both MACs; the answer goes to the source.
#[test]
fn an_alternate_care_of_address_is_bound() {
    let mut world = World::new();
    let answer = world.ask(&Dmip::dhoa_request(1).alternate(CARE_OF_2).by(&mn1()));
    assert_eq!(world.care_of(answer.dhoa()), Some(CARE_OF_2));
    assert_eq!(answer.destination, CARE_OF);
    assert!(answer.is_by_anchor_of(&mn1(), CARE_OF_2, ANCHOR));
}

/// A requirement that cannot be met: 130.
#[test]
fn requirements_must_be_met() {
    let capacity = FlowCapacity {
        min_loss_permille: 3,
        ..FlowCapacity::default()
    };
    let mut world = World::with(AnchorConfig {
        capacity,
        ..config()
    });
    let asking = |sequence, max_loss_permille| {
        Dmip::dhoa_request(sequence).option(MobilityOption::FlowRequirements {
            session: SessionType::GracefulReplacement,
            dscp: 46,
            min_bandwidth_kbps: 0,
            max_latency_ms: 0,
            max_loss_permille,
        })
    };
    assert_eq!(world.ask(&asking(1, 2).by(&mn1())).status, 130);
    assert_eq!(world.ask(&asking(2, 3).by(&mn1())).status, 0);
}

/// The lifetime asked for is granted up to the configured limit, for ever included.
#[test]
fn lifetimes_are_limited() {
    let mut world = World::new();
    assert_eq!(
        world
            .ask(&Dmip::dhoa_request(1).lifetime(5).by(&mn1()))
            .lifetime,
        Lifetime(5)
    );
    assert_eq!(
        world
            .ask(&Dmip::dhoa_request(2).lifetime(0xffff).by(&mn1()))
            .lifetime,
        TEN_MINUTES
    );
    let mut world = World::with(AnchorConfig {
        max_lifetime: Lifetime::INFINITE,
        ..config()
    });
    assert_eq!(
        world
            .ask(&Dmip::dhoa_request(1).lifetime(0xffff).by(&mn1()))
            .lifetime,
        Lifetime::INFINITE
    );
    let BindingChange::Bound { expires_ns, .. } = world.last_change() else {
        panic!()
    };
    assert_eq!(*expires_ns, None);
}

/// A mobile node that may have no DHoA: 129. One that has as many as it may: 130.
#[test]
fn permissions_are_kept() {
    let with = |permissions| Mn::with(5, Algorithm::HmacSha1_96, permissions);
    let none = with(Permissions {
        dhoa: false,
        ..Permissions::default()
    });
    let mut world = World::with(AnchorConfig {
        security_associations: vec![none.security.clone()],
        ..config()
    });
    assert_eq!(world.ask(&Dmip::dhoa_request(1).by(&none)).status, 129);

    let mut world = World::new();
    for fid in 1..=5 {
        let request = Dmip::dhoa_request(fid)
            .flags(dmip_flag::DEDICATED)
            .option(flow(fid));
        assert_eq!(
            world.ask(&request.by(&mn1())).status,
            if fid <= 4 { 0 } else { 130 }
        );
    }
}

/// The hard cap on home addresses: 130, while the ones that exist live on.
#[test]
fn the_cap_on_home_addresses_is_kept() {
    let limits = Limits {
        max_home_addresses: 1,
        ..Limits::default()
    };
    let mut world = World::with(AnchorConfig { limits, ..config() });
    assert_eq!(world.ask(&Dmip::dhoa_request(1).by(&mn1())).status, 0);
    assert_eq!(world.ask(&Dmip::dhoa_request(1).by(&mn2())).status, 130);
    assert_eq!(world.ask(&Dmip::dhoa_request(2).by(&mn1())).status, 0);
}

/// A wish for a free address is granted; one for another's, for the anchor's or for one outside the pool is not.
#[test]
fn wishes_are_granted_where_nobody_has_a_claim() {
    let mut world = World::new();
    let wish: Ipv6Addr = "2001:db8:d:1::1234".parse().unwrap();
    assert_eq!(
        world
            .ask(&Dmip::dhoa_request(1).option(dhoa(wish, 0, 0)).by(&mn1()))
            .dhoa(),
        wish
    );
    let others = [
        wish,
        OWN_DHOA,
        HOME,
        ANCHOR,
        "2001:db8:d:1::".parse().unwrap(),
        CARE_OF,
    ];
    for (sequence, wish) in (1..).zip(others) {
        let request = Dmip::dhoa_request(sequence).option(dhoa(wish, 0, 0));
        let granted = world.ask(&request.by(&mn2())).dhoa();
        assert_ne!(granted, wish);
        world.command(AnchorCommand::Release {
            home_address: granted,
        });
    }
}

/// A DHoA that belongs to a mobile node by configuration is its to wish for.
#[test]
fn an_own_dhoa_can_be_wished_for() {
    let mut world = World::new();
    assert_eq!(
        world
            .ask(
                &Dmip::dhoa_request(1)
                    .option(dhoa(OWN_DHOA, 0, 0))
                    .by(&mn1())
            )
            .dhoa(),
        OWN_DHOA
    );
}

/// Interface identifiers cannot be guessed from one another, neither those of other mobile nodes nor those of other flows.
#[test]
fn assigned_addresses_look_random() {
    let mut world = World::new();
    let mut identifiers = Vec::new();
    for mn in [mn1(), mn2()] {
        for fid in 1..=4 {
            let request = Dmip::dhoa_request(fid).flags(dmip_flag::DEDICATED);
            let granted = world.ask(&request.option(flow(fid)).by(&mn)).dhoa();
            identifiers.push(u128::from(granted) as u64);
        }
    }
    identifiers.sort_unstable();
    assert!(
        identifiers
            .windows(2)
            .all(|pair| pair[1] - pair[0] > 1 << 32)
    );
}

/// RFC 7217 §5: the same identifier for the same question, now and after any time; in another pool another.
#[test]
fn a_mobile_node_gets_its_dhoa_again() {
    let mut world = World::new();
    let ask = |world: &mut World, sequence: u16| {
        let granted = world.ask(&Dmip::dhoa_request(sequence).by(&mn2())).dhoa();
        world.command(AnchorCommand::Release {
            home_address: granted,
        });
        granted
    };
    let first = ask(&mut world, 1);
    assert_eq!(ask(&mut world, 2), first, "out of its quarantine");
    world.wait(Duration::from_secs(10_000));
    assert_eq!(ask(&mut world, 3), first, "when it is nobody's any more");

    let mut elsewhere = config();
    elsewhere.pools[0].prefix = "2001:db8:d:2::/64".parse().unwrap();
    elsewhere.security_associations = vec![mn2().security];
    let other = ask(&mut World::with(elsewhere), 1);
    let differing = u128::from(first) as u64 ^ u128::from(other) as u64;
    assert!(differing.count_ones() > 8, "{first} and {other}");
}

/// A mobile node keeps no more addresses from others than it may have: bound and in quarantine it is bounded.
#[test]
fn quarantine_is_bounded_per_mobile_node() {
    let mut world = World::new();
    for sequence in 0..100u16 {
        let granted = world.ask(&Dmip::dhoa_request(sequence).by(&mn2())).dhoa();
        world.command(AnchorCommand::Release {
            home_address: granted,
        });
    }
    let pool = world
        .anchor
        .pools()
        .find(|pool| pool.kind == PoolKind::Dhoa)
        .unwrap();
    assert!(pool.quarantined <= 4, "{pool:?}");
}

/// Not by wishes either: beyond what it may have, only what it had is granted.
#[test]
fn wishes_do_not_fill_the_quarantine() {
    let mut world = World::new();
    for number in 0..100u16 {
        let wish = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 1, number);
        let request = Dmip::dhoa_request(number).option(dhoa(wish, 0, 0));
        let granted = world.ask(&request.by(&mn1())).dhoa();
        let home_address = granted;
        world.command(AnchorCommand::Release { home_address });
    }
    let quarantined: usize = world.anchor.pools().map(|pool| pool.quarantined).sum();
    assert_eq!(quarantined, 4);
    let own = Dmip::dhoa_request(100).option(dhoa(OWN_DHOA, 0, 0));
    assert_eq!(
        world.ask(&own.by(&mn1())).dhoa(),
        OWN_DHOA,
        "it never rests"
    );
}
