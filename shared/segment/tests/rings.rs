//! The rings between workers and the control plane.
#![cfg(not(loom))]

mod support;

use dhp_segment::{PuntClass, PuntKind, PuntMeta, RING_PACKET_BYTES, RingError, Segment};
use std::thread;
use support::SMALL;

fn meta(n: u64) -> PuntMeta {
    let kinds = [
        PuntKind::Mobility,
        PuntKind::QueryAnycast,
        PuntKind::IcmpError,
        PuntKind::HomeAddressOption,
    ];
    PuntMeta {
        class: PuntClass::Bound,
        port: n as u16,
        kind: kinds[n as usize % kinds.len()],
        timestamp_ns: n << 32,
    }
}

/// A packet whose length and octets say `n`.
fn packet(n: u64) -> Vec<u8> {
    let len = (n as usize * 37) % (RING_PACKET_BYTES + 1);
    (0..len).map(|at| (n as usize + at) as u8).collect()
}

#[test]
fn packets_of_every_length_come_out_as_they_went_in_round_and_round() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let mut reader = segment.reader(1).unwrap();
    let mut control = segment.control().unwrap();
    let mut buffer = [0; RING_PACKET_BYTES];
    for n in 0..300 {
        reader.punt(&meta(n), &packet(n)).unwrap();
        let punted = control.punt_pop(1, &mut buffer).unwrap();
        assert_eq!(punted.meta, meta(n));
        assert_eq!(buffer[..punted.len], packet(n));
        control.inject(1, &packet(n)).unwrap();
        let injected = reader.take_injected(&mut buffer).unwrap();
        assert_eq!(buffer[..injected.len], packet(n));
    }
    assert_eq!(control.punt_pop(1, &mut buffer), None);
    assert_eq!(reader.take_injected(&mut buffer), None);
}

#[test]
fn a_full_ring_and_a_long_packet_are_refused_by_name() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let reader = segment.reader(0).unwrap();
    let mut control = segment.control().unwrap();
    for n in 0..u64::from(SMALL.ring_slots) {
        reader.punt(&meta(n), &packet(n)).unwrap();
    }
    assert_eq!(control.punts_waiting(0), SMALL.ring_slots);
    let full = reader.punt(&meta(9), &[1]).unwrap_err();
    assert_eq!(
        (full, full.drop_reason().name()),
        (RingError::Full, "ring_full")
    );
    let long = reader
        .punt(&meta(9), &[0; RING_PACKET_BYTES + 1])
        .unwrap_err();
    assert_eq!(
        (long, long.drop_reason().name()),
        (RingError::TooLong, "punt_too_long")
    );
    // The other worker's ring is another ring; a worker that is not there takes nothing.
    control.inject(1, &[1]).unwrap();
    assert_eq!(control.inject(2, &[1]), Err(RingError::Full));
    assert_eq!(control.punt_pop(1, &mut [0; 64]), None);
    assert_eq!(control.punt_pop(9, &mut [0; 64]), None);
    for n in 0..u64::from(SMALL.ring_slots) {
        assert_eq!(
            control
                .punt_pop(0, &mut [0; RING_PACKET_BYTES])
                .unwrap()
                .meta,
            meta(n)
        );
    }
}

#[test]
fn a_packet_that_the_buffer_can_not_hold_is_skipped() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let reader = segment.reader(0).unwrap();
    let mut control = segment.control().unwrap();
    reader.punt(&meta(1), &[1; 100]).unwrap();
    reader.punt(&meta(2), &[2; 10]).unwrap();
    let mut buffer = [0; 50];
    let punted = control.punt_pop(0, &mut buffer).unwrap();
    assert_eq!((punted.meta, punted.len), (meta(2), 10));
    assert_eq!(control.punt_pop(0, &mut buffer), None);
}

#[test]
fn one_thread_fills_while_another_empties() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let reader = segment.reader(0).unwrap();
    let mut control = segment.control().unwrap();
    let packets = 4_000;
    thread::scope(|scope| {
        scope.spawn(move || {
            for n in 0..packets {
                while reader.punt(&meta(n), &packet(n)).is_err() {
                    thread::yield_now();
                }
            }
        });
        let mut buffer = [0; RING_PACKET_BYTES];
        for n in 0..packets {
            let punted = loop {
                match control.punt_pop(0, &mut buffer) {
                    Some(punted) => break punted,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(punted.meta, meta(n));
            assert_eq!(buffer[..punted.len], packet(n));
        }
    });
}
