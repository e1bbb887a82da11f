//! Section 4.1, types 1 and 2: DHP Query and its Reply.

use std::net::Ipv6Addr;

use dhp_proto::anchor::{
    AnchorCommand, AnchorConfig, DirectoryEntry, FlowCapacity, Roles, SignallingDrop,
};
use dhp_wire::codepoints::DmipType;
use dhp_wire::ipv6::home_agents_anycast;
use dhp_wire::mobility::{Lifetime, MobilityOption, SessionType};

use crate::harness::{ANCHOR, CARE_OF, CORRESPONDENT, World, config, mn1, mn2};
use crate::message::{Dmip, mn_id};

const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 0, 1);

fn to_anycast() -> Dmip<'static> {
    Dmip {
        destination: home_agents_anycast(&CORRESPONDENT),
        ..Dmip::query()
    }
}

/// A DHP that covers the prefix answers the anycast query itself, from its own address.
#[test]
fn anycast_is_answered_by_the_dhp_itself() {
    let mut world = World::new();
    let answer = world.ask(&to_anycast().plain());
    assert_eq!(
        (answer.kind, answer.sequence, answer.status),
        (Some(DmipType::DhpQueryReply), 1, 0)
    );
    assert_eq!(answer.dhps, [(ANCHOR, 48)]);
    assert_eq!(answer.destination, CARE_OF);
    assert_eq!(answer.lifetime, Lifetime(75));
    assert!(!answer.has_auth);
}

/// The anycast address of a link that is not covered is another's.
#[test]
fn anycast_of_another_prefix_is_not_ours() {
    let mut world = World::new();
    let elsewhere = "2001:db8:f::".parse().unwrap();
    world.ignored(
        &Dmip {
            destination: home_agents_anycast(&elsewhere),
            ..Dmip::query()
        }
        .plain(),
    );
    assert_eq!(world.anchor.counters().dropped(SignallingDrop::NotForUs), 1);
}

/// Of a coverage prefix longer than /64 it is the anycast address of the /64 around it, and the Correspondent option decides.
#[test]
fn anycast_of_the_link_of_a_longer_prefix_is_answered() {
    let coverage = vec!["2001:db8:c:0::/120".parse().unwrap()];
    let mut world = World::with(AnchorConfig {
        coverage,
        ..config()
    });
    assert_eq!(world.ask(&to_anycast().plain()).dhps, [(ANCHOR, 120)]);
    let mut beside = to_anycast();
    beside.options = vec![MobilityOption::Correspondent {
        prefix_len: 128,
        address: "2001:db8:c::1:80".parse().unwrap(),
    }];
    let answer = world.ask(&beside.plain());
    assert_eq!((answer.status, answer.dhps), (0, vec![]));
}

/// Only a Query may go to the anycast address.
#[test]
fn requests_to_anycast_are_silence() {
    let mut world = World::new();
    let request = Dmip {
        destination: home_agents_anycast(&CORRESPONDENT),
        ..Dmip::dhoa_request(1)
    };
    world.ignored(&request.by(&mn1()));
}

/// A locator answers from its directory, the longest coverage prefix first.
#[test]
fn a_locator_lists_all_best_first() {
    let mut world = World::new();
    assert_eq!(
        world.ask(&Dmip::query().plain()).dhps,
        [(ANCHOR, 48), (OTHER, 32)]
    );
}

/// Coverage must contain the whole correspondent prefix; nobody covers it: an empty list.
#[test]
fn coverage_contains_the_prefix_that_is_asked_for() {
    let mut world = World::new();
    let ask = |prefix_len, address: &str| {
        let address = address.parse().unwrap();
        let mut query = Dmip::query();
        query.options = vec![MobilityOption::Correspondent {
            prefix_len,
            address,
        }];
        query.plain()
    };
    assert_eq!(world.ask(&ask(40, "2001:db8:c::")).dhps, [(OTHER, 32)]);
    let nobody = world.ask(&ask(128, "2001:db9::1"));
    assert_eq!((nobody.status, nobody.dhps), (0, vec![]));
}

/// Without the locator role only the DHP itself is named.
#[test]
fn a_dhp_that_is_no_locator_names_itself() {
    let roles = Roles {
        locator: false,
        ..Roles::default()
    };
    let mut world = World::with(AnchorConfig { roles, ..config() });
    assert_eq!(world.ask(&Dmip::query().plain()).dhps, [(ANCHOR, 48)]);
}

/// The Cookie of the Query comes back.
#[test]
fn the_cookie_is_echoed() {
    let mut world = World::new();
    let answer = world.ask(
        &Dmip::query()
            .option(MobilityOption::Cookie(&[5; 9]))
            .plain(),
    );
    assert_eq!(answer.cookie, Some(vec![5; 9]));
}

