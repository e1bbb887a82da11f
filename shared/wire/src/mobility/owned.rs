//! Messages and options that outlive the packet they came in.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::builder::Builder;
use super::fields::{BuFlags, Lifetime};
use super::heartbeat::HeartbeatHeader;
use super::message::{DmipHeader, Message};
use super::option::MobilityOption;
use super::options::{OptionError, RawOption};
use super::revocation::RevocationHeader;
use crate::codepoints::{CodePoints, Status};

/// An option that owns its octets. Where it stood in its header is not kept: of an authenticator, the octets remain, and not
/// what they cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedOption {
    /// Type, length and data.
    octets: Box<[u8]>,
    dmip_option: u8,
}

impl OwnedOption {
    /// Keeps an option; nothing if it cannot be written, as [`Builder::option`] has it.
    #[must_use]
    pub fn new(option: &MobilityOption<'_>, code_points: &CodePoints) -> Option<Self> {
        Some(Self {
            octets: option.encode(code_points.option)?.into_boxed_slice(),
            dmip_option: code_points.option,
        })
    }

    /// The option.
    #[must_use]
    pub fn view(&self) -> MobilityOption<'_> {
        let (kind, data) = match &*self.octets {
            [kind, _, data @ ..] => (*kind, data),
            _ => (0, &[][..]),
        };
        let raw = RawOption {
            kind,
            data,
            offset: 0,
            end: self.octets.len(),
        };
        // What was written from an option reads back as one.
        MobilityOption::decode(&raw, self.dmip_option)
            .unwrap_or(MobilityOption::Unknown { kind, data })
    }
}

/// What a message says before its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// RFC 6275 §6.1.2.
    BindingRefreshRequest,
    /// RFC 6275 §6.1.3.
    HomeTestInit {
        /// Home Init Cookie.
        cookie: [u8; 8],
    },
    /// RFC 6275 §6.1.4.
    CareOfTestInit {
        /// Care-of Init Cookie.
        cookie: [u8; 8],
    },
    /// RFC 6275 §6.1.5.
    HomeTest {
        /// Home Nonce Index.
        nonce_index: u16,
        /// Home Init Cookie.
        cookie: [u8; 8],
        /// Home Keygen Token.
        token: [u8; 8],
    },
    /// RFC 6275 §6.1.6.
    CareOfTest {
        /// Care-of Nonce Index.
        nonce_index: u16,
        /// Care-of Init Cookie.
        cookie: [u8; 8],
        /// Care-of Keygen Token.
        token: [u8; 8],
    },
    /// RFC 6275 §6.1.7.
    BindingUpdate {
        /// Sequence #.
        sequence: u16,
        /// Flags.
        flags: BuFlags,
        /// Lifetime asked for.
        lifetime: Lifetime,
    },
    /// RFC 6275 §6.1.8.
    BindingAcknowledgement {
        /// What became of the update.
        status: Status,
        /// Flags, see [`super::ba_flag`].
        flags: u8,
        /// Sequence #.
        sequence: u16,
        /// Lifetime granted.
        lifetime: Lifetime,
    },
    /// RFC 6275 §6.1.9.
    BindingError {
        /// See [`crate::codepoints::binding_error_status`].
        status: u8,
        /// Home address of the Home Address option, or `::`.
        home_address: Ipv6Addr,
    },
    /// RFC 5142 §4.
    HomeAgentSwitch {
        /// Other home agents, best first.
        addresses: Vec<Ipv6Addr>,
    },
    /// RFC 5847 §3.3.
    Heartbeat(HeartbeatHeader),
    /// RFC 5846 §5.
    BindingRevocation(RevocationHeader),
    /// DMIPv6 profile 1.
    Dmip(DmipHeader),
    /// A type that is not known here.
    Other {
        /// The MH Type field.
        mh_type: u8,
        /// Message Data.
        data: Vec<u8>,
    },
}

/// A message that owns all it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedMessage {
    /// What it says before its options.
    pub fixed: Fixed,
    /// Its options in their order, padding left out.
    pub options: Vec<OwnedOption>,
}

