//! Where a packet has come from, and what follows from that

/// The way by which a packet came to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Received on a port, and as it was received. The number is the port's.
    Port(usize),
    /// Received on a port inside a tunnel, or rewritten since: the host kernel has not seen it in this form.
    Opened(usize),
    /// A copy of a packet received on a port, for another care-of address. What is wrong with the packet is said of itself, so
    /// that its source is told once.
    Copy,
    /// Sent by the host kernel, be it of the box itself or forwarded by the kernel.
    Host,
    /// Made here: by the control plane, or an ICMPv6 error of this worker.
    Own,
}

impl Origin {
    /// Whether forwarding costs the packet a hop. What the kernel sends has lost its hop there, and RFC 8200 §3 has the hop
    /// limit "decremented by 1 by each node that forwards the packet", not by the one that makes it.
    pub(crate) const fn pays_hop(self) -> bool {
        matches!(self, Self::Port(_) | Self::Opened(_) | Self::Copy)
    }

    /// The same way, and rewritten since.
    pub(crate) const fn opened(self) -> Self {
        match self {
            Self::Port(port) | Self::Opened(port) => Self::Opened(port),
            Self::Copy | Self::Host | Self::Own => self,
        }
    }

    /// The way of what was in its tunnel. A tunnel that came through the kernel, which has taken a hop of the outer packet
    /// only, is one that came by the port there.
    pub(crate) fn inside(self, host_port: Option<usize>) -> Self {
        match self {
            Self::Host => host_port.map_or(self, Self::Opened),
            _ => self.opened(),
        }
    }

    /// Whether an ICMPv6 error may answer it. The control plane expects none, and errors are never answered.
    pub(crate) const fn is_answered(self) -> bool {
        !matches!(self, Self::Own | Self::Copy)
    }

    /// The origin of a copy.
    pub(crate) const fn of_copy(self) -> Self {
        match self {
            Self::Port(_) | Self::Opened(_) | Self::Copy => Self::Copy,
            Self::Host | Self::Own => Self::Own,
        }
    }

    /// The port to name when the packet is punted; for what no port received, `u16::MAX`.
    pub(crate) fn port_number(self) -> u16 {
        match self {
            Self::Port(port) | Self::Opened(port) => u16::try_from(port).unwrap_or(u16::MAX),
            Self::Copy | Self::Host | Self::Own => u16::MAX,
        }
    }
}
