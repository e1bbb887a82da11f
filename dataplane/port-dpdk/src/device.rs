//! A device: found, described, configured, started, and closed with the last of its queues

use std::ffi::{CStr, c_char};
use std::sync::Arc;

use dhp_engine::{Link, PortInfo};
use dhp_wire::ethernet::MacAddr;
use dpdk_sys::{rte_device, rte_eth_dev_info};

use crate::eal::Eal;
use crate::error::{DpdkError, check};
use crate::find::{Claim, is_virtual};
use crate::mempool::Mempool;
use crate::port::DpdkPort;
use crate::queues;

/// How a device is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSettings {
    /// A PCI address, or a virtual device with its arguments: `0000:03:00.0`, `net_af_packet0,iface=eth0,qpairs=2`.
    pub device: String,
    /// Its name in logs and metrics.
    pub name: String,
    /// Places of each receive and of each transmit ring; what the device cannot do is rounded.
    pub descriptors: u16,
}

/// Something that the device does beyond sending and receiving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Spreads packets over queues by their outer addresses.
    pub rss_ipv6: bool,
    /// … by the addresses inside of tunnels.
    pub rss_inner: bool,
    /// Checks checksums on receive.
    pub rx_checksum: bool,
    /// Writes checksums of UDP and TCP on transmit.
    pub tx_checksum: bool,
    /// Frees what it has sent faster, if all of it is from one pool.
    pub fast_free: bool,
    /// Receive queues, at most.
    pub rx_queues: u16,
    /// Transmit queues, at most.
    pub tx_queues: u16,
}

/// The state of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Frames pass.
    pub up: bool,
    /// In words, such as `Link up at 10 Gbps FDX Autoneg`.
    pub text: String,
}

/// A device of this process.
#[derive(Debug)]
pub struct DpdkDevice {
    pub(crate) port_id: u16,
    pub(crate) info: PortInfo,
    pub(crate) settings: DeviceSettings,
    pub(crate) capabilities: Capabilities,
    /// `flow_type_rss_offloads`.
    pub(crate) rss_offloads: u64,
    /// Frames to somebody else's address do not get here.
    pub(crate) filters: bool,
    /// What it receives into. Dropped behind the device, which gives back what it holds when it is closed.
    pub(crate) pools: Vec<Mempool>,
    pub(crate) started: bool,
    /// Of a virtual device that was made here, and is taken away again.
    made: Option<*mut rte_device>,
    numa_node: Option<u32>,
    /// Given up when the device is closed.
    claim: Claim,
    /// Behind everything else.
    _eal: Eal,
}

// SAFETY: the pointer is a handle of DPDK's for `rte_dev_remove`, which is called once, from `drop`; what the shared methods call
// (link state, statistics) DPDK allows to any thread.
unsafe impl Send for DpdkDevice {}
// SAFETY: as above.
unsafe impl Sync for DpdkDevice {}

impl DpdkDevice {
    /// Find the device, or have DPDK probe for it.
    ///
    /// # Errors
    /// There is no such device, none of DPDK's drivers has it, or another [`DpdkDevice`] is it.
    pub fn attach(eal: &Eal, settings: DeviceSettings) -> Result<Self, DpdkError> {
        let device = settings.device.as_str();
        let claim = Claim::new(device)?;
        let port_id = claim.port_id;
        let info = device_info(port_id, device)?;
        let mut mac = [0; 6];
        // SAFETY: `rte_ether_addr` is six octets, as is what the pointer is to.
        let code = unsafe { dpdk_sys::rte_eth_macaddr_get(port_id, (&raw mut mac).cast()) };
        check(code, device, "read the MAC address")?;
        let mut mtu = 0;
        // SAFETY: writes a number to where the pointer is to.
        let code = unsafe { dpdk_sys::rte_eth_dev_get_mtu(port_id, &raw mut mtu) };
        check(code, device, "read the MTU")?;
        // SAFETY: looks a number up.
        let node = unsafe { dpdk_sys::rte_eth_dev_socket_id(port_id) };
        let is_virtual = is_virtual(device);
        let made = (claim.probed && is_virtual && !info.device.is_null()).then_some(info.device);
        Ok(Self {
            port_id,
            info: PortInfo {
                name: settings.name.clone(),
                mac: own_mac(mac, &settings.name),
                mtu,
                link: Link::Ethernet,
                host_has_copy: false,
            },
            capabilities: capabilities(&info),
            rss_offloads: info.flow_type_rss_offloads,
            // Of the virtual ones hardly any does, and their links may have many stations.
            filters: !is_virtual,
            made,
            settings,
            pools: Vec::new(),
            started: false,
            numa_node: u32::try_from(node).ok(),
            claim,
            _eal: eal.clone(),
        })
    }

    /// Name, MAC address, MTU.
    pub fn info(&self) -> &PortInfo {
        &self.info
    }

