//! Answers about mobile nodes and their flows

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

/// What is known of the sequence numbers of a security association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Window {
    /// None was used yet.
    Empty,
    /// Those of the time before the start are not known: the first message needs a timestamp (MESG-ID).
    Lost,
    /// Numbers were used, or are known from the journal.
    Known,
}

/// A security association of a mobile node, without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    /// Security parameter index.
    pub spi: u32,
    /// How messages are authenticated.
    pub algorithm: String,
    /// Since the last new message that was authenticated by it; `None`: none since the start.
    pub last_heard_seconds: Option<u64>,
    /// What is known of its sequence numbers.
    pub window: Window,
    /// The highest sequence number of DMIPv6 messages.
    pub sequence: Option<u16>,
    /// How many of the 63 numbers below it may still come.
    pub unused_numbers: u32,
    /// Messages that named its SPI and were not authenticated by its key.
    pub refused: u32,
}

/// A mobile node that is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MobileNode {
    /// Its Network Access Identifier.
    pub id: String,
    /// Its security associations: several while its key is changed.
    pub associations: Vec<Association>,
    /// The SPI of the association that it has used last.
    pub last_used_spi: Option<u32>,
    /// Since its last new message.
    pub last_heard_seconds: Option<u64>,
    /// The home addresses that are its own by configuration.
    pub home_addresses: Vec<Ipv6Addr>,
    /// How many DHoAs it has bound.
    pub dhoas: usize,
    /// How many it may have.
    pub max_dhoas: usize,
    /// How many it may wish back.
    pub quarantined: usize,
    /// Where it is, as its home addresses and first DHoAs are bound.
    pub care_of_addresses: Vec<Ipv6Addr>,
}

/// A page of mobile nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MobileNodes {
    /// In the order in which they came into the configuration.
    pub mobile_nodes: Vec<MobileNode>,
    /// Where to go on; `None`: there are no more. A page may be empty and not the last.
    pub next: Option<u32>,
}

/// How a flow's packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowMode {
    /// Through this box.
    Proxy,
    /// Directly between mobile node and correspondent, as the mobile node says.
    RouteOptimized,
}

/// The workers' table that a flow's rule stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowTable {
    /// That of exact flows: one correspondent, one protocol, one pair of ports.
    Exact,
    /// The home address's list of rules, which are tried in their order.
    Range,
}

/// Where packets of a flow go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowTarget {
    /// Binding Identification number (RFC 5648); `None`: there is but one care-of address.
    pub bid: Option<u16>,
    /// Care-of address; `None`: none with this number is registered.
    pub care_of: Option<Ipv6Addr>,
}

/// A flow of a bound home address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Home address.
    pub home_address: Ipv6Addr,
    /// Whose it is.
    pub mobile_node: String,
    /// Flow identifier; 0: all that are not identified.
    pub fid: u16,
    /// How its packets go.
    pub mode: FlowMode,
    /// FID-PRI (RFC 6089): the lower goes first; `None`: the mobile node has not said which packets it is.
    pub priority: Option<u16>,
    /// Which packets from the correspondent it is, in the words of RFC 6088.
    pub selector: Option<String>,
    /// Where a copy of each goes.
    pub targets: Vec<FlowTarget>,
    /// The table that its rule stands in; `None`: it has none, and goes where the home address's other packets go.
    pub table: Option<FlowTable>,
}

/// A page of flows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    /// In the order of their home addresses, those of one all on one page.
    pub flows: Vec<Flow>,
    /// Behind which home address to go on; `None`: there are no more. A page may be empty and not the last.
    pub next: Option<Ipv6Addr>,
}
