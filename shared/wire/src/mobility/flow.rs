//! Sub-options of Flow Identification (RFC 6089 §4.2.1).

use alloc::vec::Vec;
use core::fmt;

use super::options::OptionErrorReason;
use super::selector::TrafficSelector;
use super::selector_fields::SelectorError;
use super::selector_ipv4::Ipv4TrafficSelector;
use crate::codepoints::flow_sub_option;
use crate::field::u8_at;

/// A sub-option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowSubOption<'a> {
    /// The bindings that the flow goes to (RFC 6089 §4.2.1.3).
    BindingReference(Bids<'a>),
    /// Which packets are the flow's (RFC 6089 §4.2.1.4). Formats 1 and 2 are RFC 6088's for IPv4 and
    /// IPv6; [`Self::ipv4_selector`] and [`Self::selector`] read them.
    TrafficSelector {
        /// TS Format, not 0.
        format: u8,
        /// The selector, whose layout the format tells.
        selector: &'a [u8],
    },
    /// "Implementations MUST silently ignore any sub-options that they do not understand."
    Unknown {
        /// Sub-option type.
        kind: u8,
        /// Sub-option data.
        data: &'a [u8],
    },
}

impl FlowSubOption<'_> {
    /// The traffic selector, if this is one for IPv6.
    ///
    /// # Errors
    /// [`SelectorError`] if it is one that cannot be read.
    #[must_use]
    pub fn selector(&self) -> Option<Result<TrafficSelector, SelectorError>> {
        match self {
            Self::TrafficSelector {
                format: TrafficSelector::FORMAT,
                selector,
            } => Some(TrafficSelector::parse(selector)),
            _ => None,
        }
    }

    /// The traffic selector, if this is one for IPv4.
    ///
    /// # Errors
    /// [`SelectorError`] if it is one that cannot be read.
    #[must_use]
    pub fn ipv4_selector(&self) -> Option<Result<Ipv4TrafficSelector, SelectorError>> {
        match self {
            Self::TrafficSelector {
                format: Ipv4TrafficSelector::FORMAT,
                selector,
            } => Some(Ipv4TrafficSelector::parse(selector)),
            _ => None,
        }
    }

    /// Appends the sub-option to those of a Flow Identification option. Without padding: a reader finds a sub-option by the
    /// length of the one before. Nothing is appended, and nothing returned, where the reader would call it malformed.
    #[must_use]
    pub fn write(&self, sub_options: &mut Vec<u8>) -> Option<()> {
        let (kind, format, data) = match self {
            Self::BindingReference(bids) => (
                flow_sub_option::BINDING_REFERENCE,
                None,
                bids.0.as_flattened(),
            ),
            Self::TrafficSelector { format: 0, .. } => return None,
            Self::TrafficSelector { format, selector } => (
                flow_sub_option::TRAFFIC_SELECTOR,
                Some([*format, 0]),
                *selector,
            ),
            Self::Unknown { kind, data } => (*kind, None, *data),
        };
        if matches!(kind, flow_sub_option::PAD1 | flow_sub_option::PADN) {
            return None;
        }
        let len = u8::try_from(format.map_or(0, |head| head.len()) + data.len()).ok()?;
        sub_options.extend([kind, len]);
        sub_options.extend(format.into_iter().flatten());
        sub_options.extend(data);
        Some(())
    }
}

/// The binding identifiers of a Binding Reference, at least one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bids<'a>(&'a [[u8; 2]]);

impl<'a> Bids<'a> {
    /// Identifiers in network byte order; nothing if there are none, or more than a sub-option holds.
    #[must_use]
    pub fn new(bids: &'a [[u8; 2]]) -> Option<Self> {
        (1..=127).contains(&bids.len()).then_some(Self(bids))
    }

    /// The identifiers in their order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + 'a {
        self.0.iter().map(|bid| u16::from_be_bytes(*bid))
    }
}

impl fmt::Debug for Bids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator over the sub-options of a Flow Identification option, padding left out. It ends with an error where one
/// reaches beyond the option: what stands behind cannot be found.
#[derive(Clone, Debug)]
pub struct FlowSubOptions<'a> {
    rest: &'a [u8],
}

impl<'a> FlowSubOptions<'a> {
    /// Of the option's `sub_options`.
    #[must_use]
    pub const fn new(sub_options: &'a [u8]) -> Self {
        Self { rest: sub_options }
    }
}

impl<'a> Iterator for FlowSubOptions<'a> {
    type Item = Result<FlowSubOption<'a>, OptionErrorReason>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let kind = u8_at(self.rest, 0)?;
            if kind == flow_sub_option::PAD1 {
                self.rest = self.rest.get(1..)?;
                continue;
            }
            let len = u8_at(self.rest, 1).map(usize::from);
            let split = len.and_then(|len| self.rest.get(2..)?.split_at_checked(len));
            let Some((data, rest)) = split else {
                self.rest = &[];
                return Some(Err(OptionErrorReason::Length));
            };
            self.rest = rest;
            // RFC 6089 §4.2.1.2 counts type and length into PadN's length, against its own §4.2.1; the general rule
            // is the one that finds the next sub-option in both of the RFC's other options.
            if kind != flow_sub_option::PADN {
                return Some(decode(kind, data));
            }
        }
    }
}

fn decode(kind: u8, data: &[u8]) -> Result<FlowSubOption<'_>, OptionErrorReason> {
    match (kind, data) {
        (flow_sub_option::BINDING_REFERENCE, _) => {
            let (bids, odd) = data.as_chunks::<2>();
            if bids.is_empty() || !odd.is_empty() {
                return Err(OptionErrorReason::Length);
            }
            Ok(FlowSubOption::BindingReference(Bids(bids)))
        }
        // RFC 6089 §4.2.1.4, TS Format: "Value "0" is reserved and MUST NOT be used."
        (flow_sub_option::TRAFFIC_SELECTOR, [0, _, ..]) => Err(OptionErrorReason::Value),
        (flow_sub_option::TRAFFIC_SELECTOR, [format, _reserved, selector @ ..]) => {
            Ok(FlowSubOption::TrafficSelector {
                format: *format,
                selector,
            })
        }
        (flow_sub_option::TRAFFIC_SELECTOR, _) => Err(OptionErrorReason::Length),
        _ => Ok(FlowSubOption::Unknown { kind, data }),
    }
}
