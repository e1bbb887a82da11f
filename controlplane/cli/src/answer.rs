//! What is answered

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use crate::mobile_node::{Flows, MobileNodes};

/// One line from the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// What was asked for.
    Ok(Reply),
    /// Why there is none, in a sentence.
    Error(String),
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To `status`.
    Status(Status),
    /// To `bindings`.
    Bindings(Bindings),
    /// To `mobile-nodes`.
    MobileNodes(MobileNodes),
    /// To `flows`.
    Flows(Flows),
    /// To `ports`.
    Ports(Vec<Port>),
    /// To `pools`.
    Pools(Vec<Pool>),
    /// To `counters`.
    Counters(Counters),
    /// To `routes`.
    Routes(Routes),
    /// To `neighbours`.
    Neighbours(Vec<Neighbour>),
    /// To `trace`.
    Trace(Vec<TracedPacket>),
    /// To `config`.
    Config(serde_json::Value),
    /// To `reload`.
    Reloaded(Reloaded),
    /// To `release` and `drain`: what was done.
    Done(String),
}

/// Who sends what to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Next Header value behind the extension headers.
    pub protocol: u8,
}

/// A packet, and all that a worker counted on its account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedPacket {
    /// When it came, in microseconds since 1970.
    pub unix_us: u64,
    /// The worker that handled it.
    pub worker: u32,
    /// The interface that it came by; `None`: the control plane sent it.
    pub port: Option<String>,
    /// Its headers; `None`: it is no IPv6 packet.
    pub heading: Option<Heading>,
    /// Those of the packet that is tunnelled in it.
    pub inner: Option<Heading>,
    /// Octets from the IPv6 header on.
    pub length: u32,
    /// The counters that rose.
    pub counters: Vec<String>,
    /// Why it, or something that was made of it, was dropped.
    pub drops: Vec<String>,
    /// Its first octets as it came, in hexadecimal digits.
    pub octets: String,
}

/// Whether all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// Nothing to say.
    Ok,
    /// It works, but somebody should look at the reasons.
    Degraded,
}

/// Whether all is well, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthState,
    /// One sentence for each thing that is not well.
    pub reasons: Vec<String>,
}

/// What another configuration has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Everything that is different now.
    pub changes: Vec<ConfigChange>,
    /// Home addresses whose bindings have ended by it, such as those of mobile nodes that were removed.
    pub released: Vec<Ipv6Addr>,
}

/// Something that is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange {
    /// Such as `pool 2001:db8:d:1::/64`.
    pub what: String,
    /// `added`, `removed` or `changed`.
    pub how: String,
}

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since its start.
    pub uptime_seconds: u64,
    /// The anchor's address.
    pub anchor: Ipv6Addr,
    /// What the box is: `dhp`, `home-agent`, `locator`.
    pub roles: Vec<String>,
    /// It takes no new mobile nodes.
    pub draining: bool,
    /// The pools whose routes are announced.
    pub announced: Vec<String>,
    /// Home addresses that are bound, by kind.
    pub bindings: BTreeMap<String, u64>,
    /// Prefixes in the workers' route table.
    pub routes: usize,
    /// Neighbours that packets are sent to.
    pub next_hops: usize,
    /// The forwarding threads.
    pub workers: Vec<WorkerStatus>,
    /// Whether all is well.
    pub health: Health,
}

/// A forwarding thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its number.
    pub worker: u32,
    /// The core it is pinned to.
    pub core: Option<usize>,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets dropped, for any reason.
    pub drops: u64,
}

/// Where a bound home address is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CareOf {
    /// Care-of address.
    pub address: Ipv6Addr,
    /// Neighbour that its packets go to; `None`: the kernel sends them.
    pub next_hop: Option<Ipv6Addr>,
    /// Port they leave by.
    pub port: Option<String>,
    /// Largest packet that goes there, in octets, without the tunnel's header or the routing header.
    pub tunnel_mtu: u16,
}

/// A bound home address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Home address.
    pub home_address: Ipv6Addr,
    /// As what this box holds it: `home` as its home agent or DHP, or `correspondent`.
    pub role: String,
    /// `dhoa` or `home`; `foreign`: its home agent is elsewhere.
    pub kind: String,
    /// Whose it is; of a foreign home address that is not known.
    pub mobile_node: Option<String>,
    /// The correspondent whose packets go there directly: this box, or a host that it acts for.
    pub correspondent: Option<Ipv6Addr>,
    /// Where it is; of several where packets go that no flow binding is for.
    pub care_of: CareOf,
    /// Until it expires; `None`: never.
    pub remaining_seconds: Option<u64>,
    /// Packets that it has carried in both directions.
    pub packets: u64,
    /// Octets of them, without the headers of the tunnel.
    pub octets: u64,
    /// The care-of addresses with a Binding Identification number, in the order of those; none where there is but one, without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub care_ofs: Vec<NumberedCareOf>,
    /// The flow bindings, in the order in which they are tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<BoundFlow>,
}

