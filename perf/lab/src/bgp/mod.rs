//! `dhp-lab bgp`: a router with FRR beside the appliance, which announces its pools to it through its own port.
//!
//! ```text
//!  peer (FRR, mobile node's access) ── core0 ─ box (dhpd, FRR)
//! ```
//!
//! While a mobile node behind the peer hands off ten times a second and the appliance's configuration is read again, the
//! BGP session must stay up, with a hold time of 3 s; when the appliance is drained, the DHoA pool must go.

mod mobile_node;
mod network;
mod routing;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use self::mobile_node::HandingOff;
use self::network::{ADDED_POOL, DHOA_POOL, HOME_POOL, Site};
use self::routing::Session;
use crate::criteria::Criterion;
use crate::lab::LabOptions;
use crate::stop::Stop;
use crate::timeline::{Timeline, Tone};

/// How long anything may take that is waited for and not judged.
const READY: Duration = Duration::from_secs(20);
/// Handoffs per second.
const PER_SECOND: u32 = 10;
/// The longest that the pool's route may outlive `dhpctl drain`.
const WITHDRAWAL_LIMIT: Duration = Duration::from_secs(1);
/// Between two looks at the peer's session.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct BgpReport {
    /// Binding Updates sent, each a handoff.
    pub sent: u64,
    /// Handoffs that the appliance has counted.
    pub handoffs: u64,
    /// How long the handoffs went on, s.
    pub handing_off_s: f64,
    /// From the call of `dhpctl drain` until the peer's kernel had no route to the pool, ms.
    pub withdrawal_ms: f64,
    /// The session at the peer, after all.
    pub session: Session,
    /// The verdicts.
    pub criteria: Vec<Criterion>,
}

impl BgpReport {
    /// Whether all is well.
    pub fn holds(&self) -> bool {
        self.criteria.iter().all(|criterion| criterion.holds)
    }

    /// As text.
    pub fn render(&self, colour: bool) -> String {
        let mut text = String::from("\nBGP through the appliance's port\n");
        for criterion in &self.criteria {
            text.push_str(&criterion.line(colour));
        }
        text
    }
}

