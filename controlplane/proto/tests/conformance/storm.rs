//! The lines of all cases in any order: whatever has begun ends, and nothing is left behind.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use dhp_proto::anchor::{
    AnchorAction, BindingChange, LinkAction, RouteEnds, RouteOptimization, SignallingDrop,
};
use dhp_proto::random::Random;

use crate::input;
use crate::script::{Case, Link};
use crate::words::Words;
use crate::world::World;

/// Runs, and the lines of each.
const RUNS: u8 = 120;
const LINES: usize = 150;
/// Longer than anything lasts that is not a home registration, in seconds.
const LONG: f64 = 10_000.0;

const GIVEN: [&str; 5] = [
    "correspondent advertise-prefixes refresh-request=40 peer=ANCHOR2 valid=300000 preferred=9000",
    "correspondent unauthenticated max-home=1 max-correspondents=1 errors=3 max-life=900",
    "unauthenticated numbers-lost refresh-advice=20 refresh-request=5 restarts=2 peer=ANCHOR2",
    "valid=2000 preferred=1000 advertise-prefixes correspondent roles=h max-split=0 max-flows=1",
    "care-of-test max-home=3",
];

/// What is open, as the actions tell it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Open {
    bound: BTreeMap<Ipv6Addr, Ipv6Addr>,
    /// Care-of addresses by BID, where there are several.
    steered: BTreeMap<Ipv6Addr, BTreeMap<u16, Ipv6Addr>>,
    proxied: BTreeMap<Ipv6Addr, ()>,
    routes: BTreeMap<RouteEnds, Ipv6Addr>,
}

impl Open {
    fn follow(&mut self, actions: &[AnchorAction]) -> Result<(), String> {
        let once = |was: bool, action: &AnchorAction| {
            was.then_some(())
                .ok_or_else(|| format!("out of turn: {action:?}"))
        };
        for action in actions {
            match action {
                AnchorAction::Event(event) => match &event.change {
                    BindingChange::Bound {
                        home_address,
                        care_of,
                        ..
                    } => {
                        self.bound.insert(*home_address, *care_of);
                    }
                    BindingChange::Steered {
                        home_address,
                        care_ofs,
                        rules,
                    } => {
                        let bids = care_ofs.iter();
                        let bids: BTreeMap<u16, Ipv6Addr> =
                            bids.map(|care_of| (care_of.bid, care_of.care_of)).collect();
                        let mut named = rules.iter().flat_map(|rule| &rule.bids);
                        once(named.all(|bid| bids.contains_key(bid)), action)?;
                        if bids.is_empty() {
                            once(self.steered.remove(home_address).is_some(), action)?;
                        } else {
                            self.steered.insert(*home_address, bids);
                        }
                    }
                    BindingChange::CareOfMoved {
                        home_address,
                        bid,
                        care_of,
                        ..
                    } => {
                        let known = self.steered.get_mut(home_address);
                        let before = known.and_then(|bids| bids.insert(*bid, *care_of));
                        once(before.is_some_and(|before| before != *care_of), action)?;
                    }
                    BindingChange::Released { home_address, .. } => {
                        self.steered.remove(home_address);
                        once(self.bound.remove(home_address).is_some(), action)?;
                    }
                },
                AnchorAction::OnLink { action: on, .. } => match on {
                    LinkAction::StartProxy { address } => {
                        once(self.proxied.insert(*address, ()).is_none(), action)?;
                    }
                    LinkAction::StopProxy { address } => {
                        once(self.proxied.remove(address).is_some(), action)?;
                    }
                    _ => {}
                },
                AnchorAction::Route(RouteOptimization::Begins { ends, care_of, .. }) => {
                    self.routes.insert(*ends, *care_of);
                }
                AnchorAction::Route(RouteOptimization::Ends { ends }) => {
                    once(self.routes.remove(ends).is_some(), action)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Runs the lines of all cases in an order of chance, on both kinds of home link.
pub fn run(cases: &[Case]) -> Result<(), String> {
    let steps = cases.iter().flat_map(|case| &case.steps);
    let lines: Vec<&Words> = steps
        .map(|step| &step.input)
        .filter(|line| line.kind() != "restart")
        .collect();
    for seed in 0..RUNS {
        let mut random = Random::new([seed; 32]);
        let link = if seed % 2 == 0 {
            Link::Virtual
        } else {
            Link::Real
        };
        let given = GIVEN
            .get(usize::from(seed / 2) % GIVEN.len())
            .unwrap_or(&"");
        run_one(&lines, &Words::read(given), link, &mut random)
            .map_err(|wrong| format!("seed {seed}, {link} link, given {given}: {wrong}"))?;
    }
    Ok(())
}

fn run_one(lines: &[&Words], given: &Words, link: Link, random: &mut Random) -> Result<(), String> {
    let mut world = World::new(given, link);
    let mut open = Open::default();
    for _ in 0..LINES {
        let line = lines[random.below(lines.len() as u64) as usize];
        let actions = input::carry_out(&mut world, line);
        world.learn(&actions);
        open.follow(&actions)
            .map_err(|wrong| format!("> {line}: {wrong}"))?;
        let held: BTreeMap<_, _> = world
            .anchor
            .bindings(world.now)
            .map(|binding| (binding.home_address, binding.care_of))
            .collect();
        if held != open.bound {
            return Err(format!(
                "> {line}: events say {:?}, it has {held:?}",
                open.bound
            ));
        }
        let steered: BTreeMap<_, BTreeMap<_, _>> = world
            .anchor
            .bindings(world.now)
            .filter(|binding| binding.care_ofs.len() > 1)
            .map(|binding| {
                let care_ofs = binding.care_ofs.iter();
                let care_ofs = care_ofs.map(|care_of| (care_of.bid, care_of.address));
                (binding.home_address, care_ofs.collect())
            })
            .collect();
        if steered != open.steered {
            return Err(format!(
                "> {line}: events say {:?}, it has {steered:?}",
                open.steered
            ));
        }
        if link == Link::Virtual && !open.proxied.is_empty() {
            return Err(format!("> {line}: nothing can be proxied"));
        }
    }
    // Home registrations may last for days; the rest ends by itself.
    for home_address in open.bound.clone().into_keys() {
        let release = Words::read(&format!("release home={home_address}"));
        open.follow(&input::carry_out(&mut world, &release))?;
    }
    open.follow(&world.wait(LONG))?;
    if open != Open::default() {
        return Err(format!("left behind: {open:?}"));
    }
    let reasons = SignallingDrop::ALL.iter();
    let dropped: u64 = reasons
        .map(|reason| world.anchor.counters().dropped(*reason))
        .sum();
    (dropped > 0)
        .then_some(())
        .ok_or_else(|| "nothing was ever dropped".to_owned())
}
