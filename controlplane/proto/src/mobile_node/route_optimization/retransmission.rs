//! A message that is sent until it is answered.

use dhp_wire::codepoints::constants::{
    INITIAL_BINDACK_TIMEOUT, MAX_BINDACK_TIMEOUT, MAX_RO_FAILURE,
};

use super::super::exchange::Due;
use crate::time::nanos;

/// RFC 6275 §11.8: "The retransmissions by the mobile node MUST use an exponential backoff process in which the timeout
/// period is doubled upon each retransmission".
#[derive(Debug, Clone, Copy)]
pub(super) struct Retransmission {
    next_ns: u64,
    interval_ns: u64,
    transmissions: u32,
}

impl Retransmission {
    /// Due at once.
    pub(super) fn new(now_ns: u64) -> Self {
        Self {
            next_ns: now_ns,
            interval_ns: nanos(INITIAL_BINDACK_TIMEOUT),
            transmissions: 0,
        }
    }

    /// What is due. After `MAX_RO_FAILURE` transmissions (§12) the correspondent is given up.
    pub(super) fn due(&self, now_ns: u64) -> Due {
        if self.next_ns > now_ns {
            Due::Later
        } else if self.transmissions >= MAX_RO_FAILURE {
            Due::GiveUp
        } else {
            Due::Transmit
        }
    }

    /// Notes a transmission.
    pub(super) fn transmitted(&mut self, now_ns: u64) {
        self.transmissions = self.transmissions.saturating_add(1);
        self.next_ns = now_ns.saturating_add(self.interval_ns);
        self.interval_ns = self
            .interval_ns
            .saturating_mul(2)
            .min(nanos(MAX_BINDACK_TIMEOUT));
    }

    /// The limit on how many messages a correspondent may get says later.
    pub(super) fn postpone(&mut self, until_ns: u64) {
        self.next_ns = until_ns;
    }

    /// When it is due next.
    pub(super) fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// How often the message was sent.
    pub(super) fn transmissions(&self) -> u32 {
        self.transmissions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::NANOS_PER_SECOND;

    #[test]
    fn it_is_given_up_seven_seconds_after_the_first_of_three() {
        let mut message = Retransmission::new(0);
        for at in [0, 1, 3] {
            assert_eq!(message.next_ns(), at * NANOS_PER_SECOND);
            assert_eq!(message.due(message.next_ns()), Due::Transmit);
            message.transmitted(message.next_ns());
        }
        assert_eq!(message.due(7 * NANOS_PER_SECOND - 1), Due::Later);
        assert_eq!(message.due(7 * NANOS_PER_SECOND), Due::GiveUp);
    }
}
