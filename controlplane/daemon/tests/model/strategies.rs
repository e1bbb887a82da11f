//! How often what happens

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use crate::reference::Restart;
use crate::site::{AGENTS, NODES, PLACES};
use crate::step::{
    BidAsk, Command, Elsewhere, Fault, FlowAsk, HomeUpdate, Number, Pick, Quality, Request,
    SelectorAsk, Signature, Step, Update, Whom,
};

/// A run of so many steps on average.
pub fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..=2 * count)
}

fn step() -> impl Strategy<Value = Step> {
    let seconds = prop_oneof![-5i32..6, -4000i32..4000];
    let restart = prop_oneof![
        3 => Just(Restart::Orderly),
        2 => Just(Restart::Sudden),
        1 => Just(Restart::WithoutJournal),
    ];
    let down = prop_oneof![3 => 0u64..5_000, 1 => 0u64..400_000];
    let quality =
        (0usize..30, 0usize..30, 0u64..3000).prop_map(|(lost, twice, delay_ms)| Quality {
            lost,
            twice,
            delay_ms,
        });
    let long = prop_oneof![1 => 1u16..12, 3 => 30u16..200];
    let crowd = (0..NODES - AGENTS, 20usize..120, 0..PLACES, long);
    let crowd = crowd.prop_map(|(first, count, place, lifetime)| Step::Crowd {
        first,
        count,
        place,
        lifetime,
    });
    let waiting = prop_oneof![
        6 => 0u64..200,
        6 => 200u64..6_000,
        3 => 6_000u64..70_000,
        1 => 70_000u64..400_000,
    ];
    let command = prop_oneof![
        3 => (0..PLACES).prop_map(Command::Move),
        1 => Just(Command::Lose),
        3 => (0u16..3).prop_map(Command::Use),
        1 => (0u16..3).prop_map(Command::Stop),
    ];
    prop_oneof![
        260 => (signature(), request()).prop_map(|(by, request)| Step::Request(by, request)),
        300 => (signature(), update()).prop_map(|(by, update)| Step::Update(by, update)),
        240 => (signature(), home_update()).prop_map(|(by, update)| Step::Home(by, update)),
        8 => crowd,
        30 => (0..AGENTS, command).prop_map(|(agent, command)| Step::Agent(agent, command)),
        40 => (any::<usize>(), arrivals()).prop_map(|(which, arrivals)| Step::Replay(which, arrivals)),
        160 => waiting.prop_map(Step::Wait),
        10 => (0u64..5_000).prop_map(Step::Stall),
        8 => seconds.prop_map(Step::Clock),
        5 => quality.prop_map(Step::Network),
        3 => prop::bool::weighted(0.2).prop_map(Step::Drain),
        10 => pick().prop_map(Step::Release),
        3 => (restart, down).prop_map(|(how, down_ms)| Step::Restart(how, down_ms)),
    ]
}

/// Few mobile nodes send much, so that what they have gets into each other's way.
fn node() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0..12usize, 2 => 0..NODES - AGENTS]
}

fn signature() -> impl Strategy<Value = Signature> {
    let number = prop_oneof![
        30 => Just(Number::Next),
        4 => (0u16..70).prop_map(Number::Behind),
        2 => (1u16..100).prop_map(Number::Ahead),
        1 => any::<u16>().prop_map(Number::Ahead),
    ];
    let mesg_id = prop_oneof![4 => Just(0i64), 3 => -6_000i64..6_000, 1 => -20_000i64..20_000];
    let fault = prop_oneof![
        120 => Just(Fault::None),
        3 => Just(Fault::WrongKey),
        1 => Just(Fault::UnknownSpi),
        1 => Just(Fault::Unsigned),
        2 => Just(Fault::Broken),
        2 => Just(Fault::Repeated),
    ];
    let mn_id = weighted(0.3, prop::bool::weighted(0.9));
    let parts = (
        node(),
        prop::bool::weighted(0.2),
        number,
        weighted(0.4, mesg_id),
        fault,
        mn_id,
        0..PLACES,
        weighted(0.12, elsewhere()),
        arrivals(),
    );
    parts.prop_map(
        |(node, second, number, mesg_id, fault, mn_id, place, alternate, arrivals)| Signature {
            node,
            second,
            number,
            mesg_id,
            fault,
            mn_id,
            place,
            alternate,
            arrivals,
        },
    )
}

fn arrivals() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        10 => Just(vec![0]),
        6 => vec(0u64..3_000, 1),
        2 => vec(0u64..5_000, 2),
        1 => vec(0u64..100_000, 2),
        1 => Just(Vec::new()),
    ]
}

fn elsewhere() -> impl Strategy<Value = Elsewhere> {
    prop_oneof![
        12 => (0..PLACES).prop_map(Elsewhere::Place),
        2 => Just(Elsewhere::Neighbour),
        1 => Just(Elsewhere::Local),
        1 => Just(Elsewhere::Anchor),
        1 => Just(Elsewhere::Multicast),
        1 => Just(Elsewhere::Other),
        1 => Just(Elsewhere::Home),
    ]
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        12 => (0usize..4).prop_map(Pick::Held),
        4 => (0usize..2).prop_map(Pick::Own),
        4 => any::<usize>().prop_map(Pick::Seen),
        1 => Just(Pick::Unknown),
        1 => Just(Pick::Unspecified),
    ]
}

fn lifetime() -> impl Strategy<Value = u16> {
    prop_oneof![8 => 1u16..12, 4 => 12u16..200, 1 => Just(u16::MAX)]
}

