//! Who and what there is: an anchor with two small DHoA pools and a home prefix, and its mobile nodes

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{
    AnchorConfig, Limits, PoolConfig, PoolKind, PrefixAdvertisements, PrefixDelivery,
};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use ipnet::Ipv6Net;

pub const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
/// A correspondent that the anchor covers.
pub const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
/// One that it does not cover.
pub const FAR_CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xe, 1, 0, 0, 0, 0x80);

/// Mobile nodes.
pub const NODES: usize = 240;
/// Of these, the last ones run the engine of `dhp-mn`; the others send what a test asks for.
pub const AGENTS: usize = 16;
/// Access networks that each can be at.
pub const PLACES: usize = 4;

/// Less than all pools and home addresses together, so that it is met.
pub const MOST_HOME_ADDRESSES: usize = 200;
/// Bindings that may have several care-of addresses.
pub const MOST_SPLIT: usize = 12;
pub const MOST_CARE_OFS: usize = 3;
pub const MOST_FLOWS: usize = 4;
/// The longest lifetime granted, in units of 4 seconds.
pub const LONGEST_LIFETIME: u16 = 150;
/// In kbit/s: what flows may ask for at most.
pub const CAPACITY_KBPS: u32 = 10_000;
pub const QUARANTINE_NS: u64 = 240_000_000_000;

/// 127 addresses that can be assigned, and 15.
pub const DHOA_POOLS: [Ipv6Net; 2] = [
    net([0x2001, 0xdb8, 0xd, 1], 121),
    net([0x2001, 0xdb8, 0xd, 2], 124),
];
pub const HOME_POOL: Ipv6Net = net([0x2001, 0xdb8, 1, 1], 64);
pub const COVERAGE: Ipv6Net = net([0x2001, 0xdb8, 0xc, 0], 48);

const fn net([a, b, c, d]: [u16; 4], len: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), len)
}

/// A mobile node as the anchor knows it.
#[derive(Debug, Clone)]
pub struct Node {
    pub id: MnId,
    pub algorithm: Algorithm,
    pub key: Key,
    /// One, or two.
    pub associations: Vec<SecurityAssociation>,
    /// Its home address, and a DHoA that is its own for good.
    pub home: Option<Ipv6Addr>,
    pub own_dhoa: Option<Ipv6Addr>,
}

/// All of them. They differ in what they may do.
pub fn nodes() -> Vec<Node> {
    (0..NODES).map(node).collect()
}

fn node(number: usize) -> Node {
    let index = u16::try_from(number).expect("few");
    let id = MnId::nai(&format!("mn{number}@example.net"));
    let algorithm = match number % 3 {
        0 => Algorithm::HmacSha1_96,
        _ => Algorithm::HmacSha256_128,
    };
    let home = number.is_multiple_of(2).then(|| {
        let [a, b, c, d, ..] = HOME_POOL.network().segments();
        Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0x100 + index)
    });
    let own_dhoa = (number % 8 == 1).then(|| {
        let [a, b, c, d, ..] = DHOA_POOLS[0].network().segments();
        Ipv6Addr::new(a, b, c, d, 0, 0, 0, 1 + index / 8)
    });
    let permissions = Permissions {
        home_addresses: home.into_iter().chain(own_dhoa).collect(),
        dhoa: number % 16 != 2,
        max_dhoas: 1 + number % 4,
        route_optimization: number.is_multiple_of(3),
    };
    let mut key = vec![0x5a; algorithm.key_len()];
    key.splice(..2, index.to_be_bytes());
    let key = Key::new(key);
    let spis = [
        Some(256 + u32::from(index)),
        number.is_multiple_of(5).then(|| 10_000 + u32::from(index)),
    ];
    let association = |spi| {
        SecurityAssociation::new(spi, id.clone(), key.clone(), algorithm, permissions.clone())
            .expect("a key of the right length")
    };
    Node {
        associations: spis.into_iter().flatten().map(association).collect(),
        id,
        algorithm,
        key,
        home,
        own_dhoa,
    }
}

/// Where a mobile node can be.
pub fn care_of(node: usize, place: usize) -> Ipv6Addr {
    let node = u16::try_from(node).expect("few");
    let place = u16::try_from(place).expect("few");
    Ipv6Addr::new(0x2001, 0xdb8, 0xa, node, 0, 0, 0, 1 + place)
}

pub fn anchor_config(nodes: &[Node]) -> AnchorConfig {
    let mut config = AnchorConfig::new(ANCHOR);
    let pools = DHOA_POOLS.map(|prefix| (prefix, PoolKind::Dhoa));
    config.pools = pools
        .into_iter()
        .chain([(HOME_POOL, PoolKind::Home)])
        .map(|(prefix, kind)| PoolConfig {
            quarantine: Duration::from_nanos(QUARANTINE_NS),
            ..PoolConfig::new(prefix, kind)
        })
        .collect();
    config.coverage = vec![COVERAGE];
    let associations = nodes.iter().flat_map(|node| &node.associations);
    config.security_associations = associations.cloned().collect();
    config.route_optimization = true;
    config.capacity.max_bandwidth_kbps = CAPACITY_KBPS;
    config.limits = Limits {
        max_home_addresses: MOST_HOME_ADDRESSES,
        max_split_bindings: MOST_SPLIT,
        max_care_of_addresses: MOST_CARE_OFS,
        max_flow_bindings: MOST_FLOWS,
        ..Limits::default()
    };
    // Messages that nobody has asked for would be answers to nothing.
    config.prefix_advertisements = PrefixAdvertisements {
        delivery: PrefixDelivery::Off,
        ..PrefixAdvertisements::default()
    };
    config
}
