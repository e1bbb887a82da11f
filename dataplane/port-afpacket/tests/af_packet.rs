//! An AF_PACKET port against the host kernel at the other end of a veth pair

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};

use common::{Namespace, readable};
use dhp_engine::{Batch, FrameBuf, FramePool, PacketBuf, Port};
use dhp_port_afpacket::AfPacketPort;
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

const PORT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const PEER: &str = "2001:db8:1::2";
/// Behind the port: the peer sends there by way of it.
const BEHIND: &str = "2001:db8:2::1";

/// A port's namespace with `port0`, and the peer's with `peer0`.
fn link() -> Option<(Namespace, Namespace)> {
    let (here, peer) = (Namespace::new()?, Namespace::new()?);
    here.connect(
        "port0",
        "02:00:00:00:00:01",
        &peer,
        "peer0",
        "02:00:00:00:00:02",
    );
    peer.add_address(PEER, "peer0");
    peer.ip("route add 2001:db8:2::/64 via 2001:db8:1::1 dev peer0");
    peer.ip("neigh add 2001:db8:1::1 lladdr 02:00:00:00:00:01 dev peer0");
    Some((here, peer))
}

fn open(here: &Namespace, queues: usize) -> Vec<AfPacketPort> {
    let pools: Vec<_> = (0..queues).map(|_| FramePool::new(512, 2048)).collect();
    here.run(|| AfPacketPort::open("port0", &pools, 256))
        .expect("the port opens")
}

/// Wait for the next frames.
fn receive(port: &mut AfPacketPort) -> Vec<FrameBuf> {
    loop {
        let frames = received(port);
        if !frames.is_empty() {
            return frames;
        }
        let fd = port.poll_fd().expect("a descriptor");
        assert!(readable(&fd), "nothing arrives");
    }
}

/// What has arrived, without the kernel's own reports to multicast routers.
fn received(port: &mut AfPacketPort) -> Vec<FrameBuf> {
    let mut frames = Vec::new();
    let mut batch = Batch::new();
    while port.rx_burst(&mut batch) > 0 {
        frames.extend(batch.drain().filter(|frame| frame.bytes()[0] != 0x33));
    }
    frames
}

fn udp_socket(namespace: &Namespace, address: &str) -> UdpSocket {
    namespace
        .run(|| UdpSocket::bind((address, 0)))
        .expect("a socket")
}

/// The UDP payload, after both lengths and the checksum were checked.
fn checked_payload(frame: &[u8]) -> Vec<u8> {
    let packet = SlicedPacket::from_ethernet(frame).expect("well formed");
    let (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Udp(udp))) =
        (&packet.net, &packet.transport)
    else {
        panic!("not UDP: {packet:?}");
    };
    let header = ip.header();
    assert_eq!(usize::from(header.payload_length()), frame.len() - 54);
    let right = udp
        .to_header()
        .calc_checksum_ipv6_raw(header.source(), header.destination(), udp.payload())
        .expect("short");
    assert_eq!(udp.checksum(), right, "checksum");
    udp.payload().to_vec()
}

#[test]
fn packets_of_a_local_sender_arrive_with_their_checksum() {
    let Some((here, peer)) = link() else { return };
    let mut port = open(&here, 1).remove(0);
    assert_eq!((port.info().mac, port.info().mtu), (PORT_MAC, 1500));
    let sender = udp_socket(&peer, PEER);
    for payload in [&b"one"[..], b"another", &[7; 1452]] {
        sender.send_to(payload, (BEHIND, 4000)).expect("sent");
        let frames = receive(&mut port);
        assert_eq!(frames.len(), 1);
        assert_eq!(checked_payload(frames[0].bytes()), payload);
    }
    assert_eq!(port.details().checksums_completed, 3);
    assert!(port.stats().rx_packets >= 3);
    assert_eq!(port.stats().rx_missed, 0);
}

#[test]
fn sent_frames_reach_the_peer_s_kernel() {
    let Some((here, peer)) = link() else { return };
    let mut port = open(&here, 1).remove(0);
    let receiver = udp_socket(&peer, PEER);
    let to = receiver.local_addr().expect("bound").port();
    // More than one system call takes, and a number that fills no batch.
    for number in 0..131u8 {
        let mut octets = Vec::new();
        PacketBuilder::ethernet2(PORT_MAC, PEER_MAC)
            .ipv6(
                [0x20; 16],
                PEER.parse::<std::net::Ipv6Addr>()
                    .expect("an address")
                    .octets(),
                64,
            )
            .udp(5000, to)
            .write(&mut octets, &[number])
            .expect("memory");
        let mut frame = port.alloc().expect("a frame");
        assert!(frame.set_len(octets.len()));
        frame.bytes_mut().copy_from_slice(&octets);
        port.tx(frame).expect("room");
    }
    let too_long = {
        let mut frame = port.alloc().expect("a frame");
        assert!(frame.set_len(1600));
        frame
    };
    port.tx(too_long).expect("room");
    let report = port.flush();
    assert_eq!(
        (report.sent, report.bytes, report.failed),
        (131, 131 * 63, 1)
    );
    assert_eq!(port.flush(), Default::default());
    for number in 0..131u8 {
        let mut payload = [0; 16];
        assert!(readable(&receiver), "datagram {number}");
        let (length, _) = receiver.recv_from(&mut payload).expect("received");
        assert_eq!(&payload[..length], [number]);
    }
}

