//! Home prefixes on real links

use dhp_config::{Problem, closest};

use crate::config::draft::Draft;
use crate::config::{Driver, PoolKind};

/// A home prefix on a real link: the workers have to see what nodes there send, and this process what the kernel sees.
pub(super) fn home_links(draft: &Draft, found: &mut Vec<Problem>) {
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
