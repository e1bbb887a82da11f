//! Neighbor Discovery, Home Agent Address Discovery and Mobile Prefix Discovery: layouts, validity checks, round trips.

mod support;

use std::net::Ipv6Addr;

use dhp_wire::Addresses;
use dhp_wire::icmpv6::{
    Body, Builder, Envelope, MAX_MESSAGE_LEN, Message, MessageError, NdOption, NdOptionError,
    PrefixInformation, RouterAdvertisement, is_solicited_node, mobile_prefix_flag, neighbor_flag,
    prefix_flag, router_flag, solicited_node,
};
use dhp_wire::packet::{IcmpPacket, PacketError, compose_icmpv6};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use support::{hex, unhex};

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const HOME_AGENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0x12, 0x3456);
const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 7);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

type Option<'a> = NdOption<&'a [u8]>;

fn envelope(source: Ipv6Addr, destination: Ipv6Addr) -> Envelope {
    Envelope {
        source,
        destination,
        hop_limit: 255,
    }
}

/// The message without type, code and checksum.
fn octets(builder: Builder) -> String {
    assert!(builder.is_complete());
    hex(&builder.finish(&ROUTER, &ALL_NODES)[4..])
}

fn advertisement() -> Body {
    Body::RouterAdvertisement(RouterAdvertisement {
        hop_limit: 64,
        flags: router_flag::HOME_AGENT | router_flag::MANAGED,
        lifetime_s: 1800,
        reachable_ms: 1,
        retransmit_ms: 2,
    })
}

fn prefix() -> PrefixInformation {
    PrefixInformation {
        prefix_len: 64,
        flags: prefix_flag::ON_LINK | prefix_flag::AUTONOMOUS | prefix_flag::ROUTER_ADDRESS,
        valid_lifetime_s: 86_400,
        preferred_lifetime_s: u32::MAX,
        prefix: HOME_AGENT,
    }
}

fn error(message: &[u8], envelope: &Envelope) -> MessageError {
    Message::parse(message, envelope).expect_err("an error")
}

// ---- layouts ----

#[test]
fn a_home_agents_router_advertisement() {
    let options: [Option<'_>; 5] = [
        NdOption::SourceLinkLayer(MAC),
        NdOption::Mtu(1500),
        NdOption::Prefix(prefix()),
        NdOption::AdvertisementInterval(70),
        NdOption::HomeAgent {
            preference: 9,
            lifetime_s: 300,
        },
    ];
    let builder = options
        .iter()
        .fold(Builder::new(&advertisement()), |builder, option| {
            builder.option(option)
        });
    assert_eq!(
        octets(builder.clone()),
        concat!(
            "40a007080000000100000002",
            "0101020000000009",
            "05010000000005dc",
            "030440e000015180ffffffff0000000020010db8000100000000000000000001",
            "0701000000000046",
            "080100000009012c",
        )
    );
    let message = builder.finish(&ROUTER, &ALL_NODES);
    let read = Message::parse(&message, &envelope(ROUTER, ALL_NODES)).unwrap();
    assert_eq!(read.body, advertisement());
    assert_eq!(
        read.options.iter().map(Result::unwrap).collect::<Vec<_>>(),
        options
    );
}

#[test]
fn the_other_messages_byte_by_byte() {
    let one = |body: Body| octets(Builder::new(&body));
    assert_eq!(one(Body::RouterSolicitation), "00000000");
    assert_eq!(
        one(Body::NeighborSolicitation { target: HOME }),
        "0000000020010db8000100000000000000123456"
    );
    assert_eq!(
        one(Body::NeighborAdvertisement {
            flags: neighbor_flag::OVERRIDE | 0x1f,
            target: HOME
        }),
        "2000000020010db8000100000000000000123456"
    );
    let identifier = 0xabcd;
    assert_eq!(
        one(Body::HomeAgentDiscoveryRequest { identifier }),
        "abcd0000"
    );
    assert_eq!(
        octets(Builder::new(&Body::HomeAgentDiscoveryReply { identifier }).address(&HOME_AGENT)),
        "abcd000020010db8000100000000000000000001"
    );
    assert_eq!(
        one(Body::MobilePrefixSolicitation { identifier }),
        "abcd0000"
    );
    assert_eq!(
        one(Body::MobilePrefixAdvertisement {
            identifier,
            flags: mobile_prefix_flag::MANAGED | 0x3f
        }),
        "abcd8000"
    );
}

