//! The solicited-node groups of the addresses that are probed and answered for
//!
//! RFC 4862 §5.4.2 has whoever probes an address join its group before, RFC 4861 §7.2.1 whoever answers. The socket that hears
//! takes in all multicast anyway; it is the switches that have to be told, by the Multicast Listener Discovery of the kernel.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{Ipv6Addr, UdpSocket};

use dhp_wire::icmpv6::solicited_node;

/// The groups that were joined at one interface.
#[derive(Debug)]
pub(super) struct Groups {
    interface: u32,
    /// They join and nothing else. One takes as many groups as net.core.optmem_max has room for.
    sockets: Vec<UdpSocket>,
    joined: HashMap<Ipv6Addr, Membership>,
}

#[derive(Debug)]
struct Membership {
    /// The place of its socket.
    socket: usize,
    /// Addresses that have this group: all with the same last three octets.
    addresses: HashSet<Ipv6Addr>,
}

impl Groups {
    /// None at the interface with this number.
    pub(super) fn new(interface: u32) -> Self {
        Self {
            interface,
            sockets: Vec::new(),
            joined: HashMap::new(),
        }
    }

    /// Join the group of an address.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn join(&mut self, address: &Ipv6Addr) -> io::Result<()> {
        let group = solicited_node(address);
        if let Some(membership) = self.joined.get_mut(&group) {
            membership.addresses.insert(*address);
            return Ok(());
        }
        let last = self.sockets.last();
        let has_room =
            last.is_some_and(|last| last.join_multicast_v6(&group, self.interface).is_ok());
        if !has_room {
            let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?;
            socket.join_multicast_v6(&group, self.interface)?;
            self.sockets.push(socket);
        }
        let membership = Membership {
            socket: self.sockets.len().saturating_sub(1),
            addresses: HashSet::from([*address]),
        };
        self.joined.insert(group, membership);
        Ok(())
    }

    /// Leave it, unless another address needs it.
    pub(super) fn leave(&mut self, address: &Ipv6Addr) {
        let group = solicited_node(address);
        let Some(membership) = self.joined.get_mut(&group) else {
            return;
        };
        if !membership.addresses.remove(address) || !membership.addresses.is_empty() {
            return;
        }
        if let Some(socket) = self.sockets.get(membership.socket) {
            // The interface may have gone, and the membership with it.
            let _ = socket.leave_multicast_v6(&group, self.interface);
        }
        self.joined.remove(&group);
    }
}
