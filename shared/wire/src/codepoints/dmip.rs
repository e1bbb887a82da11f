//! The numbers of DMIPv6 profile 1.

use super::{mh_type, mobility_option};

/// The two numbers that stand in IANA registries and can be configured.
///
/// RFC 5096 §1: "An implementation MUST NOT be released or deployed with the experimental messages": the defaults
/// are for laboratories, a deployment configures others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodePoints {
    /// Mobility Header type of all DMIPv6 messages.
    pub mh_type: u8,
    /// Mobility option type that all DMIPv6 options travel in.
    pub option: u8,
}

impl Default for CodePoints {
    fn default() -> Self {
        Self {
            mh_type: mh_type::EXPERIMENTAL,
            option: mobility_option::EXPERIMENTAL,
        }
    }
}

impl CodePoints {
    /// Whether one of the numbers is RFC 5096's.
    #[must_use]
    pub const fn is_experimental(&self) -> bool {
        self.mh_type == mh_type::EXPERIMENTAL || self.option == mobility_option::EXPERIMENTAL
    }

    /// Whether a number is one that this crate reads as something else: a message or an option of the RFCs that
    /// [`mh_type`] and [`mobility_option`] list. Such a table cannot work.
    #[must_use]
    pub const fn collides(&self) -> bool {
        let option_taken = matches!(
            self.option,
            mobility_option::PAD1..=mobility_option::MOBILE_NETWORK_PREFIX
                | mobility_option::MN_ID..=mobility_option::MESG_ID
                | mobility_option::VENDOR_SPECIFIC..=mobility_option::SERVICE_SELECTION
                | mobility_option::RESTART_COUNTER
                | mobility_option::BINDING_IDENTIFIER
                | mobility_option::FLOW_SUMMARY
                | mobility_option::FLOW_IDENTIFICATION
        );
        let message_taken = matches!(
            self.mh_type,
            mh_type::BINDING_REFRESH_REQUEST..=mh_type::BINDING_ERROR
                | mh_type::HOME_AGENT_SWITCH..=mh_type::HEARTBEAT
                | mh_type::BINDING_REVOCATION
        );
        message_taken || option_taken
    }
}

/// The DMIP Type octet.
pub mod dmip_type {
    /// DHP Query.
    pub const DHP_QUERY: u8 = 1;
    /// DHP Query Reply.
    pub const DHP_QUERY_REPLY: u8 = 2;
    /// DHoA Request.
    pub const DHOA_REQUEST: u8 = 3;
    /// DHoA Response.
    pub const DHOA_RESPONSE: u8 = 4;
    /// DHP Binding Update.
    pub const BINDING_UPDATE: u8 = 5;
    /// DHP Binding Confirmation.
    pub const BINDING_CONFIRMATION: u8 = 6;
}

/// A known DMIP Type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DmipType {
    /// Which DHPs are near this correspondent?
    DhpQuery = dmip_type::DHP_QUERY,
    /// The candidates, best first.
    DhpQueryReply = dmip_type::DHP_QUERY_REPLY,
    /// Asks for a distributed home address, and binds it.
    DhoaRequest = dmip_type::DHOA_REQUEST,
    /// The address, or why not.
    DhoaResponse = dmip_type::DHOA_RESPONSE,
    /// Binds, refreshes or releases distributed home addresses.
    BindingUpdate = dmip_type::BINDING_UPDATE,
    /// What became of each.
    BindingConfirmation = dmip_type::BINDING_CONFIRMATION,
}

impl DmipType {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::DhpQuery,
        Self::DhpQueryReply,
        Self::DhoaRequest,
        Self::DhoaResponse,
        Self::BindingUpdate,
        Self::BindingConfirmation,
    ];

    /// The type of a number, if it is known.
    #[must_use]
    pub const fn from_u8(kind: u8) -> Option<Self> {
        Some(match kind {
            dmip_type::DHP_QUERY => Self::DhpQuery,
            dmip_type::DHP_QUERY_REPLY => Self::DhpQueryReply,
            dmip_type::DHOA_REQUEST => Self::DhoaRequest,
            dmip_type::DHOA_RESPONSE => Self::DhoaResponse,
            dmip_type::BINDING_UPDATE => Self::BindingUpdate,
            dmip_type::BINDING_CONFIRMATION => Self::BindingConfirmation,
            _ => return None,
        })
    }

    /// Whether a mobile node sends it; the others are answers.
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(
            self,
            Self::DhpQuery | Self::DhoaRequest | Self::BindingUpdate
        )
    }

    /// The message's name with underscores, as metrics label it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DhpQuery => "dhp_query",
            Self::DhpQueryReply => "dhp_query_reply",
            Self::DhoaRequest => "dhoa_request",
            Self::DhoaResponse => "dhoa_response",
            Self::BindingUpdate => "dhp_binding_update",
            Self::BindingConfirmation => "dhp_binding_confirmation",
        }
    }
}

/// Bits of the DMIP Flags field; what a bit means depends on the message.
pub mod dmip_flag {
    /// DHoA Request `D`: an address dedicated to the flow.
    pub const DEDICATED: u16 = 0x8000;
    /// DHP Binding Update `A`: confirmation wanted.
    pub const ACKNOWLEDGE: u16 = 0x8000;
    /// DHP Binding Update `R`: addresses that are not listed are released.
    pub const REPLACE: u16 = 0x4000;
    /// DHoA Response and DHP Binding Confirmation `O`: route optimization permitted.
    pub const ROUTE_OPTIMIZATION: u16 = 0x8000;
}

/// Subtypes of the DMIPv6 option.
pub mod dmip_option {
    /// Correspondent.
    pub const CORRESPONDENT: u8 = 1;
    /// DHP Information.
    pub const DHP_INFORMATION: u8 = 2;
    /// DHoA.
    pub const DHOA: u8 = 3;
    /// Flow Requirements.
    pub const FLOW_REQUIREMENTS: u8 = 4;
    /// Communication Mode.
    pub const COMMUNICATION_MODE: u8 = 5;
    /// Cookie.
    pub const COOKIE: u8 = 6;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_their_numbers() {
        for kind in 0..=255 {
            match DmipType::from_u8(kind) {
                Some(known) => assert_eq!(known as u8, kind),
                None => assert!(!(1..=6).contains(&kind)),
            }
        }
        assert_eq!(DmipType::ALL.map(|kind| kind as u8), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn collisions() {
        let default = CodePoints::default();
        assert!(default.is_experimental() && !default.collides());
        assert!(
            !CodePoints {
                mh_type: 240,
                option: 241
            }
            .is_experimental()
        );
        for option in [0, 1, 3, 5, 6, 8, 9, 10, 19, 20, 28, 35, 44, 45] {
            assert!(CodePoints { option, ..default }.collides(), "{option}");
        }
        for mh_type in [0, 7, 12, 13, 16] {
            assert!(
                CodePoints { mh_type, ..default }.collides(),
                "type {mh_type}"
            );
        }
        assert!(
            !CodePoints {
                mh_type: 8,
                option: 21
            }
            .collides()
        );
    }
}
