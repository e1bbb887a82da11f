//! A configuration as data, without keys

use dhp_proto::anchor::PrefixDelivery;
use serde_json::{Value, json};

use super::{Config, KeySource, LogFormat};

impl Config {
    /// Everything in force, defaults too; of keys only which kind they are.
    pub fn summary(&self) -> Value {
        json!({
            "anchor": {
                "address": self.anchor.address,
                "roles": self.anchor.roles.names(),
                "preference": self.anchor.preference,
                "home-agent-preference": self.anchor.home_agent_preference,
                "path-mtu": self.anchor.path_mtu,
            },
            "port": self.ports.iter().map(|port| json!({
                "interface": port.interface,
                "driver": port.driver.name(),
                "device": port.driver.device(),
            })).collect::<Vec<_>>(),
            "host": {"interface": self.host_interface},
            "workers": {
                "count": self.workers.count,
                "cores": self.workers.cores,
                "transit": self.workers.transit,
                "tcp-mss-clamp": self.workers.tcp_mss_clamp,
                "idle": self.workers.idle.name(),
            },
            "dpdk": {"eal": self.dpdk.eal, "mbufs": self.dpdk.mbufs},
            "pool": self.pools.iter().map(|pool| json!({
                "prefix": pool.prefix,
                "kind": pool.kind.name(),
                "quarantine_seconds": pool.quarantine.as_secs(),
                "valid-lifetime_seconds": pool.valid_lifetime.map(|time| time.as_secs()),
                "preferred-lifetime_seconds": pool.preferred_lifetime.map(|time| time.as_secs()),
                "link": pool.link,
            })).collect::<Vec<_>>(),
            "coverage": self.coverage.iter().map(|coverage| json!({
                "prefix": coverage.prefix,
                "probe": coverage.probe.map(|probe| probe.address),
                "probe-interval_seconds": coverage.probe.map(|probe| probe.interval.as_secs_f64()),
            })).collect::<Vec<_>>(),
            "correspondent": self.correspondents.iter().map(|prefix| json!({"prefix": prefix})).collect::<Vec<_>>(),
            "directory": self.directory.iter().map(|entry| json!({
                "dhp": entry.dhp,
                "prefix": entry.prefix,
                "preference": entry.preference,
                "load": entry.load,
                "path-rtt_microseconds": entry.path_rtt_us,
            })).collect::<Vec<_>>(),
            "mobile-node": self.mobile_nodes.iter().map(|node| json!({
                "id": node.id,
                "spi": node.spi,
                "algorithm": node.algorithm.name(),
                "key": match node.key {
                    KeySource::Home(_) => "derived from a home key",
                    KeySource::Exact(_) => "given",
                },
                "home-address": node.home_address,
                "max-dhoas": node.max_dhoas,
                "route-optimization": node.route_optimization,
            })).collect::<Vec<_>>(),
            "limits": {
                "home-addresses": self.limits.home_addresses,
                "correspondents": self.limits.correspondents,
                "routes": self.limits.routes,
                "next-hops": self.limits.next_hops,
                "flow-sets": self.limits.flow_sets,
                "care-of-addresses": self.limits.care_of_addresses,
                "flow-bindings": self.limits.flow_bindings,
                "flows": self.limits.flows,
                "reassembly": self.limits.reassembly,
            },
            "rates": {
                "signalling": self.rates.punts.unknown,
                "signalling-bound": self.rates.punts.bound,
                "signalling-handoffs": self.rates.punts.handoffs,
                "signalling-per-home-address": self.rates.punts.per_home_address,
                "signalling-known": self.rates.punts.known,
                "signalling-per-network": self.rates.punts.per_network,
                "signalling-per-source": self.rates.punts.per_source,
                "icmp-errors": self.rates.icmp_errors.per_cause,
                "icmp-errors-per-network": self.rates.icmp_errors.per_network,
                "binding": self.rates.binding.map_or(0, |octets| octets / 125),
            },
            "signalling": {
                "mh-type": self.signalling.code_points.mh_type,
                "option-type": self.signalling.code_points.option,
                "max-lifetime_seconds": self.signalling.max_lifetime.as_secs(),
                "refresh-advice_seconds": self.signalling.refresh_advice.map(|time| time.as_secs()),
                "refresh-request_seconds": self.signalling.refresh_request.map(|time| time.as_secs()),
                "cookies-above": self.signalling.cookies_above,
                "care-of-test": if self.signalling.care_of_test { "on" } else { "off" },
                "priority": self.signalling.priority.name(),
                "prefix-advertisements": match self.signalling.prefix_advertisements.delivery {
                    PrefixDelivery::Off => "off",
                    PrefixDelivery::Solicited => "solicited",
                    PrefixDelivery::On => "on",
                },
                "max-prefix-interval_seconds": self.signalling.prefix_advertisements.max_interval.as_secs(),
                "min-prefix-interval_seconds": self.signalling.prefix_advertisements.min_interval.as_secs(),
                "peers": self.signalling.peers,
                "allow-unauthenticated": self.signalling.allow_unauthenticated,
                "journal": self.signalling.journal,
            },
            "api": {
                "socket": self.api.socket,
                "metrics": self.api.metrics,
            },
            "log": {
                "level": self.log.level,
                "format": match self.log.format {
                    LogFormat::Text => "text",
                    LogFormat::Json => "json",
                },
            },
        })
    }
}
