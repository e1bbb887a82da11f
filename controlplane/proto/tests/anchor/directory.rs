//! Section 4.2, option 2: what a locator tells of DHPs.

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{
    Anchor, AnchorAction, AnchorCommand, AnchorConfig, DirectoryEntry, HeartbeatConfig,
    PathOutcome, PeerState,
};
use ipnet::Ipv6Net;

use crate::answer::Answer;
use crate::harness::{ANCHOR, START, World, config, mn1};
use crate::message::Dmip;

const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 0, 1);
const THIRD: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 0, 3);

fn net(text: &str) -> Ipv6Net {
    text.parse().unwrap()
}

fn entry(dhp: Ipv6Addr, prefix: &str) -> DirectoryEntry {
    DirectoryEntry {
        dhp,
        prefix: net(prefix),
        preference: 100,
        load: 0,
        path_rtt_us: 0,
    }
}

fn candidates(world: &mut World) -> Vec<DirectoryEntry> {
    world.ask(&Dmip::query().by(&mn1())).candidates
}

fn note(prefix: &str, outcome: PathOutcome) -> AnchorCommand {
    let prefix = net(prefix);
    AnchorCommand::NotePath { prefix, outcome }
}

/// Load and path RTT of others stand in the reply as configured.
#[test]
fn an_entry_is_told_as_it_is_configured() {
    let told = DirectoryEntry {
        load: 200,
        path_rtt_us: 4_321,
        preference: 7,
        ..entry(OTHER, "2001:db8::/44")
    };
    let mut world = World::with(AnchorConfig {
        directory: vec![told],
        ..config()
    });
    assert_eq!(candidates(&mut world)[1], told);
}

/// What was measured of the own path stands in the reply; after three losses, or where nobody measures any more, it is unknown.
#[test]
fn the_measured_path_is_told() {
    let mut world = World::new();
    let told = |world: &mut World| candidates(world)[0].path_rtt_us;
    assert_eq!(told(&mut world), 0);
    let answered = PathOutcome::Answered(Duration::from_micros(1_500));
    world.command(note("2001:db8:c::/48", answered));
    assert_eq!(told(&mut world), 1_500);
    for _ in 0..3 {
        world.command(note("2001:db8:c::/48", PathOutcome::Lost));
    }
    assert_eq!(told(&mut world), 0);
    world.command(note("2001:db8:c::/48", answered));
    assert_eq!(told(&mut world), 1_500);
    world.command(note("2001:db8:c::/48", PathOutcome::Unmeasured));
    assert_eq!(told(&mut world), 0);
}

/// A measurement of what is not covered is forgotten, also that of a coverage that was taken away.
#[test]
fn a_path_to_what_is_not_covered_concerns_nobody() {
    let mut world = World::new();
    let answered = PathOutcome::Answered(Duration::from_millis(1));
    world.command(note("2001:db8:c:1::/64", answered));
    assert_eq!(candidates(&mut world)[0].path_rtt_us, 0);
    world.command(note("2001:db8:c::/48", answered));
    let uncovered = AnchorConfig {
        coverage: Vec::new(),
        ..config()
    };
    world.reconfigure(uncovered).unwrap();
    world.reconfigure(config()).unwrap();
    assert_eq!(candidates(&mut world)[0].path_rtt_us, 0);
}

/// A DHP that covers a prefix and a part of it stands once, with the part.
#[test]
fn a_dhp_is_named_once() {
    let mut world = World::with(AnchorConfig {
        directory: vec![
            entry(OTHER, "2001:db8::/32"),
            entry(OTHER, "2001:db8:c::/56"),
            entry(THIRD, "2001:db8::/32"),
        ],
        ..config()
    });
    let dhps = world.ask(&Dmip::query().by(&mn1())).dhps;
    assert_eq!(dhps, [(OTHER, 56), (ANCHOR, 48), (THIRD, 32)]);
}

/// Another directory is in force at once.
#[test]
fn a_reload_changes_the_directory() {
    let mut world = World::new();
    let changed = AnchorConfig {
        directory: vec![entry(THIRD, "2001:db8::/32")],
        ..config()
    };
    world.reconfigure(changed).unwrap();
    assert_eq!(candidates(&mut world)[1].dhp, THIRD);
}

/// An operator sees the directory page by page, in the order of the prefixes.
#[test]
fn the_directory_is_seen_page_by_page() {
    let world = World::with(AnchorConfig {
        directory: vec![
            entry(OTHER, "2001:db8:f::/48"),
            entry(THIRD, "2001:db8::/32"),
            DirectoryEntry {
                load: 9,
                ..entry(OTHER, "2001:db8::/32")
            },
        ],
        ..config()
    });
    let seen = |after| {
        let views = world.anchor.directory(after);
        let seen = views.map(|view| (view.entry.prefix, view.entry.dhp));
        seen.collect::<Vec<_>>()
    };
    let wide = net("2001:db8::/32");
    let all = [
        (wide, THIRD),
        (wide, OTHER),
        (net("2001:db8:f::/48"), OTHER),
    ];
    assert_eq!(seen(None), all);
    assert_eq!(seen(Some(all[0])), all[1..]);
    assert_eq!(seen(Some(all[1])), all[2..]);
    assert_eq!(seen(Some(all[2])), []);
    assert_eq!(seen(Some((wide, ANCHOR))), all[2..], "it is gone meanwhile");
}

/// A DHP that has ceased to answer heartbeats is not named until it answers again.
#[test]
fn a_dhp_that_is_known_to_be_down_is_left_out() {
    let mut now = START;
    let config = AnchorConfig {
        heartbeat: HeartbeatConfig {
            peers: vec![OTHER],
            interval: Duration::from_secs(60),
            missing_allowed: 1,
            restart_counter: 0,
        },
        ..config()
    };
    let mut anchor = Anchor::new(config, now, [7; 32]).unwrap();
    let named = |now, anchor: &mut Anchor| {
        anchor.handle_packet(now, &Dmip::query().by(&mn1()));
        let last = std::iter::from_fn(|| anchor.poll_action()).last();
        let Some(AnchorAction::Transmit(reply)) = last else {
            panic!("no reply");
        };
        Answer::read(&reply).dhps
    };
    assert_eq!(named(now, &mut anchor), [(ANCHOR, 48), (OTHER, 32)]);
    for _ in 0..4 {
        now = now.plus_ns(60_000_000_000);
        anchor.handle_timeout(now);
    }
    assert_eq!(named(now, &mut anchor), [(ANCHOR, 48)]);
    let view = anchor.directory(None).next().unwrap();
    assert_eq!((view.peer, view.is_named), (Some(PeerState::Down), false));
}
