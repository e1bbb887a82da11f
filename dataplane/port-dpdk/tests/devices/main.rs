//! Virtual devices of DPDK as ports, without hugepages
#![cfg(feature = "dpdk")]

mod appliance;
mod exceptions;
mod interfaces;
mod memory;
#[path = "../../../port-afpacket/tests/common/mod.rs"]
mod namespace;
mod recordings;
mod rings;

use std::sync::OnceLock;

use dhp_engine::{Batch, PacketBuf, Port};
use dhp_port_dpdk::{DeviceSettings, DpdkDevice, Eal, Mbuf, Mempool};

/// DPDK, which all tests of the process share.
fn eal() -> &'static Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    EAL.get_or_init(|| {
        let prefix = format!("--file-prefix=dhp_devices_{}", std::process::id());
        let options = [
            "--no-huge",
            "--no-shconf",
            "--no-pci",
            "--no-telemetry",
            "-m",
            "256",
            &prefix,
        ];
        let eal = Eal::init(&options.map(str::to_owned)).expect("DPDK without hugepages");
        // Nobody shares anything, and the process ends without a last word.
        std::fs::remove_dir_all(eal.runtime_directory()).expect("a directory of this process");
        eal
    })
}

fn pool() -> Mempool {
    Mempool::new(eal(), 2_047, 2_048, None).expect("memory")
}

fn settings(device: &str) -> DeviceSettings {
    DeviceSettings {
        device: device.to_owned(),
        name: device.split(',').next().unwrap_or_default().to_owned(),
        descriptors: 256,
    }
}

fn attach(device: &str) -> DpdkDevice {
    DpdkDevice::attach(eal(), settings(device)).expect("a device")
}

/// A frame to `destination` with a number in it.
fn frame(destination: [u8; 6], number: u8) -> Vec<u8> {
    let mut frame = destination.to_vec();
    frame.extend([2, 0, 0, 0, 0, 9, 0x86, 0xdd]);
    frame.resize(60, number);
    frame
}

fn send(port: &mut impl Port<Buf = Mbuf>, octets: &[u8]) {
    let mut mbuf = port.alloc().expect("an mbuf");
    assert!(mbuf.set_len(octets.len()));
    mbuf.bytes_mut().copy_from_slice(octets);
    assert!(port.tx(mbuf).is_ok());
}

fn received(port: &mut impl Port<Buf = Mbuf>) -> Vec<Vec<u8>> {
    let mut batch = Batch::new();
    port.rx_burst(&mut batch);
    batch.drain().map(|mbuf| mbuf.bytes().to_vec()).collect()
}
