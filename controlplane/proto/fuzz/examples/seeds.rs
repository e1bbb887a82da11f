//! `seeds DIRECTORY [PCAP…]`: writes the scripts that fuzzing begins with
#![forbid(unsafe_code)]

use std::net::Ipv6Addr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use dhp_proto_fuzz::script::{Event, Script};
use dhp_proto_fuzz::world::{ANCHOR, HOME, PEER};
use dhp_wire::codepoints::Status;
use dhp_wire::icmpv6::{self, Body, NdOption, PrefixInformation, RouterAdvertisement};
use dhp_wire::ipv6::home_agents_anycast;
use dhp_wire::mobility::{
    BuFlags, Builder, FlowIds, HeartbeatHeader, HeartbeatKind, Lifetime, MobilityOption,
};
use dhp_wire::packet::{compose, compose_icmpv6};

#[path = "../../../../dataplane/engine/fuzz/src/pcap.rs"]
mod pcap;

/// Packets of a capture in one script, each followed by a second.
const PACKETS_PER_SCRIPT: usize = 16;
const PACKETS_PER_CAPTURE: usize = 256;

const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x100);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 5);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let directory = arguments.next().context("usage: seeds DIRECTORY [PCAP…]")?;
    std::fs::create_dir_all(&directory)?;
    let mut scripts = scripts();
    for capture in arguments {
        let packets = pcap::ipv6_packets(&capture)?;
        let packets = &packets[..packets.len().min(PACKETS_PER_CAPTURE)];
        for some in packets.chunks(PACKETS_PER_SCRIPT) {
            let events = some
                .iter()
                .flat_map(|packet| [Event::Mobility(packet.clone()), Event::Wait(10)]);
            scripts.push(Script(events.collect()));
        }
    }
    for (number, script) in scripts.iter().enumerate() {
        std::fs::write(directory.join(format!("seed-{number:04}")), script.write())?;
    }
    println!("{} seeds in {}", scripts.len(), directory.display());
    Ok(())
}

fn update(sequence: u16, flags: BuFlags, lifetime: u16, home: Option<&Ipv6Addr>) -> Event {
    let source = home.map_or(HOME, |_| CARE_OF);
    let mh = Builder::binding_update(sequence, flags, Lifetime(lifetime))
        .option(&MobilityOption::AlternateCareOf(CARE_OF))
        .finish(&HOME, &ANCHOR);
    Event::Mobility(compose(&source, &ANCHOR, home, None, &mh))
}

