//! Which access each rule's flows use: the first that is there and good enough, with some patience before they go back.

use core::net::Ipv6Addr;
use std::collections::BTreeMap;

use ipnet::Ipv6Net;

use super::MobileNode;
use super::access::{AccessRule, Attachment, Choice, ChoiceReason};
use super::action::{MnEvent, Session};
use super::anchors::UpdateKind;
use super::exchange::{Exchange, Purpose};
use super::flow::Flow;
use super::judgment::{Known, Shortfall, Standing, standing};
use super::need::FlowKey;
use super::quality::Quality;
use super::status::QualityStatus;
use super::steering::Steering;
use crate::time::{NANOS_PER_SECOND, Now};

/// How often each access is probed unless the rules say otherwise.
const PROBE_NS: u64 = NANOS_PER_SECOND;

/// So many times longer is the interval where all flows that a probe is for have been terminated.
const TERMINATED_INTERVALS: u64 = 10;

/// Anchors that are probed over each access.
const MAX_PROBED: usize = 4;

/// The accesses and what is known of them.
#[derive(Debug)]
pub(super) struct Accesses {
    /// Those that can be used, the default one first.
    pub(super) attached: Vec<Attachment>,
    /// Those that there have been, as they were.
    pub(super) known: BTreeMap<u16, Attachment>,
    pub(super) rules: Vec<AccessRule>,
    /// For each rule.
    pub(super) chosen: Vec<Choice>,
    /// By anchor and BID.
    pub(super) qualities: BTreeMap<(Ipv6Addr, u16), Quality>,
    pub(super) probe_interval_ns: u64,
}

impl Default for Accesses {
    fn default() -> Self {
        Self {
            attached: Vec::new(),
            known: BTreeMap::new(),
            rules: Vec::new(),
            chosen: Vec::new(),
            qualities: BTreeMap::new(),
            probe_interval_ns: PROBE_NS,
        }
    }
}

impl Accesses {
    /// The default one's BID.
    fn default_bid(&self) -> Option<u16> {
        self.attached.first().map(|access| access.bid)
    }

    /// Takes what can be used from now on.
    pub(super) fn take(&mut self, attached: Vec<Attachment>) {
        self.known
            .extend(attached.iter().map(|access| (access.bid, *access)));
        self.attached = attached;
    }

    /// What was measured.
    pub(super) fn status(&self) -> impl Iterator<Item = QualityStatus> {
        let qualities = self.qualities.iter();
        qualities.map(|((anchor, bid), quality)| QualityStatus {
            anchor: *anchor,
            bid: *bid,
            round_trip_ns: quality.round_trip_ns(),
            lost: quality.lost(),
            probes: quality.probes(),
        })
    }

    pub(super) fn find(&self, bid: u16) -> Option<&Attachment> {
        self.attached.iter().find(|access| access.bid == bid)
    }

    /// The accesses that a rule may use now, the best first.
    pub(super) fn usable(&self, rule: &AccessRule) -> Vec<u16> {
        let named = rule.accesses.iter().copied();
        let there: Vec<u16> = named.filter(|bid| self.find(*bid).is_some()).collect();
        match there.is_empty() {
            true => self.default_bid().into_iter().collect(),
            false => there,
        }
    }
}

/// A probe that there is to be.
#[derive(Debug, Clone, Copy)]
struct Probe {
    anchor: Ipv6Addr,
    bid: u16,
    /// Of one of the anchor's flows.
    correspondent: Ipv6Net,
    /// Whether it is only for flows that have been terminated.
    is_slow: bool,
}

impl MobileNode {
    /// What an anchor is to know of accesses and flows.
    pub(super) fn steering(&self) -> Steering {
        let accesses = &self.accesses;
        let default = accesses.default_bid().unwrap_or_default();
        let chosen = accesses.chosen.iter();
        let chosen: Vec<u16> = chosen.map(|choice| choice.bid.unwrap_or(default)).collect();
        Steering::new(&accesses.attached, &accesses.rules, &chosen)
    }

