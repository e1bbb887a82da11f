//! What a flow needs, and what names a flow.

use ipnet::Ipv6Net;

use super::action::Session;

/// What a DHP must be able to give; 0 asks for nothing (profile 1, section 4.2, Flow Requirements).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Requirements {
    /// The DSCP of the flow's packets, 6 bits.
    pub dscp: u8,
    /// Least bandwidth in kbit/s.
    pub min_bandwidth_kbps: u32,
    /// Greatest latency in ms.
    pub max_latency_ms: u16,
    /// Greatest loss in 1/10 %.
    pub max_loss_permille: u16,
}

/// What the sessions of a flow need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need {
    /// How long its source address has to last.
    pub session: Session,
    /// What its DHP has to give.
    pub requirements: Requirements,
}

impl From<Session> for Need {
    fn from(session: Session) -> Self {
        Self {
            session,
            requirements: Requirements::default(),
        }
    }
}

/// A flow of the engine: correspondents that get one anchor, for sessions that need the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// The correspondents.
    pub correspondent: Ipv6Net,
    /// What their sessions need.
    pub need: Need,
}

impl FlowKey {
    /// The flow of all correspondents of a prefix; host bits count for nothing.
    #[must_use]
    pub fn new(correspondent: Ipv6Net, need: impl Into<Need>) -> Self {
        Self {
            correspondent: correspondent.trunc(),
            need: need.into(),
        }
    }
}
