//! What a Flow Identification option says in its sub-options (RFC 6089 §4.2.1), and traffic selectors in words.

use core::fmt;
use core::net::Ipv6Addr;

use dhp_wire::codepoints::flow_status;
use dhp_wire::mobility::{
    FlowSubOption, FlowSubOptions, Ipv4TrafficSelector, SelectorRange, TrafficSelector,
};

/// Which packets a flow binding is for (RFC 6088).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowSelector {
    /// Format 1: IPv4 packets, of which none goes through an anchor of IPv6 home addresses.
    Ipv4(Ipv4TrafficSelector),
    /// Format 2: IPv6 packets.
    Ipv6(TrafficSelector),
}

/// One flow to a home address: correspondent, protocol, and the ports of correspondent and mobile node.
pub(super) type ExactFlow = (Ipv6Addr, u8, u16, u16);

impl FlowSelector {
    /// The one flow to a home address that the selector is for, if so.
    pub(super) fn exact(&self, home_address: &Ipv6Addr) -> Option<ExactFlow> {
        let Self::Ipv6(selector) = self else {
            return None;
        };
        let looks_elsewhere =
            selector.spi.is_some() || selector.flow_label.is_some() || selector.dscp.is_some();
        let is_here = |range: SelectorRange<Ipv6Addr>| range.contains(*home_address);
        if looks_elsewhere || !selector.destination.is_none_or(is_here) {
            return None;
        }
        Some((
            single(selector.source)?,
            single(selector.next_header)?,
            single(selector.source_port)?,
            single(selector.destination_port)?,
        ))
    }
}

/// The value of a range that has but one.
fn single<T: Copy + PartialEq>(range: Option<SelectorRange<T>>) -> Option<T> {
    let range = range?;
    range
        .end
        .is_none_or(|end| end == range.start)
        .then_some(range.start)
}

/// The sub-options that have a meaning here. A sub-option that is not there is left as it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FlowContents {
    /// The error is a flow status.
    pub(crate) selector: Option<Result<FlowSelector, u8>>,
    /// As they stand there, each once.
    pub(crate) bids: Option<Vec<u16>>,
}

impl FlowContents {
    /// Reads sub-options; the error is a flow status. "A node MUST NOT include more than one binding reference sub-options"
    /// (RFC 6089 §4.2.1.3), nor "more than one traffic selector sub-option" (§4.2.1.4).
    pub(crate) fn read(sub_options: &[u8]) -> Result<Self, u8> {
        let mut read = Self::default();
        for sub_option in FlowSubOptions::new(sub_options) {
            let sub_option = sub_option.map_err(|_| flow_status::MALFORMED)?;
            let repeated = match sub_option {
                FlowSubOption::BindingReference(reference) => {
                    let mut bids: Vec<u16> = reference.iter().collect();
                    bids.sort_unstable();
                    bids.dedup();
                    read.bids.replace(bids).is_some()
                }
                FlowSubOption::TrafficSelector { .. } => {
                    read.selector.replace(selector(&sub_option)).is_some()
                }
                FlowSubOption::Unknown { .. } => false,
            };
            if repeated {
                return Err(flow_status::MALFORMED);
            }
        }
        Ok(read)
    }
}

fn selector(sub_option: &FlowSubOption<'_>) -> Result<FlowSelector, u8> {
    let read = match (sub_option.selector(), sub_option.ipv4_selector()) {
        (Some(read), _) => read.map(FlowSelector::Ipv6),
        (None, Some(read)) => read.map(FlowSelector::Ipv4),
        (None, None) => return Err(flow_status::SELECTOR_UNSUPPORTED),
    };
    read.map_err(|_| flow_status::MALFORMED)
}

impl fmt::Display for FlowSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        match self {
            Self::Ipv4(selector) => {
                words.push("ipv4".to_owned());
                words.extend(field("from", selector.source));
                words.extend(field("to", selector.destination));
                words.extend(field("spi", selector.spi));
                words.extend(field("source-port", selector.source_port));
                words.extend(field("destination-port", selector.destination_port));
                words.extend(field("dscp", selector.dscp));
                words.extend(field("protocol", selector.protocol));
            }
            Self::Ipv6(selector) => {
                words.extend(field("from", selector.source));
                words.extend(field("to", selector.destination));
                words.extend(field("spi", selector.spi));
                words.extend(field("flow-label", selector.flow_label));
                words.extend(field("source-port", selector.source_port));
                words.extend(field("destination-port", selector.destination_port));
                words.extend(field("dscp", selector.dscp));
                words.extend(field("protocol", selector.next_header));
            }
        }
        if words.is_empty() {
            return f.write_str("all");
        }
        f.write_str(&words.join(" "))
    }
}

fn field<T: fmt::Display>(name: &str, range: Option<SelectorRange<T>>) -> Option<String> {
    let SelectorRange { start, end } = range?;
    Some(match end {
        Some(end) => format!("{name} {start}-{end}"),
        None => format!("{name} {start}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Traffic Selector sub-option of format 2 for Next Header 17, and a Binding Reference of 5, 3 and 5.
    const UDP: [u8; 9] = [3, 7, 2, 0, 0, 2, 0, 0, 17];
    const REFERENCE: [u8; 8] = [2, 6, 0, 5, 0, 3, 0, 5];

    #[test]
    fn selector_and_reference_are_read_in_any_order() {
        let contents = FlowContents::read(&[&UDP[..], &REFERENCE].concat());
        assert_eq!(
            contents,
            FlowContents::read(&[&REFERENCE[..], &UDP].concat())
        );
        let contents = contents.unwrap();
        assert_eq!(contents.bids, Some(vec![3, 5]));
        let selector = contents.selector.unwrap().unwrap();
        assert_eq!(selector.to_string(), "protocol 17");
    }

    #[test]
    fn a_sub_option_that_stands_twice_or_is_cut_short_is_malformed() {
        let twice = [
            [&UDP[..], &UDP].concat(),
            [&REFERENCE[..], &REFERENCE].concat(),
        ];
        for octets in twice
            .into_iter()
            .chain([REFERENCE[..7].to_vec(), vec![3, 1, 2]])
        {
            let read = FlowContents::read(&octets);
            assert_eq!(read, Err(flow_status::MALFORMED), "{octets:?}");
        }
    }

    #[test]
    fn formats_1_and_2_are_known_and_no_others() {
        let of = |octets: &[u8]| FlowContents::read(octets).unwrap().selector.unwrap();
        assert!(matches!(
            of(&[3, 7, 1, 0, 0, 8, 0, 0, 6]),
            Ok(FlowSelector::Ipv4(selector)) if selector.protocol.is_some()
        ));
        assert_eq!(of(&[3, 2, 3, 0]), Err(flow_status::SELECTOR_UNSUPPORTED));
        assert_eq!(of(&[3, 3, 2, 0, 0]), Err(flow_status::MALFORMED));
    }
}
