//! What the engine wants done and what it tells.

use std::net::Ipv6Addr;

use dhp_proto::mobile_node::{
    AddressKind, FallbackReason, MnAction, MnEvent, ProxyReason, Session, UnboundReason,
};
use dhp_wire::codepoints::Status;
use dhp_wire::ipv6::Ipv6View;

use super::accesses::{choice_reason, shortfall_words, verdict_words};
use super::sockets::Sockets;
use super::{Agent, Binding, Ready};
use crate::event::{CandidateRecord, Event, InterfaceCareOf};

impl Agent {
    /// Does all that the engine wants done now.
    pub(super) async fn follow_engine(&mut self) {
        if self.note_events() {
            self.apply_plan().await;
            self.set_tunnels();
            self.announce_due();
        }
        self.tell_prepared();
    }

    /// Sends what the engine wants sent, and notes what it tells. True if routes or tunnels depend on it.
    pub(super) fn note_events(&mut self) -> bool {
        let mut changed = false;
        while let Some(action) = self.engine.poll_action() {
            match action {
                MnAction::Transmit(packet) => self.transmit(&packet),
                MnAction::Event(event) => changed |= self.take_event(event),
            }
        }
        changed
    }

    fn transmit(&self, packet: &[u8]) {
        let Ok(source) = Ipv6View::new(packet).map(|view| view.source()) else {
            return;
        };
        let home = self.way_home().filter(|way| way.address == source);
        if let Some(way) = home.or_else(|| self.access.usable(source)) {
            self.data.send(way.index, packet);
        }
    }

    /// Notes and reports an event. True if routes or tunnels depend on it.
    fn take_event(&mut self, event: MnEvent) -> bool {
        let mut changed = false;
        let event = match event {
            MnEvent::Stopped => return false,
            MnEvent::CandidateList { flow, candidates } => Event::Candidates {
                correspondent: flow.correspondent,
                candidates: candidates
                    .iter()
                    .map(|candidate| CandidateRecord {
                        dhp: candidate.dhp,
                        coverage: candidate.coverage,
                        rtt_ns: candidate.round_trip_ns,
                    })
                    .collect(),
            },
            MnEvent::AnchorReady {
                flow,
                serves,
                anchor,
                home_address,
                kind,
            } => {
                let ready = Ready {
                    serves,
                    anchor,
                    home_address,
                };
                self.ready.insert(flow, ready);
                changed = true;
                let kind = kind_name(kind);
                Event::AnchorReady {
                    correspondent: flow.correspondent,
                    serves,
                    anchor,
                    home_address,
                    kind,
                }
            }
            MnEvent::Moved {
                flow,
                from,
                to,
                advantage,
            } => Event::FlowMoved {
                correspondent: flow.correspondent,
                from,
                to,
                reason: match advantage {
                    Some(advantage) => super::explain::advantage_of(advantage),
                    None => "it was found while the first one had given an address already",
                },
            },
            MnEvent::UpdateSent {
                anchor,
                home_addresses,
                care_of,
                attempt,
            } => {
                // Once the home agent is told that the node is back, the node answers for its home address.
                changed = home_addresses.contains(&care_of);
                Event::UpdateSent {
                    anchor,
                    home_addresses,
                    care_of,
                    attempt,
                }
            }
            MnEvent::UnderTest {
                anchor,
                home_addresses,
                care_of,
            } => {
                self.bound(&home_addresses, Binding { anchor, care_of });
                changed = true;
                Event::UnderTest {
                    anchor,
                    home_addresses,
                    care_of,
                }
            }
            MnEvent::Bound {
                anchor,
                home_addresses,
                care_of,
                round_trip_ns,
            } => {
                self.bound(&home_addresses, Binding { anchor, care_of });
                changed = true;
                Event::Bound {
                    anchor,
                    home_addresses,
                    care_of,
                    rtt_ns: round_trip_ns,
                }
            }
            MnEvent::Unbound {
                anchor,
                home_addresses,
                reason,
            } => {
                self.unbound(&home_addresses);
                changed = true;
                let reason = unbound_reason(reason);
                let sessions = Sockets::now().sessions_of_all(&home_addresses);
                Event::Unbound {
                    anchor,
                    home_addresses,
                    reason,
                    sessions,
                }
            }
            MnEvent::Fallback { flow, reason } => {
                changed = self.ready.remove(&flow).is_some();
                let reason = fallback_reason(reason);
                Event::Fallback {
                    correspondent: flow.correspondent,
                    reason,
                }
            }
            MnEvent::AnchorSilent {
                anchor,
                home_addresses,
            } => {
                // What runs over it keeps its address; nothing new gets it.
                self.ready.retain(|flow, ready| {
                    ready.anchor != anchor || flow.need.session == Session::Fixed
                });
                changed = true;
                let sessions = Sockets::now().sessions_of_all(&home_addresses);
                Event::AnchorSilent {
                    anchor,
                    home_addresses,
                    sessions,
                }
            }
            MnEvent::RouteOptimized {
                ends,
                care_of,
                round_trip_ns,
            } => {
                self.set_tunnels();
                Event::RouteOptimized {
                    home_address: ends.home_address,
                    correspondent: ends.correspondent,
                    care_of,
                    rtt_ns: round_trip_ns,
                }
            }
            MnEvent::RouteProxied { ends, reason } => {
                self.set_tunnels();
                Event::RouteProxied {
                    home_address: ends.home_address,
                    correspondent: ends.correspondent,
                    reason: proxy_reason(reason),
                }
            }
            MnEvent::Steered {
                anchor,
                home_addresses,
                steering,
            } => {
                for home in &home_addresses {
                    self.steerings.insert(*home, (anchor, steering.clone()));
                }
                self.set_tunnels();
                let care_ofs = steering.care_ofs.iter();
                let care_ofs = care_ofs.map(|(bid, care_of)| InterfaceCareOf {
                    interface: self.interface_of(*bid),
                    care_of: *care_of,
                });
                Event::Steered {
                    anchor,
                    home_addresses,
                    care_ofs: care_ofs.collect(),
                    flows: steering.flows.len(),
                }
            }
            MnEvent::SteeringRefused { anchor, status } => Event::SteeringRefused {
                anchor,
                reason: status.map_or_else(
                    || "it does not know several care-of addresses".to_owned(),
                    |status| format!("refused: {}", Status(status)),
                ),
            },
            MnEvent::AccessChosen { rule, bid, reason } => Event::FlowAccess {
                rule: rule.saturating_add(1),
                interface: bid.map(|bid| self.interface_of(bid)),
                reason: choice_reason(reason),
            },
            MnEvent::Judged { flow, verdict } => {
                let (verdict, reason) = verdict_words(verdict);
                Event::Judged {
                    correspondent: flow.correspondent,
                    verdict,
                    reason,
                }
            }
            MnEvent::AtHome {
                anchor,
                home_address,
                detect_duplicates,
                round_trip_ns,
            } => {
                self.bindings.remove(&home_address);
                self.steerings.remove(&home_address);
                self.announce_home(detect_duplicates);
                changed = true;
                let interface = self.at_home().map(|way| self.name(way.index));
                Event::AtHome {
                    anchor,
                    home_address,
                    interface: interface.unwrap_or_default(),
                    rtt_ns: round_trip_ns,
                }
            }
            MnEvent::LeftHome {
                anchor,
                home_address,
            } => {
                self.announcements = None;
                changed = true;
                Event::LeftHome {
                    anchor,
                    home_address,
                }
            }
            MnEvent::HomePrefixes { prefixes } => Event::HomePrefixes { prefixes },
            MnEvent::HomeAgentsFound { agents } => Event::HomeAgentsFound { agents },
            MnEvent::HomeAgentsUnknown => Event::HomeAgentsUnknown,
            MnEvent::HomeAgentChosen { agent } => {
                // Packets to it must not enter the tunnel.
                changed = true;
                Event::HomeAgentChosen { agent }
            }
            MnEvent::MobilityRefused { anchor } => Event::MobilityRefused { anchor },
            MnEvent::HomeRenumbered { from, to } => {
                changed = true;
                let sessions = Sockets::now().sessions_of_all(&[from]);
                Event::HomeRenumbered { from, to, sessions }
            }
            MnEvent::HomeAddressRefused { address, status } => Event::HomeAddressRefused {
                address,
                reason: Status(status).to_string(),
            },
            MnEvent::Ended { flow } => {
                changed = self.ready.remove(&flow).is_some();
                Event::FlowEnded {
                    correspondent: flow.correspondent,
                }
            }
        };
        self.events.write(event);
        changed
    }