#[test]
fn a_discovery_reply_fits_every_link() {
    let identifier = 1;
    let builder = (0..100).fold(
        Builder::new(&Body::HomeAgentDiscoveryReply { identifier }),
        |builder, _| builder.address(&HOME_AGENT),
    );
    assert!(!builder.is_complete());
    let message = builder.finish(&HOME_AGENT, &CARE_OF);
    assert_eq!(message.len(), 8 + 77 * 16);
    assert!(message.len() <= MAX_MESSAGE_LEN);
    let packet = compose_icmpv6(&HOME_AGENT, &CARE_OF, None, None, &message);
    assert!(packet.len() <= 1280);
    let parsed = IcmpPacket::parse(&packet).unwrap();
    assert_eq!(parsed.hop_limit, 64);
    let read = parsed.read().unwrap();
    assert_eq!(read.addresses, Addresses::new(&[HOME_AGENT.octets(); 77]));
    assert!(read.options.iter().next().is_none());
}

/// RFC 6275 §6.7, §6.8: the solicitation goes with a Home Address option, the advertisement with a type 2 routing header,
/// and the checksums take the home address.
#[test]
fn mobile_prefix_discovery_in_its_packets() {
    let identifier = 5;
    let solicitation = Builder::new(&Body::MobilePrefixSolicitation { identifier });
    let packet = compose_icmpv6(
        &CARE_OF,
        &HOME_AGENT,
        Some(&HOME),
        None,
        &solicitation.finish(&HOME, &HOME_AGENT),
    );
    let parsed = IcmpPacket::parse(&packet).unwrap();
    assert!(parsed.checksum_is_valid());
    assert_eq!((parsed.source, parsed.home_address), (CARE_OF, Some(HOME)));
    let body = parsed.read().unwrap().body;
    assert_eq!(body, Body::MobilePrefixSolicitation { identifier });

    let flags = mobile_prefix_flag::OTHER;
    let body = Body::MobilePrefixAdvertisement { identifier, flags };
    let option: Option<'_> = NdOption::Prefix(prefix());
    let message = Builder::new(&body)
        .option(&option)
        .finish(&HOME_AGENT, &HOME);
    let packet = compose_icmpv6(&HOME_AGENT, &CARE_OF, None, Some(&HOME), &message);
    let parsed = IcmpPacket::parse(&packet).unwrap();
    assert!(parsed.checksum_is_valid());
    assert_eq!(
        (parsed.destination, parsed.type2_home),
        (CARE_OF, Some(HOME))
    );
    let read = parsed.read().unwrap();
    assert_eq!(read.body, body);
    assert_eq!(read.options.iter().collect::<Vec<_>>(), [Ok(option)]);

    let mut broken = packet.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert!(!IcmpPacket::parse(&broken).unwrap().checksum_is_valid());
    let protocol = 17;
    broken[40] = protocol;
    assert_eq!(
        IcmpPacket::parse(&broken).unwrap_err(),
        PacketError::UpperLayer { protocol }
    );
}

#[test]
fn solicited_node_addresses() {
    let group = solicited_node(&HOME);
    assert_eq!(group, "ff02::1:ff12:3456".parse::<Ipv6Addr>().unwrap());
    assert!(is_solicited_node(&group));
    for other in [
        "ff02::1",
        "ff02::1:fe12:3456",
        "ff05::1:ff12:3456",
        "fe80::1:ff12:3456",
    ] {
        assert!(!is_solicited_node(&other.parse().unwrap()), "{other}");
    }
}

// ---- validity ----

/// RFC 4861 §7.1.1 and §7.2.5: duplicate address detection asks from `::`, and what does not is not that.
#[test]
fn a_solicitation_from_the_unspecified_address() {
    let unspecified = Ipv6Addr::UNSPECIFIED;
    let builder = Builder::new(&Body::NeighborSolicitation { target: HOME });
    let message = builder.clone().finish(&unspecified, &solicited_node(&HOME));
    let from_nowhere = envelope(unspecified, solicited_node(&HOME));
    assert!(Message::parse(&message, &from_nowhere).is_ok());
    assert_eq!(
        error(&message, &envelope(unspecified, HOME)),
        MessageError::Destination
    );
    let option: Option<'_> = NdOption::SourceLinkLayer(MAC);
    let telling = builder.option(&option).finish(&unspecified, &ALL_NODES);
    assert_eq!(error(&telling, &from_nowhere), MessageError::Source);
    assert!(Message::parse(&telling, &envelope(CARE_OF, HOME)).is_ok());
    let router = Builder::new(&Body::RouterSolicitation).option(&option);
    let router = router.finish(&unspecified, &ALL_NODES);
    assert_eq!(error(&router, &from_nowhere), MessageError::Source);
}

