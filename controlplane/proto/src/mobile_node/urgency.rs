//! In which order anchors are told of a move: those first whose flows can wait least.

use core::cmp::Reverse;
use core::net::Ipv6Addr;

use super::MobileNode;
use super::anchors::UpdateKind;
use super::flow::Stage;
use crate::time::Now;

/// The home agent goes before DHPs that are as urgent: the node has one home address, and inbound sessions have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Home,
    Dhp(Ipv6Addr),
}

/// Lower goes first: the greatest latency that one of its flows bears in ms, and when packets last came or went.
type Urgency = (u16, Reverse<u64>);

/// The latency limit of flows that have none.
const PATIENT: u16 = u16::MAX;

impl MobileNode {
    /// Packets of home addresses come or go.
    pub(super) fn note_active(&mut self, now: Now, addresses: &[Ipv6Addr]) {
        for anchor in self.anchors.values_mut() {
            for dhoa in &mut anchor.dhoas {
                if addresses.contains(&dhoa.address) {
                    dhoa.active_ns = now.mono_ns;
                }
            }
        }
        if let Some(home) = &mut self.home
            && addresses.contains(&home.address)
        {
            home.active_ns = now.mono_ns;
        }
    }

    /// Binds the care-of address at every anchor: one message to each, all at once, the most urgent first.
    pub(super) fn move_everything(&mut self, now: Now) {
        for told in self.told() {
            match told {
                Told::Home => self.register_home(now),
                Told::Dhp(address) => self.bind_anchor(now, address, UpdateKind::Move),
            }
        }
    }

    /// The DHPs, the most urgent first.
    pub(super) fn by_urgency(&self) -> Vec<Ipv6Addr> {
        let told = self.told().into_iter();
        told.filter_map(|told| match told {
            Told::Home => None,
            Told::Dhp(address) => Some(address),
        })
        .collect()
    }

    fn told(&self) -> Vec<Told> {
        let home = self.home.as_ref().map(|home| {
            let latency = self.least_latency(|stage| !matches!(stage, Stage::Ready { .. }));
            ((latency, Reverse(home.active_ns)), Told::Home)
        });
        let dhps = self.anchors.iter().map(|(address, anchor)| {
            let latency = self.least_latency(
                |stage| matches!(stage, Stage::Ready { anchor, .. } if anchor == address),
            );
            let active = anchor.dhoas.iter().map(|dhoa| dhoa.active_ns).max();
            let urgency: Urgency = (latency, Reverse(active.unwrap_or_default()));
            (urgency, Told::Dhp(*address))
        });
        let mut all: Vec<(Urgency, Told)> = home.into_iter().chain(dhps).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, told)| told).collect()
    }

    fn least_latency(&self, is_about: impl Fn(&Stage) -> bool) -> u16 {
        let flows = self.flows.iter();
        let about = flows.filter(|(_, flow)| is_about(&flow.stage));
        let limits = about.map(|(key, _)| key.need.requirements.max_latency_ms);
        limits.filter(|limit| *limit > 0).min().unwrap_or(PATIENT)
    }
}
