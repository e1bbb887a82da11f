//! Damaged and random packets into a port: nothing panics, and everything is counted
//!
//! `DHPD_MUTATIONS=1000000 cargo test -p dhpd --release mutations` runs as many as that.

use dhp_segment::Counter;
use dhpd::snapshot::Snapshot;

use crate::rig::*;

const MUTATIONS: u64 = 100_000;

/// Marsaglia's xorshift64: the same packets in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).expect("64 bits") % below
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.roll(256)).expect("below 256")
    }

    fn mutate(&mut self, frame: &mut Vec<u8>) {
        for _ in 0..=self.roll(4) {
            let place = self.roll(frame.len());
            match self.roll(6) {
                0 => frame.truncate(place.max(1)),
                1 => frame.extend_from_within(place..),
                2 => frame[place] = self.octet(),
                // Lengths and types are small numbers.
                3 => frame[place] = self.octet() & 0x0f,
                4 => frame[place] = [0, 1, 0x7f, 0x80, 0xff, 41, 43, 59, 60, 135][self.roll(10)],
                _ => frame[place] ^= 1 << self.roll(8),
            }
        }
        frame.truncate(1514);
    }
}

/// Makes checksum and MAC right again, so that what was damaged behind them is looked at.
fn repaired(sequence: u16, dice: &mut Dice) -> Vec<u8> {
    let care_of = if dice.roll(2) == 0 {
        CARE_OF
    } else {
        OTHER_CARE_OF
    };
    match dice.roll(3) {
        0 => frame(&binding_update(sequence, care_of)),
        1 => frame(&dhoa_request(sequence, care_of)),
        _ => frame(&damaged_options(sequence, care_of, dice.0)),
    }
}

#[test]
fn a_hundred_thousand_mutations() {
    let mutations = std::env::var("DHPD_MUTATIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(MUTATIONS);
    let mut rig = Rig::new();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut sent = 0;
    for number in 0..mutations {
        let sequence = u16::try_from(number % 65_536).expect("16 bits");
        let mut octets = match dice.roll(8) {
            0 => (0..=dice.roll(200)).map(|_| dice.octet()).collect(),
            1 => downlink(HOME),
            2 => frame(&[0x60; 64]),
            _ => repaired(sequence, &mut dice),
        };
        if dice.roll(4) != 0 {
            dice.mutate(&mut octets);
        }
        rig.core.push(&octets).expect("room");
        sent += 1;
        if number % 32 == 31 {
            rig.poll();
            rig.signalling.turn();
            rig.pass(5_000_000);
            rig.poll();
            for wire in [&rig.core, &rig.cn, &rig.host] {
                while wire.pop_frame().is_some() {}
            }
        }
    }
    rig.settle();
    let snapshot = Snapshot::take(&mut rig.signalling, 1);
    let worker = &snapshot.workers[0].counters;
    assert_eq!(worker.get(Counter::RxPackets), sent);
    let punted = worker.get(Counter::PuntedMobility)
        + worker.get(Counter::PuntedQuery)
        + worker.get(Counter::BindingErrorsAsked);
    assert_eq!(
        snapshot.signalling.punted, punted,
        "whatever was punted was looked at"
    );
    assert!(
        punted > sent / 20,
        "{punted} of {sent}: too few to say anything"
    );
    let engine = |family: &str| -> u64 {
        let samples = snapshot
            .engine
            .iter()
            .filter(|sample| sample.name == family);
        samples.map(|sample| sample.value).sum()
    };
    let received = engine("dhp_signalling_received_total");
    let dropped = engine("dhp_signalling_dropped_total");
    assert!(
        received + dropped + worker.get(Counter::BindingErrorsAsked) >= punted,
        "{received} received, {dropped} dropped, {punted} punted"
    );
    assert_eq!(snapshot.signalling.injected, worker.get(Counter::Injected));
    let bound = u64::try_from(rig.signalling.forwarding().bound_after(None).count()).expect("few");
    let entries = snapshot
        .tables
        .iter()
        .find(|table| table.name == "home_addresses")
        .map(|table| table.entries);
    assert_eq!(entries, Some(bound), "what is bound is what is forwarded");
    let anchored: usize = snapshot.pools.iter().map(|pool| pool.used).sum();
    assert_eq!(
        u64::try_from(anchored),
        Ok(bound),
        "and what the protocol engine holds"
    );
}
