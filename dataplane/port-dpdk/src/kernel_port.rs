//! TUN and TAP interfaces for a worker that polls

use std::os::fd::BorrowedFd;

use dhp_engine::{Batch, FlushReport, Port, PortInfo, PortStats};
use dhp_port_afpacket::{SetupError, TunPort};

use crate::mbuf::Mbuf;
use crate::mempool::Mempool;

/// Bursts left out after one that found nothing. To look is a system call, some hundred cycles, as much as a worker takes for
/// several packets; and the kernel, which is the sender here, does not send millions.
const BURSTS_LEFT_OUT: u32 = 31;

/// A queue of a TUN or TAP interface with packets in mbufs.
#[derive(Debug)]
pub struct KernelPort {
    port: TunPort<Mempool>,
    left_out: u32,
}

impl KernelPort {
    /// The exception interface that all of the appliance shares: bare IP packets. As [`TunPort::open`].
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn tun(name: &str, mtu: u16, pools: &[Mempool]) -> Result<Vec<Self>, SetupError> {
        Ok(Self::of(TunPort::open(name, mtu, pools)?))
    }

    /// The exception interface of the device that `device` describes: Ethernet frames, with the device's address and MTU. As
    /// [`TunPort::open_tap`].
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn tap(name: &str, device: &PortInfo, pools: &[Mempool]) -> Result<Vec<Self>, SetupError> {
        Ok(Self::of(TunPort::open_tap(
            name, device.mac, device.mtu, pools,
        )?))
    }

    fn of(ports: Vec<TunPort<Mempool>>) -> Vec<Self> {
        let port = |port| Self { port, left_out: 0 };
        ports.into_iter().map(port).collect()
    }
}

impl Port for KernelPort {
    type Buf = Mbuf;

    #[inline]
    fn info(&self) -> &PortInfo {
        self.port.info()
    }

    #[inline]
    fn rx_burst(&mut self, batch: &mut Batch<Mbuf>) -> usize {
        if self.left_out > 0 {
            self.left_out -= 1;
            return 0;
        }
        let received = self.port.rx_burst(batch);
        if received == 0 {
            self.left_out = BURSTS_LEFT_OUT;
        }
        received
    }

    fn tx(&mut self, frame: Mbuf) -> Result<(), Mbuf> {
        self.port.tx(frame)
    }

    #[inline]
    fn flush(&mut self) -> FlushReport {
        self.port.flush()
    }

    fn alloc(&mut self) -> Option<Mbuf> {
        self.port.alloc()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        self.port.poll_fd()
    }

    fn stats(&self) -> PortStats {
        self.port.stats()
    }
}
