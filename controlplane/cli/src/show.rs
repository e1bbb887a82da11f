//! Answers as people read them

pub mod flows;
pub mod mobile_nodes;

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
        Reply::MobileNodes(page) => listed(
            mobile_nodes::table(),
            &page.mobile_nodes,
            mobile_nodes::cells,
        ),
        Reply::Flows(page) => listed(flows::table(), &page.flows, flows::cells),
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

/// A table with a row for each.
fn listed<T>(mut table: Table, rows: &[T], cells: impl Fn(&T) -> Vec<String>) -> String {
    for row in rows {
        table.row(cells(row));
    }
    table.to_string()
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
mod tests;
