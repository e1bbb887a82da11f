//! Mobility options, typed.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::fields::{Lifetime, Mode, SessionType};
use super::options::{OptionError, OptionErrorReason, RawOption};
use crate::codepoints::{Status, dmip_option, mobility_option};
use crate::field::{address_at, octets, u8_at, u16_at, u32_at};

/// The message authentication option (RFC 4285 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthOption<'a> {
    /// 1 is MN-HA, see [`crate::codepoints::auth_subtype`].
    pub subtype: u8,
    /// Which security association.
    pub spi: u32,
    /// Authentication Data.
    pub data: &'a [u8],
    /// Octets of the Mobility Header that the MAC covers: from the first through the SPI. Give it to
    /// [`super::MobilityHeader::mac_input`]. Not used to write the option.
    pub mac_input_len: usize,
    /// The header ends with this option's last octet, as DMIPv6 profile 1 demands. Not used to write the option.
    pub ends_header: bool,
    /// At most padding stands behind, which RFC 4285 §5 permits. Not used to write the option.
    pub is_last: bool,
}

/// A mobility option. Addresses, lengths and enumerated values have been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MobilityOption<'a> {
    /// Refresh Interval (RFC 6275 §6.2.4).
    BindingRefreshAdvice(Lifetime),
    /// Alternate Care-of Address (RFC 6275 §6.2.5).
    AlternateCareOf(Ipv6Addr),
    /// Nonce Indices (RFC 6275 §6.2.6).
    NonceIndices {
        /// Home Nonce Index.
        home: u16,
        /// Care-of Nonce Index.
        care_of: u16,
    },
    /// Binding Authorization Data (RFC 6275 §6.2.7).
    BindingAuthorizationData {
        /// The authenticator.
        authenticator: &'a [u8],
        /// Octets of the Mobility Header that it covers: up to itself. Not used to write the option.
        mac_input_len: usize,
    },
    /// Mobile Node Identifier (RFC 4283 §3).
    MnId {
        /// 1 is a network access identifier.
        subtype: u8,
        /// At least one octet.
        identifier: &'a [u8],
    },
    /// Message authentication (RFC 4285 §5).
    Auth(AuthOption<'a>),
    /// Replay protection: a 64-bit NTP timestamp (RFC 4285 §6).
    MesgId(u64),
    /// Binding Identifier (RFC 5648 §4.1, RFC 6089 §4.1).
    BindingIdentifier {
        /// BID, not 0.
        bid: u16,
        /// What became of it.
        status: Status,
        /// `H`: simultaneous home and foreign binding.
        home_flag: bool,
        /// BID-PRI, 7 bits; 0 where RFC 6089 is not in use.
        priority: u8,
        /// The care-of address, of either family; without one, that of the packet.
        care_of: Option<IpAddr>,
    },
    /// Flow Summary (RFC 6089 §4.2.2).
    FlowSummary(FlowIds<'a>),
    /// Flow Identification (RFC 6089 §4.2).
    FlowIdentification {
        /// FID, not 0.
        fid: u16,
        /// FID-PRI; the lower goes first.
        priority: u16,
        /// See [`crate::codepoints::flow_status`].
        status: u8,
        /// Sub-options, for [`super::FlowSubOptions`].
        sub_options: &'a [u8],
    },
    /// DMIPv6: the correspondent whose DHPs are asked for.
    Correspondent {
        /// At most 128, which means this host.
        prefix_len: u8,
        /// Address or prefix; host bits mean nothing.
        address: Ipv6Addr,
    },
    /// DMIPv6: a DHP and what it covers.
    DhpInformation {
        /// Higher is better.
        preference: u8,
        /// 0 idle … 255 full.
        load: u8,
        /// Coverage prefix length, at most 128.
        prefix_len: u8,
        /// The DHP's address.
        address: Ipv6Addr,
        /// Coverage prefix.
        prefix: Ipv6Addr,
        /// Round-trip time from the DHP to the correspondent, 0 if unknown.
        path_rtt_us: u32,
    },
    /// DMIPv6: a distributed home address.
    Dhoa {
        /// What became of it; 0 in requests.
        status: Status,
        /// The flow it is for, 0 for all.
        fid: u16,
        /// The address, `::` for any.
        address: Ipv6Addr,
        /// Asked for or granted.
        lifetime: Lifetime,
    },
    /// DMIPv6: what a flow needs. 0 is no requirement.
    FlowRequirements {
        /// Kind of session continuity.
        session: SessionType,
        /// Differentiated services code point, 6 bits.
        dscp: u8,
        /// Bandwidth in kbit/s.
        min_bandwidth_kbps: u32,
        /// Latency in ms.
        max_latency_ms: u16,
        /// Loss in tenths of a percent.
        max_loss_permille: u16,
    },
    /// DMIPv6: how a flow's packets go.
    CommunicationMode {
        /// The mode.
        mode: Mode,
        /// The flow, 0 for all.
        fid: u16,
    },
    /// DMIPv6: opaque, 8 to 32 octets, to be echoed.
    Cookie(&'a [u8]),
    /// An option that is not known here: "MUST quietly ignore" (RFC 6275 §6.2.1).
    Unknown {
        /// Option type.
        kind: u8,
        /// Option data.
        data: &'a [u8],
    },
}

/// The flow identifiers of a Flow Summary option, at least one, none 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlowIds<'a>(&'a [[u8; 2]]);

impl<'a> FlowIds<'a> {
    /// Identifiers in network byte order; nothing if the list is empty, longer than an option holds or has a 0.
    #[must_use]
    pub fn new(fids: &'a [[u8; 2]]) -> Option<Self> {
        let sound = (1..=127).contains(&fids.len()) && !fids.contains(&[0, 0]);
        sound.then_some(Self(fids))
    }

    /// The identifiers in their order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + 'a {
        self.0.iter().map(|fid| u16::from_be_bytes(*fid))
    }

    pub(super) fn octets(&self) -> &'a [u8] {
        self.0.as_flattened()
    }
}

impl core::fmt::Debug for FlowIds<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

use OptionErrorReason::{Length, Value};

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
            // "...Mobility Data... up to the Authenticator": this option's type and length are covered.
            Ok(MobilityOption::BindingAuthorizationData {
                authenticator: data,
                mac_input_len: raw.offset + 2,
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
            // RFC 6089 §4.2: FID "MUST NOT be zero".
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
        mobility_option::BINDING_AUTHORIZATION_DATA => Err(Length),
        kind => Ok(MobilityOption::Unknown { kind, data }),
    }
}

/// RFC 5648 §4.1: the length "MUST be set to either 4, 8, or 20", without a care-of address, with an IPv4 or an
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
    // RFC 5648 §4.1: "zero is reserved and SHOULD NOT be used" as an identifier.
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
