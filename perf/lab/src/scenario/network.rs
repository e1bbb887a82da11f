//! A scenario's networks: a star around the core, with a router for each region, and each region's DHP and correspondent behind it.
//!
//! ```text
//!  mn ── air ── ara ─┐            ┌─ dhp1
//!          └─── arb ─┤            │
//!                    core ─ region1 ── cn1
//!                     └── ha
//! ```
//!
//! A DHP is beside the path, as a box in a rack is: its region's router sends it what is for its own address and its pool. In mode
//! `ro` each correspondent has a box in front of it, mip1 and so on, that all its packets pass.

use std::time::Duration;

use crate::access::Access;
use crate::addresses::HA;
use crate::delay_line::LineSettings;
use crate::network_plan::{NetworkPlan, Role};

use super::model::{Mode, Scenario, SessionType};

/// The names and addresses of region number `0` on.
#[derive(Clone, Copy, Debug)]
pub struct Place(pub usize);

impl Place {
    fn number(self) -> usize {
        self.0 + 1
    }

    /// The region's router.
    pub fn router(self) -> String {
        format!("region{}", self.number())
    }

    /// The DHP's node.
    pub fn dhp(self) -> String {
        format!("dhp{}", self.number())
    }

    /// The correspondent's node.
    pub fn correspondent(self) -> String {
        format!("cn{}", self.number())
    }

    /// The DHP's own address.
    pub fn dhp_address(self) -> String {
        format!("2001:db8:d{:02x}::1", self.number())
    }

    /// What the DHP assigns.
    pub fn pool(self) -> String {
        format!("2001:db8:d{:02x}:1::/64", self.number())
    }

    /// The correspondents' site, which the DHP covers.
    pub fn site(self) -> String {
        format!("2001:db8:c{:02x}::/48", self.number())
    }

    /// The correspondent's address for flows of a session type.
    pub fn address(self, session: SessionType) -> String {
        format!("2001:db8:c{:02x}:{}::80", self.number(), session.subnet())
    }

    /// The prefix that the policy knows it by.
    pub fn prefix(self, session: SessionType) -> String {
        format!("2001:db8:c{:02x}:{}::/64", self.number(), session.subnet())
    }

    /// The node in front of the correspondent that speaks Mobile IPv6 in its name, in mode `ro`.
    pub fn speaker(self) -> String {
        format!("mip{}", self.number())
    }

    /// That node's own address.
    pub fn speaker_address(self) -> String {
        format!("2001:db8:c{:02x}::1", self.number())
    }

    fn dhp_site(self) -> String {
        format!("2001:db8:d{:02x}::/48", self.number())
    }
}

