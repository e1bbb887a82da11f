//! What mobile nodes send and what they get, read from the octets

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use dhp_proto::anchor::FlowSelector;
use dhp_wire::codepoints::{CodePoints, DmipType, dmip_option, mobility_option};
use dhp_wire::mobility::{
    BuFlags, FlowSubOption, FlowSubOptions, Message, MobilityHeader, MobilityOption, Mode,
    OptionError, Options,
};
use dhp_wire::packet::MobilityPacket;

/// A Binding Identifier option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BidOption {
    pub bid: u16,
    pub priority: u8,
    pub care_of: Option<IpAddr>,
    pub home: bool,
    pub status: u8,
}

/// A DHoA option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhoaOption {
    pub status: u8,
    pub fid: u16,
    pub address: Ipv6Addr,
    pub lifetime: u16,
}

/// A Flow Identification option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowOption {
    pub fid: u16,
    pub priority: u16,
    pub status: u8,
    pub contents: FlowContents,
}

/// Its sub-options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowContents {
    /// One stands twice, or reaches beyond the end.
    Unreadable,
    Readable {
        /// The error is the flow status that refuses it.
        selector: Option<Result<FlowSelector, u8>>,
        bids: Option<Vec<u16>>,
    },
}

/// The authentication option.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    pub spi: u32,
    pub data: Vec<u8>,
    pub covered: usize,
    pub is_last: bool,
    pub ends_header: bool,
}

/// All that a message can carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    pub alternate: Vec<Ipv6Addr>,
    pub mn_id: Vec<(u8, Vec<u8>)>,
    pub mesg_id: Vec<u64>,
    pub correspondent: Vec<(u8, Ipv6Addr)>,
    /// The bandwidth of each Flow Requirements option, in kbit/s.
    pub requirements: Vec<u32>,
    pub dhoas: Vec<DhoaOption>,
    pub flows: Vec<FlowOption>,
    pub modes: Vec<(u16, Mode)>,
    pub bids: Vec<BidOption>,
    pub summary: Vec<u16>,
    pub dhps: usize,
    pub cookies: Vec<Vec<u8>>,
    pub auth: Option<Auth>,
    /// Type, and subtype of options of this profile, of those that cannot be read.
    pub broken: Vec<(u8, Option<u8>)>,
}

/// The fixed part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    Dmip {
        kind: DmipType,
        sequence: u16,
        lifetime: u16,
        flags: u16,
        status: u8,
    },
    Update {
        sequence: u16,
        flags: BuFlags,
        lifetime: u16,
    },
    Acknowledgement {
        status: u8,
        sequence: u16,
        lifetime: u16,
    },
    Other,
}

/// A packet with a Mobility Header.
#[derive(Clone, PartialEq, Eq)]
pub struct Read {
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    /// Of the Home Address option.
    pub home: Option<Ipv6Addr>,
    /// Of the type 2 routing header.
    pub routed_to: Option<Ipv6Addr>,
    pub head: Head,
    pub contents: Contents,
    /// The Mobility Header.
    pub octets: Vec<u8>,
}

/// Without the octets, which say nothing to a reader.
impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            destination,
            home,
            routed_to,
            head,
            contents,
            ..
        } = self;
        write!(
            f,
            "{source} > {destination}, home {home:?}, routed to {routed_to:?}: {head:?}, {contents:?}"
        )
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SPI {}", self.spi)
    }
}

impl Read {
    /// Reads a packet; nothing of what is no sound Mobility Header.
    pub fn packet(packet: &[u8]) -> Option<Self> {
        let parsed = MobilityPacket::parse(packet).ok()?;
        if !parsed.checksum_is_valid() {
            return None;
        }
        let header = MobilityHeader::parse(parsed.mh).ok()?;
        let mut contents = Contents::default();
        let head = match header.message(&CodePoints::default()).ok()? {
            Message::Dmip(dmip) => {
                contents = Contents::read(&dmip.options);
                Head::Dmip {
                    kind: dmip.header.kind,
                    sequence: dmip.header.sequence,
                    lifetime: dmip.header.lifetime.0,
                    flags: dmip.header.flags,
                    status: dmip.header.status.0,
                }
            }
            Message::BindingUpdate(update) => {
                contents = Contents::read(&update.options);
                Head::Update {
                    sequence: update.sequence,
                    flags: update.flags,
                    lifetime: update.lifetime.0,
                }
            }
            Message::BindingAcknowledgement(acknowledgement) => {
                contents = Contents::read(&acknowledgement.options);
                Head::Acknowledgement {
                    status: acknowledgement.status.0,
                    sequence: acknowledgement.sequence,
                    lifetime: acknowledgement.lifetime.0,
                }
            }
            _ => Head::Other,
        };
        Some(Self {
            source: parsed.source,
            destination: parsed.destination,
            home: parsed.home_address,
            routed_to: parsed.type2_home,
            head,
            contents,
            octets: parsed.mh.to_vec(),
        })
    }
}

impl Contents {
    fn read(options: &Options<'_>) -> Self {
        let mut read = Self::default();
        for option in options {
            match option {
                Ok(option) => read.take(option),
                Err(OptionError { kind, subtype, .. }) => read.broken.push((kind, subtype)),
            }
        }
        read
    }

