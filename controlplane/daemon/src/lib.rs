//! The inside of `dhpd`, the Distributed Home-Proxy daemon
//!
//! | module | what it does |
//! |---|---|
//! | [`config`] | reads the configuration file and explains what is wrong with it |
//! | [`mirror`] | follows the kernel's routes and neighbours, and plans what the workers shall do |
//! | [`forwarding`] | writes bindings, routes and next hops into the segment |
//! | [`signalling`] | takes punted packets through the protocol engine, and injects its answers |
//! | [`home_links`] | speaks and listens on real home links |
//! | [`journal`] | keeps bindings and sequence numbers beyond a restart |
//! | [`control`] | the thread that does so, and how others talk to it |
//! | [`control_plane`] | segment and control thread together; workers on any ports join it |
//! | [`workers`] | the forwarding threads on Linux interfaces |
//! | [`path_probe`] | measures how far the covered correspondents are |
//! | [`pool_routes`] | the kernel's routes to the pools: handed over always, announced unless drained |
//! | [`ports`] | links and what drivers count, read beside the workers |
//! | [`operator`] | drains, releases, reloads the configuration |
//! | [`inspector`] | answers `dhpctl` ([`socket`]) and monitoring ([`http`]) from [`snapshot`]s |
//! | [`directory_page`] | the DHP directory as `dhpctl` shows it |
//! | [`packet_traces`] | what the workers tell of single packets, while somebody asks |
//! | [`daemon`] | puts it together |
#![forbid(unsafe_code)]

pub mod anchor_config;
pub mod bell;
pub mod binding_row;
pub mod clock;
pub mod config;
pub mod control;
pub mod control_plane;
pub mod daemon;
pub mod directory_page;
pub mod flow_row;
pub mod forwarding;
pub mod health;
pub mod home_links;
pub mod http;
pub mod inspector;
pub mod journal;
pub mod logging;
pub mod metrics;
pub mod mirror;
pub mod mobile_node_row;
pub mod operator;
pub mod packet_traces;
pub mod path_probe;
pub mod pool_routes;
pub mod ports;
pub mod priority;
pub mod signalling;
pub mod snapshot;
pub mod socket;
pub mod workers;
