//! How many messages a second an anchor may get.

use core::net::Ipv6Addr;
use std::collections::{BTreeMap, VecDeque};

use dhp_wire::codepoints::{DmipType, constants};

use crate::time::NANOS_PER_SECOND;

/// DHoA Requests "may come 10 a second" (profile 1, section 4.1).
const REQUESTS_PER_SECOND: usize = 10;

/// The kind of message a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MessageKind {
    /// RFC 6275 Binding Update to a home agent.
    BindingUpdate,
    /// One to a correspondent.
    RouteUpdate,
    /// RFC 6275 Home Test Init.
    HomeTestInit,
    /// RFC 6275 Care-of Test Init.
    CareOfTestInit,
    /// A message of profile 1.
    Dmip(DmipType),
}

/// RFC 6275 §11.8: "The mobile node MUST NOT send Mobility Header messages of a particular type to a particular
/// correspondent node more than MAX_UPDATE_RATE times within a second."
#[derive(Debug, Default)]
pub(super) struct Pace {
    recent: BTreeMap<(Ipv6Addr, MessageKind), VecDeque<u64>>,
}

impl Pace {
    /// Counts a message that is to be sent now; the error gives the time at which it may be sent.
    pub(super) fn admit(
        &mut self,
        peer: Ipv6Addr,
        kind: MessageKind,
        now_ns: u64,
    ) -> Result<(), u64> {
        for times in self.recent.values_mut() {
            while times
                .front()
                .is_some_and(|at| at.saturating_add(NANOS_PER_SECOND) <= now_ns)
            {
                times.pop_front();
            }
        }
        self.recent.retain(|_, times| !times.is_empty());
        let times = self.recent.entry((peer, kind)).or_default();
        match times.front() {
            Some(oldest) if times.len() >= limit(kind) => {
                Err(oldest.saturating_add(NANOS_PER_SECOND))
            }
            _ => {
                times.push_back(now_ns);
                Ok(())
            }
        }
    }

    /// Whether so many messages could be sent now.
    pub(super) fn has_room(
        &self,
        peer: Ipv6Addr,
        kind: MessageKind,
        now_ns: u64,
        messages: usize,
    ) -> bool {
        let times = self.recent.get(&(peer, kind));
        let times = times.into_iter().flatten();
        let recent = times.filter(|at| at.saturating_add(NANOS_PER_SECOND) > now_ns);
        recent.count().saturating_add(messages) <= limit(kind)
    }
}

/// Messages of a kind to one peer within a second.
fn limit(kind: MessageKind) -> usize {
    match kind {
        MessageKind::Dmip(DmipType::DhoaRequest) => REQUESTS_PER_SECOND,
        _ => usize::try_from(constants::MAX_UPDATE_RATE).unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_a_second_per_peer_and_kind() {
        let (peer, other) = (Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED);
        let update = MessageKind::Dmip(DmipType::BindingUpdate);
        let mut pace = Pace::default();
        for at in [0, 10, 20] {
            assert_eq!(pace.admit(peer, update, at), Ok(()));
        }
        assert_eq!(pace.admit(peer, update, 30), Err(NANOS_PER_SECOND));
        assert_eq!(pace.admit(other, update, 30), Ok(()));
        assert_eq!(pace.admit(peer, MessageKind::BindingUpdate, 30), Ok(()));
        assert_eq!(pace.admit(peer, update, NANOS_PER_SECOND), Ok(()));
        assert_eq!(
            pace.admit(peer, update, NANOS_PER_SECOND + 1),
            Err(NANOS_PER_SECOND + 10)
        );
    }

    #[test]
    fn requests_may_come_ten_a_second() {
        let request = MessageKind::Dmip(DmipType::DhoaRequest);
        let mut pace = Pace::default();
        assert!((0..10).all(|at| pace.admit(Ipv6Addr::LOCALHOST, request, at).is_ok()));
        assert!(pace.admit(Ipv6Addr::LOCALHOST, request, 11).is_err());
    }
}
