//! The conformance cases: what an anchor is sent, and what it has to answer, as `cases/*.txt` record it.
//!
//! Each case has a line of prose, names the duty that it is about, and runs on a virtual home link and on a real one
//! unless it says on which. `script` describes the format, `duties` keeps the page of duties in step with the cases.

mod address;
mod cookies;
mod departure;
mod discovery;
mod dmip;
mod duties;
mod input;
mod mobile_node;
mod output;
mod packet;
mod return_routability;
mod run;
mod script;
mod steering;
mod storm;
mod words;
mod world;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let cases = match script::read_all(&directory.join("cases")) {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let page = duties::check(&directory, &cases);
    let mut trials = vec![Trial::test("the_page_of_duties_is_in_step", move || {
        page.map_err(Failed::from)
    })];
    let all = cases.clone();
    trials.push(Trial::test(
        "in_any_order_nothing_is_left_behind",
        move || storm::run(&all).map_err(Failed::from),
    ));
    for case in cases {
        for link in case.links.clone() {
            let name = format!("{}::{}::{}::{link}", case.file, case.duty, case.slug());
            let case = case.clone();
            trials.push(Trial::test(name, move || {
                run::run(&case, link).map_err(Failed::from)
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