/// A Query whose MAC verifies has an authenticated Reply; one whose does not is answered without AUTH.
#[test]
fn the_reply_is_authenticated_if_the_query_was() {
    let mut world = World::new();
    let mn1 = mn1();
    let query = Dmip::query().option(mn_id(&mn1));
    let answer = world.ask(&query.by(&mn1));
    assert!(answer.is_by_anchor_of(&mn1, CARE_OF, ANCHOR));
    let mut forged = query.clone();
    forged.care_of = CORRESPONDENT;
    assert!(!world.ask(&forged.by(&mn1)).has_auth);
    // Another's identity under an own key proves nothing.
    assert!(!world.ask(&query.by(&mn2())).has_auth);
}

/// To anycast nothing is authenticated: whose key would it be?
#[test]
fn anycast_replies_are_never_authenticated() {
    let mut world = World::new();
    assert!(!world.ask(&to_anycast().by(&mn1())).has_auth);
}

/// A Query without a Correspondent: silence, unless its MAC verifies; then 195.
#[test]
fn a_malformed_query_is_silence() {
    let mut world = World::new();
    let empty = Dmip {
        options: Vec::new(),
        ..Dmip::query()
    };
    world.ignored(&empty.plain());
    assert_eq!(world.ask(&empty.by(&mn1())).status, 195);
    let twice = Dmip::query().option(crate::message::correspondent());
    world.ignored(&twice.plain());
    assert_eq!(
        world.anchor.counters().dropped(SignallingDrop::Malformed),
        2
    );
}

/// Section 6.6: to an unproved source the reply is no longer than three times the query; padding buys more, up to
/// 1280 octets.
#[test]
fn the_reply_does_not_amplify() {
    let directory = (0..60u16).map(|n| DirectoryEntry {
        dhp: Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 1, n),
        prefix: "2001:db8::/32".parse().unwrap(),
        preference: 1,
        load: 0,
        path_rtt_us: 0,
    });
    let mut world = World::with(AnchorConfig {
        directory: directory.collect(),
        ..config()
    });
    let short = Dmip::query().plain();
    let answer = world.ask(&short);
    assert!(answer.packet.len() <= 3 * short.len() && answer.packet.len() + 48 > 3 * short.len());
    let padded = Dmip {
        padding: 400,
        ..Dmip::query()
    };
    let longer = world.ask(&padded.plain());
    assert!(longer.dhps.len() > answer.dhps.len());
    assert!(longer.packet.len() <= 1280 && longer.packet.len() + 48 > 1280);
    let proved = world.ask(&Dmip::query().by(&mn1()));
    assert!(
        proved.packet.len() <= 1280 && proved.packet.len() + 48 > 1280,
        "a MAC proves the source"
    );
}

/// Requirements that this DHP cannot meet leave it out of the list.
#[test]
fn a_dhp_that_cannot_serve_the_flow_is_not_named() {
    let capacity = FlowCapacity {
        max_bandwidth_kbps: 1000,
        min_latency_ms: 5,
        min_loss_permille: 0,
    };
    let mut world = World::with(AnchorConfig {
        capacity,
        ..config()
    });
    let asking = |min_bandwidth_kbps, max_latency_ms| {
        Dmip::query().option(MobilityOption::FlowRequirements {
            session: SessionType::SessionLasting,
            dscp: 0,
            min_bandwidth_kbps,
            max_latency_ms,
            max_loss_permille: 0,
        })
    };
    assert_eq!(world.ask(&asking(1000, 5).plain()).dhps.len(), 2);
    assert_eq!(world.ask(&asking(1001, 0).plain()).dhps, [(OTHER, 32)]);
    assert_eq!(world.ask(&asking(0, 4).plain()).dhps, [(OTHER, 32)]);
    let mut anycast = asking(0, 4);
    anycast.destination = home_agents_anycast(&CORRESPONDENT);
    let nobody = world.ask(&anycast.plain());
    assert_eq!((nobody.status, nobody.dhps), (0, vec![]));
}

/// A draining DHP does not name itself; if it knows of no other, it says so.
#[test]
fn a_draining_dhp_names_others() {
    let mut world = World::new();
    world.command(AnchorCommand::SetDraining(true));
    let answer = world.ask(&Dmip::query().plain());
    assert_eq!((answer.status, answer.dhps), (0, vec![(OTHER, 32)]));
    let answer = world.ask(&to_anycast().plain());
    assert_eq!((answer.status, answer.dhps), (196, vec![]));
}
