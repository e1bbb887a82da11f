//! The list of anchors and pools follows the route table.
#![cfg(not(loom))]

mod support;

use dhp_segment::{AddressWords, Landmarks, Route, RouteAction, Segment};
use support::SMALL;

fn words(address: &str) -> AddressWords {
    let address: core::net::Ipv6Addr = address.parse().unwrap();
    address.octets().into()
}

fn route(prefix: &str, len: u8, action: RouteAction) -> Route {
    Route {
        prefix: prefix.parse().unwrap(),
        len,
        action,
    }
}

#[test]
fn anchors_and_pools_are_known_as_long_as_their_routes_stand() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    let mut landmarks = Landmarks::none();
    let (anchor, inside, outside) = (
        words("2001:db8:d::1"),
        words("2001:db8:d:1::7"),
        words("2001:db8:c::80"),
    );
    assert!(!landmarks.is_outside(outside), "nothing is known yet");

    let pool = route("2001:db8:d:1::", 64, RouteAction::Pool);
    let routes = [route("2001:db8:d::1", 128, RouteAction::Anchor), pool];
    assert!(writer.publish_routes(&routes).unwrap());
    reader.renew(&mut landmarks);
    assert!(landmarks.is_anchor(anchor) && !landmarks.is_anchor(outside));
    assert!(landmarks.is_in_pool(inside) && !landmarks.is_outside(inside));
    assert!(landmarks.is_outside(outside) && !landmarks.is_in_pool(outside));

    assert!(writer.remove_route(&pool).unwrap());
    reader.renew(&mut landmarks);
    assert!(landmarks.is_outside(inside) && landmarks.is_anchor(anchor));
    writer.put_route(&pool).unwrap();
    drop(writer);
    let _next = segment.writer().unwrap();
    reader.renew(&mut landmarks);
    assert!(landmarks.is_in_pool(inside), "a new writer knows them too");
}

/// Whoever asks for a landmark need not ask whether an address is a special one.
#[test]
fn special_addresses_are_no_landmarks_whatever_the_routes() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    let mut landmarks = Landmarks::none();
    let pool = route("2001:db8:d:1::", 64, RouteAction::Pool);
    let routes = [pool, route("fe80::1", 128, RouteAction::Anchor)];
    writer.publish_routes(&routes).unwrap();
    reader.renew(&mut landmarks);
    assert!(!landmarks.is_anchor(words("fe80::1")));
    assert!(landmarks.is_outside(words("2001:db8:c::80")));
    for odd in [
        route("fe80::", 16, RouteAction::Pool),
        route("::", 3, RouteAction::Pool),
    ] {
        writer.put_route(&odd).unwrap();
        reader.renew(&mut landmarks);
        for address in ["fe80::7", "::7", "2001:db8:d:1::7"] {
            assert!(!landmarks.is_in_pool(words(address)));
            assert!(!landmarks.is_outside(words(address)));
        }
        assert!(!landmarks.is_outside(words("2001:db8:c::80")));
        assert!(writer.remove_route(&odd).unwrap());
    }
    reader.renew(&mut landmarks);
    assert!(landmarks.is_in_pool(words("2001:db8:d:1::7")));
}

/// Pools whose addresses begin alike: some of what lies between them begins so too.
#[test]
fn what_lies_between_pools_is_outside() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    let mut landmarks = Landmarks::none();
    let pools = ["2001:db8:1::", "2001:db8:2::"].map(|at| route(at, 48, RouteAction::Pool));
    writer.publish_routes(&pools).unwrap();
    reader.renew(&mut landmarks);
    for between in ["2001:db8::1", "2001:db8:3::1", "2001:db9:1::1"] {
        assert!(landmarks.is_outside(words(between)));
    }
    for inside in ["2001:db8:1::1", "2001:db8:2:ffff::1"] {
        assert!(landmarks.is_in_pool(words(inside)) && !landmarks.is_outside(words(inside)));
    }
}

/// Where the list has no room for all pools, no source is known to be outside of them: the route table decides.
#[test]
fn with_more_pools_than_the_list_has_room_for_nothing_is_outside() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    let mut landmarks = Landmarks::none();
    let pool = |n: u32| route(&format!("2001:db8:{n:x}::"), 48, RouteAction::Pool);
    for n in 1..=8 {
        writer.put_route(&pool(n)).unwrap();
    }
    reader.renew(&mut landmarks);
    assert!(landmarks.is_outside(words("2001:db8:9::1")));
    writer.put_route(&pool(9)).unwrap();
    reader.renew(&mut landmarks);
    assert!(!landmarks.is_outside(words("2001:db8:9::1")));
    assert!(!landmarks.is_outside(words("2001:db8:ffff::1")));
    writer.remove_route(&pool(3)).unwrap();
    reader.renew(&mut landmarks);
    assert!(landmarks.is_outside(words("2001:db8:3::1")));
    assert!(landmarks.is_in_pool(words("2001:db8:9::1")));
}
