//! The sockets of a mobile node's agent, and the exception interface

mod common;

use std::io::ErrorKind;
use std::net::{Ipv6Addr, UdpSocket};

use common::{Namespace, readable};
use dhp_engine::{Batch, FramePool, Link, PacketBuf, Port};
use dhp_port_afpacket::{LinuxPort, PacketSocket, RawIpv6Sender, TunPort};
use etherparse::PacketBuilder;

const HERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const PEER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);

fn link() -> Option<(Namespace, Namespace)> {
    let (here, peer) = (Namespace::new()?, Namespace::new()?);
    here.connect(
        "here0",
        "02:00:00:00:00:01",
        &peer,
        "peer0",
        "02:00:00:00:00:02",
    );
    here.add_address("2001:db8:1::1", "here0");
    here.ip("neigh add 2001:db8:1::2 lladdr 02:00:00:00:00:02 dev here0");
    peer.add_address("2001:db8:1::2", "peer0");
    peer.ip("neigh add 2001:db8:1::1 lladdr 02:00:00:00:00:01 dev peer0");
    Some((here, peer))
}

fn packet(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![0x60, 0, 0, 0];
    octets.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    octets.extend_from_slice(&[next_header, 64]);
    octets.extend_from_slice(&HERE.octets());
    octets.extend_from_slice(&PEER.octets());
    octets.extend_from_slice(payload);
    octets
}

#[test]
fn an_agent_gets_tunnels_and_signalling_only() {
    let Some((here, peer)) = link() else { return };
    let sender = here
        .run(|| RawIpv6Sender::open(Some("here0")))
        .expect("a sender");
    let socket = peer.run(|| PacketSocket::open("peer0")).expect("a socket");
    assert_eq!(socket.interface().mac, [2, 0, 0, 0, 0, 2]);
    let mut buffer = [0; 2048];
    assert_eq!(
        socket.recv(&mut buffer).expect_err("nothing yet").kind(),
        ErrorKind::WouldBlock
    );
    for next_header in [17, 41, 58, 43, 44, 60, 59, 135, 6] {
        sender
            .send(&packet(next_header, &[next_header; 16]))
            .expect("sent");
    }
    for next_header in [41, 43, 60, 135] {
        assert!(readable(&socket), "next header {next_header}");
        let length = socket.recv(&mut buffer).expect("received");
        assert_eq!(buffer[..length], packet(next_header, &[next_header; 16]));
    }
    assert_eq!(
        socket.recv(&mut buffer).expect_err("no more").kind(),
        ErrorKind::WouldBlock
    );
    // One that does not fit the buffer is passed over.
    sender.send(&packet(41, &[0; 1000])).expect("sent");
    sender.send(&packet(41, &[1; 10])).expect("sent");
    assert!(readable(&socket));
    assert_eq!(socket.recv(&mut buffer[..500]).expect("the second"), 50);
}

#[test]
fn the_kernel_s_word_on_a_packet_comes_back() {
    let Some((here, _peer)) = link() else { return };
    let sender = here.run(|| RawIpv6Sender::open(None)).expect("a sender");
    assert_eq!(
        sender.send(&[0x60; 39]).expect_err("short").kind(),
        ErrorKind::InvalidInput
    );
    let too_long = sender
        .send(&packet(41, &[0; 1500]))
        .expect_err("longer than the MTU");
    assert_eq!(too_long.raw_os_error(), Some(libc::EMSGSIZE));
    let mut nowhere = packet(41, &[]);
    nowhere[24..40].copy_from_slice(&Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 1).octets());
    let no_route = sender.send(&nowhere).expect_err("no route");
    assert_eq!(no_route.kind(), ErrorKind::NetworkUnreachable);
    let error = here
        .run(|| RawIpv6Sender::open(Some("absent0")))
        .expect_err("not there");
    assert!(error.to_string().starts_with("absent0"), "{error}");
}

#[test]
fn the_exception_interface_is_the_host_kernel() {
    let Some(here) = Namespace::new() else { return };
    here.set("ipv6/conf/default/addr_gen_mode", "1");
    let pool = FramePool::new(8, 2048);
    let mut ports = here
        .run(|| TunPort::open("dhp0", 1500, &[pool.clone(), pool]))
        .expect("a TUN");
    assert_eq!(ports.len(), 2);
    here.add_address("2001:db8:1::1", "dhp0");
    let mut port = LinuxPort::from(ports.remove(0));
    let mut second = LinuxPort::from(ports.remove(0));
    assert_eq!(
        (port.info().link, port.info().mtu, port.info().host_has_copy),
        (Link::RawIp, 1500, false)
    );

    let socket = here.run(|| UdpSocket::bind((HERE, 0))).expect("a socket");
    let to = socket.local_addr().expect("bound").port();
    let mut octets = Vec::new();
    PacketBuilder::ipv6(PEER.octets(), HERE.octets(), 64)
        .udp(5000, to)
        .write(&mut octets, b"in")
        .expect("memory");
    let mut frame = port.alloc().expect("a frame");
    assert!(frame.set_len(octets.len()));
    frame.bytes_mut().copy_from_slice(&octets);
    port.tx(frame).expect("taken");
    assert_eq!(port.flush().sent, 1);
    assert!(readable(&socket));
    let mut payload = [0; 8];
    let (length, from) = socket.recv_from(&mut payload).expect("received");
    assert_eq!(&payload[..length], b"in");

    socket.send_to(b"out", from).expect("sent");
    let mut batch = Batch::new();
    // The kernel chooses the queue.
    assert!((0..1000).any(|_| port.rx_burst(&mut batch) + second.rx_burst(&mut batch) > 0));
    let frame = batch.drain().next().expect("a packet");
    assert_eq!(
        (frame.bytes()[0] >> 4, &frame.bytes()[48..]),
        (6, &b"out"[..])
    );
    assert_eq!(port.stats().tx_packets, 1);
}
