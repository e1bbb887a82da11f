//! Either kind of port, so that one worker can have both

use std::os::fd::BorrowedFd;

use dhp_engine::{Batch, FlushReport, FrameBuf, Port, PortInfo, PortStats};

use crate::{AfPacketPort, TunPort};

/// A port on a Linux interface.
#[derive(Debug)]
pub enum LinuxPort {
    /// On an Ethernet interface.
    AfPacket(Box<AfPacketPort>),
    /// To the host kernel.
    Tun(TunPort),
}

impl From<AfPacketPort> for LinuxPort {
    fn from(port: AfPacketPort) -> Self {
        Self::AfPacket(Box::new(port))
    }
}

impl From<TunPort> for LinuxPort {
    fn from(port: TunPort) -> Self {
        Self::Tun(port)
    }
}

impl Port for LinuxPort {
    type Buf = FrameBuf;

    fn info(&self) -> &PortInfo {
        match self {
            Self::AfPacket(port) => port.info(),
            Self::Tun(port) => port.info(),
        }
    }

    fn rx_burst(&mut self, batch: &mut Batch<FrameBuf>) -> usize {
        match self {
            Self::AfPacket(port) => port.rx_burst(batch),
            Self::Tun(port) => port.rx_burst(batch),
        }
    }

    fn tx(&mut self, frame: FrameBuf) -> Result<(), FrameBuf> {
        match self {
            Self::AfPacket(port) => port.tx(frame),
            Self::Tun(port) => port.tx(frame),
        }
    }

    fn flush(&mut self) -> FlushReport {
        match self {
            Self::AfPacket(port) => port.flush(),
            Self::Tun(port) => port.flush(),
        }
    }

    fn alloc(&mut self) -> Option<FrameBuf> {
        match self {
            Self::AfPacket(port) => port.alloc(),
            Self::Tun(port) => port.alloc(),
        }
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::AfPacket(port) => port.poll_fd(),
            Self::Tun(port) => port.poll_fd(),
        }
    }

    fn take_oversized(&mut self) -> u64 {
        match self {
            Self::AfPacket(port) => port.take_oversized(),
            Self::Tun(port) => port.take_oversized(),
        }
    }

    fn stats(&self) -> PortStats {
        match self {
            Self::AfPacket(port) => port.stats(),
            Self::Tun(port) => port.stats(),
        }
    }
}
