//! How the parts of a configuration fit together

use dhp_config::{InlineKeys, Located, Problem, closest};
use std::net::Ipv6Addr;
use std::ops::Range;

use ipnet::Ipv6Net;

use super::{
    Anchor, Api, Config, DirectoryEntry, Dpdk, Driver, Limits, Log, MobileNode, Places, Pool,
    PoolKind, Port, Rates, Signalling, Workers, mobile_nodes,
};

/// What could be read of the file; what is wrong in itself has been reported and is missing here.
pub(super) struct Draft {
    pub(super) anchor: Option<(Located<Ipv6Addr>, Anchor)>,
    pub(super) anchor_span: Range<usize>,
    pub(super) ports: Vec<Located<Port>>,
    pub(super) host_interface: Located<String>,
    pub(super) workers: Workers,
    pub(super) places_workers: Range<usize>,
    pub(super) places_cores: Option<Range<usize>>,
    pub(super) dpdk: Dpdk,
    pub(super) pools: Vec<Located<Pool>>,
    /// Where their links stand.
    pub(super) places_links: Vec<Range<usize>>,
    pub(super) coverage: Vec<Located<Ipv6Net>>,
    pub(super) correspondents: Vec<Located<Ipv6Net>>,
    pub(super) directory: Vec<DirectoryEntry>,
    pub(super) mobile_nodes: Vec<MobileNodeDraft>,
    pub(super) limits: Limits,
    pub(super) rates: Rates,
    pub(super) signalling: Located<Signalling>,
    pub(super) api: Api,
    pub(super) log: Log,
}

/// A `[[mobile-node]]` and where what must be unique in it stands.
pub(super) struct MobileNodeDraft {
    pub(super) node: MobileNode,
    pub(super) span: Range<usize>,
    pub(super) spi_span: Range<usize>,
    pub(super) home_address_span: Option<Range<usize>>,
    /// Where its key stands, if not in a file of its own.
    pub(super) inline_key: Option<Range<usize>>,
}

impl Draft {
    /// The configuration, where nothing of it is missing.
    pub(super) fn into_config(self) -> Option<(Config, Places)> {
        let (address, anchor) = self.anchor?;
        let nodes = self.mobile_nodes.iter();
        let home_addresses = nodes.map(|draft| draft.home_address_span.clone());
        let mut inline_keys = InlineKeys::default();
        for draft in &self.mobile_nodes {
            inline_keys.note(draft.inline_key.as_ref());
        }
        let places = Places {
            anchor_address: address.span,
            ports: self.ports.iter().map(|port| port.span.clone()).collect(),
            workers: self.places_workers,
            cores: self.places_cores,
            links: self.places_links,
            home_addresses: home_addresses.collect(),
            inline_keys,
        };
        let config = Config {
            anchor,
            ports: self.ports.into_iter().map(|port| port.value).collect(),
            host_interface: self.host_interface.value,
            workers: self.workers,
            dpdk: self.dpdk,
            pools: self.pools.into_iter().map(|pool| pool.value).collect(),
            coverage: self
                .coverage
                .into_iter()
                .map(|prefix| prefix.value)
                .collect(),
            correspondents: self
                .correspondents
                .into_iter()
                .map(|prefix| prefix.value)
                .collect(),
            directory: self.directory,
            mobile_nodes: self
                .mobile_nodes
                .into_iter()
                .map(|draft| draft.node)
                .collect(),
            limits: self.limits,
            rates: self.rates,
            signalling: self.signalling.value,
            api: self.api,
            log: self.log,
        };
        Some((config, places))
    }
}

/// Everything that does not fit together.
pub(super) fn problems(draft: &Draft) -> Vec<Problem> {
    let mut found = Vec::new();
    anchor(draft, &mut found);
    interfaces(draft, &mut found);
    workers(draft, &mut found);
    pools(draft, &mut found);
    correspondents(draft, &mut found);
    home_links(draft, &mut found);
    mobile_nodes::check(&draft.mobile_nodes, &draft.pools, &mut found);
    if draft.signalling.value.code_points.collides() {
        let code_points = draft.signalling.value.code_points;
        found.push(Problem::new(
            draft.signalling.span.clone(),
            format!("MH type {} or option type {} is an RFC's own", code_points.mh_type, code_points.option),
            "numbers that no other message or option has: 11 and 18 for experiments (RFC 5096), or assigned ones",
        ));
    }
    found
}

fn overlap(left: &Ipv6Net, right: &Ipv6Net) -> bool {
    left.contains(right) || right.contains(left)
}

