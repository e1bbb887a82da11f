//! No octets make a parser panic, and what the builder writes is what the parser reads.

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dhp_wire::codepoints::{CodePoints, DmipType, Status};
use dhp_wire::mobility::{
    AuthOption, BuFlags, Builder, DmipHeader, FlowIds, Lifetime, MAX_LEN, Message, MobilityHeader,
    MobilityOption, Mode, Options, SessionType,
};
use dhp_wire::packet::{MobilityPacket, compose};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

// ---- arbitrary octets ----

/// An IPv6 header in front of octets that are often extension headers, so that the walk gets somewhere.
fn packet_like() -> impl Strategy<Value = Vec<u8>> {
    let next = select(vec![0u8, 4, 6, 17, 41, 43, 44, 50, 51, 58, 59, 60, 135]);
    let octet = prop_oneof![3 => select(vec![0u8, 1, 2, 4, 16, 43, 44, 60, 59, 135, 0xc9]), 1 => any::<u8>()];
    (next, vec(octet, 0..200), 0usize..8).prop_map(|(next, payload, lie)| {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 64];
        packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        let len = payload
            .len()
            .saturating_sub(lie)
            .try_into()
            .unwrap_or(u16::MAX);
        packet[4..6].copy_from_slice(&u16::to_be_bytes(len));
        packet.extend(payload);
        packet
    })
}

