//! DPDK from its start to its end
#![cfg(feature = "dpdk")]

use dhp_engine::{Batch, PacketPool, Port};
use dhp_port_dpdk::{DeviceSettings, DpdkDevice, Eal, Mempool};

#[test]
fn it_starts_once_and_ends_with_its_last_handle() {
    let prefix = format!("--file-prefix=dhp_lifecycle_{}", std::process::id());
    let options = [
        "--no-huge",
        "--no-shconf",
        "--no-pci",
        "--no-telemetry",
        "-m",
        "128",
        &prefix,
    ];
    let options = options.map(str::to_owned);
    let before = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0));
    let eal = Eal::init(&options).expect("DPDK without hugepages");
    let after = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0));
    assert_eq!(before, after, "the thread is not pinned");
    assert!(Eal::version().starts_with("DPDK "));
    let again = Eal::init(&options).expect_err("once");
    assert!(again.to_string().contains("possible once"), "{again}");

    let pool = Mempool::new(&eal, 1_000, 2_048, None).expect("memory");
    let huge = Mempool::new(&eal, 1 << 20, 2_048, None).expect_err("no memory");
    assert!(huge.to_string().contains("remedy: about "), "{huge}");
    let settings = |device: &str| DeviceSettings {
        device: device.to_owned(),
        name: "port0".to_owned(),
        descriptors: 256,
    };
    let none = DpdkDevice::attach(&eal, settings("net_nonsense0")).expect_err("no such driver");
    assert!(none.to_string().contains("remedy"), "{none}");
    let device = DpdkDevice::attach(&eal, settings("net_ring_life")).expect("a device");
    let mut ports = device.start(std::slice::from_ref(&pool)).expect("a queue");
    let directory = eal.runtime_directory();
    // The last handles are those that a port has.
    drop((eal, pool));
    let mut batch = Batch::new();
    for port in &mut ports {
        let frame = port.alloc().expect("an mbuf");
        assert!(port.tx(frame).is_ok());
        port.flush();
        port.rx_burst(&mut batch);
    }
    drop(batch);
    drop(ports);
    std::fs::remove_dir_all(directory).expect("a directory of this process");
}

#[test]
fn a_pool_can_be_sent_to_another_thread() {
    fn sendable<T: Send + PacketPool>() {}
    sendable::<Mempool>();
}
