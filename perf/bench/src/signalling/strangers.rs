//! First requests from everywhere: what a storm is made of
//!
//! Half of them are DHP Queries, which are answered; half are DHoA Requests under the SPIs of registered mobile nodes, the
//! authentication data of which has to be computed before it is found to be wrong. And a few claim to be handoffs: of mobile nodes
//! whose home addresses somebody has come to know.

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
/// One of so many names a home address.
const CLAIMING: u32 = 64;

/// Strangers who send at a steady rate.
pub struct Strangers {
    requests: Vec<Vec<u8>>,
    per_second: u32,
    next: usize,
    sent: u64,
}

impl Strangers {
    /// They claim to be some of so many mobile nodes, and know these home addresses.
    pub fn new(
        mobile_nodes: u32,
        lifetime: Lifetime,
        per_second: u32,
        home_addresses: &[Ipv6Addr],
    ) -> Self {
        let prepared = 0..per_second.min(PREPARED);
        let mut random = Random::new([9; 32]);
        let request = |number: u32| {
            let source = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
            // 2400::/8, where nobody of the crew is.
            let source = Ipv6Addr::from_bits(source >> 8 | 0x24 << 120);
            let mut known = home_addresses.iter().cycle();
            let named = known.nth((number / CLAIMING) as usize % home_addresses.len().max(1));
            let claimed = named.filter(|_| number.is_multiple_of(CLAIMING));
            match claimed {
                Some(dhoa) => update(source, *dhoa, lifetime),
                None => first_request(source, number, mobile_nodes, lifetime),
            }
        };
        Self {
            requests: prepared.map(request).collect(),
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

/// A DHP Query or a DHoA Request.
fn first_request(source: Ipv6Addr, number: u32, mobile_nodes: u32, lifetime: Lifetime) -> Vec<u8> {
    let wanted = correspondent(0);
    let correspondent = MobilityOption::Correspondent {
        prefix_len: wanted.prefix_len(),
        address: wanted.network(),
    };
    if number.is_multiple_of(2) {
        let query = message(DmipType::DhpQuery, number, Lifetime::ZERO);
        return packet(source, query.option(&correspondent));
    }
    let request = message(DmipType::DhoaRequest, number, lifetime).option(&correspondent);
    packet(source, forge(request, source, number % mobile_nodes))
}

/// A DHP Binding Update.
fn update(source: Ipv6Addr, dhoa: Ipv6Addr, lifetime: Lifetime) -> Vec<u8> {
    let dhoa = MobilityOption::Dhoa {
        status: Status(0),
        fid: 0,
        address: dhoa,
        lifetime,
    };
    let update = message(DmipType::BindingUpdate, 1, lifetime).option(&dhoa);
    packet(source, forge(update, source, 0))
}

fn message(kind: DmipType, sequence: u32, lifetime: Lifetime) -> Builder {
    let header = DmipHeader {
        kind,
        sequence: (sequence & 0xffff) as u16,
        lifetime,
        flags: 0,
        status: Status(0),
    };
    Builder::dmip(&CodePoints::default(), header)
}

/// Signs for a mobile node with a key that is not its.
fn forge(message: Builder, source: Ipv6Addr, mobile_node: u32) -> Builder {
    let wrong_key = Key::new(vec![0; ALGORITHM.key_len()]);
    message.auth(spi(mobile_node), ALGORITHM.mac_len(), |octets| {
        auth::mac(ALGORITHM, &wrong_key, &source, &ANCHOR, octets)
    })
}

fn packet(source: Ipv6Addr, message: Builder) -> Vec<u8> {
    let mh = message.finish(&source, &ANCHOR);
    compose(&source, &ANCHOR, None, None, &mh)
}