/// A Mobility Header whose fixed part is sound more often than not.
fn mobility_like() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![
        select(vec![0u8, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 16, 240]),
        any::<u8>()
    ];
    let option = select(vec![
        0u8, 1, 2, 3, 4, 5, 6, 8, 9, 10, 18, 19, 20, 28, 35, 44, 45, 241,
    ]);
    let options = vec((option, 0u8..44, vec(any::<u8>(), 0..44)), 0..8);
    (kind, any::<[u8; 10]>(), any::<bool>(), options).prop_map(|(kind, fixed, sound, options)| {
        let mut mh = vec![59, 0, kind, 0, 0, 0];
        mh.extend(fixed);
        if sound {
            (mh[6], mh[7]) = (1 + mh[6] % 6, 0x10);
        }
        for (option, lie, data) in options {
            // Most lengths are right: a chain that breaks at its first option shows little.
            let len = if lie == 0 { 43 } else { data.len() as u8 };
            mh.extend([option, len]);
            mh.extend(data);
        }
        mh.resize(mh.len().next_multiple_of(8), 0);
        mh[1] = (mh.len() / 8 - 1) as u8;
        mh
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn arbitrary_octets(octets in vec(any::<u8>(), 0..300)) {
        support::checks::every_parser(&octets);
    }

    #[test]
    fn octets_like_packets(octets in packet_like()) {
        support::checks::every_parser(&octets);
    }

    #[test]
    fn octets_like_mobility_headers(octets in mobility_like()) {
        support::checks::every_parser(&octets);
        let any = Ipv6Addr::LOCALHOST;
        support::checks::every_parser(&compose(&any, &any, Some(&any), Some(&any), &octets));
    }
}

// ---- mutated vectors ----

/// The vectors bare, and in packets with and without the headers that carry a home address.
fn messages() -> Vec<Vec<u8>> {
    let wrap = |vector: &support::Vector| {
        let packet = |hao, rh2| compose(&vector.src, &vector.dst, hao, rh2, &vector.mh);
        let (src, dst) = (&vector.src, &vector.dst);
        [
            packet(None, None),
            packet(Some(src), None),
            packet(None, Some(dst)),
            packet(Some(src), Some(dst)),
        ]
    };
    let vectors = support::vectors();
    let packets = vectors.iter().flat_map(wrap);
    vectors
        .iter()
        .map(|vector| vector.mh.clone())
        .chain(packets)
        .collect()
}

#[test]
fn every_vector_cut_at_every_length() {
    for message in messages() {
        for len in 0..message.len() {
            support::checks::every_parser(&message[..len]);
        }
    }
    // A bare Mobility Header that is cut is never taken for a whole one.
    for vector in support::vectors() {
        for len in 0..vector.mh.len() {
            assert!(
                MobilityHeader::parse(&vector.mh[..len]).is_err(),
                "{} at {len}",
                vector.name
            );
        }
    }
}

/// Every octet takes every value in the bare Mobility Headers, and a few telling ones in the packets.
#[test]
fn every_vector_with_every_octet_changed() {
    let bare = support::vectors().len();
    for (index, message) in messages().iter().enumerate() {
        let values: Vec<u8> = if index < bare {
            (0..=255).collect()
        } else {
            vec![0, 1, 2, 16, 43, 44, 59, 60, 127, 128, 135, 254, 255]
        };
        let mut mutated = message.clone();
        for at in 0..message.len() {
            for value in values
                .iter()
                .copied()
                .chain([message[at] ^ 1, message[at] ^ 0x80])
            {
                mutated[at] = value;
                support::checks::every_parser(&mutated);
            }
            mutated[at] = message[at];
        }
    }
}

/// RFC 1071: a changed word always shows, unless it changes between the two zeros.
#[test]
fn every_bit_flip_breaks_the_checksum() {
    for vector in support::vectors() {
        let mut mutated = vector.mh.clone();
        for bit in 0..vector.mh.len() * 8 {
            mutated[bit / 8] ^= 1 << (bit % 8);
            if let Ok(header) = MobilityHeader::parse(&mutated) {
                assert!(
                    !header.checksum_is_valid(&vector.src, &vector.dst),
                    "{} bit {bit}",
                    vector.name
                );
            }
            mutated[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

// ---- round trips ----

/// An option that owns its data.
#[derive(Clone, Debug)]
enum Owned {
    Fixed(MobilityOption<'static>),
    MnId(u8, Vec<u8>),
    Cookie(Vec<u8>),
    Summary(Vec<[u8; 2]>),
    Flow(u16, u16, u8, Vec<u8>),
    Authorization(Vec<u8>),
    Vendor(u32, u8, Vec<u8>),
    Unknown(u8, Vec<u8>),
}

impl Owned {
    fn option(&self) -> MobilityOption<'_> {
        match self {
            Self::Fixed(option) => *option,
            Self::MnId(subtype, identifier) => MobilityOption::MnId {
                subtype: *subtype,
                identifier,
            },
            Self::Cookie(cookie) => MobilityOption::Cookie(cookie),
            Self::Summary(fids) => MobilityOption::FlowSummary(FlowIds::new(fids).unwrap()),
            Self::Flow(fid, priority, status, sub_options) => MobilityOption::FlowIdentification {
                fid: *fid,
                priority: *priority,
                status: *status,
                sub_options,
            },
            Self::Authorization(authenticator) => MobilityOption::BindingAuthorizationData {
                authenticator,
                mac_input_len: 0,
                ends_header: false,
            },
            Self::Vendor(vendor, sub_type, data) => MobilityOption::VendorSpecific {
                vendor: *vendor,
                sub_type: *sub_type,
                data,
            },
            Self::Unknown(kind, data) => MobilityOption::Unknown { kind: *kind, data },
        }
    }
}

fn address() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(Ipv6Addr::from)
}

fn owned_option() -> impl Strategy<Value = Owned> {
    let status = || any::<u8>().prop_map(Status);
    let lifetime = || any::<u16>().prop_map(Lifetime);
    let care_of = prop_oneof![
        Just(None),
        any::<u32>().prop_map(|bits| Some(IpAddr::V4(Ipv4Addr::from(bits)))),
        address().prop_map(|address| Some(IpAddr::V6(address))),
    ];
    let session = select(vec![
        SessionType::SessionLasting,
        SessionType::GracefulReplacement,
    ]);
    let mode = select(vec![Mode::Proxy, Mode::RouteOptimized]);
    let fixed = prop_oneof![
        lifetime().prop_map(MobilityOption::BindingRefreshAdvice),
        address().prop_map(MobilityOption::AlternateCareOf),
        (any::<u16>(), any::<u16>())
            .prop_map(|(home, care_of)| MobilityOption::NonceIndices { home, care_of }),
        any::<u64>().prop_map(MobilityOption::MesgId),
        any::<u32>().prop_map(MobilityOption::RestartCounter),
        Just(MobilityOption::ServiceSelection("déjà-vu")),
        (0u8..=128, address()).prop_map(|(prefix_len, prefix)| {
            MobilityOption::MobileNetworkPrefix { prefix_len, prefix }
        }),
        (1u16.., status(), any::<bool>(), 0u8..128, care_of).prop_map(
            |(bid, status, home_flag, priority, care_of)| {
                MobilityOption::BindingIdentifier {
                    bid,
                    status,
                    home_flag,
                    priority,
                    care_of,
                }
            }
        ),
        (0u8..=128, address()).prop_map(|(prefix_len, address)| MobilityOption::Correspondent {
            prefix_len,
            address
        }),
        (
            any::<[u8; 2]>(),
            0u8..=128,
            address(),
            address(),
            any::<u32>()
        )
            .prop_map(
                |([preference, load], prefix_len, address, prefix, path_rtt_us)| {
                    MobilityOption::DhpInformation {
                        preference,
                        load,
                        prefix_len,
                        address,
                        prefix,
                        path_rtt_us,
                    }
                }
            ),
        (status(), any::<u16>(), address(), lifetime()).prop_map(
            |(status, fid, address, lifetime)| MobilityOption::Dhoa {
                status,
                fid,
                address,
                lifetime
            }
        ),
        (session, 0u8..64, any::<(u32, u16, u16)>()).prop_map(
            |(session, dscp, (min_bandwidth_kbps, max_latency_ms, max_loss_permille))| {
                MobilityOption::FlowRequirements {
                    session,
                    dscp,
                    min_bandwidth_kbps,
                    max_latency_ms,
                    max_loss_permille,
                }
            }
        ),
        (mode, any::<u16>())
            .prop_map(|(mode, fid)| MobilityOption::CommunicationMode { mode, fid }),
    ];
    prop_oneof![
        8 => fixed.prop_map(Owned::Fixed),
        1 => (any::<u8>(), vec(any::<u8>(), 1..60)).prop_map(|(subtype, nai)| Owned::MnId(subtype, nai)),
        1 => vec(any::<u8>(), 8..=32).prop_map(Owned::Cookie),
        1 => vec((1u16..).prop_map(u16::to_be_bytes), 1..20).prop_map(Owned::Summary),
        1 => (1u16.., any::<u16>(), any::<u8>(), vec(any::<u8>(), 0..60))
            .prop_map(|(fid, priority, status, sub)| Owned::Flow(fid, priority, status, sub)),
        1 => vec(any::<u8>(), 1..20).prop_map(Owned::Authorization),
        1 => (any::<u32>(), any::<u8>(), vec(any::<u8>(), 0..60))
            .prop_map(|(vendor, sub_type, data)| Owned::Vendor(vendor, sub_type, data)),
        1 => (46u8.., vec(any::<u8>(), 0..60)).prop_map(|(kind, data)| Owned::Unknown(kind, data)),
    ]
}

/// What the option says, without where it stands.
fn placeless(option: MobilityOption<'_>) -> MobilityOption<'_> {
    match option {
        MobilityOption::BindingAuthorizationData { authenticator, .. } => {
            MobilityOption::BindingAuthorizationData {
                authenticator,
                mac_input_len: 0,
                ends_header: false,
            }
        }
        MobilityOption::Auth(auth) => MobilityOption::Auth(AuthOption {
            mac_input_len: 0,
            ends_header: false,
            is_last: false,
            ..auth
        }),
        other => other,
    }
}

fn read(options: Options<'_>) -> Vec<MobilityOption<'_>> {
    options
        .iter()
        .map(|option| placeless(option.expect("a sound option")))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn dmip_round_trip(
        kind in select(DmipType::ALL.to_vec()),
        (sequence, lifetime, flags, status) in any::<(u16, u16, u16, u8)>(),
        code_points in select(vec![CodePoints::default(), CodePoints { mh_type: 30, option: 43 }]),
        options in vec(owned_option(), 0..12),
        mac in proptest::option::of((any::<u32>(), select(vec![12usize, 16]), any::<[u8; 16]>())),
        (src, dst) in (address(), address()),
    ) {
        let header = DmipHeader { kind, sequence, lifetime: Lifetime(lifetime), flags, status: Status(status) };
        let mut builder = Builder::dmip(&code_points, header);
        let mut predicted = builder.len();
        for option in &options {
            predicted = builder.len_with(&option.option(), mac.map_or(0, |(_, len, _)| len)).unwrap();
            builder = builder.option(&option.option());
        }
        let mut input = Vec::new();
        if let Some((spi, len, data)) = mac {
            builder = builder.auth(spi, len, |covered| { input = covered.to_vec(); data });
        }
        prop_assert!(builder.is_complete());
        let mh = builder.finish(&src, &dst);
        prop_assert_eq!(mh.len() % 8, 0);
        prop_assert!(options.is_empty() || mh.len() == predicted);
        prop_assert_eq!(mh.len(), (usize::from(mh[1]) + 1) * 8);

        let parsed = MobilityHeader::parse(&mh).unwrap();
        prop_assert!(parsed.checksum_is_valid(&src, &dst));
        let Ok(Message::Dmip(dmip)) = parsed.message(&code_points) else {
            return Err(TestCaseError::fail("not a DMIPv6 message"));
        };
        prop_assert_eq!(dmip.header, header);
        let mut expected: Vec<_> = options.iter().map(Owned::option).collect();
        if let Some((spi, len, data)) = &mac {
            let auth = dmip.options.auth().unwrap();
            prop_assert!(auth.ends_header);
            prop_assert_eq!(parsed.mac_input(auth.mac_input_len).concat(), input);
            expected.push(MobilityOption::Auth(AuthOption {
                subtype: 1, spi: *spi, data: &data[..*len], mac_input_len: 0, ends_header: false, is_last: false,
            }));
            prop_assert_eq!(read(dmip.options), expected);
        } else {
            prop_assert_eq!(dmip.options.auth(), None);
            prop_assert_eq!(read(dmip.options), expected);
        }
    }

    #[test]
    fn classic_round_trip_in_a_packet(
        (sequence, flags, lifetime, status, ba_flags) in any::<(u16, u16, u16, u8, u8)>(),
        options in vec(owned_option(), 0..6),
        (source, destination) in (address(), address()),
        home in proptest::option::of(address()),
        type2 in proptest::option::of(address()),
        update in any::<bool>(),
    ) {
        let builder = if update {
            Builder::binding_update(sequence, BuFlags(flags), Lifetime(lifetime))
        } else {
            Builder::binding_acknowledgement(Status(status), ba_flags, sequence, Lifetime(lifetime))
        };
        let builder = options.iter().fold(builder, |builder, option| builder.option(&option.option()));
        let mh = builder.finish(&home.unwrap_or(source), &type2.unwrap_or(destination));
        let packet = compose(&source, &destination, home.as_ref(), type2.as_ref(), &mh);

        let parsed = MobilityPacket::parse(&packet).unwrap();
        prop_assert_eq!((parsed.source, parsed.destination), (source, destination));
        prop_assert_eq!((parsed.home_address, parsed.type2_home), (home, type2));
        prop_assert_eq!(parsed.mh, &mh[..]);
        prop_assert!(parsed.checksum_is_valid());
        let message = MobilityHeader::parse(parsed.mh).unwrap().message(&CodePoints::default()).unwrap();
        let expected: Vec<_> = options.iter().map(Owned::option).collect();
        match message {
            Message::BindingUpdate(bu) if update => {
                prop_assert_eq!((bu.sequence, bu.lifetime), (sequence, Lifetime(lifetime)));
                prop_assert_eq!(bu.flags, BuFlags::from_wire(flags));
                prop_assert_eq!(read(bu.options), expected);
            }
            Message::BindingAcknowledgement(ba) if !update => {
                prop_assert_eq!((ba.status, ba.flags, ba.sequence), (Status(status), ba_flags, sequence));
                prop_assert_eq!(read(ba.options), expected);
            }
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        }
    }

    /// However much is put in, what comes out is a header that says its own length, with whole options.
    #[test]
    fn an_overfull_builder_leaves_options_out(options in vec(owned_option(), 60..120), mac_len in 0usize..300) {
        let src = Ipv6Addr::LOCALHOST;
        let start = Builder::binding_update(1, BuFlags::HOME, Lifetime(1));
        let builder = options.iter().fold(start, |builder, option| builder.option(&option.option()));
        let mh = builder.auth(256, mac_len, |_| [7u8; 300]).finish(&src, &src);
        prop_assert!(mh.len() <= MAX_LEN);
        let header = MobilityHeader::parse(&mh).unwrap();
        prop_assert_eq!(header.bytes().len(), mh.len());
        let Ok(Message::BindingUpdate(update)) = header.message(&CodePoints::default()) else {
            return Err(TestCaseError::fail("not a Binding Update"));
        };
        prop_assert!(update.options.iter().all(|option| option.is_ok()));
    }
}
