//! Another configuration while correspondents have bindings: those that it does not allow end, and no others.

use std::net::Ipv6Addr;

use dhp_proto::anchor::{
    Anchor, AnchorAction, AnchorConfig, PoolConfig, PoolKind, RouteEnds, RouteOptimization,
};
use dhp_proto::return_routability::{KeygenToken, authenticator, management_key};
use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::{BuFlags, Builder, Lifetime, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::{MobilityPacket, compose};

use crate::harness::{ANCHOR, CARE_OF, CARE_OF_2, CORRESPONDENT, START, config};

/// A home address of nobody here, and one that will be.
const ROAMER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 1);
const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x78, 0, 0, 0, 0, 1);

fn acting() -> AnchorConfig {
    AnchorConfig {
        is_correspondent: true,
        correspondents_behind: vec!["2001:db8:c::/64".parse().unwrap()],
        ..config()
    }
}

/// Nonce index and token that come for a test.
fn ask(
    anchor: &mut Anchor,
    source: Ipv6Addr,
    correspondent: Ipv6Addr,
    test: Builder,
) -> (u16, KeygenToken) {
    let mh = test.finish(&source, &correspondent);
    anchor.handle_packet(START, &compose(&source, &correspondent, None, None, &mh));
    let Some(AnchorAction::Transmit(answer)) = anchor.poll_action() else {
        panic!("no test")
    };
    let parsed = MobilityPacket::parse(&answer).unwrap();
    let header = MobilityHeader::parse(parsed.mh).unwrap();
    match header.message(&CodePoints::default()).unwrap() {
        Message::HomeTest {
            nonce_index, token, ..
        }
        | Message::CareOfTest {
            nonce_index, token, ..
        } => (nonce_index, KeygenToken::from_octets(token)),
        other => panic!("no test: {other:?}"),
    }
}

/// Registers; whether it was accepted.
fn registers(anchor: &mut Anchor, ends: RouteEnds, care_of: Ipv6Addr) -> bool {
    let RouteEnds {
        home_address,
        correspondent,
    } = ends;
    let home = ask(
        anchor,
        home_address,
        correspondent,
        Builder::home_test_init([1; 8]),
    );
    let test = ask(
        anchor,
        care_of,
        correspondent,
        Builder::care_of_test_init([2; 8]),
    );
    let key = management_key(&home.1, Some(&test.1));
    let nonces = MobilityOption::NonceIndices {
        home: home.0,
        care_of: test.0,
    };
    let mh = Builder::binding_update(1, BuFlags::default(), Lifetime(50))
        .option(&nonces)
        .binding_authorization(|mh| authenticator(&key, &care_of, &correspondent, mh))
        .finish(&home_address, &correspondent);
    let update = compose(&care_of, &correspondent, Some(&home_address), None, &mh);
    anchor.handle_packet(START, &update);
    match anchor.poll_action() {
        Some(AnchorAction::Route(RouteOptimization::Begins { ends: of, .. })) => of == ends,
        // Refused, which is told without being asked to.
        Some(AnchorAction::Transmit(_)) => false,
        other => panic!("{other:?}"),
    }
}

/// The bindings that end when `change` has been made to the configuration.
fn ended(change: impl FnOnce(&mut AnchorConfig)) -> Vec<RouteEnds> {
    let mut anchor = Anchor::new(acting(), START, [7; 32]).unwrap();
    for (ends, care_of) in all() {
        assert!(registers(&mut anchor, ends, care_of));
    }
    let mut changed = acting();
    change(&mut changed);
    assert_eq!(anchor.reconfigure(START, changed), Ok(Vec::new()));
    let actions = std::iter::from_fn(|| anchor.poll_action());
    actions
        .map(|action| match action {
            AnchorAction::Route(RouteOptimization::Ends { ends }) => ends,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// In the order in which they end.
fn all() -> [(RouteEnds, Ipv6Addr); 3] {
    let ends = |home_address, correspondent| RouteEnds {
        home_address,
        correspondent,
    };
    [
        (ends(ROAMER, CORRESPONDENT), CARE_OF),
        (ends(ROAMER, ANCHOR), CARE_OF),
        (ends(OTHER, CORRESPONDENT), CARE_OF_2),
    ]
}

fn pool(prefix: &str) -> PoolConfig {
    PoolConfig::new(prefix.parse().unwrap(), PoolKind::Home)
}

#[test]
fn the_same_configuration_ends_nothing() {
    assert_eq!(ended(|_| {}), []);
}

#[test]
fn without_the_role_all_of_them_end() {
    let [first, second, third] = all().map(|(ends, _)| ends);
    assert_eq!(
        ended(|config| config.is_correspondent = false),
        [first, second, third]
    );
}

#[test]
fn those_of_hosts_that_nobody_acts_for_any_more_end() {
    let [first, _, third] = all().map(|(ends, _)| ends);
    assert_eq!(
        ended(|config| config.correspondents_behind.clear()),
        [first, third]
    );
}

/// From now on its home agent is here.
#[test]
fn a_new_pool_ends_those_of_its_addresses() {
    let [_, _, third] = all().map(|(ends, _)| ends);
    assert_eq!(
        ended(|config| config.pools.push(pool("2001:db8:78::/64"))),
        [third]
    );
}

/// RFC 6275 §15.1: packets to a care-of address that is a home address here would come back.
#[test]
fn a_new_pool_ends_those_with_care_of_addresses_in_it() {
    let [first, second, _] = all().map(|(ends, _)| ends);
    assert_eq!(
        ended(|config| config.pools.push(pool("2001:db8:a::/64"))),
        [first, second]
    );
}

/// One pair of tokens is good for every address of the hosts' prefixes.
#[test]
fn one_home_address_cannot_take_the_room_of_all() {
    let mut anchor = Anchor::new(acting(), START, [7; 32]).unwrap();
    let host = |number: u128| Ipv6Addr::from_bits(CORRESPONDENT.to_bits() + number);
    let accepted = (0..100).filter(|number| {
        let ends = RouteEnds {
            home_address: ROAMER,
            correspondent: host(*number),
        };
        registers(&mut anchor, ends, CARE_OF)
    });
    assert_eq!(accepted.count(), 64);
    let ends = RouteEnds {
        home_address: OTHER,
        correspondent: CORRESPONDENT,
    };
    assert!(registers(&mut anchor, ends, CARE_OF_2));
}
