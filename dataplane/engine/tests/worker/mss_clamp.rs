//! TCP's MSS in SYNs that go through a tunnel

use dhp_engine::WorkerConfig;
use etherparse::{PacketBuilder, TcpOptionElement};

use crate::appliance::{
    ANCHOR, Appliance, CARE_OF, CN, CORE, CORRESPONDENT, HOME, NARROW_HOME, Setup,
};
use crate::packets::{address, assert_valid, tunnelled, with_extension};

/// A SYN with these options.
fn syn(source: &str, destination: &str, options: &[TcpOptionElement], ack: bool) -> Vec<u8> {
    let builder = PacketBuilder::ipv6(address(source).octets(), address(destination).octets(), 64)
        .tcp(40_000, 80, 1, 65_535)
        .syn()
        .options(options)
        .expect("room for them");
    let builder = if ack { builder.ack(7) } else { builder };
    let mut packet = Vec::new();
    builder.write(&mut packet, &[]).expect("a packet");
    packet
}

fn mss(value: u16) -> [TcpOptionElement; 3] {
    use TcpOptionElement::{MaximumSegmentSize, SelectiveAcknowledgementPermitted, WindowScale};
    [
        SelectiveAcknowledgementPermitted,
        MaximumSegmentSize(value),
        WindowScale(7),
    ]
}

fn clamping() -> Appliance {
    let setup = Setup::default();
    Appliance::with(Setup {
        config: WorkerConfig {
            tcp_mss_clamp: true,
            ..setup.config
        },
        ..setup
    })
}

/// What of a SYN from the correspondent the mobile node gets.
fn down(appliance: &mut Appliance, packet: &[u8]) -> Vec<u8> {
    let sent = appliance.pass(CN, packet);
    let [(CORE, outer)] = &sent[..] else {
        panic!("one tunnel packet, not {sent:?}");
    };
    let inner = outer[40..].to_vec();
    // Addresses, ports, checksum: the lot.
    assert_valid(&inner);
    inner
}

#[test]
fn a_syn_down_the_tunnel_asks_for_what_the_tunnel_takes() {
    for ack in [false, true] {
        let mut appliance = clamping();
        let inner = down(&mut appliance, &syn(CORRESPONDENT, HOME, &mss(1440), ack));
        let mut expected = syn(CORRESPONDENT, HOME, &mss(1400), ack);
        expected[7] -= 1;
        assert_eq!(inner, expected, "1460 less 60");
    }
}

#[test]
fn a_syn_up_the_tunnel_does_too() {
    let mut appliance = clamping();
    let inner = syn(HOME, CORRESPONDENT, &mss(8940), true);
    let sent = appliance.pass(CORE, &tunnelled(CARE_OF, ANCHOR, &inner));
    let mut expected = syn(HOME, CORRESPONDENT, &mss(1400), true);
    expected[7] -= 1;
    assert_eq!(sent, [(CN, expected)]);
}

#[test]
fn an_option_at_an_odd_offset_keeps_the_checksum_right() {
    use TcpOptionElement::{MaximumSegmentSize, Noop};
    let mut appliance = clamping();
    let odd = |value| [Noop, MaximumSegmentSize(value)];
    let inner = down(
        &mut appliance,
        &syn(CORRESPONDENT, HOME, &odd(9_999), false),
    );
    let mut expected = syn(CORRESPONDENT, HOME, &odd(1400), false);
    expected[7] -= 1;
    assert_eq!(inner, expected);
}

#[test]
fn what_fits_stays_and_so_does_what_is_no_syn() {
    let mut appliance = clamping();
    for packet in [
        syn(CORRESPONDENT, HOME, &mss(1400), false),
        syn(CORRESPONDENT, HOME, &mss(536), false),
        syn(CORRESPONDENT, HOME, &[], false),
        {
            let mut data = syn(CORRESPONDENT, HOME, &mss(1440), false);
            // Not SYN but ACK: 2 becomes 16, and the checksum follows.
            data[40 + 13] = 0x10;
            let checksum = u16::from_be_bytes([data[56], data[57]]);
            let checksum = checksum.wrapping_sub(0x0e);
            data[56..58].copy_from_slice(&checksum.to_be_bytes());
            data
        },
    ] {
        let mut expected = packet.clone();
        expected[7] -= 1;
        assert_eq!(down(&mut appliance, &packet), expected);
    }
    let mut off = Appliance::new();
    let packet = syn(CORRESPONDENT, HOME, &mss(1440), false);
    assert_eq!(
        down(&mut off, &packet)[40..],
        packet[40..],
        "off by default"
    );
}

#[test]
fn a_syn_behind_extension_headers_is_found_and_one_in_fragments_left() {
    let mut appliance = clamping();
    let options = [0, 0, 1, 4, 0, 0, 0, 0];
    let packet =
        |value| with_extension(&syn(CORRESPONDENT, HOME, &mss(value), false), 60, &options);
    let mut expected = packet(1400);
    expected[7] -= 1;
    assert_eq!(down(&mut appliance, &packet(1440)), expected);
    let fragment = [0, 0, 0, 1, 0, 0, 0, 9];
    let packet = with_extension(&syn(CORRESPONDENT, HOME, &mss(1440), false), 44, &fragment);
    assert_eq!(down(&mut appliance, &packet)[48..], packet[48..]);
}

#[test]
fn the_narrower_the_tunnel_the_smaller_the_segments() {
    let mut appliance = clamping();
    let sent = appliance.pass(CN, &syn(CORRESPONDENT, NARROW_HOME, &mss(1440), false));
    let mut expected = syn(CORRESPONDENT, NARROW_HOME, &mss(1220), false);
    expected[7] -= 1;
    // Every IPv6 link takes 1280 octets: in a tunnel that does not, packets of that size are sent in two.
    assert_eq!(sent[0].1[40..], expected);
}

#[test]
fn options_that_lie_end_the_search() {
    let mut appliance = clamping();
    let good = syn(CORRESPONDENT, HOME, &mss(1440), false);
    for (at, value) in [
        (60, 0),
        (61, 0),
        (61, 1),
        (61, 255),
        (52, 0xf0),
        (52, 0),
        (52, 0x50),
    ] {
        let mut packet = good.clone();
        packet[at] = value;
        appliance.receive(CN, &packet);
        appliance.poll();
        // As it is, so that nothing else would find it valid.
        let frame = appliance.wires[CORE].pop().expect("a tunnel packet");
        assert_eq!(frame[14 + 80..], packet[40..], "octet {at} = {value}");
    }
}
