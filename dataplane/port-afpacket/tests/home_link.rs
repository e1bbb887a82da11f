//! What a home agent hears and says on a home link

mod common;

use std::io::ErrorKind;
use std::net::Ipv6Addr;

use common::{Namespace, readable};
use dhp_port_afpacket::{HomeLinkSocket, RawIpv6Sender};
use dhp_wire::ethernet::MacAddr;

const HERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const PEER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);
const HERE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn link() -> Option<(Namespace, Namespace)> {
    let (here, peer) = (Namespace::new()?, Namespace::new()?);
    here.connect(
        "here0",
        "02:00:00:00:00:01",
        &peer,
        "peer0",
        "02:00:00:00:00:02",
    );
    for (end, name, address) in [(&here, "here0", HERE), (&peer, "peer0", PEER)] {
        end.add_address(&address.to_string(), name);
    }
    // Nobody has to ask.
    here.ip("neigh add 2001:db8:1::2 lladdr 02:00:00:00:00:02 dev here0");
    peer.ip("neigh add 2001:db8:1::1 lladdr 02:00:00:00:00:01 dev peer0");
    Some((here, peer))
}

fn packet(next_header: u8, first: u8) -> Vec<u8> {
    let mut octets = vec![0x60, 0, 0, 0, 0, 24, next_header, 255];
    octets.extend_from_slice(&HERE.octets());
    octets.extend_from_slice(&PEER.octets());
    octets.push(first);
    octets.resize(64, 7);
    octets
}

fn frame(packet: &[u8]) -> Vec<u8> {
    [&PEER_MAC[..], &HERE_MAC, &[0x86, 0xdd], packet].concat()
}

#[test]
fn neighbour_discovery_and_mobility_are_heard_and_nothing_else() {
    let Some((here, peer)) = link() else { return };
    let sender = here
        .run(|| RawIpv6Sender::open(Some("here0")))
        .expect("a sender");
    let socket = peer
        .run(|| HomeLinkSocket::open("peer0"))
        .expect("a socket");
    let mut buffer = [0; 1280];
    let nothing = socket.recv(&mut buffer).expect_err("nothing yet");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);

    let of_icmp = [128, 133, 134, 135, 136, 137, 144].map(|kind| packet(58, kind));
    let others = [packet(135, 59), packet(17, 135), packet(41, 135)];
    // With Destination Options, in which a home address may stand; and whatever goes to a link-local address.
    let (options, mut to_link_local) = (packet(60, 135), packet(17, 135));
    to_link_local[24..26].copy_from_slice(&[0xfe, 0x80]);
    for sent in of_icmp.iter().chain(&others).chain([&options]) {
        sender.send(sent).expect("sent");
    }
    let speaker = here
        .run(|| HomeLinkSocket::open("here0"))
        .expect("a socket");
    speaker.send(&frame(&to_link_local)).expect("sent");
    let heard = [&of_icmp[2], &of_icmp[3], &of_icmp[4]];
    for expected in heard
        .into_iter()
        .chain([&others[0], &options, &to_link_local])
    {
        assert!(readable(&socket));
        let heard = socket.recv(&mut buffer).expect("heard");
        assert_eq!(heard.from, MacAddr(HERE_MAC));
        assert_eq!(buffer[..heard.octets], expected[..]);
    }
    let no_more = socket.recv(&mut buffer).expect_err("no more");
    assert_eq!(no_more.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_frame_arrives_and_is_not_heard_by_its_sender() {
    let Some((here, peer)) = link() else { return };
    let speaker = here
        .run(|| HomeLinkSocket::open("here0"))
        .expect("a socket");
    let hearer = peer
        .run(|| HomeLinkSocket::open("peer0"))
        .expect("a socket");
    let said = packet(58, 136);
    speaker.send(&frame(&said)).expect("sent");
    assert!(readable(&hearer));
    let mut buffer = [0; 1280];
    let heard = hearer.recv(&mut buffer).expect("heard");
    assert_eq!(buffer[..heard.octets], said[..]);
    let own = speaker.recv(&mut buffer).expect_err("its own");
    assert_eq!(own.kind(), ErrorKind::WouldBlock);
    // What does not fit is passed over.
    speaker.send(&frame(&said)).expect("sent");
    assert!(readable(&hearer));
    let short = hearer.recv(&mut buffer[..63]).expect_err("too long");
    assert_eq!(short.kind(), ErrorKind::WouldBlock);
}

#[test]
fn all_groups_come_in_as_long_as_somebody_listens() {
    let Some((here, _peer)) = link() else { return };
    let all = || {
        let link = here.ip("-d link show dev here0");
        link.contains("allmulti 1")
    };
    assert!(!all());
    let socket = here
        .run(|| HomeLinkSocket::open("here0"))
        .expect("a socket");
    assert!(all());
    drop(socket);
    assert!(!all());
}

#[test]
fn only_an_ethernet_is_a_home_link() {
    let Some((here, _peer)) = link() else { return };
    for (name, step) in [
        ("absent0", "find the interface"),
        ("lo", "use as an Ethernet"),
    ] {
        let error = here.run(|| HomeLinkSocket::open(name)).expect_err(name);
        assert!(error.to_string().contains(step), "{error}");
    }
}
