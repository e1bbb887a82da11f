//! What the model has found, as the few steps that show it

use crate::coverage::Coverage;
use crate::reference::Restart;
use crate::site::PLACES;
use crate::step::{
    BidAsk, Elsewhere, Fault, FlowAsk, HomeUpdate, Number, Pick, Request, SelectorAsk, Signature,
    Step, Update, Whom,
};
use crate::world::World;

fn no_difference(steps: &[Step]) {
    let mut coverage = Coverage::default();
    if let Err(difference) = World::new(&mut coverage).run(steps) {
        panic!("{difference}");
    }
}

/// Signed and numbered as it should be, and not lost.
fn by(node: usize) -> Signature {
    Signature {
        node,
        second: false,
        number: Number::Next,
        mesg_id: None,
        fault: Fault::None,
        mn_id: None,
        place: 0,
        alternate: None,
        arrivals: vec![0],
    }
}

/// The release of an address that nobody had was confirmed, if it was listed twice.
#[test]
fn nobody_releases_what_nobody_has() {
    let release = Update {
        lifetime: 0,
        acknowledge: true,
        replace: false,
        listed: vec![(Pick::Unknown, 0, 0), (Pick::Unknown, 3, 0)],
        bids: Vec::new(),
        flows: Vec::new(),
        modes: Vec::new(),
    };
    no_difference(&[Step::Update(by(1), release)]);
}

/// Two BIDs of one care-of address got two copies of each packet.
#[test]
fn two_bids_of_one_care_of_address_get_one_copy() {
    let bid = |bid: u16, place: usize| BidAsk {
        bid,
        priority: 1,
        care_of: Some(Elsewhere::Place(place % PLACES)),
        home: false,
    };
    let update = HomeUpdate {
        home: Pick::Own(0),
        lifetime: 20,
        option: true,
        home_registration: true,
        overwrite: false,
        bids: vec![bid(1, 1), bid(2, 1)],
        flows: vec![FlowAsk {
            fid: 1,
            priority: 1,
            selector: Some(SelectorAsk::All),
            bids: Some(vec![1, 2]),
        }],
        summary: Vec::new(),
    };
    no_difference(&[Step::Home(by(0), update)]);
}

/// A DHoA, for so many units of 4 seconds.
fn request(lifetime: u16) -> Request {
    Request {
        lifetime,
        dedicated: false,
        wish: None,
        correspondent: Whom::Covered,
        kbps: None,
        flow: None,
    }
}

/// Who got a DHoA whose quarantine had passed while the anchor was down inherited the numbers of who had it before.
#[test]
fn numbers_do_not_outlive_a_quarantine_that_ends_during_a_restart() {
    let home_update = HomeUpdate {
        home: Pick::Held(0),
        lifetime: 20,
        option: true,
        home_registration: true,
        overwrite: false,
        bids: Vec::new(),
        flows: Vec::new(),
        summary: Vec::new(),
    };
    no_difference(&[
        Step::Request(by(4), request(20)),
        Step::Home(by(4), home_update),
        Step::Restart(Restart::Orderly, 100_000),
        Step::Restart(Restart::Orderly, 300_000),
        Step::Request(by(4), request(20)),
    ]);
}

/// An update that came too late was told that its communication mode was in force.
#[test]
fn what_is_overtaken_confirms_no_mode() {
    let update = |number: Number, modes: Vec<(u16, bool)>| {
        let update = Update {
            lifetime: 20,
            acknowledge: true,
            replace: false,
            listed: vec![(Pick::Held(0), 0, 0)],
            bids: Vec::new(),
            flows: Vec::new(),
            modes,
        };
        Step::Update(Signature { number, ..by(0) }, update)
    };
    no_difference(&[
        Step::Request(by(0), request(20)),
        update(Number::Ahead(5), Vec::new()),
        update(Number::Behind(3), vec![(0, true)]),
    ]);
}

/// After an orderly restart the anchor trusted what it had not trusted since the sudden one before.
#[test]
fn an_orderly_restart_makes_no_end_certain() {
    no_difference(&[
        Step::Request(by(4), request(20)),
        Step::Restart(Restart::Sudden, 0),
        Step::Restart(Restart::Orderly, 0),
        Step::Wait(100_000),
        Step::Restart(Restart::Orderly, 0),
        Step::Wait(300_000),
    ]);
}
