//! DPDK inside the program: the core libraries and the drivers that an anchor is likely to meet

use std::path::Path;

/// The libraries that everything uses.
const CORE: &[&str] = &[
    "rte_kvargs",
    "rte_telemetry",
    "rte_eal",
    "rte_ring",
    "rte_rcu",
    "rte_mempool",
    "rte_mbuf",
    "rte_net",
    "rte_meter",
    "rte_ethdev",
    "rte_pci",
    "rte_timer",
    "rte_hash",
    "rte_cmdline",
    "rte_gso",
    "rte_security",
    "rte_cryptodev",
];
/// Buses, drivers and the memory pools' ring, which register themselves by constructors that nothing else refers to.
const DRIVERS: &[&str] = &[
    "rte_mempool_ring",
    "rte_bus_pci",
    "rte_bus_vdev",
    "rte_common_iavf",
    "rte_net_af_packet",
    "rte_net_af_xdp",
    "rte_net_e1000",
    "rte_net_ena",
    "rte_net_i40e",
    "rte_net_iavf",
    "rte_net_ice",
    "rte_net_igc",
    "rte_net_ixgbe",
    "rte_net_memif",
    "rte_net_null",
    "rte_net_pcap",
    "rte_net_ring",
    "rte_net_tap",
    "rte_net_virtio",
    "rte_net_vmxnet3",
];
/// What they need of the system; only what is used ends up in the program.
const SYSTEM: &[&str] = &["xdp", "bpf", "pcap", "numa", "bsd", "dl", "m"];

/// Say so to cargo.
pub fn link(directory: &Path) -> Result<(), String> {
    println!("cargo::rustc-link-search=native={}", directory.display());
    for library in DRIVERS.iter().chain(CORE) {
        let archive = directory.join(format!("lib{library}.a"));
        if !archive.exists() {
            return Err(format!(
                "feature `static` needs {}, which this libdpdk does not have; remedy: without the feature `static`",
                archive.display()
            ));
        }
        // Not bundled: the whole of it in every program, but not in this crate's own archive.
        println!("cargo::rustc-link-lib=static:+whole-archive,-bundle={library}");
    }
    for library in SYSTEM {
        println!("cargo::rustc-link-lib=dylib={library}");
    }
    Ok(())
}