    /// Takes other rules.
    pub(super) fn set_access_rules(
        &mut self,
        now: Now,
        rules: Vec<AccessRule>,
        probe_interval_ns: u64,
    ) {
        let accesses = &mut self.accesses;
        if accesses.rules == rules && accesses.probe_interval_ns == probe_interval_ns {
            return;
        }
        accesses.chosen.clear();
        accesses.rules = rules;
        accesses.probe_interval_ns = probe_interval_ns;
        self.choose_accesses();
        self.judge_flows(now);
        self.steer_anchors(now);
    }

    /// The anchors that a rule's flows have, with what lies behind them: round trips to correspondents. Where all its flows have
    /// been terminated, those that they had.
    fn anchors_of(&self, rule: &AccessRule) -> Vec<(Ipv6Addr, u64)> {
        let present = self.anchors_by(rule, Flow::anchor);
        match present.is_empty() {
            true => self.anchors_by(rule, |flow| flow.left),
            false => present,
        }
    }

    fn anchors_by(
        &self,
        rule: &AccessRule,
        anchor_of: impl Fn(&Flow) -> Option<Ipv6Addr>,
    ) -> Vec<(Ipv6Addr, u64)> {
        let mut anchors = BTreeMap::new();
        for (key, flow) in &self.flows {
            let Some(anchor) = anchor_of(flow) else {
                continue;
            };
            let is_its = rule.need == Some(key.need) && rule.is_about(&[flow.serves]);
            if is_its && key.need.session != Session::Fixed {
                let beyond = self.beyond(key, &anchor);
                let known = anchors.entry(anchor).or_insert(beyond);
                *known = beyond.max(*known);
            }
        }
        anchors.into_iter().collect()
    }

    /// The round trip from an anchor to a flow's correspondents, as far as is known.
    fn beyond(&self, key: &FlowKey, anchor: &Ipv6Addr) -> u64 {
        let known = self.candidates.path_round_trip(&key.correspondent, anchor);
        known.unwrap_or_default()
    }

    /// How the accesses that a rule may use stand to what it needs, for one of its flows. One that was terminated is judged by the
    /// way to the anchor that it had, whatever those of others are.
    pub(super) fn standings(&self, rule: &AccessRule, key: &FlowKey) -> Vec<Standing> {
        let left = self.flows.get(key).and_then(|flow| flow.left);
        let anchors = match left {
            Some(anchor) => vec![(anchor, self.beyond(key, &anchor))],
            None => self.anchors_of(rule),
        };
        let usable = self.accesses.usable(rule).into_iter();
        usable
            .map(|bid| self.standing_by(rule, bid, &anchors))
            .collect()
    }

    /// How an access stands to what a rule needs.
    fn standing(&self, rule: &AccessRule, bid: u16) -> Standing {
        self.standing_by(rule, bid, &self.anchors_of(rule))
    }

    fn standing_by(&self, rule: &AccessRule, bid: u16, anchors: &[(Ipv6Addr, u64)]) -> Standing {
        let Some(access) = self.accesses.find(bid) else {
            return Standing::Short(Shortfall::Silent);
        };
        let needed = rule.need.map(|need| need.requirements).unwrap_or_default();
        let of_link = Known {
            rate_kbps: access.rate_kbps,
            metered: access.metered,
            ..Known::default()
        };
        let measured = anchors.iter().filter_map(|(anchor, beyond)| {
            let quality = self.accesses.qualities.get(&(*anchor, bid))?;
            let latency = |round_trip: u64| round_trip.saturating_add(*beyond) / 2;
            Some(Known {
                latency_ns: quality.round_trip_ns().map(latency),
                lost: quality.lost(),
                probes: quality.probes(),
                is_silent: quality.is_silent(),
                ..of_link
            })
        });
        let standings = measured.map(|known| standing(&needed, rule.may_be_metered, &known));
        // The worst of them counts, but one that is still to be measured does not hide what others have shown.
        let rank = |standing: &Standing| match standing {
            Standing::Short(shortfall) => (2, Some(*shortfall)),
            Standing::Good => (1, None),
            Standing::Unmeasured => (0, None),
        };
        let worst = standings.max_by_key(rank);
        worst.unwrap_or_else(|| standing(&needed, rule.may_be_metered, &of_link))
    }

