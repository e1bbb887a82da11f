//! The three flows from the mobile node to the correspondent.

use serde::Serialize;

use crate::addresses::{CN_DHP, CN_DIRECT, CN_HA};

/// A flow of the demo, told apart by its correspondent address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// Session-lasting: on a DHoA, anchored at the DHP near the correspondent.
    Dhp,
    /// Fixed: on the home address, anchored at the home agent.
    HomeAgent,
    /// Non-persistent: on the care-of address, no anchor.
    Direct,
}

impl Flow {
    /// All flows.
    pub const ALL: [Self; 3] = [Self::Dhp, Self::HomeAgent, Self::Direct];

    /// A name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dhp => "DHoA via DHP",
            Self::HomeAgent => "HoA via HA",
            Self::Direct => "CoA, no anchor",
        }
    }

    /// A name for files and logs.
    pub fn key(self) -> &'static str {
        match self {
            Self::Dhp => "dhp",
            Self::HomeAgent => "ha",
            Self::Direct => "direct",
        }
    }

    /// The correspondent's address that the flow talks to.
    pub fn correspondent(self) -> &'static str {
        match self {
            Self::Dhp => CN_DHP,
            Self::HomeAgent => CN_HA,
            Self::Direct => CN_DIRECT,
        }
    }

    /// The correspondent's UDP port for the flow's sequence-numbered stream.
    pub fn stream_port(self) -> u16 {
        match self {
            Self::Dhp => 7001,
            Self::HomeAgent => 7002,
            Self::Direct => 7003,
        }
    }

    /// Whether the flow has to survive a move.
    pub fn is_persistent(self) -> bool {
        self != Self::Direct
    }
}
