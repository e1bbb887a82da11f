//! Answers as people read them

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use dhpctl::{
    Bindings, Counters, Heading, HealthState, Neighbour, Pool, Port, Reloaded, Reply, Routes,
    Status, TracedPacket,
};

use crate::table::Table;

/// The text for a terminal.
pub fn text(reply: &Reply) -> String {
    match reply {
        Reply::Status(status) => self::status(status),
        Reply::Bindings(page) => bindings(page),
        Reply::Ports(rows) => ports(rows),
        Reply::Pools(rows) => pools(rows),
        Reply::Counters(all) => counters(all),
        Reply::Routes(page) => routes(page),
        Reply::Neighbours(rows) => neighbours(rows),
        Reply::Trace(packets) => packets.iter().map(trace_line).collect(),
        Reply::Config(document) => format!("{document:#}\n"),
        Reply::Reloaded(reloaded) => self::reloaded(reloaded),
        Reply::Done(sentence) => format!("{sentence}\n"),
    }
}

/// One line about a packet.
pub fn trace_line(packet: &TracedPacket) -> String {
    let heading = |heading: &Heading| {
        format!(
            "{} > {} {}",
            heading.source,
            heading.destination,
            protocol(heading.protocol)
        )
    };
    let seconds_of_day = packet.unix_us / 1_000_000 % 86_400;
    let mut line = format!(
        "{:02}:{:02}:{:02}.{:06} worker {} {}: {}",
        seconds_of_day / 3_600,
        seconds_of_day / 60 % 60,
        seconds_of_day % 60,
        packet.unix_us % 1_000_000,
        packet.worker,
        packet.port.as_deref().unwrap_or("control plane"),
        packet
            .heading
            .as_ref()
            .map_or_else(|| "no IPv6".to_owned(), heading),
    );
    if let Some(inner) = &packet.inner {
        line.push_str(&format!(" [{}]", heading(inner)));
    }
    line.push_str(&format!(", {} octets: ", packet.length));
    let dropped = packet.drops.iter().map(|reason| format!("drop {reason}"));
    let all: Vec<String> = packet.counters.iter().cloned().chain(dropped).collect();
    line.push_str(&if all.is_empty() {
        "sent".to_owned()
    } else {
        all.join(", ")
    });
    line.push('\n');
    line
}

fn protocol(number: u8) -> String {
    match number {
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        41 => "IPv6".to_owned(),
        58 => "ICMPv6".to_owned(),
        135 => "mobility".to_owned(),
        other => format!("protocol {other}"),
    }
}

fn optional<T: ToString>(value: Option<&T>, otherwise: &str) -> String {
    value.map_or_else(|| otherwise.to_owned(), ToString::to_string)
}

