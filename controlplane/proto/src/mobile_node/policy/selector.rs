//! What a rule is about.

use core::net::Ipv6Addr;
use core::ops::RangeInclusive;

use ipnet::Ipv6Net;

use super::names::NameSuffix;

/// What is known of a flow, or of a connection that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// The correspondent.
    pub destination: Ipv6Addr,
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// The correspondent's port.
    pub port: Option<u16>,
    /// 6 bits.
    pub dscp: Option<u8>,
}

impl Contact {
    /// A contact of which only the destination is known.
    #[must_use]
    pub fn new(destination: Ipv6Addr) -> Self {
        Self {
            destination,
            protocol: None,
            port: None,
            dscp: None,
        }
    }

    /// The same to a port.
    #[must_use]
    pub fn to_port(self, protocol: u8, port: u16) -> Self {
        Self {
            protocol: Some(protocol),
            port: Some(port),
            ..self
        }
    }
}

/// Whose sockets a rule is about. What is seen of a packet does not tell that; it is for whoever sees sockets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// Those of threads with this name, 15 octets at most.
    Command(String),
    /// Those that are made in this control group or below it; the path from the root of all.
    ControlGroup(String),
}

/// Flows that a rule is about: all that it gives has to match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// The correspondents.
    pub prefix: Ipv6Net,
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// The correspondent's ports; none: all.
    pub ports: Vec<RangeInclusive<u16>>,
    /// 6 bits.
    pub dscp: Option<u8>,
    /// Correspondents whose name ends so.
    pub name: Option<NameSuffix>,
    /// Sockets of these programs alone.
    pub program: Option<Program>,
}

impl Selector {
    /// Whether protocol, port and DSCP match, and any program will do.
    pub(super) fn takes(&self, contact: &Contact) -> bool {
        self.program.is_none() && self.takes_packets(contact)
    }

    /// Whether prefix, protocol, port and DSCP match, whatever the program is.
    #[must_use]
    pub fn may_take(&self, contact: &Contact) -> bool {
        self.prefix.contains(&contact.destination) && self.takes_packets(contact)
    }

    fn takes_packets(&self, contact: &Contact) -> bool {
        let port =
            |range: &RangeInclusive<u16>| contact.port.is_some_and(|port| range.contains(&port));
        (self.protocol.is_none() || self.protocol == contact.protocol)
            && (self.ports.is_empty() || self.ports.iter().any(port))
            && (self.dscp.is_none() || self.dscp == contact.dscp)
    }

    /// Whether it takes all that goes to its correspondents.
    #[must_use]
    pub fn is_about_addresses_only(&self) -> bool {
        self.protocol.is_none()
            && self.ports.is_empty()
            && self.dscp.is_none()
            && self.program.is_none()
    }
}
