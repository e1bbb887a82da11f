//! Section 4.1: whatever is in the directory and however it is asked, a Reply is sorted, short, and true.

use std::cmp::Reverse;
use std::net::Ipv6Addr;

use dhp_proto::anchor::{AnchorConfig, DirectoryEntry};
use dhp_wire::ipv6::home_agents_anycast;
use dhp_wire::mobility::{MobilityOption, SessionType};
use ipnet::Ipv6Net;
use proptest::prelude::*;

use crate::answer::Answer;
use crate::harness::{ANCHOR, CORRESPONDENT, World, config, mn1};
use crate::message::Dmip;

/// What the anchor covers itself, in [`config`].
const COVERED: &str = "2001:db8:c::/48";

fn entry() -> impl Strategy<Value = DirectoryEntry> {
    // Of few values, so that there are ties in each of them; prefixes around the correspondent and beside it.
    let prefix = prop_oneof![
        8 => prop::sample::select(vec![0u8, 16, 32, 47, 48, 64, 128])
            .prop_map(|length| Ipv6Net::new(CORRESPONDENT, length).unwrap().trunc()),
        1 => Just("2001:db8:c:1::/64".parse().unwrap()),
    ];
    let path_rtt_us = prop::sample::select(vec![0u32, 1, 500, u32::MAX]);
    let load = prop::sample::select(vec![0u8, 7, 255]);
    (0u16..60, prefix, 0u8..3, load, path_rtt_us).prop_map(
        |(dhp, prefix, preference, load, path_rtt_us)| DirectoryEntry {
            dhp: Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 0, dhp),
            prefix,
            preference,
            load,
            path_rtt_us,
        },
    )
}

/// "longest coverage prefix, higher preference, smaller path RTT (unknown last), lower load, lower address"
fn rank(entry: &DirectoryEntry) -> impl Ord + use<> {
    let unknown_last = entry.path_rtt_us.wrapping_sub(1);
    (
        Reverse(entry.prefix.prefix_len()),
        Reverse(entry.preference),
        unknown_last,
        entry.load,
        entry.dhp,
    )
}

/// All that a reply without bounds would name.
fn expected(
    directory: &[DirectoryEntry],
    asked: &Ipv6Net,
    is_anycast: bool,
) -> Vec<DirectoryEntry> {
    let own = DirectoryEntry {
        dhp: ANCHOR,
        prefix: COVERED.parse().unwrap(),
        preference: 100,
        load: 0,
        path_rtt_us: 0,
    };
    let mut all: Vec<DirectoryEntry> = Vec::new();
    let others = directory.iter().filter(|_| !is_anycast);
    for entry in others.chain([&own]) {
        // The first of those that name the same DHP and prefix counts.
        let is_known = all
            .iter()
            .any(|known| (known.dhp, known.prefix) == (entry.dhp, entry.prefix));
        if !is_known && entry.prefix.contains(asked) {
            all.push(*entry);
        }
    }
    all.sort_by_key(rank);
    let mut named: Vec<DirectoryEntry> = Vec::new();
    for entry in all {
        if !named.iter().any(|known| known.dhp == entry.dhp) {
            named.push(entry);
        }
    }
    named
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn replies_are_sorted_bounded_and_true(
        directory in prop::collection::vec(entry(), 0..120),
        length in prop::sample::select(vec![128u8, 64, 48, 40, 0]),
        padding in 0..600usize,
        is_anycast: bool,
        is_proved: bool,
    ) {
        let mut world = World::with(AnchorConfig { directory: directory.clone(), ..config() });
        let mut query = Dmip { padding, ..Dmip::query() };
        query.options = vec![MobilityOption::Correspondent {
            prefix_len: length,
            address: CORRESPONDENT,
        }];
        if is_anycast {
            query.destination = home_agents_anycast(&CORRESPONDENT);
        }
        let packet = if is_proved { query.by(&mn1()) } else { query.plain() };
        let reply = world.ask(&packet);

        let asked = Ipv6Net::new(CORRESPONDENT, length).unwrap().trunc();
        let whole = expected(&directory, &asked, is_anycast);
        prop_assert!(whole.starts_with(&reply.candidates), "{:?} of {whole:?}", reply.candidates);

        // A proof is good at the locator alone. One candidate more would be too long: 48 octets with its alignment.
        let longest = match is_proved && !is_anycast {
            true => 1280,
            false => 1280.min(3 * packet.len()),
        };
        prop_assert!(reply.packet.len() <= longest, "{} of {longest}", reply.packet.len());
        let is_whole = reply.candidates.len() == whole.len();
        prop_assert!(is_whole || reply.packet.len() + 48 > longest, "{} of {longest}", reply.packet.len());

        // What a mobile node keeps of an answer is what it would be told again.
        let again = world.ask(&packet);
        prop_assert_eq!(again.packet, reply.packet);
    }

    /// Whatever stands in a Query, it gets at most one answer, that is sound and not too long, and changes nothing.
    #[test]
    fn hostile_queries_do_no_harm(
        octets in prop::collection::vec((0..600usize, any::<u8>()), 0..4),
        subtype in 0u8..9,
        value in prop::collection::vec(any::<u8>(), 0..64),
        has_correspondent: bool,
    ) {
        let mut world = World::new();
        let mut data = vec![subtype];
        data.extend(&value);
        let mut query = Dmip::query();
        if !has_correspondent {
            query.options.clear();
        }
        let mut packet = query.option(MobilityOption::Unknown { kind: 18, data: &data }).plain();
        for (at, value) in octets {
            let at = at % packet.len();
            packet[at] = value;
        }
        let answers = world.feed(&packet);
        prop_assert!(answers.len() <= 1);
        for answer in answers {
            prop_assert!(answer.len() <= 1280.min(3 * packet.len()));
        }
        prop_assert!(world.events.is_empty());
    }
}

/// An option that stands twice, or has a value that it cannot have, is met with silence; one that the message's row does not list
/// is skipped.
#[test]
fn what_is_malformed_in_a_query_is_silence() {
    let requirements = MobilityOption::FlowRequirements {
        session: SessionType::SessionLasting,
        dscp: 0,
        min_bandwidth_kbps: 0,
        max_latency_ms: 0,
        max_loss_permille: 0,
    };
    let unknown = |data: &'static [u8]| MobilityOption::Unknown { kind: 18, data };
    let mut world = World::new();
    let silent = [
        ("two Correspondents", vec![crate::message::correspondent()]),
        ("two Flow Requirements", vec![requirements, requirements]),
        ("two Cookies", vec![MobilityOption::Cookie(&[1; 8]); 2]),
        (
            "a Cookie too short",
            vec![unknown(&[6, 1, 2, 3, 4, 5, 6, 7])],
        ),
        ("an option without a subtype", vec![unknown(&[])]),
        (
            "a session type that asks no DHP",
            vec![unknown(&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
        ),
    ];
    for (what, options) in silent {
        let query = options.into_iter().fold(Dmip::query(), Dmip::option);
        assert!(world.feed(&query.plain()).is_empty(), "{what}");
        let answer: Answer = world.ask(&query.by(&mn1()));
        assert_eq!((answer.status, answer.dhps.len()), (195, 0), "{what}");
    }
    let skipped = [
        ("a DHoA", crate::message::dhoa(ANCHOR, 0, 0)),
        ("a mode that is none", unknown(&[5, 2, 0, 0])),
        ("a subtype that nobody knows", unknown(&[77])),
    ];
    for (what, option) in skipped {
        let query = Dmip::query().option(option);
        assert_eq!(world.ask(&query.plain()).dhps.len(), 2, "{what}");
    }
}
