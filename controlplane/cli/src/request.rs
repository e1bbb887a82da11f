//! What can be asked

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

/// The most rows in one answer.
pub const LARGEST_PAGE: usize = 512;

/// One line from a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the daemon is.
    Status,
    /// Bindings in the order of their home addresses, and of correspondents.
    Bindings {
        /// Only those behind this home address.
        #[serde(default)]
        after: Option<Ipv6Addr>,
        /// And of those of this home address itself, which correspondents have been told, those behind this correspondent.
        #[serde(default)]
        after_correspondent: Option<Ipv6Addr>,
        /// How many at most, up to [`LARGEST_PAGE`].
        #[serde(default = "largest_page")]
        limit: usize,
    },
    /// The mobile nodes of the configuration, and what is known of them.
    MobileNodes {
        /// Only the one with this Network Access Identifier.
        #[serde(default)]
        node: Option<String>,
        /// Where to go on: `next` of the page before.
        #[serde(default)]
        from: u32,
        /// How many at most, up to [`LARGEST_PAGE`].
        #[serde(default = "largest_page")]
        limit: usize,
    },
    /// The flows of bound home addresses.
    Flows {
        /// Only those of the mobile node with this Network Access Identifier.
        #[serde(default)]
        node: Option<String>,
        /// Only those of this home address.
        #[serde(default)]
        home_address: Option<Ipv6Addr>,
        /// Where to go on: `next` of the page before.
        #[serde(default)]
        after: Option<Ipv6Addr>,
        /// About how many: those of one home address are not torn apart. Up to [`LARGEST_PAGE`].
        #[serde(default = "largest_page")]
        limit: usize,
    },
    /// The ports: links, and what their drivers count.
    Ports,
    /// The address pools.
    Pools,
    /// The counters of the workers and of the protocol engine.
    Counters,
    /// The route table of the workers.
    Routes {
        /// Those behind this prefix only.
        #[serde(default)]
        after: Option<Ipv6Net>,
        /// How many at most, up to [`LARGEST_PAGE`].
        #[serde(default = "largest_page")]
        limit: usize,
    },
    /// The next hops of the workers.
    Neighbours,
    /// What has become of packets since this was last asked. As long as it is asked for at least every two seconds, the workers
    /// tell of packets.
    Trace {
        /// Only of those with this source or destination, inside a tunnel or outside.
        #[serde(default)]
        address: Option<Ipv6Addr>,
        /// Only of those that were dropped.
        #[serde(default)]
        drops_only: bool,
    },
    /// The configuration in force, without keys.
    Config,
    /// End a binding at once; its mobile node may bind anew.
    Release {
        /// Whose.
        home_address: Ipv6Addr,
    },
    /// End a binding by Binding Revocation (RFC 5846): its mobile node is told, and the binding ends once it has answered, or
    /// does not.
    Revoke {
        /// Whose.
        home_address: Ipv6Addr,
    },
    /// Have a mobile node find another home agent (RFC 5142). Its binding is served until then, and no longer refreshed.
    Switch {
        /// Whose.
        home_address: Ipv6Addr,
        /// The other home agent; without one it has to search.
        #[serde(default)]
        home_agent: Option<Ipv6Addr>,
    },
    /// Read the configuration again.
    Reload,
    /// Take no new mobile nodes and withdraw the routes of the DHoA pools, or undo that.
    Drain {
        /// Whether to drain.
        on: bool,
    },
}

fn largest_page() -> usize {
    LARGEST_PAGE
}
