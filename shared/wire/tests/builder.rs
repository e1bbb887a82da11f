//! The builder: where options may stand, and what it refuses.

use std::net::{IpAddr, Ipv6Addr};

use dhp_wire::codepoints::{CodePoints, DmipType, Status};
use dhp_wire::mobility::{
    AuthOption, BuFlags, Builder, DmipHeader, FlowIds, Lifetime, MAX_LEN, Message, MobilityHeader,
    MobilityOption, Mode, SessionType,
};

const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);

// ---- alignment ----

/// Where each option's RFC, or the profile, lets its type stand.
#[test]
fn every_option_is_aligned_from_every_place() {
    let bid = |care_of: Option<IpAddr>| MobilityOption::BindingIdentifier {
        bid: 1,
        status: Status(0),
        home_flag: false,
        priority: 0,
        care_of,
    };
    let auth = AuthOption {
        subtype: 2,
        spi: 3,
        data: &[1; 20],
        mac_input_len: 0,
        ends_header: false,
        is_last: false,
    };
    let fids = [[0, 1]];
    let cases = [
        // RFC 6275 §6.2.4 to §6.2.7
        (MobilityOption::BindingRefreshAdvice(Lifetime(1)), 2, 0),
        (MobilityOption::AlternateCareOf(ADDRESS), 8, 6),
        (
            MobilityOption::NonceIndices {
                home: 1,
                care_of: 1,
            },
            2,
            0,
        ),
        (
            MobilityOption::BindingAuthorizationData {
                authenticator: &[1; 12],
                mac_input_len: 0,
                ends_header: false,
            },
            8,
            2,
        ),
        // RFC 4283 §3, RFC 4285 §5 and §6
        (
            MobilityOption::MnId {
                subtype: 1,
                identifier: b"a",
            },
            1,
            0,
        ),
        (MobilityOption::Auth(auth), 4, 1),
        (MobilityOption::MesgId(1), 8, 2),
        // RFC 5648 §4.3
        (bid(None), 2, 0),
        (bid(Some(IpAddr::V6(ADDRESS))), 8, 2),
        (bid(Some("192.0.2.1".parse().unwrap())), 8, 2),
        // RFC 6089 §4.2, §4.2.2
        (
            MobilityOption::FlowSummary(FlowIds::new(&fids).unwrap()),
            2,
            0,
        ),
        (
            MobilityOption::FlowIdentification {
                fid: 1,
                priority: 1,
                status: 0,
                sub_options: &[],
            },
            2,
            0,
        ),
        // DMIPv6 profile 1
        (
            MobilityOption::Correspondent {
                prefix_len: 128,
                address: ADDRESS,
            },
            8,
            2,
        ),
        (
            MobilityOption::DhpInformation {
                preference: 0,
                load: 0,
                prefix_len: 0,
                address: ADDRESS,
                prefix: ADDRESS,
                path_rtt_us: 0,
            },
            8,
            2,
        ),
        (
            MobilityOption::Dhoa {
                status: Status(0),
                fid: 0,
                address: ADDRESS,
                lifetime: Lifetime(0),
            },
            8,
            2,
        ),
        (
            MobilityOption::FlowRequirements {
                session: SessionType::SessionLasting,
                dscp: 0,
                min_bandwidth_kbps: 0,
                max_latency_ms: 0,
                max_loss_permille: 0,
            },
            4,
            2,
        ),
        (
            MobilityOption::CommunicationMode {
                mode: Mode::Proxy,
                fid: 0,
            },
            1,
            0,
        ),
        (MobilityOption::Cookie(&[0; 8]), 1, 0),
        (
            MobilityOption::Unknown {
                kind: 99,
                data: &[],
            },
            1,
            0,
        ),
    ];
    for (option, modulus, remainder) in cases {
        for shift in 0..8 {
            let filler = vec![0x55; shift];
            let start = Builder::binding_update(0, BuFlags(0), Lifetime(0)).option(
                &MobilityOption::Unknown {
                    kind: 200,
                    data: &filler,
                },
            );
            let before = start.len();
            assert_eq!(before, 14 + shift);
            let after = start.clone().option(&option);
            let mh = after.clone().finish(&ADDRESS, &ADDRESS);
            let at = type_offset(&mh, 1).unwrap();
            assert_eq!(at % modulus, remainder, "{option:?} behind {before} octets");
            assert!(
                at - before < modulus,
                "more padding than needed: {option:?}"
            );
            assert_eq!(start.len_with(&option, 0), Some(mh.len()));
        }
    }
}

