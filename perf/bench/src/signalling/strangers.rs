//! First requests from everywhere: what a storm is made of
//!
//! Half of them are DHP Queries, which are answered; half are DHoA Requests under the SPIs of registered mobile nodes, the
//! authentication data of which has to be computed before it is found to be wrong.

use std::net::Ipv6Addr;
use std::time::Instant;

use dhp_proto::auth::{self, Key};
use dhp_proto::random::Random;
use dhp_wire::codepoints::{CodePoints, DmipType, Status};
use dhp_wire::mobility::{Builder, DmipHeader, Lifetime, MobilityOption};
use dhp_wire::packet::compose;

use super::appliance::ANCHOR;
use super::crew::correspondent;
use super::fleet::{ALGORITHM, spi};

/// Requests that are ready to be sent, each from a source and a network of its own, if a second has as many.
const PREPARED: u32 = 1 << 17;
/// Of these at once.
const BURST: u64 = 32;

/// Strangers who send at a steady rate.
pub struct Strangers {
    requests: Vec<Vec<u8>>,
    per_second: u32,
    next: usize,
    sent: u64,
}

impl Strangers {
    /// They claim to be some of so many mobile nodes.
    pub fn new(mobile_nodes: u32, lifetime: Lifetime, per_second: u32) -> Self {
        Self {
            requests: requests(mobile_nodes, lifetime, per_second.min(PREPARED)),
            per_second,
            next: 0,
            sent: 0,
        }
    }

    /// Requests that have been sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Send some of what is due by now: `send` says whether there was room.
    pub fn send(&mut self, started: Instant, mut send: impl FnMut(&[u8]) -> bool) {
        let due = (started.elapsed().as_secs_f64() * f64::from(self.per_second)).ceil() as u64;
        for _ in 0..due.saturating_sub(self.sent).min(BURST) {
            let Some(request) = self.requests.get(self.next) else {
                return;
            };
            if !send(request) {
                return;
            }
            self.next = (self.next + 1) % self.requests.len();
            self.sent += 1;
        }
    }
}

/// First requests from anywhere.
fn requests(mobile_nodes: u32, lifetime: Lifetime, count: u32) -> Vec<Vec<u8>> {
    let mut random = Random::new([9; 32]);
    let wrong_key = Key::new(vec![0; ALGORITHM.key_len()]);
    let request = |number: u32| {
        let source = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
        // 2400::/8, where nobody of the crew is.
        let source = Ipv6Addr::from_bits(source >> 8 | 0x24 << 120);
        let is_query = number.is_multiple_of(2);
        let header = DmipHeader {
            kind: if is_query {
                DmipType::DhpQuery
            } else {
                DmipType::DhoaRequest
            },
            sequence: (number & 0xffff) as u16,
            lifetime: if is_query { Lifetime::ZERO } else { lifetime },
            flags: 0,
            status: Status(0),
        };
        let wanted = correspondent(0);
        let mut builder =
            Builder::dmip(&CodePoints::default(), header).option(&MobilityOption::Correspondent {
                prefix_len: wanted.prefix_len(),
                address: wanted.network(),
            });
        if !is_query {
            builder = builder.auth(spi(number % mobile_nodes), ALGORITHM.mac_len(), |octets| {
                auth::mac(ALGORITHM, &wrong_key, &source, &ANCHOR, octets)
            });
        }
        compose(
            &source,
            &ANCHOR,
            None,
            None,
            &builder.finish(&source, &ANCHOR),
        )
    };
    (0..count).map(request).collect()
}
