//! What a lab's networks are, before they are built: nodes with their addresses and routes, and the wires between them.

use std::time::Duration;

use crate::access::Access;
use crate::delay_line::LineSettings;

/// A node, which gets a namespace.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub what: String,
    /// What it does with packets of others.
    pub role: Role,
    /// `ip` commands that give it addresses and routes, one a line; its wires are there by then.
    pub setup: String,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It forwards nothing.
    Host,
    /// It forwards.
    Router,
    /// It forwards, and `dhpd` is to run on its ports.
    Anchor,
}

/// A wire between two interfaces, each named by its node and its name there.
#[derive(Clone, Debug)]
pub struct WirePlan {
    /// Node and interface.
    pub left: (String, String),
    /// Node and interface.
    pub right: (String, String),
    /// Its properties, each way.
    pub settings: LineSettings,
}

/// All but the mobile node and the radio, which every lab has.
#[derive(Clone, Debug, Default)]
pub struct NetworkPlan {
    /// The nodes.
    pub nodes: Vec<NodePlan>,
    /// The wires.
    pub wires: Vec<WirePlan>,
    /// How many access networks there are; their routers are among the nodes.
    pub accesses: u8,
}

impl NetworkPlan {
    /// One more node.
    pub fn node(&mut self, name: &str, what: &str, role: Role, setup: &str) {
        self.nodes.push(NodePlan {
            name: name.to_owned(),
            what: what.to_owned(),
            role,
            setup: setup.to_owned(),
        });
    }

    /// One more wire that only delays.
    pub fn wire(&mut self, left: (&str, &str), right: (&str, &str), delay: Duration) {
        self.wire_with(left, right, LineSettings::delay(delay));
    }

    /// One more wire.
    pub fn wire_with(&mut self, left: (&str, &str), right: (&str, &str), settings: LineSettings) {
        let owned = |(node, interface): (&str, &str)| (node.to_owned(), interface.to_owned());
        self.wires.push(WirePlan {
            left: owned(left),
            right: owned(right),
            settings,
        });
    }

    /// The access networks.
    pub fn accesses(&self) -> impl Iterator<Item = Access> + use<> {
        Access::first(self.accesses)
    }
}
