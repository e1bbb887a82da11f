//! The host kernel behind a device that is not its own
//!
//! ```text
//!  box: kernel ─ TAP tap0 ─ worker ─ net_af_packet ─ box0 ═ veth ═ far0 ─ kernel: far
//! ```

use dhp_port_dpdk::KernelPort;
use dhp_segment::Counter;

use crate::appliance::{Appliance, segment};
use crate::namespace::Namespace;
use crate::{attach, pool};

#[test]
fn the_kernel_finds_neighbours_and_answers_pings_on_both_protocols() {
    let (Some(inside), Some(wire), Some(far)) =
        (Namespace::new(), Namespace::new(), Namespace::new())
    else {
        return;
    };
    // The interface is in a namespace of its own, so that no kernel but that behind the TAP could answer.
    wire.connect(
        "box0",
        "02:00:00:00:0a:01",
        &far,
        "far0",
        "02:00:00:00:0b:01",
    );
    wire.set("ipv6/conf/box0/disable_ipv6", "1");
    let pools = [pool()];
    let device = wire.run(|| attach("net_af_packet_box,iface=box0"));
    let taps = inside
        .run(|| KernelPort::tap("tap0", device.info(), &pools))
        .expect("a TAP");
    let link = inside.ip("link show dev tap0");
    assert!(
        link.contains("02:00:00:00:0a:01") && link.contains("mtu 1500"),
        "{link}"
    );
    let mut ports: Vec<_> = wire
        .run(|| device.start(&pools))
        .expect("a queue")
        .into_iter()
        .map(Into::into)
        .collect();
    ports.extend(taps.into_iter().map(Into::into));
    let local = "2001:db8:c::1";
    let appliance = Appliance::start(
        segment(local.parse().expect("an address")),
        ports,
        &[(0, 1)],
    );
    inside.add_address(local, "tap0");
    inside.ip("addr add 192.0.2.1/24 dev tap0");
    far.add_address("2001:db8:c::80", "far0");
    far.ip("addr add 192.0.2.80/24 dev far0");

    far.command("ping", "-c 3 -i 0.1 -W 10 2001:db8:c::1");
    far.command("ping", "-c 3 -i 0.1 -W 10 192.0.2.1");
    inside.command("ping", "-c 3 -i 0.1 -W 10 2001:db8:c::80");

    let neighbours = inside.ip("neigh show dev tap0");
    assert!(neighbours.contains("02:00:00:00:0b:01"), "{neighbours}");
    let counters = appliance.segment.counters(0);
    assert!(counters.get(Counter::PuntedHost) >= 9, "{counters:?}");
    assert_eq!(counters.get(Counter::Forwarded), 0);
}
