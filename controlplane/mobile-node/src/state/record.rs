//! What stands in the file, as JSON.

use std::net::Ipv6Addr;

use dhp_proto::mobile_node::{
    Candidate, FlowKey, Kept, KeptAnchor, KeptBinding, KeptCandidate, KeptFlow, KeptFormerHome,
    KeptHome, Need, Requirements, Session,
};
use dhp_proto::time::Now;
use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use super::StateError;
use super::moment::Moment;

/// Of the format. Another one is not read: its sessions end as those of an agent without a file.
pub(super) const VERSION: u32 = 1;
/// The longest lifetime of profile 1 and RFC 6275 that ends: 65,535 units of 4 seconds.
const LONGEST_LIFETIME_NS: u64 = 65_535 * 4 * dhp_proto::time::NANOS_PER_SECOND;

/// The state of a mobile node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    mn_id: String,
    written: Moment,
    home: Option<Home>,
    #[serde(default)]
    renumbered_from: Option<Ipv6Addr>,
    #[serde(default)]
    former_homes: Vec<FormerHome>,
    #[serde(default)]
    home_agents: Vec<Ipv6Addr>,
    anchors: Vec<Anchor>,
    flows: Vec<Flow>,
    candidates: Vec<Directory>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Home {
    agent: Ipv6Addr,
    sequence: u16,
    address: Ipv6Addr,
    binding: Option<Binding>,
    /// Agents before did not know.
    #[serde(default)]
    at_home: bool,
}

