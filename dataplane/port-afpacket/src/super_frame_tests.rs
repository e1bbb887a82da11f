//! Segments against etherparse's idea of TCP and UDP

use super::*;
use dhp_engine::{FrameBuf, FramePool};
use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};

const SOURCE: [u8; 16] = [0x20; 16];
const DESTINATION: [u8; 16] = [0x21; 16];

/// What a local sender hands over: the checksum field holds the pseudo-header's sum with the length of the whole.
fn leave_checksum_unfinished(frame: &mut [u8], protocol: u8, checksum_offset: usize) {
    let length = u32::try_from(frame.len() - 54).expect("short");
    let sum = checksum::pseudo_header_sum(&SOURCE.into(), &DESTINATION.into(), length, protocol);
    let field = 54 + checksum_offset;
    frame[field..field + 2].copy_from_slice(&(!checksum::fold(sum)).to_be_bytes());
}

fn tcp(payload: &[u8]) -> (Vec<u8>, VnetHeader) {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv6(SOURCE, DESTINATION, 64)
        .tcp(1000, 2000, u32::MAX - 100, 512)
        .ack(7)
        .psh()
        .fin()
        .cwr()
        .options_raw(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2])
        .expect("12 octets of options")
        .write(&mut frame, payload)
        .expect("memory");
    leave_checksum_unfinished(&mut frame, 6, TCP_CHECKSUM);
    (frame, header(GSO_TCP_V6 | GSO_ECN, TCP_CHECKSUM))
}

fn udp(payload: &[u8]) -> (Vec<u8>, VnetHeader) {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv6(SOURCE, DESTINATION, 64)
        .udp(1000, 2000)
        .write(&mut frame, payload)
        .expect("memory");
    leave_checksum_unfinished(&mut frame, 17, UDP_CHECKSUM);
    (frame, header(GSO_UDP_L4, UDP_CHECKSUM))
}

fn header(gso_type: u8, checksum_offset: usize) -> VnetHeader {
    VnetHeader {
        flags: 1,
        gso_type,
        gso_size: 1000,
        checksum_start: 54,
        checksum_offset: checksum_offset as u16,
    }
}

fn split(frame: &[u8], vnet: &VnetHeader) -> Vec<FrameBuf> {
    let pool = FramePool::new(64, 2048);
    let mut whole = SuperFrame::new();
    assert!(whole.copy_in(frame));
    whole.begin(frame.len(), vnet, 2048).expect("splittable");
    let mut segments = Vec::new();
    loop {
        let mut segment = pool.alloc().expect("a free frame");
        if !whole.next_segment(&mut segment) {
            return segments;
        }
        segments.push(segment);
    }
}

#[test]
fn tcp_is_split_as_a_device_would() {
    let payload: Vec<u8> = (0..3456u32).map(|n| n as u8).collect();
    let (frame, vnet) = tcp(&payload);
    let segments = split(&frame, &vnet);
    assert_eq!(segments.len(), 4);
    let mut data = Vec::new();
    for (number, segment) in segments.iter().enumerate() {
        let sliced = SlicedPacket::from_ethernet(segment.bytes()).expect("well formed");
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
            panic!("no TCP in {sliced:?}");
        };
        let sent = (u32::MAX - 100).wrapping_add(number as u32 * 1000);
        assert_eq!(tcp.sequence_number(), sent, "segment {number}");
        let (first, last) = (number == 0, number == 3);
        assert_eq!(
            (tcp.cwr(), tcp.psh(), tcp.fin()),
            (first, last, last),
            "segment {number}"
        );
        assert!(tcp.ack());
        let header = tcp.to_header();
        let right = header
            .calc_checksum_ipv6_raw(SOURCE, DESTINATION, tcp.payload())
            .expect("short");
        assert_eq!(tcp.checksum(), right, "segment {number}");
        data.extend_from_slice(tcp.payload());
    }
    assert_eq!(data, payload);
}

#[test]
fn udp_is_split_into_datagrams() {
    let payload: Vec<u8> = (0..2001u32).map(|n| (n * 7) as u8).collect();
    let (frame, vnet) = udp(&payload);
    let segments = split(&frame, &vnet);
    let mut data = Vec::new();
    for segment in &segments {
        let sliced = SlicedPacket::from_ethernet(segment.bytes()).expect("well formed");
        let Some(TransportSlice::Udp(udp)) = sliced.transport else {
            panic!("no UDP in {sliced:?}");
        };
        assert_eq!(usize::from(udp.length()), udp.payload().len() + UDP_LEN);
        let right = udp
            .to_header()
            .calc_checksum_ipv6_raw(SOURCE, DESTINATION, udp.payload())
            .expect("short");
        assert_eq!(udp.checksum(), right);
        data.extend_from_slice(udp.payload());
    }
    assert_eq!((segments.len(), data), (3, payload));
}

#[test]
fn what_cannot_be_split_is_refused() {
    let (frame, vnet) = tcp(&[0; 3000]);
    let mut whole = SuperFrame::new();
    let mut refused = |vnet: VnetHeader, length: usize, room: usize| {
        assert!(whole.copy_in(&frame));
        let answer = whole.begin(length, &vnet, room);
        assert!(answer.is_ok() || whole.is_done());
        answer.err()
    };
    let length = frame.len();
    assert_eq!(refused(vnet, length, 2048), None);
    assert_eq!(
        refused(vnet, length, 1000),
        Some(Unsplittable::SegmentTooLong)
    );
    assert_eq!(refused(vnet, usize::MAX, 2048), Some(Unsplittable::Kind));
    assert_eq!(refused(vnet, 60, 2048), Some(Unsplittable::Kind));
    for change in [
        |v: &mut VnetHeader| v.gso_type = 1,
        |v: &mut VnetHeader| v.gso_size = 0,
        |v: &mut VnetHeader| v.flags = 0,
        |v: &mut VnetHeader| v.checksum_start = 20,
        |v: &mut VnetHeader| v.checksum_start = 60_000,
        |v: &mut VnetHeader| v.checksum_offset = 6,
    ] {
        let mut changed = vnet;
        change(&mut changed);
        assert_eq!(
            refused(changed, length, 2048),
            Some(Unsplittable::Kind),
            "{changed:?}"
        );
    }
}