#[test]
fn what_is_for_others_is_left_out() {
    let Some((here, peer)) = link() else { return };
    let mut port = open(&here, 1).remove(0);
    let mut sender = peer
        .run(|| AfPacketPort::open("peer0", &[FramePool::new(8, 2048)], 64))
        .expect("the port opens")
        .remove(0);
    let frame = |destination: [u8; 6], mark: u8| {
        let mut octets = Vec::new();
        PacketBuilder::ethernet2(PEER_MAC, destination)
            .ipv6([0x20; 16], [0x21; 16], 64)
            .udp(5000, 5001)
            .write(&mut octets, &[mark])
            .expect("memory");
        octets
    };
    let tagged = |identifier: u16, mark: u8| {
        let mut octets = frame(PORT_MAC, mark);
        octets.splice(
            12..12,
            [0x81, 0x00, (identifier >> 8) as u8, identifier as u8],
        );
        octets
    };
    let mut ipv4 = frame(PORT_MAC, 5);
    ipv4[12..14].copy_from_slice(&[0x08, 0x00]);
    let other_station = frame([2, 0, 0, 0, 0, 99], 1);
    for octets in [
        other_station,
        tagged(7, 2),
        ipv4,
        tagged(0, 3),
        frame(PORT_MAC, 4),
    ] {
        let mut frame = sender.alloc().expect("a frame");
        assert!(frame.set_len(octets.len()));
        frame.bytes_mut().copy_from_slice(&octets);
        sender.tx(frame).expect("room");
    }
    assert_eq!(sender.flush().sent, 5);
    let mut payloads = Vec::new();
    while payloads.last().is_none_or(|last| last != &[4]) {
        payloads.extend(
            receive(&mut port)
                .iter()
                .map(|frame| checked_payload(frame.bytes())),
        );
    }
    assert_eq!(payloads, [[3], [4]], "a priority tag is no VLAN");
    assert_eq!(port.details().other_vlan, 1);
}

/// The peer's kernel counts on its device to segment; what the port gives out is passed on to a second kernel.
#[test]
fn super_frames_are_split() {
    let Some((here, peer)) = link() else { return };
    let mut port = open(&here, 1).remove(0);
    let sender = udp_socket(&peer, PEER);
    let segment: libc::c_int = 1000;
    // SAFETY: an option of one integer, which outlives the call.
    let set = unsafe {
        libc::setsockopt(
            sender.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw const segment).cast(),
            4,
        )
    };
    assert_eq!(set, 0);
    let payload: Vec<u8> = (0..40_500u32).map(|n| (n % 251) as u8).collect();
    sender.send_to(&payload, (BEHIND, 4000)).expect("sent");
    let mut received = Vec::new();
    let mut frames = 0;
    while received.len() < payload.len() {
        for frame in receive(&mut port) {
            frames += 1;
            received.extend_from_slice(&checked_payload(frame.bytes()));
        }
    }
    assert_eq!((frames, received == payload), (41, true));
    let details = port.details();
    assert_eq!(
        (details.super_frames, details.segments, details.unsplittable),
        (1, 41, 0)
    );
}

