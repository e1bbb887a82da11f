//! What an operator may see of the DHP directory.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::Anchor;
use super::config::DirectoryEntry;
use super::heartbeat::PeerState;
use crate::time::Now;

/// An entry of the directory, and whether mobile nodes are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryView {
    /// As answers to DHP Queries have it.
    pub entry: DirectoryEntry,
    /// What is known of the DHP, if it is one of the anchors that are asked for heartbeats.
    pub peer: Option<PeerState>,
    /// Whether answers name it.
    pub is_named: bool,
}

impl Anchor {
    /// What this DHP covers itself, in the order of the prefixes.
    pub fn own_coverage(&self, now: Now) -> impl Iterator<Item = DirectoryView> {
        self.coverage.after(None).map(move |entry| DirectoryView {
            entry: self.own_entry(now, entry),
            peer: None,
            is_named: !self.draining,
        })
    }

    /// What others cover, in the order of the prefixes and for each best first: all, or those behind this one.
    pub fn directory(
        &self,
        after: Option<(Ipv6Net, Ipv6Addr)>,
    ) -> impl Iterator<Item = DirectoryView> {
        self.directory.after(after).map(|entry| {
            let peer = self.peers.state(&entry.dhp);
            DirectoryView {
                entry: *entry,
                peer,
                is_named: peer != Some(PeerState::Down),
            }
        })
    }
}
