//! What could be read of a configuration file, with where it stands

use std::net::Ipv6Addr;
use std::ops::Range;

use dhp_config::{InlineKeys, Located};
use ipnet::Ipv6Net;

use super::{
    Anchor, Api, Config, Coverage, DirectoryEntry, Dpdk, Limits, Log, MobileNode, Places, Pool,
    Port, Rates, Signalling, Workers,
};

/// What could be read of the file; what is wrong in itself has been reported and is missing here.
pub(super) struct Draft {
    pub(super) anchor: Option<(Located<Ipv6Addr>, Anchor)>,
    pub(super) anchor_span: Range<usize>,
    pub(super) ports: Vec<Located<Port>>,
    pub(super) host_interface: Located<String>,
    pub(super) workers: Workers,
    pub(super) places_workers: Range<usize>,
    pub(super) places_cores: Option<Range<usize>>,
    pub(super) dpdk: Dpdk,
    pub(super) pools: Vec<Located<Pool>>,
    /// Where their links stand.
    pub(super) places_links: Vec<Range<usize>>,
    pub(super) coverage: Vec<Located<Coverage>>,
    pub(super) correspondents: Vec<Located<Ipv6Net>>,
    pub(super) directory: Vec<DirectoryEntry>,
    pub(super) mobile_nodes: Vec<MobileNodeDraft>,
    pub(super) limits: Limits,
    pub(super) rates: Rates,
    pub(super) signalling: Located<Signalling>,
    pub(super) api: Api,
    pub(super) log: Log,
}

/// A `[[mobile-node]]` and where what must be unique in it stands.
pub(super) struct MobileNodeDraft {
    pub(super) node: MobileNode,
    pub(super) span: Range<usize>,
    pub(super) spi_span: Range<usize>,
    pub(super) home_address_span: Option<Range<usize>>,
    /// Where its key stands, if not in a file of its own.
    pub(super) inline_key: Option<Range<usize>>,
}

impl Draft {
    /// The configuration, where nothing of it is missing.
    pub(super) fn into_config(self) -> Option<(Config, Places)> {
        let (address, anchor) = self.anchor?;
        let nodes = self.mobile_nodes.iter();
        let home_addresses = nodes.map(|draft| draft.home_address_span.clone());
        let mut inline_keys = InlineKeys::default();
        for draft in &self.mobile_nodes {
            inline_keys.note(draft.inline_key.as_ref());
        }
        let places = Places {
            anchor_address: address.span,
            ports: self.ports.iter().map(|port| port.span.clone()).collect(),
            workers: self.places_workers,
            cores: self.places_cores,
            links: self.places_links,
            home_addresses: home_addresses.collect(),
            inline_keys,
        };
        let config = Config {
            anchor,
            ports: self.ports.into_iter().map(|port| port.value).collect(),
            host_interface: self.host_interface.value,
            workers: self.workers,
            dpdk: self.dpdk,
            pools: self.pools.into_iter().map(|pool| pool.value).collect(),
            coverage: self
                .coverage
                .into_iter()
                .map(|coverage| coverage.value)
                .collect(),
            correspondents: self
                .correspondents
                .into_iter()
                .map(|prefix| prefix.value)
                .collect(),
            directory: self.directory,
            mobile_nodes: self
                .mobile_nodes
                .into_iter()
                .map(|draft| draft.node)
                .collect(),
            limits: self.limits,
            rates: self.rates,
            signalling: self.signalling.value,
            api: self.api,
            log: self.log,
        };
        Some((config, places))
    }
}
