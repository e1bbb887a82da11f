//! What is answered about the DHP directory

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

/// A DHP and correspondents that it covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryEntry {
    /// Where the correspondents are.
    pub prefix: Ipv6Net,
    /// The DHP.
    pub dhp: Ipv6Addr,
    /// Higher is better.
    pub preference: u8,
    /// 0 idle … 255 full: takes no new distributed home addresses.
    pub load: u8,
    /// Round-trip time from the DHP to the correspondents in µs; `None`: not known.
    pub path_rtt_us: Option<u32>,
    /// `up`, `down`, `unknown` or `unsupported`, as its heartbeats tell; `None`: it is not asked for any.
    pub peer: Option<String>,
    /// Whether mobile nodes are told of it.
    pub is_named: bool,
}

/// A page of the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// What this DHP covers itself; in the first page alone.
    pub own: Vec<DirectoryEntry>,
    /// What others cover, in the order of the prefixes, of each prefix the best first.
    pub others: Vec<DirectoryEntry>,
    /// Whether there are others behind these.
    pub more: bool,
}
