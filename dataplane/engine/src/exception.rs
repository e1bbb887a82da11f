//! Frames between a port and the host kernel's interface for it
//!
//! The device of a port may be hidden from the host kernel. Its exception port stands in for it: an Ethernet interface of the
//! kernel's with the device's address, so that the kernel can do neighbour discovery, answer pings and run routing protocols on
//! the link. What goes to the kernel there is as it was received on the port, link header included; what the kernel sends
//! there has been routed and leaves at the port as it is.

use dhp_segment::{Counter, DropReason};
use dhp_wire::ethernet::HEADER_LEN as ETHERNET_HEADER_LEN;

use crate::path::Path;
use crate::worker::MAX_PORTS;
use crate::{Batch, PacketBuf, Port};

/// What a port has to do with exceptions. The numbers are those of ports, of which there are at most [`MAX_PORTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nothing.
    Plain,
    /// What is for the kernel goes to this exception port.
    Has(usize),
    /// It is the exception port of this port.
    LeadsTo(usize),
}

/// Which port has which exception port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exceptions {
    roles: [Role; MAX_PORTS],
}

impl Exceptions {
    pub(crate) const fn none() -> Self {
        Self {
            roles: [Role::Plain; MAX_PORTS],
        }
    }

    /// Make `exception` the exception port of `port`. `false`: one of them has another role, or they are the same.
    pub(crate) fn add(&mut self, port: usize, exception: usize) -> bool {
        let is_plain = |number: usize| self.roles.get(number) == Some(&Role::Plain);
        if port == exception || !is_plain(port) || !is_plain(exception) {
            return false;
        }
        for (number, role) in [
            (port, Role::Has(exception)),
            (exception, Role::LeadsTo(port)),
        ] {
            if let Some(place) = self.roles.get_mut(number) {
                *place = role;
            }
        }
        true
    }

    /// The exception port of a port.
    #[inline]
    pub(crate) fn of(&self, port: usize) -> Option<usize> {
        match self.roles.get(port) {
            Some(Role::Has(exception)) => Some(*exception),
            _ => None,
        }
    }

    /// The port that an exception port belongs to; `None` where `exception` is none.
    #[inline]
    pub(crate) fn leads_to(&self, exception: usize) -> Option<usize> {
        match self.roles.get(exception) {
            Some(Role::LeadsTo(port)) => Some(*port),
            _ => None,
        }
    }
}

impl<P: Port> Path<P> {
    /// Give the host kernel a packet as it was received on a port, whose link header has been taken off and nothing been written.
    pub(crate) fn hand_to_exception(&mut self, mut packet: P::Buf, exception: usize) {
        if !packet.prepend(ETHERNET_HEADER_LEN) {
            return self.discard(packet, DropReason::NoHeadroom);
        }
        self.reader.count(Counter::PuntedHost, 1);
        self.send_frame(packet, exception);
    }

    /// Send what the host kernel has sent on an exception port.
    pub(crate) fn pass_on(&mut self, batch: &mut Batch<P::Buf>, port: usize) {
        let mut octets = 0_u64;
        let frames = batch.len() as u64;
        for frame in batch.iter() {
            octets = octets.saturating_add(frame.bytes().len() as u64);
        }
        self.send_batch(batch, port);
        self.reader.count(Counter::RxPackets, frames);
        self.reader.count(Counter::RxBytes, octets);
    }

    /// Send frames that are complete, all on one port.
    #[inline(always)]
    pub(crate) fn send_batch(&mut self, batch: &mut Batch<P::Buf>, port: usize) {
        let reason = match self.ports.get_mut(port) {
            Some(egress) => {
                egress.tx_batch(batch);
                DropReason::TxFull
            }
            None => DropReason::HostUnavailable,
        };
        for frame in batch.drain() {
            self.discard(frame, reason);
        }
    }

    #[inline(always)]
    pub(crate) fn send_frame(&mut self, frame: P::Buf, port: usize) {
        let Some(egress) = self.ports.get_mut(port) else {
            return self.discard(frame, DropReason::HostUnavailable);
        };
        if let Err(frame) = egress.tx(frame) {
            self.discard(frame, DropReason::TxFull);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_one_role() {
        let mut exceptions = Exceptions::none();
        assert!(exceptions.add(0, 2));
        assert!(exceptions.add(1, 3));
        for (port, exception) in [(0, 4), (4, 0), (4, 2), (2, 4), (5, 5), (4, MAX_PORTS)] {
            assert!(!exceptions.add(port, exception), "{port} {exception}");
        }
        assert_eq!((exceptions.of(1), exceptions.of(3)), (Some(3), None));
        assert_eq!(
            (exceptions.leads_to(1), exceptions.leads_to(3)),
            (None, Some(1))
        );
        assert_eq!(exceptions.of(usize::MAX), None);
    }
}
