//! What happens in a trace: flows begin, the mobile node moves, networks and anchors have their mishaps, each at its time.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::clock::monotonic_ns;
use crate::roaming::{Made, Roaming};
use crate::timeline::Tone;

use super::model::{MannerWanted, Mode, Scenario};
use super::network::Place;
use super::outage::Outage;
use super::permission::Withdrawn;
use super::routes::{self, Count};
use super::run::anchors;
use super::start::{reconfigure_dhp, start_dhp};
use super::trace::{MARGIN, Move};
use super::traffic::ScenarioTraffic;

/// How long before a make before break the second interface is brought into reach.
const AHEAD: Duration = Duration::from_millis(1500);
/// How long both interfaces are in use then.
const OVERLAP: Duration = Duration::from_millis(300);

/// How long an access network that is good again may be watched before flows come back to it.
const RECOVERY: Duration = Duration::from_secs(12);
/// So long after a handoff its routes are optimized again, as a rule; then the anchors are asked for what they have tunnelled.
const ROUTES_RESTORED: Duration = Duration::from_millis(1200);
/// They are asked again so long before the next handoff, which asking must not delay.
const BEFORE_MOVE: Duration = Duration::from_millis(350);
/// A time between two handoffs that would be shorter is not looked at.
const LEAST_WINDOW: Duration = Duration::from_millis(400);

/// What there is to do in a trace.
#[derive(Clone, Copy, Debug)]
enum Act {
    Start(usize),
    Reach(Move),
    Move(Move),
    Kill(usize),
    Return(usize),
    Trouble(usize),
    Relief(usize),
    Withdraw(usize),
    Permit(usize),
    Count,
}

/// A mode's trace while it is followed.
pub struct Script<'a> {
    /// The mobile node on its way.
    pub roaming: Roaming<'a>,
    /// The flows.
    pub traffic: ScenarioTraffic<'a>,
    /// What the anchors had tunnelled, again and again, where routes are optimized.
    pub counts: Vec<Count>,
    /// When DHPs permitted no route optimization.
    pub withdrawn: Vec<Withdrawn>,
    /// DHPs that were killed.
    pub outages: Vec<Outage>,
    scenario: &'a Scenario,
    mode: Mode,
    moves: usize,
    last: Option<Made>,
}

impl<'a> Script<'a> {
    /// A trace of so many handoffs that has not begun.
    pub fn new(
        roaming: Roaming<'a>,
        traffic: ScenarioTraffic<'a>,
        scenario: &'a Scenario,
        mode: Mode,
        moves: usize,
    ) -> Self {
        Self {
            roaming,
            traffic,
            counts: Vec::new(),
            withdrawn: Vec::new(),
            outages: Vec::new(),
            scenario,
            mode,
            moves,
            last: None,
        }
    }

    /// Does everything at its time, until a margin after the last handoff.
    pub fn follow(&mut self, moves: &[Move]) -> Result<()> {
        let begun = Instant::now();
        for (at, act) in self.acts(moves) {
            self.roaming
                .pump(at.saturating_sub(begun.elapsed()), &mut self.traffic)?;
            self.perform(act)?;
        }
        let rest = match self.scenario.troubles.is_empty() {
            true => MARGIN,
            false => MARGIN + RECOVERY,
        };
        self.roaming.pump(rest, &mut self.traffic)?;
        self.note_last();
        Ok(())
    }

    fn acts(&self, moves: &[Move]) -> Vec<(Duration, Act)> {
        let mut acts = Vec::new();
        for (index, flow) in self.scenario.flows.iter().enumerate() {
            acts.push((
                Duration::from_secs_f64(flow.from_s.clamp(0.0, 86_400.0)),
                Act::Start(index),
            ));
        }
        for one in moves {
            if one.manner == MannerWanted::MakeBeforeBreak {
                acts.push((one.at.saturating_sub(AHEAD), Act::Reach(*one)));
            }
            acts.push((one.at, Act::Move(*one)));
        }
        for (index, trouble) in self.scenario.troubles.iter().enumerate() {
            let at = Duration::from_secs_f64(trouble.at_s);
            let over = at + Duration::from_secs_f64(trouble.for_s);
            acts.extend([(at, Act::Trouble(index)), (over, Act::Relief(index))]);
        }
        // Where there is no DHP none fails.
        for failure in self
            .scenario
            .failures
            .iter()
            .filter(|_| self.mode.has_dhps())
        {
            if let Ok(index) = self.scenario.region(&failure.dhp) {
                let at = failure.at_s.clamp(0.0, 86_400.0);
                acts.push((Duration::from_secs_f64(at), Act::Kill(index)));
                if let Some(after) = failure.back_after_s {
                    let back = at + after.clamp(0.0, 86_400.0);
                    acts.push((Duration::from_secs_f64(back), Act::Return(index)));
                }
            }
        }
        if self.mode == Mode::Ro {
            acts.extend(counting(moves).into_iter().map(|at| (at, Act::Count)));
            for withdrawal in &self.scenario.withdrawals {
                if let Ok(index) = self.scenario.region(&withdrawal.dhp) {
                    let at = Duration::from_secs_f64(withdrawal.at_s);
                    let over = at + Duration::from_secs_f64(withdrawal.for_s);
                    acts.extend([(at, Act::Withdraw(index)), (over, Act::Permit(index))]);
                }
            }
        }
        acts.sort_by_key(|(at, _)| *at);
        acts
    }