    /// What it can do.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Without hardware of its own.
    pub(crate) fn is_virtual(&self) -> bool {
        is_virtual(&self.settings.device)
    }

    /// Where its memory is best.
    pub fn numa_node(&self) -> Option<u32> {
        self.numa_node
    }

    /// A receive and a transmit queue for each of `pools`, one pool a worker, and let packets come. The pools' mbufs must hold a
    /// frame of the MTU. A device that cannot spread packets over queues says so in the log: then all come to the first worker.
    ///
    /// # Errors
    /// The device has fewer queues, or refuses a step.
    pub fn start(mut self, pools: &[Mempool]) -> Result<Vec<DpdkPort>, DpdkError> {
        queues::configure(&mut self, pools)?;
        let device = Arc::new(self);
        let ports = (0..).zip(pools);
        Ok(ports
            .map(|(queue, pool)| DpdkPort::new(Arc::clone(&device), queue, pool.clone()))
            .collect())
    }

    /// The state of the link, without waiting for it.
    pub fn link(&self) -> LinkState {
        // SAFETY: a structure of integers, for all of which zero is a value.
        let mut link: dpdk_sys::rte_eth_link = unsafe { std::mem::zeroed() };
        let mut text = [0 as c_char; 64];
        // SAFETY: the first call writes a link; the second writes a terminated text of at most the given length, and the third
        // reads a bit.
        let up = unsafe {
            dpdk_sys::rte_eth_link_get_nowait(self.port_id, &raw mut link);
            dpdk_sys::rte_eth_link_to_str(text.as_mut_ptr(), text.len(), &raw const link);
            dpdk_sys::dhp_link_is_up(&raw const link) != 0
        };
        // SAFETY: the buffer was zero, and DPDK terminates what it writes.
        let text = unsafe { CStr::from_ptr(text.as_ptr()) };
        LinkState {
            up,
            text: text.to_string_lossy().into_owned(),
        }
    }
}

impl Drop for DpdkDevice {
    fn drop(&mut self) {
        let (port_id, started, made) = (self.port_id, self.started, self.made);
        // SAFETY: the device is there, and no queue of it is left, since each has a handle of the device. Of a virtual one, the
        // pointer is what DPDK told of it when it was made.
        self.claim.give_up(|| unsafe {
            if started {
                dpdk_sys::rte_eth_dev_stop(port_id);
            }
            dpdk_sys::rte_eth_dev_close(port_id);
            if let Some(made) = made {
                dpdk_sys::rte_dev_remove(made);
            }
        });
    }
}

pub(crate) fn device_info(port: u16, device: &str) -> Result<rte_eth_dev_info, DpdkError> {
    // SAFETY: pointers and integers, for all of which zero is a value.
    let mut info: rte_eth_dev_info = unsafe { std::mem::zeroed() };
    // SAFETY: writes the structure that the pointer is to.
    let code = unsafe { dpdk_sys::rte_eth_dev_info_get(port, &raw mut info) };
    check(code, device, "read what the device can do")?;
    Ok(info)
}

fn capabilities(info: &rte_eth_dev_info) -> Capabilities {
    let all = |has: u64, wanted: u64| has & wanted == wanted;
    Capabilities {
        rss_ipv6: info.flow_type_rss_offloads & dpdk_sys::DHP_RSS_IPV6 != 0,
        rss_inner: all(info.flow_type_rss_offloads, dpdk_sys::DHP_RSS_INNERMOST),
        rx_checksum: info.rx_offload_capa & dpdk_sys::DHP_RX_OFFLOAD_CHECKSUM != 0,
        tx_checksum: all(info.tx_offload_capa, dpdk_sys::DHP_TX_OFFLOAD_L4_CHECKSUM),
        fast_free: all(info.tx_offload_capa, dpdk_sys::DHP_TX_OFFLOAD_FAST_FREE),
        rx_queues: info.max_rx_queues,
        tx_queues: info.max_tx_queues,
    }
}

/// Rings have no address: they get a locally administered one (IEEE 802, the second bit), always the same for a name.
fn own_mac(mac: [u8; 6], name: &str) -> [u8; 6] {
    if mac != [0; 6] && !MacAddr(mac).is_multicast() {
        return mac;
    }
    // FNV-1a.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, octet| {
        (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193)
    });
    let [a, b, c, d] = hash.to_be_bytes();
    [0x02, 0xd9, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_an_address_gets_a_local_one_of_its_name() {
        assert_eq!(own_mac([2, 0, 0, 0, 0, 1], "core0"), [2, 0, 0, 0, 0, 1]);
        let mac = own_mac([0; 6], "core0");
        assert_eq!(mac[0] & 3, 2);
        assert_eq!(mac, own_mac([0; 6], "core0"));
        assert_ne!(mac, own_mac([0; 6], "cn0"));
    }
}
