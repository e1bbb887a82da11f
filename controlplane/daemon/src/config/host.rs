//! Whether this machine can run a configuration

use dhp_config::{Problem, closest};
use std::net::Ipv6Addr;
use std::path::Path;

use ipnet::Ipv6Net;
use nix::sys::socket::SockaddrStorage;

use super::{Config, Driver, Places};

/// What a machine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Names of its interfaces.
    pub interfaces: Vec<String>,
    /// Its IPv6 addresses.
    pub addresses: Vec<Ipv6Addr>,
    /// The prefix that each address makes on-link, and the name of its interface.
    pub on_link: Vec<(String, Ipv6Net)>,
    /// Cores that this process may use.
    pub cores: Vec<usize>,
    /// This program was built with DPDK.
    pub dpdk: bool,
}

impl HostFacts {
    /// Ask the kernel, in the network namespace of this process.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn gather() -> std::io::Result<Self> {
        let mut interfaces: Vec<String> = Vec::new();
        let mut addresses = Vec::new();
        let mut on_link = Vec::new();
        for entry in nix::ifaddrs::getifaddrs()? {
            if !interfaces.contains(&entry.interface_name) {
                interfaces.push(entry.interface_name.clone());
            }
            let ip = |address: &Option<SockaddrStorage>| {
                let address = address.as_ref()?.as_sockaddr_in6()?;
                Some(address.ip())
            };
            if let Some(address) = ip(&entry.address) {
                addresses.push(address);
                let mask = ip(&entry.netmask).unwrap_or(Ipv6Addr::from_bits(u128::MAX));
                if let Ok(prefix) = Ipv6Net::with_netmask(address, mask) {
                    on_link.push((entry.interface_name, prefix.trunc()));
                }
            }
        }
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        Ok(Self {
            interfaces,
            addresses,
            on_link,
            cores: cores.into_iter().map(|core| core.id).collect(),
            dpdk: cfg!(feature = "dpdk"),
        })
    }
}

/// Whether the kernel forwards IPv6, as it must for the packets that the workers leave to it.
pub fn kernel_forwards() -> bool {
    let setting = Path::new("/proc/sys/net/ipv6/conf/all/forwarding");
    std::fs::read_to_string(setting).is_ok_and(|value| value.trim() == "1")
}

/// Everything of the configuration that the machine does not have.
pub(super) fn problems(config: &Config, places: &Places, facts: &HostFacts) -> Vec<Problem> {
    let mut found = Vec::new();
    if !facts.addresses.contains(&config.anchor.address) {
        found.push(
            Problem::new(
                places.anchor_address.clone(),
                format!(
                    "the anchor address {} is not an address of this host",
                    config.anchor.address
                ),
                "an address that is on one of its interfaces",
            )
            .help(format!(
                "ip -6 address add {}/128 dev lo",
                config.anchor.address
            )),
        );
    }
    for (port, span) in config.ports.iter().zip(&places.ports) {
        if port.driver != Driver::AfPacket {
            if !facts.dpdk {
                found.push(
                    Problem::new(
                        span.clone(),
                        "a port by DPDK, and this dhpd was built without",
                        "a dhpd that was built with DPDK, or `driver = \"af-packet\"`",
                    )
                    .help("cargo build --release --features dpdk"),
                );
            }
            // The device is DPDK's to find, and the interface is made.
            continue;
        }
        if facts.interfaces.contains(&port.interface) {
            continue;
        }
        let mut problem = Problem::new(
            span.clone(),
            format!("this host has no interface {}", port.interface),
            format!("one of {}", facts.interfaces.join(", ")),
        );
        if let Some(meant) = closest(&port.interface, facts.interfaces.iter().map(String::as_str)) {
            problem = problem.help(format!("did you mean `{meant}`?"));
        }
        found.push(problem);
    }
    let prefixes = config.pools.iter().filter_map(|pool| {
        let link = pool.link.as_ref()?;
        Some((link, pool.prefix))
    });
    for ((link, prefix), span) in prefixes.zip(&places.links) {
        // Where the interface itself is missing, its port says so.
        let is_there = facts.interfaces.contains(link);
        let mut on_link = facts.on_link.iter();
        let has_it = on_link.any(|(name, net)| name == link && net.contains(&prefix));
        if is_there && !has_it {
            let mut router = prefix.network().octets();
            if let Some(last) = router.last_mut() {
                *last |= 1;
            }
            let (router, length) = (Ipv6Addr::from(router), prefix.prefix_len());
            found.push(
                Problem::new(
                    span.clone(),
                    format!("{prefix} is not on the link of {link}"),
                    "an interface with an address of the home prefix",
                )
                .help(format!("ip -6 address add {router}/{length} dev {link}")),
            );
        }
    }
    for (node, span) in config.mobile_nodes.iter().zip(&places.home_addresses) {
        // Duplicate address detection on a home link does not hear this host's own kernel.
        if let (Some(address), Some(span)) = (node.home_address, span)
            && facts.addresses.contains(&address)
        {
            found.push(Problem::new(
                span.clone(),
                format!("the home address {address} is an address of this host"),
                format!("an address that is {}'s alone", node.id),
            ));
        }
    }
    let count = usize::try_from(config.workers.count).unwrap_or(usize::MAX);
    if let (Some(cores), Some(span)) = (&config.workers.cores, &places.cores) {
        for core in cores.iter().filter(|core| !facts.cores.contains(core)) {
            found.push(Problem::new(
                span.clone(),
                format!("this process has no core {core}"),
                format!("cores of {:?}", facts.cores),
            ));
        }
    } else if count > facts.cores.len() {
        found.push(Problem::new(
            places.workers.clone(),
            format!("{count} workers on {} cores", facts.cores.len()),
            "at most one worker a core",
        ));
    }
    found
}
