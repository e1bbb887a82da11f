//! The message of a Mobility Header: its fixed part read, its options found.

use super::fields::{BuFlags, Lifetime};
use super::header::{self, MobilityHeader};
use super::heartbeat::{HeartbeatHeader, HeartbeatKind};
use super::home_agent_switch::HomeAgentSwitch;
use super::message::{
    BindingAcknowledgement, BindingUpdate, Dmip, DmipHeader, Message, MessageError,
};
use super::options::Options;
use super::revocation::{RevocationFlags, RevocationHeader, RevocationKind};
use crate::codepoints::{CodePoints, DmipType, Status, mh_type, next_header};
use crate::field::{address_at, octets, u8_at, u16_at, u32_at};

/// Version of DMIPv6 profile 1, in the high four bits of its octet.
pub(super) const DMIP_VERSION: u8 = 1;
/// Octets of a DMIPv6 message before its options.
pub(super) const DMIP_FIXED_LEN: usize = 16;

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
            mh_type::BINDING_ERROR => Ok(Message::BindingError {
                status: u8_at(self.bytes(), 6).ok_or(too_short)?,
                home_address: address_at(self.bytes(), 8).ok_or(too_short)?,
                options: self.options_at(24, code_points)?,
            }),
            mh_type::HOME_AGENT_SWITCH => {
                let count = u8_at(self.bytes(), 6).ok_or(too_short)?;
                let (addresses, end) =
                    HomeAgentSwitch::addresses(self.bytes(), count).ok_or(too_short)?;
                Ok(Message::HomeAgentSwitch(HomeAgentSwitch {
                    addresses,
                    options: self.options_at(end, code_points)?,
                }))
            }
            mh_type::HEARTBEAT => Ok(Message::Heartbeat {
                header: HeartbeatHeader {
                    kind: HeartbeatKind::from_wire(u16_at(self.bytes(), 6).ok_or(too_short)?),
                    sequence: u32_at(self.bytes(), 8).ok_or(too_short)?,
                },
                options: self.options_at(12, code_points)?,
            }),
            mh_type::BINDING_REVOCATION => Ok(Message::BindingRevocation {
                header: RevocationHeader {
                    kind: RevocationKind::from_wire(octets(self.bytes(), 6).ok_or(too_short)?),
                    sequence: u16_at(self.bytes(), 8).ok_or(too_short)?,
                    flags: RevocationFlags::from_wire(u16_at(self.bytes(), 10).ok_or(too_short)?),
                },
                options: self.options_at(12, code_points)?,
            }),
            dmip if dmip == code_points.mh_type => self.dmip(code_points).map(Message::Dmip),
            mh_type => Ok(Message::Other {
                mh_type,
                data: self.bytes().get(header::DATA..).unwrap_or_default(),
            }),
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