/// `1d 2h`, `3m 20s`: the two largest units.
fn span(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, minutes) => format!("{minutes}m {rest}s"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

fn status(status: &Status) -> String {
    let mut text = format!(
        "dhpd {}, process {}, up {}\nanchor {} ({}){}\n",
        status.version,
        status.pid,
        span(status.uptime_seconds),
        status.anchor,
        status.roles.join(", "),
        if status.draining { ", draining" } else { "" },
    );
    match status.health.status {
        HealthState::Ok => text.push_str("health ok\n"),
        HealthState::Degraded => {
            text.push_str("health degraded:\n");
            for reason in &status.health.reasons {
                text.push_str(&format!("  - {reason}\n"));
            }
        }
    }
    text.push_str(&format!(
        "announced {}\n",
        if status.announced.is_empty() {
            "no pool".to_owned()
        } else {
            status.announced.join(", ")
        }
    ));
    let kinds: Vec<String> = status
        .bindings
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    text.push_str(&format!(
        "bindings {}; routes {}; next hops {}\n\n",
        if kinds.is_empty() {
            "0".to_owned()
        } else {
            kinds.join(", ")
        },
        status.routes,
        status.next_hops,
    ));
    let mut table = Table::new(&[">WORKER", ">CORE", ">RX PACKETS", ">TX PACKETS", ">DROPS"]);
    for worker in &status.workers {
        table.row([
            worker.worker.to_string(),
            optional(worker.core.as_ref(), "-"),
            worker.rx_packets.to_string(),
            worker.tx_packets.to_string(),
            worker.drops.to_string(),
        ]);
    }
    text + &table.to_string()
}

fn reloaded(reloaded: &Reloaded) -> String {
    if reloaded.changes.is_empty() {
        return "the configuration is the same as before\n".to_owned();
    }
    let changes = reloaded.changes.iter();
    let changes = changes.map(|change| format!("{}: {}\n", change.what, change.how));
    let released = reloaded.released.iter();
    let released = released.map(|home_address| format!("released {home_address}\n"));
    changes.chain(released).collect()
}

fn bindings(page: &Bindings) -> String {
    let mut table = Table::new(&[
        "HOME ADDRESS",
        "ROLE",
        "KIND",
        "MOBILE NODE",
        "CORRESPONDENT",
        "CARE-OF ADDRESS",
        "NEXT HOP",
        "PORT",
        ">MTU",
        ">EXPIRES IN",
        ">PACKETS",
        ">OCTETS",
    ]);
    for binding in &page.bindings {
        table.row([
            binding.home_address.to_string(),
            binding.role.clone(),
            binding.kind.clone(),
            optional(binding.mobile_node.as_ref(), "-"),
            optional(binding.correspondent.as_ref(), "-"),
            binding.care_of.address.to_string(),
            optional(binding.care_of.next_hop.as_ref(), "by the kernel"),
            optional(binding.care_of.port.as_ref(), "-"),
            binding.care_of.tunnel_mtu.to_string(),
            binding
                .remaining_seconds
                .map_or_else(|| "never".to_owned(), span),
            binding.packets.to_string(),
            binding.octets.to_string(),
        ]);
    }
    [
        table.to_string(),
        numbered_care_ofs(page),
        bound_flows(page),
    ]
    .concat()
}

/// The care-of addresses of those that have several, if any has.
fn numbered_care_ofs(page: &Bindings) -> String {
    let mut table = Table::new(&[
        "HOME ADDRESS",
        ">BID",
        ">PRIORITY",
        "CARE-OF ADDRESS",
        "NEXT HOP",
        "PORT",
        ">TUNNEL MTU",
        ">EXPIRES IN",
    ]);
    let bindings = page.bindings.iter();
    let mut rows = bindings
        .flat_map(|binding| binding.care_ofs.iter().map(move |row| (binding, row)))
        .peekable();
    if rows.peek().is_none() {
        return String::new();
    }
    for (binding, row) in rows {
        table.row([
            binding.home_address.to_string(),
            row.bid.to_string(),
            row.priority.to_string(),
            row.care_of.address.to_string(),
            optional(row.care_of.next_hop.as_ref(), "by the kernel"),
            optional(row.care_of.port.as_ref(), "-"),
            row.care_of.tunnel_mtu.to_string(),
            row.remaining_seconds
                .map_or_else(|| "never".to_owned(), span),
        ]);
    }
    format!("\n{table}")
}

/// The flow bindings of those that have some, if any has.
fn bound_flows(page: &Bindings) -> String {
    let mut table = Table::new(&[
        "HOME ADDRESS",
        ">FLOW",
        ">PRIORITY",
        "STATE",
        "BIDS",
        "PACKETS FROM CORRESPONDENTS",
    ]);
    let bindings = page.bindings.iter();
    let mut rows = bindings
        .flat_map(|binding| binding.flows.iter().map(move |row| (binding, row)))
        .peekable();
    if rows.peek().is_none() {
        return String::new();
    }
    for (binding, row) in rows {
        let bids: Vec<String> = row.bids.iter().map(ToString::to_string).collect();
        let state = if row.is_active { "active" } else { "inactive" };
        table.row([
            binding.home_address.to_string(),
            row.fid.to_string(),
            row.priority.to_string(),
            state.to_owned(),
            bids.join(","),
            row.selector.clone(),
        ]);
    }
    format!("\n{table}")
}

fn ports(rows: &[Port]) -> String {
    let mut table = Table::new(&[
        "PORT",
        "DRIVER",
        "LINK",
        "MAC",
        ">MTU",
        ">RX PACKETS",
        ">MISSED",
        ">TX PACKETS",
        ">FAILED",
    ]);
    for port in rows {
        table.row([
            port.name.clone(),
            port.driver.clone(),
            port.link.clone(),
            port.mac.clone(),
            port.mtu.to_string(),
            port.rx_packets.to_string(),
            port.rx_missed.to_string(),
            port.tx_packets.to_string(),
            port.tx_failed.to_string(),
        ]);
    }
    table.to_string()
}

fn pools(rows: &[Pool]) -> String {
    let states: Vec<&str> = {
        let mut states: Vec<&str> = rows
            .iter()
            .flat_map(|pool| pool.addresses.keys().map(String::as_str))
            .collect();
        states.sort_unstable();
        states.dedup();
        states
    };
    let headings: Vec<String> = states
        .iter()
        .map(|state| format!(">{}", state.to_uppercase()))
        .collect();
    let mut all: Vec<&str> = vec!["PREFIX", "KIND"];
    all.extend(headings.iter().map(String::as_str));
    let mut table = Table::new(&all);
    for pool in rows {
        let counts = states
            .iter()
            .map(|state| optional(pool.addresses.get(*state), "-"));
        table.row(
            [pool.prefix.clone(), pool.kind.clone()]
                .into_iter()
                .chain(counts),
        );
    }
    table.to_string()
}

fn counters(all: &Counters) -> String {
    let mut table = Table::new(&["WHERE", "COUNTER", ">COUNT"]);
    let mut put = |place: &str, counters: &BTreeMap<String, u64>| {
        for (name, count) in counters.iter().filter(|(_, count)| **count != 0) {
            table.row([place.to_owned(), name.clone(), count.to_string()]);
        }
    };
    for worker in &all.workers {
        put(&format!("worker {}", worker.worker), &worker.counters);
        put(&format!("worker {} dropped", worker.worker), &worker.drops);
    }
    put("engine", &all.engine);
    format!("{table}(counters that are 0 are left out; --json shows them)\n")
}

fn routes(page: &Routes) -> String {
    let mut table = Table::new(&["PREFIX", "ACTION", "NEXT HOP", "PORT"]);
    for route in &page.routes {
        table.row([
            route.prefix.to_string(),
            route.action.clone(),
            optional(route.next_hop.as_ref(), ""),
            optional(route.port.as_ref(), ""),
        ]);
    }
    table.to_string()
}

fn neighbours(rows: &[Neighbour]) -> String {
    let mut table = Table::new(&["ADDRESS", "PORT", "MAC", ">LINK MTU"]);
    for neighbour in rows {
        let address: &Ipv6Addr = &neighbour.address;
        table.row([
            address.to_string(),
            neighbour.port.clone(),
            optional(neighbour.mac.as_ref(), "not resolved"),
            neighbour.mtu.to_string(),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhpctl::{Binding, BoundFlow, CareOf, NumberedCareOf, WorkerCounters};

    #[test]
    fn times_have_two_units() {
        assert_eq!(
            [0, 59, 61, 3_700, 90_000].map(span),
            ["0s", "59s", "1m 1s", "1h 1m", "1d 1h"]
        );
    }

    #[test]
    fn a_binding_is_one_line() {
        let page = Bindings {
            bindings: vec![Binding {
                home_address: "2001:db8:d:1::7".parse().expect("an address"),
                role: "home".to_owned(),
                kind: "dhoa".to_owned(),
                mobile_node: Some("mn1@example.net".to_owned()),
                correspondent: None,
                care_of: CareOf {
                    address: "2001:db8:a::5".parse().expect("an address"),
                    next_hop: None,
                    port: None,
                    tunnel_mtu: 1460,
                },
                remaining_seconds: Some(590),
                packets: 12,
                octets: 3_456,
                care_ofs: Vec::new(),
                flows: Vec::new(),
            }],
            more: false,
        };
        let text = bindings(&page);
        assert_eq!(text.lines().count(), 2);
        let row = "2001:db8:d:1::7  home  dhoa  mn1@example.net  -              2001:db8:a::5    by the kernel  -     1460      9m 50s       12    3456";
        assert_eq!(text.lines().nth(1), Some(row));
    }

    #[test]
    fn several_care_of_addresses_and_flows_have_tables_of_their_own() {
        let care_of = CareOf {
            address: "2001:db8:a::5".parse().expect("an address"),
            next_hop: None,
            port: None,
            tunnel_mtu: 1460,
        };
        let page = Bindings {
            bindings: vec![Binding {
                home_address: "2001:db8:d:1::7".parse().expect("an address"),
                role: "home".to_owned(),
                kind: "dhoa".to_owned(),
                mobile_node: Some("mn1@example.net".to_owned()),
                correspondent: None,
                care_of: care_of.clone(),
                remaining_seconds: None,
                packets: 0,
                octets: 0,
                care_ofs: vec![NumberedCareOf {
                    bid: 2,
                    priority: 10,
                    care_of,
                    remaining_seconds: Some(61),
                }],
                flows: vec![BoundFlow {
                    fid: 4,
                    priority: 30,
                    selector: "destination-port 443 protocol 6".to_owned(),
                    bids: vec![2, 9],
                    is_active: true,
                }],
            }],
            more: false,
        };
        let text = bindings(&page);
        let (_, further) = text.split_once("\n\n").expect("a second table");
        assert_eq!(
            further,
            "HOME ADDRESS     BID  PRIORITY  CARE-OF ADDRESS  NEXT HOP       PORT  TUNNEL MTU  EXPIRES IN\n\
             2001:db8:d:1::7    2        10  2001:db8:a::5    by the kernel  -           1460       1m 1s\n\n\
             HOME ADDRESS     FLOW  PRIORITY  STATE   BIDS  PACKETS FROM CORRESPONDENTS\n\
             2001:db8:d:1::7     4        30  active  2,9   destination-port 443 protocol 6\n"
        );
    }

    #[test]
    fn a_correspondents_binding_says_whose_packets_go_there() {
        let page = Bindings {
            bindings: vec![Binding {
                home_address: "2001:db8:77::1".parse().expect("an address"),
                role: "correspondent".to_owned(),
                kind: "foreign".to_owned(),
                mobile_node: None,
                correspondent: "2001:db8:c:1::80".parse().ok(),
                care_of: CareOf {
                    address: "2001:db8:a::5".parse().expect("an address"),
                    next_hop: None,
                    port: None,
                    tunnel_mtu: 1476,
                },
                remaining_seconds: Some(59),
                packets: 1,
                octets: 2,
                care_ofs: Vec::new(),
                flows: Vec::new(),
            }],
            more: false,
        };
        let text = bindings(&page);
        let row = "2001:db8:77::1  correspondent  foreign  -            2001:db8:c:1::80  2001:db8:a::5    by the kernel  -     1476         59s        1       2";
        assert_eq!(text.lines().nth(1), Some(row));
    }

    #[test]
    fn a_port_is_one_line() {
        let text = ports(&[Port {
            name: "core0".to_owned(),
            driver: "dpdk".to_owned(),
            link_up: true,
            link: "Link up at 10 Gbps FDX Fixed".to_owned(),
            mtu: 1500,
            mac: "02:00:00:00:0a:01".to_owned(),
            rx_packets: 7,
            rx_missed: 0,
            tx_packets: 5,
            tx_failed: 1,
            counters: [("rx_good_packets".to_owned(), 7)].into(),
        }]);
        assert_eq!(
            text,
            "PORT   DRIVER  LINK                          MAC                 MTU  RX PACKETS  MISSED  TX PACKETS  FAILED\n\
             core0  dpdk    Link up at 10 Gbps FDX Fixed  02:00:00:00:0a:01  1500           7       0           5       1\n"
        );
    }

    #[test]
    fn pools_have_a_column_for_each_state() {
        let pool = |prefix: &str, states: &[(&str, u64)]| Pool {
            prefix: prefix.to_owned(),
            kind: "dhoa".to_owned(),
            addresses: states
                .iter()
                .map(|(state, count)| ((*state).to_owned(), *count))
                .collect(),
        };
        let text = pools(&[
            pool("2001:db8:1::/64", &[("assigned", 3)]),
            pool("2001:db8:2::/64", &[("quarantined", 1)]),
        ]);
        assert_eq!(
            text,
            "PREFIX           KIND  ASSIGNED  QUARANTINED\n\
             2001:db8:1::/64  dhoa         3            -\n\
             2001:db8:2::/64  dhoa         -            1\n"
        );
    }

    #[test]
    fn counters_of_zero_are_left_out() {
        let all = Counters {
            workers: vec![WorkerCounters {
                worker: 0,
                counters: [("rx_packets".to_owned(), 5), ("tx_packets".to_owned(), 0)].into(),
                drops: [("no_route".to_owned(), 2)].into(),
            }],
            engine: BTreeMap::new(),
        };
        let text = counters(&all);
        assert!(
            text.contains("worker 0          rx_packets      5"),
            "{text}"
        );
        assert!(
            text.contains("worker 0 dropped  no_route        2"),
            "{text}"
        );
        assert!(!text.contains("tx_packets"), "{text}");
    }
}
