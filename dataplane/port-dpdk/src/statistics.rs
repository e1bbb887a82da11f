//! What a device counts

use std::ffi::{CStr, c_uint};

use dhp_engine::PortStats;
use dpdk_sys::{rte_eth_stats, rte_eth_xstat, rte_eth_xstat_name};

use crate::device::DpdkDevice;

impl DpdkDevice {
    /// All its queues together, as the device counts them. What it lost, it lost because a ring was full or there was no mbuf.
    pub fn stats(&self) -> PortStats {
        // SAFETY: a structure of integers, for all of which zero is a value.
        let mut stats: rte_eth_stats = unsafe { std::mem::zeroed() };
        // SAFETY: writes the structure that the pointer is to.
        let code = unsafe { dpdk_sys::rte_eth_stats_get(self.port_id, &raw mut stats) };
        if code != 0 {
            return PortStats::default();
        }
        PortStats {
            rx_packets: stats.ipackets,
            rx_bytes: stats.ibytes,
            rx_missed: stats.imissed.saturating_add(stats.rx_nombuf),
            tx_packets: stats.opackets,
            tx_bytes: stats.obytes,
            tx_failed: stats.oerrors,
            ..PortStats::default()
        }
    }

    /// All counts of the device by the names that its driver gives them, such as `rx_good_packets`. Takes a moment.
    pub fn xstats(&self) -> Vec<(String, u64)> {
        // SAFETY: with a null pointer and no room this tells how many there are.
        let count =
            unsafe { dpdk_sys::rte_eth_xstats_get_names(self.port_id, std::ptr::null_mut(), 0) };
        let Ok(count) = usize::try_from(count) else {
            return Vec::new();
        };
        let room = c_uint::try_from(count).unwrap_or(0);
        let mut names: Vec<rte_eth_xstat_name> = Vec::with_capacity(count);
        let mut values: Vec<rte_eth_xstat> = Vec::with_capacity(count);
        // SAFETY: there is room for `room` of each, and as many are there afterwards as the function says, if that is not more.
        unsafe {
            let named = dpdk_sys::rte_eth_xstats_get_names(self.port_id, names.as_mut_ptr(), room);
            let read = dpdk_sys::rte_eth_xstats_get(self.port_id, values.as_mut_ptr(), room);
            names.set_len(
                usize::try_from(named)
                    .ok()
                    .filter(|named| *named <= count)
                    .unwrap_or(0),
            );
            values.set_len(
                usize::try_from(read)
                    .ok()
                    .filter(|read| *read <= count)
                    .unwrap_or(0),
            );
        }
        let named = values.iter().filter_map(|xstat| {
            let name = names.get(usize::try_from(xstat.id).ok()?)?;
            // SAFETY: DPDK terminates the names.
            let name = unsafe { CStr::from_ptr(name.name.as_ptr()) };
            Some((name.to_string_lossy().into_owned(), xstat.value))
        });
        named.collect()
    }
}
