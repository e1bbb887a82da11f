//! `seeds DIRECTORY [PCAP…]`: writes the octets that fuzzing begins with. Every target gets all of them, and keeps those that
//! show it something new
#![forbid(unsafe_code)]

use std::net::Ipv6Addr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use dhp_wire::codepoints::{CodePoints, DmipType, Status};
use dhp_wire::icmpv6::{self, Body, NdOption, PrefixInformation, RouterAdvertisement};
use dhp_wire::mobility::{
    BuFlags, Builder, DmipHeader, FlowIds, HeartbeatHeader, HeartbeatKind, Lifetime,
    MobilityOption, Mode, RevocationFlags, RevocationHeader, RevocationKind, SessionType,
};
use dhp_wire::packet::{compose, compose_icmpv6};

#[path = "../../../../dataplane/engine/fuzz/src/pcap.rs"]
mod pcap;

/// A capture of the same messages over and over is no better than its beginning.
const PACKETS_PER_CAPTURE: usize = 256;

const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let directory = arguments.next().context("usage: seeds DIRECTORY [PCAP…]")?;
    std::fs::create_dir_all(&directory)?;
    let mut seeds = Vec::new();
    for mh in messages() {
        seeds.push(compose(&ADDRESS, &ADDRESS, Some(&ADDRESS), None, &mh));
        seeds.push(compose(&ADDRESS, &ADDRESS, None, Some(&ADDRESS), &mh));
        seeds.push(mh);
    }
    for message in icmpv6_messages() {
        seeds.push(compose_icmpv6(&ADDRESS, &ADDRESS, None, None, &message));
        seeds.push(message);
    }
    for capture in arguments {
        let packets = pcap::ipv6_packets(&capture)?;
        for packet in packets.into_iter().take(PACKETS_PER_CAPTURE) {
            // What stands behind the IPv6 header, and behind one extension header of three units.
            for at in [40, 64] {
                seeds.extend(packet.get(at..).map(<[u8]>::to_vec));
            }
            seeds.push(packet);
        }
    }
    for (index, seed) in seeds.iter().enumerate() {
        let file = directory.join(format!("seed-{index:04}"));
        std::fs::write(&file, seed).with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("{} seeds in {}", seeds.len(), directory.display());
    Ok(())
}

