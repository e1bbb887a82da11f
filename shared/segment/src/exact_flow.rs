//! Exact flows: one correspondent's address, one protocol, one pair of ports. In DMIPv6 the managed unit is the single service flow,
//! and its traffic selector says just that.

use crate::flow::{FlowRange, FlowRule, FlowSelector};
use core::net::Ipv6Addr;

/// A flow of a home address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExactFlow {
    /// The correspondent's address.
    pub source: Ipv6Addr,
    /// Protocol behind the extension headers.
    pub next_header: u8,
    /// The correspondent's port.
    pub source_port: u16,
    /// The mobile node's port.
    pub destination_port: u16,
}

/// One flow binding of an exact flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactRule {
    /// Which packets it is for.
    pub flow: ExactFlow,
    /// Where a copy of each is sent to: Binding Identification numbers. Those without a care-of address have no effect.
    pub bids: Vec<u16>,
    /// The packets are dropped instead.
    pub discard: bool,
    /// How many of the rules that are no exact flows come before it in priority (RFC 6089 §5.3.6).
    pub rank: usize,
}

impl FlowSelector {
    /// The flow that the selector is exactly, for packets to `home`.
    #[must_use]
    pub fn exact(&self, home: Ipv6Addr) -> Option<ExactFlow> {
        let is_anything_else =
            self.spi.is_some() || self.flow_label.is_some() || self.dscp.is_some();
        if is_anything_else || self.destination.is_some_and(|range| !range.contains(home)) {
            return None;
        }
        Some(ExactFlow {
            source: single(self.source)?,
            next_header: single(self.next_header)?,
            source_port: single(self.source_port)?,
            destination_port: single(self.destination_port)?,
        })
    }
}

impl From<ExactFlow> for FlowSelector {
    fn from(flow: ExactFlow) -> Self {
        Self {
            source: Some(FlowRange::single(flow.source)),
            next_header: Some(FlowRange::single(flow.next_header)),
            source_port: Some(FlowRange::single(flow.source_port)),
            destination_port: Some(FlowRange::single(flow.destination_port)),
            ..Self::default()
        }
    }
}

impl From<ExactRule> for FlowRule {
    fn from(rule: ExactRule) -> Self {
        Self {
            selector: rule.flow.into(),
            bids: rule.bids,
            discard: rule.discard,
        }
    }
}

/// The one value of a range that has one.
fn single<T: PartialEq>(range: Option<FlowRange<T>>) -> Option<T> {
    let FlowRange { first, last } = range?;
    (first == last).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_five_tuple_of_single_values_is_exact() {
        let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
        let home = address("2001:db8:d:1::7");
        let flow = ExactFlow {
            source: address("2001:db8:c::80"),
            next_header: 6,
            source_port: 443,
            destination_port: 50_000,
        };
        let exact = FlowSelector::from(flow);
        let to = |first, last| FlowSelector {
            destination: Some(FlowRange { first, last }),
            ..exact
        };
        for selector in [exact, to(home, home), to(address("::"), address("ff00::"))] {
            assert_eq!(selector.exact(home), Some(flow));
        }
        let elsewhere = address("2001:db8:d:1::8");
        for selector in [
            FlowSelector::default(),
            to(elsewhere, elsewhere),
            FlowSelector {
                source: None,
                ..exact
            },
            FlowSelector {
                next_header: Some(FlowRange { first: 6, last: 17 }),
                ..exact
            },
            FlowSelector {
                source_port: None,
                ..exact
            },
            FlowSelector {
                destination_port: Some(FlowRange { first: 2, last: 1 }),
                ..exact
            },
            FlowSelector {
                spi: Some(FlowRange::single(1)),
                ..exact
            },
            FlowSelector {
                flow_label: Some(FlowRange::single(1)),
                ..exact
            },
            FlowSelector {
                dscp: Some(FlowRange::single(1)),
                ..exact
            },
        ] {
            assert_eq!(selector.exact(home), None);
        }
    }
}