    fn bound(&mut self, home_addresses: &[Ipv6Addr], binding: Binding) {
        for home in home_addresses {
            self.bindings.insert(*home, binding);
        }
        // At once, before any route is touched: packets may be waiting.
        self.set_tunnels();
    }

    fn unbound(&mut self, home_addresses: &[Ipv6Addr]) {
        self.bindings
            .retain(|home, _| !home_addresses.contains(home));
        self.steerings
            .retain(|home, _| !home_addresses.contains(home));
        self.ready
            .retain(|_, ready| !home_addresses.contains(&ready.home_address));
    }
}

pub(super) fn kind_name(kind: AddressKind) -> &'static str {
    match kind {
        AddressKind::Home => "home",
        AddressKind::Dhoa => "dhoa",
    }
}

fn unbound_reason(reason: UnboundReason) -> String {
    match reason {
        UnboundReason::Expired => "expired".to_owned(),
        UnboundReason::Refused(status) => format!("refused: {}", Status(status)),
        UnboundReason::Released => "released".to_owned(),
        UnboundReason::NoAnswer => "another home agent is asked".to_owned(),
        UnboundReason::PrefixEnded => "its prefix at home has ended".to_owned(),
        UnboundReason::Terminated(shortfall) => {
            format!("terminated: {}", shortfall_words(shortfall))
        }
    }
}

pub(super) fn proxy_reason(reason: ProxyReason) -> String {
    match reason {
        ProxyReason::Moved => "the care-of address is another one".to_owned(),
        ProxyReason::NotPermitted => "the DHP does not permit route optimization".to_owned(),
        ProxyReason::NotWanted => "nobody asks for it".to_owned(),
        ProxyReason::AddressLost => "the home address is gone".to_owned(),
        ProxyReason::NoAnswer => "the correspondent does not answer".to_owned(),
        ProxyReason::NotSupported => "the correspondent knows nothing of mobility".to_owned(),
        ProxyReason::Refused(status) => {
            format!("the correspondent has refused: {}", Status(status))
        }
        ProxyReason::Forgotten => "the correspondent has lost the binding".to_owned(),
        ProxyReason::Expired => "the binding has ended before it was renewed".to_owned(),
        ProxyReason::AtHome => "the node is at home".to_owned(),
    }
}

pub(super) fn fallback_reason(reason: FallbackReason) -> String {
    match reason {
        FallbackReason::NoCandidate => "no DHP near the correspondent is known".to_owned(),
        FallbackReason::Refused(status) => format!("refused: {}", Status(status)),
        FallbackReason::NoAnswer => "no DHP answers".to_owned(),
        FallbackReason::NotSupported => {
            "no DHP answers, and one says that it does not know DMIPv6".to_owned()
        }
        FallbackReason::Terminated(shortfall) => {
            format!("no access is good enough: {}", shortfall_words(shortfall))
        }
    }
}
