//! Another prefix at home, and the home address that follows it (RFC 6275 §11.4.3).

use core::net::Ipv6Addr;

use super::support::*;
use dhp_proto::mobile_node::{MnCommand, MnEvent, Session, UnboundReason, Whereabouts};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_wire::codepoints::status;
use dhp_wire::icmpv6::{self, Body, NdOption, PrefixInformation};
use dhp_wire::packet::{self, IcmpPacket};

const SECOND: u64 = NANOS_PER_SECOND;
const OLD: &str = "2001:db8:1:1::";
const NEW: &str = "2001:db8:2:1::";
const NEW_HOA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 1, 0, 0, 0, 0x100);
/// What the node has on its home link, when that has the new prefix.
const NEW_HOME_COA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 1, 0, 0, 0, 0x7);
const DAY: u32 = 86_400;
const HOURS: u32 = 3 * 3600;
/// With and without the flag that makes addresses.
const MAKES: u8 = 0xc0;
const MAKES_NOT: u8 = 0x80;

/// A prefix with its valid and preferred lifetimes.
type Prefix<'a> = (&'a str, u8, u32, u32, u8);

fn preferred(prefix: &str, valid_s: u32) -> Prefix<'_> {
    (prefix, 64, valid_s, valid_s, MAKES)
}

fn deprecated(prefix: &str, valid_s: u32) -> Prefix<'_> {
    (prefix, 64, valid_s, 0, MAKES)
}

fn advertisement(
    identifier: u16,
    to: Ipv6Addr,
    home: Ipv6Addr,
    prefixes: &[Prefix<'_>],
) -> Vec<u8> {
    let body = Body::MobilePrefixAdvertisement {
        identifier,
        flags: 0,
    };
    let builder = prefixes.iter().fold(
        icmpv6::Builder::new(&body),
        |builder, (prefix, length, valid, preferred, flags)| {
            let option: NdOption<[u8; 0]> = NdOption::Prefix(PrefixInformation {
                prefix_len: *length,
                flags: *flags,
                valid_lifetime_s: *valid,
                preferred_lifetime_s: *preferred,
                prefix: prefix.parse().expect("an address"),
            });
            builder.option(&option)
        },
    );
    let message = builder.finish(&HA, &home);
    packet::compose_icmpv6(&HA, &to, None, Some(&home), &message)
}

/// The identifier of the last question for prefixes.
fn asked(node: &mut Node) -> u16 {
    let (_, octets) = node.questions.pop().expect("a question");
    let packet = IcmpPacket::parse(&octets).expect("a packet");
    match packet.read().expect("a message").body {
        Body::MobilePrefixSolicitation { identifier } => identifier,
        other => panic!("{other:?}"),
    }
}

/// A node that is bound for ever, and has asked for the prefixes at home.
fn at_home_agent() -> Node {
    let mut node = Node::new(true);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    let code = status::ACCEPTED_PREFIX_DISCOVERY;
    node.receive(&sent[0].acknowledge(code, sent[0].sequence, u16::MAX));
    node
}

/// Tells the node of these prefixes; what it sends then, and the events but for that of the prefixes.
fn told(node: &mut Node, prefixes: &[Prefix<'_>]) -> (Vec<Sent>, Vec<MnEvent>) {
    let identifier = asked(node);
    let home = node.engine.present_home().expect("a home").address;
    let care_of = node.engine.status().care_of.expect("a care-of address");
    let answer = advertisement(identifier, care_of, home, prefixes);
    let (sent, mut events) = node.receive(&answer);
    events.retain(|event| !matches!(event, MnEvent::HomePrefixes { .. }));
    (sent, events)
}

/// A node whose home address has been followed by another one, the old prefix lasting so long.
fn renumbered(valid_s: u32) -> Node {
    let mut node = at_home_agent();
    let (sent, _) = told(&mut node, &[deprecated(OLD, valid_s), preferred(NEW, DAY)]);
    let (_, events) = node.receive(&sent[0].acknowledge(0, sent[0].sequence, u16::MAX));
    let expected = MnEvent::HomeRenumbered {
        from: HOA,
        to: NEW_HOA,
    };
    assert_eq!(events.last(), Some(&expected));
    // No more than MAX_UPDATE_RATE updates a second.
    node.now = node.now.plus_ns(SECOND);
    node
}

fn home_addresses(sent: &[Sent]) -> Vec<Ipv6Addr> {
    let addresses = sent.iter().map(|update| update.home_address);
    addresses
        .map(|address| address.expect("an address"))
        .collect()
}

#[test]
fn a_home_address_of_a_deprecated_prefix_is_followed_by_one_of_a_preferred_prefix() {
    let mut node = at_home_agent();
    let (_, events) = node.use_cn(Session::Fixed);
    assert!(matches!(&events[..],
        [MnEvent::AnchorReady { home_address, .. }] if *home_address == HOA));
    let (sent, _) = told(&mut node, &[deprecated(OLD, HOURS), preferred(NEW, DAY)]);
    assert_eq!(home_addresses(&sent), [NEW_HOA]);
    assert_eq!((sent[0].destination, sent[0].source), (HA, COA));
    assert!(sent[0].authentic && sent[0].alternate_care_of == Some(COA));
    assert_eq!(
        node.engine.present_home().map(|home| home.address),
        Some(HOA),
        "until the home agent has accepted"
    );
    let (_, events) = node.receive(&sent[0].accept());
    assert!(matches!(&events[..], [
        MnEvent::Bound { home_addresses, .. },
        MnEvent::HomeRenumbered { from: HOA, to: NEW_HOA },
        MnEvent::AnchorReady { home_address, .. },
    ] if home_addresses[..] == [NEW_HOA] && *home_address == NEW_HOA));
    let status = node.engine.status();
    let bound = status.anchors[0].bindings.iter();
    let bound: Vec<Ipv6Addr> = bound.map(|binding| binding.home_address).collect();
    assert_eq!(bound, [NEW_HOA, HOA]);
    let end = node.now.mono_ns + u64::from(HOURS) * SECOND;
    assert_eq!(status.former_homes, [(HOA, Some(end))]);
}

#[test]
fn both_are_moved_and_refreshed_and_the_former_one_ends_with_its_prefix() {
    let mut node = renumbered(HOURS);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA2));
    assert_eq!(home_addresses(&sent), [NEW_HOA, HOA]);
    let mut events = Vec::new();
    for update in &sent {
        events.extend(node.receive(&update.accept()).1);
    }
    assert_eq!(events.len(), 2, "both are bound: {events:?}");
    // What is refreshed, with the lifetimes, until the prefix ends.
    let mut ended = None;
    // A second ago the prefix had all of its lifetime left.
    let begun = node.now.mono_ns - SECOND;
    while node.now.mono_ns < begun + u64::from(HOURS + 60) * SECOND {
        let (sent, events) = node.pass(SECOND);
        for update in &sent {
            if update.home_address == Some(HOA) && update.lifetime == 0 {
                ended = Some(((node.now.mono_ns - begun) / SECOND, events.clone()));
                node.receive(&update.acknowledge(status::NOT_HOME_SUBNET, update.sequence, 0));
                continue;
            }
            let left = u64::from(HOURS).saturating_sub((node.now.mono_ns - begun) / SECOND);
            assert!(
                update.home_address == Some(NEW_HOA) || u64::from(update.lifetime) * 4 <= left + 5,
                "{left}"
            );
            node.receive(&update.accept());
        }
    }
    let (after_s, events) = ended.expect("it is given back");
    assert!(
        (u64::from(HOURS)..=u64::from(HOURS) + 1).contains(&after_s),
        "{after_s}"
    );
    let unbound = MnEvent::Unbound {
        anchor: HA,
        home_addresses: vec![HOA],
        reason: UnboundReason::PrefixEnded,
    };
    assert!(events.contains(&unbound), "{events:?}");
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    assert_eq!(home_addresses(&sent), [NEW_HOA]);
}