impl OwnedMessage {
    /// Keeps a message.
    ///
    /// # Errors
    /// The first option that is malformed.
    pub fn keep(message: &Message<'_>, code_points: &CodePoints) -> Result<Self, OptionError> {
        let mut options = Vec::new();
        for option in message.options().iter().flatten() {
            // What was read can be written.
            options.extend(OwnedOption::new(&option?, code_points));
        }
        Ok(Self {
            fixed: Fixed::from(message),
            options,
        })
    }

    /// The message in the making again; authentication options have the octets that they had.
    pub fn builder(&self, code_points: &CodePoints) -> Builder {
        let start = self.fixed.builder(code_points).numbered(code_points);
        self.options
            .iter()
            .fold(start, |builder, option| builder.option(&option.view()))
    }
}

impl Fixed {
    fn builder(&self, code_points: &CodePoints) -> Builder {
        match self {
            Self::BindingRefreshRequest => Builder::binding_refresh_request(),
            Self::HomeTestInit { cookie } => Builder::home_test_init(*cookie),
            Self::CareOfTestInit { cookie } => Builder::care_of_test_init(*cookie),
            Self::HomeTest {
                nonce_index,
                cookie,
                token,
            } => Builder::home_test(*nonce_index, *cookie, *token),
            Self::CareOfTest {
                nonce_index,
                cookie,
                token,
            } => Builder::care_of_test(*nonce_index, *cookie, *token),
            Self::BindingUpdate {
                sequence,
                flags,
                lifetime,
            } => Builder::binding_update(*sequence, *flags, *lifetime),
            Self::BindingAcknowledgement {
                status,
                flags,
                sequence,
                lifetime,
            } => Builder::binding_acknowledgement(*status, *flags, *sequence, *lifetime),
            Self::BindingError {
                status,
                home_address,
            } => Builder::binding_error(*status, home_address),
            Self::HomeAgentSwitch { addresses } => Builder::home_agent_switch(addresses),
            Self::Heartbeat(header) => Builder::heartbeat(*header),
            Self::BindingRevocation(header) => Builder::binding_revocation(*header),
            Self::Dmip(header) => Builder::dmip(code_points, *header),
            Self::Other { mh_type, data } => Builder::other(*mh_type, data),
        }
    }
}

impl From<&Message<'_>> for Fixed {
    fn from(message: &Message<'_>) -> Self {
        match *message {
            Message::BindingRefreshRequest { .. } => Self::BindingRefreshRequest,
            Message::HomeTestInit { cookie, .. } => Self::HomeTestInit { cookie },
            Message::CareOfTestInit { cookie, .. } => Self::CareOfTestInit { cookie },
            Message::HomeTest {
                nonce_index,
                cookie,
                token,
                ..
            } => Self::HomeTest {
                nonce_index,
                cookie,
                token,
            },
            Message::CareOfTest {
                nonce_index,
                cookie,
                token,
                ..
            } => Self::CareOfTest {
                nonce_index,
                cookie,
                token,
            },
            Message::BindingUpdate(update) => Self::BindingUpdate {
                sequence: update.sequence,
                flags: update.flags,
                lifetime: update.lifetime,
            },
            Message::BindingAcknowledgement(ack) => Self::BindingAcknowledgement {
                status: ack.status,
                flags: ack.flags,
                sequence: ack.sequence,
                lifetime: ack.lifetime,
            },
            Message::BindingError {
                status,
                home_address,
                ..
            } => Self::BindingError {
                status,
                home_address,
            },
            Message::HomeAgentSwitch(switch) => Self::HomeAgentSwitch {
                addresses: switch.addresses.iter().collect(),
            },
            Message::Heartbeat { header, .. } => Self::Heartbeat(header),
            Message::BindingRevocation { header, .. } => Self::BindingRevocation(header),
            Message::Dmip(dmip) => Self::Dmip(dmip.header),
            Message::Other { mh_type, data } => Self::Other {
                mh_type,
                data: data.to_vec(),
            },
        }
    }
}
