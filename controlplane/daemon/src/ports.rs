//! What the ports tell of themselves, beside what the workers count of them
//!
//! Links, and counts of the kernel or of a DPDK driver. They are read when somebody asks, past the workers, which know nothing
//! of it.

mod linux;

use std::sync::Arc;

use dhp_engine::PortStats;
use dhp_port_afpacket::MissedFrames;
use rtnetlink::Handle;
use tokio::task::JoinHandle;

/// A port at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortView {
    /// Its interface; with DPDK the TAP interface that stands for the device.
    pub name: String,
    /// `af-packet` or `dpdk`.
    pub driver: &'static str,
    /// Frames pass.
    pub link_up: bool,
    /// The link in words.
    pub link: String,
    /// The largest IP packet, in octets.
    pub mtu: u32,
    /// Its address.
    pub mac: [u8; 6],
    /// All its queues together.
    pub stats: PortStats,
    /// What the driver counts, by the driver's own names.
    pub counters: Vec<(String, u64)>,
}

/// Where to look.
#[derive(Debug)]
pub enum PortWatch {
    /// An interface of the kernel's.
    Linux {
        /// Its name.
        interface: String,
        /// Frames lost before each queue.
        missed: Vec<Arc<MissedFrames>>,
    },
    /// A device of DPDK's.
    #[cfg(feature = "dpdk")]
    Dpdk(Arc<dhp_port_dpdk::DpdkDevice>),
}

/// Looks at all ports.
#[derive(Debug)]
pub struct PortMonitor {
    watches: Vec<PortWatch>,
    handle: Handle,
    connection: JoinHandle<()>,
}

impl PortMonitor {
    /// A monitor of the ports in the order of the configuration.
    ///
    /// # Errors
    /// No netlink socket.
    pub fn new(watches: Vec<PortWatch>) -> std::io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        Ok(Self {
            watches,
            handle,
            connection: tokio::spawn(connection),
        })
    }

    /// Look at each.
    pub async fn look(&self) -> Vec<PortView> {
        let mut views = Vec::with_capacity(self.watches.len());
        for watch in &self.watches {
            views.push(match watch {
                PortWatch::Linux { interface, missed } => {
                    linux::view(&self.handle, interface, missed).await
                }
                #[cfg(feature = "dpdk")]
                PortWatch::Dpdk(device) => dpdk_view(device),
            });
        }
        views
    }
}

impl Drop for PortMonitor {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

#[cfg(feature = "dpdk")]
fn dpdk_view(device: &dhp_port_dpdk::DpdkDevice) -> PortView {
    let (info, link) = (device.info(), device.link());
    PortView {
        name: info.name.clone(),
        driver: "dpdk",
        link_up: link.up,
        link: link.text,
        mtu: info.mtu.into(),
        mac: info.mac,
        stats: device.stats(),
        counters: device.xstats(),
    }
}
