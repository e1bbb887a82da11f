//! Flow rules: which packets for a home address go to which of its care-of addresses (RFC 6089, RFC 6088).

use core::net::Ipv6Addr;

/// Care-of addresses with a Binding Identification number that one home address may have.
pub const MAX_CARE_OFS: usize = 8;

/// Flow rules that one home address may have beside those of exact flows: a packet is compared with each of them at most once.
pub const MAX_FLOW_RULES: usize = 32;

/// First and last value of a range, both of them in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowRange<T> {
    /// The first value.
    pub first: T,
    /// The last value.
    pub last: T,
}

impl<T: Copy + PartialOrd> FlowRange<T> {
    /// The range of one value.
    #[must_use]
    pub fn single(value: T) -> Self {
        Self {
            first: value,
            last: value,
        }
    }

    /// Whether `value` lies in the range.
    #[inline(always)]
    pub fn contains(&self, value: T) -> bool {
        self.first <= value && value <= self.last
    }
}

/// A traffic selector (RFC 6088 §3.2). A field that is not there matches every packet; one that is there does not match a
/// packet without that field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowSelector {
    /// The correspondent's address.
    pub source: Option<FlowRange<Ipv6Addr>>,
    /// The home address.
    pub destination: Option<FlowRange<Ipv6Addr>>,
    /// SPI of ESP.
    pub spi: Option<FlowRange<u32>>,
    /// Flow label, 20 bits.
    pub flow_label: Option<FlowRange<u32>>,
    /// The correspondent's port.
    pub source_port: Option<FlowRange<u16>>,
    /// The mobile node's port.
    pub destination_port: Option<FlowRange<u16>>,
    /// Differentiated services code point, 6 bits.
    pub dscp: Option<FlowRange<u8>>,
    /// Protocol behind the extension headers.
    pub next_header: Option<FlowRange<u8>>,
}

/// What of a packet a selector looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// Source address.
    pub source: [u8; 16],
    /// Destination address.
    pub destination: [u8; 16],
    /// SPI of ESP, if the packet has it.
    pub spi: Option<u32>,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Source and destination port, if its protocol has them.
    pub ports: Option<(u16, u16)>,
    /// Differentiated services code point, 6 bits.
    pub dscp: u8,
    /// Protocol behind the extension headers.
    pub next_header: u8,
}

/// One flow binding. A list of them is ordered by FID-PRI, the lowest value first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRule {
    /// Which packets it is for.
    pub selector: FlowSelector,
    /// Where a copy of each is sent to: Binding Identification numbers. Those without a care-of address have no effect.
    pub bids: Vec<u16>,
    /// The packets are dropped instead.
    pub discard: bool,
}

/// What the rules say about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowVerdict {
    /// No active rule matches: the default care-of address.
    Default,
    /// Drop it.
    Discard,
    /// A copy to each of these care-of addresses, a bit for each position in the flow set; never 0.
    CareOfs(u8),
}