    /// Whether an access has been good for a while, as far as that can be measured.
    fn has_recovered(&self, rule: &AccessRule, bid: u16) -> bool {
        let latency_ms = rule.need.map_or(0, |need| need.requirements.max_latency_ms);
        let limit_ns = (latency_ms > 0).then(|| u64::from(latency_ms) * 2_000_000);
        self.anchors_of(rule).iter().all(|(anchor, beyond)| {
            let limit_ns = limit_ns.map(|limit| limit.saturating_sub(*beyond));
            let quality = self.accesses.qualities.get(&(*anchor, bid));
            quality.is_some_and(|quality| quality.is_steady(limit_ns))
        })
    }

    fn choose(&self, rule: &AccessRule, before: Option<Choice>) -> Choice {
        let choice = |bid, reason| Choice { bid, reason };
        let default = self.accesses.default_bid();
        if rule.accesses.is_empty() {
            return choice(default, ChoiceReason::Default);
        }
        let usable = self.accesses.usable(rule);
        if !usable.iter().any(|bid| rule.accesses.contains(bid)) {
            return choice(default, ChoiceReason::NoneThere);
        }
        let before = before.and_then(|before| before.bid);
        let current = before.filter(|bid| usable.contains(bid));
        let is_good = |bid: u16| !matches!(self.standing(rule, bid), Standing::Short(_));
        let mut worse = None;
        let mut recovering = false;
        let mut is_before_current = current.is_some_and(is_good);
        for bid in usable.iter().copied() {
            is_before_current &= Some(bid) != current;
            match self.standing(rule, bid) {
                Standing::Short(shortfall) => worse = worse.or(Some(shortfall)),
                // What had to be left is not gone back to at the first good sign.
                _ if is_before_current && !self.has_recovered(rule, bid) => recovering = true,
                _ => {
                    let reason = match worse {
                        _ if rule.accesses.first() == Some(&bid) => ChoiceReason::First,
                        Some(shortfall) => ChoiceReason::OthersWorse(shortfall),
                        None if recovering => ChoiceReason::OthersRecovering,
                        None => ChoiceReason::OthersGone,
                    };
                    return choice(Some(bid), reason);
                }
            }
        }
        let stays = current.or(usable.first().copied());
        let reason = worse.map_or(ChoiceReason::OthersGone, ChoiceReason::NoneBetter);
        choice(stays, reason)
    }

    /// Chooses the access of each rule anew, and tells of what changes.
    pub(super) fn choose_accesses(&mut self) {
        for place in 0..self.accesses.rules.len() {
            let Some(rule) = self.accesses.rules.get(place) else {
                return;
            };
            let before = self.accesses.chosen.get(place).copied();
            let choice = self.choose(rule, before);
            let is_told = !rule.accesses.is_empty();
            match self.accesses.chosen.get_mut(place) {
                Some(before) if *before == choice => continue,
                Some(before) => *before = choice,
                None => self.accesses.chosen.push(choice),
            }
            if is_told {
                self.event(MnEvent::AccessChosen {
                    rule: place,
                    bid: choice.bid,
                    reason: choice.reason,
                });
            }
        }
    }

    /// Tells each anchor that does not know how things are.
    pub(super) fn steer_anchors(&mut self, now: Now) {
        if self.accesses.attached.is_empty() || !self.is_running() {
            return;
        }
        self.steer_home(now);
        for anchor in self.by_urgency() {
            self.bind_anchor(now, anchor, UpdateKind::Steer);
        }
    }

    /// The probes that there are to be.
    fn probes(&self) -> Vec<Probe> {
        let rules = self.accesses.rules.iter();
        let rules = rules.filter(|rule| rule.wants_measurement());
        let mut probes = BTreeMap::new();
        for rule in rules {
            let anchors = self.anchors_by(rule, Flow::measured_by);
            let anchors = anchors.into_iter().take(MAX_PROBED);
            for (anchor, _) in anchors.filter(|(anchor, _)| !self.is_silent(anchor)) {
                let flows = self.flows.iter();
                let of_anchor = flows.filter(|(_, flow)| flow.measured_by() == Some(anchor));
                let Some((key, flow)) = of_anchor.min_by_key(|(_, flow)| flow.is_terminated())
                else {
                    continue;
                };
                for bid in self.accesses.usable(rule) {
                    let probe = Probe {
                        anchor,
                        bid,
                        correspondent: key.correspondent,
                        is_slow: flow.is_terminated(),
                    };
                    probes.insert((anchor, bid), probe);
                }
            }
        }
        probes.into_values().collect()
    }

