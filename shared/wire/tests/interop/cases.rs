//! A packet of each message, with the options that belong in it.

use std::net::{IpAddr, Ipv6Addr};

use dhp_wire::codepoints::Status;
use dhp_wire::icmpv6::{self, Body, NdOption, PrefixInformation, RouterAdvertisement};
use dhp_wire::mobility::{
    BuFlags, Builder, FlowIds, HeartbeatHeader, HeartbeatKind, Lifetime, MobilityOption,
    RevocationFlags, RevocationHeader, RevocationKind, SelectorRange, TrafficSelector, ba_flag,
};
use dhp_wire::packet::{compose, compose_icmpv6};

const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x100);
const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x100);
const HOME_AGENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 1);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// A packet and what it is.
pub struct Case {
    pub name: &'static str,
    pub packet: Vec<u8>,
}

/// Every case, in an order that does not change.
pub fn cases() -> Vec<Case> {
    let mut all = return_routability();
    all.extend(registration());
    all.extend(home_agents());
    all.extend(home_link());
    all
}

fn bare(name: &'static str, builder: Builder, source: Ipv6Addr, destination: Ipv6Addr) -> Case {
    assert!(builder.is_complete(), "{name}");
    let mh = builder.finish(&source, &destination);
    Case {
        name,
        packet: compose(&source, &destination, None, None, &mh),
    }
}

/// From the mobile node away from home, with a Home Address option.
fn from_mobile_node(name: &'static str, builder: Builder, destination: Ipv6Addr) -> Case {
    assert!(builder.is_complete(), "{name}");
    let mh = builder.finish(&HOME, &destination);
    Case {
        name,
        packet: compose(&CARE_OF, &destination, Some(&HOME), None, &mh),
    }
}

/// To the mobile node away from home, with a type 2 routing header.
fn to_mobile_node(name: &'static str, builder: Builder, source: Ipv6Addr) -> Case {
    assert!(builder.is_complete(), "{name}");
    let mh = builder.finish(&source, &HOME);
    Case {
        name,
        packet: compose(&source, &CARE_OF, None, Some(&HOME), &mh),
    }
}

fn return_routability() -> Vec<Case> {
    let (cookie, token) = ([0x11; 8], [0x22; 8]);
    let update = Builder::binding_update(1, BuFlags::ACKNOWLEDGE, Lifetime(105))
        .option(&MobilityOption::NonceIndices {
            home: 4,
            care_of: 5,
        })
        .binding_authorization(|_| [0x33; 12]);
    vec![
        bare("hoti", Builder::home_test_init(cookie), HOME, CORRESPONDENT),
        bare(
            "coti",
            Builder::care_of_test_init(cookie),
            CARE_OF,
            CORRESPONDENT,
        ),
        bare(
            "hot",
            Builder::home_test(4, cookie, token),
            CORRESPONDENT,
            HOME,
        ),
        bare(
            "cot",
            Builder::care_of_test(5, cookie, token),
            CORRESPONDENT,
            CARE_OF,
        ),
        from_mobile_node("bu-correspondent", update, CORRESPONDENT),
        bare(
            "brr",
            Builder::binding_refresh_request(),
            CORRESPONDENT,
            HOME,
        ),
        bare(
            "be",
            Builder::binding_error(2, &HOME),
            CORRESPONDENT,
            CARE_OF,
        ),
    ]
}

fn registration() -> Vec<Case> {
    let flags = BuFlags::ACKNOWLEDGE | BuFlags::HOME | BuFlags::LINK_LOCAL;
    let home = Builder::binding_update(7, flags, Lifetime(900))
        .option(&MobilityOption::AlternateCareOf(CARE_OF))
        .option(&MobilityOption::MnId {
            subtype: 1,
            identifier: b"mn@example.net",
        })
        .option(&MobilityOption::MesgId(0x0102_0304_0506_0708))
        .auth(256, 12, |_| [0x44; 12]);
    let router = Builder::binding_update(8, flags | BuFlags::ROUTER, Lifetime(900)).option(
        &MobilityOption::MobileNetworkPrefix {
            prefix_len: 48,
            prefix: CORRESPONDENT,
        },
    );
    let service = Builder::binding_update(9, flags, Lifetime(900))
        .option(&MobilityOption::ServiceSelection("ims"))
        .option(&MobilityOption::VendorSpecific {
            vendor: 32473,
            sub_type: 2,
            data: &[9, 8, 7],
        });
    let bid = |bid, care_of: Option<IpAddr>| MobilityOption::BindingIdentifier {
        bid,
        status: Status(0),
        home_flag: false,
        priority: 3,
        care_of,
    };
    let selector = TrafficSelector {
        destination_port: Some(SelectorRange::one(443)),
        ..TrafficSelector::default()
    };
    let mut sub_options = vec![2, 2, 0, 7, 3, 8, 2, 0];
    sub_options.extend(selector.to_octets());
    let fids = [[0, 1], [0, 2]];
    let several = Builder::binding_update(10, flags | BuFlags::OVERWRITE, Lifetime(900))
        .option(&bid(7, None))
        .option(&bid(8, Some(CARE_OF.into())))
        .option(&MobilityOption::FlowIdentification {
            fid: 3,
            priority: 10,
            status: 0,
            sub_options: &sub_options,
        })
        .option(&MobilityOption::FlowSummary(FlowIds::new(&fids).unwrap()));
    let acknowledgement =
        Builder::binding_acknowledgement(Status(1), ba_flag::ROUTER, 7, Lifetime(600))
            .option(&MobilityOption::BindingRefreshAdvice(Lifetime(300)));
    vec![
        from_mobile_node("bu-home", home, HOME_AGENT),
        from_mobile_node("bu-router", router, HOME_AGENT),
        from_mobile_node("bu-service", service, HOME_AGENT),
        from_mobile_node("bu-flows", several, HOME_AGENT),
        to_mobile_node("ba", acknowledgement, HOME_AGENT),
    ]
}

