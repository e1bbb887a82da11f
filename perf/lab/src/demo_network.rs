//! The networks of the demo, from the mobile node to the correspondent.
//!
//! ```text
//!              ┌─ access-a ─ ara ─5 ms─┐
//!  mn ── air ──┤                       ├─ core ─4 ms─ dhp ─1 ms─ cn
//!              └─ access-b ─ arb ─5 ms─┘   └──35 ms── ha
//! ```

use std::time::Duration;

use crate::network_plan::{NetworkPlan, Role};

/// The plan.
pub fn demo_network() -> NetworkPlan {
    let mut plan = NetworkPlan {
        accesses: 2,
        ..NetworkPlan::default()
    };
    nodes(&mut plan);
    for (left, right, delay_ms) in [
        (("ara", "core0"), ("core", "ara0"), 5),
        (("arb", "core0"), ("core", "arb0"), 5),
        (("core", "dhp-site"), ("dhp", "core0"), 4),
        (("dhp", "cn0"), ("cn", "net0"), 1),
        (("core", "ha-site"), ("ha", "core0"), 35),
    ] {
        plan.wire(left, right, Duration::from_millis(delay_ms));
    }
    plan
}

fn nodes(plan: &mut NetworkPlan) {
    plan.node(
        "ara",
        "access router A, announces 2001:db8:a::/64",
        Role::Router,
        "address add 2001:db8:a::1/64 dev radio0
         address add 2001:db8:f:1::2/64 dev core0
         route add default via 2001:db8:f:1::1",
    );
    plan.node(
        "arb",
        "access router B, announces 2001:db8:b::/64",
        Role::Router,
        "address add 2001:db8:b::1/64 dev radio0
         address add 2001:db8:f:2::2/64 dev core0
         route add default via 2001:db8:f:2::1",
    );
    plan.node(
        "core",
        "the Internet: a plain router",
        Role::Router,
        "address add 2001:db8:f:1::1/64 dev ara0
         address add 2001:db8:f:2::1/64 dev arb0
         address add 2001:db8:f:3::1/64 dev dhp-site
         address add 2001:db8:f:5::1/64 dev ha-site
         route add 2001:db8:a::/64 via 2001:db8:f:1::2
         route add 2001:db8:b::/64 via 2001:db8:f:2::2
         route add 2001:db8:c::/48 via 2001:db8:f:3::2
         route add 2001:db8:d::/48 via 2001:db8:f:3::2
         route add 2001:db8:f:4::/64 via 2001:db8:f:3::2
         route add 2001:db8:1::/48 via 2001:db8:f:5::2",
    );
    plan.node(
        "ha",
        "dhpd as home agent, 2001:db8:1::1",
        Role::Anchor,
        "address add 2001:db8:1::1/128 dev lo
         address add 2001:db8:f:5::2/64 dev core0
         route add default via 2001:db8:f:5::1",
    );
    plan.node(
        "dhp",
        "dhpd as Distributed Home-Proxy, 2001:db8:d::1, in the correspondent's path",
        Role::Anchor,
        "address add 2001:db8:d::1/128 dev lo
         address add 2001:db8:f:3::2/64 dev core0
         address add 2001:db8:f:4::1/64 dev cn0
         route add default via 2001:db8:f:3::1
         route add 2001:db8:c::/48 via 2001:db8:f:4::2",
    );
    plan.node(
        "cn",
        "the correspondent: plain Linux that knows nothing of mobility",
        Role::Host,
        "address add 2001:db8:c:1::80/128 dev lo
         address add 2001:db8:c:2::80/128 dev lo
         address add 2001:db8:c:3::80/128 dev lo
         address add 2001:db8:f:4::2/64 dev net0
         route add default via 2001:db8:f:4::1 src 2001:db8:c:1::80",
    );
}
