//! What the model has found, as the few steps that show it

use crate::coverage::Coverage;
use crate::site::PLACES;
use crate::step::{
    BidAsk, Elsewhere, Fault, FlowAsk, HomeUpdate, Number, Pick, SelectorAsk, Signature, Step,
    Update,
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
