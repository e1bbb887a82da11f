//! A mobile node's engine in the hand of a test, and what the test answers it.

use core::net::Ipv6Addr;

use dhp_proto::auth::{self, Algorithm, Key, derive_dhp_key};
use dhp_proto::mobile_node::{
    FlowKey, FlowProgress, HomeConfig, KeyMaterial, MnAction, MnCommand, MnEvent, MobileNode,
    MobileNodeConfig, Session,
};
use dhp_proto::security_association::MnId;
use dhp_proto::time::{NANOS_PER_SECOND, Now};
use dhp_wire::checksum::upper_layer_checksum;
use dhp_wire::codepoints::{CodePoints, DmipType, Status, next_header, status};
use dhp_wire::mobility::{Builder, DmipHeader, Lifetime, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::{self, IcmpPacket, MobilityPacket};

pub const COA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x100);
pub const COA2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 0x100);
pub const DHP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
pub const DHP2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 0, 1);
pub const DHOA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 0, 7);
pub const HA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
pub const HOA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
/// What the node has on its home link beside the home address.
pub const HOME_COA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x7);
pub const CN: &str = "2001:db8:c:1::/64";
pub const SPI: u32 = 256;
pub const ALGORITHM: Algorithm = Algorithm::HmacSha256_128;
pub const MS: u64 = 1_000_000;

/// The flow of the test's correspondents.
pub fn flow(session: Session) -> FlowKey {
    FlowKey::new(CN.parse().expect("a prefix"), session)
}

pub fn home_key() -> Key {
    Key::new([0x42; 32])
}

pub fn config(home: bool) -> MobileNodeConfig {
    MobileNodeConfig {
        mn_id: Some(MnId::nai("mn1@example.net")),
        spi: SPI,
        algorithm: ALGORITHM,
        key: KeyMaterial::Home(home_key()),
        home: home.then_some(HomeConfig::new(HA, HOA)),
        locators: Vec::new(),
        code_points: CodePoints::default(),
        lifetime: 150,
        check_interval_ns: None,
        idle_ns: MobileNodeConfig::DEFAULT_IDLE_NS,
    }
}

/// What a test wants to know of a message that the engine has sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub octets: Vec<u8>,
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    pub home_address: Option<Ipv6Addr>,
    pub kind: Option<DmipType>,
    pub sequence: u16,
    pub lifetime: u16,
    pub flags: u16,
    pub dhoas: Vec<Ipv6Addr>,
    pub mesg_id: Option<u64>,
    pub cookie: Option<Vec<u8>>,
    pub alternate_care_of: Option<Ipv6Addr>,
    pub authentic: bool,
}

impl Sent {
    pub fn read(octets: Vec<u8>) -> Self {
        let packet = MobilityPacket::parse(&octets).expect("a packet with a Mobility Header");
        assert!(packet.checksum_is_valid());
        let header = MobilityHeader::parse(packet.mh).expect("a Mobility Header");
        let message = header.message(&CodePoints::default()).expect("a message");
        let (kind, sequence, lifetime, flags, options) = match message {
            Message::Dmip(dmip) => {
                let head = dmip.header;
                let (lifetime, flags) = (head.lifetime.0, head.flags);
                (
                    Some(head.kind),
                    head.sequence,
                    lifetime,
                    flags,
                    dmip.options,
                )
            }
            Message::BindingUpdate(update) => {
                let (lifetime, flags) = (update.lifetime.0, update.flags.0);
                (None, update.sequence, lifetime, flags, update.options)
            }
            other => panic!("a mobile node does not send {other:?}"),
        };
        // At home the source of a Binding Update is the home address.
        let home = packet.home_address.unwrap_or(match kind {
            None => packet.source,
            Some(_) => packet.destination,
        });
        let key = derive_dhp_key(&home_key(), &packet.destination, ALGORITHM);
        let mut sent = Self {
            source: packet.source,
            destination: packet.destination,
            home_address: packet.home_address,
            kind,
            sequence,
            lifetime,
            flags,
            dhoas: Vec::new(),
            mesg_id: None,
            cookie: None,
            alternate_care_of: None,
            authentic: options.auth().is_some_and(|auth| {
                let covered = &header.bytes()[..auth.mac_input_len];
                auth.ends_header
                    && auth::verify(ALGORITHM, &key, &packet.source, &home, covered, auth.data)
            }),
            octets: Vec::new(),
        };
        for option in options.iter() {
            match option.expect("a well-formed option") {
                MobilityOption::Dhoa { address, .. } => sent.dhoas.push(address),
                MobilityOption::MesgId(timestamp) => sent.mesg_id = Some(timestamp),
                MobilityOption::Cookie(cookie) => sent.cookie = Some(cookie.to_vec()),
                MobilityOption::AlternateCareOf(address) => sent.alternate_care_of = Some(address),
                _ => {}
            }
        }
        sent.octets = octets;
        sent
    }

