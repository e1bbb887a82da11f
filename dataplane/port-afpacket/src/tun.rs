//! The exception interface: what is for the host kernel goes out here, what the kernel routes here comes in

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use dhp_engine::{
    Batch, FlushReport, FramePool, Link, PacketBuf, PacketPool, Port, PortInfo, PortStats,
};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use crate::error::{Context, SetupError};

/// One queue of a TUN or TAP interface. To send on the port is to have the host kernel receive.
pub struct TunPort<A: PacketPool = FramePool> {
    info: PortInfo,
    device: SyncDevice,
    pool: A,
    /// An allocated frame that nothing was received into.
    spare: Option<A::Buf>,
    stats: PortStats,
    unreported: FlushReport,
}

impl<A: PacketPool> TunPort<A> {
    /// Make the interface `name` and bring it up, with as many queues as there are `pools`, each for one worker. Addresses
    /// and routes are the caller's business. `mtu` is in octets; the frames of the pools must hold as much.
    ///
    /// # Errors
    /// The kernel refuses; CAP_NET_ADMIN and /dev/net/tun are needed.
    pub fn open(name: &str, mtu: u16, pools: &[A]) -> Result<Vec<Self>, SetupError> {
        let builder = DeviceBuilder::new().name(name).mtu(mtu);
        let devices = open_queues(builder, pools.len()).context(name, "make a TUN interface")?;
        let info = PortInfo {
            name: name.to_owned(),
            mac: [0; 6],
            mtu,
            link: Link::RawIp,
            host_has_copy: false,
        };
        Ok(Self::queues(devices, &info, pools))
    }

    /// As [`open`](Self::open), but a TAP interface: with Ethernet headers, and the address `mac` on the kernel's side.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_tap(
        name: &str,
        mac: [u8; 6],
        mtu: u16,
        pools: &[A],
    ) -> Result<Vec<Self>, SetupError> {
        let builder = DeviceBuilder::new().name(name).mtu(mtu);
        let builder = builder.layer(Layer::L2).mac_addr(mac);
        let devices = open_queues(builder, pools.len()).context(name, "make a TAP interface")?;
        let info = PortInfo {
            name: name.to_owned(),
            mac,
            mtu,
            link: Link::Ethernet,
            host_has_copy: false,
        };
        Ok(Self::queues(devices, &info, pools))
    }

    fn queues(devices: Vec<SyncDevice>, info: &PortInfo, pools: &[A]) -> Vec<Self> {
        let port = |(device, pool): (SyncDevice, &A)| Self {
            info: info.clone(),
            device,
            pool: pool.clone(),
            spare: None,
            stats: PortStats::default(),
            unreported: FlushReport::default(),
        };
        devices.into_iter().zip(pools).map(port).collect()
    }
}

fn open_queues(builder: DeviceBuilder, queues: usize) -> io::Result<Vec<SyncDevice>> {
    let mut devices = Vec::with_capacity(queues);
    let first = builder.multi_queue(queues > 1).build_sync()?;
    for _ in 1..queues {
        devices.push(first.try_clone()?);
    }
    devices.push(first);
    for device in &devices {
        device.set_nonblocking(true)?;
    }
    Ok(devices)
}

impl<A: PacketPool> std::fmt::Debug for TunPort<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TunPort")
            .field("info", &self.info)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl<A: PacketPool> Port for TunPort<A> {
    type Buf = A::Buf;

    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn rx_burst(&mut self, batch: &mut Batch<A::Buf>) -> usize {
        let before = batch.len();
        while batch.room() > 0 {
            let Some(mut frame) = self.spare.take().or_else(|| self.pool.alloc()) else {
                break;
            };
            let room = frame.capacity();
            let received = match frame.set_len(room) {
                true => self.device.recv(frame.bytes_mut()),
                false => Ok(0),
            };
            match received {
                Ok(octets) if octets > 0 && frame.set_len(octets) => {
                    self.stats.rx_packets += 1;
                    self.stats.rx_bytes += octets as u64;
                    // There is room, by the condition of the loop.
                    let _ = batch.push(frame);
                }
                // Nothing waits, or the interface is down.
                Ok(_) | Err(_) => {
                    self.spare = Some(frame);
                    break;
                }
            }
        }
        batch.len() - before
    }

    fn tx(&mut self, frame: A::Buf) -> Result<(), A::Buf> {
        // Such an interface takes one packet per system call, so that there is nothing to gain by a queue.
        match self.device.send(frame.bytes()) {
            Ok(octets) => {
                self.unreported.sent += 1;
                self.unreported.bytes += octets as u64;
            }
            Err(_) => self.unreported.failed += 1,
        }
        Ok(())
    }

    fn flush(&mut self) -> FlushReport {
        let report = std::mem::take(&mut self.unreported);
        self.stats.tx_packets += report.sent;
        self.stats.tx_bytes += report.bytes;
        self.stats.tx_failed += report.failed;
        report
    }

    fn alloc(&mut self) -> Option<A::Buf> {
        self.pool.alloc()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.device.as_fd())
    }

    fn stats(&self) -> PortStats {
        self.stats
    }
}
