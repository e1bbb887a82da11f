//! Runs a case.

use dhp_proto::anchor::AnchorAction;
use dhp_wire::mobility::Lifetime;

use crate::address;
use crate::input;
use crate::output::Output;
use crate::script::{Case, Link, Step};
use crate::steering;
use crate::words::Words;
use crate::world::{World, is_probe};

/// What is said of the home link in a case that is about it.
const LINK_WORDS: [&str; 4] = ["probe", "start-proxy", "stop-proxy", "advertise"];

/// Runs a case on a home link of this kind; the error says where it went wrong.
pub fn run(case: &Case, link: Link) -> Result<(), String> {
    let mut world = World::new(&case.given, link);
    let all = case.steps.iter().flat_map(|step| &step.expected);
    let about_link = all.clone().any(|line| LINK_WORDS.contains(&line.kind()));
    for step in &case.steps {
        world.remember_drops();
        let mut actions = input::carry_out(&mut world, &step.input);
        // Where the case is not about it, nobody on the link objects, and the answer comes a second later.
        if !about_link && actions.iter().any(is_probe) {
            actions.extend(world.wait(1.0));
        }
        world.learn(&actions);
        check(&world, step, &actions, about_link).map_err(|wrong| {
            let prose = case.prose.join(" ");
            let (file, line) = (&case.file, step.line);
            format!("{prose}\n{file}.txt:{line}: > {}\n{wrong}", step.input)
        })?;
    }
    Ok(())
}

fn check(
    world: &World,
    step: &Step,
    actions: &[AnchorAction],
    about_link: bool,
) -> Result<(), String> {
    let read = |action| {
        let mut output = Output::read(action, &world.tokens)?;
        if let Some(cookie) = output.fields.get_mut("cookie") {
            *cookie = world.cookies.name(cookie);
        }
        Some(output)
    };
    let outputs = actions.iter().filter_map(read);
    let mut outputs = outputs.filter(|output| about_link || !LINK_WORDS.contains(&&*output.kind));
    for line in &step.expected {
        match line.kind() {
            "silence" => {}
            "dropped" => {
                if !world.drops().contains(&line.subject()) {
                    return Err(format!("< {line}: but it was {:?}", world.drops()));
                }
            }
            "bound" | "unbound" => check_binding(world, line)?,
            _ => match outputs.next() {
                Some(output) if output.is(line) => {}
                other => return Err(format!("< {line}: but it was {other:?}")),
            },
        }
    }
    match outputs.next() {
        None => Ok(()),
        Some(output) => Err(format!("nothing more was expected than {output:?}")),
    }
}

/// `bound HOME [at=] [left=] [excess=] [bids=] [flows=]`, see `steering`, and `unbound HOME`.
fn check_binding(world: &World, line: &Words) -> Result<(), String> {
    let home_address = address::read(line.subject());
    let mut bindings = world.anchor.bindings(world.now);
    let binding = bindings.find(|binding| binding.home_address == home_address);
    let is_so = match &binding {
        None => line.kind() == "unbound",
        Some(binding) => {
            let at = line.address("at").unwrap_or(binding.care_of);
            let left = line.number("left").map(|units| Lifetime(units as u16));
            line.kind() == "bound"
                && at == binding.care_of
                && left.unwrap_or(binding.remaining) == binding.remaining
                && steering::is_so(binding, line)
                && line
                    .get("excess")
                    .is_none_or(|to| to == steering::excess(binding.test))
        }
    };
    let wrong = || format!("< {line}: but it was {binding:?}");
    is_so.then_some(()).ok_or_else(wrong)
}
