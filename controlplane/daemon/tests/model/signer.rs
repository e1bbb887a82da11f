//! Messages as mobile nodes make them that do what a test asks for

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dhp_proto::auth::Key;
use dhp_proto::security_association::{Permissions, SecurityAssociation};
use dhp_wire::codepoints::{CodePoints, DmipType, Status, mobility_option};
use dhp_wire::mobility::{
    Bids, BuFlags, Builder, DmipHeader, FlowIds, FlowSubOption, Ipv4TrafficSelector, Lifetime,
    MobilityOption, Mode, SelectorRange, SessionType, TrafficSelector,
};
use dhp_wire::packet::compose;

use crate::site::{ANCHOR, CORRESPONDENT, DHOA_POOLS, FAR_CORRESPONDENT, NODES, Node, care_of};
use crate::step::{
    BidAsk, Elsewhere, Fault, FlowAsk, HomeUpdate, Request, SelectorAsk, Signature, Update, Whom,
};

/// A DHoA option that is too short to be one.
const BROKEN: MobilityOption<'static> = MobilityOption::Unknown {
    kind: mobility_option::EXPERIMENTAL,
    data: &[3, 0, 0],
};

/// A message's sender and envelope.
pub struct Signer<'a> {
    pub node: &'a Node,
    pub by: &'a Signature,
    pub security: &'a SecurityAssociation,
    pub sequence: u16,
    /// As an NTP timestamp.
    pub mesg_id: Option<u64>,
    /// An echo.
    pub cookie: Option<&'a [u8]>,
}

/// What a message is about, and how it is signed.
struct Subject {
    /// The home address that the MAC takes.
    home: Ipv6Addr,
    /// Whether it stands in a Home Address option.
    has_option: bool,
}

impl Signer<'_> {
    pub fn request(&self, ask: &Request, wish: Option<(Ipv6Addr, u16)>) -> Vec<u8> {
        let flags = if ask.dedicated { 0x8000 } else { 0 };
        let mut builder = self.dmip(DmipType::DhoaRequest, ask.lifetime, flags);
        let address = match ask.correspondent {
            Whom::Covered => Some(CORRESPONDENT),
            Whom::Far => Some(FAR_CORRESPONDENT),
            Whom::Nobody => None,
        };
        if let Some(address) = address {
            builder = builder.option(&MobilityOption::Correspondent {
                prefix_len: 128,
                address,
            });
        }
        if let Some(min_bandwidth_kbps) = ask.kbps {
            builder = builder.option(&MobilityOption::FlowRequirements {
                session: SessionType::SessionLasting,
                dscp: 0,
                min_bandwidth_kbps,
                max_latency_ms: 0,
                max_loss_permille: 0,
            });
        }
        if let Some((address, fid)) = wish {
            builder = builder.option(&dhoa(address, fid, 0));
        }
        builder = with_flows(builder, ask.flow.as_slice());
        self.finish(builder, self.dmip_subject())
    }

    pub fn update(&self, ask: &Update, listed: &[(Ipv6Addr, u16, u16)]) -> Vec<u8> {
        let acknowledge = if ask.acknowledge { 0x8000 } else { 0 };
        let replace = if ask.replace { 0x4000 } else { 0 };
        let mut builder = self.dmip(DmipType::BindingUpdate, ask.lifetime, acknowledge | replace);
        for (address, fid, lifetime) in listed {
            builder = builder.option(&dhoa(*address, *fid, *lifetime));
        }
        builder = self.with_bids(builder, &ask.bids, ANCHOR);
        builder = with_flows(builder, &ask.flows);
        for (fid, is_optimized) in &ask.modes {
            let mode = match is_optimized {
                true => Mode::RouteOptimized,
                false => Mode::Proxy,
            };
            builder = builder.option(&MobilityOption::CommunicationMode { mode, fid: *fid });
        }
        self.finish(builder, self.dmip_subject())
    }

    pub fn home_update(&self, ask: &HomeUpdate, home: Ipv6Addr) -> Vec<u8> {
        let mut flags = BuFlags::ACKNOWLEDGE;
        if ask.home_registration {
            flags = flags | BuFlags::HOME;
        }
        if ask.overwrite {
            flags = flags | BuFlags::OVERWRITE;
        }
        let lifetime = Lifetime(ask.lifetime);
        let mut builder = Builder::binding_update(self.sequence, flags, lifetime);
        builder = self.with_bids(builder, &ask.bids, home);
        builder = with_flows(builder, &ask.flows);
        let summary: Vec<[u8; 2]> = ask.summary.iter().map(|fid| fid.to_be_bytes()).collect();
        if let Some(fids) = FlowIds::new(&summary) {
            builder = builder.option(&MobilityOption::FlowSummary(fids));
        }
        // Without the option the source is the home address, which nobody away from home can send from.
        let home = if ask.option { home } else { self.source() };
        let subject = Subject {
            home,
            has_option: ask.option,
        };
        self.finish(builder, subject)
    }

    fn dmip(&self, kind: DmipType, lifetime: u16, flags: u16) -> Builder {
        let header = DmipHeader {
            kind,
            sequence: self.sequence,
            lifetime: Lifetime(lifetime),
            flags,
            status: Status(0),
        };
        Builder::dmip(&CodePoints::default(), header)
    }

    fn dmip_subject(&self) -> Subject {
        Subject {
            home: ANCHOR,
            has_option: false,
        }
    }

    fn source(&self) -> Ipv6Addr {
        care_of(self.by.node, self.by.place)
    }

    fn elsewhere(&self, which: Elsewhere, home: Ipv6Addr) -> IpAddr {
        let address = match which {
            Elsewhere::Place(place) => care_of(self.by.node, place),
            Elsewhere::Neighbour => care_of((self.by.node + 1) % NODES, 0),
            Elsewhere::Local => DHOA_POOLS[0].broadcast(),
            Elsewhere::Anchor => ANCHOR,
            Elsewhere::Multicast => Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 1),
            Elsewhere::Other => return Ipv4Addr::new(192, 0, 2, 7).into(),
            Elsewhere::Home => home,
        };
        address.into()
    }

    fn with_bids(&self, builder: Builder, bids: &[BidAsk], home: Ipv6Addr) -> Builder {
        bids.iter().fold(builder, |builder, ask| {
            builder.option(&MobilityOption::BindingIdentifier {
                bid: ask.bid,
                status: Status(0),
                home_flag: ask.home,
                priority: ask.priority,
                care_of: ask.care_of.map(|which| self.elsewhere(which, home)),
            })
        })
    }

    fn finish(&self, mut builder: Builder, subject: Subject) -> Vec<u8> {
        let source = self.source();
        let alternate = self.by.alternate;
        let alternate = alternate.map(|which| match self.elsewhere(which, subject.home) {
            IpAddr::V6(address) => address,
            IpAddr::V4(_) => Ipv6Addr::UNSPECIFIED,
        });
        if let Some(address) = alternate {
            builder = builder.option(&MobilityOption::AlternateCareOf(address));
        }
        if self.by.fault == Fault::Repeated {
            let again = MobilityOption::AlternateCareOf(alternate.unwrap_or(source));
            builder = builder.option(&again).option(&again);
        }
        if self.by.fault == Fault::Broken {
            builder = builder.option(&BROKEN);
        }
        if let Some(is_right) = self.by.mn_id {
            let id = &self.node.id;
            let identifier = match is_right {
                true => &id.identifier[..],
                false => b"another@example.net",
            };
            builder = builder.option(&MobilityOption::MnId {
                subtype: id.subtype,
                identifier,
            });
        }
        if let Some(timestamp) = self.mesg_id {
            builder = builder.option(&MobilityOption::MesgId(timestamp));
        }
        if let Some(cookie) = self.cookie {
            builder = builder.option(&MobilityOption::Cookie(cookie));
        }
        let care_of = alternate.unwrap_or(source);
        let builder = match self.key() {
            Some(security) => {
                let mac = |mh: &[u8]| security.mac(&care_of, &subject.home, mh);
                builder.auth(security.spi(), security.algorithm().mac_len(), mac)
            }
            None => builder,
        };
        assert!(builder.is_complete(), "{:?}", self.by);
        let home = subject.has_option.then_some(&subject.home);
        let mh = builder.finish(home.unwrap_or(&source), &ANCHOR);
        compose(&source, &ANCHOR, home, None, &mh)
    }

    /// What the message is signed with; `None`: nothing.
    fn key(&self) -> Option<SecurityAssociation> {
        let (spi, key) = match self.by.fault {
            Fault::Unsigned => return None,
            Fault::UnknownSpi => (99_999, self.node.key.clone()),
            Fault::WrongKey => {
                let key = Key::new(vec![0xee; self.node.algorithm.key_len()]);
                (self.security.spi(), key)
            }
            _ => return Some(self.security.clone()),
        };
        let (id, permissions) = (self.node.id.clone(), Permissions::default());
        let algorithm = self.node.algorithm;
        let security = SecurityAssociation::new(spi, id, key, algorithm, permissions);
        Some(security.expect("a key of the right length"))
    }
}

