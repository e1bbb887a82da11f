//! The sockets of this network namespace: which addresses are in use, and which sessions hang on one.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddr};

use crate::event::SessionRecord;

/// Sessions that are told of at once.
const MAX_SESSIONS: usize = 64;

/// TCP and UDP sockets as the kernel's tables have them.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    sockets: Vec<SessionRecord>,
}

impl Sockets {
    /// The sockets that there are now.
    pub(super) fn now() -> Self {
        let tcp = procfs::net::tcp6().unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot see the TCP sockets");
            Vec::new()
        });
        let udp = procfs::net::udp6().unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot see the UDP sockets");
            Vec::new()
        });
        let tcp = tcp
            .into_iter()
            .map(|socket| ("tcp", socket.local_address, socket.remote_address));
        let udp = udp
            .into_iter()
            .map(|socket| ("udp", socket.local_address, socket.remote_address));
        let sockets = tcp
            .chain(udp)
            .map(|(protocol, local, remote)| SessionRecord {
                protocol,
                local,
                remote,
            });
        Self {
            sockets: sockets.collect(),
        }
    }

    /// Their own addresses.
    pub(super) fn addresses(&self) -> BTreeSet<Ipv6Addr> {
        self.sockets
            .iter()
            .filter_map(SessionRecord::home_address)
            .collect()
    }

    /// The sessions from an address.
    pub(super) fn sessions<'a>(
        &'a self,
        address: &'a Ipv6Addr,
    ) -> impl Iterator<Item = &'a SessionRecord> {
        self.sockets.iter().filter(move |socket| {
            socket.home_address() == Some(*address) && !socket.remote.ip().is_unspecified()
        })
    }

    /// The sessions from any of these addresses, so many at most.
    pub(super) fn sessions_of_all(&self, addresses: &[Ipv6Addr]) -> Vec<SessionRecord> {
        let sessions = addresses.iter().flat_map(|address| self.sessions(address));
        sessions.take(MAX_SESSIONS).cloned().collect()
    }
}

impl SessionRecord {
    fn home_address(&self) -> Option<Ipv6Addr> {
        match self.local {
            SocketAddr::V6(local) => Some(*local.ip()),
            SocketAddr::V4(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_somebody_at_the_other_end() {
        let socket = |local: &str, remote: &str| SessionRecord {
            protocol: "tcp",
            local: local.parse().expect("an address"),
            remote: remote.parse().expect("an address"),
        };
        let sockets = Sockets {
            sockets: vec![
                socket("[2001:db8::1]:40000", "[2001:db8:c::80]:22"),
                socket("[2001:db8::1]:80", "[::]:0"),
                socket("[2001:db8::2]:40000", "[2001:db8:c::80]:22"),
            ],
        };
        let address: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        assert_eq!(sockets.sessions(&address).count(), 1);
        let both: Vec<Ipv6Addr> = sockets.addresses().into_iter().collect();
        assert_eq!(both.len(), 2);
        assert_eq!(sockets.sessions_of_all(&both).len(), 2);
    }
}
