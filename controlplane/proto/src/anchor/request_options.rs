//! The options of a DMIP request, sorted by what they say.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{CodePoints, DmipType, dmip_option, mobility_option};
use dhp_wire::mobility::{Lifetime, MobilityOption, Mode, OptionError, Options};
use ipnet::Ipv6Net;

use super::directory::correspondent_prefix;
use super::flow_bindings::FlowOption;
use super::identifiers::IdentifierOption;

/// A DHoA option of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DhoaOption {
    pub(crate) fid: u16,
    pub(crate) address: Ipv6Addr,
    pub(crate) lifetime: Lifetime,
}

/// A Flow Requirements option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Requirements {
    pub(crate) min_bandwidth_kbps: u32,
    pub(crate) max_latency_ms: u16,
    pub(crate) max_loss_permille: u16,
}

/// What a request says in options that its row of DMIPv6 profile 1, section 4.1, lists. "Unknown options, and known
/// ones that a message's row does not list, are skipped."
#[derive(Debug, Default)]
pub(crate) struct RequestOptions<'a> {
    pub(crate) mn_id: Option<(u8, &'a [u8])>,
    pub(crate) alternate_care_of: Option<Ipv6Addr>,
    pub(crate) mesg_id: Option<u64>,
    pub(crate) correspondent: Option<Ipv6Net>,
    pub(crate) requirements: Option<Requirements>,
    pub(crate) cookie: Option<&'a [u8]>,
    pub(crate) dhoas: Vec<DhoaOption>,
    pub(crate) flows: Vec<FlowOption>,
    pub(crate) modes: Vec<(u16, Mode)>,
    pub(crate) identifiers: Vec<IdentifierOption>,
    /// "An option that may stand once and stands twice, or has a length (0 too) or value outside §4.2, is
    /// malformed."
    pub(crate) malformed: bool,
}

impl<'a> RequestOptions<'a> {
    pub(crate) fn read(kind: DmipType, options: &Options<'a>, code_points: &CodePoints) -> Self {
        let mut read = Self::default();
        for option in options {
            match option {
                Ok(option) => read.take(kind, option),
                Err(error) => read.malformed |= is_listed(kind, &error, code_points),
            }
        }
        read
    }

    fn take(&mut self, kind: DmipType, option: MobilityOption<'a>) {
        let query = kind == DmipType::DhpQuery;
        let request = kind == DmipType::DhoaRequest;
        let update = kind == DmipType::BindingUpdate;
        let repeated = match option {
            MobilityOption::MnId {
                subtype,
                identifier,
            } => set(&mut self.mn_id, (subtype, identifier)),
            MobilityOption::Cookie(cookie) => set(&mut self.cookie, cookie),
            MobilityOption::AlternateCareOf(address) if !query => {
                set(&mut self.alternate_care_of, address)
            }
            MobilityOption::MesgId(timestamp) if !query => set(&mut self.mesg_id, timestamp),
            MobilityOption::Correspondent {
                prefix_len,
                address,
            } if !update => correspondent_prefix(prefix_len, address)
                .is_none_or(|prefix| set(&mut self.correspondent, prefix)),
            MobilityOption::FlowRequirements {
                min_bandwidth_kbps,
                max_latency_ms,
                max_loss_permille,
                ..
            } if !update => {
                let requirements = Requirements {
                    min_bandwidth_kbps,
                    max_latency_ms,
                    max_loss_permille,
                };
                set(&mut self.requirements, requirements)
            }
            MobilityOption::Dhoa {
                fid,
                address,
                lifetime,
                ..
            } if !query => {
                let known = |dhoa: &DhoaOption| dhoa.fid == fid && dhoa.address == address;
                let repeated = self.dhoas.iter().any(known) || (request && !self.dhoas.is_empty());
                self.dhoas.push(DhoaOption {
                    fid,
                    address,
                    lifetime,
                });
                repeated
            }
            MobilityOption::FlowIdentification {
                fid,
                priority,
                sub_options,
                ..
            } if !query => {
                let repeated = self.flows.iter().any(|flow| flow.fid == fid)
                    || (request && !self.flows.is_empty());
                self.flows.push(FlowOption {
                    fid,
                    priority,
                    sub_options: sub_options.into(),
                });
                repeated
            }
            MobilityOption::CommunicationMode { mode, fid } if update => {
                let repeated = self.modes.iter().any(|(known, _)| *known == fid);
                self.modes.push((fid, mode));
                repeated
            }
            MobilityOption::BindingIdentifier {
                bid,
                home_flag,
                priority,
                care_of,
                ..
            } if update => {
                let repeated = self.identifiers.iter().any(|known| known.bid == bid);
                self.identifiers.push(IdentifierOption {
                    bid,
                    home_flag,
                    priority,
                    care_of,
                });
                repeated
            }
            _ => false,
        };
        self.malformed |= repeated;
    }
}

/// Puts the first of its kind into place; `true` if there was one before.
fn set<T>(place: &mut Option<T>, value: T) -> bool {
    if place.is_some() {
        return true;
    }
    *place = Some(value);
    false
}

/// Whether the message's row lists the option that could not be read.
fn is_listed(kind: DmipType, error: &OptionError, code_points: &CodePoints) -> bool {
    let query = kind == DmipType::DhpQuery;
    let update = kind == DmipType::BindingUpdate;
    if error.kind == code_points.option {
        return match error.subtype {
            None | Some(dmip_option::COOKIE) => true,
            Some(dmip_option::CORRESPONDENT | dmip_option::FLOW_REQUIREMENTS) => !update,
            Some(dmip_option::DHOA) => !query,
            Some(dmip_option::COMMUNICATION_MODE) => update,
            Some(_) => false,
        };
    }
    match error.kind {
        mobility_option::MN_ID | mobility_option::AUTH => true,
        mobility_option::ALTERNATE_CARE_OF
        | mobility_option::MESG_ID
        | mobility_option::FLOW_IDENTIFICATION => !query,
        mobility_option::BINDING_IDENTIFIER => update,
        _ => false,
    }
}