fn dhoa(address: Ipv6Addr, fid: u16, lifetime: u16) -> MobilityOption<'static> {
    MobilityOption::Dhoa {
        status: Status(0),
        fid,
        address,
        lifetime: Lifetime(lifetime),
    }
}

fn with_flows(builder: Builder, flows: &[FlowAsk]) -> Builder {
    flows.iter().fold(builder, |builder, ask| {
        builder.option(&MobilityOption::FlowIdentification {
            fid: ask.fid,
            priority: ask.priority,
            status: 0,
            sub_options: &sub_options(ask),
        })
    })
}

fn sub_options(ask: &FlowAsk) -> Vec<u8> {
    let mut octets = Vec::new();
    let bids = ask.bids.iter().flatten();
    let bids: Vec<[u8; 2]> = bids.map(|bid| bid.to_be_bytes()).collect();
    let reference = Bids::new(&bids).map(FlowSubOption::BindingReference);
    let selector = ask.selector.map(selector);
    let selector = selector
        .as_ref()
        .map(|(format, selector)| FlowSubOption::TrafficSelector {
            format: *format,
            selector,
        });
    for sub_option in reference.into_iter().chain(selector) {
        sub_option.write(&mut octets).expect("room");
    }
    octets
}

/// Format and octets.
fn selector(ask: SelectorAsk) -> (u8, Vec<u8>) {
    let ipv6 = |selector: TrafficSelector| (TrafficSelector::FORMAT, selector.to_octets());
    let all = TrafficSelector::default();
    match ask {
        SelectorAsk::All => ipv6(all),
        SelectorAsk::Protocol(protocol) => ipv6(TrafficSelector {
            next_header: Some(SelectorRange::one(protocol)),
            ..all
        }),
        SelectorAsk::Exact(port) => ipv6(TrafficSelector {
            source: Some(SelectorRange::one(CORRESPONDENT)),
            source_port: Some(SelectorRange::one(53)),
            destination_port: Some(SelectorRange::one(port)),
            next_header: Some(SelectorRange::one(17)),
            ..all
        }),
        SelectorAsk::Ipv4 => (Ipv4TrafficSelector::FORMAT, vec![0, 0, 0, 0]),
        SelectorAsk::OtherFormat => (3, vec![0, 0]),
        SelectorAsk::Cut => (TrafficSelector::FORMAT, vec![0]),
    }
}