#[test]
fn while_the_prefix_is_preferred_others_mean_nothing() {
    let (short, long) = (preferred(NEW, DAY), ("2001:db8:2::", 48, DAY, DAY, MAKES));
    for others in [
        [preferred(OLD, DAY), short],
        // Of these none makes an address.
        [deprecated(OLD, DAY), long],
        [deprecated(OLD, DAY), (NEW, 64, DAY, DAY, MAKES_NOT)],
        [deprecated(OLD, DAY), deprecated(NEW, DAY)],
        [deprecated(OLD, DAY), ("fe80::", 64, DAY, DAY, MAKES)],
        [deprecated(OLD, DAY), (NEW, 64, 60, DAY, MAKES)],
    ] {
        let mut node = at_home_agent();
        let (sent, events) = told(&mut node, &others);
        assert!(sent.is_empty() && events.is_empty(), "{others:?}");
    }
    // Of several the one that lasts longest, and only one.
    let mut node = at_home_agent();
    let better = preferred("2001:db8:3:1::", 2 * DAY);
    let (sent, _) = told(&mut node, &[deprecated(OLD, DAY), short, better, short]);
    let expected: Ipv6Addr = "2001:db8:3:1::100".parse().expect("an address");
    assert_eq!(home_addresses(&sent), [expected]);
}

