//! Heartbeat (RFC 5847 §3.3).

/// The fixed part of a heartbeat between two anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatHeader {
    /// What it is of the three that the flags `U` and `R` make.
    pub kind: HeartbeatKind,
    /// Matches the response to its request.
    pub sequence: u32,
}

/// Request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatKind {
    /// `R` clear: wants a response. `U`, which is for responses, is not looked at.
    Request,
    /// `R` set.
    Response,
    /// `R` and `U` set: sent after a restart, to nobody's request.
    UnsolicitedResponse,
}

const UNSOLICITED: u16 = 0x0002;
const RESPONSE: u16 = 0x0001;

impl HeartbeatKind {
    pub(super) const fn from_wire(flags: u16) -> Self {
        match (flags & RESPONSE != 0, flags & UNSOLICITED != 0) {
            (false, _) => Self::Request,
            (true, false) => Self::Response,
            (true, true) => Self::UnsolicitedResponse,
        }
    }

    pub(super) const fn to_wire(self) -> u16 {
        match self {
            Self::Request => 0,
            Self::Response => RESPONSE,
            Self::UnsolicitedResponse => RESPONSE | UNSOLICITED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        let kinds = [0, 1, 2, 3, 0xfffc].map(HeartbeatKind::from_wire);
        use HeartbeatKind::{Request, Response, UnsolicitedResponse};
        assert_eq!(
            kinds,
            [Request, Response, Request, UnsolicitedResponse, Request]
        );
        for kind in [Request, Response, UnsolicitedResponse] {
            assert_eq!(HeartbeatKind::from_wire(kind.to_wire()), kind);
        }
    }
}
