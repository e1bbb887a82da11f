//! Any port of a worker on DPDK

use std::os::fd::BorrowedFd;

use dhp_engine::{Batch, FlushReport, Port, PortInfo, PortStats};

use crate::kernel_port::KernelPort;
use crate::mbuf::Mbuf;
use crate::port::DpdkPort;

/// A queue of a device, or of an interface of the host kernel.
#[derive(Debug)]
pub enum DpdkWorkerPort {
    /// Of a device.
    Device(DpdkPort),
    /// Of a TUN or TAP interface.
    Kernel(KernelPort),
}

impl From<DpdkPort> for DpdkWorkerPort {
    fn from(port: DpdkPort) -> Self {
        Self::Device(port)
    }
}

impl From<KernelPort> for DpdkWorkerPort {
    fn from(port: KernelPort) -> Self {
        Self::Kernel(port)
    }
}

impl Port for DpdkWorkerPort {
    type Buf = Mbuf;

    #[inline]
    fn info(&self) -> &PortInfo {
        match self {
            Self::Device(port) => port.info(),
            Self::Kernel(port) => port.info(),
        }
    }

    fn enter_thread(&mut self) {
        match self {
            Self::Device(port) => port.enter_thread(),
            Self::Kernel(port) => port.enter_thread(),
        }
    }

    #[inline]
    fn rx_burst(&mut self, batch: &mut Batch<Mbuf>) -> usize {
        match self {
            Self::Device(port) => port.rx_burst(batch),
            Self::Kernel(port) => port.rx_burst(batch),
        }
    }

    #[inline]
    fn tx(&mut self, frame: Mbuf) -> Result<(), Mbuf> {
        match self {
            Self::Device(port) => port.tx(frame),
            Self::Kernel(port) => port.tx(frame),
        }
    }

    #[inline]
    fn tx_batch(&mut self, batch: &mut Batch<Mbuf>) {
        match self {
            Self::Device(port) => port.tx_batch(batch),
            Self::Kernel(port) => port.tx_batch(batch),
        }
    }

    #[inline]
    fn flush(&mut self) -> FlushReport {
        match self {
            Self::Device(port) => port.flush(),
            Self::Kernel(port) => port.flush(),
        }
    }

    fn alloc(&mut self) -> Option<Mbuf> {
        match self {
            Self::Device(port) => port.alloc(),
            Self::Kernel(port) => port.alloc(),
        }
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Device(port) => port.poll_fd(),
            Self::Kernel(port) => port.poll_fd(),
        }
    }

    fn take_oversized(&mut self) -> u64 {
        match self {
            Self::Device(port) => port.take_oversized(),
            Self::Kernel(port) => port.take_oversized(),
        }
    }

    fn stats(&self) -> PortStats {
        match self {
            Self::Device(port) => port.stats(),
            Self::Kernel(port) => port.stats(),
        }
    }
}
