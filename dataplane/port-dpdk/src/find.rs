//! From the name of a device to the number that DPDK gives it

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char};
use std::sync::{Mutex, PoisonError};

use dpdk_sys::rte_dev_iterator;

use crate::error::DpdkError;

/// The devices that are somebody's. Held while DPDK makes or unmakes one, since it gives numbers again.
static CLAIMED: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A device of nobody else in this process.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) port_id: u16,
    /// DPDK had to probe for it.
    pub(crate) probed: bool,
    given_up: bool,
}

impl Claim {
    /// Find a device, or have DPDK probe for it.
    pub(crate) fn new(device: &str) -> Result<Self, DpdkError> {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        let (port_id, probed) = find_or_probe(device)?;
        if !claimed.insert(port_id) {
            let reason = "another port of this process has it";
            return Err(DpdkError::new(device, "take the device", reason));
        }
        Ok(Self {
            port_id,
            probed,
            given_up: false,
        })
    }

    /// Close the device, and let others have it.
    pub(crate) fn give_up(&mut self, close: impl FnOnce()) {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut self.given_up, true) {
            close();
            claimed.remove(&self.port_id);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.give_up(|| {});
    }
}

/// The number of the device's port, and whether DPDK had to probe for it.
fn find_or_probe(device: &str) -> Result<(u16, bool), DpdkError> {
    let raw = CString::new(device)
        .map_err(|_| DpdkError::new(device, "read the name", "a zero octet in it"))?;
    let name = device.split(',').next().unwrap_or_default();
    let name = CString::new(name).unwrap_or_default();
    if let Some(port) = port_by_name(&name) {
        return Ok((port, false));
    }
    // SAFETY: DPDK is initialized, and copies the text.
    let code = unsafe { dpdk_sys::rte_dev_probe(raw.as_ptr()) };
    if code < 0 {
        return Err(
            DpdkError::from_code(device, "probe for the device", code).remedy(advice(device))
        );
    }
    port_by_name(&name)
        .or_else(|| first_match(&raw))
        .map(|port| (port, true))
        .ok_or_else(|| {
            DpdkError::new(device, "find the device", "no driver of DPDK has taken it")
                .remedy(advice(device))
        })
}

pub(crate) fn is_virtual(device: &str) -> bool {
    device.starts_with("net_")
}

fn advice(device: &str) -> &'static str {
    if is_virtual(device) {
        "a virtual device of a driver that is installed (librte-net-… on Debian), with its arguments: net_af_packet0,iface=eth0"
    } else {
        "the address as lspci -D shows it, and the device bound to vfio-pci (dpdk-devbind.py -b vfio-pci ADDRESS), unless its \
         driver shares it with the kernel (mlx5)"
    }
}

fn port_by_name(name: &CStr) -> Option<u16> {
    let mut port = u16::MAX;
    // SAFETY: the name is terminated, and a number is written to where the pointer is to.
    let code = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut port) };
    (code == 0).then_some(port)
}

/// The first port of what `device` describes.
fn first_match(device: &CStr) -> Option<u16> {
    // SAFETY: pointers and integers, for all of which zero is a value.
    let mut iterator: rte_dev_iterator = unsafe { std::mem::zeroed() };
    // SAFETY: the text is terminated and outlives the iterator, which is cleaned up unless it came to its end.
    unsafe {
        if dpdk_sys::rte_eth_iterator_init(&raw mut iterator, device.as_ptr()) != 0 {
            return None;
        }
        let port = dpdk_sys::rte_eth_iterator_next(&raw mut iterator);
        // At the end it says RTE_MAX_ETHPORTS, which differs between builds, and has cleaned up.
        if !is_port(port) {
            return None;
        }
        dpdk_sys::rte_eth_iterator_cleanup(&raw mut iterator);
        Some(port)
    }
}

fn is_port(port: u16) -> bool {
    let mut name = [0 as c_char; 64];
    // SAFETY: RTE_ETH_NAME_MAX_LEN is 64.
    let code = unsafe { dpdk_sys::rte_eth_dev_get_name_by_port(port, name.as_mut_ptr()) };
    code == 0
}
