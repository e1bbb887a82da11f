//! Sans-IO protocol engines: the anchor (home agent, DHP, locator and correspondent) and the mobile node.
//!
//! An engine has neither a clock nor a socket: it is given packets, commands and [`time::Now`], and gives back
//! actions. The daemon, the mobile node's agent, simulators and fuzzers all run the same code.
#![forbid(unsafe_code)]

pub mod anchor;
pub mod auth;
pub mod mobile_node;
pub mod random;
pub mod return_routability;
pub mod security_association;
pub mod time;
pub mod timer_wheel;
