//! Prefixes of mobile nodes and of correspondents

use dhp_config::Problem;
use ipnet::Ipv6Net;

use crate::config::draft::Draft;

/// Each packet in transit is held against all of them.
const MOST_CORRESPONDENTS: usize = 64;

pub(super) fn pools(draft: &Draft, found: &mut Vec<Problem>) {
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
            let coverage = &covered.value.prefix;
            if overlap(coverage, prefix) {
                found.push(
                    Problem::new(
                        pool.span.clone(),
                        format!("the pool {prefix} overlaps the coverage {coverage}"),
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

/// Hosts that the box acts for: it has to be a correspondent itself, and a router on their way.
pub(super) fn correspondents(draft: &Draft, found: &mut Vec<Problem>) {
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

fn overlap(left: &Ipv6Net, right: &Ipv6Net) -> bool {
    left.contains(right) || right.contains(left)
}
