//! The mobile nodes that run the engine of `dhp-mn`

use std::net::Ipv6Addr;

use dhp_proto::mobile_node::{
    FlowKey, HomeConfig, KeyMaterial, MnAction, MnCommand, MobileNode, MobileNodeConfig, Session,
};
use dhp_proto::time::Now;
use dhp_wire::codepoints::CodePoints;
use ipnet::Ipv6Net;

use crate::site::{AGENTS, ANCHOR, NODES, Node, care_of};
use crate::step::Command;

/// One of them.
struct Agent {
    engine: MobileNode,
    place: Option<usize>,
}

/// All of them, the last of the site's mobile nodes.
pub struct Agents {
    agents: Vec<Agent>,
}

impl Agents {
    pub fn new(nodes: &[Node], now: Now) -> Self {
        let agents = nodes.iter().skip(NODES - AGENTS).zip(1u8..);
        let agents = agents.map(|(node, number)| {
            let config = MobileNodeConfig {
                mn_id: number.is_multiple_of(2).then(|| node.id.clone()),
                spi: node.associations[0].spi(),
                algorithm: node.algorithm,
                key: KeyMaterial::Fixed(node.key.clone()),
                home: node.home.map(|address| HomeConfig {
                    agent: Some(ANCHOR),
                    address,
                }),
                locators: vec![ANCHOR],
                code_points: CodePoints::default(),
                lifetime: 20,
                check_interval_ns: None,
                idle_ns: MobileNodeConfig::DEFAULT_IDLE_NS,
            };
            Agent {
                engine: MobileNode::new(config, now, [number; 32]).expect("a configuration"),
                place: None,
            }
        });
        Self {
            agents: agents.collect(),
        }
    }

    pub fn command(&mut self, now: Now, number: usize, command: Command) {
        let agent = &mut self.agents[number];
        let command = match command {
            Command::Move(place) => {
                agent.place = Some(place);
                MnCommand::SetCareOf(care_of(NODES - AGENTS + number, place))
            }
            Command::Lose => {
                agent.place = None;
                MnCommand::LoseCareOf
            }
            Command::Use(flow) => MnCommand::Use(key(flow)),
            Command::Stop(flow) => MnCommand::Release(key(flow)),
        };
        agent.engine.handle_command(now, command);
    }

    /// Takes a packet to a care-of address, if one of them is there.
    pub fn receive(&mut self, now: Now, destination: Ipv6Addr, packet: &[u8]) {
        for (number, agent) in self.agents.iter_mut().enumerate() {
            let at = agent
                .place
                .map(|place| care_of(NODES - AGENTS + number, place));
            if at == Some(destination) {
                agent.engine.handle_packet(now, packet);
            }
        }
    }

    /// What they want sent.
    pub fn take(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        for agent in &mut self.agents {
            while let Some(action) = agent.engine.poll_action() {
                if let MnAction::Transmit(packet) = action {
                    packets.push(packet);
                }
            }
        }
        packets
    }

    pub fn due_ns(&self) -> Option<u64> {
        let due = self.agents.iter();
        due.filter_map(|agent| agent.engine.poll_timeout()).min()
    }

    pub fn let_time_pass(&mut self, now: Now) {
        for agent in &mut self.agents {
            if agent
                .engine
                .poll_timeout()
                .is_some_and(|at| at <= now.mono_ns)
            {
                agent.engine.handle_timeout(now);
            }
        }
    }

    /// Home addresses that they take for bound, and where.
    pub fn believed(&self) -> Vec<(Ipv6Addr, Ipv6Addr)> {
        let mut believed = Vec::new();
        for agent in self.agents.iter().filter(|agent| agent.place.is_some()) {
            for anchor in agent.engine.status().anchors {
                let bound = anchor.bindings.into_iter();
                believed
                    .extend(bound.filter_map(|bound| Some((bound.home_address, bound.care_of?))));
            }
        }
        believed
    }
}

/// One host in the covered prefix, or for the last flow outside of it.
fn key(flow: u16) -> FlowKey {
    let of = if flow == 2 { 0xe } else { 0xc };
    let address = Ipv6Addr::new(0x2001, 0xdb8, of, 1 + flow, 0, 0, 0, 0x80);
    let host = Ipv6Net::new(address, 128).expect("a host");
    FlowKey::new(host, Session::SessionLasting)
}
