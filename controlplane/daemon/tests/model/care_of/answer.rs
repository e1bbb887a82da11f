//! What an answer says, and where it goes

use std::net::Ipv6Addr;

use crate::message::{Head, Read};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub to: Ipv6Addr,
    pub cookie: Option<Vec<u8>>,
    pub mesg_id: Option<u64>,
    pub head: Head,
    /// Status, FID, address, lifetime.
    pub dhoas: Vec<(u8, u16, Ipv6Addr, u16)>,
    /// BID and status.
    pub bids: Vec<(u16, u8)>,
}

impl Answer {
    /// One that lists nothing.
    pub fn new(to: Ipv6Addr, head: Head) -> Self {
        Self {
            to,
            cookie: None,
            mesg_id: None,
            head,
            dhoas: Vec::new(),
            bids: Vec::new(),
        }
    }

    /// What was answered.
    pub fn of(read: &Read) -> Self {
        let dhoas = read.contents.dhoas.iter();
        let bids = read.contents.bids.iter();
        Self {
            to: read.destination,
            cookie: read.contents.cookies.first().cloned(),
            mesg_id: read.contents.mesg_id.first().copied(),
            head: read.head,
            dhoas: dhoas
                .map(|dhoa| (dhoa.status, dhoa.fid, dhoa.address, dhoa.lifetime))
                .collect(),
            bids: bids.map(|bid| (bid.bid, bid.status)).collect(),
        }
    }

    /// In an order that says nothing.
    pub fn sorted(mut answers: Vec<Self>) -> Vec<Self> {
        answers.sort_by_key(|answer| (answer.to, answer.cookie.clone()));
        answers
    }
}
