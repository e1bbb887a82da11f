//! Answers that are longer than every link takes

use std::net::Ipv6Addr;

use dhp_wire::codepoints::{CodePoints, DmipType, Status, dmip_flag};
use dhp_wire::extension;
use dhp_wire::mobility::{Builder, DmipHeader, Lifetime, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::{MobilityPacket, compose};

use crate::rig::*;

/// An update of one DHoA that describes so many flows on it.
fn update(dhoa: Ipv6Addr, flows: u16) -> Vec<u8> {
    let security = security();
    let header = DmipHeader {
        kind: DmipType::BindingUpdate,
        sequence: 2,
        lifetime: Lifetime(150),
        flags: dmip_flag::ACKNOWLEDGE,
        status: Status(0),
    };
    let listed = MobilityOption::Dhoa {
        status: Status(0),
        fid: 0,
        address: dhoa,
        lifetime: Lifetime(0),
    };
    let builder = Builder::dmip(&CodePoints::default(), header).option(&listed);
    let builder = (1..=flows).fold(builder, |builder, fid| {
        builder.option(&MobilityOption::FlowIdentification {
            fid,
            priority: fid,
            status: 0,
            sub_options: &[],
        })
    });
    let mac = |mh: &[u8]| security.mac(&CARE_OF, &ANCHOR, mh);
    let builder = builder.auth(security.spi(), security.algorithm().mac_len(), mac);
    assert!(builder.is_complete());
    let mh = builder.finish(&CARE_OF, &ANCHOR);
    compose(&CARE_OF, &ANCHOR, None, None, &mh)
}

/// The packet that these frames are the fragments of, all there and in order.
fn reassembled(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut packet = frames[0][14..54].to_vec();
    for (number, frame) in (1..).zip(frames) {
        let piece = &frame[14..];
        assert!(piece.len() <= 1280);
        let chain = extension::walk(piece).expect("sound headers");
        let fragment = chain.fragment.expect("a fragment");
        assert_eq!(fragment.offset, packet.len() - 40);
        assert_eq!(fragment.more, number < frames.len());
        packet.extend(&piece[48..]);
    }
    let payload_len = u16::try_from(packet.len() - 40).expect("short");
    packet[4..6].copy_from_slice(&payload_len.to_be_bytes());
    packet[6] = frames[0][14 + 40];
    packet
}

#[test]
fn a_confirmation_of_many_flows_comes_in_fragments() {
    let mut rig = Rig::new();
    let request = dhoa_request(1, CARE_OF);
    rig.core.push(&frame(&request)).expect("room");
    rig.settle();
    rig.core.pop().expect("a response");
    let dhoa = {
        let mut bound = rig.signalling.forwarding().bound_after(None);
        *bound.next().expect("a bound address").0
    };
    rig.core.push(&frame(&update(dhoa, 150))).expect("room");
    rig.settle();
    let frames: Vec<Vec<u8>> = std::iter::from_fn(|| rig.core.pop()).collect();
    assert_eq!(frames.len(), 2);
    let packet = reassembled(&frames);
    let parsed = MobilityPacket::parse(&packet).expect("a Mobility Header");
    assert!(parsed.checksum_is_valid());
    let header = MobilityHeader::parse(parsed.mh).expect("sound");
    let Ok(Message::Dmip(dmip)) = header.message(&CodePoints::default()) else {
        panic!("no DMIP message");
    };
    assert_eq!(dmip.header.status, Status(0));
    let flows = dmip
        .options
        .iter()
        .filter(|option| matches!(option, Ok(MobilityOption::FlowIdentification { .. })));
    assert_eq!(flows.count(), 150);
}