/// A care-of address with a Binding Identification number (RFC 5648).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberedCareOf {
    /// BID.
    pub bid: u16,
    /// BID-PRI (RFC 6089): the lower goes first, 0 last.
    pub priority: u8,
    /// Where it is.
    pub care_of: CareOf,
    /// Until it expires; `None`: never.
    pub remaining_seconds: Option<u64>,
}

/// A flow binding (RFC 6089).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundFlow {
    /// FID.
    pub fid: u16,
    /// FID-PRI: the lower goes first.
    pub priority: u16,
    /// Which packets from the correspondent it is for, in words.
    pub selector: String,
    /// The care-of addresses that get a copy of each, as far as they are registered.
    pub bids: Vec<u16>,
    /// Any of them is.
    pub is_active: bool,
}

/// A page of bindings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bindings {
    /// In the order of their home addresses and correspondents.
    pub bindings: Vec<Binding>,
    /// There are more behind the last one.
    pub more: bool,
}

/// A link whose packets the workers forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its interface; with DPDK the TAP interface that stands for the device.
    pub name: String,
    /// `af-packet` or `dpdk`.
    pub driver: String,
    /// Frames pass.
    pub link_up: bool,
    /// The link in words.
    pub link: String,
    /// The largest IP packet, in octets.
    pub mtu: u32,
    /// Its address.
    pub mac: String,
    /// Frames received.
    pub rx_packets: u64,
    /// Frames lost before they reached a worker, because a ring was full or there was no buffer.
    pub rx_missed: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Frames that the driver could not send.
    pub tx_failed: u64,
    /// What the kernel or the DPDK driver counts, by the driver's own names.
    pub counters: BTreeMap<String, u64>,
}

/// A pool of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The addresses.
    pub prefix: String,
    /// `dhoa` or `home`.
    pub kind: String,
    /// How many there are in each state, such as `assigned` and `quarantined`.
    pub addresses: BTreeMap<String, u64>,
}

/// What one worker has counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerCounters {
    /// Its number.
    pub worker: u32,
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
    /// Drops by reason.
    pub drops: BTreeMap<String, u64>,
}

/// Everything that is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// By the workers.
    pub workers: Vec<WorkerCounters>,
    /// By the protocol engine, by name.
    pub engine: BTreeMap<String, u64>,
}

/// A prefix of the workers' route table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Which packets.
    pub prefix: Ipv6Net,
    /// What happens to them: `via`, `connected`, `kernel`, `local`, `anchor`, `pool`, `unreachable`,
    /// `blackhole`.
    pub action: String,
    /// The neighbour they go to.
    pub next_hop: Option<Ipv6Addr>,
    /// The port they leave by.
    pub port: Option<String>,
}

/// A page of routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// In the order of their prefixes.
    pub routes: Vec<Route>,
    /// There are more.
    pub more: bool,
}

/// A neighbour that packets are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its address.
    pub address: Ipv6Addr,
    /// The port it is on.
    pub port: String,
    /// Its MAC address; `None`: not resolved.
    pub mac: Option<String>,
    /// MTU of the link, in octets.
    pub mtu: u16,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;

    #[test]
    fn lines_are_as_documented() {
        let request: Request =
            serde_json::from_str(r#"{"command":"bindings"}"#).expect("a request");
        assert_eq!(
            request,
            Request::Bindings {
                after: None,
                after_correspondent: None,
                limit: 512
            }
        );
        let release = r#"{"command":"release","home_address":"2001:db8::1"}"#;
        let request: Request = serde_json::from_str(release).expect("a request");
        assert_eq!(serde_json::to_string(&request).expect("JSON"), release);
        let answer = Answer::Ok(Reply::Bindings(Bindings {
            bindings: Vec::new(),
            more: false,
        }));
        let line = serde_json::to_string(&answer).expect("JSON");
        assert_eq!(line, r#"{"ok":{"bindings":{"bindings":[],"more":false}}}"#);
        assert_eq!(
            serde_json::from_str::<Answer>(&line).expect("an answer"),
            answer
        );
        let error: Answer = serde_json::from_str(r#"{"error":"no"}"#).expect("an answer");
        assert_eq!(error, Answer::Error("no".to_owned()));
    }

    #[test]
    fn unknown_commands_and_keys_are_refused() {
        for line in [
            r#"{"command":"format"}"#,
            r#"{"command":"drain"}"#,
            r#"{"command":"drain","on":true,"off":1}"#,
            "{}",
        ] {
            assert!(serde_json::from_str::<Request>(line).is_err(), "{line}");
        }
    }
}
