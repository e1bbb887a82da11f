//! What can happen, and how often

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option::weighted;
use proptest::prelude::*;

use super::world::NODES;
use crate::reference::Restart;
use crate::site::PLACES;

/// Mobile nodes are named by their place in [`NODES`], care-of addresses by that of an access network, where [`PLACES`] stands
/// for one that is another mobile node's.
#[derive(Debug, Clone)]
pub enum Step {
    /// A DHoA for all flows (0) or for one.
    Request {
        by: By,
        fid: u16,
        lifetime: u16,
    },
    /// A DHP Binding Update.
    Update(By, Update),
    /// A classic Binding Update of a DHoA.
    Classic {
        node: usize,
        dhoa: usize,
        place: usize,
        lifetime: u16,
    },
    /// A message of before comes (again): of those that were held up, or of all.
    Late(usize),
    Again(usize),
    /// So many packets for a DHoA, or from it.
    Down(usize, usize),
    Up(usize, usize),
    /// Milliseconds pass.
    Wait(u64),
    /// The anchor is down for so many milliseconds, and starts anew.
    Restart(Restart, u64),
}

#[derive(Debug, Clone)]
pub struct Update {
    /// Of the DHoAs that were assigned to it.
    pub listed: Vec<usize>,
    /// Another's is listed too.
    pub of_another: bool,
    /// BID, place and priority.
    pub bids: BTreeMap<u16, (usize, u8)>,
    pub lifetime: u16,
    pub replace: bool,
    pub echo: Option<Echo>,
}

/// Who sends from where, and which care-of address it names.
#[derive(Debug, Clone, Copy)]
pub struct By {
    pub node: usize,
    pub place: usize,
    pub care_of: usize,
    /// It does not arrive until [`Step::Late`].
    pub is_late: bool,
}

/// A cookie that comes back.
#[derive(Debug, Clone, Copy)]
pub enum Echo {
    /// Of those that the mobile node got the last but so many, in a message that names the care-of address it was sent to.
    Right(usize),
    /// The same, whatever the message names.
    Elsewhere(usize),
    /// The last that anybody got.
    Anybodys,
    Invented,
}

/// A run of so many steps on average.
pub fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..=2 * count)
}

fn step() -> impl Strategy<Value = Step> {
    let lifetime = || prop_oneof![1 => 1u16..4, 3 => 30u16..150];
    let may_release = prop_oneof![1 => Just(0u16), 14 => lifetime()];
    let echo = prop_oneof![
        12 => prop_oneof![4 => Just(0usize), 1 => 1..4usize].prop_map(Echo::Right),
        1 => (0..3usize).prop_map(Echo::Elsewhere),
        1 => Just(Echo::Anybodys),
        1 => Just(Echo::Invented),
    ];
    let replace = prop::bool::weighted(0.2);
    let listed = prop_oneof![1 => Just(Vec::new()), 30 => vec(0..4usize, 1..4)];
    let bids = btree_map(1..4u16, (0..=PLACES, 0..3u8), 1..4);
    let bids = prop_oneof![2 => Just(BTreeMap::new()), 1 => bids];
    let listed = (listed, prop::bool::weighted(0.05), bids);
    let update = (by(), listed, may_release, replace, weighted(0.6, echo));
    let update = update.prop_map(
        |(by, (listed, of_another, bids), lifetime, replace, echo)| {
            let update = Update {
                listed,
                of_another,
                bids,
                lifetime,
                replace,
                echo,
            };
            Step::Update(by, update)
        },
    );
    let request = (by(), 0..3u16, lifetime());
    let request = request.prop_map(|(by, fid, lifetime)| Step::Request { by, fid, lifetime });
    let classic = (0..NODES.len(), 0..4usize, 0..PLACES, lifetime());
    let classic = classic.prop_map(|(node, dhoa, place, lifetime)| Step::Classic {
        node,
        dhoa,
        place,
        lifetime,
    });
    let restart = prop_oneof![
        3 => Just(Restart::Orderly),
        2 => Just(Restart::Sudden),
        1 => Just(Restart::WithoutJournal),
    ];
    let down = prop_oneof![3 => 0u64..5_000, 1 => 0u64..400_000];
    let waiting = prop_oneof![30 => 0u64..2_000, 6 => 2_000u64..12_000, 1 => 0u64..300_000];
    prop_oneof![
        20 => request,
        60 => update,
        6 => classic,
        6 => (0..4usize).prop_map(Step::Late),
        6 => (0..12usize).prop_map(Step::Again),
        20 => (any::<usize>(), 1..6usize).prop_map(|(dhoa, packets)| Step::Down(dhoa, packets)),
        15 => (any::<usize>(), 0..=PLACES).prop_map(|(dhoa, place)| Step::Up(dhoa, place)),
        25 => waiting.prop_map(Step::Wait),
        4 => (restart, down).prop_map(|(how, down_ms)| Step::Restart(how, down_ms)),
    ]
}

fn by() -> impl Strategy<Value = By> {
    let care_of = prop_oneof![4 => Just(None), 2 => (0..=PLACES).prop_map(Some)];
    let who = prop_oneof![2 => Just(0usize), 1 => 0..NODES.len()];
    let late = prop::bool::weighted(0.06);
    (who, 0..PLACES, care_of, late).prop_map(|(node, place, care_of, is_late)| By {
        node,
        place,
        care_of: care_of.unwrap_or(place),
        is_late,
    })
}
