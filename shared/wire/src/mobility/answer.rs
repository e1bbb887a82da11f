//! What a message that cannot be taken is answered with (RFC 6275 §9.2).

use super::header::MhError;
use super::message::{Message, MessageError};
use super::options::OptionError;
use crate::codepoints::{
    Status, binding_error_status, flow_status, icmpv6, mobility_option, status,
};

/// An answer to a Mobility Header, where there is one. Both kinds go to the packet's source if that is unicast, and are
/// subject to rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An ICMPv6 Parameter Problem.
    ParameterProblem {
        /// Its code.
        code: u8,
        /// Offset of the offending field from the Mobility Header's first octet: add the header's own offset in the packet.
        pointer: u32,
    },
    /// A Binding Error, with the home address of the packet's Home Address option or `::`.
    BindingError {
        /// See [`binding_error_status`].
        status: u8,
    },
}

impl Answer {
    /// RFC 6275 §9.2: "the node MUST discard the message and SHOULD send ICMP Parameter Problem, Code 0, directly to the
    /// Source Address of the packet".
    const fn erroneous_field(pointer: u32) -> Self {
        Self::ParameterProblem {
            code: icmpv6::ERRONEOUS_FIELD,
            pointer,
        }
    }
}

impl MhError {
    /// The answer; none to what is only cut short.
    #[must_use]
    pub const fn answer(&self) -> Option<Answer> {
        match self {
            Self::TooShort | Self::Truncated => None,
            Self::PayloadProto { pointer } | Self::HeaderLen { pointer } => {
                Some(Answer::erroneous_field(*pointer))
            }
        }
    }
}

impl MessageError {
    /// The answer; none to what DMIPv6 or the chain of options is about.
    #[must_use]
    pub const fn answer(&self) -> Option<Answer> {
        match self {
            Self::DmipVersion(_) | Self::DmipType(_) | Self::OptionChain { .. } => None,
            Self::PayloadProto { pointer } | Self::HeaderLen { pointer } => {
                Some(Answer::erroneous_field(*pointer))
            }
        }
    }
}

impl Message<'_> {
    /// The answer to a message of a type that is not known. RFC 6275 §9.2: "the node MUST discard the message and issue a
    /// Binding Error message as described in Section 9.3.3, with the Status field set to 2 (unrecognized MH Type value)."
    #[must_use]
    pub const fn answer(&self) -> Option<Answer> {
        match self {
            Self::Other { .. } => Some(Answer::BindingError {
                status: binding_error_status::UNRECOGNIZED_MH_TYPE,
            }),
            _ => None,
        }
    }
}

impl OptionError {
    /// The status of a Binding Acknowledgement that refuses an authentic update for this option. None for flow options: what
    /// is wrong with a flow is said in its own option, and the binding stands ([`Self::flow_status`]).
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        Some(Status(match self.kind {
            mobility_option::FLOW_IDENTIFICATION | mobility_option::FLOW_SUMMARY => return None,
            _ if self.subtype.is_some() => status::MALFORMED,
            // RFC 5648 §6.2: "If the length is incorrect, the receiver MUST reject the Binding Update and return the status
            // value set to [MCOA MALFORMED]."
            mobility_option::BINDING_IDENTIFIER => status::MCOA_MALFORMED,
            mobility_option::MOBILE_NETWORK_PREFIX => status::INVALID_PREFIX,
            mobility_option::SERVICE_SELECTION => status::SERVICE_AUTHORIZATION_FAILED,
            _ => status::UNSPECIFIED,
        }))
    }

    /// The status of the Flow Identification option that answers one of flow options.
    #[must_use]
    pub const fn flow_status(&self) -> Option<u8> {
        match self.kind {
            mobility_option::FLOW_IDENTIFICATION | mobility_option::FLOW_SUMMARY => {
                Some(flow_status::MALFORMED)
            }
            _ => None,
        }
    }
}