#[test]
fn prefixes_are_asked_for_when_the_home_prefix_ceases_to_be_preferred() {
    let mut node = at_home_agent();
    let begun = node.now.mono_ns;
    let (sent, _) = told(
        &mut node,
        &[(OLD, 64, DAY, 1000, MAKES), preferred(NEW, DAY)],
    );
    assert!(sent.is_empty());
    node.questions.clear();
    node.pass(1010 * SECOND);
    assert_eq!(node.questions[0].0 - begun, 1000 * SECOND);
    let (sent, _) = told(&mut node, &[deprecated(OLD, DAY), preferred(NEW, DAY)]);
    assert_eq!(home_addresses(&sent), [NEW_HOA]);
}

#[test]
fn a_home_address_that_the_home_agent_does_not_accept_changes_nothing() {
    let mut node = at_home_agent();
    let (sent, _) = told(&mut node, &[deprecated(OLD, DAY), preferred(NEW, DAY)]);
    let refusal = status::PROHIBITED;
    let (_, events) = node.receive(&sent[0].acknowledge(refusal, sent[0].sequence, 0));
    let refused = MnEvent::HomeAddressRefused {
        address: NEW_HOA,
        status: refusal,
    };
    assert_eq!(events, [refused]);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA2));
    assert_eq!(home_addresses(&sent), [HOA]);
}

#[test]
fn both_outlive_a_restart_and_both_are_given_back_at_the_end() {
    let node = renumbered(HOURS);
    let kept = node.engine.kept();
    assert_eq!(kept.renumbered_from, Some(HOA));
    let mut again = Node::new(true);
    again.engine.restore(again.now, kept.clone());
    assert_eq!(
        again.engine.present_home().map(|home| home.address),
        Some(NEW_HOA)
    );
    let (sent, _) = again.command(MnCommand::SetCareOf(COA2));
    assert_eq!(home_addresses(&sent), [NEW_HOA, HOA]);
    for update in &sent {
        again.receive(&update.accept());
    }
    assert_eq!(again.engine.kept().former_homes.len(), 1);
    again.now = again.now.plus_ns(SECOND);
    let (sent, events) = again.command(MnCommand::Shutdown);
    assert_eq!(home_addresses(&sent), [NEW_HOA, HOA]);
    assert!(sent.iter().all(|update| update.lifetime == 0));
    assert_eq!(events.len(), 2, "{events:?}");
    let (_, events) = again.receive(&sent[0].accept());
    assert!(events.is_empty());
    let (_, events) = again.receive(&sent[1].accept());
    assert_eq!(events, [MnEvent::Stopped]);

    // Whoever configures another home address wants that one.
    let mut other = config(true);
    let elsewhere = "2001:db8:1:1::200".parse().expect("an address");
    if let Some(home) = &mut other.home {
        home.address = elsewhere;
    }
    let mut node = Node::with_config(other);
    node.engine.restore(node.now, kept);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    assert_eq!(home_addresses(&sent), [elsewhere]);
}

#[test]
fn renumbered_again_and_again_the_oldest_home_addresses_are_given_back() {
    let mut node = renumbered(DAY);
    let mut prefix = NEW.to_owned();
    for number in 3..6 {
        let next = format!("2001:db8:{number}:1::");
        // An unsolicited advertisement has the prefixes asked for.
        node.pass(2 * SECOND);
        let home = node.engine.present_home().expect("a home").address;
        node.receive(&advertisement(0, COA, home, &[]));
        let (sent, _) = told(
            &mut node,
            &[deprecated(&prefix, DAY), preferred(&next, DAY)],
        );
        let (sent, _) = node.receive(&sent[0].acknowledge(0, sent[0].sequence, u16::MAX));
        for release in sent.iter().filter(|update| update.lifetime == 0) {
            node.receive(&release.accept());
        }
        prefix = next;
    }
    let former = node.engine.status().former_homes;
    let former: Vec<String> = former.iter().map(|(home, _)| home.to_string()).collect();
    assert_eq!(former, ["2001:db8:3:1::100", "2001:db8:4:1::100"]);
}