    /// An answer of profile 1 from `source`, authenticated unless it is a Query Reply or asks for a cookie.
    pub fn answer(
        &self,
        source: Ipv6Addr,
        code: u8,
        lifetime: u16,
        options: &[MobilityOption<'_>],
    ) -> Vec<u8> {
        let kind = match self.kind {
            Some(DmipType::DhpQuery) => DmipType::DhpQueryReply,
            Some(DmipType::DhoaRequest) => DmipType::DhoaResponse,
            _ => DmipType::BindingConfirmation,
        };
        let header = DmipHeader {
            kind,
            sequence: self.sequence,
            lifetime: Lifetime(lifetime),
            flags: 0,
            status: Status(code),
        };
        let mut builder = Builder::dmip(&CodePoints::default(), header);
        for option in options {
            builder = builder.option(option);
        }
        if kind != DmipType::DhpQueryReply && code != status::COOKIE_REQUIRED {
            if let Some(timestamp) = self.mesg_id {
                builder = builder.option(&MobilityOption::MesgId(timestamp));
            }
            let key = derive_dhp_key(&home_key(), &source, ALGORITHM);
            builder = builder.auth(SPI, ALGORITHM.mac_len(), |covered| {
                auth::mac(ALGORITHM, &key, &self.source, &source, covered)
            });
        }
        let mh = builder.finish(&source, &self.source);
        packet::compose(&source, &self.source, None, None, &mh)
    }

    /// A Binding Acknowledgement of whom this was sent to, with a type 2 routing header.
    pub fn acknowledge(&self, code: u8, sequence: u16, lifetime: u16) -> Vec<u8> {
        let (agent, home) = (self.destination, self.home_address.expect("a home address"));
        let key = derive_dhp_key(&home_key(), &agent, ALGORITHM);
        let mh = Builder::binding_acknowledgement(Status(code), 0, sequence, Lifetime(lifetime))
            .auth(SPI, ALGORITHM.mac_len(), |covered| {
                auth::mac(ALGORITHM, &key, &self.source, &home, covered)
            })
            .finish(&agent, &home);
        packet::compose(&agent, &self.source, None, Some(&home), &mh)
    }

    /// The same that accepts it as it is.
    pub fn accept(&self) -> Vec<u8> {
        self.acknowledge(0, self.sequence, self.lifetime)
    }

    /// The answer to a node on its home link: without a type 2 routing header, to the home address.
    pub fn let_go(&self, code: u8) -> Vec<u8> {
        let (agent, home) = (self.destination, self.source);
        let key = derive_dhp_key(&home_key(), &agent, ALGORITHM);
        let lifetime = Lifetime::ZERO;
        let mh = Builder::binding_acknowledgement(Status(code), 0, self.sequence, lifetime)
            .auth(SPI, ALGORITHM.mac_len(), |covered| {
                auth::mac(ALGORITHM, &key, &home, &home, covered)
            })
            .finish(&agent, &home);
        packet::compose(&agent, &home, None, None, &mh)
    }

    /// An ICMPv6 error about this packet: a Parameter Problem with this code and pointer.
    pub fn problem(&self, code: u8, pointer: u8) -> Vec<u8> {
        let mut message = vec![4, code, 0, 0, 0, 0, 0, pointer];
        message.extend(&self.octets);
        let (from, to) = (self.destination, self.source);
        let sum = upper_layer_checksum(&from, &to, next_header::ICMPV6, &message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        packet::compose_icmpv6(&from, &to, None, None, &message)
    }
}

pub fn dhp_information(dhp: Ipv6Addr, preference: u8) -> MobilityOption<'static> {
    MobilityOption::DhpInformation {
        preference,
        load: 0,
        prefix_len: 48,
        address: dhp,
        prefix: Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0),
        path_rtt_us: 850,
    }
}

