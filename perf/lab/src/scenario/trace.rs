//! The handoffs of a scenario, one after the other: the same for every mode.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::access::Access;
use crate::random::Random;

use super::model::{MannerWanted, Scenario};

/// A handoff to make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    /// When, from the beginning of the trace.
    pub at: Duration,
    /// Where to.
    pub to: Access,
    /// How.
    pub manner: MannerWanted,
    /// How long the radio is without a link.
    pub gap: Duration,
}

/// Before the first handoff, and after the last one, flows run for so long.
pub const MARGIN: Duration = Duration::from_secs(3);
/// A handoff is looked at for a second after it has a care-of address; a shorter spacing would measure the next one.
const LEAST_SPACING: Duration = Duration::from_millis(300);

/// The scenario's trace, in order.
pub fn trace(scenario: &Scenario, quick: bool) -> Result<Vec<Move>> {
    let movement = &scenario.movement;
    let mut moves = Vec::new();
    for listed in &movement.handoffs {
        moves.push(Move {
            at: seconds(listed.at_s)?,
            to: scenario.access(&listed.to)?,
            manner: listed.manner.unwrap_or(movement.manner),
            gap: Duration::from_millis(listed.gap_ms.unwrap_or(movement.gap_ms)),
        });
    }
    let period_s = match (movement.cell_m, movement.speed_kmh) {
        (Some(cell), Some(speed)) => cell / (speed / 3.6),
        _ => movement.period_s,
    };
    let count = match (quick, movement.quick_count) {
        (true, Some(count)) => count.min(movement.count),
        _ => movement.count,
    };
    let mut random = Random::new(movement.seed);
    let accesses: Vec<Access> =
        Access::first(u8::try_from(scenario.accesses.len()).unwrap_or(Access::MOST)).collect();
    for (index, to) in (0..count).zip(accesses.iter().cycle().skip(1)) {
        let jitter_s = (random.fraction() * 2.0 - 1.0) * movement.jitter_s;
        let is_outage = movement.outage_every > 0 && (index + 1) % movement.outage_every == 0;
        let gap_ms = if is_outage {
            movement.outage_ms
        } else {
            movement.gap_ms
        };
        moves.push(Move {
            at: MARGIN + seconds((index as f64 * period_s + jitter_s).max(0.0))?,
            to: *to,
            manner: movement.manner,
            gap: Duration::from_millis(gap_ms),
        });
    }
    moves.sort_by_key(|one| one.at);
    ensure!(
        !moves.is_empty() || scenario.second_access.is_some(),
        "the movement has no handoff"
    );
    let mut at = Access::A;
    let mut free = Duration::ZERO;
    for one in &moves {
        ensure!(one.to != at, "a handoff leads to where the mobile node is");
        ensure!(
            one.at >= free,
            "a handoff begins {} ms before the last one is over",
            (free - one.at).as_millis()
        );
        at = one.to;
        free = one.at + one.gap + LEAST_SPACING;
    }
    Ok(moves)
}

fn seconds(value: f64) -> Result<Duration> {
    ensure!(
        (0.0..=86_400.0).contains(&value),
        "{value} s: a time is 0 to a day"
    );
    Ok(Duration::from_secs_f64(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(movement: &str) -> Scenario {
        let text = format!(
            "title = 't'\nmodes = ['dhp']\n[home-agent]\ndelay-ms = 35\n[[region]]\nname = 'w'\ndelay-ms = 5\n\
             [[access]]\nname = 'a'\ndelay-ms = 5\n[[access]]\nname = 'b'\ndelay-ms = 5\n[[access]]\nname = 'c'\ndelay-ms = 5\n\
             [[flow]]\nname = 'f'\nkind = 'stream'\nto = 'w'\nsession = 'fixed'\n[movement]\n{movement}"
        );
        Scenario::parse(&text).unwrap()
    }

    #[test]
    fn a_generator_goes_round_and_is_the_same_each_time() {
        let scenario = scenario("count = 4\nperiod-s = 2\njitter-s = 0.5\nseed = 7");
        let moves = trace(&scenario, false).unwrap();
        let to: Vec<String> = moves.iter().map(|one| format!("{:?}", one.to)).collect();
        assert_eq!(to, ["B", "C", "A", "B"]);
        assert_eq!(moves, trace(&scenario, false).unwrap());
    }

    #[test]
    fn speed_and_cell_make_the_period() {
        let moves = trace(&scenario("count = 2\ncell-m = 50\nspeed-kmh = 90"), false).unwrap();
        assert_eq!(moves[1].at - moves[0].at, Duration::from_secs(2));
    }

    #[test]
    fn every_so_often_there_is_an_outage_and_quick_is_shorter() {
        let scenario =
            scenario("count = 4\nquick-count = 2\noutage-every = 2\noutage-ms = 900\nperiod-s = 2");
        let gaps = |quick| -> Vec<u128> {
            let moves = trace(&scenario, quick).unwrap();
            moves.iter().map(|one| one.gap.as_millis()).collect()
        };
        assert_eq!(gaps(false), [50, 900, 50, 900]);
        assert_eq!(gaps(true), [50, 900]);
    }

    #[test]
    fn handoffs_that_cannot_be_made_are_refused() {
        let refused = |movement: &str| trace(&scenario(movement), false).is_err();
        assert!(refused(""), "none at all");
        assert!(
            refused("handoffs = [{ at-s = 1, to = 'a' }]"),
            "to where it is"
        );
        assert!(refused("count = 3\nperiod-s = 0.1"), "too close");
    }
}