/// Build the networks, have the mobile node hand off for `seconds`, reload in the midst, then drain.
pub fn run(options: LabOptions, seconds: u32, stop: &Stop) -> Result<BgpReport> {
    let mut timeline = Timeline::start();
    timeline.say(
        Tone::Act,
        "building the peer, the appliance, and FRR on both",
    );
    let mut site = Site::build(options)?;
    site.start(stop)?;
    let established = stop.wait_for("the BGP session is established", READY, || {
        site.check()?;
        Ok(site.session().ok().filter(Session::is_established))
    })?;
    for pool in [DHOA_POOL, HOME_POOL] {
        stop.wait_for(&format!("the peer has a route to {pool}"), READY, || {
            Ok(site.peer_has_route(pool)?.then_some(()))
        })?;
    }
    timeline.say(Tone::Good, "the session is up, the peer has the pools");

    let mut scene = Scene {
        site,
        stop,
        interrupted: false,
    };
    let text = format!("{PER_SECOND} handoffs per second for {seconds} s");
    timeline.say(Tone::Act, &text);
    let begun = Instant::now();
    let mut node = HandingOff::in_namespace(scene.site.peer())?;
    let half = scene.hand_off(&mut node, seconds.div_ceil(2))?;
    timeline.say(
        Tone::Act,
        "dhpctl reload, with a pool more in the configuration",
    );
    let reloaded = scene.site.reload_with_another_pool()?;
    scene.hand_off(&mut node, seconds.saturating_sub(half))?;
    let handing_off_s = begun.elapsed().as_secs_f64();
    let handoffs = scene.handoffs(&node)?;
    let added = scene.site.peer_has_route(ADDED_POOL)?;

    timeline.say(Tone::Act, "dhpctl drain");
    let withdrawal = scene.drain()?;
    let home_stays = scene.site.peer_has_route(HOME_POOL)?;
    scene.site.undrain()?;
    stop.wait_for("the pool is announced again", READY, || {
        Ok(scene.site.peer_has_route(DHOA_POOL)?.then_some(()))
    })?;
    timeline.say(Tone::Good, "dhpctl drain off: the pool is back");

    let session = scene.site.session()?;
    let mut report = BgpReport {
        sent: node.sent(),
        handoffs,
        handing_off_s,
        withdrawal_ms: withdrawal.as_secs_f64() * 1e3,
        session,
        criteria: Vec::new(),
    };
    report.criteria = vec![
        Criterion {
            what: "handoffs while the session was watched".to_owned(),
            value: format!("{handoffs} of {} in {handing_off_s:.1} s", report.sent - 1),
            limit: format!("all, at least {}", (seconds * PER_SECOND) - 1),
            // The first update binds, each other one moves.
            holds: handoffs + 1 == report.sent && report.sent >= u64::from(seconds * PER_SECOND),
        },
        Criterion {
            what: "the BGP session, hold time 3 s".to_owned(),
            value: format!(
                "{}, established {} time(s), up {:.1} s",
                report.session.state,
                report.session.established,
                report.session.up.as_secs_f64()
            ),
            limit: "the same one throughout".to_owned(),
            holds: !scene.interrupted && report.session.is_continued(&established),
        },
        Criterion {
            what: "the pool that dhpctl reload added".to_owned(),
            value: format!(
                "{reloaded}; {} at the peer",
                if added { "a route" } else { "no route" }
            ),
            limit: "a route at the peer".to_owned(),
            holds: added,
        },
        Criterion {
            what: "from dhpctl drain until the peer had no route to the pool".to_owned(),
            value: format!("{:.0} ms", report.withdrawal_ms),
            limit: format!("≤ {} ms", WITHDRAWAL_LIMIT.as_millis()),
            holds: withdrawal <= WITHDRAWAL_LIMIT,
        },
        Criterion {
            what: "the home pool while drained".to_owned(),
            value: if home_stays { "announced" } else { "gone" }.to_owned(),
            limit: "announced: home addresses have no other home".to_owned(),
            holds: home_stays,
        },
    ];
    Ok(report)
}

struct Scene<'a> {
    site: Site,
    stop: &'a Stop,
    /// The peer's session was seen in another state than established.
    interrupted: bool,
}

impl Scene<'_> {
    /// Some seconds of handoffs; says how many seconds.
    fn hand_off(&mut self, node: &mut HandingOff, seconds: u32) -> Result<u32> {
        let begun = Instant::now();
        let mut look = begun;
        for number in 0..seconds.saturating_mul(PER_SECOND) {
            let due = begun + Duration::from_secs(1) / PER_SECOND * number;
            if Instant::now() >= look {
                look += LOOK_EVERY;
                self.site.check()?;
                self.interrupted |= !self.site.session()?.is_established();
            }
            self.stop
                .sleep(due.saturating_duration_since(Instant::now()))?;
            node.hand_off()?;
        }
        Ok(seconds)
    }

    /// The handoffs that the appliance has counted, once it has seen the last update.
    fn handoffs(&self, node: &HandingOff) -> Result<u64> {
        let counted = || -> Result<u64> {
            let counters = self.site.dhpctl(&["--json", "show", "counters"])?;
            let counters: Value = serde_json::from_str(&counters)?;
            counters
                .pointer("/engine/dhp_handoffs_total")
                .and_then(Value::as_u64)
                .context("dhpd does not count its handoffs")
        };
        let last = self.stop.wait_for("all handoffs are counted", READY, || {
            let counted = counted()?;
            Ok((counted + 1 >= node.sent()).then_some(counted))
        });
        // Lost ones are for the verdict to tell.
        last.or_else(|_| counted())
    }

    fn drain(&self) -> Result<Duration> {
        let begun = Instant::now();
        self.site.dhpctl(&["drain"])?;
        while self.site.peer_has_route(DHOA_POOL)? {
            self.stop.check()?;
            anyhow::ensure!(
                begun.elapsed() < READY,
                "the peer still has the route to {DHOA_POOL}"
            );
        }
        Ok(begun.elapsed())
    }
}
