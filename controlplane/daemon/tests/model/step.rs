//! What can happen

use crate::reference::Restart;

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
    /// The anchor is down for so many milliseconds, and starts anew.
    Restart(Restart, u64),
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
