//! What the mobile nodes send that do what a test asks for

use std::net::Ipv6Addr;

use dhp_proto::time::{Now, ntp_duration};

use super::{CROWD_MS, RECORDED, World};
use crate::network::Parcel;
use crate::signer::Signer;
use crate::site::{AGENTS, DHOA_POOLS, NODES};
use crate::step::{Fault, HomeUpdate, Number, Pick, Request, Signature, Update, Whom};

impl World<'_> {
    pub(super) fn send(&mut self, packet: &[u8], arrivals: &[u64]) {
        for milliseconds in arrivals {
            let at_ns = self.now_ns() + milliseconds * 1_000_000;
            self.network
                .send_to_arrive(at_ns, Parcel::ToAnchor(packet.to_vec()));
        }
    }

    fn record(&mut self, packet: &[u8], arrivals: &[u64]) {
        self.send(packet, arrivals);
        if self.recorded.len() == RECORDED {
            self.recorded.remove(0);
        }
        self.recorded.push(packet.to_vec());
    }

    pub(super) fn pick(&self, node: usize, pick: Pick) -> Option<Ipv6Addr> {
        let nth = |list: &[Ipv6Addr], number: usize| list.get(number % list.len().max(1)).copied();
        match pick {
            Pick::Held(number) => {
                let held: Vec<_> = self.memories[node].held.iter().rev().copied().collect();
                nth(&held, number)
            }
            Pick::Own(number) => {
                let own = [self.nodes[node].own_dhoa, self.nodes[node].home];
                nth(&own.into_iter().flatten().collect::<Vec<_>>(), number)
            }
            Pick::Seen(number) => nth(&self.seen, number),
            Pick::Unknown => DHOA_POOLS[1].hosts().last(),
            Pick::Unspecified => Some(Ipv6Addr::UNSPECIFIED),
        }
    }

    /// What signs a message, with its number decided.
    fn signer<'a>(&'a self, by: &'a Signature, next: u16) -> Signer<'a> {
        let node = &self.nodes[by.node];
        let sequence = match by.number {
            Number::Next => next,
            Number::Behind(count) => next.wrapping_sub(count),
            Number::Ahead(count) => next.wrapping_add(count),
        };
        Signer {
            node,
            by,
            security: &node.associations[usize::from(self.is_second(by))],
            sequence,
            mesg_id: by.mesg_id.map(|off| timestamp(self.clock.now(), off)),
            cookie: None,
        }
    }

    fn is_second(&self, by: &Signature) -> bool {
        by.second && self.nodes[by.node].associations.len() > 1
    }

    fn after(number: Number, next: u16) -> u16 {
        match number {
            Number::Next => next.wrapping_add(1),
            Number::Behind(_) => next,
            Number::Ahead(count) => next.wrapping_add(count).wrapping_add(1),
        }
    }

    pub(super) fn send_request(&mut self, by: &Signature, request: &Request) {
        self.coverage.operation("DHoA Request");
        let at = usize::from(self.is_second(by));
        let next = self.memories[by.node].next[at];
        let wish = request.wish;
        let wish = wish.and_then(|(pick, fid)| Some((self.pick(by.node, pick)?, fid)));
        let packet = self.signer(by, next).request(request, wish);
        self.memories[by.node].next[at] = Self::after(by.number, next);
        self.record(&packet, &by.arrivals);
    }

    pub(super) fn send_update(&mut self, by: &Signature, update: &Update) {
        self.coverage.operation("DHP Binding Update");
        let at = usize::from(self.is_second(by));
        let next = self.memories[by.node].next[at];
        let listed = update.listed.iter();
        let listed: Vec<_> = listed
            .filter_map(|(pick, fid, lifetime)| Some((self.pick(by.node, *pick)?, *fid, *lifetime)))
            .collect();
        let packet = self.signer(by, next).update(update, &listed);
        self.memories[by.node].next[at] = Self::after(by.number, next);
        self.record(&packet, &by.arrivals);
    }

    pub(super) fn send_home_update(&mut self, by: &Signature, update: &HomeUpdate) {
        let Some(home) = self.pick(by.node, update.home) else {
            return;
        };
        self.coverage.operation("Binding Update");
        let next = self.memories[by.node]
            .next_home
            .get(&home)
            .copied()
            .unwrap_or(0);
        let packet = self.signer(by, next).home_update(update, home);
        let after = Self::after(by.number, next);
        self.memories[by.node].next_home.insert(home, after);
        self.record(&packet, &by.arrivals);
    }

    /// Those that have addresses move with all of them, the others ask for one.
    pub(super) fn send_crowd(&mut self, first: usize, count: usize, place: usize, lifetime: u16) {
        self.coverage.operation("crowd");
        for (delay, node) in (first..first + count).enumerate() {
            let node = node % (NODES - AGENTS);
            let by = Signature {
                node,
                second: false,
                number: Number::Next,
                mesg_id: Some(0),
                fault: Fault::None,
                mn_id: None,
                place,
                alternate: None,
                arrivals: vec![CROWD_MS * delay as u64],
            };
            let held = self.memories[node].held.len().min(4);
            if held == 0 {
                let request = Request {
                    lifetime,
                    dedicated: false,
                    wish: None,
                    correspondent: Whom::Covered,
                    kbps: None,
                    flow: None,
                };
                self.send_request(&by, &request);
            } else {
                let update = Update {
                    lifetime,
                    acknowledge: true,
                    replace: true,
                    listed: (0..held).map(|number| (Pick::Held(number), 0, 0)).collect(),
                    bids: Vec::new(),
                    flows: Vec::new(),
                    modes: Vec::new(),
                };
                self.send_update(&by, &update);
            }
            if self.nodes[node].home.is_some() {
                let update = HomeUpdate {
                    home: Pick::Own(0),
                    lifetime,
                    option: true,
                    home_registration: true,
                    overwrite: false,
                    bids: Vec::new(),
                    flows: Vec::new(),
                    summary: Vec::new(),
                };
                self.send_home_update(&by, &update);
            }
        }
    }
}

fn timestamp(now: Now, off_ms: i64) -> u64 {
    let off = ntp_duration(off_ms.unsigned_abs() * 1_000_000);
    match off_ms < 0 {
        true => now.ntp.wrapping_sub(off),
        false => now.ntp.wrapping_add(off),
    }
}
