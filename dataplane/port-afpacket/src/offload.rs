//! Receive offloads that would merge packets before a port sees them

use std::io;

use crate::ethtool::Ethtool;

// Commands and flags of linux/ethtool.h.
const ETHTOOL_GGRO: u32 = 0x2b;
const ETHTOOL_SGRO: u32 = 0x2c;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_SFLAGS: u32 = 0x26;
const ETH_FLAG_LRO: u32 = 1 << 15;

/// Generic and large receive offload of an interface, switched off for as long as this lives.
///
/// A router must not merge packets, and a merged one fits neither a frame nor the tunnel. What was on is on again after
/// the drop; after SIGKILL it stays off.
#[derive(Debug)]
pub(crate) struct ReceiveOffloadsOff {
    ethtool: Ethtool,
    generic: bool,
    large: bool,
}

impl ReceiveOffloadsOff {
    /// Switch off what is on. A driver that knows no such offload has none to switch off; one that refuses is warned of.
    pub(crate) fn new(interface: &str) -> io::Result<Self> {
        let ethtool = Ethtool::new(interface)?;
        let generic = ethtool.get(ETHTOOL_GGRO).is_ok_and(|on| on != 0);
        let flags = ethtool.get(ETHTOOL_GFLAGS).unwrap_or(0);
        let large = flags & ETH_FLAG_LRO != 0;
        if generic {
            warn_if_refused(interface, "gro", ethtool.set(ETHTOOL_SGRO, 0));
        }
        if large {
            let off = ethtool.set(ETHTOOL_SFLAGS, flags & !ETH_FLAG_LRO);
            warn_if_refused(interface, "lro", off);
        }
        Ok(Self {
            ethtool,
            generic,
            large,
        })
    }
}

impl Drop for ReceiveOffloadsOff {
    fn drop(&mut self) {
        // The interface may be gone by now, and then there is nothing to restore.
        if self.generic && self.ethtool.set(ETHTOOL_SGRO, 1).is_err() {
            tracing::debug!(
                interface = self.ethtool.interface(),
                "generic receive offload stays off"
            );
        }
        if self.large
            && let Ok(flags) = self.ethtool.get(ETHTOOL_GFLAGS)
            && self
                .ethtool
                .set(ETHTOOL_SFLAGS, flags | ETH_FLAG_LRO)
                .is_err()
        {
            tracing::debug!(
                interface = self.ethtool.interface(),
                "large receive offload stays off"
            );
        }
    }
}

fn warn_if_refused(interface: &str, offload: &str, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(
            interface,
            %error,
            "cannot switch {offload} off (ethtool -K {interface} {offload} off): merged packets are split again in software",
        );
    }
}