/// Offset of the option with this index, padding left out; the chain is walked here without the crate's help.
fn type_offset(mh: &[u8], index: usize) -> Option<usize> {
    let mut at = 12;
    let mut seen = 0;
    while at < mh.len() {
        match mh[at] {
            0 => at += 1,
            1 => {
                assert!(
                    mh[at + 2..at + 2 + usize::from(mh[at + 1])]
                        .iter()
                        .all(|octet| *octet == 0)
                );
                at += 2 + usize::from(mh[at + 1]);
            }
            _ if seen == index => return Some(at),
            _ => {
                seen += 1;
                at += 2 + usize::from(mh[at + 1]);
            }
        }
    }
    None
}

#[test]
fn built_authentication_is_aligned_and_ends_the_header_from_every_place() {
    for mac_len in [12, 16, 20, 32] {
        for shift in 0..16 {
            let filler = vec![0x55; shift];
            let start = Builder::binding_update(0, BuFlags(0), Lifetime(0)).option(
                &MobilityOption::Unknown {
                    kind: 200,
                    data: &filler,
                },
            );
            let before = start.len();
            let mut covered = Vec::new();
            let built = start.auth(256, mac_len, |input| {
                covered = input.to_vec();
                vec![0xaa; mac_len]
            });
            let mh = built.finish(&ADDRESS, &ADDRESS);
            let at = mh.len() - 7 - mac_len;
            assert_eq!(type_offset(&mh, 1), Some(at));
            assert_eq!(at % 4, 1);
            assert!(at - before < 8);
            // The MAC sees the final Header Len, checksum 0, and everything through the SPI.
            assert_eq!(covered.len(), at + 7);
            assert_eq!((covered[1], &covered[4..6]), (mh[1], &[0, 0][..]));
            assert_eq!(covered[6..], mh[6..at + 7]);
            assert_eq!(covered[at + 3..], [0, 0, 1, 0]);
        }
    }
}

// ---- the builder's limits ----

#[test]
fn what_cannot_be_written_is_left_out_and_told() {
    let start = || Builder::binding_update(0, BuFlags(0), Lifetime(0));
    let long = vec![0x55; 256];
    for option in [
        MobilityOption::Unknown {
            kind: 99,
            data: &long,
        },
        MobilityOption::Unknown { kind: 1, data: &[] },
        MobilityOption::MnId {
            subtype: 1,
            identifier: &[],
        },
        MobilityOption::MnId {
            subtype: 1,
            identifier: &long[..255],
        },
        MobilityOption::Cookie(&[0; 7]),
        MobilityOption::Cookie(&[0; 33]),
        MobilityOption::Correspondent {
            prefix_len: 129,
            address: ADDRESS,
        },
        MobilityOption::FlowIdentification {
            fid: 0,
            priority: 1,
            status: 0,
            sub_options: &[],
        },
    ] {
        let builder = start().option(&option);
        assert!(!builder.is_complete(), "{option:?}");
        assert_eq!(builder.len_with(&option, 0), None);
        assert_eq!(
            builder.finish(&ADDRESS, &ADDRESS),
            start().finish(&ADDRESS, &ADDRESS)
        );
    }
    assert!(!start().auth(256, 12, |_| [0u8; 11]).is_complete());
    assert!(!start().auth(256, 0, |_| [0u8; 0]).is_complete());
    let sealed = start().auth(256, 12, |_| [0u8; 12]);
    assert!(sealed.is_complete());
    assert!(
        !sealed
            .clone()
            .option(&MobilityOption::MesgId(1))
            .is_complete()
    );
    assert!(!sealed.padding(8).is_complete());
}

#[test]
fn padding() {
    for len in [0, 1, 2, 3, 257, 258, 259, 515, 1000] {
        let header = DmipHeader {
            kind: DmipType::DhpQuery,
            sequence: 1,
            lifetime: Lifetime(0),
            flags: 0,
            status: Status(0),
        };
        let builder = Builder::dmip(&CodePoints::default(), header).padding(len);
        assert_eq!((builder.len(), builder.is_complete()), (16 + len, true));
        let mh = builder
            .option(&MobilityOption::MesgId(7))
            .finish(&ADDRESS, &ADDRESS);
        let Ok(Message::Dmip(dmip)) = MobilityHeader::parse(&mh)
            .unwrap()
            .message(&CodePoints::default())
        else {
            panic!("a DMIPv6 message");
        };
        assert_eq!(
            dmip.options.iter().collect::<Vec<_>>(),
            [Ok(MobilityOption::MesgId(7))]
        );
    }
    let full = Builder::binding_refresh_request().padding(MAX_LEN - 8);
    assert!(full.is_complete());
    assert_eq!(full.clone().finish(&ADDRESS, &ADDRESS).len(), MAX_LEN);
    assert!(!full.padding(1).is_complete());
}
