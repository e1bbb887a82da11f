//! Thousands of mobile nodes: the engines that `dhp-mn` runs, with one clock and one network for all

use std::collections::VecDeque;
use std::net::Ipv6Addr;

use dhp_engine::monotonic_ns;
use dhp_proto::mobile_node::{
    FlowKey, KeyMaterial, MnAction, MnCommand, MnEvent, MobileNode, MobileNodeConfig, Session,
};
use dhp_proto::security_association::SecurityAssociation;
use dhp_proto::timer_wheel::{TimerKey, TimerWheel};
use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::Lifetime;
use dhpd::clock::{Clock, system_clock};
use ipnet::Ipv6Net;

use super::fleet::{self, ALGORITHM, care_of};
use super::network;

/// A mobile node and what became of it.
struct Member {
    engine: MobileNode,
    wake: Option<(u64, TimerKey)>,
    /// The access network that it is on.
    network: u16,
    /// Its DHoA, once it has one.
    home_address: Option<Ipv6Addr>,
    /// Flows that have a source address.
    flows: usize,
    /// An update that has not been answered is for a handoff.
    is_moving: bool,
    /// When the last handoff began.
    moved_ns: u64,
    /// An update has not been answered.
    is_updating: bool,
}

/// What became of all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Mobile nodes whose flows all have a source address.
    pub ready: usize,
    /// Refreshes begun, answered, and answered at the first attempt.
    pub refreshes: u64,
    pub refreshed: u64,
    pub refreshed_at_once: u64,
    /// Handoffs begun and finished.
    pub handoffs: u64,
    pub moved: u64,
    /// Bindings that ended.
    pub lost: u64,
}

/// All of them.
pub struct Crew {
    members: Vec<Member>,
    flows: u16,
    clock: Clock,
    wheel: TimerWheel<u32>,
    /// Sent, and not on the wire yet.
    outbox: VecDeque<Vec<u8>>,
    tally: Tally,
    /// From the beginning of each finished handoff until it was acknowledged.
    handoffs_ms: Vec<f64>,
}

impl Crew {
    /// So many, with flows to so many correspondents each, who ask for bindings of this lifetime. They have no care-of address.
    ///
    /// # Errors
    /// None: the configuration is as it has to be.
    pub fn new(count: u32, flows: u16, lifetime: Lifetime) -> anyhow::Result<Self> {
        let mut clock = system_clock();
        let now = clock();
        let member = |number: u32| {
            let config = MobileNodeConfig {
                mn_id: Some(fleet::identity(number)),
                spi: fleet::spi(number),
                algorithm: ALGORITHM,
                key: KeyMaterial::Fixed(fleet::key(number)),
                home: None,
                locators: Vec::new(),
                code_points: CodePoints::default(),
                lifetime: lifetime.0,
                check_interval_ns: None,
                idle_ns: MobileNodeConfig::DEFAULT_IDLE_NS,
            };
            let mut seed = [7; 32];
            seed.iter_mut()
                .zip(number.to_be_bytes())
                .for_each(|(to, from)| *to = from);
            Ok(Member {
                engine: MobileNode::new(config, now, seed)?,
                wake: None,
                network: 0,
                home_address: None,
                flows: 0,
                is_moving: false,
                moved_ns: 0,
                is_updating: false,
            })
        };
        Ok(Self {
            members: (0..count).map(member).collect::<anyhow::Result<_>>()?,
            flows,
            wheel: TimerWheel::new(now.mono_ns),
            clock,
            outbox: VecDeque::new(),
            tally: Tally::default(),
            handoffs_ms: Vec::new(),
        })
    }

