//! Linux interfaces by `net_af_packet`

use dhp_engine::Port;

use crate::namespace::Namespace;
use crate::{attach, frame, pool, received, send};

#[test]
fn frames_cross_a_pair_of_interfaces() {
    let Some(network) = Namespace::new() else {
        return;
    };
    let macs = [[2, 0, 0, 0, 0xa, 1], [2, 0, 0, 0, 0xb, 1]];
    network.connect(
        "left",
        "02:00:00:00:0a:01",
        &network,
        "right",
        "02:00:00:00:0b:01",
    );
    let mut ports = network.run(|| {
        [
            "net_af_packet_left,iface=left",
            "net_af_packet_right,iface=right",
        ]
        .map(|device| attach(device).start(&[pool()]).expect("a queue").remove(0))
    });
    let [left, right] = &mut ports;
    assert_eq!([left.info().mac, right.info().mac], macs);
    assert_eq!(left.info().mtu, 1500);
    for number in 1..=3 {
        send(left, &frame(macs[1], number));
    }
    send(left, &frame([2, 0, 0, 0, 0xc, 1], 9));
    assert_eq!(left.flush().failed, 0);
    let mut came = Vec::new();
    // veth delivers on the sender's processor, before the send returns or soon after.
    for _ in 0..1_000_000 {
        came.extend(received(right));
        if came.len() == 3 {
            break;
        }
    }
    let numbers: Vec<_> = came.iter().map(|frame| frame[59]).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(received(right).is_empty(), "one was to somebody else");
}