fn anchor(draft: &Draft, found: &mut Vec<Problem>) {
    let Some((address, anchor)) = &draft.anchor else {
        return;
    };
    if !dhp_wire::ipv6::is_unicast_routable(&address.value) {
        found.push(Problem::new(
            address.span.clone(),
            format!(
                "the anchor address {} is not a routable unicast address",
                address.value
            ),
            "an address that mobile nodes can reach",
        ));
    }
    // A home agent may well have its address on the home link, where packets are taken one address at a time.
    let whole = draft.pools.iter();
    for pool in whole.filter(|pool| pool.value.link.is_none()) {
        if pool.value.prefix.contains(&address.value) {
            found.push(
                Problem::new(
                    address.span.clone(),
                    format!("the anchor address {} lies inside a pool", address.value),
                    "an address outside all pools, or packets to it would go to a mobile node",
                )
                .related(pool.span.clone(), "this pool"),
            );
        }
    }
    let roles = anchor.roles;
    let needs = |kind, flag, role: &str, found: &mut Vec<Problem>| {
        if let (false, Some(pool)) = (
            flag,
            draft.pools.iter().find(|pool| pool.value.kind == kind),
        ) {
            found.push(
                Problem::new(
                    pool.span.clone(),
                    format!(
                        "a pool of kind \"{}\" on a box that is no {role}",
                        kind.name()
                    ),
                    format!("no such pool, or \"{role}\" among the roles of [anchor]"),
                )
                .related(draft.anchor_span.clone(), "the roles"),
            );
        }
    };
    needs(PoolKind::Dhoa, roles.dhp, "dhp", found);
    needs(PoolKind::Home, roles.home_agent, "home-agent", found);
}

fn interfaces(draft: &Draft, found: &mut Vec<Problem>) {
    for (index, port) in draft.ports.iter().enumerate() {
        let name = &port.value.interface;
        if let Some(earlier) = draft
            .ports
            .iter()
            .take(index)
            .find(|earlier| earlier.value.interface == *name)
        {
            found.push(
                Problem::new(
                    port.span.clone(),
                    format!("the interface {name} is given twice"),
                    "another interface",
                )
                .related(earlier.span.clone(), "first given here"),
            );
        }
        let device = port.value.driver.device();
        if let Some(earlier) = draft
            .ports
            .iter()
            .take(index)
            .find(|earlier| device.is_some() && earlier.value.driver.device() == device)
        {
            found.push(
                Problem::new(
                    port.span.clone(),
                    format!("the device {} is given twice", device.unwrap_or_default()),
                    "another device",
                )
                .related(earlier.span.clone(), "first given here"),
            );
        }
        let driver = port.value.driver.name();
        if let Some(first) = draft.ports.first()
            && first.value.driver.name() != driver
        {
            found.push(
                Problem::new(
                    port.span.clone(),
                    format!(
                        "a port by {driver} beside one by {}",
                        first.value.driver.name()
                    ),
                    "one driver for all ports: packets stay in the memory of one",
                )
                .related(first.span.clone(), "the other port")
                .help("DPDK takes Linux interfaces too: device = \"net_af_packet0,iface=eth0\""),
            );
        }
        if *name == draft.host_interface.value {
            found.push(
                Problem::new(
                    port.span.clone(),
                    format!("the port {name} has the name of the host interface"),
                    "an interface other than the one that dhpd makes towards the kernel",
                )
                .help("set `interface` in [host] to another name"),
            );
        }
    }
}

fn workers(draft: &Draft, found: &mut Vec<Problem>) {
    let (Some(cores), Some(span)) = (&draft.workers.cores, &draft.places_cores) else {
        return;
    };
    if u32::try_from(cores.len()) != Ok(draft.workers.count) {
        found.push(Problem::new(
            span.clone(),
            format!("{} cores for {} workers", cores.len(), draft.workers.count),
            "one core for each worker",
        ));
    }
    for (index, core) in cores.iter().enumerate() {
        if cores.iter().take(index).any(|earlier| earlier == core) {
            found.push(Problem::new(
                span.clone(),
                format!("core {core} is given twice"),
                "a core of its own for each worker, which never gives it up while there are packets",
            ));
        }
    }
}

