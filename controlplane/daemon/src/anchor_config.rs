//! From the configuration file to the protocol engine's configuration

use std::time::{SystemTime, UNIX_EPOCH};

use dhp_proto::anchor::{self, AnchorConfig, LinkId, PoolConfig, PrefixLifetimes};
use dhp_proto::security_association::{
    MnId, Permissions, SecurityAssociation, SecurityAssociationError,
};
use dhp_wire::mobility::Lifetime;

use crate::config::{Config, KeySource, MobileNode, PoolKind, Roles};

/// What the anchor is told at its start.
///
/// # Errors
/// A key that does not fit its algorithm, which a checked configuration does not have.
pub fn anchor_config(config: &Config) -> Result<AnchorConfig, SecurityAssociationError> {
    let mut wanted = AnchorConfig::new(config.anchor.address);
    let Roles {
        dhp,
        home_agent,
        locator,
        correspondent,
    } = config.anchor.roles;
    wanted.roles = anchor::Roles {
        dhp,
        home_agent,
        locator,
    };
    wanted.code_points = config.signalling.code_points;
    wanted.preference = config.anchor.preference;
    wanted.max_lifetime = Lifetime::at_most(config.signalling.max_lifetime);
    wanted.refresh_advice = config.signalling.refresh_advice.map(Lifetime::at_most);
    wanted.refresh_request = config.signalling.refresh_request;
    wanted.cookies_above = config.signalling.cookies_above;
    wanted.care_of_test = config.signalling.care_of_test;
    wanted.prefix_advertisements = config.signalling.prefix_advertisements;
    wanted.home_agent_preference = config.anchor.home_agent_preference;
    wanted.heartbeat.peers.clone_from(&config.signalling.peers);
    wanted.allow_unauthenticated = config.signalling.allow_unauthenticated;
    let covered = config.coverage.iter();
    wanted.coverage = covered.map(|coverage| coverage.prefix).collect();
    wanted.is_correspondent = correspondent;
    wanted
        .correspondents_behind
        .clone_from(&config.correspondents);
    wanted.limits.max_correspondents =
        usize::try_from(config.limits.correspondents).unwrap_or(usize::MAX);
    wanted.limits.max_care_of_addresses = config.limits.care_of_addresses;
    wanted.limits.max_flow_bindings = config.limits.flow_bindings;
    let links = config.home_links();
    wanted.pools = config
        .pools
        .iter()
        .map(|pool| PoolConfig {
            quarantine: pool.quarantine,
            lifetimes: PrefixLifetimes {
                valid: pool.valid_lifetime,
                preferred: pool.preferred_lifetime,
            },
            link: pool.link.as_ref().and_then(|link| {
                let number = links.iter().position(|name| name == link)?;
                Some(LinkId(u32::try_from(number).ok()?))
            }),
            ..PoolConfig::new(
                pool.prefix,
                match pool.kind {
                    PoolKind::Dhoa => anchor::PoolKind::Dhoa,
                    PoolKind::Home => anchor::PoolKind::Home,
                },
            )
        })
        .collect();
    wanted.directory = config
        .directory
        .iter()
        .map(|entry| anchor::DirectoryEntry {
            dhp: entry.dhp,
            prefix: entry.prefix,
            preference: entry.preference,
            load: entry.load,
            path_rtt_us: entry.path_rtt_us,
        })
        .collect();
    let associations = config
        .mobile_nodes
        .iter()
        .map(|node| association(config, node));
    wanted.security_associations = associations.collect::<Result<_, _>>()?;
    wanted.route_optimization = config
        .mobile_nodes
        .iter()
        .any(|node| node.route_optimization);
    // Unless a journal says otherwise, sequence numbers of the time before are not known: then a timestamp tells the new from
    // the recorded. Not so for classic updates, whose mobile nodes need not know of timestamps: RFC 6275 §15.3 knows of the replays that this allows.
    wanted.sequence_state_lost = true;
    // Seconds of the clock rise from start to start, which is all that an epoch has to do.
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    wanted.epoch = since_epoch.as_secs();
    // RFC 5847 §3.2: without a journal bindings are lost with each start, so the counter has to differ from that of the start
    // before; a journal has its own.
    wanted.heartbeat.restart_counter = u32::try_from(wanted.epoch).unwrap_or(u32::MAX);
    Ok(wanted)
}

fn association(
    config: &Config,
    node: &MobileNode,
) -> Result<SecurityAssociation, SecurityAssociationError> {
    let permissions = Permissions {
        home_addresses: node.home_address.into_iter().collect(),
        dhoa: config.anchor.roles.dhp && node.max_dhoas > 0,
        max_dhoas: node.max_dhoas,
        route_optimization: node.route_optimization,
    };
    let id = MnId::nai(&node.id);
    match &node.key {
        KeySource::Home(key) => {
            let anchor = &config.anchor.address;
            SecurityAssociation::from_home_key(
                node.spi,
                id,
                key,
                anchor,
                node.algorithm,
                permissions,
            )
        }
        KeySource::Exact(key) => {
            SecurityAssociation::new(node.spi, id, key.clone(), node.algorithm, permissions)
        }
    }
}
