//! What an answer says

use std::net::Ipv6Addr;

use dhp_wire::mobility::Mode;

use crate::message::{Head, Read};

/// An answer, without what is only repeated from the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub to: Ipv6Addr,
    pub routed_to: Option<Ipv6Addr>,
    pub head: Head,
    /// Status, FID, address, lifetime.
    pub dhoas: Vec<(u8, u16, Ipv6Addr, u16)>,
    /// BID and status.
    pub bids: Vec<(u16, u8)>,
    /// FID and status.
    pub flows: Vec<(u16, u8)>,
    pub modes: Vec<(u16, Mode)>,
    /// DHP Information options.
    pub dhps: usize,
    pub mesg_id: Option<u64>,
    pub spi: Option<u32>,
}

impl Reply {
    /// An answer with nothing but its head.
    pub fn new(to: Ipv6Addr, head: Head, spi: u32, mesg_id: Option<u64>) -> Self {
        Self {
            to,
            routed_to: None,
            head,
            dhoas: Vec::new(),
            bids: Vec::new(),
            flows: Vec::new(),
            modes: Vec::new(),
            dhps: 0,
            mesg_id,
            spi: Some(spi),
        }
    }

    /// What was answered.
    pub fn of(read: &Read) -> Self {
        let contents = &read.contents;
        let dhoas = contents.dhoas.iter();
        let bids = contents.bids.iter();
        let flows = contents.flows.iter();
        Self {
            to: read.destination,
            routed_to: read.routed_to,
            head: read.head,
            dhoas: dhoas
                .map(|dhoa| (dhoa.status, dhoa.fid, dhoa.address, dhoa.lifetime))
                .collect(),
            bids: bids.map(|bid| (bid.bid, bid.status)).collect(),
            flows: flows.map(|flow| (flow.fid, flow.status)).collect(),
            modes: contents.modes.clone(),
            dhps: contents.dhps,
            mesg_id: contents.mesg_id.first().copied(),
            spi: contents.auth.as_ref().map(|auth| auth.spi),
        }
    }
}

/// What has to become of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// No answer, and why.
    Silence(&'static str),
    /// The model does not know this message.
    Anything,
    /// This answer, whose MAC takes these: care-of address and home address.
    Reply(Box<Reply>, Ipv6Addr, Ipv6Addr),
}
