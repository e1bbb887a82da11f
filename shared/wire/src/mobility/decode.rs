//! Octets to typed mobility options.

use core::net::{IpAddr, Ipv4Addr};

use super::fields::{Lifetime, Mode, SessionType};
use super::option::{AuthOption, FlowIds, MobilityOption};
use super::options::{
    OptionError,
    OptionErrorReason::{self, Length, Value},
    RawOption,
};
use crate::codepoints::{Status, dmip_option, mobility_option};
use crate::field::{address_at, octets, u8_at, u16_at, u32_at};

impl<'a> MobilityOption<'a> {
    pub(super) fn decode(raw: &RawOption<'a>, dmip_option: u8) -> Result<Self, OptionError> {
        let decoded = match raw.kind {
            kind if kind == dmip_option => decode_dmip(raw),
            _ => decode_rfc(raw),
        };
        decoded.map_err(|reason| OptionError {
            kind: raw.kind,
            subtype: raw
                .data
                .first()
                .copied()
                .filter(|_| raw.kind == dmip_option),
            offset: raw.offset,
            reason,
        })
    }
}

fn decode_rfc<'a>(raw: &RawOption<'a>) -> Result<MobilityOption<'a>, OptionErrorReason> {
    let data = raw.data;
    let exactly = |len: usize| {
        if data.len() == len {
            Ok(())
        } else {
            Err(Length)
        }
    };
    match raw.kind {
        mobility_option::BINDING_REFRESH_ADVICE => {
            exactly(2)?;
            Ok(MobilityOption::BindingRefreshAdvice(Lifetime(
                u16_at(data, 0).ok_or(Length)?,
            )))
        }
        mobility_option::ALTERNATE_CARE_OF => {
            exactly(16)?;
            Ok(MobilityOption::AlternateCareOf(
                address_at(data, 0).ok_or(Length)?,
            ))
        }
        mobility_option::NONCE_INDICES => {
            exactly(4)?;
            let (home, care_of) = (
                u16_at(data, 0).ok_or(Length)?,
                u16_at(data, 2).ok_or(Length)?,
            );
            Ok(MobilityOption::NonceIndices { home, care_of })
        }
        mobility_option::BINDING_AUTHORIZATION_DATA if !data.is_empty() => {
            // RFC 6275 §6.2.7: "the content of the Mobility Header, excluding the Authenticator field itself". This
            // option is the last one, so that is all up to its data.
            Ok(MobilityOption::BindingAuthorizationData {
                authenticator: data,
                mac_input_len: raw.offset + 2,
                ends_header: false,
            })
        }
        mobility_option::MOBILE_NETWORK_PREFIX => {
            exactly(18)?;
            let prefix_len = u8_at(data, 1).ok_or(Length)?;
            if prefix_len > 128 {
                return Err(Value);
            }
            Ok(MobilityOption::MobileNetworkPrefix {
                prefix_len,
                prefix: address_at(data, 2).ok_or(Length)?,
            })
        }
        mobility_option::MN_ID => match data {
            [subtype, identifier @ ..] if !identifier.is_empty() => Ok(MobilityOption::MnId {
                subtype: *subtype,
                identifier,
            }),
            _ => Err(Length),
        },
        mobility_option::AUTH => match data {
            [subtype, s0, s1, s2, s3, mac @ ..] if !mac.is_empty() => {
                Ok(MobilityOption::Auth(AuthOption {
                    subtype: *subtype,
                    spi: u32::from_be_bytes([*s0, *s1, *s2, *s3]),
                    data: mac,
                    mac_input_len: raw.offset + 7,
                    ends_header: false,
                    is_last: false,
                }))
            }
            _ => Err(Length),
        },
        mobility_option::MESG_ID => {
            exactly(8)?;
            Ok(MobilityOption::MesgId(u64::from_be_bytes(
                octets(data, 0).ok_or(Length)?,
            )))
        }
        mobility_option::VENDOR_SPECIFIC => match data {
            [v0, v1, v2, v3, sub_type, data @ ..] => Ok(MobilityOption::VendorSpecific {
                vendor: u32::from_be_bytes([*v0, *v1, *v2, *v3]),
                sub_type: *sub_type,
                data,
            }),
            _ => Err(Length),
        },
        // RFC 5149 §3: "a variable-length encoded service identifier string", in UTF-8.
        mobility_option::SERVICE_SELECTION if !data.is_empty() => core::str::from_utf8(data)
            .map(MobilityOption::ServiceSelection)
            .map_err(|_| Value),
        mobility_option::RESTART_COUNTER => {
            exactly(4)?;
            Ok(MobilityOption::RestartCounter(
                u32_at(data, 0).ok_or(Length)?,
            ))
        }
        mobility_option::BINDING_IDENTIFIER => decode_binding_identifier(data),
        mobility_option::FLOW_SUMMARY => {
            let (fids, rest) = data.as_chunks::<2>();
            if fids.is_empty() || !rest.is_empty() {
                return Err(Length);
            }
            Ok(MobilityOption::FlowSummary(
                FlowIds::new(fids).ok_or(Value)?,
            ))
        }
        mobility_option::FLOW_IDENTIFICATION => match data {
            // RFC 6089 §4.2: "FID = 0 is reserved and MUST NOT be used."
            [0, 0, _, _, _, _, ..] => Err(Value),
            [f0, f1, p0, p1, _reserved, status, sub_options @ ..] => {
                Ok(MobilityOption::FlowIdentification {
                    fid: u16::from_be_bytes([*f0, *f1]),
                    priority: u16::from_be_bytes([*p0, *p1]),
                    status: *status,
                    sub_options,
                })
            }
            _ => Err(Length),
        },
        mobility_option::BINDING_AUTHORIZATION_DATA | mobility_option::SERVICE_SELECTION => {
            Err(Length)
        }
        kind => Ok(MobilityOption::Unknown { kind, data }),
    }
}