/// TCP between two kernels whose only path is a loop over two ports.
#[test]
fn tcp_passes_at_full_size() {
    let Some((here, client)) = link() else { return };
    let Some(server) = Namespace::new() else {
        return;
    };
    here.connect(
        "port1",
        "02:00:00:00:00:03",
        &server,
        "server0",
        "02:00:00:00:00:04",
    );
    server.add_address(BEHIND, "server0");
    server.ip("route add default via 2001:db8:2::ff dev server0");
    server.ip("neigh add 2001:db8:2::ff lladdr 02:00:00:00:00:03 dev server0");
    let mut left = open(&here, 1).remove(0);
    let mut right = here
        .run(|| AfPacketPort::open("port1", &[FramePool::new(512, 2048)], 256))
        .expect("the port opens")
        .remove(0);
    let listener = server
        .run(|| TcpListener::bind((BEHIND, 0)))
        .expect("a listener");
    let to = listener.local_addr().expect("bound");
    let payload: Vec<u8> = (0..2_000_000u32).map(|n| (n % 253) as u8).collect();
    let expected = payload.clone();
    let client = std::thread::spawn(move || {
        let mut stream = client.run(|| TcpStream::connect(to)).expect("connected");
        stream.write_all(&payload).expect("sent");
    });
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accepted");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).expect("received");
        received
    });
    let mut batch = Batch::new();
    while !server.is_finished() {
        forward(&mut left, &mut right, &mut batch, [2, 0, 0, 0, 0, 4]);
        forward(&mut right, &mut left, &mut batch, PEER_MAC);
    }
    client.join().expect("the client sends");
    assert!(server.join().expect("the server receives") == expected);
    assert!(left.details().super_frames > 0, "{:?}", left.details());
    assert_eq!(left.details().unsplittable, 0);
}

fn forward(
    from: &mut AfPacketPort,
    to: &mut AfPacketPort,
    batch: &mut Batch<FrameBuf>,
    mac: [u8; 6],
) {
    from.rx_burst(batch);
    for mut frame in batch.drain() {
        frame.bytes_mut()[..6].copy_from_slice(&mac);
        to.tx(frame).expect("room");
    }
    to.flush();
}

#[test]
fn workers_share_the_flows() {
    let Some((here, peer)) = link() else { return };
    let mut ports = open(&here, 2);
    let senders: Vec<_> = (0..64).map(|_| udp_socket(&peer, PEER)).collect();
    for round in 0..2u8 {
        for (number, sender) in senders.iter().enumerate() {
            sender
                .send_to(&[number as u8, round], (BEHIND, 4000))
                .expect("sent");
        }
    }
    let mut at: Vec<Vec<Vec<u8>>> = vec![Vec::new(); 2];
    while at[0].len() + at[1].len() < 128 {
        let mut wanted: Vec<_> = ports
            .iter()
            .map(|port| PollFd::new(port.poll_fd().expect("a descriptor"), PollFlags::POLLIN))
            .collect();
        assert!(
            poll(&mut wanted, PollTimeout::from(2000u16)).expect("poll") > 0,
            "{at:?}"
        );
        for (port, payloads) in ports.iter_mut().zip(&mut at) {
            payloads.extend(
                received(port)
                    .iter()
                    .map(|frame| checked_payload(frame.bytes())),
            );
        }
    }
    assert_eq!(at[0].len() + at[1].len(), 128);
    assert!(!at[0].is_empty() && !at[1].is_empty(), "one worker has all");
    for payloads in &at {
        let rounds = |round: u8| payloads.iter().filter(move |p| p[1] == round).map(|p| p[0]);
        assert!(rounds(0).eq(rounds(1)), "a flow has changed its worker");
    }
}

#[test]
fn merging_is_off_while_a_port_is_open() {
    let Some((here, _peer)) = link() else { return };
    here.command("ethtool", "-K port0 gro on");
    let gro = || {
        let features = here.command("ethtool", "-k port0");
        features
            .lines()
            .find_map(|line| {
                line.strip_prefix("generic-receive-offload: ")
                    .map(str::to_owned)
            })
            .expect("the feature is known")
    };
    let ports = open(&here, 2);
    assert_eq!(gro(), "off");
    drop(ports);
    assert_eq!(gro(), "on");
}

/// `poll(2)` must not report an error for ever, which would keep an idle worker busy.
#[test]
fn a_port_survives_its_interface_going_down() {
    let Some((here, peer)) = link() else { return };
    let mut port = open(&here, 1).remove(0);
    here.ip("link set port0 down");
    for _ in 0..257 {
        assert!(received(&mut port).is_empty());
    }
    let fd = port.poll_fd().expect("a descriptor");
    let mut wanted = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut wanted, PollTimeout::ZERO), Ok(0));
    here.ip("link set port0 up");
    udp_socket(&peer, PEER)
        .send_to(b"back", (BEHIND, 4000))
        .expect("sent");
    assert_eq!(checked_payload(receive(&mut port)[0].bytes()), b"back");
}

#[test]
fn an_interface_that_cannot_be_a_port_is_named() {
    let Some(here) = Namespace::new() else { return };
    for name in ["absent0", "lo", "a-name-that-is-too-long"] {
        let error = here
            .run(|| AfPacketPort::open(name, &[FramePool::new(1, 2048)], 64))
            .expect_err("no port");
        assert!(error.to_string().starts_with(name), "{error}");
    }
}
