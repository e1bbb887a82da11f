//! FRR: its configuration on both routers, and what it says of its session.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

/// Where Debian's FRR keeps its daemons.
pub const DAEMONS: &str = "/usr/lib/frr";

/// The configuration of a router's `bgpd`. Keepalives each second, hold time 3 s, so that what stalls the appliance's port
/// for longer ends the session.
pub fn configuration(router: &Router<'_>) -> String {
    let Router {
        name,
        own_as,
        id,
        neighbour,
        neighbour_as,
        redistribution,
    } = router;
    format!(
        "hostname {name}
route-map dhp-pools permit 10
 match interface dhp0
router bgp {own_as}
 bgp router-id {id}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 timers bgp 1 3
 neighbor {neighbour} remote-as {neighbour_as}
 neighbor {neighbour} timers connect 1
 neighbor {neighbour} advertisement-interval 0
 address-family ipv6 unicast
  neighbor {neighbour} activate
  {redistribution}
"
    )
}

/// One side of the session.
pub struct Router<'a> {
    pub name: &'a str,
    pub own_as: u32,
    pub id: &'a str,
    pub neighbour: &'a str,
    pub neighbour_as: u32,
    /// Which routes of the kernel it announces.
    pub redistribution: &'a str,
}

/// A session as one side sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Session {
    /// RFC 4271 §8.2.2, such as `Established`.
    pub state: String,
    /// How often it was established.
    pub established: u64,
    /// How often it was lost.
    pub dropped: u64,
    /// Since when.
    pub up: Duration,
}

impl Session {
    /// What `show bgp neighbors ADDRESS json` says.
    pub fn read(text: &str, neighbour: &str) -> Result<Self> {
        let all: Value = serde_json::from_str(text).context("vtysh gave no JSON")?;
        let one = all.get(neighbour).context("bgpd knows no such neighbour")?;
        let number = |key: &str| one.get(key).and_then(Value::as_u64).unwrap_or(0);
        let state = one.get("bgpState").and_then(Value::as_str);
        Ok(Self {
            state: state.context("bgpd tells no state")?.to_owned(),
            established: number("connectionsEstablished"),
            dropped: number("connectionsDropped"),
            up: Duration::from_millis(number("bgpTimerUpMsec")),
        })
    }

    /// Whether routes are exchanged.
    pub fn is_established(&self) -> bool {
        self.state == "Established"
    }

    /// Whether it is still the one it was `before`.
    pub fn is_continued(&self, before: &Self) -> bool {
        self.is_established()
            && self.established == before.established
            && self.dropped == before.dropped
            && self.up >= before.up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(state: &str, established: u64, dropped: u64, up_ms: u64) -> Session {
        let text = format!(
            r#"{{"2001:db8:f::1":{{"bgpState":"{state}","connectionsEstablished":{established},"connectionsDropped":{dropped},"bgpTimerUpMsec":{up_ms}}}}}"#
        );
        Session::read(&text, "2001:db8:f::1").unwrap()
    }

    #[test]
    fn a_session_that_came_back_is_another_one() {
        let before = session("Established", 1, 0, 2000);
        assert!(session("Established", 1, 0, 30_000).is_continued(&before));
        assert!(!session("Established", 2, 1, 30_000).is_continued(&before));
        assert!(!session("Idle", 1, 1, 0).is_continued(&before));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert!(Session::read("% no such neighbor", "2001:db8:f::1").is_err());
        assert!(Session::read("{}", "2001:db8:f::1").is_err());
    }
}