    /// What the anchor must know of them.
    ///
    /// # Errors
    /// None: keys and SPIs are as they have to be.
    pub fn security_associations(&self) -> anyhow::Result<Vec<SecurityAssociation>> {
        (0..self.len())
            .map(|number| fleet::association(number, Vec::new()))
            .collect()
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    /// What became of them so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Count anew. Who was ready still is.
    pub fn forget_tally(&mut self) {
        self.tally = Tally {
            ready: self.tally.ready,
            ..Tally::default()
        };
        self.handoffs_ms.clear();
    }

    /// How long each finished handoff took, the shortest first, in milliseconds.
    pub fn handoffs_ms(&self) -> Vec<f64> {
        let mut times = self.handoffs_ms.clone();
        times.sort_by(f64::total_cmp);
        times
    }

    /// The DHoA of one, and where it is.
    pub fn addresses(&self, number: u32) -> Option<(Ipv6Addr, Ipv6Addr)> {
        let member = self.members.get(number as usize)?;
        Some((member.home_address?, care_of(number, member.network)))
    }

    /// Have one come to its first access network and begin its flows.
    pub fn begin(&mut self, number: u32) {
        self.command(number, MnCommand::SetCareOf(care_of(number, 0)));
        for flow in 0..self.flows {
            let correspondent = correspondent(flow);
            self.command(
                number,
                MnCommand::Use(FlowKey::new(correspondent, Session::SessionLasting)),
            );
        }
    }

    /// Have one come to the other access network.
    pub fn move_one(&mut self, number: u32) {
        let Some(member) = self.members.get_mut(number as usize) else {
            return;
        };
        member.network ^= 1;
        // A refresh that is under way is given up for it.
        let is_refreshing = member.is_updating && !member.is_moving;
        self.tally.refreshes -= u64::from(is_refreshing);
        member.is_moving = true;
        member.moved_ns = monotonic_ns();
        let network = member.network;
        self.tally.handoffs += 1;
        self.command(number, MnCommand::SetCareOf(care_of(number, network)));
    }

    /// Take a packet of the anchor's to a care-of address.
    pub fn receive(&mut self, destination: Ipv6Addr, packet: &[u8]) {
        let (number, network) = fleet::is_at(destination);
        let now = (self.clock)();
        // Nobody hears what is sent to where it no longer is.
        if let Some(member) = self.members.get_mut(number as usize)
            && member.network == network
        {
            member.engine.handle_packet(now, packet);
            self.collect(number);
        }
    }

    /// Have those do what they have to that are due.
    pub fn let_time_pass(&mut self) {
        let now_ns = monotonic_ns();
        while let Some(number) = self.wheel.pop(now_ns) {
            let now = (self.clock)();
            if let Some(member) = self.members.get_mut(number as usize) {
                member.wake = None;
                member.engine.handle_timeout(now);
                self.collect(number);
            }
        }
    }

    /// Put on the wire what there is room for: `send` says whether there was.
    pub fn send(&mut self, mut send: impl FnMut(&[u8]) -> bool) {
        while let Some(packet) = self.outbox.pop_front() {
            if !send(&packet) {
                self.outbox.push_front(packet);
                return;
            }
        }
    }

    fn command(&mut self, number: u32, command: MnCommand) {
        let now = (self.clock)();
        if let Some(member) = self.members.get_mut(number as usize) {
            member.engine.handle_command(now, command);
            self.collect(number);
        }
    }

    /// Takes what an engine wants done, and notes when it wants to be called.
    fn collect(&mut self, number: u32) {
        let Some(member) = self.members.get_mut(number as usize) else {
            return;
        };
        while let Some(action) = member.engine.poll_action() {
            match action {
                MnAction::Transmit(packet) => self.outbox.push_back(packet),
                MnAction::Event(event) => {
                    let moved = self.tally.moved;
                    member.note(&event, self.flows, &mut self.tally);
                    if self.tally.moved > moved {
                        let took_ns = monotonic_ns().saturating_sub(member.moved_ns);
                        self.handoffs_ms.push(took_ns as f64 / 1e6);
                    }
                }
            }
        }
        let due_ns = member.engine.poll_timeout();
        if member.wake.map(|(at, _)| at) != due_ns {
            if let Some((_, key)) = member.wake {
                self.wheel.cancel(key);
            }
            member.wake = due_ns.map(|at| (at, self.wheel.schedule(at, number)));
        }
    }
}

impl Member {
    fn note(&mut self, event: &MnEvent, flows: u16, tally: &mut Tally) {
        match event {
            MnEvent::AnchorReady { home_address, .. } => {
                self.home_address = Some(*home_address);
                self.flows += 1;
                tally.ready += usize::from(self.flows == usize::from(flows));
            }
            MnEvent::UpdateSent {
                home_addresses,
                attempt: 1,
                ..
            } if !home_addresses.is_empty() => {
                self.is_updating = true;
                tally.refreshes += u64::from(!self.is_moving);
            }
            MnEvent::Bound { round_trip_ns, .. } if self.is_updating => {
                self.is_updating = false;
                if std::mem::take(&mut self.is_moving) {
                    tally.moved += 1;
                } else {
                    tally.refreshed += 1;
                    tally.refreshed_at_once += u64::from(round_trip_ns.is_some());
                }
            }
            // What follows is another address: that handoff or refresh has failed.
            MnEvent::Unbound { home_addresses, .. } => {
                (self.is_moving, self.is_updating) = (false, false);
                tally.lost += home_addresses.len() as u64;
            }
            _ => {}
        }
    }
}

/// The correspondents of a flow, near to the anchor.
pub fn correspondent(flow: u16) -> Ipv6Net {
    let mut segments = network::COVERED.network().segments();
    segments[3] = flow + 1;
    Ipv6Net::new_assert(segments.into(), 64)
}