/// The present one needs no tunnel there; sessions that have the former one do, to the end of its prefix.
#[test]
fn at_home_a_former_home_address_stays_bound() {
    let mut node = renumbered(HOURS);
    let (sent, _) = node.command(MnCommand::SetCareOf(NEW_HOME_COA));
    let [back, former] = &sent[..] else {
        panic!("one update for each, not {sent:?}")
    };
    assert_eq!((back.source, back.lifetime), (NEW_HOA, 0));
    assert_eq!(
        (former.source, former.home_address),
        (NEW_HOME_COA, Some(HOA))
    );
    assert!(former.lifetime > 0 && former.authentic);
    let (_, events) = node.receive(&former.acknowledge(0, former.sequence, u16::MAX));
    assert!(
        matches!(&events[..], [MnEvent::Bound { home_addresses, care_of: NEW_HOME_COA, .. }]
        if home_addresses[..] == [HOA])
    );
    let (_, events) = node.receive(&back.let_go(0));
    assert!(matches!(
        events[..],
        [MnEvent::AtHome {
            home_address: NEW_HOA,
            ..
        }]
    ));
    let kept = node.engine.kept();
    assert!(
        kept.home
            .is_some_and(|home| home.at_home && home.address == NEW_HOA)
    );
    assert_eq!(kept.former_homes.len(), 1);

    let (sent, events) = node.pass(u64::from(HOURS) * SECOND);
    let ended = MnEvent::Unbound {
        anchor: HA,
        home_addresses: vec![HOA],
        reason: UnboundReason::PrefixEnded,
    };
    assert_eq!(events, [ended]);
    assert_eq!(
        (sent[0].source, sent[0].home_address),
        (NEW_HOME_COA, Some(HOA))
    );
    assert_eq!(sent[0].lifetime, 0);
    let home = Whereabouts::Home {
        detect_duplicates: false,
    };
    assert_eq!(node.engine.whereabouts(), home);
}

#[test]
fn at_home_nothing_follows_the_home_address() {
    let mut node = at_home_agent();
    let (asked, _) = told(&mut node, &[deprecated(OLD, DAY), preferred(NEW, DAY)]);
    assert_eq!(home_addresses(&asked), [NEW_HOA]);
    // No more than MAX_UPDATE_RATE updates a second.
    node.now = node.now.plus_ns(SECOND);
    let (sent, _) = node.command(MnCommand::SetCareOf(HOME_COA));
    let [back, next] = &sent[..] else {
        panic!("one update for each, not {sent:?}")
    };
    assert_eq!((back.source, back.lifetime), (HOA, 0));
    assert_eq!((next.home_address, next.lifetime), (Some(NEW_HOA), 0));
    for answer in [back.let_go(0), next.accept()] {
        node.receive(&answer);
    }
    assert_eq!(node.engine.home_addresses().collect::<Vec<_>>(), [HOA]);
    let (sent, events) = node.pass(3600 * SECOND);
    assert!(sent.is_empty() && events.is_empty(), "{sent:?}, {events:?}");
}

#[test]
fn a_home_address_of_the_prefix_of_this_link_is_at_home_at_once() {
    let mut node = Node::new(true);
    let (sent, _) = node.command(MnCommand::SetCareOf(NEW_HOME_COA));
    assert_eq!(home_addresses(&sent), [HOA], "its prefix is not there");
    let code = status::ACCEPTED_PREFIX_DISCOVERY;
    node.receive(&sent[0].acknowledge(code, sent[0].sequence, u16::MAX));
    let (sent, _) = told(&mut node, &[deprecated(OLD, DAY), preferred(NEW, DAY)]);
    let (sent, events) = node.receive(&sent[0].acknowledge(0, sent[0].sequence, u16::MAX));
    assert!(events.contains(&MnEvent::HomeRenumbered {
        from: HOA,
        to: NEW_HOA
    }));
    assert_eq!((sent[0].source, sent[0].lifetime), (NEW_HOA, 0));
    let (_, events) = node.receive(&sent[0].let_go(0));
    assert!(matches!(
        events[..],
        [MnEvent::AtHome {
            home_address: NEW_HOA,
            ..
        }]
    ));
    let bound = node.engine.status().anchors[0].bindings.clone();
    let bound: Vec<Ipv6Addr> = bound.iter().map(|binding| binding.home_address).collect();
    assert_eq!(bound, [HOA]);
}

/// RFC 6275 §10.6.2: an unsolicited advertisement is repeated "until it is acknowledged by the receipt of a Mobile Prefix Solicitation",
/// for each home address.
#[test]
fn what_is_told_to_a_former_home_address_is_asked_for_in_its_name() {
    let mut node = renumbered(HOURS);
    node.questions.clear();
    node.receive(&advertisement(0, COA, HOA, &[]));
    let (_, octets) = node.questions.last().expect("a question").clone();
    let packet = IcmpPacket::parse(&octets).expect("a packet");
    assert_eq!((packet.destination, packet.home_address), (HA, Some(HOA)));
    let identifier = asked(&mut node);
    // An hour is said, and two are the least that an unauthenticated word can bring.
    let prefixes = [deprecated(OLD, HOURS / 3), preferred(NEW, DAY)];
    node.receive(&advertisement(identifier, COA, HOA, &prefixes));
    let end = node.now.mono_ns + 2 * 3600 * SECOND;
    assert_eq!(node.engine.status().former_homes, [(HOA, Some(end))]);
    node.receive(&advertisement(identifier, COA, HOA, &prefixes));
    assert!(node.questions.is_empty(), "one within a second");
    node.receive(&advertisement(0, COA, NEW_HOA, &[]));
    assert_eq!(node.questions.len(), 1, "each for itself");
}
