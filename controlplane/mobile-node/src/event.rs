//! What happened, for whoever watches: JSON lines with the time of day.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use ipnet::Ipv6Net;
use serde::Serialize;
use tokio::sync::broadcast;

/// So many past events are kept, and so many may wait for a slow watcher.
const KEPT: usize = 1024;

/// An event with its time.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// CLOCK_REALTIME in nanoseconds.
    pub time_ns: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// A DHP near a correspondent.
#[derive(Debug, Clone, Serialize)]
pub struct CandidateRecord {
    /// The DHP.
    pub dhp: Ipv6Addr,
    /// What it covers.
    pub coverage: Ipv6Net,
    /// As it was measured.
    pub rtt_ns: Option<u64>,
}

/// A care-of address and its interface.
#[derive(Debug, Clone, Serialize)]
pub struct InterfaceCareOf {
    /// Its name.
    pub interface: String,
    /// The address.
    pub care_of: Ipv6Addr,
}

/// A session of a program's.
#[derive(Debug, Clone, Serialize)]
pub struct SessionRecord {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Its own address and port.
    pub local: SocketAddr,
    /// The correspondent's.
    pub remote: SocketAddr,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The agent works.
    Started,
    /// Another security association is in use.
    KeyChanged {
        /// Its SPI.
        spi: u32,
    },
    /// The carrier of an access interface is gone.
    LinkDown {
        /// Its name.
        interface: String,
    },
    /// The carrier is back.
    LinkUp {
        /// Its name.
        interface: String,
    },
    /// A Router Solicitation was sent.
    RouterSolicited {
        /// Where.
        interface: String,
        /// 1 for the first since the carrier came.
        attempt: u32,
    },
    /// The first Router Advertisement of a router since the carrier came, or one that says something new.
    RouterAdvertised {
        /// Where.
        interface: String,
        /// From whom.
        router: Ipv6Addr,
        /// Prefixes for addresses.
        prefixes: Vec<Ipv6Net>,
    },
    /// An address can be used as care-of address.
    AddressConfigured {
        /// Where.
        interface: String,
        /// The address.
        address: Ipv6Addr,
    },
    /// It is the care-of address from now on.
    CareOf {
        /// Where.
        interface: String,
        /// The address.
        address: Ipv6Addr,
    },
    /// There is no care-of address.
    CareOfLost,
    /// DHPs for a correspondent were found, best first.
    Candidates {
        /// The correspondents.
        correspondent: Ipv6Net,
        /// The DHPs.
        candidates: Vec<CandidateRecord>,
    },
    /// Flows can use a home address.
    AnchorReady {
        /// The correspondents.
        correspondent: Ipv6Net,
        /// The correspondents that the anchor serves: these, and where it was found on demand, those around them.
        serves: Ipv6Net,
        /// The anchor.
        anchor: Ipv6Addr,
        /// The address.
        home_address: Ipv6Addr,
        /// `home` or `dhoa`.
        kind: &'static str,
    },
    /// A message that binds a care-of address was sent.
    UpdateSent {
        /// To whom.
        anchor: Ipv6Addr,
        /// The addresses that it lists.
        home_addresses: Vec<Ipv6Addr>,
        /// The care-of address.
        care_of: Ipv6Addr,
        /// 1 for the first transmission.
        attempt: u32,
    },
    /// An anchor tests the care-of address: packets flow, those that come there up to a credit.
    UnderTest {
        /// The anchor.
        anchor: Ipv6Addr,
        /// The addresses.
        home_addresses: Vec<Ipv6Addr>,
        /// The care-of address.
        care_of: Ipv6Addr,
    },
    /// An anchor has confirmed the care-of address.
    Bound {
        /// The anchor.
        anchor: Ipv6Addr,
        /// The addresses.
        home_addresses: Vec<Ipv6Addr>,
        /// The care-of address.
        care_of: Ipv6Addr,
        /// From the update to its answer.
        rtt_ns: Option<u64>,
    },
    /// Addresses are no longer bound.
    Unbound {
        /// The anchor.
        anchor: Ipv6Addr,
        /// The addresses.
        home_addresses: Vec<Ipv6Addr>,
        /// Why.
        reason: String,
        /// The sessions that are lost with them.
        sessions: Vec<SessionRecord>,
    },
    /// Flows get no address at a DHP for now.
    Fallback {
        /// The correspondents.
        correspondent: Ipv6Net,
        /// Why.
        reason: String,
    },
    /// New sessions with correspondents get another DHP; those that go on keep theirs.
    FlowMoved {
        /// The correspondents.
        correspondent: Ipv6Net,
        /// The DHP that they had.
        from: Ipv6Addr,
        /// The one that they have now.
        to: Ipv6Addr,
        /// By what it is better.
        reason: &'static str,
    },
    /// An anchor sends flows to several care-of addresses, or to one again.
    Steered {
        /// The anchor.
        anchor: Ipv6Addr,
        /// The addresses.
        home_addresses: Vec<Ipv6Addr>,
        /// The care-of addresses by interface, the default one first; none: one alone.
        care_ofs: Vec<InterfaceCareOf>,
        /// How many flow bindings it has.
        flows: usize,
    },
    /// An anchor takes one care-of address only, or no flow bindings.
    SteeringRefused {
        /// The anchor.
        anchor: Ipv6Addr,
        /// Why.
        reason: String,
    },
    /// Flows of a rule use this access from now on.
    FlowAccess {
        /// The rule of the policy, from 1.
        rule: usize,
        /// The interface; `null`: there is none.
        interface: Option<String>,
        /// Why.
        reason: String,
    },
    /// The accesses have been judged otherwise for flows than before.
    Judged {
        /// The correspondents.
        correspondent: Ipv6Net,
        /// `maintain`, `wait` or `terminate`.
        verdict: &'static str,
        /// Why; empty: all is well.
        reason: String,
    },
    /// A DHP does not answer: sessions over it may hang, new ones go elsewhere.
    AnchorSilent {
        /// The DHP.
        anchor: Ipv6Addr,
        /// Its addresses.
        home_addresses: Vec<Ipv6Addr>,
        /// The sessions at risk.
        sessions: Vec<SessionRecord>,
    },
    /// The node is at home: the home agent stands in for it no longer, and the home address needs no tunnel.
    AtHome {
        /// The home agent.
        anchor: Ipv6Addr,
        /// The home address.
        home_address: Ipv6Addr,
        /// The interface on the home link.
        interface: String,
        /// From the update to its answer; `null` if that is ambiguous, or nobody had to be asked.
        rtt_ns: Option<u64>,
    },
    /// The node has left its home link for another one.
    LeftHome {
        /// The home agent.
        anchor: Ipv6Addr,
        /// The home address.
        home_address: Ipv6Addr,
    },
    /// The home agent has told of the prefixes at home.
    HomePrefixes {
        /// Each with its valid lifetime in seconds, 4294967295 for ever.
        prefixes: Vec<(Ipv6Net, u32)>,
    },
    /// The home link has named its home agents.
    HomeAgentsFound {
        /// In the order in which they are tried; none: there are none.
        agents: Vec<Ipv6Addr>,
    },
    /// Nobody on the home link says who its home agents are.
    HomeAgentsUnknown,
    /// Registrations go to this home agent from now on.
    HomeAgentChosen {
        /// The home agent.
        agent: Ipv6Addr,
    },
    /// An anchor knows nothing of mobility, or has just lost what does: it gets no updates for a while.
    MobilityRefused {
        /// The anchor.
        anchor: Ipv6Addr,
    },
    /// The home link has another prefix: new sessions get another home address.
    HomeRenumbered {
        /// The home address before, which is kept as long as its prefix is valid.
        from: Ipv6Addr,
        /// The new one.
        to: Ipv6Addr,
        /// The sessions that have the one before.
        sessions: Vec<SessionRecord>,
    },
    /// The home agent has refused the home address that was to follow; the one before stays.
    HomeAddressRefused {
        /// The home address.
        address: Ipv6Addr,
        /// The status, in words.
        reason: String,
    },
    /// Nobody talks to the correspondents any more: their flow has ended.
    FlowEnded {
        /// The correspondents.
        correspondent: Ipv6Net,
    },
    /// Packets between a home address and a correspondent go directly.
    RouteOptimized {
        /// The home address.
        home_address: Ipv6Addr,
        /// The correspondent.
        correspondent: Ipv6Addr,
        /// The care-of address that it has confirmed.
        care_of: Ipv6Addr,
        /// From the update to its answer.
        rtt_ns: u64,
    },
    /// Packets between a home address and a correspondent go by the anchor: again, or still.
    RouteProxied {
        /// The home address.
        home_address: Ipv6Addr,
        /// The correspondent.
        correspondent: Ipv6Addr,
        /// Why.
        reason: String,
    },
    /// New flows to the prefix have another source address from now on.
    FlowSource {
        /// The rule of the policy, from 1.
        rule: usize,
        /// The correspondents.
        prefix: Ipv6Net,
        /// The source; `null` is the care-of address.
        source: Option<Ipv6Addr>,
    },
    /// The agent ends.
    Stopped,
}