/// A home address before the present one.
#[derive(Debug, Serialize, Deserialize)]
struct FormerHome {
    #[serde(flatten)]
    home: Home,
    /// Nanoseconds until its prefix ends; `null`: it does not.
    prefix_left_ns: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Binding {
    care_of: Option<Ipv6Addr>,
    /// Nanoseconds when this was written; `null`: it does not end.
    left_ns: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Dhoa {
    address: Ipv6Addr,
    #[serde(flatten)]
    binding: Binding,
}

#[derive(Debug, Serialize, Deserialize)]
struct Anchor {
    address: Ipv6Addr,
    sequence: u16,
    dhoas: Vec<Dhoa>,
    releasing: Vec<Ipv6Addr>,
    /// What was learned of it; an older agent has not written it.
    #[serde(default)]
    verified: bool,
    #[serde(default)]
    serves: Option<Ipv6Net>,
    #[serde(default)]
    rtt_ns: Option<u64>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SessionName {
    SessionLasting,
    GracefulReplacement,
    Fixed,
}

#[derive(Debug, Serialize, Deserialize)]
struct Flow {
    correspondent: Ipv6Net,
    session: SessionName,
    dscp: u8,
    min_bandwidth_kbps: u32,
    max_latency_ms: u16,
    max_loss_permille: u16,
    on_demand: bool,
    serves: Ipv6Net,
    anchor: Ipv6Addr,
    address: Ipv6Addr,
}

/// What a directory has said of a DHP.
#[derive(Debug, Serialize, Deserialize)]
struct Directory {
    correspondent: Ipv6Net,
    dhp: Ipv6Addr,
    coverage: Ipv6Net,
    preference: u8,
    load: u8,
    path_rtt_ns: Option<u64>,
    is_own_word: bool,
    left_ns: u64,
}

impl Record {
    /// The record of what is kept, written at `moment`, which is `now`.
    pub(super) fn new(mn_id: &str, kept: &Kept, now: Now, moment: Moment) -> Self {
        let binding = |binding: &KeptBinding| Binding {
            care_of: binding.care_of,
            left_ns: binding.expires_ns.map(|at| at.saturating_sub(now.mono_ns)),
        };
        let home = |home: &KeptHome| Home {
            agent: home.agent,
            sequence: home.sequence,
            address: home.address,
            binding: home.binding.as_ref().map(binding),
            at_home: home.at_home,
        };
        let former = kept.former_homes.iter().map(|former| FormerHome {
            home: home(&former.home),
            prefix_left_ns: former.ends_ns.map(|at| at.saturating_sub(now.mono_ns)),
        });
        Self {
            version: VERSION,
            mn_id: mn_id.to_owned(),
            written: moment,
            home: kept.home.as_ref().map(home),
            renumbered_from: kept.renumbered_from,
            former_homes: former.collect(),
            home_agents: kept.home_agents.clone(),
            anchors: kept
                .anchors
                .iter()
                .map(|anchor| Anchor {
                    address: anchor.address,
                    sequence: anchor.sequence,
                    dhoas: anchor
                        .dhoas
                        .iter()
                        .map(|(address, bound)| Dhoa {
                            address: *address,
                            binding: binding(bound),
                        })
                        .collect(),
                    releasing: anchor.releasing.clone(),
                    verified: anchor.verified,
                    serves: anchor.serves,
                    rtt_ns: anchor.round_trip_ns,
                })
                .collect(),
            flows: kept.flows.iter().map(Flow::from).collect(),
            candidates: kept
                .candidates
                .iter()
                .map(|known| Directory {
                    correspondent: known.correspondent,
                    dhp: known.candidate.dhp,
                    coverage: known.candidate.coverage,
                    preference: known.candidate.preference,
                    load: known.candidate.load,
                    path_rtt_ns: known.candidate.path_round_trip_ns,
                    is_own_word: known.is_own_word,
                    left_ns: known.expires_ns.saturating_sub(now.mono_ns),
                })
                .collect(),
        }
    }

    /// What was kept, with the times that are left at `moment`, which is `now`. Where nobody knows how much time has passed, numbers
    /// are left alone.
    ///
    /// # Errors
    /// It is another mobile node's, or has another format.
    pub(super) fn into_kept(
        self,
        mn_id: &str,
        now: Now,
        moment: &Moment,
    ) -> Result<Kept, StateError> {
        if self.version != VERSION {
            return Err(StateError::Version(self.version));
        }
        if self.mn_id != mn_id {
            return Err(StateError::Owner(self.mn_id));
        }
        let passed_ns = moment.since(&self.written);
        let expires = |left_ns: u64| {
            let left_ns = left_ns.min(LONGEST_LIFETIME_NS).checked_sub(passed_ns?)?;
            (left_ns > 0).then(|| now.deadline_ns(left_ns))
        };
        let binding = |binding: &Binding| {
            let expires_ns = match binding.left_ns {
                Some(left_ns) => Some(expires(left_ns)?),
                None => None,
            };
            Some(KeptBinding {
                care_of: binding.care_of,
                expires_ns,
            })
        };
        let home = |home: &Home| KeptHome {
            agent: home.agent,
            sequence: home.sequence,
            address: home.address,
            binding: home.binding.as_ref().and_then(binding),
            at_home: home.at_home,
        };
        let former = self.former_homes.iter().filter_map(|former| {
            // A prefix may last longer than any binding.
            let ends_ns = match former.prefix_left_ns {
                Some(left_ns) => Some(now.deadline_ns(left_ns.checked_sub(passed_ns?)?)),
                None => None,
            };
            Some(KeptFormerHome {
                home: home(&former.home),
                ends_ns,
            })
        });
        Ok(Kept {
            home: self.home.as_ref().map(home),
            renumbered_from: self.renumbered_from,
            former_homes: former.collect(),
            home_agents: self.home_agents,
            anchors: self
                .anchors
                .into_iter()
                .map(|anchor| KeptAnchor {
                    address: anchor.address,
                    sequence: anchor.sequence,
                    dhoas: anchor
                        .dhoas
                        .iter()
                        .filter_map(|dhoa| Some((dhoa.address, binding(&dhoa.binding)?)))
                        .collect(),
                    releasing: anchor.releasing,
                    verified: anchor.verified,
                    serves: anchor.serves,
                    round_trip_ns: anchor.rtt_ns,
                })
                .collect(),
            flows: self.flows.iter().map(KeptFlow::from).collect(),
            candidates: self
                .candidates
                .iter()
                .filter_map(|known| {
                    Some(KeptCandidate {
                        correspondent: known.correspondent,
                        candidate: Candidate {
                            dhp: known.dhp,
                            coverage: known.coverage.trunc(),
                            preference: known.preference,
                            load: known.load,
                            path_round_trip_ns: known.path_rtt_ns,
                            round_trip_ns: None,
                        },
                        is_own_word: known.is_own_word,
                        expires_ns: expires(known.left_ns)?,
                    })
                })
                .collect(),
        })
    }
}

impl From<&KeptFlow> for Flow {
    fn from(flow: &KeptFlow) -> Self {
        let Need {
            session,
            requirements,
        } = flow.key.need;
        Self {
            correspondent: flow.key.correspondent,
            session: match session {
                Session::SessionLasting => SessionName::SessionLasting,
                Session::GracefulReplacement => SessionName::GracefulReplacement,
                Session::Fixed => SessionName::Fixed,
            },
            dscp: requirements.dscp,
            min_bandwidth_kbps: requirements.min_bandwidth_kbps,
            max_latency_ms: requirements.max_latency_ms,
            max_loss_permille: requirements.max_loss_permille,
            on_demand: flow.on_demand,
            serves: flow.serves,
            anchor: flow.anchor,
            address: flow.address,
        }
    }
}

impl From<&Flow> for KeptFlow {
    fn from(flow: &Flow) -> Self {
        let need = Need {
            session: match flow.session {
                SessionName::SessionLasting => Session::SessionLasting,
                SessionName::GracefulReplacement => Session::GracefulReplacement,
                SessionName::Fixed => Session::Fixed,
            },
            requirements: Requirements {
                dscp: flow.dscp,
                min_bandwidth_kbps: flow.min_bandwidth_kbps,
                max_latency_ms: flow.max_latency_ms,
                max_loss_permille: flow.max_loss_permille,
            },
        };
        Self {
            key: FlowKey::new(flow.correspondent, need),
            on_demand: flow.on_demand,
            serves: flow.serves.trunc(),
            anchor: flow.anchor,
            address: flow.address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = dhp_proto::time::NANOS_PER_SECOND;

    fn ip(last: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, last)
    }

    fn at(seconds: u64) -> Now {
        Now {
            mono_ns: seconds * SECOND,
            ntp: 0,
        }
    }

    fn kept() -> Kept {
        let binding = KeptBinding {
            care_of: Some(ip(9)),
            expires_ns: Some(700 * SECOND),
        };
        let net: Ipv6Net = "2001:db8:c::/48".parse().expect("a prefix");
        let candidate = Candidate {
            dhp: ip(1),
            coverage: net,
            preference: 100,
            load: 3,
            path_round_trip_ns: Some(5),
            round_trip_ns: None,
        };
        Kept {
            home: Some(KeptHome {
                agent: ip(2),
                sequence: 65_530,
                address: ip(3),
                binding: Some(binding),
                at_home: true,
            }),
            renumbered_from: Some(ip(8)),
            former_homes: vec![KeptFormerHome {
                home: KeptHome {
                    agent: ip(2),
                    sequence: 9,
                    address: ip(8),
                    binding: Some(binding),
                    at_home: false,
                },
                ends_ns: Some(1000 * SECOND),
            }],
            home_agents: vec![ip(2), ip(6)],
            anchors: vec![KeptAnchor {
                address: ip(1),
                sequence: 7,
                dhoas: vec![(ip(4), binding)],
                releasing: vec![ip(5)],
                verified: true,
                serves: Some(net),
                round_trip_ns: Some(20_000_000),
            }],
            flows: vec![KeptFlow {
                key: FlowKey::new(net, Session::SessionLasting),
                on_demand: true,
                serves: net,
                anchor: ip(1),
                address: ip(4),
            }],
            candidates: vec![KeptCandidate {
                correspondent: net,
                candidate,
                is_own_word: true,
                expires_ns: 400 * SECOND,
            }],
        }
    }

    fn written() -> Record {
        let record = Record::new("mn1", &kept(), at(100), Moment::at("a", 50, 60));
        let json = serde_json::to_vec(&record).expect("JSON");
        serde_json::from_slice(&json).expect("the same")
    }

    #[test]
    fn what_is_kept_comes_back_with_the_time_that_is_left() {
        // Ten seconds later, on a clock that has begun anew.
        let later = Moment::at("a", 50 + 10 * SECOND, 0);
        let back = written().into_kept("mn1", at(0), &later).expect("a record");
        let mut expected = kept();
        let left = Some(590 * SECOND);
        let former = &mut expected.former_homes;
        former[0].ends_ns = Some(890 * SECOND);
        let homes = former.iter_mut().map(|former| &mut former.home);
        for home in expected.home.iter_mut().chain(homes) {
            if let Some(binding) = &mut home.binding {
                binding.expires_ns = left;
            }
        }
        expected.anchors[0].dhoas[0].1.expires_ns = left;
        expected.candidates[0].expires_ns = 290 * SECOND;
        assert_eq!(back, expected);
    }

    #[test]
    fn what_is_over_is_left_out_and_numbers_go_on() {
        let later = Moment::at("b", 0, 60 + 600 * SECOND);
        let set_back = Moment::at("b", 0, 0);
        for moment in [later, set_back] {
            let back = written()
                .into_kept("mn1", at(0), &moment)
                .expect("a record");
            assert_eq!(
                back.home.map(|home| (home.sequence, home.binding)),
                Some((65_530, None))
            );
            assert_eq!(
                (back.anchors[0].sequence, back.anchors[0].dhoas.len()),
                (7, 0)
            );
            assert!(back.candidates.is_empty());
        }
    }

    #[test]
    fn another_nodes_state_and_another_version_are_refused() {
        let moment = Moment::at("a", 50, 60);
        let refused = written().into_kept("mn2", at(0), &moment);
        assert!(matches!(refused, Err(StateError::Owner(owner)) if owner == "mn1"));
        let newer = Record {
            version: 2,
            ..written()
        };
        let refused = newer.into_kept("mn1", at(0), &moment);
        assert!(matches!(refused, Err(StateError::Version(2))));
    }
}