    fn take(&mut self, option: MobilityOption<'_>) {
        match option {
            MobilityOption::AlternateCareOf(address) => self.alternate.push(address),
            MobilityOption::MnId {
                subtype,
                identifier,
            } => self.mn_id.push((subtype, identifier.to_vec())),
            MobilityOption::MesgId(timestamp) => self.mesg_id.push(timestamp),
            MobilityOption::Correspondent {
                prefix_len,
                address,
            } => self.correspondent.push((prefix_len, address)),
            MobilityOption::FlowRequirements {
                min_bandwidth_kbps, ..
            } => self.requirements.push(min_bandwidth_kbps),
            MobilityOption::Dhoa {
                status,
                fid,
                address,
                lifetime,
            } => self.dhoas.push(DhoaOption {
                status: status.0,
                fid,
                address,
                lifetime: lifetime.0,
            }),
            MobilityOption::FlowIdentification {
                fid,
                priority,
                status,
                sub_options,
            } => self.flows.push(FlowOption {
                fid,
                priority,
                status,
                contents: FlowContents::read(sub_options),
            }),
            MobilityOption::CommunicationMode { mode, fid } => self.modes.push((fid, mode)),
            MobilityOption::BindingIdentifier {
                bid,
                status,
                home_flag,
                priority,
                care_of,
            } => self.bids.push(BidOption {
                bid,
                priority,
                care_of,
                home: home_flag,
                status: status.0,
            }),
            MobilityOption::FlowSummary(fids) => self.summary.extend(fids.iter()),
            MobilityOption::DhpInformation { .. } => self.dhps += 1,
            MobilityOption::Cookie(cookie) => self.cookies.push(cookie.to_vec()),
            MobilityOption::Auth(auth) => {
                self.auth = Some(Auth {
                    spi: auth.spi,
                    data: auth.data.to_vec(),
                    covered: auth.mac_input_len,
                    is_last: auth.is_last,
                    ends_header: auth.ends_header,
                });
            }
            _ => {}
        }
    }

    /// "An option that may stand once and stands twice, or has a length (0 too) or value outside §4.2, is malformed", as far as
    /// the message's row lists it (DMIPv6 profile 1, section 4.1).
    pub fn is_malformed(&self, kind: DmipType) -> bool {
        let request = kind == DmipType::DhoaRequest;
        let mut once = vec![self.alternate.len(), self.mn_id.len(), self.mesg_id.len()];
        if request {
            let about_flows = [self.correspondent.len(), self.requirements.len()];
            once.extend(
                about_flows
                    .into_iter()
                    .chain([self.dhoas.len(), self.flows.len()]),
            );
        }
        let is_new_row = |(kind, subtype): &(u8, Option<u8>)| match (*kind, *subtype) {
            (mobility_option::BINDING_IDENTIFIER, _)
            | (_, Some(dmip_option::COMMUNICATION_MODE)) => !request,
            (_, Some(dmip_option::CORRESPONDENT | dmip_option::FLOW_REQUIREMENTS)) => request,
            (_, Some(dmip_option::DHP_INFORMATION)) => false,
            _ => true,
        };
        let dhoas: Vec<_> = self
            .dhoas
            .iter()
            .map(|dhoa| (dhoa.fid, dhoa.address))
            .collect();
        let flows: Vec<u16> = self.flows.iter().map(|flow| flow.fid).collect();
        let modes: Vec<u16> = self.modes.iter().map(|(fid, _)| *fid).collect();
        let bids: Vec<u16> = self.bids.iter().map(|bid| bid.bid).collect();
        once.iter().any(|count| *count > 1)
            || self.broken.iter().any(is_new_row)
            || has_twice(&dhoas)
            || has_twice(&flows)
            || (!request && (has_twice(&modes) || has_twice(&bids)))
            || (request && self.correspondent.iter().any(|(len, _)| *len > 128))
    }
}

fn has_twice<T: PartialEq>(list: &[T]) -> bool {
    (1..list.len()).any(|at| list[..at].contains(&list[at]))
}

impl FlowContents {
    /// "A node MUST NOT include more than one binding reference sub-options" (RFC 6089 §4.2.1.3), nor "more than one traffic
    /// selector sub-option" (§4.2.1.4).
    fn read(sub_options: &[u8]) -> Self {
        let (mut selectors, mut references) = (Vec::new(), Vec::new());
        for sub_option in FlowSubOptions::new(sub_options) {
            match sub_option {
                Err(_) => return Self::Unreadable,
                Ok(FlowSubOption::BindingReference(bids)) => {
                    let mut bids: Vec<u16> = bids.iter().collect();
                    bids.sort_unstable();
                    bids.dedup();
                    references.push(bids);
                }
                Ok(selector @ FlowSubOption::TrafficSelector { .. }) => {
                    let ipv6 = selector.selector().map(|read| read.map(FlowSelector::Ipv6));
                    let ipv4 = selector.ipv4_selector();
                    let ipv4 = ipv4.map(|read| read.map(FlowSelector::Ipv4));
                    // 133: the format is not supported. 130: malformed.
                    let read = ipv6.or(ipv4).map_or(Err(133), |read| read.map_err(|_| 130));
                    selectors.push(read);
                }
                Ok(FlowSubOption::Unknown { .. }) => {}
            }
        }
        if selectors.len() > 1 || references.len() > 1 {
            return Self::Unreadable;
        }
        Self::Readable {
            selector: selectors.pop(),
            bids: references.pop(),
        }
    }
}
