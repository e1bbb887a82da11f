//! What can happen, and how often it does

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use crate::reference::Restart;
use crate::site::{AGENTS, NODES, PLACES};

/// One step of a run. Mobile nodes and addresses are named by numbers, so that a shorter list of steps still makes sense.
#[derive(Debug, Clone)]
pub enum Step {
    /// A DHoA Request.
    Request(Signature, Request),
    /// A DHP Binding Update.
    Update(Signature, Update),
    /// A classic Binding Update.
    Home(Signature, HomeUpdate),
    /// Many mobile nodes come, or move, at about the same time.
    Crowd {
        first: usize,
        count: usize,
        place: usize,
        lifetime: u16,
    },
    /// The engine of `dhp-mn` is told something.
    Agent(usize, Command),
    /// Somebody sends again what was sent before.
    Replay(usize, Vec<u64>),
    /// Milliseconds pass.
    Wait(u64),
    /// The control plane does nothing for so many milliseconds, while the worker goes on.
    Stall(u64),
    /// The anchor's time of day steps by so many seconds.
    Clock(i32),
    /// From now on the network is so bad.
    Network(Quality),
    /// The operator drains the anchor, or ends that.
    Drain(bool),
    /// The operator ends a binding.
    Release(Pick),
    /// The anchor starts anew.
    Restart(Restart),
}

/// How a message is signed, numbered and sent.
#[derive(Debug, Clone)]
pub struct Signature {
    pub node: usize,
    /// By the second security association, where there is one.
    pub second: bool,
    pub number: Number,
    /// Milliseconds that the time in it is off what the anchor takes the time for.
    pub mesg_id: Option<i64>,
    pub fault: Fault,
    /// With an MN-ID, and whether it is the right one.
    pub mn_id: Option<bool>,
    pub place: usize,
    pub alternate: Option<Elsewhere>,
    /// Milliseconds until each copy arrives; none: it is lost.
    pub arrivals: Vec<u64>,
}

/// Which sequence number.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    Next,
    Behind(u16),
    Ahead(u16),
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    WrongKey,
    UnknownSpi,
    Unsigned,
    /// An option that is too short.
    Broken,
    /// An Alternate Care-of Address that stands twice.
    Repeated,
}

/// A care-of address.
#[derive(Debug, Clone, Copy)]
pub enum Elsewhere {
    Place(usize),
    /// Where the next mobile node is.
    Neighbour,
    /// An address of a pool.
    Local,
    Anchor,
    Multicast,
    /// One of IPv4, or else the unspecified one.
    Other,
    /// The home address itself.
    Home,
}

/// A home address.
#[derive(Debug, Clone, Copy)]
pub enum Pick {
    /// One of those that the mobile node was granted.
    Held(usize),
    /// One of those that are its own for good.
    Own(usize),
    /// One that anybody was granted.
    Seen(usize),
    /// One that nobody had.
    Unknown,
    Unspecified,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub lifetime: u16,
    pub dedicated: bool,
    pub wish: Option<(Pick, u16)>,
    pub correspondent: Whom,
    pub kbps: Option<u32>,
    pub flow: Option<FlowAsk>,
}

/// Which correspondent a request names.
#[derive(Debug, Clone, Copy)]
pub enum Whom {
    Covered,
    Far,
    Nobody,
}

#[derive(Debug, Clone)]
pub struct Update {
    pub lifetime: u16,
    pub acknowledge: bool,
    pub replace: bool,
    /// Address, FID, lifetime.
    pub listed: Vec<(Pick, u16, u16)>,
    pub bids: Vec<BidAsk>,
    pub flows: Vec<FlowAsk>,
    pub modes: Vec<(u16, bool)>,
}

#[derive(Debug, Clone)]
pub struct HomeUpdate {
    pub home: Pick,
    pub lifetime: u16,
    /// Whether the home address stands in a Home Address option.
    pub option: bool,
    pub home_registration: bool,
    pub overwrite: bool,
    pub bids: Vec<BidAsk>,
    pub flows: Vec<FlowAsk>,
    pub summary: Vec<u16>,
}

#[derive(Debug, Clone)]
pub struct BidAsk {
    pub bid: u16,
    pub priority: u8,
    pub care_of: Option<Elsewhere>,
    pub home: bool,
}

#[derive(Debug, Clone)]
pub struct FlowAsk {
    pub fid: u16,
    pub priority: u16,
    pub selector: Option<SelectorAsk>,
    pub bids: Option<Vec<u16>>,
}

/// A traffic selector, or something in place of one.
#[derive(Debug, Clone, Copy)]
pub enum SelectorAsk {
    All,
    Protocol(u8),
    /// UDP from the correspondent's port 53 to this port.
    Exact(u16),
    Ipv4,
    OtherFormat,
    Cut,
}

#[derive(Debug, Clone, Copy)]
pub enum Command {
    Move(usize),
    Lose,
    Use(u16),
    Stop(u16),
}

/// How many in a hundred messages the network loses and duplicates, and by how many milliseconds it delays them at most.
#[derive(Debug, Clone, Copy)]
pub struct Quality {
    pub lost: usize,
    pub twice: usize,
    pub delay_ms: u64,
}

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
        3 => restart.prop_map(Step::Restart),
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
    let parts = (
        lifetime_or_none(),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.25),
        prop_oneof![
            1 => Just(Vec::new()),
            8 => vec((pick(), fid, own_lifetime), 1..5),
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