#[test]
fn what_rfc_4861_has_discarded_in_silence() {
    let on_link = envelope(ROUTER, ALL_NODES);
    let ra = Builder::new(&advertisement()).finish(&ROUTER, &ALL_NODES);
    let ns = Builder::new(&Body::NeighborSolicitation { target: ALL_NODES });
    let ns = ns.finish(&ROUTER, &ALL_NODES);
    let flags = neighbor_flag::SOLICITED;
    let na = Builder::new(&Body::NeighborAdvertisement {
        flags,
        target: HOME,
    });
    let na = na.finish(&ROUTER, &ALL_NODES);
    let with = |message: &[u8], behind: &str| {
        let mut message = message.to_vec();
        message.extend(unhex(behind));
        message
    };
    let forwarded = Envelope {
        hop_limit: 254,
        ..on_link
    };
    let mut coded = ra.clone();
    coded[1] = 1;
    for (message, envelope, expected) in [
        (&ra, &forwarded, MessageError::HopLimit(254)),
        (&coded, &on_link, MessageError::Code(1)),
        (&ra[..15].to_vec(), &on_link, MessageError::TooShort),
        (&ra, &envelope(HOME_AGENT, ALL_NODES), MessageError::Source),
        (&ra, &envelope(ALL_NODES, ALL_NODES), MessageError::Source),
        (&with(&ra, "01"), &on_link, MessageError::OptionChain),
        (
            &with(&ra, "0100000000000000"),
            &on_link,
            MessageError::OptionChain,
        ),
        (
            &with(&ra, "0102000000000000"),
            &on_link,
            MessageError::OptionChain,
        ),
        (&ns, &on_link, MessageError::Target),
        (&na, &on_link, MessageError::Destination),
        (&unhex("90000000"), &on_link, MessageError::TooShort),
        (
            &unhex("910000000001000020"),
            &on_link,
            MessageError::Addresses,
        ),
        (
            &unhex("8900000000000000"),
            &on_link,
            MessageError::Type(137),
        ),
        (&vec![], &on_link, MessageError::TooShort),
    ] {
        assert_eq!(error(message, envelope), expected, "{}", hex(message));
    }
    assert!(Message::parse(&na, &envelope(ROUTER, HOME_AGENT)).is_ok());
    // Discovery of home agents comes from afar.
    let request = unhex("9000000000010000");
    let from_afar = Envelope {
        hop_limit: 3,
        ..envelope(CARE_OF, HOME_AGENT)
    };
    assert!(Message::parse(&request, &from_afar).is_ok());
}

#[test]
fn options_that_are_malformed_or_unknown_leave_the_others_readable() {
    let ra = Builder::new(&advertisement()).finish(&ROUTER, &ALL_NODES);
    let mut message = ra;
    // A prefix of one unit, a prefix of 129 bits, an interval of two units, InfiniBand's link-layer address, unknown, MTU.
    message.extend(unhex("0301404000000000"));
    message.extend(unhex(&format!("03048140{}", "00".repeat(28))));
    message.extend(unhex(&format!("0702{}", "00".repeat(14))));
    message.extend(unhex(&format!("0103{}", "aa".repeat(22))));
    message.extend(unhex("c801010203040506"));
    message.extend(unhex("0501000000000500"));
    let read = Message::parse(&message, &envelope(ROUTER, ALL_NODES)).unwrap();
    let wrong = |kind: u8, offset: usize| Err(NdOptionError { kind, offset });
    assert_eq!(
        read.options.iter().collect::<Vec<_>>(),
        [
            wrong(3, 16),
            wrong(3, 24),
            wrong(7, 56),
            Ok(NdOption::Unknown {
                kind: 1,
                data: &[0xaa; 22][..]
            }),
            Ok(NdOption::Unknown {
                kind: 200,
                data: &[1, 2, 3, 4, 5, 6][..]
            }),
            Ok(NdOption::Mtu(1280)),
        ]
    );
}

#[test]
fn what_must_not_be_sent_is_left_out_and_told() {
    let options: [Option<'_>; 3] = [
        NdOption::HomeAgent {
            preference: 1,
            lifetime_s: 0,
        },
        NdOption::Prefix(PrefixInformation {
            prefix_len: 129,
            ..prefix()
        }),
        NdOption::Unknown {
            kind: 200,
            data: &[1, 2, 3],
        },
    ];
    for option in options {
        let builder = Builder::new(&advertisement()).option(&option);
        assert!(!builder.is_complete());
        assert_eq!(builder.finish(&ROUTER, &ALL_NODES).len(), 16);
    }
}

// ---- round trips ----

