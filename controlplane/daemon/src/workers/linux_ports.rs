//! Ports on Linux interfaces

use dhp_engine::FramePool;
use dhp_port_afpacket::{AfPacketPort, Interface, LinuxPort, SetupError, TunPort};

use super::{Ports, frame_octets};
use crate::config::Config;
use crate::ports::PortWatch;

/// Frames of each worker, for all its ports.
const FRAMES: usize = 8192;
/// Frames of each port's receive ring.
const RING_FRAMES: usize = 2048;

/// All ports of each worker, the host port last.
pub(super) fn open(config: &Config) -> Result<Ports<LinuxPort>, SetupError> {
    let host_mtu = host_mtu(config)?;
    let octets = frame_octets(host_mtu).into();
    let pools: Vec<FramePool> = (0..config.workers.count)
        .map(|_| FramePool::new(FRAMES, octets))
        .collect();
    let mut of_workers: Vec<Vec<LinuxPort>> = pools.iter().map(|_| Vec::new()).collect();
    let mut watches = Vec::with_capacity(config.ports.len());
    for port in &config.ports {
        let queues = AfPacketPort::open(&port.interface, &pools, RING_FRAMES)?;
        watches.push(PortWatch::Linux {
            interface: port.interface.clone(),
            missed: queues.iter().map(|queue| queue.missed().clone()).collect(),
        });
        for (worker, queue) in of_workers.iter_mut().zip(queues) {
            worker.push(queue.into());
        }
    }
    let queues = TunPort::open(&config.host_interface, host_mtu, &pools)?;
    for (worker, queue) in of_workers.iter_mut().zip(queues) {
        worker.push(queue.into());
    }
    Ok(Ports {
        of_workers,
        exceptions: Vec::new(),
        watches,
    })
}

/// The exception interface takes whatever a port takes.
fn host_mtu(config: &Config) -> Result<u16, SetupError> {
    let mut largest = 1280;
    for port in &config.ports {
        largest = largest.max(Interface::find(&port.interface)?.mtu);
    }
    Ok(largest)
}