/// The plan of the networks.
pub fn network(scenario: &Scenario, mode: Mode) -> NetworkPlan {
    let mut plan = NetworkPlan {
        accesses: u8::try_from(scenario.accesses.len()).unwrap_or(Access::MOST),
        ..NetworkPlan::default()
    };
    let mut links = Links::default();
    let mut core = String::new();
    let (near, far) = links.next();
    plan.wire(
        ("core", "ha-site"),
        ("ha", "core0"),
        delay(scenario.home_agent.delay_ms),
    );
    core.push_str(&format!(
        "address add {near}/64 dev ha-site\nroute add 2001:db8:1::/48 via {far}\n"
    ));
    let home = format!(
        "address add {HA}/128 dev lo\naddress add {far}/64 dev core0\nroute add default via {near}"
    );
    plan.node("ha", "dhpd as home agent", Role::Anchor, &home);
    let mut routers = vec![String::new(); scenario.regions.len()];
    // The regions' ends of their links to the core.
    let mut uplinks = Vec::new();
    for (index, region) in scenario.regions.iter().enumerate() {
        let place = Place(index);
        let (router, port) = (place.router(), place.router());
        let (near, far) = links.next();
        plan.wire(("core", &port), (&router, "core0"), delay(region.delay_ms));
        core.push_str(&format!("address add {near}/64 dev {port}\n"));
        for site in [place.site(), place.dhp_site()] {
            core.push_str(&format!("route add {site} via {far}\n"));
        }
        let mut setup = format!("address add {far}/64 dev core0\nroute add default via {near}\n");
        uplinks.push(far);
        let (near, far) = links.next();
        plan.wire(
            (&router, "dhp0"),
            (&place.dhp(), "core0"),
            delay(region.dhp_delay_ms),
        );
        setup.push_str(&format!(
            "address add {near}/64 dev dhp0\nroute add {} via {far}\n",
            place.dhp_site()
        ));
        let dhp = format!(
            "address add {}/128 dev lo\naddress add {far}/64 dev core0\nroute add default via {near}",
            place.dhp_address()
        );
        let what = format!("dhpd as DHP of region {}", region.name);
        plan.node(&place.dhp(), &what, Role::Anchor, &dhp);
        let (mut near, mut far) = links.next();
        let correspondent = place.correspondent();
        let way = delay(region.correspondent_delay_ms);
        setup.push_str(&format!(
            "address add {near}/64 dev cn0\nroute add {} via {far}\n",
            place.site()
        ));
        if mode == Mode::Ro {
            let speaker = place.speaker();
            plan.wire((&router, "cn0"), (&speaker, "net0"), way);
            plan.wire((&speaker, "cn0"), (&correspondent, "net0"), Duration::ZERO);
            let mut box_setup = format!(
                "address add {}/128 dev lo\naddress add {far}/64 dev net0\nroute add default via {near}\n",
                place.speaker_address()
            );
            (near, far) = links.next();
            box_setup.push_str(&format!(
                "address add {near}/64 dev cn0\nroute add {} via {far}",
                place.site()
            ));
            let what = "dhpd as correspondent, in the name of the one behind it";
            plan.node(&speaker, what, Role::Anchor, &box_setup);
        } else {
            plan.wire((&router, "cn0"), (&correspondent, "net0"), way);
        }
        let mut host = String::new();
        for session in SessionType::ALL {
            host.push_str(&format!(
                "address add {}/128 dev lo\n",
                place.address(session)
            ));
        }
        host.push_str(&format!(
            "address add {far}/64 dev net0\nroute add default via {near}"
        ));
        plan.node(&correspondent, "a plain correspondent", Role::Host, &host);
        if let Some(slot) = routers.get_mut(index) {
            *slot = setup;
        }
    }
    for (network, access) in scenario.accesses.iter().zip(plan.accesses()) {
        let router = access.router();
        let place = network
            .at
            .as_ref()
            .and_then(|name| scenario.region(name).ok());
        let upstream = place.map_or_else(|| "core".to_owned(), |index| Place(index).router());
        let (near, far) = links.next();
        let settings = LineSettings {
            rate_bits_per_second: network.rate_mbps.map(|rate| (rate * 1e6) as u64),
            max_queueing: delay(network.queue_ms),
            loss: network.loss,
            ..LineSettings::delay(delay(network.delay_ms))
        };
        plan.wire_with((&upstream, &router), (&router, "core0"), settings);
        let own = access.network();
        let lines = format!("address add {near}/64 dev {router}\nroute add {own} via {far}\n");
        match place.and_then(|index| Some((uplinks.get(index)?, routers.get_mut(index)?))) {
            Some((via, setup)) => {
                setup.push_str(&lines);
                // The core learns of it by its region's router.
                core.push_str(&format!("route add {own} via {via}\n"));
            }
            None => core.push_str(&lines),
        }
        let setup = format!(
            "address add {}1/64 dev radio0\naddress add {far}/64 dev core0\nroute add default via {near}",
            own.trim_end_matches("/64")
        );
        plan.node(
            &router,
            &format!("access network {}", network.name),
            Role::Router,
            &setup,
        );
    }
    for (index, setup) in routers.iter().enumerate() {
        plan.node(
            &Place(index).router(),
            "a region's router",
            Role::Router,
            setup,
        );
    }
    plan.node("core", "the Internet: a plain router", Role::Router, &core);
    plan
}

/// The addresses of the links between routers, one after the other.
#[derive(Debug, Default)]
struct Links(u16);

impl Links {
    fn next(&mut self) -> (String, String) {
        self.0 = self.0.saturating_add(1);
        (
            format!("2001:db8:f:{:x}::1", self.0),
            format!("2001:db8:f:{:x}::2", self.0),
        )
    }
}

fn delay(milliseconds: f64) -> Duration {
    Duration::from_secs_f64(milliseconds / 1e3)
}