fn address() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(Ipv6Addr::from)
}

fn any_body() -> impl Strategy<Value = Body> {
    let unicast = || {
        any::<[u8; 15]>().prop_map(|low| {
            let mut octets = [0x20; 16];
            octets[1..].copy_from_slice(&low);
            Ipv6Addr::from(octets)
        })
    };
    prop_oneof![
        Just(Body::RouterSolicitation),
        any::<(u8, u8, u16, u32, u32)>().prop_map(
            |(hop_limit, flags, lifetime_s, reachable_ms, retransmit_ms)| {
                Body::RouterAdvertisement(RouterAdvertisement {
                    hop_limit,
                    flags,
                    lifetime_s,
                    reachable_ms,
                    retransmit_ms,
                })
            }
        ),
        unicast().prop_map(|target| Body::NeighborSolicitation { target }),
        (select(vec![0u8, 0x80, 0x20, 0xa0]), unicast())
            .prop_map(|(flags, target)| Body::NeighborAdvertisement { flags, target }),
        any::<u16>().prop_map(|identifier| Body::MobilePrefixSolicitation { identifier }),
        (any::<u16>(), select(vec![0u8, 0x80, 0x40, 0xc0])).prop_map(|(identifier, flags)| {
            Body::MobilePrefixAdvertisement { identifier, flags }
        }),
    ]
}

fn any_option() -> impl Strategy<Value = NdOption<Vec<u8>>> {
    prop_oneof![
        any::<[u8; 6]>().prop_map(NdOption::SourceLinkLayer),
        any::<[u8; 6]>().prop_map(NdOption::TargetLinkLayer),
        (
            0u8..=128,
            select(vec![0u8, 0x80, 0xe0]),
            any::<(u32, u32)>(),
            address()
        )
            .prop_map(
                |(prefix_len, flags, (valid_lifetime_s, preferred_lifetime_s), prefix)| {
                    NdOption::Prefix(PrefixInformation {
                        prefix_len,
                        flags,
                        valid_lifetime_s,
                        preferred_lifetime_s,
                        prefix,
                    })
                }
            ),
        any::<u32>().prop_map(NdOption::Mtu),
        any::<u32>().prop_map(NdOption::AdvertisementInterval),
        (any::<u16>(), 1u16..).prop_map(|(preference, lifetime_s)| NdOption::HomeAgent {
            preference,
            lifetime_s
        }),
        (9u8.., 0usize..4, any::<u8>()).prop_map(|(kind, units, fill)| NdOption::Unknown {
            kind,
            data: vec![fill; 6 + 8 * units]
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn what_is_built_is_read(
        body in any_body(),
        options in vec(any_option(), 0..8),
        home in proptest::option::of(Just(HOME)),
        type2 in proptest::option::of(Just(HOME)),
    ) {
        let builder = options.iter().fold(Builder::new(&body), |builder, option| builder.option(option));
        prop_assert!(builder.is_complete());
        let (source, destination) = (home.unwrap_or(ROUTER), type2.unwrap_or(CARE_OF));
        // A Router Advertisement comes from a link-local address.
        let is_router = matches!(body, Body::RouterAdvertisement(_));
        prop_assume!(!is_router || home.is_none());
        let message = builder.finish(&source, &destination);
        let packet = compose_icmpv6(&ROUTER, &CARE_OF, home.as_ref(), type2.as_ref(), &message);
        let parsed = IcmpPacket::parse(&packet).unwrap();
        prop_assert!(parsed.checksum_is_valid());
        prop_assert_eq!(parsed.message, &message[..]);
        let read = parsed.read().unwrap();
        prop_assert_eq!(read.body, body);
        let again: Vec<_> = read.options.iter().map(|option| option.unwrap().to_owned_data()).collect();
        prop_assert_eq!(again, options);
    }

    #[test]
    fn no_octets_make_it_panic(
        kind in prop_oneof![select(vec![133u8, 134, 135, 136, 144, 145, 146, 147]), any::<u8>()],
        fixed in vec(any::<u8>(), 0..24),
        options in vec((0u8..10, 0u8..5, vec(any::<u8>(), 0..40)), 0..5),
    ) {
        let mut message = vec![kind, 0, 0, 0];
        message.extend(fixed);
        for (kind, units, data) in options {
            message.extend([kind, units]);
            message.extend(data);
        }
        for len in 0..=message.len() {
            if let Ok(read) = Message::parse(&message[..len], &envelope(ROUTER, CARE_OF)) {
                prop_assert!(read.options.iter().count() <= len / 8);
                let _ = format!("{read:?}");
            }
        }
    }
}