fn pools(draft: &Draft, found: &mut Vec<Problem>) {
    for (index, pool) in draft.pools.iter().enumerate() {
        let prefix = &pool.value.prefix;
        for earlier in draft.pools.iter().take(index) {
            if overlap(&earlier.value.prefix, prefix) {
                found.push(
                    Problem::new(
                        pool.span.clone(),
                        format!(
                            "the pool {prefix} overlaps the pool {}",
                            earlier.value.prefix
                        ),
                        "addresses of its own",
                    )
                    .related(earlier.span.clone(), "the other pool"),
                );
            }
        }
        for covered in &draft.coverage {
            if overlap(&covered.value, prefix) {
                found.push(
                    Problem::new(
                        pool.span.clone(),
                        format!("the pool {prefix} overlaps the coverage {}", covered.value),
                        "addresses of mobile nodes, none that correspondents have",
                    )
                    .related(covered.span.clone(), "the correspondents' addresses"),
                );
            }
        }
        if prefix.prefix_len() < 3 || !dhp_wire::ipv6::is_unicast_routable(&prefix.network()) {
            found.push(Problem::new(
                pool.span.clone(),
                format!("the pool {prefix} is not a prefix of routable unicast addresses"),
                "a prefix that is routed to this box",
            ));
        }
    }
}

/// Each packet in transit is held against all of them.
const MOST_CORRESPONDENTS: usize = 64;

/// Hosts that the box acts for: it has to be a correspondent itself, and a router on their way.
fn correspondents(draft: &Draft, found: &mut Vec<Problem>) {
    let Some(first) = draft.correspondents.first() else {
        return;
    };
    if draft
        .anchor
        .as_ref()
        .is_some_and(|(_, anchor)| !anchor.roles.correspondent)
    {
        found.push(
            Problem::new(
                first.span.clone(),
                "a [[correspondent]] on a box that is no correspondent",
                "none, or \"correspondent\" among the roles of [anchor]",
            )
            .related(draft.anchor_span.clone(), "the roles"),
        );
    }
    if !draft.workers.transit {
        found.push(
            Problem::new(
                first.span.clone(),
                "a [[correspondent]] on a box that forwards nothing",
                "none, or `transit = true` in [workers]: it acts for hosts whose packets it forwards",
            )
            .related(draft.places_workers.clone(), "the workers"),
        );
    }
    if let Some(beyond) = draft.correspondents.get(MOST_CORRESPONDENTS) {
        found.push(Problem::new(
            beyond.span.clone(),
            format!("{} [[correspondent]] prefixes", draft.correspondents.len()),
            format!("at most {MOST_CORRESPONDENTS}, each of which may be a short one"),
        ));
    }
    for prefix in &draft.correspondents {
        let mut pools = draft.pools.iter();
        if let Some(pool) = pools.find(|pool| overlap(&pool.value.prefix, &prefix.value)) {
            found.push(
                Problem::new(
                    prefix.span.clone(),
                    format!(
                        "the correspondents {} overlap the pool {}",
                        prefix.value, pool.value.prefix
                    ),
                    "addresses of hosts behind this box, none of mobile nodes",
                )
                .related(pool.span.clone(), "the pool"),
            );
        }
    }
}

/// A home prefix on a real link: the workers have to see what nodes there send, and this process what the kernel sees.
fn home_links(draft: &Draft, found: &mut Vec<Problem>) {
    let on_links = draft.pools.iter().filter_map(|pool| {
        let link = pool.value.link.as_ref()?;
        Some((pool, link))
    });
    for ((pool, link), span) in on_links.zip(&draft.places_links) {
        let prefix = &pool.value.prefix;
        if pool.value.kind != PoolKind::Home {
            found.push(
                Problem::new(
                    span.clone(),
                    format!("the pool {prefix} of DHoAs has a home link"),
                    "a pool of kind \"home\": DHoAs are on no link",
                )
                .help("take `link` away, or set `kind = \"home\"`"),
            );
        }
        let mut ports = draft.ports.iter();
        match ports.find(|port| port.value.interface == *link) {
            None => {
                let names = draft
                    .ports
                    .iter()
                    .map(|port| port.value.interface.as_str());
                let names: Vec<&str> = names.collect();
                let help = match closest(link, names.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("add a [[port]] with `interface = \"{link}\"`"),
                };
                found.push(
                    Problem::new(
                        span.clone(),
                        format!("the home link {link} is no port"),
                        format!("one of the ports: {}", names.join(", ")),
                    )
                    .help(help),
                );
            }
            Some(port) if port.value.driver != Driver::AfPacket => found.push(
                Problem::new(
                    span.clone(),
                    format!("the home link {link} is a port by DPDK"),
                    "a port with `driver = \"af-packet\"`: the kernel and dhpd both hear what is said on the link",
                )
                .related(port.span.clone(), "the port"),
            ),
            Some(_) => {}
        }
    }
}