fn scripts() -> Vec<Script> {
    let at_home = BuFlags::ACKNOWLEDGE.union(BuFlags::HOME);
    let with_link_local = at_home.union(BuFlags::LINK_LOCAL);
    let on_link = |body: &Body, source: &Ipv6Addr| {
        let message = icmpv6::Builder::new(body).finish(source, &ALL_NODES);
        let packet = compose_icmpv6(source, &ALL_NODES, None, None, &message);
        Event::Icmp {
            on_link: true,
            packet,
        }
    };
    let ask = |body: &Body, to: &Ipv6Addr, home: Option<&Ipv6Addr>| {
        let message = icmpv6::Builder::new(body).finish(home.unwrap_or(&CARE_OF), to);
        let packet = compose_icmpv6(&CARE_OF, to, home, None, &message);
        Event::Icmp {
            on_link: false,
            packet,
        }
    };
    let mobility = |source: &Ipv6Addr, builder: Builder| {
        let mh = builder.finish(source, &ANCHOR);
        Event::Mobility(compose(source, &ANCHOR, None, None, &mh))
    };
    let life = vec![
        update(1, with_link_local, 30, Some(&HOME)),
        Event::Wait(10),
        update(2, at_home, 30, Some(&HOME)),
        ask(
            &Body::MobilePrefixSolicitation { identifier: 1 },
            &ANCHOR,
            Some(&HOME),
        ),
        Event::Wait(900),
        update(3, at_home, 0, None),
        Event::Wait(100),
    ];
    let duplicate = vec![
        update(1, at_home, 30, Some(&HOME)),
        on_link(&Body::NeighborSolicitation { target: HOME }, &ROUTER),
        on_link(
            &Body::NeighborAdvertisement {
                flags: 0x20,
                target: HOME,
            },
            &ROUTER,
        ),
        Event::Wait(20),
    ];
    let commands = (0..16).flat_map(|number| {
        [
            update(number * 2 + 1, at_home, 300, Some(&HOME)),
            Event::Wait(10),
            Event::Command(number | 0x100),
            Event::Wait(30),
        ]
    });
    let tests = vec![
        mobility(&HOME, Builder::home_test_init([1; 8])),
        mobility(&CARE_OF, Builder::care_of_test_init([2; 8])),
        update(1, BuFlags::ACKNOWLEDGE, 30, Some(&HOME)),
    ];
    let advertisement = Body::RouterAdvertisement(RouterAdvertisement {
        hop_limit: 64,
        flags: 0x20,
        lifetime_s: 30,
        reachable_ms: 0,
        retransmit_ms: 0,
    });
    let prefix = NdOption::<&[u8]>::Prefix(PrefixInformation {
        prefix_len: 64,
        flags: 0xe0,
        valid_lifetime_s: 600,
        preferred_lifetime_s: 300,
        prefix: Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2),
    });
    let message = icmpv6::Builder::new(&advertisement).option(&prefix);
    let packet = message.finish(&ROUTER, &ALL_NODES);
    let discovery = vec![
        Event::Icmp {
            on_link: true,
            packet: compose_icmpv6(&ROUTER, &ALL_NODES, None, None, &packet),
        },
        ask(
            &Body::HomeAgentDiscoveryRequest { identifier: 7 },
            &home_agents_anycast(&HOME),
            None,
        ),
    ];
    let heartbeat = |kind, sequence| {
        let builder = Builder::heartbeat(HeartbeatHeader { kind, sequence });
        mobility(&PEER, builder.option(&MobilityOption::RestartCounter(3)))
    };
    let peers = vec![
        Event::Wait(1),
        heartbeat(HeartbeatKind::Response, 1),
        heartbeat(HeartbeatKind::Request, 9),
        heartbeat(HeartbeatKind::UnsolicitedResponse, 0),
        mobility(&PEER, Builder::binding_error(2, &Ipv6Addr::UNSPECIFIED)),
        Event::Wait(6_000),
    ];
    let several = several_care_of_addresses(at_home);
    [
        life,
        duplicate,
        commands.collect(),
        tests,
        discovery,
        peers,
        several,
    ]
    .map(Script)
    .to_vec()
}

/// Two care-of addresses and a flow, which is then refreshed; one of the addresses goes, the other expires.
fn several_care_of_addresses(at_home: BuFlags) -> Vec<Event> {
    let bid = |bid: u16, care_of: Option<Ipv6Addr>| MobilityOption::BindingIdentifier {
        bid,
        status: Status(0),
        home_flag: false,
        priority: 10,
        care_of: care_of.map(Into::into),
    };
    // A Binding Reference to BID 2, and a selector for Next Header 17.
    let flow = MobilityOption::FlowIdentification {
        fid: 4,
        priority: 10,
        status: 0,
        sub_options: &[2, 2, 0, 2, 3, 7, 2, 0, 0, 2, 0, 0, 17],
    };
    let keep = FlowIds::new(&[[0, 4], [0, 5]]).map(MobilityOption::FlowSummary);
    let keep = keep.as_slice();
    let both = [bid(1, Some(CARE_OF)), bid(2, Some(PEER)), flow];
    let updates: [(BuFlags, u16, &[MobilityOption<'_>]); 4] = [
        (at_home, 30, &both),
        (at_home.union(BuFlags::OVERWRITE), 30, &both),
        (at_home, 60, &[bid(1, None)]),
        (at_home, 0, &[bid(2, None)]),
    ];
    let mut events = Vec::new();
    for (sequence, (flags, lifetime, options)) in (1..).zip(updates) {
        let mut builder = Builder::binding_update(sequence, flags, Lifetime(lifetime));
        for option in options.iter().chain(keep) {
            builder = builder.option(option);
        }
        let mh = builder.finish(&HOME, &ANCHOR);
        let packet = compose(&CARE_OF, &ANCHOR, Some(&HOME), None, &mh);
        events.extend([Event::Mobility(packet), Event::Wait(20)]);
    }
    events.push(Event::Wait(2_500));
    events
}