pub fn dhoa(code: u8, lifetime: u16) -> MobilityOption<'static> {
    MobilityOption::Dhoa {
        status: Status(code),
        fid: 0,
        address: DHOA,
        lifetime: Lifetime(lifetime),
    }
}

pub struct Node {
    pub engine: MobileNode,
    pub now: Now,
    /// Mobile Prefix Solicitations and Home Agent Address Discovery Requests that were sent, and when.
    pub questions: Vec<(u64, Vec<u8>)>,
}

impl Node {
    pub fn new(home: bool) -> Self {
        Self::with_config(config(home))
    }

    pub fn with_config(config: MobileNodeConfig) -> Self {
        let now = Now {
            mono_ns: NANOS_PER_SECOND,
            ntp: 0xe5a1_b2c3 << 32,
        };
        let engine = MobileNode::new(config, now, [7; 32]).expect("a valid configuration");
        Self {
            engine,
            now,
            questions: Vec::new(),
        }
    }

    pub fn command(&mut self, command: MnCommand) -> (Vec<Sent>, Vec<MnEvent>) {
        self.engine.handle_command(self.now, command);
        self.actions()
    }

    pub fn use_cn(&mut self, session: Session) -> (Vec<Sent>, Vec<MnEvent>) {
        self.command(MnCommand::Use(flow(session)))
    }

    pub fn receive(&mut self, packet: &[u8]) -> (Vec<Sent>, Vec<MnEvent>) {
        self.engine.handle_packet(self.now, packet);
        self.actions()
    }

    pub fn pass(&mut self, nanos: u64) -> (Vec<Sent>, Vec<MnEvent>) {
        let end = self.now.mono_ns + nanos;
        let (mut sent, mut events) = (Vec::new(), Vec::new());
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.plus_ns(at.saturating_sub(self.now.mono_ns));
            self.engine.handle_timeout(self.now);
            let (more_sent, more_events) = self.actions();
            sent.extend(more_sent);
            events.extend(more_events);
        }
        self.now = self.now.plus_ns(end - self.now.mono_ns);
        (sent, events)
    }

    fn actions(&mut self) -> (Vec<Sent>, Vec<MnEvent>) {
        let (mut sent, mut events) = (Vec::new(), Vec::new());
        while let Some(action) = self.engine.poll_action() {
            match action {
                MnAction::Transmit(octets) if IcmpPacket::parse(&octets).is_ok() => {
                    self.questions.push((self.now.mono_ns, octets));
                }
                MnAction::Transmit(octets) => sent.push(Sent::read(octets)),
                MnAction::Event(event) => events.push(event),
            }
        }
        events.retain(|event| !matches!(event, MnEvent::UpdateSent { .. }));
        (sent, events)
    }

    /// A node whose flow has its DHoA.
    pub fn with_dhoa() -> Self {
        let mut node = Self::new(false);
        node.command(MnCommand::SetCareOf(COA));
        let (queries, _) = node.use_cn(Session::SessionLasting);
        let reply = queries[0].answer(DHP, 0, 75, &[dhp_information(DHP, 100)]);
        let (requests, _) = node.receive(&reply);
        let (_, events) = node.receive(&requests[0].answer(DHP, 0, 150, &[dhoa(0, 150)]));
        assert!(matches!(events[0], MnEvent::AnchorReady { .. }));
        node
    }

    pub fn progress(&self) -> FlowProgress {
        self.engine.status().flows[0].progress
    }
}