fn home_agents() -> Vec<Case> {
    let advice = MobilityOption::BindingRefreshAdvice(Lifetime(30));
    let switch = Builder::home_agent_switch(&[CORRESPONDENT]).option(&advice);
    let heartbeat = |kind| Builder::heartbeat(HeartbeatHeader { kind, sequence: 77 });
    let response = heartbeat(HeartbeatKind::Response).option(&MobilityOption::RestartCounter(9));
    let revocation = |kind| {
        Builder::binding_revocation(RevocationHeader {
            kind,
            sequence: 78,
            flags: RevocationFlags::default(),
        })
    };
    let indication = revocation(RevocationKind::Indication { trigger: 1 });
    let done = revocation(RevocationKind::Acknowledgement { status: 128 });
    vec![
        to_mobile_node("ha-switch", switch, HOME_AGENT),
        bare(
            "heartbeat-request",
            heartbeat(HeartbeatKind::Request),
            HOME_AGENT,
            CORRESPONDENT,
        ),
        bare("heartbeat-response", response, CORRESPONDENT, HOME_AGENT),
        to_mobile_node("bri", indication, HOME_AGENT),
        bare("bra", done, HOME, HOME_AGENT),
    ]
}

fn home_link() -> Vec<Case> {
    let icmp = |name, body: Body, options: &[NdOption<&[u8]>], route: [Option<Ipv6Addr>; 4]| {
        let [source, destination, home, type2] = route;
        let (source, destination) = (source.unwrap(), destination.unwrap());
        let builder = options
            .iter()
            .fold(icmpv6::Builder::new(&body), icmpv6::Builder::option);
        let builder = match body {
            Body::HomeAgentDiscoveryReply { .. } => {
                builder.address(&HOME_AGENT).address(&CORRESPONDENT)
            }
            _ => builder,
        };
        assert!(builder.is_complete(), "{name}");
        let message = builder.finish(&home.unwrap_or(source), &type2.unwrap_or(destination));
        Case {
            name,
            packet: compose_icmpv6(
                &source,
                &destination,
                home.as_ref(),
                type2.as_ref(),
                &message,
            ),
        }
    };
    let plain = |source, destination| [Some(source), Some(destination), None, None];
    let mac = [2, 0, 0, 0, 0, 9];
    let prefix = NdOption::Prefix(PrefixInformation {
        prefix_len: 64,
        flags: 0xe0,
        valid_lifetime_s: 86_400,
        preferred_lifetime_s: 14_400,
        prefix: HOME_AGENT,
    });
    let advertisement = Body::RouterAdvertisement(RouterAdvertisement {
        hop_limit: 64,
        flags: 0x20,
        lifetime_s: 1800,
        reachable_ms: 3,
        retransmit_ms: 4,
    });
    let about_home_agent = [
        NdOption::SourceLinkLayer(mac),
        NdOption::Mtu(1500),
        prefix,
        NdOption::AdvertisementInterval(70),
        NdOption::HomeAgent {
            preference: 9,
            lifetime_s: 300,
        },
    ];
    let solicitation = Body::NeighborSolicitation { target: HOME };
    let group = icmpv6::solicited_node(&HOME);
    let neighbor = Body::NeighborAdvertisement {
        flags: 0x20,
        target: HOME,
    };
    let identifier = 0x0102;
    let away = [Some(CARE_OF), Some(HOME_AGENT), Some(HOME), None];
    let to_away = [Some(HOME_AGENT), Some(CARE_OF), None, Some(HOME)];
    let flags = 0x80;
    vec![
        icmp(
            "rs",
            Body::RouterSolicitation,
            &[],
            plain(ROUTER, ALL_ROUTERS),
        ),
        icmp(
            "ra",
            advertisement,
            &about_home_agent,
            plain(ROUTER, ALL_NODES),
        ),
        icmp(
            "ns-dad",
            solicitation,
            &[],
            plain(Ipv6Addr::UNSPECIFIED, group),
        ),
        icmp(
            "na-proxy",
            neighbor,
            &[NdOption::TargetLinkLayer(mac)],
            plain(HOME_AGENT, ALL_NODES),
        ),
        icmp(
            "dhaad-request",
            Body::HomeAgentDiscoveryRequest { identifier },
            &[],
            plain(CARE_OF, HOME_AGENT),
        ),
        icmp(
            "dhaad-reply",
            Body::HomeAgentDiscoveryReply { identifier },
            &[],
            plain(HOME_AGENT, CARE_OF),
        ),
        icmp(
            "mps",
            Body::MobilePrefixSolicitation { identifier },
            &[],
            away,
        ),
        icmp(
            "mpa",
            Body::MobilePrefixAdvertisement { identifier, flags },
            &[prefix],
            to_away,
        ),
    ]
}
