//! Answers as a mobile node reads them.

use std::net::Ipv6Addr;

use dhp_proto::anchor::DirectoryEntry;
use dhp_wire::codepoints::{CodePoints, DmipType, next_header};
use dhp_wire::mobility::{Lifetime, Message, MobilityHeader, MobilityOption, Mode};
use dhp_wire::packet::MobilityPacket;
use ipnet::Ipv6Net;

use crate::harness::{ANCHOR, Mn};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    pub address: Ipv6Addr,
    pub status: u8,
    pub fid: u16,
    pub lifetime: Lifetime,
}

/// What stands in an answer, be it a DMIP one, a Binding Acknowledgement or a Binding Error.
#[derive(Debug, Clone)]
pub struct Answer {
    pub packet: Vec<u8>,
    pub destination: Ipv6Addr,
    pub type2_home: Option<Ipv6Addr>,
    /// `None` for messages of RFC 6275.
    pub kind: Option<DmipType>,
    pub mh_type: u8,
    pub sequence: u16,
    pub lifetime: Lifetime,
    pub flags: u16,
    pub status: u8,
    pub dhoas: Vec<Granted>,
    pub modes: Vec<(u16, Mode)>,
    pub flows: Vec<(u16, u8)>,
    /// Each BID with its status.
    pub bids: Vec<(u16, u8)>,
    pub dhps: Vec<(Ipv6Addr, u8)>,
    /// All that is said of them.
    pub candidates: Vec<DirectoryEntry>,
    pub cookie: Option<Vec<u8>>,
    pub mesg_id: Option<u64>,
    pub has_auth: bool,
    pub has_refresh_advice: bool,
}

impl Answer {
    /// Reads a packet, which has to be sound in every respect.
    pub fn read(packet: &[u8]) -> Self {
        let parsed = MobilityPacket::parse(packet).expect("a Mobility Header");
        assert_eq!(
            parsed.source, ANCHOR,
            "answers come from the anchor's own address"
        );
        assert!(parsed.checksum_is_valid());
        let header = MobilityHeader::parse(parsed.mh).expect("a sound header");
        let mut answer = Self {
            packet: packet.to_vec(),
            destination: parsed.destination,
            type2_home: parsed.type2_home,
            kind: None,
            mh_type: header.mh_type(),
            sequence: 0,
            lifetime: Lifetime::ZERO,
            flags: 0,
            status: 0,
            dhoas: Vec::new(),
            modes: Vec::new(),
            flows: Vec::new(),
            bids: Vec::new(),
            dhps: Vec::new(),
            candidates: Vec::new(),
            cookie: None,
            mesg_id: None,
            has_auth: false,
            has_refresh_advice: false,
        };
        let options = match header
            .message(&CodePoints::default())
            .expect("a known message")
        {
            Message::Dmip(dmip) => {
                answer.kind = Some(dmip.header.kind);
                answer.sequence = dmip.header.sequence;
                answer.lifetime = dmip.header.lifetime;
                answer.flags = dmip.header.flags;
                answer.status = dmip.header.status.0;
                dmip.options
            }
            Message::BindingAcknowledgement(acknowledgement) => {
                answer.sequence = acknowledgement.sequence;
                answer.lifetime = acknowledgement.lifetime;
                answer.status = acknowledgement.status.0;
                acknowledgement.options
            }
            Message::BindingError {
                status,
                home_address,
                ..
            } => {
                answer.status = status;
                answer.type2_home = Some(home_address);
                return answer;
            }
            other => panic!("no answer: {other:?}"),
        };
        for option in &options {
            match option.expect("a sound option") {
                MobilityOption::Dhoa {
                    status,
                    fid,
                    address,
                    lifetime,
                } => {
                    answer.dhoas.push(Granted {
                        address,
                        status: status.0,
                        fid,
                        lifetime,
                    });
                }
                MobilityOption::CommunicationMode { mode, fid } => answer.modes.push((fid, mode)),
                MobilityOption::FlowIdentification { fid, status, .. } => {
                    answer.flows.push((fid, status))
                }
                MobilityOption::BindingIdentifier { bid, status, .. } => {
                    answer.bids.push((bid, status.0));
                }
                MobilityOption::DhpInformation {
                    preference,
                    load,
                    prefix_len,
                    address,
                    prefix,
                    path_rtt_us,
                } => {
                    answer.dhps.push((address, prefix_len));
                    answer.candidates.push(DirectoryEntry {
                        dhp: address,
                        prefix: Ipv6Net::new(prefix, prefix_len).expect("at most 128"),
                        preference,
                        load,
                        path_rtt_us,
                    });
                }
                MobilityOption::Cookie(cookie) => answer.cookie = Some(cookie.to_vec()),
                MobilityOption::MesgId(timestamp) => answer.mesg_id = Some(timestamp),
                MobilityOption::Auth(auth) => {
                    assert!(auth.ends_header);
                    answer.has_auth = true;
                }
                MobilityOption::BindingRefreshAdvice(_) => answer.has_refresh_advice = true,
                other => panic!("unexpected {other:?}"),
            }
        }
        answer
    }

    /// Whether the answer verifies with the mobile node's key, for the care-of address that its request named.
    pub fn is_by_anchor_of(&self, mn: &Mn, care_of: Ipv6Addr, home: Ipv6Addr) -> bool {
        let parsed = MobilityPacket::parse(&self.packet).unwrap();
        let header = MobilityHeader::parse(parsed.mh).unwrap();
        let (Message::Dmip(dhp_wire::mobility::Dmip { options, .. })
        | Message::BindingAcknowledgement(dhp_wire::mobility::BindingAcknowledgement {
            options,
            ..
        })) = header.message(&CodePoints::default()).unwrap()
        else {
            return false;
        };
        options.auth().is_some_and(|auth| {
            auth.spi == mn.security.spi()
                && mn
                    .security
                    .verify(&care_of, &home, &parsed.mh[..auth.mac_input_len], auth.data)
        })
    }

    /// The one address that the answer grants.
    pub fn dhoa(&self) -> Ipv6Addr {
        assert_eq!((self.status, self.dhoas.len()), (0, 1), "{self:?}");
        self.dhoas[0].address
    }

    /// Statuses of the listed addresses.
    pub fn statuses(&self) -> Vec<u8> {
        self.dhoas.iter().map(|dhoa| dhoa.status).collect()
    }
}

/// Type, code and pointer of an ICMPv6 error.
pub fn icmp_error(packet: &[u8]) -> (u8, u8, u32) {
    assert_eq!(packet[6], next_header::ICMPV6);
    let pointer = u32::from_be_bytes(packet[44..48].try_into().unwrap());
    (packet[40], packet[41], pointer)
}
