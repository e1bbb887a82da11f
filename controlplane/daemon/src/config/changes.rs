//! What another configuration changes, and whether it can while the daemon runs

use std::collections::BTreeMap;
use std::fmt::Display;

use super::{Anchor, Config, Log, Signalling};

/// Something that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Such as `pool 2001:db8:d:1::/64`.
    pub what: String,
    /// `added`, `removed` or `changed`.
    pub how: &'static str,
}

impl Config {
    /// The keys that `new` changes although they are fixed while the daemon runs: what the workers, their ports and their
    /// tables were made with, and what names the anchor to others.
    pub fn fixed_differences(&self, new: &Self) -> Vec<&'static str> {
        // Whoever adds a key decides here, or in `live_changes`, what a reload makes of it: the compiler asks.
        let Self {
            anchor:
                Anchor {
                    address: _,
                    roles: _,
                    preference: _,
                    home_agent_preference: _,
                    path_mtu: _,
                },
            ports: _,
            host_interface: _,
            workers: _,
            dpdk: _,
            pools: _,
            coverage: _,
            correspondents: _,
            directory: _,
            mobile_nodes: _,
            limits: _,
            rates: _,
            signalling:
                Signalling {
                    code_points: _,
                    max_lifetime: _,
                    refresh_advice: _,
                    refresh_request: _,
                    cookies_above: _,
                    care_of_test: _,
                    priority: _,
                    prefix_advertisements: _,
                    peers: _,
                    allow_unauthenticated: _,
                    journal: _,
                },
            api: _,
            log: Log {
                level: _,
                format: _,
            },
        } = new;
        let fixed = [
            (
                "[anchor] address",
                self.anchor.address == new.anchor.address,
            ),
            ("[anchor] roles", self.anchor.roles == new.anchor.roles),
            (
                "[anchor] path-mtu",
                self.anchor.path_mtu == new.anchor.path_mtu,
            ),
            ("[[port]]", self.ports == new.ports),
            (
                "[host] interface",
                self.host_interface == new.host_interface,
            ),
            (
                "[[pool]] link",
                self.prefixes_on_links() == new.prefixes_on_links(),
            ),
            (
                "[[correspondent]]",
                self.correspondents == new.correspondents,
            ),
            ("[workers]", self.workers == new.workers),
            ("[dpdk]", self.dpdk == new.dpdk),
            ("[limits]", self.limits == new.limits),
            ("[rates]", self.rates == new.rates),
            (
                "[signalling] mh-type or option-type",
                self.signalling.code_points == new.signalling.code_points,
            ),
            (
                "[signalling] care-of-test",
                self.signalling.care_of_test == new.signalling.care_of_test,
            ),
            (
                "[signalling] priority",
                self.signalling.priority == new.signalling.priority,
            ),
            (
                "[signalling] peers",
                self.signalling.peers == new.signalling.peers,
            ),
            (
                "[signalling] journal",
                self.signalling.journal == new.signalling.journal,
            ),
            ("[api]", self.api == new.api),
            ("[log] format", self.log.format == new.log.format),
        ];
        let different = fixed.into_iter().filter(|(_, same)| !same);
        different.map(|(key, _)| key).collect()
    }

    /// What else `new` changes, which can take effect at once.
    pub fn live_changes(&self, new: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let single = [
            (
                "[anchor] preference",
                self.anchor.preference == new.anchor.preference,
            ),
            (
                "[anchor] home-agent-preference",
                self.anchor.home_agent_preference == new.anchor.home_agent_preference,
            ),
            (
                "[signalling] max-lifetime",
                self.signalling.max_lifetime == new.signalling.max_lifetime,
            ),
            (
                "[signalling] refresh-advice",
                self.signalling.refresh_advice == new.signalling.refresh_advice,
            ),
            (
                "[signalling] refresh-request",
                self.signalling.refresh_request == new.signalling.refresh_request,
            ),
            (
                "[signalling] cookies-above",
                self.signalling.cookies_above == new.signalling.cookies_above,
            ),
            (
                "[signalling] prefix-advertisements or their intervals",
                self.signalling.prefix_advertisements == new.signalling.prefix_advertisements,
            ),
            (
                "[signalling] allow-unauthenticated",
                self.signalling.allow_unauthenticated == new.signalling.allow_unauthenticated,
            ),
            ("[log] level", self.log.level == new.log.level),
        ];
        for (what, _) in single.into_iter().filter(|(_, same)| !same) {
            changes.push(Change {
                what: what.to_owned(),
                how: "changed",
            });
        }
        compare(
            "pool",
            self.pools.iter().map(|pool| (pool.prefix, pool)),
            new.pools.iter().map(|pool| (pool.prefix, pool)),
            &mut changes,
        );
        compare(
            "coverage",
            self.coverage.iter().map(|known| (known.prefix, known)),
            new.coverage.iter().map(|known| (known.prefix, known)),
            &mut changes,
        );
        let entry = |entry: &super::DirectoryEntry| format!("{} of {}", entry.prefix, entry.dhp);
        compare(
            "directory entry",
            self.directory.iter().map(|known| (entry(known), known)),
            new.directory.iter().map(|known| (entry(known), known)),
            &mut changes,
        );
        let node = |node: &super::MobileNode| format!("{} with SPI {}", node.id, node.spi);
        compare(
            "mobile node",
            self.mobile_nodes.iter().map(|known| (node(known), known)),
            new.mobile_nodes.iter().map(|known| (node(known), known)),
            &mut changes,
        );
        changes
    }
}

fn compare<K: Ord + Display, V: PartialEq>(
    what: &str,
    old: impl Iterator<Item = (K, V)>,
    new: impl Iterator<Item = (K, V)>,
    changes: &mut Vec<Change>,
) {
    let mut old: BTreeMap<K, V> = old.collect();
    for (key, value) in new {
        let how = match old.remove(&key) {
            None => "added",
            Some(before) if before != value => "changed",
            Some(_) => continue,
        };
        changes.push(Change {
            what: format!("{what} {key}"),
            how,
        });
    }
    changes.extend(old.into_keys().map(|key| Change {
        what: format!("{what} {key}"),
        how: "removed",
    }));
}
