//! Messages, by MH Type.

use core::fmt;
use core::net::Ipv6Addr;

use super::fields::{BuFlags, Lifetime};
use super::header::{self, MobilityHeader};
use super::options::Options;
use crate::codepoints::{CodePoints, DmipType, Status, mh_type, next_header};
use crate::field::{address_at, octets, u8_at, u16_at};

/// Version of DMIPv6 profile 1, in the high four bits of its octet.
pub(super) const DMIP_VERSION: u8 = 1;
/// Octets of a DMIPv6 message before its options.
const DMIP_FIXED_LEN: usize = 16;

/// Why a Mobility Header has no message to give. Pointers are offsets from its first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// As [`super::MhError::PayloadProto`], of a DMIPv6 message.
    PayloadProto {
        /// Offset of the Payload Proto field.
        pointer: u32,
    },
    /// As [`super::MhError::HeaderLen`], of a DMIPv6 message (whose minimum is 1).
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
            Self::HeaderLen { .. } => f.write_str("Header Len too small for a DMIPv6 message"),
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
    },
    /// DMIPv6 profile 1.
    Dmip(Dmip<'a>),
    /// A type that is not known here: RFC 6275 §9.2 answers it with Binding Error status 2.
    Other {
        /// The MH Type field.
        mh_type: u8,
    },
}

impl<'a> MobilityHeader<'a> {
    /// Reads the message.
    ///
    /// # Errors
    /// [`MessageError`]. An option that is malformed in itself is none: [`Options::iter`] tells.
    pub fn message(&self, code_points: &CodePoints) -> Result<Message<'a>, MessageError> {
        let too_short = MessageError::HeaderLen {
            pointer: header::HEADER_LEN as u32,
        };
        match self.mh_type() {
            mh_type::BINDING_REFRESH_REQUEST => Ok(Message::BindingRefreshRequest {
                options: self.options_at(8, code_points)?,
            }),
            kind @ (mh_type::HOME_TEST_INIT | mh_type::CARE_OF_TEST_INIT) => {
                let options = self.options_at(16, code_points)?;
                let cookie = octets(self.bytes(), 8).ok_or(too_short)?;
                Ok(match kind {
                    mh_type::HOME_TEST_INIT => Message::HomeTestInit { cookie, options },
                    _ => Message::CareOfTestInit { cookie, options },
                })
            }
            kind @ (mh_type::HOME_TEST | mh_type::CARE_OF_TEST) => {
                let options = self.options_at(24, code_points)?;
                let nonce_index = u16_at(self.bytes(), 6).ok_or(too_short)?;
                let cookie = octets(self.bytes(), 8).ok_or(too_short)?;
                let token = octets(self.bytes(), 16).ok_or(too_short)?;
                Ok(match kind {
                    mh_type::HOME_TEST => Message::HomeTest {
                        nonce_index,
                        cookie,
                        token,
                        options,
                    },
                    _ => Message::CareOfTest {
                        nonce_index,
                        cookie,
                        token,
                        options,
                    },
                })
            }
            mh_type::BINDING_UPDATE => Ok(Message::BindingUpdate(BindingUpdate {
                sequence: u16_at(self.bytes(), 6).ok_or(too_short)?,
                flags: BuFlags::from_wire(u16_at(self.bytes(), 8).ok_or(too_short)?),
                lifetime: Lifetime(u16_at(self.bytes(), 10).ok_or(too_short)?),
                options: self.options_at(12, code_points)?,
            })),
            mh_type::BINDING_ACKNOWLEDGEMENT => {
                Ok(Message::BindingAcknowledgement(BindingAcknowledgement {
                    status: Status(u8_at(self.bytes(), 6).ok_or(too_short)?),
                    flags: u8_at(self.bytes(), 7).ok_or(too_short)?,
                    sequence: u16_at(self.bytes(), 8).ok_or(too_short)?,
                    lifetime: Lifetime(u16_at(self.bytes(), 10).ok_or(too_short)?),
                    options: self.options_at(12, code_points)?,
                }))
            }
            mh_type::BINDING_ERROR => {
                self.options_at(24, code_points)?;
                Ok(Message::BindingError {
                    status: u8_at(self.bytes(), 6).ok_or(too_short)?,
                    home_address: address_at(self.bytes(), 8).ok_or(too_short)?,
                })
            }
            dmip if dmip == code_points.mh_type => self.dmip(code_points).map(Message::Dmip),
            mh_type => Ok(Message::Other { mh_type }),
        }
    }

    fn dmip(&self, code_points: &CodePoints) -> Result<Dmip<'a>, MessageError> {
        let bytes = self.bytes();
        if u8_at(bytes, header::PAYLOAD_PROTO) != Some(next_header::NO_NEXT) {
            return Err(MessageError::PayloadProto {
                pointer: header::PAYLOAD_PROTO as u32,
            });
        }
        let fixed = octets::<DMIP_FIXED_LEN>(bytes, 0);
        let [
            _,
            _,
            _,
            _,
            _,
            _,
            kind,
            version,
            s0,
            s1,
            l0,
            l1,
            f0,
            f1,
            status,
            _reserved,
        ] = fixed.ok_or(MessageError::HeaderLen {
            pointer: header::HEADER_LEN as u32,
        })?;
        if version >> 4 != DMIP_VERSION {
            return Err(MessageError::DmipVersion(version >> 4));
        }
        let header = DmipHeader {
            kind: DmipType::from_u8(kind).ok_or(MessageError::DmipType(kind))?,
            sequence: u16::from_be_bytes([s0, s1]),
            lifetime: Lifetime(u16::from_be_bytes([l0, l1])),
            flags: u16::from_be_bytes([f0, f1]),
            status: Status(status),
        };
        Ok(Dmip {
            header,
            options: self.options_at(DMIP_FIXED_LEN, code_points)?,
        })
    }

    fn options_at(
        &self,
        start: usize,
        code_points: &CodePoints,
    ) -> Result<Options<'a>, MessageError> {
        Options::new(self.bytes(), start, code_points.option)
            .map_err(|offset| MessageError::OptionChain { offset })
    }
}