fn lifetime_or_none() -> impl Strategy<Value = u16> {
    prop_oneof![1 => Just(0u16), 4 => lifetime()]
}

fn request() -> impl Strategy<Value = Request> {
    let whom =
        prop_oneof![20 => Just(Whom::Covered), 1 => Just(Whom::Far), 1 => Just(Whom::Nobody)];
    let flow = prop_oneof![
        5 => Just((false, None)),
        2 => flow().prop_map(|flow| (false, Some(flow))),
        4 => flow().prop_map(|flow| (true, Some(flow))),
        1 => Just((true, None)),
    ];
    let parts = (
        prop_oneof![20 => lifetime(), 1 => Just(0u16)],
        weighted(0.3, (pick(), prop_oneof![6 => Just(0u16), 1 => 1u16..4])),
        whom,
        weighted(0.1, prop_oneof![Just(100u32), Just(100_000)]),
        flow,
    );
    parts.prop_map(
        |(lifetime, wish, correspondent, kbps, (dedicated, flow))| Request {
            lifetime,
            dedicated,
            wish,
            correspondent,
            kbps,
            flow,
        },
    )
}

fn update() -> impl Strategy<Value = Update> {
    let own_lifetime = prop_oneof![3 => Just(0u16), 1 => 1u16..30];
    let fid = prop_oneof![3 => Just(0u16), 1 => 1u16..5];
    // One that is its own for good is what begins by an update.
    let listed = prop_oneof![4 => pick(), 1 => Just(Pick::Own(0))];
    let parts = (
        lifetime_or_none(),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.25),
        prop_oneof![
            1 => Just(Vec::new()),
            8 => vec((listed, fid, own_lifetime), 1..5),
        ],
        spread(),
        prop_oneof![3 => Just(Vec::new()), 1 => vec((0u16..5, any::<bool>()), 1..3)],
    );
    parts.prop_map(
        |(lifetime, acknowledge, replace, listed, (bids, flows), modes)| Update {
            lifetime,
            acknowledge,
            replace,
            listed,
            bids,
            flows,
            modes,
        },
    )
}

fn home_update() -> impl Strategy<Value = HomeUpdate> {
    let home = prop_oneof![4 => (0usize..2).prop_map(Pick::Own), 2 => pick()];
    let summary = prop_oneof![2 => Just(Vec::new()), 1 => vec(1u16..6, 1..4)];
    let parts = (
        home,
        lifetime_or_none(),
        prop::bool::weighted(0.97),
        prop::bool::weighted(0.97),
        prop::bool::weighted(0.4),
        spread(),
        summary,
    );
    parts.prop_map(
        |(home, lifetime, option, home_registration, overwrite, (bids, flows), summary)| {
            HomeUpdate {
                home,
                lifetime,
                option,
                home_registration,
                overwrite,
                bids,
                flows,
                summary,
            }
        },
    )
}

/// Care-of addresses and flows: anything, or several where the mobile node can be and flows that go there.
fn spread() -> impl Strategy<Value = (Vec<BidAsk>, Vec<FlowAsk>)> {
    let place = (0..PLACES, 0u8..4);
    // Without flows the next such message has a care-of address move and nothing else.
    let good_flows = prop_oneof![
        1 => Just(Vec::new()),
        1 => vec((selector(), vec(1u16..3, 1..3)), 1..4),
    ];
    let good = (vec(place, 2..4), good_flows);
    let good = good.prop_map(|(places, flows)| {
        let bids = (1..).zip(places).map(|(bid, (place, priority))| BidAsk {
            bid,
            priority,
            care_of: Some(Elsewhere::Place(place)),
            home: false,
        });
        let flows = (1..).zip(flows).map(|(fid, (selector, bids))| FlowAsk {
            fid,
            priority: fid,
            selector: Some(selector),
            bids: Some(bids),
        });
        (bids.collect(), flows.collect())
    });
    prop_oneof![
        6 => Just((Vec::new(), Vec::new())),
        5 => (bids(), flows()),
        4 => good,
    ]
}

fn bids() -> impl Strategy<Value = Vec<BidAsk>> {
    let parts = (
        1u16..5,
        0u8..4,
        weighted(0.85, elsewhere()),
        prop::bool::weighted(0.03),
    );
    let bid = parts.prop_map(|(bid, priority, care_of, home)| BidAsk {
        bid,
        priority,
        care_of,
        home,
    });
    prop_oneof![3 => Just(Vec::new()), 2 => vec(bid, 1..4)]
}

fn flows() -> impl Strategy<Value = Vec<FlowAsk>> {
    prop_oneof![2 => Just(Vec::new()), 1 => vec(flow(), 1..4)]
}

fn flow() -> impl Strategy<Value = FlowAsk> {
    let parts = (
        1u16..6,
        0u16..8,
        weighted(0.85, selector()),
        weighted(0.6, vec(1u16..4, 1..3)),
    );
    parts.prop_map(|(fid, priority, selector, bids)| FlowAsk {
        fid,
        priority,
        selector,
        bids,
    })
}

fn selector() -> impl Strategy<Value = SelectorAsk> {
    prop_oneof![
        4 => Just(SelectorAsk::All),
        4 => Just(SelectorAsk::Protocol(6)),
        4 => Just(SelectorAsk::Protocol(17)),
        6 => prop_oneof![Just(80u16), Just(443)].prop_map(SelectorAsk::Exact),
        1 => Just(SelectorAsk::Ipv4),
        1 => Just(SelectorAsk::OtherFormat),
        1 => Just(SelectorAsk::Cut),
    ]
}
