//! What another configuration changes, and whether it can while the agent runs.

use dhp_proto::mobile_node::MobileNodeConfig;

use super::Config;

impl Config {
    /// The keys of the file that `new` changes although they are fixed while the agent runs: all but `spi`, `algorithm` and the
    /// key.
    pub fn fixed_differences(&self, new: &Self) -> Vec<&'static str> {
        // Whoever adds a key decides here what a reload makes of it: the compiler asks.
        let Self {
            engine:
                MobileNodeConfig {
                    mn_id,
                    spi: _,
                    algorithm: _,
                    key: _,
                    home,
                    locators,
                    code_points,
                    lifetime,
                    check_interval_ns,
                    idle_ns,
                },
            provisioned,
            prefetch,
            interfaces,
            tun,
            optimistic_dad,
            path_mtu,
            optimize,
            socket_preferences,
            policy,
            // Where they stand in the file changes nothing.
            policy_lines: _,
            flow_accesses,
            links,
            probe_interval_ns,
            dns,
            socket,
            state,
            metrics,
            log_level,
            log_format,
        } = new;
        let engine = &self.engine;
        let fixed = [
            ("[mobile-node] id", engine.mn_id == *mn_id),
            ("[mobile-node] interfaces", self.interfaces == *interfaces),
            ("[mobile-node] tun", self.tun == *tun),
            ("[mobile-node] lifetime", engine.lifetime == *lifetime),
            (
                "[mobile-node] optimistic-dad",
                self.optimistic_dad == *optimistic_dad,
            ),
            ("[mobile-node] path-mtu", self.path_mtu == *path_mtu),
            (
                "[mobile-node] route-optimization",
                self.optimize == *optimize,
            ),
            (
                "[mobile-node] socket-preferences",
                self.socket_preferences == *socket_preferences,
            ),
            ("[home]", engine.home == *home),
            ("[[locator]]", engine.locators == *locators),
            ("[[provisioned-dhp]]", self.provisioned == *provisioned),
            (
                "[[flow]]",
                self.policy == *policy && self.flow_accesses == *flow_accesses,
            ),
            ("[[interface]]", self.links == *links),
            (
                "[dhp] probe-interval",
                self.probe_interval_ns == *probe_interval_ns,
            ),
            ("[dns]", self.dns == *dns),
            (
                "[dhp] check-interval",
                engine.check_interval_ns == *check_interval_ns,
            ),
            ("[dhp] prefetch", self.prefetch == *prefetch),
            ("[dhp] idle", engine.idle_ns == *idle_ns),
            ("[signalling]", engine.code_points == *code_points),
            ("[api] socket", self.socket == *socket),
            ("[state]", self.state == *state),
            ("[metrics]", self.metrics == *metrics),
            ("[log] level", self.log_level == *log_level),
            ("[log] format", self.log_format == *log_format),
        ];
        let different = fixed.into_iter().filter(|(_, same)| !same);
        different.map(|(key, _)| key).collect()
    }

    /// Whether `new` has another security association.
    pub fn has_other_key(&self, new: &Self) -> bool {
        let of = |config: &Self| {
            let engine = &config.engine;
            (engine.spi, engine.algorithm, engine.key.clone())
        };
        of(self) != of(new)
    }
}