    fn perform(&mut self, act: Act) -> Result<()> {
        match act {
            Act::Start(index) => self.traffic.start(&self.roaming.lab, index)?,
            Act::Reach(one) => self.roaming.reach_with_other_interface(one.to)?,
            Act::Move(one) => self.make(&one)?,
            Act::Kill(index) => {
                self.roaming.lab.kill_dhpd(&Place(index).dhp())?;
                self.outages.push(Outage {
                    region: index,
                    killed_ns: monotonic_ns(),
                    back_ns: None,
                });
                self.tell(index, Tone::Bad, "is killed");
            }
            Act::Trouble(index) => self.trouble(index, true)?,
            Act::Relief(index) => self.trouble(index, false)?,
            Act::Return(index) => self.bring_back(index)?,
            Act::Withdraw(index) => self.permit(index, false)?,
            Act::Permit(index) => self.permit(index, true)?,
            Act::Count => self.count(),
        }
        Ok(())
    }

    /// A DHP that was killed is started again.
    fn bring_back(&mut self, index: usize) -> Result<()> {
        let mut withdrawn = self.withdrawn.iter();
        let permits = self.mode == Mode::Ro
            && !withdrawn.any(|one| one.region == index && one.until_ns == u64::MAX);
        start_dhp(&mut self.roaming.lab, index, permits, self.roaming.stop)?;
        let outages = self.outages.iter_mut();
        for outage in outages.filter(|one| one.region == index && one.back_ns.is_none()) {
            outage.back_ns = Some(monotonic_ns());
        }
        self.tell(index, Tone::Good, "is back");
        Ok(())
    }

    /// A DHP's configuration is edited and taken over, as an operator does it: it permits route optimization, or no longer.
    fn permit(&mut self, index: usize, permits: bool) -> Result<()> {
        let begun_ns = monotonic_ns();
        reconfigure_dhp(&self.roaming.lab, index, permits)?;
        if permits {
            let withdrawn = self.withdrawn.iter_mut();
            for one in withdrawn.filter(|one| one.region == index && one.until_ns == u64::MAX) {
                one.until_ns = begun_ns;
            }
            self.tell(index, Tone::Good, "permits route optimization again");
        } else {
            self.withdrawn.push(Withdrawn {
                region: index,
                from_ns: monotonic_ns(),
                until_ns: u64::MAX,
            });
            self.tell(index, Tone::Bad, "permits route optimization no longer");
        }
        Ok(())
    }

    /// An access network gets worse, or is as it was.
    fn trouble(&mut self, index: usize, begins: bool) -> Result<()> {
        let scenario = self.scenario;
        let Some(trouble) = scenario.troubles.get(index) else {
            return Ok(());
        };
        let access = scenario.access(&trouble.access)?;
        let interface = scenario.interface_in(&trouble.access)?;
        let usual = scenario.accesses.get(access.index());
        let usual = usual.map_or(0.0, |network| network.loss);
        let wire = self.roaming.lab.topology()?.access_wire(access)?;
        let (tone, what) = match (trouble.loss, begins) {
            (Some(loss), true) => {
                wire.set_loss(loss);
                (
                    Tone::Bad,
                    format!("loses {:.0} % of the packets", loss * 100.0),
                )
            }
            (Some(_), false) => {
                wire.set_loss(usual);
                (Tone::Good, "loses no more than before".to_owned())
            }
            (None, true) => {
                self.roaming.cut(interface)?;
                (Tone::Bad, "is out of reach".to_owned())
            }
            (None, false) => {
                self.roaming.attach(interface, access)?;
                (Tone::Good, "is in reach again".to_owned())
            }
        };
        let text = format!("access network {} {what}", trouble.access);
        self.roaming.timeline.say(tone, &text);
        Ok(())
    }

    fn make(&mut self, one: &Move) -> Result<()> {
        self.note_last();
        let made = match one.manner {
            MannerWanted::BreakBeforeMake => self.roaming.break_before_make(one.to, one.gap)?,
            MannerWanted::MakeBeforeBreak => {
                self.roaming
                    .make_before_break(one.to, OVERLAP, &mut self.traffic)?
            }
        };
        self.last = Some(made);
        self.traffic.progress = format!(
            "{}: handoff {} of {}, to {}",
            self.mode.name(),
            self.roaming.handoffs.len() + 1,
            self.moves,
            self.scenario.access_name(one.to)
        );
        Ok(())
    }

    fn count(&mut self) {
        let begun_ns = monotonic_ns();
        let of_node = |node: String| {
            let tunnelled = routes::tunnelled(&self.roaming.lab.counters(&node));
            (node, tunnelled)
        };
        let anchors = anchors(self.scenario, self.mode).into_iter();
        let tunnelled = anchors.map(of_node).collect();
        self.counts.push(Count {
            begun_ns,
            ended_ns: monotonic_ns(),
            tunnelled,
        });
    }

    fn note_last(&mut self) {
        if let Some(made) = self.last.take() {
            self.roaming.note(&made);
        }
    }

    fn tell(&mut self, index: usize, tone: Tone, what: &str) {
        let name = self.scenario.region_name(index);
        let text = format!("the DHP of {name} {what}");
        self.roaming.timeline.say(tone, &text);
    }
}

/// When the anchors are asked for what they have tunnelled: twice between handoffs, where there is the time.
fn counting(moves: &[Move]) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut routes_restored = ROUTES_RESTORED;
    for one in moves {
        let last = one.at.saturating_sub(BEFORE_MOVE);
        if last.saturating_sub(routes_restored) >= LEAST_WINDOW {
            times.extend([routes_restored, last]);
        }
        routes_restored = one.at + one.gap + ROUTES_RESTORED;
    }
    times
}
