//! Section 6.5: storms of first messages. Section 6.6: answers to who has proved its address.

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{AnchorConfig, DirectoryEntry, SignallingDrop};
use dhp_wire::codepoints::{DmipType, status};
use dhp_wire::mobility::{Lifetime, MobilityOption};

use crate::harness::{ANCHOR, CARE_OF, CARE_OF_2, HOME, Mn, World, config, mn1};
use crate::message::{Dmip, Update};

/// An anchor to which every first message is one too many.
fn in_a_storm() -> World {
    World::with(AnchorConfig {
        cookies_above: 0,
        ..config()
    })
}

#[test]
fn a_request_in_a_storm_is_asked_for_a_cookie_and_accepted_with_it() {
    let mut world = in_a_storm();
    let mn1 = mn1();
    let asked = world.ask(&Dmip::dhoa_request(7).by(&mn1));
    assert_eq!(
        (asked.kind, asked.sequence, asked.status, asked.lifetime),
        (
            Some(DmipType::DhoaResponse),
            7,
            status::COOKIE_REQUIRED,
            Lifetime::ZERO
        )
    );
    assert!(!asked.has_auth && asked.mesg_id.is_none() && asked.dhoas.is_empty());
    assert_eq!(world.bound_count(), 0);
    let cookie = asked.cookie.expect("a cookie");
    let again = Dmip::dhoa_request(7).option(MobilityOption::Cookie(&cookie));
    let answer = world.ask(&again.by(&mn1));
    assert_eq!(answer.status, status::ACCEPTED);
    assert!(answer.is_by_anchor_of(&mn1, CARE_OF, ANCHOR));
    assert_eq!(world.bound_count(), 1);
}

/// "before any lookup or SA crypto": neither a wrong MAC nor an unknown SPI is noticed.
#[test]
fn nothing_is_looked_up_before_the_cookie() {
    let mut world = in_a_storm();
    let mut forged = Dmip::dhoa_request(1);
    forged.care_of = CARE_OF_2;
    assert_eq!(
        world.ask(&forged.by(&mn1())).status,
        status::COOKIE_REQUIRED
    );
    let stranger = Mn::new(9, &[]);
    let answer = world.ask(&Dmip::dhoa_request(1).by(&stranger));
    assert_eq!(answer.status, status::COOKIE_REQUIRED);
    let counters = world.anchor.counters();
    assert_eq!(counters.dropped(SignallingDrop::CookieRequired), 2);
    assert_eq!(counters.dropped(SignallingDrop::UnknownSpi), 0);
}

/// The cookie of another source, of another type, or of too long ago is none.
#[test]
fn a_cookie_is_good_where_it_was_sent_for_what_it_was_sent_and_for_a_minute() {
    let mut world = in_a_storm();
    let mn1 = mn1();
    let cookie = world.ask(&Dmip::dhoa_request(1).by(&mn1)).cookie.unwrap();
    let elsewhere = Dmip::dhoa_request(1).from(CARE_OF_2);
    let elsewhere = elsewhere.option(MobilityOption::Cookie(&cookie)).by(&mn1);
    assert_eq!(world.ask(&elsewhere).status, status::COOKIE_REQUIRED);
    let query = Dmip::query().option(MobilityOption::Cookie(&cookie));
    assert_eq!(world.ask(&query.plain()).status, status::COOKIE_REQUIRED);
    world.wait(Duration::from_secs(60));
    let request = Dmip::dhoa_request(1).option(MobilityOption::Cookie(&cookie));
    assert_eq!(world.ask(&request.by(&mn1)).status, status::ACCEPTED);
    world.wait(Duration::from_secs(60));
    let request = Dmip::dhoa_request(2).option(MobilityOption::Cookie(&cookie));
    assert_eq!(world.ask(&request.by(&mn1)).status, status::COOKIE_REQUIRED);
}

/// Whoever is bound refreshes and moves without a cookie.
#[test]
fn updates_need_no_cookie() {
    let mut world = in_a_storm();
    let mn1 = mn1();
    assert_eq!(
        world.ask(&Update::new(HOME, 1).by(&mn1)).status,
        status::ACCEPTED
    );
    let asked = world.ask(&Dmip::dhoa_request(1).by(&mn1)).cookie.unwrap();
    let request = Dmip::dhoa_request(1).option(MobilityOption::Cookie(&asked));
    let dhoa = world.ask(&request.by(&mn1)).dhoa();
    let update = Dmip::update(2, &[dhoa]).from(CARE_OF_2);
    assert_eq!(world.ask(&update.by(&mn1)).status, status::ACCEPTED);
    assert_eq!(world.care_of(dhoa), Some(CARE_OF_2));
}

#[test]
fn cookies_are_asked_for_above_the_rate_only() {
    let mut world = World::with(AnchorConfig {
        cookies_above: 5,
        ..config()
    });
    let statuses = |world: &mut World, number: u16| -> Vec<u8> {
        let source = |host| Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 1, host);
        let query = |host| Dmip::query().from(source(host)).plain();
        let answers = (0..number).map(|host| world.ask(&query(host)).status);
        answers.collect()
    };
    assert_eq!(statuses(&mut world, 5), [0; 5]);
    assert_eq!(statuses(&mut world, 2), [status::COOKIE_REQUIRED; 2]);
    world.wait(Duration::from_secs(1));
    assert_eq!(statuses(&mut world, 1), [status::COOKIE_REQUIRED]);
    world.wait(Duration::from_secs(1));
    assert_eq!(statuses(&mut world, 5), [0; 5]);
}

/// "to a source that neither MAC nor cookie has proved, no answer … is longer than 3 times the IPv6 packet that caused it"
#[test]
fn a_proved_source_gets_all_candidates() {
    let directory = (0..12).map(|host| DirectoryEntry {
        dhp: Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 0, 1 + host),
        prefix: "2001:db8::/32".parse().unwrap(),
        preference: 100,
        load: 40,
        path_rtt_us: 0,
    });
    let many = AnchorConfig {
        directory: directory.collect(),
        ..config()
    };
    let mut world = World::with(many.clone());
    let unproved = world.ask(&Dmip::query().plain());
    assert!(unproved.dhps.len() < 13, "{}", unproved.dhps.len());
    let storm = AnchorConfig {
        cookies_above: 0,
        ..many
    };
    world.reconfigure(storm).unwrap();
    let cookie = world.ask(&Dmip::query().plain()).cookie.unwrap();
    let query = Dmip::query().option(MobilityOption::Cookie(&cookie));
    assert_eq!(world.ask(&query.plain()).dhps.len(), 13);
}
