//! The sections `[[mobile-node]]`

use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::ops::Range;
use std::path::Path;

use dhp_config::{Located, Problem, Section};

use super::draft::MobileNodeDraft;
use super::{MobileNode, Pool, PoolKind};

/// Read one.
pub(super) fn mobile_node(section: Section<'_>, directory: &Path) -> Option<MobileNodeDraft> {
    let span = section.span.clone();
    let association = section.association(directory);
    let home_address = section.address("home-address");
    let max_dhoas = section.integer("max-dhoas", 0..=65_535);
    let route_optimization = section.boolean("route-optimization").unwrap_or(false);
    section.finish();
    let spi = association.spi?;
    Some(MobileNodeDraft {
        node: MobileNode {
            id: association.id?,
            spi: spi.value,
            algorithm: association.algorithm?,
            key: association.key?,
            home_address: home_address.as_ref().map(|address| address.value),
            max_dhoas: max_dhoas
                .and_then(|number| usize::try_from(number.value).ok())
                .unwrap_or(16),
            route_optimization,
        },
        span,
        spi_span: spi.span,
        home_address_span: home_address.map(|address| address.span),
        inline_key: association.inline_key,
    })
}

/// Everything in them that does not fit together.
pub(super) fn check(drafts: &[MobileNodeDraft], pools: &[Located<Pool>], found: &mut Vec<Problem>) {
    spis(drafts, found);
    home_addresses(drafts, pools, found);
    same_node(drafts, found);
}

fn spis(drafts: &[MobileNodeDraft], found: &mut Vec<Problem>) {
    let mut spis: HashMap<u32, &MobileNodeDraft> = HashMap::new();
    for draft in drafts {
        let spi = draft.node.spi;
        if let Some(earlier) = spis.get(&spi) {
            found.push(
                Problem::new(
                    draft.spi_span.clone(),
                    format!("the SPI {spi} is given twice"),
                    "an SPI of its own for each security association",
                )
                .related(
                    earlier.spi_span.clone(),
                    format!("also that of {}", earlier.node.id),
                ),
            );
        } else {
            spis.insert(spi, draft);
        }
    }
}

fn home_addresses(drafts: &[MobileNodeDraft], pools: &[Located<Pool>], found: &mut Vec<Problem>) {
    let mut homes: HashMap<Ipv6Addr, (&str, &Range<usize>)> = HashMap::new();
    for draft in drafts {
        let id = draft.node.id.as_str();
        let (Some(address), Some(span)) = (draft.node.home_address, &draft.home_address_span)
        else {
            continue;
        };
        let home_pool = |pool: &Located<Pool>| {
            pool.value.kind == PoolKind::Home && pool.value.prefix.contains(&address)
        };
        if !pools.iter().any(home_pool) {
            found.push(
                Problem::new(
                    span.clone(),
                    format!("the home address {address} lies in no pool of kind \"home\""),
                    "an address of a home pool",
                )
                .help("add a [[pool]] with `kind = \"home\"` that contains it, or take the home address away: it is for home agents only"),
            );
        }
        match homes.get(&address) {
            // While its key is changed, a mobile node has two sections.
            Some((of, _)) if *of == id => {}
            Some((_, earlier)) => found.push(
                Problem::new(
                    span.clone(),
                    format!("the home address {address} is given twice"),
                    "a home address of its own for each mobile node",
                )
                .related((*earlier).clone(), "first given here"),
            ),
            None => {
                homes.insert(address, (id, span));
            }
        }
    }
}

/// A mobile node may have several sections, one for each key. What it may do must not depend on the key that it happens to use,
/// nor end with a section that is taken away.
fn same_node(drafts: &[MobileNodeDraft], found: &mut Vec<Problem>) {
    let mut first: HashMap<&str, &MobileNodeDraft> = HashMap::new();
    for draft in drafts {
        let node = &draft.node;
        let Some(earlier) = first.get(node.id.as_str()) else {
            first.insert(&node.id, draft);
            continue;
        };
        let same = [
            ("max-dhoas", node.max_dhoas == earlier.node.max_dhoas),
            (
                "route-optimization",
                node.route_optimization == earlier.node.route_optimization,
            ),
            (
                "home-address",
                node.home_address.is_some() == earlier.node.home_address.is_some(),
            ),
        ];
        for (key, _) in same.into_iter().filter(|(_, same)| !same) {
            found.push(
                Problem::new(
                    draft.span.clone(),
                    format!("`{key}` of {} is not as in its other section", node.id),
                    format!("the same `{key}` in each section of a mobile node"),
                )
                .related(earlier.span.clone(), "the other section"),
            );
        }
    }
}
