//! The DHP directory as `dhpctl` shows it

use std::net::Ipv6Addr;

use dhp_proto::anchor::{DirectoryView, PeerState};
use dhpctl::{Directory, DirectoryEntry};
use ipnet::Ipv6Net;

use crate::signalling::Signalling;

/// So many entries of other DHPs behind this one; with the first page comes what this DHP covers itself.
pub fn take(
    signalling: &mut Signalling,
    after: Option<(Ipv6Net, Ipv6Addr)>,
    limit: usize,
) -> Directory {
    let now = signalling.now();
    let anchor = signalling.anchor();
    let own = anchor.own_coverage(now).filter(|_| after.is_none());
    let mut others = anchor.directory(after);
    Directory {
        own: own.map(describe).collect(),
        others: others.by_ref().take(limit).map(describe).collect(),
        more: others.next().is_some(),
    }
}

fn describe(view: DirectoryView) -> DirectoryEntry {
    let entry = view.entry;
    DirectoryEntry {
        prefix: entry.prefix,
        dhp: entry.dhp,
        preference: entry.preference,
        load: entry.load,
        path_rtt_us: Some(entry.path_rtt_us).filter(|us| *us != 0),
        peer: view.peer.map(PeerState::name).map(str::to_owned),
        is_named: view.is_named,
    }
}