    /// When the next probe is due.
    pub(super) fn probe_deadline(&self) -> Option<u64> {
        if self.accesses.rules.is_empty() {
            return None;
        }
        let probes = self.probes().into_iter();
        let due = probes.filter(|probe| !self.is_measuring_access(probe.anchor, probe.bid));
        due.map(|probe| self.probe_due_ns(probe.anchor, probe.bid))
            .min()
    }

    fn probe_due_ns(&self, anchor: Ipv6Addr, bid: u16) -> u64 {
        let quality = self.accesses.qualities.get(&(anchor, bid));
        quality.map_or(0, |quality| quality.next_ns)
    }

    fn is_measuring_access(&self, anchor: Ipv6Addr, bid: u16) -> bool {
        self.exchanges.iter().any(|exchange| {
            exchange.peer == anchor
                && matches!(exchange.purpose, Purpose::Measure { bid: of, .. } if of == bid)
        })
    }

    /// Sends the probes that are due. True if any was.
    pub(super) fn probe_accesses(&mut self, now: Now) -> bool {
        if self.accesses.rules.is_empty() || !self.is_running() {
            return false;
        }
        let mut any = false;
        for probe in self.probes() {
            let Probe { anchor, bid, .. } = probe;
            let is_due = self.probe_due_ns(anchor, bid) <= now.mono_ns;
            let care_of = self.accesses.find(bid).map(|access| access.care_of);
            let Some(care_of) =
                care_of.filter(|_| is_due && !self.is_measuring_access(anchor, bid))
            else {
                continue;
            };
            any = true;
            let interval_ns = match (self.accesses.probe_interval_ns, probe.is_slow) {
                (interval_ns, false) => interval_ns,
                (interval_ns, true) => interval_ns.saturating_mul(TERMINATED_INTERVALS),
            };
            let qualities = self.accesses.qualities.entry((anchor, bid));
            let quality = qualities.or_insert_with(|| Quality::new(care_of));
            quality.next_ns = now.deadline_ns(interval_ns);
            let purpose = Purpose::Measure {
                correspondent: probe.correspondent,
                bid,
            };
            self.exchanges
                .push(Exchange::new(purpose, anchor, care_of, now.mono_ns));
        }
        any
    }

    /// Whether flows use an access, and their anchor: those that were terminated use none.
    fn uses_access(&self, anchor: Ipv6Addr, bid: u16) -> bool {
        let mut chosen = self.accesses.chosen.iter();
        let is_at = |flow: &Flow| flow.anchor() == Some(anchor);
        chosen.any(|one| one.bid == Some(bid)) && self.flows.values().any(is_at)
    }

    /// Takes what became of a probe, and what follows from it.
    pub(super) fn probed(
        &mut self,
        now: Now,
        anchor: Ipv6Addr,
        bid: u16,
        round_trip_ns: Option<u64>,
    ) {
        let is_used = self.uses_access(anchor, bid);
        let Some(quality) = self.accesses.qualities.get_mut(&(anchor, bid)) else {
            return;
        };
        quality.note(round_trip_ns);
        if !is_used {
            quality.forgive_if_recovered();
        }
        self.choose_accesses();
        self.judge_flows(now);
        self.steer_anchors(now);
    }

    /// Forgets what was measured from care-of addresses that are not there any more.
    pub(super) fn forget_changed_qualities(&mut self) {
        let Accesses {
            attached,
            qualities,
            ..
        } = &mut self.accesses;
        qualities.retain(|(_, bid), quality| {
            let mut accesses = attached.iter();
            accesses.any(|access| (access.bid, access.care_of) == (*bid, quality.care_of))
        });
        self.exchanges.retain(|exchange| {
            let is_there = || {
                let mut accesses = attached.iter();
                accesses.any(|access| access.care_of == exchange.care_of)
            };
            !matches!(exchange.purpose, Purpose::Measure { .. }) || is_there()
        });
    }
}
