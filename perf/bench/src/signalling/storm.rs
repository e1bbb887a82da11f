//! Ten times as many first requests as the anchor can take, from everywhere, while mobile nodes refresh their bindings and move
//!
//! Half of them are DHP Queries, which are answered; half are DHoA Requests under the SPIs of registered mobile nodes, the
//! authentication data of which has to be computed before it is found to be wrong.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use dhp_proto::auth::{self, Key};
use dhp_proto::random::Random;
use dhp_segment::DropReason;
use dhp_wire::codepoints::{CodePoints, DmipType, Status};
use dhp_wire::mobility::{Builder, DmipHeader, Lifetime, MobilityOption};
use dhp_wire::packet::compose;
use serde::Serialize;

use super::appliance::ANCHOR;
use super::crew::correspondent;
use super::fleet::{ALGORITHM, spi};
use super::memory;
use super::scene::Scene;
use super::site::Cores;

/// Requests that are ready to be sent, each from a source and a network of its own.
const PREPARED: u32 = 1 << 17;
/// Of these between two rounds of the worker.
const BURST: u64 = 32;
/// One mobile node of so many moves during the storm.
const MOVING: u32 = 5;
/// What was begun in the last moment is answered by then.
const GRACE: Duration = Duration::from_secs(4);

/// How much, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub mobile_nodes: u32,
    /// Of a binding, which is refreshed after five to six eighths of it.
    pub lifetime: Lifetime,
    pub duration: Duration,
    /// First requests in a second.
    pub rate: u32,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub mobile_nodes: u32,
    pub seconds: f64,
    pub requests_per_second: f64,
    /// Of the requests the worker gave to the control plane so many a second, with what the mobile nodes sent.
    pub punted_per_second: f64,
    pub dropped_by_rate: u64,
    pub dropped_by_full_ring: u64,
    pub refreshes: u64,
    pub refreshed: u64,
    pub refreshed_at_once: u64,
    pub handoffs: u64,
    pub handoffs_unfinished: u64,
    /// Bindings that ended, as their mobile nodes saw it.
    pub bindings_ended: u64,
    /// Bindings that the tables do not have, or not where the mobile node is.
    pub bindings_misplaced: u64,
    pub octets_before: u64,
    pub octets_after: u64,
}

/// Measure.
///
/// # Errors
/// The mobile nodes cannot register before the storm.
pub fn measure(plan: Plan, cores: Cores) -> anyhow::Result<Measured> {
    let crew = (plan.mobile_nodes, 1, plan.lifetime);
    let requests = requests(plan.mobile_nodes, plan.lifetime);
    let mut scene = Scene::start(crew, cores, Duration::from_secs(60))?;
    let octets_before = memory::resident(scene.site.segment_octets())?;
    let punted = scene.site.punted();

    let started = Instant::now();
    let mut next = requests.iter().cycle().peekable();
    let (mut sent, mut moved) = (0_u64, 0);
    while started.elapsed() < plan.duration {
        let elapsed = started.elapsed().as_secs_f64();
        let due = (elapsed * f64::from(plan.rate)) as u64;
        for _ in 0..due.saturating_sub(sent).min(BURST) {
            let there_is_room = next.next_if(|packet| scene.site.push(packet)).is_some();
            sent += u64::from(there_is_room);
        }
        let share = elapsed / plan.duration.as_secs_f64();
        if f64::from(moved) < share * f64::from(plan.mobile_nodes / MOVING) {
            scene.crew.move_one(moved * MOVING);
            moved += 1;
        }
        scene.round(|_, _| ());
    }
    let seconds = started.elapsed().as_secs_f64();
    let punted_per_second = (scene.site.punted() - punted) as f64 / seconds;
    let octets_after = memory::resident(scene.site.segment_octets())?;
    let in_time = scene.crew.tally();
    let until = Instant::now() + GRACE;
    while Instant::now() < until && scene.crew.tally().moved < in_time.handoffs {
        scene.round(|_, _| ());
    }
    let tally = scene.crew.tally();
    let measured = Measured {
        mobile_nodes: plan.mobile_nodes,
        seconds,
        requests_per_second: sent as f64 / seconds,
        punted_per_second,
        dropped_by_rate: scene.site.dropped(DropReason::PuntRateLimited),
        dropped_by_full_ring: scene.site.dropped(DropReason::RingFull),
        refreshes: in_time.refreshes,
        refreshed: in_time.refreshed,
        refreshed_at_once: in_time.refreshed_at_once,
        handoffs: in_time.handoffs,
        handoffs_unfinished: in_time.handoffs.saturating_sub(tally.moved),
        bindings_ended: tally.lost,
        bindings_misplaced: scene.misplaced()?,
        octets_before,
        octets_after,
    };
    scene.site.stop()?;
    Ok(measured)
}

/// First requests from anywhere.
fn requests(mobile_nodes: u32, lifetime: Lifetime) -> Vec<Vec<u8>> {
    let mut random = Random::new([9; 32]);
    let wrong_key = Key::new(vec![0; ALGORITHM.key_len()]);
    let request = |number: u32| {
        let source = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
        // 2400::/8, where nobody of the crew is.
        let source = Ipv6Addr::from_bits(source >> 8 | 0x24 << 120);
        let is_query = number.is_multiple_of(2);
        let header = DmipHeader {
            kind: if is_query {
                DmipType::DhpQuery
            } else {
                DmipType::DhoaRequest
            },
            sequence: (number & 0xffff) as u16,
            lifetime: if is_query { Lifetime::ZERO } else { lifetime },
            flags: 0,
            status: Status(0),
        };
        let wanted = correspondent(0);
        let mut builder =
            Builder::dmip(&CodePoints::default(), header).option(&MobilityOption::Correspondent {
                prefix_len: wanted.prefix_len(),
                address: wanted.network(),
            });
        if !is_query {
            builder = builder.auth(spi(number % mobile_nodes), ALGORITHM.mac_len(), |octets| {
                auth::mac(ALGORITHM, &wrong_key, &source, &ANCHOR, octets)
            });
        }
        compose(
            &source,
            &ANCHOR,
            None,
            None,
            &builder.finish(&source, &ANCHOR),
        )
    };
    (0..PREPARED).map(request).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_light_rain_nothing_is_lost() {
        let plan = Plan {
            mobile_nodes: 10,
            lifetime: Lifetime(150),
            duration: Duration::from_millis(300),
            rate: 1_000,
        };
        let measured = measure(plan, Cores::choose().expect("cores")).expect("a storm");
        assert!(measured.requests_per_second > 0.0);
        assert!(measured.handoffs > 0);
        let lost = measured.handoffs_unfinished + measured.bindings_ended;
        assert_eq!((lost, measured.bindings_misplaced), (0, 0));
    }
}
