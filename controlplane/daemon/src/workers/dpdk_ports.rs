//! Ports on DPDK devices, with a TAP interface each

use dhp_port_dpdk::{DeviceSettings, DpdkDevice, DpdkWorkerPort, Eal, KernelPort, Mempool};

use super::{Ports, WorkersError, frame_octets};
use crate::config::{Config, Port};
use crate::ports::PortWatch;

/// Places of each receive and each transmit ring.
const DESCRIPTORS: u16 = 1024;

/// All ports of each worker: devices, their TAP interfaces, the host port.
pub(super) fn open(config: &Config) -> Result<(Eal, Ports<DpdkWorkerPort>), WorkersError> {
    let eal = Eal::init(&eal_options(config))?;
    let mut devices = Vec::with_capacity(config.ports.len());
    for port in &config.ports {
        devices.push(attach(&eal, port)?);
    }
    let mtus = devices.iter().map(|device| device.info().mtu);
    let host_mtu = mtus.fold(1280, u16::max);
    let node = devices.first().and_then(DpdkDevice::numa_node);
    let pools = (0..config.workers.count)
        .map(|_| Mempool::new(&eal, config.dpdk.mbufs, frame_octets(host_mtu), node))
        .collect::<Result<Vec<_>, _>>()?;
    let mut of_workers: Vec<Vec<DpdkWorkerPort>> = pools.iter().map(|_| Vec::new()).collect();
    // Before the devices start, so that nothing comes for which there is no way to the kernel.
    let mut taps = Vec::with_capacity(devices.len());
    for device in &devices {
        taps.push(KernelPort::tap(&device.info().name, device.info(), &pools)?);
    }
    let links = devices.len();
    let mut watches = Vec::with_capacity(links);
    for device in devices {
        let queues = device.start(&pools)?;
        let first = queues.first();
        watches.extend(first.map(|queue| PortWatch::Dpdk(queue.device().clone())));
        deal(&mut of_workers, queues);
    }
    for tap in taps {
        deal(&mut of_workers, tap);
    }
    deal(
        &mut of_workers,
        KernelPort::tun(&config.host_interface, host_mtu, &pools)?,
    );
    let ports = Ports {
        of_workers,
        exceptions: (0..links).map(|link| (link, links + link)).collect(),
        watches,
    };
    Ok((eal, ports))
}

/// One queue to each worker.
fn deal<P: Into<DpdkWorkerPort>>(of_workers: &mut [Vec<DpdkWorkerPort>], queues: Vec<P>) {
    for (worker, queue) in of_workers.iter_mut().zip(queues) {
        worker.push(queue.into());
    }
}

fn attach(eal: &Eal, port: &Port) -> Result<DpdkDevice, WorkersError> {
    let settings = DeviceSettings {
        device: port.driver.device().unwrap_or_default().to_owned(),
        name: port.interface.clone(),
        descriptors: DESCRIPTORS,
    };
    Ok(DpdkDevice::attach(eal, settings)?)
}

/// The configured options, and that DPDK is to leave alone what is no port: it would take every device that it can.
fn eal_options(config: &Config) -> Vec<String> {
    let mut options = config.dpdk.eal.clone();
    let chooses = |option: &String| {
        ["-a", "-b", "--allow", "--block", "--no-pci"]
            .iter()
            .any(|name| option.starts_with(name))
    };
    if options.iter().any(chooses) {
        return options;
    }
    let devices = config.ports.iter().filter_map(|port| port.driver.device());
    let on_pci: Vec<&str> = devices
        .filter(|device| !device.starts_with("net_"))
        .collect();
    if on_pci.is_empty() {
        options.push("--no-pci".to_owned());
    }
    for device in on_pci {
        options.extend(["-a".to_owned(), device.to_owned()]);
    }
    options
}
