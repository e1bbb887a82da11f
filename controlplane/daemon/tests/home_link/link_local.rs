//! The link-local address of a mobile node that is away (RFC 6275 §10.3.1, §10.4.1, §10.4.2)

use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use dhp_wire::codepoints::status;
use dhp_wire::mobility::{BuFlags, Lifetime};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{setsockopt, sockopt};

use crate::mobile_node::{Identity, MobileNode};
use crate::support::{is_root, until};
use crate::{CARE_OF, GRANTED, HOME, Network, daemon, neighbour};

/// With the interface identifier of [`HOME`].
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100);
const DISCARD: u16 = 9;

/// What becomes of a datagram that a host on the home link sends there.
fn sent_to_link_local(network: &Network) -> Errno {
    let answer = network.home.within(|| {
        let link = if_nametoindex("eth0").expect("the home link");
        let socket = UdpSocket::bind("[::]:0").expect("a socket");
        // Or else only what is fatal is told of.
        setsockopt(&socket, sockopt::Ipv6RecvErr, &true).expect("a Linux socket");
        let patience = Some(Duration::from_secs(20));
        socket.set_read_timeout(patience).expect("not zero");
        let to = SocketAddrV6::new(LINK_LOCAL, DISCARD, 0, link);
        socket.connect(to).expect("on the link");
        socket.send(&[0; 8]).expect("sent");
        socket.recv(&mut [0; 8]).expect_err("nobody answers")
    });
    Errno::from_raw(answer.raw_os_error().unwrap_or_default())
}

#[test]
fn the_link_local_address_is_defended_where_the_l_bit_says_so() {
    if !is_root() {
        return;
    }
    let network = Network::new("link-local");
    let _daemon = daemon::start(&network.router);
    let away = MobileNode::new(&network.visited);
    let identity = Identity::new(256, HOME);
    let with_l = |sequence| identity.update_with(BuFlags::LINK_LOCAL, sequence, CARE_OF, GRANTED);

    // "L=0: Defend only the given address. Do not derive a link-local address."
    let granted = away.register(&identity.update(1, CARE_OF, GRANTED));
    assert_eq!(granted, (0, GRANTED));
    let said = network.claim(LINK_LOCAL);
    assert!(!said.contains("dadfailed"), "{said}");

    // "L=1: Defend both": somebody has the link-local address now, and the update is rejected as a whole.
    let refused = away.register(&with_l(2));
    assert_eq!(refused, (status::DAD_FAILED, Lifetime::ZERO));
    network.give_up(LINK_LOCAL);
    assert_eq!(away.register(&with_l(3)), (0, GRANTED));
    let said = network.claim(LINK_LOCAL);
    assert!(said.contains("dadfailed"), "{said}");
    network.give_up(LINK_LOCAL);
    let said = network.claim(HOME);
    assert!(said.contains("dadfailed"), "{said}");
    network.give_up(HOME);

    // It leads to the router, who does not tunnel what comes there: "Destination Unreachable, Code 3".
    assert_eq!(sent_to_link_local(&network), Errno::EHOSTUNREACH);
    let router = network.router_mac();
    until("the proxy for the link-local address", || {
        neighbour(&network, LINK_LOCAL)
            .contains(&router)
            .then_some(())
    });

    // With the next update it is the mobile node's own affair again.
    let granted = away.register(&identity.update(4, CARE_OF, GRANTED));
    assert_eq!(granted, (0, GRANTED));
    let said = network.claim(LINK_LOCAL);
    assert!(!said.contains("dadfailed"), "{said}");
}