/// Every message, with every option.
fn messages() -> Vec<Vec<u8>> {
    let code_points = CodePoints::default();
    let dmip = |kind| {
        let header = DmipHeader {
            kind,
            sequence: 1,
            lifetime: Lifetime(9),
            flags: 0x8000,
            status: Status(0),
        };
        Builder::dmip(&code_points, header)
    };
    let revocation = |kind| RevocationHeader {
        kind,
        sequence: 1,
        flags: RevocationFlags::PROXY,
    };
    let heartbeat = |kind| HeartbeatHeader { kind, sequence: 1 };
    let mut starts = vec![
        Builder::binding_refresh_request(),
        Builder::home_test_init([1; 8]),
        Builder::care_of_test_init([2; 8]),
        Builder::home_test(3, [1; 8], [4; 8]),
        Builder::care_of_test(3, [2; 8], [5; 8]),
        Builder::binding_update(6, BuFlags::HOME, Lifetime(7)),
        Builder::binding_acknowledgement(Status(0), 0, 6, Lifetime(7)),
        Builder::binding_error(1, &ADDRESS),
        Builder::home_agent_switch(&[ADDRESS, ADDRESS]),
        Builder::heartbeat(heartbeat(HeartbeatKind::Request)),
        Builder::heartbeat(heartbeat(HeartbeatKind::UnsolicitedResponse)),
        Builder::binding_revocation(revocation(RevocationKind::Indication { trigger: 1 })),
        Builder::binding_revocation(revocation(RevocationKind::Acknowledgement { status: 0 })),
        Builder::other(200, &[1, 2]),
    ];
    starts.extend(DmipType::ALL.map(dmip));
    let sub_options = [2, 2, 0, 7, 3, 7, 1, 0, 0, 8, 0, 0, 17];
    let options = [
        MobilityOption::BindingRefreshAdvice(Lifetime(1)),
        MobilityOption::AlternateCareOf(ADDRESS),
        MobilityOption::NonceIndices {
            home: 1,
            care_of: 2,
        },
        MobilityOption::MobileNetworkPrefix {
            prefix_len: 64,
            prefix: ADDRESS,
        },
        MobilityOption::MnId {
            subtype: 1,
            identifier: b"a@b",
        },
        MobilityOption::MesgId(1),
        MobilityOption::VendorSpecific {
            vendor: 32473,
            sub_type: 1,
            data: &[1],
        },
        MobilityOption::ServiceSelection("ims"),
        MobilityOption::RestartCounter(1),
        MobilityOption::BindingIdentifier {
            bid: 7,
            status: Status(0),
            home_flag: false,
            priority: 1,
            care_of: Some(ADDRESS.into()),
        },
        FlowIds::new(&[[0, 1], [0, 2]]).map_or(
            MobilityOption::RestartCounter(2),
            MobilityOption::FlowSummary,
        ),
        MobilityOption::FlowIdentification {
            fid: 1,
            priority: 1,
            status: 0,
            sub_options: &sub_options,
        },
        MobilityOption::Correspondent {
            prefix_len: 128,
            address: ADDRESS,
        },
        MobilityOption::DhpInformation {
            preference: 1,
            load: 2,
            prefix_len: 48,
            address: ADDRESS,
            prefix: ADDRESS,
            path_rtt_us: 3,
        },
        MobilityOption::Dhoa {
            status: Status(0),
            fid: 1,
            address: ADDRESS,
            lifetime: Lifetime(1),
        },
        MobilityOption::FlowRequirements {
            session: SessionType::SessionLasting,
            dscp: 46,
            min_bandwidth_kbps: 1,
            max_latency_ms: 2,
            max_loss_permille: 3,
        },
        MobilityOption::CommunicationMode {
            mode: Mode::Proxy,
            fid: 1,
        },
        MobilityOption::Cookie(&[7; 8]),
    ];
    let mut messages = Vec::new();
    for (start, option) in starts.iter().zip(options.iter().cycle()) {
        let with_one = start.clone().option(option);
        messages.push(with_one.clone().auth(256, 12, |_| [9; 12]));
        messages.push(with_one.binding_authorization(|_| [9; 12]));
        messages.push(start.clone());
    }
    for option in &options {
        let update = Builder::binding_update(6, BuFlags::HOME, Lifetime(7));
        messages.push(update.option(option));
    }
    messages
        .into_iter()
        .map(|message| message.finish(&ADDRESS, &ADDRESS))
        .collect()
}

/// Every message of home links and home agents, with every option.
fn icmpv6_messages() -> Vec<Vec<u8>> {
    let identifier = 1;
    let bodies = [
        Body::RouterSolicitation,
        Body::RouterAdvertisement(RouterAdvertisement {
            hop_limit: 64,
            flags: 0x20,
            lifetime_s: 1800,
            reachable_ms: 0,
            retransmit_ms: 0,
        }),
        Body::NeighborSolicitation { target: ADDRESS },
        Body::NeighborAdvertisement {
            flags: 0x20,
            target: ADDRESS,
        },
        Body::HomeAgentDiscoveryRequest { identifier },
        Body::HomeAgentDiscoveryReply { identifier },
        Body::MobilePrefixSolicitation { identifier },
        Body::MobilePrefixAdvertisement {
            identifier,
            flags: 0x80,
        },
    ];
    let options: [NdOption<&[u8]>; 7] = [
        NdOption::SourceLinkLayer([1; 6]),
        NdOption::TargetLinkLayer([2; 6]),
        NdOption::Prefix(PrefixInformation {
            prefix_len: 64,
            flags: 0xe0,
            valid_lifetime_s: 2,
            preferred_lifetime_s: 1,
            prefix: ADDRESS,
        }),
        NdOption::Mtu(1500),
        NdOption::AdvertisementInterval(70),
        NdOption::HomeAgent {
            preference: 1,
            lifetime_s: 9,
        },
        NdOption::Unknown {
            kind: 200,
            data: &[0; 6],
        },
    ];
    bodies
        .iter()
        .map(|body| {
            let start = icmpv6::Builder::new(body);
            let builder = match body {
                Body::HomeAgentDiscoveryRequest { .. } => start,
                Body::HomeAgentDiscoveryReply { .. } => start.address(&ADDRESS).address(&ADDRESS),
                _ => options.iter().fold(start, icmpv6::Builder::option),
            };
            builder.finish(&ADDRESS, &ADDRESS)
        })
        .collect()
}
