//! Which flows are maintained over the accesses that there are, and which are terminated (profile 1, section 3).

use core::net::Ipv6Addr;

use super::MobileNode;
use super::access::AccessRule;
use super::action::{FallbackReason, MnEvent, Session, UnboundReason};
use super::flow::Stage;
use super::judgment::{self, Case, Shortfall, Standing, Verdict, Waiting};
use super::need::FlowKey;
use crate::time::{NANOS_PER_SECOND, Now};

/// How long flows wait for something better before they are terminated.
const PATIENCE_NS: u64 = 60 * NANOS_PER_SECOND;

impl MobileNode {
    /// Judges all flows, and ends or begins again those of which the judgment has changed so. What is terminated is released by
    /// a message of its own.
    pub(super) fn judge_flows(&mut self, now: Now) {
        for (key, shortfall) in self.judge(now) {
            if let Some((anchor, address)) = self.withdraw(key, shortfall) {
                self.release_for(now, anchor, address, UnboundReason::Terminated(shortfall));
            }
        }
    }

    /// The same before a move: what is terminated is left out of the update, which replaces what there was.
    pub(super) fn judge_before_move(&mut self, now: Now) {
        for (key, shortfall) in self.judge(now) {
            let Some((peer, address)) = self.withdraw(key, shortfall) else {
                continue;
            };
            if let Some(anchor) = self.anchors.get_mut(&peer)
                && anchor.forget(&address)
            {
                anchor.give_back(address);
                self.unbound(peer, vec![address], UnboundReason::Terminated(shortfall));
            }
        }
    }

    /// Notes the verdict on each flow. Gives those that are to be terminated now; those that need not stay so begin again.
    fn judge(&mut self, now: Now) -> Vec<(FlowKey, Shortfall)> {
        if self.accesses.rules.is_empty() || self.accesses.attached.is_empty() {
            return Vec::new();
        }
        let mut terminated = Vec::new();
        let mut begin_again = Vec::new();
        let keys: Vec<FlowKey> = self.flows.keys().copied().collect();
        for key in keys {
            let verdict = self.verdict(now, &key);
            let Some(flow) = self.flows.get_mut(&key) else {
                continue;
            };
            flow.short_since_ns = match verdict {
                Verdict::Maintain | Verdict::Wait(Waiting::NotMeasured) => None,
                _ => flow.short_since_ns.or(Some(now.mono_ns)),
            };
            let was_terminated = flow.is_terminated();
            match verdict {
                Verdict::Terminate(shortfall) if !was_terminated => {
                    terminated.push((key, shortfall));
                }
                Verdict::Terminate(_) => {}
                _ if was_terminated => begin_again.push(key),
                _ => {}
            }
            if flow.verdict != verdict {
                flow.verdict = verdict;
                self.event(MnEvent::Judged { flow: key, verdict });
            }
        }
        for key in begin_again {
            self.start_flow(now, key);
        }
        terminated
    }

    /// What becomes of a flow: the best that any of its rules has for it.
    fn verdict(&self, now: Now, key: &FlowKey) -> Verdict {
        let rules = self.accesses.rules.iter();
        let its =
            rules.filter(|rule| rule.need == Some(key.need) && rule.is_about(&[key.correspondent]));
        let rank = |verdict: &Verdict| match verdict {
            Verdict::Maintain => 0,
            Verdict::Wait(_) => 1,
            Verdict::Terminate(_) => 2,
        };
        let verdicts = its.map(|rule| self.verdict_by(now, key, rule));
        verdicts.min_by_key(rank).unwrap_or(Verdict::Maintain)
    }

    fn verdict_by(&self, now: Now, key: &FlowKey, rule: &AccessRule) -> Verdict {
        let standings = self.standings(rule, key);
        let since_ns = self.flows.get(key).and_then(|flow| flow.short_since_ns);
        let is_over = |since: u64| since.saturating_add(PATIENCE_NS) <= now.mono_ns;
        judgment::judge(&Case {
            session: key.need.session,
            unmet: rule.unmet,
            standings: &standings,
            expects_another: self.expects_another(rule),
            has_waited: since_ns.is_some_and(is_over),
        })
    }

    /// Whether an access that would do for a rule was there before, and may come back.
    fn expects_another(&self, rule: &AccessRule) -> bool {
        let needed = rule.need.map(|need| need.requirements).unwrap_or_default();
        self.accesses.known.values().any(|access| {
            let may_use = rule.accesses.is_empty() || rule.accesses.contains(&access.bid);
            let known = judgment::Known {
                rate_kbps: access.rate_kbps,
                metered: access.metered,
                ..judgment::Known::default()
            };
            let standing = judgment::standing(&needed, rule.may_be_metered, &known);
            may_use
                && self.accesses.find(access.bid).is_none()
                && !matches!(standing, Standing::Short(_))
        })
    }

    /// Leaves a flow without an anchor. Gives its address, if no other flow has it.
    fn withdraw(&mut self, key: FlowKey, shortfall: Shortfall) -> Option<(Ipv6Addr, Ipv6Addr)> {
        self.exchanges.retain(|exchange| !exchange.is_for(&key));
        let flow = self.flows.get_mut(&key)?;
        let before = flow.stage;
        let reason = FallbackReason::Terminated(shortfall);
        flow.begin_again();
        // Until it is judged otherwise.
        flow.stage = Stage::Fallback { retry_ns: u64::MAX };
        flow.left = match before {
            Stage::Ready { anchor, .. } => Some(anchor),
            _ => None,
        };
        flow.fallback = Some(reason);
        flow.wish = None;
        self.event(MnEvent::Fallback { flow: key, reason });
        let Stage::Ready { anchor, address } = before else {
            return None;
        };
        let is_used = self
            .flows
            .values()
            .any(|other| other.uses(&anchor, &address));
        (!is_used && key.need.session != Session::Fixed).then_some((anchor, address))
    }

    /// Whether a flow is not to begin, since no access is good enough for it.
    pub(super) fn stays_terminated(&mut self, now: Now, key: FlowKey) -> bool {
        if self.accesses.rules.is_empty() || self.accesses.attached.is_empty() {
            return false;
        }
        let verdict = self.verdict(now, &key);
        let Some(flow) = self.flows.get_mut(&key) else {
            return false;
        };
        flow.verdict = verdict;
        let Verdict::Terminate(shortfall) = verdict else {
            return false;
        };
        if !flow.is_terminated() {
            self.withdraw(key, shortfall);
        }
        true
    }

    /// When flows have waited for long enough.
    pub(super) fn patience_deadline(&self) -> Option<u64> {
        let waiting = self.flows.values().filter(|flow| {
            matches!(
                flow.verdict,
                Verdict::Wait(Waiting::Passing(_) | Waiting::ComingBack(_))
            )
        });
        let ends = waiting.filter_map(|flow| flow.short_since_ns);
        let ends = ends.map(|since| since.saturating_add(PATIENCE_NS));
        // What goes on waiting all the same has been judged when its time was over.
        ends.filter(|end| *end > self.judged_ns).min()
    }

    /// Judges again the flows whose patience is over. True if there were any.
    pub(super) fn end_patience(&mut self, now: Now) -> bool {
        let is_over = self
            .patience_deadline()
            .is_some_and(|end| end <= now.mono_ns);
        if is_over {
            self.judged_ns = now.mono_ns;
            self.judge_flows(now);
        }
        is_over
    }
}