/// The past events and those who watch.
#[derive(Debug, Clone)]
pub struct EventLog {
    past: Rc<RefCell<VecDeque<Record>>>,
    watchers: broadcast::Sender<Record>,
}

impl EventLog {
    /// An empty log.
    pub fn new() -> Self {
        Self {
            past: Rc::default(),
            watchers: broadcast::Sender::new(KEPT),
        }
    }

    /// Writes an event, with the present time.
    pub fn write(&self, event: Event) {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let record = Record {
            time_ns: u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX),
            event,
        };
        tracing::info!(event = %serde_json::to_string(&record.event).unwrap_or_default());
        let mut past = self.past.borrow_mut();
        if past.len() >= KEPT {
            past.pop_front();
        }
        past.push_back(record.clone());
        // Nobody watching is no error.
        let _ = self.watchers.send(record);
    }

    /// The events so far, and those to come.
    pub fn watch(&self) -> (Vec<Record>, broadcast::Receiver<Record>) {
        let past = self.past.borrow().iter().cloned().collect();
        (past, self.watchers.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_json_object() {
        let record = Record {
            time_ns: 5,
            event: Event::Bound {
                anchor: Ipv6Addr::LOCALHOST,
                home_addresses: vec![Ipv6Addr::LOCALHOST],
                care_of: Ipv6Addr::LOCALHOST,
                rtt_ns: Some(7),
            },
        };
        assert_eq!(
            serde_json::to_string(&record).expect("JSON"),
            r#"{"time_ns":5,"event":"bound","anchor":"::1","home_addresses":["::1"],"care_of":"::1","rtt_ns":7}"#
        );
    }

    #[test]
    fn a_watcher_gets_the_past_and_what_comes() {
        let log = EventLog::new();
        log.write(Event::Started);
        let (past, mut coming) = log.watch();
        log.write(Event::CareOfLost);
        assert!(matches!(past[0].event, Event::Started));
        let next = coming.try_recv().expect("an event");
        assert!(matches!(next.event, Event::CareOfLost));
    }
}
