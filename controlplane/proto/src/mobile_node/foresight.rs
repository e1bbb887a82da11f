//! Who covers correspondents that nobody talks to yet is asked in advance: then the first contact costs the request alone.

use std::collections::VecDeque;

use ipnet::Ipv6Net;

use super::MobileNode;
use super::action::Session;
use super::need::FlowKey;
use crate::time::{NANOS_PER_SECOND, Now};

/// Prefixes that wait for their turn.
const MOST: usize = 64;

/// From one to the next: two thirds of what a locator may be asked in a second (RFC 6275 §11.8) are left to flows that somebody
/// waits for.
const SPACING_NS: u64 = NANOS_PER_SECOND;

/// What is to be asked in advance.
#[derive(Debug, Default)]
pub(super) struct Foresight {
    prefixes: VecDeque<Ipv6Net>,
    next_ns: u64,
}

impl MobileNode {
    /// Notes correspondents that somebody may talk to.
    pub(super) fn foresee(&mut self, correspondent: Ipv6Net) {
        let (prefix, prefixes) = (correspondent.trunc(), &mut self.foresight.prefixes);
        if prefixes.len() < MOST && !prefixes.contains(&prefix) {
            prefixes.push_back(prefix);
        }
    }

    /// When the next query in advance is due.
    pub(super) fn foresight_deadline(&self) -> Option<u64> {
        let foresight = &self.foresight;
        (!foresight.prefixes.is_empty()).then_some(foresight.next_ns)
    }

    /// Asks who covers the next of the prefixes, unless that is known. No address is asked for. True if anything was done.
    pub(super) fn ask_in_advance(&mut self, now: Now) -> bool {
        if !self.is_running() || self.foresight.next_ns > now.mono_ns {
            return false;
        }
        self.candidates.expire(now.mono_ns);
        while let Some(prefix) = self.foresight.prefixes.pop_front() {
            let key = FlowKey::new(prefix, Session::SessionLasting);
            let is_served = self.flows.iter().any(|(flow_key, flow)| {
                flow.serves.contains(&prefix) || flow_key.correspondent.contains(&prefix)
            });
            if is_served || !self.candidates_for(&prefix).is_empty() {
                continue;
            }
            self.foresight.next_ns = now.deadline_ns(SPACING_NS);
            self.ask_around(now, key);
            return true;
        }
        false
    }
}
