//! The programs of the demo's lab: two anchors, the agent, three flows.

use anyhow::Result;

use crate::addresses::{CN_DHP, CN_DIRECT, CN_HA, COVERAGE, DHOA_PREFIX, DHP, HA};
use crate::configuration::{self, AgentPlan, HomeProxy};
use crate::demo_network::demo_network;
use crate::lab::{Lab, LabOptions};
use crate::stop::Stop;

/// The demo's lab.
#[derive(Debug)]
pub struct DemoLab {
    /// What runs.
    pub lab: Lab,
    path_mtu: Option<u32>,
}

impl DemoLab {
    /// Builds the networks. With `path_mtu` the DHP and the mobile node are told how long a tunnel packet between them may be.
    pub fn build(options: LabOptions, path_mtu: Option<u32>) -> Result<Self> {
        let lab = Lab::build(options, demo_network())?;
        Ok(Self { lab, path_mtu })
    }

    /// Starts both anchors, and has the routers find their neighbours.
    pub fn start_anchors(&mut self, stop: &Stop) -> Result<()> {
        let (ports, signalling) = (self.lab.options().ports, self.lab.options().signalling);
        let directory = [(DHP.to_owned(), COVERAGE.to_owned())];
        let home_agent =
            configuration::home_agent(&self.lab.socket("ha"), ports, signalling, &directory);
        let proxy = home_proxy(self.path_mtu).render(&self.lab.socket("dhp"), ports, signalling);
        self.lab
            .start_dhpd(&[("ha", home_agent), ("dhp", proxy)], stop)?;
        for router in ["ara", "arb"] {
            self.lab.warm_up(router, &[CN_DIRECT, HA], stop)?;
        }
        Ok(())
    }

    /// Starts the mobile node's agent.
    pub fn start_agent(&mut self, stop: &Stop) -> Result<()> {
        let host = |address: &str| address.replace("::80", "::/64");
        let plan = AgentPlan {
            flows: vec![
                (host(CN_DHP), "session-lasting"),
                (host(CN_HA), "fixed"),
                (host(CN_DIRECT), "non-persistent"),
            ],
            asks_for_dhps: true,
            steered: Vec::new(),
            // Nothing beside the handoffs is to be measured.
            check_interval: "1h".to_owned(),
            path_mtu: self.path_mtu,
            optimizes_routes: false,
        };
        self.lab.start_agent(&plan, stop)
    }
}

/// The DHP in front of the correspondent.
pub fn home_proxy(path_mtu: Option<u32>) -> HomeProxy<'static> {
    HomeProxy {
        node: "dhp",
        address: DHP,
        interfaces: &["core0", "cn0"],
        pool: DHOA_PREFIX,
        coverage: COVERAGE,
        path_mtu,
        permits_route_optimization: false,
    }
}