/// RFC 5648 §4.3: the length "MUST be set to either 4, 8, or 20", without a care-of address, with an IPv4 or an
/// IPv6 one.
fn decode_binding_identifier<'a>(data: &'a [u8]) -> Result<MobilityOption<'a>, OptionErrorReason> {
    let care_of = match data.len() {
        4 => None,
        8 => Some(IpAddr::V4(Ipv4Addr::from(
            octets::<4>(data, 4).ok_or(Length)?,
        ))),
        20 => Some(IpAddr::V6(address_at(data, 4).ok_or(Length)?)),
        _ => return Err(Length),
    };
    let bid = u16_at(data, 0).ok_or(Length)?;
    let (status, last) = (u8_at(data, 2).ok_or(Length)?, u8_at(data, 3).ok_or(Length)?);
    // RFC 5648 §4.3: "The value of zero is reserved and SHOULD NOT be used."
    if bid == 0 {
        return Err(Value);
    }
    Ok(MobilityOption::BindingIdentifier {
        bid,
        status: Status(status),
        home_flag: last & 0x80 != 0,
        priority: last & 0x7f,
        care_of,
    })
}

/// The options of DMIPv6 profile 1, whose data begins with a subtype. A length that is not the option's own, or none
/// at all, is malformed.
fn decode_dmip<'a>(raw: &RawOption<'a>) -> Result<MobilityOption<'a>, OptionErrorReason> {
    let data = raw.data;
    let subtype = u8_at(data, 0).ok_or(Length)?;
    let exactly = |len: usize| {
        if data.len() == len {
            Ok(())
        } else {
            Err(Length)
        }
    };
    let byte = |at| u8_at(data, at).ok_or(Length);
    let half = |at| u16_at(data, at).ok_or(Length);
    let word = |at| u32_at(data, at).ok_or(Length);
    let address = |at| address_at(data, at).ok_or(Length);
    let prefix_len = |at| byte(at).and_then(|len| if len <= 128 { Ok(len) } else { Err(Value) });
    // Offsets are the profile's less the two octets of type and length.
    match subtype {
        dmip_option::CORRESPONDENT => {
            exactly(20)?;
            Ok(MobilityOption::Correspondent {
                prefix_len: prefix_len(1)?,
                address: address(4)?,
            })
        }
        dmip_option::DHP_INFORMATION => {
            exactly(40)?;
            Ok(MobilityOption::DhpInformation {
                preference: byte(1)?,
                load: byte(2)?,
                prefix_len: prefix_len(3)?,
                address: address(4)?,
                prefix: address(20)?,
                path_rtt_us: word(36)?,
            })
        }
        dmip_option::DHOA => {
            exactly(24)?;
            Ok(MobilityOption::Dhoa {
                status: Status(byte(1)?),
                fid: half(2)?,
                address: address(4)?,
                lifetime: Lifetime(half(20)?),
            })
        }
        dmip_option::FLOW_REQUIREMENTS => {
            exactly(12)?;
            Ok(MobilityOption::FlowRequirements {
                session: SessionType::from_u8(byte(1)?).ok_or(Value)?,
                dscp: byte(2)? & 0x3f,
                min_bandwidth_kbps: word(4)?,
                max_latency_ms: half(8)?,
                max_loss_permille: half(10)?,
            })
        }
        dmip_option::COMMUNICATION_MODE => {
            exactly(4)?;
            let mode = Mode::from_u8(byte(1)?).ok_or(Value)?;
            Ok(MobilityOption::CommunicationMode {
                mode,
                fid: half(2)?,
            })
        }
        dmip_option::COOKIE => match data {
            [_, cookie @ ..] if (8..=32).contains(&cookie.len()) => {
                Ok(MobilityOption::Cookie(cookie))
            }
            _ => Err(Length),
        },
        _ => Ok(MobilityOption::Unknown {
            kind: raw.kind,
            data,
        }),
    }
}
