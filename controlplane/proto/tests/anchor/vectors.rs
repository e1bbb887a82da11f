//! The byte-exact examples of the profile.

use std::net::Ipv6Addr;

use dhp_proto::anchor::{AnchorConfig, PoolConfig, PoolKind};
use dhp_proto::auth::{Algorithm, Key, derive_dhp_key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_proto::time::Now;
use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::{Builder, Lifetime, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::{MobilityPacket, compose};
use serde::Deserialize;

use crate::harness::{Mn, START, World, config};

#[derive(Deserialize)]
struct Vector {
    name: String,
    src: Option<Ipv6Addr>,
    dst: Option<Ipv6Addr>,
    mh: Option<String>,
    home_key: Option<String>,
    dhp: Option<Ipv6Addr>,
    key: Option<String>,
}

fn vector(name: &str) -> Vector {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/vectors.json"
    );
    let vectors: Vec<Vector> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    vectors
        .into_iter()
        .find(|vector| vector.name == name)
        .unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn packet(name: &str) -> Vec<u8> {
    let vector = vector(name);
    compose(
        &vector.src.unwrap(),
        &vector.dst.unwrap(),
        None,
        None,
        &hex(&vector.mh.unwrap()),
    )
}

/// The anchor of the vectors, with the two keys that they use.
fn world(own: &[&str]) -> (World, Mn, Mn) {
    let own = own.iter().map(|address| address.parse().unwrap()).collect();
    let permissions = Permissions {
        home_addresses: own,
        ..Permissions::default()
    };
    let id = MnId::nai("mn1@example.net");
    let first = Key::new([0x11; 16]);
    let first = SecurityAssociation::new(
        256,
        id.clone(),
        first,
        Algorithm::HmacSha1_96,
        permissions.clone(),
    );
    let second = Key::new((0..32).collect::<Vec<u8>>());
    let second = SecurityAssociation::new(257, id, second, Algorithm::HmacSha256_128, permissions);
    let (first, second) = (first.unwrap(), second.unwrap());
    let mut world = World::with(AnchorConfig {
        pools: vec![
            PoolConfig::new("2001:db8:d:1::/64".parse().unwrap(), PoolKind::Dhoa),
            PoolConfig::new("2001:db8:1::/64".parse().unwrap(), PoolKind::Home),
        ],
        security_associations: vec![first.clone(), second.clone()],
        max_lifetime: Lifetime(900),
        ..config()
    });
    world.now = Now {
        ntp: 0xe5a1_b2c3_8000_0000,
        ..START
    };
    (world, Mn { security: first }, Mn { security: second })
}

/// The keys of both algorithms, derived for a DHP.
#[test]
fn derived_keys() {
    for algorithm in [Algorithm::HmacSha1_96, Algorithm::HmacSha256_128] {
        let vector = vector(&format!("hkdf-{algorithm}"));
        let home_key = Key::new(hex(&vector.home_key.unwrap()));
        let derived = derive_dhp_key(&home_key, &vector.dhp.unwrap(), algorithm);
        assert_eq!(derived.octets(), hex(&vector.key.unwrap()));
        let association = SecurityAssociation::from_home_key(
            300,
            MnId::nai("a"),
            &home_key,
            &vector.dhp.unwrap(),
            algorithm,
            Permissions::default(),
        );
        let direct = SecurityAssociation::new(
            300,
            MnId::nai("a"),
            derived,
            algorithm,
            Permissions::default(),
        );
        assert_eq!(association, direct);
    }
}

/// The DHoA Request: a dedicated DHoA for flow 3, with MN-ID, flow, timestamp and HMAC-SHA1-96.
#[test]
fn the_dhoa_request_is_accepted() {
    let (mut world, first, _) = world(&[]);
    let answer = world.ask(&packet("dhoa-request"));
    assert_eq!(
        (answer.status, answer.sequence, answer.lifetime),
        (0, 7, Lifetime(150))
    );
    assert_eq!(
        (answer.dhoas[0].fid, answer.mesg_id),
        (3, Some(0xe5a1_b2c3_8000_0000))
    );
    let care_of = "2001:db8:a::100".parse().unwrap();
    assert!(answer.is_by_anchor_of(&first, care_of, "2001:db8:d::1".parse().unwrap()));
    assert_eq!(world.care_of(answer.dhoa()), Some(care_of));
}

/// The DHP Binding Update: two DHoAs, one of them not assigned, Replace, HMAC-SHA256-128, no MN-ID.
#[test]
fn the_dhp_binding_update_is_accepted() {
    let (mut world, _, second) = world(&["2001:db8:d:1::7"]);
    let answer = world.ask(&packet("dhp-binding-update"));
    assert_eq!(
        (answer.status, answer.sequence, answer.lifetime),
        (0, 8, Lifetime(150))
    );
    let granted: Vec<_> = answer
        .dhoas
        .iter()
        .map(|dhoa| (dhoa.fid, dhoa.status, dhoa.lifetime.0))
        .collect();
    assert_eq!(granted, [(3, 0, 150), (0, 194, 0)]);
    let care_of = "2001:db8:b::100".parse().unwrap();
    assert!(answer.is_by_anchor_of(&second, care_of, "2001:db8:d::1".parse().unwrap()));
    assert_eq!(
        world.care_of("2001:db8:d:1::7".parse().unwrap()),
        Some(care_of)
    );
}

/// The same with a care-of test: the answer is the vector's, octet for octet, but for the cookie, which nobody can know, and what
/// covers it.
#[test]
fn the_dhp_binding_update_is_answered_by_a_care_of_test() {
    let (mut world, _, second) = world(&["2001:db8:d:1::7"]);
    let mut config = world.anchor.config().clone();
    config.care_of_test = true;
    config.security_associations = vec![second.security.clone()];
    assert_eq!(world.reconfigure(config), Ok(Vec::new()));
    let answer = world.ask(&packet("dhp-binding-update"));
    let parsed = MobilityPacket::parse(&answer.packet).unwrap();
    let header = MobilityHeader::parse(parsed.mh).unwrap();
    let Message::Dmip(dmip) = header.message(&CodePoints::default()).unwrap() else {
        panic!("not a message of the profile")
    };
    let expected = vector("dhp-binding-confirmation-care-of-test");
    let (source, care_of) = (expected.src.unwrap(), expected.dst.unwrap());
    let cookie: Vec<u8> = (0xc0..=0xcf).collect();
    let mut builder = Builder::dmip(&CodePoints::default(), dmip.header);
    for option in &dmip.options {
        builder = match option.unwrap() {
            MobilityOption::Cookie(_) => builder.option(&MobilityOption::Cookie(&cookie)),
            MobilityOption::Auth(_) => builder,
            other => builder.option(&other),
        };
    }
    let security = &second.security;
    let mac = |mh: &[u8]| security.mac(&care_of, &source, mh);
    let builder = builder.auth(security.spi(), security.algorithm().mac_len(), mac);
    let mh = builder.finish(&source, &care_of);
    assert_eq!(mh, hex(&expected.mh.unwrap()));
    assert!(answer.is_by_anchor_of(&second, care_of, source));
    assert_eq!((parsed.source, parsed.destination), (source, care_of));
}

/// The DHP Query, to the anycast address.
#[test]
fn the_dhp_query_is_answered() {
    let (mut world, ..) = world(&[]);
    assert_eq!(world.ask(&packet("dhp-query")).dhps.len(), 1);
}

/// RFC 4285: the home registration is accepted, and its acknowledgement is the vector's, octet for octet.
#[test]
fn the_home_registration_is_accepted() {
    let (mut world, ..) = world(&["2001:db8:1::100"]);
    let vector_of_update = vector("rfc4285-home-bu");
    let care_of: Ipv6Addr = "2001:db8:a::100".parse().unwrap();
    let home = vector_of_update.src.unwrap();
    let anchor = vector_of_update.dst.unwrap();
    let update = compose(
        &care_of,
        &anchor,
        Some(&home),
        None,
        &hex(&vector_of_update.mh.unwrap()),
    );
    let answer = world.ask(&update);
    let expected = compose(
        &anchor,
        &care_of,
        None,
        Some(&home),
        &hex(&vector("rfc4285-ba").mh.unwrap()),
    );
    assert_eq!(answer.packet, expected);
}

/// A MAC is required, so the registration without one is silence.
#[test]
fn a_registration_without_authentication_is_silence() {
    let (mut world, ..) = world(&["2001:db8:1::100"]);
    let vector = vector("rfc6275-home-bu-alt-coa");
    let care_of = "2001:db8:a::100".parse().unwrap();
    let mh = hex(&vector.mh.unwrap());
    world.ignored(&compose(
        &care_of,
        &vector.dst.unwrap(),
        Some(&vector.src.unwrap()),
        None,
        &mh,
    ));
}
