//! A table like the Internet's, of any size

use std::collections::HashSet;

use dhp_segment::{Route, RouteAction};

/// How many of a hundred prefixes have which length: the IPv6 table of the Internet in round numbers, where nearly half are
/// /48 and the rest what registries and large networks announce.
const LENGTHS: [(u8, usize); 10] = [
    (48, 46),
    (32, 13),
    (44, 11),
    (40, 10),
    (36, 6),
    (46, 4),
    (47, 3),
    (42, 3),
    (29, 2),
    (38, 2),
];

/// Where the registries allocate from; a part of each is in use.
const BLOCKS: [(u128, u8); 6] = [
    (0x2001 << 112, 16),
    (0x2400 << 112, 12),
    (0x2600 << 112, 12),
    (0x2800 << 112, 12),
    (0x2a00 << 112, 11),
    (0x2c00 << 112, 12),
];

/// Next hops that routes lead to.
const NEXT_HOPS: usize = 64;

/// Numbers that look random, the same every time (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

/// `count` routes of different prefixes. Half of those longer than a /32 are within another one, as customers' are within
/// their provider's.
pub fn routes(count: usize) -> Vec<Route> {
    let mut random = Random::new(count as u64);
    let mut seen = HashSet::with_capacity(count);
    let mut routes: Vec<Route> = Vec::with_capacity(count);
    while routes.len() < count {
        let len = length(&mut random);
        let around = match routes.is_empty() || random.below(2) == 0 {
            true => None,
            false => routes.get(random.below(routes.len())),
        };
        let (block, block_len) = match around.filter(|route| route.len < len) {
            Some(route) => (u128::from(route.prefix), route.len),
            None => BLOCKS[random.below(BLOCKS.len())],
        };
        let bits = u128::from(random.next()) << 64 >> block_len;
        let prefix = (block | bits) & (u128::MAX << (128 - len));
        if seen.insert((prefix, len)) {
            routes.push(Route {
                prefix: prefix.into(),
                len,
                action: RouteAction::Forward {
                    next_hop: random.below(NEXT_HOPS) as u32,
                },
            });
        }
    }
    routes
}

fn length(random: &mut Random) -> u8 {
    let mut at = random.below(100);
    for (len, share) in LENGTHS {
        match at.checked_sub(share) {
            Some(rest) => at = rest,
            None => return len,
        }
    }
    48
}

/// `count` addresses that the routes reach.
pub fn addresses(routes: &[Route], count: usize, random: &mut Random) -> Vec<[u8; 16]> {
    (0..count)
        .filter_map(|_| {
            let route = routes.get(random.below(routes.len()))?;
            let host = u128::from(random.next()) << 64 | u128::from(random.next());
            let host = host & (u128::MAX >> route.len);
            Some((u128::from(route.prefix) | host).to_be_bytes())
        })
        .collect()
}
