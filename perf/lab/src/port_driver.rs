//! What drives the anchors' ports, and what that makes of the configuration and the interfaces.

use std::path::Path;

use anyhow::Result;

use crate::namespace::Namespace;

/// What drives the anchors' ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortDriver {
    /// Packet sockets on the lab's interfaces.
    AfPacket,
    /// DPDK, by its `net_af_packet` devices on the same interfaces; the anchor's kernel is behind TAP interfaces.
    Dpdk,
}

impl PortDriver {
    /// As the command line asks for it.
    pub fn of_option(dpdk: bool) -> Self {
        match dpdk {
            true => Self::Dpdk,
            false => Self::AfPacket,
        }
    }

    /// The name of the interface at a wire's end whose addresses are at `interface`.
    pub fn wire_end(self, interface: &str) -> String {
        match self {
            Self::AfPacket => interface.to_owned(),
            Self::Dpdk => format!("{interface}-dev"),
        }
    }

    /// Prepares an anchor's port, with the wire's MAC address. With DPDK the TAP is made before `dhpd` starts, which takes it as
    /// it is, so that it has its addresses and routes as the interface of any other node.
    pub fn prepare(self, anchor: &Namespace, interface: &str, mac: [u8; 6]) -> Result<()> {
        if self == Self::AfPacket {
            return Ok(());
        }
        // To the kernel the wire's end is none of its interfaces: it is DPDK's.
        let wire_end = self.wire_end(interface);
        anchor.sysctl(&format!("net/ipv6/conf/{wire_end}/disable_ipv6"), "1")?;
        let mac: Vec<String> = mac.iter().map(|octet| format!("{octet:02x}")).collect();
        anchor.ip_lines(&format!(
            "tuntap add dev {interface} mode tap
             link set {interface} address {}
             link set {interface} up",
            mac.join(":")
        ))
    }

    /// The `[[port]]` of the interface.
    pub fn port_section(self, interface: &str) -> String {
        match self {
            Self::AfPacket => format!("[[port]]\ninterface = \"{interface}\"\n"),
            Self::Dpdk => format!(
                "[[port]]\ndriver = \"dpdk\"\ndevice = \"net_af_packet_{interface},iface={}\"\ntap = \"{interface}\"\n",
                self.wire_end(interface)
            ),
        }
    }

    /// What else `dhpd` is told, as the anchor named so: DPDK shall need neither hugepages nor anything of the machine.
    pub fn section(self, anchor: &str) -> String {
        match self {
            Self::AfPacket => String::new(),
            Self::Dpdk => format!(
                "[dpdk]\neal = [\"--no-huge\", \"--no-shconf\", \"--no-pci\", \"--no-telemetry\", \"-m\", \"128\", \
                 \"--file-prefix={anchor}\"]\nmbufs = 8191\n\n"
            ),
        }
    }

    /// What precedes `dhpd` on its command line. DPDK keeps its files below `directory`, which the lab removes.
    pub fn environment(self, directory: &Path) -> Vec<String> {
        match self {
            Self::AfPacket => Vec::new(),
            Self::Dpdk => vec![
                "env".to_owned(),
                format!("RUNTIME_DIRECTORY={}", directory.display()),
            ],
        }
    }
}
