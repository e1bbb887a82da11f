//! Messages, by MH Type, and why a header has none.

use core::fmt;
use core::net::Ipv6Addr;

use super::fields::{BuFlags, Lifetime};
use super::heartbeat::HeartbeatHeader;
use super::home_agent_switch::HomeAgentSwitch;
use super::options::Options;
use super::revocation::RevocationHeader;
use crate::codepoints::{DmipType, Status};

/// Why a Mobility Header has no message to give. Pointers are offsets from its first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// As [`super::MhError::PayloadProto`], of a DMIPv6 message.
    PayloadProto {
        /// Offset of the Payload Proto field.
        pointer: u32,
    },
    /// As [`super::MhError::HeaderLen`], of a DMIPv6 message (whose minimum is 1), or of a Home Agent Switch with more
    /// addresses than it has room for.
    HeaderLen {
        /// Offset of the Header Len field.
        pointer: u32,
    },
    /// A DMIPv6 version that is not 1: discard and count.
    DmipVersion(u8),
    /// A DMIP Type that is not known: discard and count.
    DmipType(u8),
    /// An option reaches beyond the header, so that nothing behind it can be found: discard and count.
    OptionChain {
        /// Offset of that option's type.
        offset: usize,
    },
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PayloadProto { .. } => f.write_str("Payload Proto of a DMIPv6 message is not 59"),
            Self::HeaderLen { .. } => f.write_str("Header Len too small for the message"),
            Self::DmipVersion(version) => write!(f, "DMIPv6 version {version}"),
            Self::DmipType(kind) => write!(f, "DMIP Type {kind}"),
            Self::OptionChain { offset } => {
                write!(f, "option at octet {offset} reaches beyond the header")
            }
        }
    }
}

impl core::error::Error for MessageError {}

/// A Binding Update (RFC 6275 §6.1.7).
#[derive(Clone, Copy, Debug)]
pub struct BindingUpdate<'a> {
    /// Sequence #.
    pub sequence: u16,
    /// Flags, reserved bits cleared.
    pub flags: BuFlags,
    /// Lifetime asked for; 0 deletes the binding.
    pub lifetime: Lifetime,
    /// Mobility options.
    pub options: Options<'a>,
}

/// A Binding Acknowledgement (RFC 6275 §6.1.8).
#[derive(Clone, Copy, Debug)]
pub struct BindingAcknowledgement<'a> {
    /// What became of the update.
    pub status: Status,
    /// Flags, see [`super::ba_flag`].
    pub flags: u8,
    /// Sequence # of the update, or the last accepted one with status 135.
    pub sequence: u16,
    /// Lifetime granted.
    pub lifetime: Lifetime,
    /// Mobility options.
    pub options: Options<'a>,
}

/// The fixed part of a DMIPv6 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmipHeader {
    /// Which message.
    pub kind: DmipType,
    /// Sequence #.
    pub sequence: u16,
    /// Lifetime asked for or granted.
    pub lifetime: Lifetime,
    /// Flags, see [`crate::codepoints::dmip_flag`]; bits without a meaning in this message are to be ignored.
    pub flags: u16,
    /// 0 in requests.
    pub status: Status,
}

/// A DMIPv6 message.
#[derive(Clone, Copy, Debug)]
pub struct Dmip<'a> {
    /// Its fixed part.
    pub header: DmipHeader,
    /// Mobility options.
    pub options: Options<'a>,
}

/// A message, its fixed part read and its option chain walked once.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// RFC 6275 §6.1.2; RFC 5648 §4.3 lets it carry Binding Identifiers.
    BindingRefreshRequest {
        /// Mobility options.
        options: Options<'a>,
    },
    /// RFC 6275 §6.1.3.
    HomeTestInit {
        /// Home Init Cookie.
        cookie: [u8; 8],
        /// Mobility options.
        options: Options<'a>,
    },
    /// RFC 6275 §6.1.4.
    CareOfTestInit {
        /// Care-of Init Cookie.
        cookie: [u8; 8],
        /// Mobility options.
        options: Options<'a>,
    },
    /// RFC 6275 §6.1.5.
    HomeTest {
        /// Home Nonce Index.
        nonce_index: u16,
        /// Home Init Cookie.
        cookie: [u8; 8],
        /// Home Keygen Token.
        token: [u8; 8],
        /// Mobility options.
        options: Options<'a>,
    },
    /// RFC 6275 §6.1.6.
    CareOfTest {
        /// Care-of Nonce Index.
        nonce_index: u16,
        /// Care-of Init Cookie.
        cookie: [u8; 8],
        /// Care-of Keygen Token.
        token: [u8; 8],
        /// Mobility options.
        options: Options<'a>,
    },
    /// RFC 6275 §6.1.7.
    BindingUpdate(BindingUpdate<'a>),
    /// RFC 6275 §6.1.8.
    BindingAcknowledgement(BindingAcknowledgement<'a>),
    /// RFC 6275 §6.1.9.
    BindingError {
        /// See [`crate::codepoints::binding_error_status`].
        status: u8,
        /// Home address of the Home Address option, or `::`.
        home_address: Ipv6Addr,
        /// Mobility options.
        options: Options<'a>,
    },
    /// RFC 5142 §4.
    HomeAgentSwitch(HomeAgentSwitch<'a>),
    /// RFC 5847 §3.3.
    Heartbeat {
        /// Its fixed part.
        header: HeartbeatHeader,
        /// Mobility options: a response has a Restart Counter.
        options: Options<'a>,
    },
    /// RFC 5846 §5.
    BindingRevocation {
        /// Its fixed part.
        header: RevocationHeader,
        /// Mobility options: whose bindings.
        options: Options<'a>,
    },
    /// DMIPv6 profile 1.
    Dmip(Dmip<'a>),
    /// A type that is not known here: RFC 6275 §9.2 answers it with Binding Error status 2. RFC 5096's experimental one
    /// is not known where DMIPv6 has another number.
    Other {
        /// The MH Type field.
        mh_type: u8,
        /// Message Data, from octet 6 to the end of the header.
        data: &'a [u8],
    },
}

impl<'a> Message<'a> {
    /// The mobility options; none of a message that is not known.
    #[must_use]
    pub const fn options(&self) -> Option<Options<'a>> {
        match self {
            Self::BindingUpdate(update) => Some(update.options),
            Self::BindingAcknowledgement(ack) => Some(ack.options),
            Self::HomeAgentSwitch(switch) => Some(switch.options),
            Self::Dmip(dmip) => Some(dmip.options),
            Self::BindingRefreshRequest { options }
            | Self::HomeTestInit { options, .. }
            | Self::CareOfTestInit { options, .. }
            | Self::HomeTest { options, .. }
            | Self::CareOfTest { options, .. }
            | Self::BindingError { options, .. }
            | Self::Heartbeat { options, .. }
            | Self::BindingRevocation { options, .. } => Some(*options),
            Self::Other { .. } => None,
        }
    }
}
