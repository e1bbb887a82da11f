//! How the parts of a configuration fit together

mod forwarders;
mod home_links;
mod prefixes;

use dhp_config::Problem;

use super::draft::Draft;
use super::{PoolKind, mobile_nodes};
use forwarders::{interfaces, workers};
use home_links::home_links;
use prefixes::{correspondents, pools};

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
    signalling(draft, &mut found);
    found
}

fn signalling(draft: &Draft, found: &mut Vec<Problem>) {
    let signalling = &draft.signalling;
    let code_points = signalling.value.code_points;
    if code_points.collides() {
        found.push(Problem::new(
            signalling.span.clone(),
            format!("MH type {} or option type {} is an RFC's own", code_points.mh_type, code_points.option),
            "numbers that no other message or option has: 11 and 18 for experiments (RFC 5096), or assigned ones",
        ));
    }
    if signalling.value.journal.is_some() && signalling.value.refresh_advice.is_some() {
        found.push(
            Problem::new(
                signalling.span.clone(),
                "a journal and refresh-advice exclude each other",
                "one of them: where bindings survive a restart, the Binding Refresh Advice \"MUST be omitted\" (RFC 6275 §10.3.1)",
            )
            .help("take refresh-advice away, or have mobile nodes asked to refresh by `refresh-request`"),
        );
    }
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
