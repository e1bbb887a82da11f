//! Which neighbours the kernel is asked to resolve

use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use super::kernel::Reachability;
use super::plan::Territory;
use super::state::KernelState;

/// How the kernel is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolicitationKind {
    /// Keep it resolved from now on (NTF_EXT_MANAGED), as a router that packets go to needs to be.
    Manage,
    /// Verify it once, as if the kernel had sent a packet to it (NTF_USE).
    Use,
}

/// A neighbour for the kernel to resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solicitation {
    /// The number of its link.
    pub interface: u32,
    /// Its address.
    pub address: Ipv6Addr,
    /// How to ask.
    pub kind: SolicitationKind,
}

/// Decides whom to solicit, and not too often.
#[derive(Debug, Default)]
pub struct Solicitor {
    asked: HashMap<(u32, Ipv6Addr), Instant>,
}

/// RFC 4861 §10: MAX_MULTICAST_SOLICIT (3) transmissions with RETRANS_TIMER (1 s) between; then the kernel gives up.
const GATEWAY_PATIENCE: Duration = Duration::from_secs(3);
/// RFC 4861 §10: REACHABLE_TIME. A stale entry is verified that often at most.
const STALE_PATIENCE: Duration = Duration::from_secs(30);
/// What one look at the state may ask for, so that a link of many hosts is not flooded.
const AT_ONCE: usize = 64;

impl Solicitor {
    /// Whom to solicit now: routers without a usable entry, and hosts whose entry has become stale under the workers'
    /// traffic, which the kernel does not see (RFC 4861 §7.3.1 would have upper layers or traffic keep it current).
    pub fn due(
        &mut self,
        state: &KernelState,
        territory: &Territory,
        now: Instant,
    ) -> Vec<Solicitation> {
        self.asked
            .retain(|_, at| now.duration_since(*at) < STALE_PATIENCE);
        let is_port = |index: u32| {
            state
                .link(index)
                .is_some_and(|link| link.up && territory.ports.contains(&link.name))
        };
        let missing = state.gateways().filter(|(interface, address)| {
            let neighbour = state.neighbour(*interface, *address);
            let usable = neighbour.and_then(super::kernel::Neighbour::usable_mac);
            usable.is_none() && is_port(*interface)
        });
        let missing =
            missing.map(|(interface, address)| (interface, address, SolicitationKind::Manage));
        let stale = state
            .neighbours()
            .filter(|neighbour| {
                neighbour.reachability == Reachability::Stale && is_port(neighbour.interface)
            })
            .map(|neighbour| {
                (
                    neighbour.interface,
                    neighbour.address,
                    SolicitationKind::Use,
                )
            });
        let mut due = Vec::new();
        for (interface, address, kind) in missing.chain(stale) {
            let patience = match kind {
                SolicitationKind::Manage => GATEWAY_PATIENCE,
                SolicitationKind::Use => STALE_PATIENCE,
            };
            let key = (interface, address);
            let recently = self
                .asked
                .get(&key)
                .is_some_and(|at| now.duration_since(*at) < patience);
            if recently || due.len() == AT_ONCE {
                continue;
            }
            self.asked.insert(key, now);
            due.push(Solicitation {
                interface,
                address,
                kind,
            });
        }
        due
    }
}
