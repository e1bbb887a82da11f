//! Mobility options to octets.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::option::MobilityOption;
use crate::codepoints::{dmip_option, mobility_option};

/// Where an option's type may stand: at `modulus * n + remainder` from the Mobility Header's first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alignment {
    pub modulus: usize,
    pub remainder: usize,
}

impl Alignment {
    const NONE: Self = Self::new(1, 0);

    const fn new(modulus: usize, remainder: usize) -> Self {
        Self { modulus, remainder }
    }

    /// Octets of padding between `at` and the next place.
    pub(super) const fn padding(self, at: usize) -> usize {
        (self.modulus + self.remainder - at % self.modulus) % self.modulus
    }
}

impl MobilityOption<'_> {
    /// The alignment that the option's RFC, or the DMIPv6 profile, requires.
    pub(super) const fn alignment(&self) -> Alignment {
        match self {
            // RFC 6275 §6.2.4, §6.2.6; RFC 6089 §4.2, §4.2.2: "2n".
            Self::BindingRefreshAdvice(_) | Self::NonceIndices { .. } => Alignment::new(2, 0),
            Self::FlowIdentification { .. } | Self::FlowSummary(_) => Alignment::new(2, 0),
            // RFC 6275 §6.2.5: "8n+6".
            Self::AlternateCareOf(_) => Alignment::new(8, 6),
            // RFC 6275 §6.2.7: "8n+2".
            Self::BindingAuthorizationData { .. } => Alignment::new(8, 2),
            // RFC 3963 §4.3: "8n+4".
            Self::MobileNetworkPrefix { .. } => Alignment::new(8, 4),
            // RFC 5094 §3, RFC 5847 §3.4: "4n+2".
            Self::VendorSpecific { .. } | Self::RestartCounter(_) => Alignment::new(4, 2),
            // RFC 4285 §5: "4n + 1"; §6: "8n + 2".
            Self::Auth(_) => Alignment::new(4, 1),
            Self::MesgId(_) => Alignment::new(8, 2),
            // RFC 5648 §4.3: "2n if the Care-of Address field is not present. Otherwise, ... 8n + 2."
            Self::BindingIdentifier { care_of: None, .. } => Alignment::new(2, 0),
            Self::BindingIdentifier {
                care_of: Some(_), ..
            } => Alignment::new(8, 2),
            Self::Correspondent { .. } | Self::DhpInformation { .. } | Self::Dhoa { .. } => {
                Alignment::new(8, 2)
            }
            Self::FlowRequirements { .. } => Alignment::new(4, 2),
            // RFC 4283 §3: "This option does not have any alignment requirements."
            Self::MnId { .. } | Self::ServiceSelection(_) => Alignment::NONE,
            Self::CommunicationMode { .. } | Self::Cookie(_) | Self::Unknown { .. } => {
                Alignment::NONE
            }
        }
    }

    /// Type, length and data; nothing if the data is longer than a length octet can say, or the option is one that
    /// the reader would call malformed.
    pub(super) fn encode(&self, dmip_option: u8) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(48);
        self.encode_behind(&mut out, dmip_option)?;
        Some(out)
    }

    /// The same behind what is there, of which a part may have been written where there is nothing to write.
    pub(super) fn encode_behind(&self, out: &mut Vec<u8>, dmip_option: u8) -> Option<()> {
        out.extend_from_slice(&[self.kind(dmip_option), 0]);
        let data = out.len();
        self.data(out)?;
        let len = u8::try_from(out.len().checked_sub(data)?).ok()?;
        *out.get_mut(data.checked_sub(1)?)? = len;
        Some(())
    }

    const fn kind(&self, dmip_option: u8) -> u8 {
        match self {
            Self::BindingRefreshAdvice(_) => mobility_option::BINDING_REFRESH_ADVICE,
            Self::AlternateCareOf(_) => mobility_option::ALTERNATE_CARE_OF,
            Self::NonceIndices { .. } => mobility_option::NONCE_INDICES,
            Self::BindingAuthorizationData { .. } => mobility_option::BINDING_AUTHORIZATION_DATA,
            Self::MobileNetworkPrefix { .. } => mobility_option::MOBILE_NETWORK_PREFIX,
            Self::VendorSpecific { .. } => mobility_option::VENDOR_SPECIFIC,
            Self::ServiceSelection(_) => mobility_option::SERVICE_SELECTION,
            Self::RestartCounter(_) => mobility_option::RESTART_COUNTER,
            Self::MnId { .. } => mobility_option::MN_ID,
            Self::Auth(_) => mobility_option::AUTH,
            Self::MesgId(_) => mobility_option::MESG_ID,
            Self::BindingIdentifier { .. } => mobility_option::BINDING_IDENTIFIER,
            Self::FlowSummary(_) => mobility_option::FLOW_SUMMARY,
            Self::FlowIdentification { .. } => mobility_option::FLOW_IDENTIFICATION,
            Self::Unknown { kind, .. } => *kind,
            Self::Correspondent { .. }
            | Self::DhpInformation { .. }
            | Self::Dhoa { .. }
            | Self::FlowRequirements { .. }
            | Self::CommunicationMode { .. }
            | Self::Cookie(_) => dmip_option,
        }
    }

    fn data(&self, out: &mut Vec<u8>) -> Option<()> {
        match *self {
            Self::BindingRefreshAdvice(interval) => {
                out.extend_from_slice(&interval.0.to_be_bytes())
            }
            Self::AlternateCareOf(address) => out.extend_from_slice(&address.octets()),
            Self::NonceIndices { home, care_of } => {
                out.extend_from_slice(&home.to_be_bytes());
                out.extend_from_slice(&care_of.to_be_bytes());
            }
            Self::BindingAuthorizationData { authenticator, .. } => {
                out.extend(non_empty(authenticator)?)
            }
            Self::MobileNetworkPrefix {
                prefix_len,
                prefix: network,
            } => {
                out.extend_from_slice(&[0, prefix(prefix_len)?]);
                out.extend_from_slice(&network.octets());
            }
            Self::VendorSpecific {
                vendor,
                sub_type,
                data,
            } => {
                out.extend_from_slice(&vendor.to_be_bytes());
                out.push(sub_type);
                out.extend(data);
            }
            Self::ServiceSelection(service) => out.extend(non_empty(service.as_bytes())?),
            Self::RestartCounter(count) => out.extend_from_slice(&count.to_be_bytes()),
            Self::MnId {
                subtype,
                identifier,
            } => {
                out.push(subtype);
                out.extend(non_empty(identifier)?);
            }
            Self::Auth(auth) => {
                out.push(auth.subtype);
                out.extend_from_slice(&auth.spi.to_be_bytes());
                out.extend(non_empty(auth.data)?);
            }
            Self::MesgId(timestamp) => out.extend_from_slice(&timestamp.to_be_bytes()),
            Self::BindingIdentifier {
                bid,
                status,
                home_flag,
                priority,
                care_of,
            } => {
                out.extend_from_slice(&non_zero(bid)?.to_be_bytes());
                out.extend_from_slice(&[status.0, u8::from(home_flag) << 7 | (priority & 0x7f)]);
                match care_of {
                    Some(IpAddr::V6(address)) => out.extend_from_slice(&address.octets()),
                    Some(IpAddr::V4(address)) => out.extend_from_slice(&address.octets()),
                    None => {}
                }
            }
            Self::FlowSummary(fids) => out.extend(fids.octets()),
            Self::FlowIdentification {
                fid,
                priority,
                status,
                sub_options,
            } => {
                out.extend_from_slice(&non_zero(fid)?.to_be_bytes());
                out.extend_from_slice(&priority.to_be_bytes());
                out.extend_from_slice(&[0, status]);
                out.extend(sub_options);
            }
            Self::Unknown { kind, data } => {
                if matches!(kind, mobility_option::PAD1 | mobility_option::PADN) {
                    return None;
                }
                out.extend(data);
            }
            _ => self.dmip_data(out)?,
        }
        Some(())
    }

    /// The options of DMIPv6 profile 1, from their subtype on.
    fn dmip_data(&self, out: &mut Vec<u8>) -> Option<()> {
        match *self {
            Self::Correspondent {
                prefix_len,
                address,
            } => {
                out.extend_from_slice(&[dmip_option::CORRESPONDENT, prefix(prefix_len)?, 0, 0]);
                out.extend_from_slice(&address.octets());
            }
            Self::DhpInformation {
                preference,
                load,
                prefix_len,
                address,
                prefix: covered,
                path_rtt_us,
            } => {
                out.extend_from_slice(&[
                    dmip_option::DHP_INFORMATION,
                    preference,
                    load,
                    prefix(prefix_len)?,
                ]);
                out.extend_from_slice(&address.octets());
                out.extend_from_slice(&covered.octets());
                out.extend_from_slice(&path_rtt_us.to_be_bytes());
            }
            Self::Dhoa {
                status,
                fid,
                address,
                lifetime,
            } => {
                out.extend_from_slice(&[dmip_option::DHOA, status.0]);
                out.extend_from_slice(&fid.to_be_bytes());
                out.extend_from_slice(&address.octets());
                out.extend_from_slice(&lifetime.0.to_be_bytes());
                out.extend_from_slice(&[0, 0]);
            }
            Self::FlowRequirements {
                session,
                dscp,
                min_bandwidth_kbps,
                max_latency_ms,
                max_loss_permille,
            } => {
                out.extend_from_slice(&[
                    dmip_option::FLOW_REQUIREMENTS,
                    session as u8,
                    dscp & 0x3f,
                    0,
                ]);
                out.extend_from_slice(&min_bandwidth_kbps.to_be_bytes());
                out.extend_from_slice(&max_latency_ms.to_be_bytes());
                out.extend_from_slice(&max_loss_permille.to_be_bytes());
            }
            Self::CommunicationMode { mode, fid } => {
                out.extend_from_slice(&[dmip_option::COMMUNICATION_MODE, mode as u8]);
                out.extend_from_slice(&fid.to_be_bytes());
            }
            Self::Cookie(cookie) => {
                if !(8..=32).contains(&cookie.len()) {
                    return None;
                }
                out.push(dmip_option::COOKIE);
                out.extend(cookie);
            }
            _ => return None,
        }
        Some(())
    }
}

fn non_empty(data: &[u8]) -> Option<&[u8]> {
    (!data.is_empty()).then_some(data)
}

fn non_zero(identifier: u16) -> Option<u16> {
    (identifier != 0).then_some(identifier)
}

fn prefix(len: u8) -> Option<u8> {
    (len <= 128).then_some(len)
}
