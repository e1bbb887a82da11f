//! The reference: what DMIPv6 profile 1 §3, §4.1 and §4.3, RFC 6275 §10.3, RFC 5648 §6.2 and RFC 6089 §5.3 say an anchor does
//!
//! Plain maps, and no timers: whatever ends has a time, which is compared with the time there is. Slow, so that it is
//! plainly right. It is told what each message says, and says what the answer has to be.

mod dhoa_request;
mod dhp_update;
mod home_update;
mod kept;
mod numbers;
mod reply;
mod request;
mod steering;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use dhp_proto::time::Now;
use dhp_wire::codepoints::DmipType;
use dhp_wire::ipv6::is_unicast_routable;
use dhp_wire::mobility::Mode;

use crate::journal_time::{Distrust, JOURNAL_GUARD, JournalClock};
use crate::message::{Head, Read};
use crate::site::{ANCHOR, DHOA_POOLS, HOME_POOL, MOST_HOME_ADDRESSES, Node};
use kept::Record;
use numbers::HomeNumbers;
pub use numbers::{Association, Order, on_wire};
pub use reply::{Expected, Reply};
pub use steering::{CareOf, Flow};

/// A binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The mobile node's place in the list of all.
    pub owner: usize,
    pub is_dhoa: bool,
    /// Of several the first choice.
    pub care_of: Ipv6Addr,
    /// `None` for never; of several care-of addresses the end of the last.
    pub ends_ns: Option<u64>,
    /// The DMIP message that last changed it.
    pub order: Option<Order>,
    /// The flow that a dedicated DHoA is for.
    pub dedicated: Option<u16>,
    pub modes: Vec<(u16, Mode)>,
    /// By BID; none where there is but one care-of address.
    pub care_ofs: BTreeMap<u16, CareOf>,
    /// By FID.
    pub flows: BTreeMap<u16, Flow>,
    /// Where it was until a moment ago, and when it left: "the previous CoA is good for 2 s more".
    pub previous: Option<(Ipv6Addr, u64)>,
    /// Rises from binding to binding.
    pub since: u64,
}

#[derive(Debug, Clone)]
struct Quarantine {
    owner: usize,
    until_ns: u64,
    since: u64,
}

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Orderly: the journal has everything.
    Orderly,
    /// Without warning: what the journal has may be behind.
    Sudden,
    /// The journal is lost too.
    WithoutJournal,
}

impl Restart {
    /// What it is counted as.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orderly => "orderly restart",
            Self::Sudden => "sudden restart",
            Self::WithoutJournal => "restart without journal",
        }
    }
}

/// The anchor, as it should be.
#[derive(Debug)]
pub struct Model {
    nodes: Vec<Node>,
    now: Now,
    started: Now,
    draining: bool,
    associations: BTreeMap<u32, Association<Expected>>,
    bindings: BTreeMap<Ipv6Addr, Binding>,
    quarantine: BTreeMap<Ipv6Addr, Quarantine>,
    /// The numbers of classic Binding Updates.
    homes: BTreeMap<Ipv6Addr, HomeNumbers>,
    /// What has released an address that belongs to a mobile node for good.
    released_by: BTreeMap<Ipv6Addr, Order>,
    /// What the journal has of every address that is bound or in quarantine.
    kept: BTreeMap<Ipv6Addr, Record>,
    distrust: Distrust,
    journal_clock: JournalClock,
    counted: u64,
    /// Addresses of which something has changed since the last look.
    touched: BTreeSet<Ipv6Addr>,
}

impl Model {
    /// At a first start: there is nothing from before, and that is known.
    pub fn new(nodes: Vec<Node>, now: Now) -> Self {
        let associations = nodes.iter().enumerate().flat_map(|(owner, node)| {
            let of_node = node.associations.iter();
            of_node.map(move |security| (security.spi(), Association::new(owner, security)))
        });
        Self {
            associations: associations.collect(),
            nodes,
            now,
            started: now,
            draining: false,
            bindings: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            homes: BTreeMap::new(),
            released_by: BTreeMap::new(),
            kept: BTreeMap::new(),
            distrust: Distrust::default(),
            journal_clock: JournalClock::begin(now),
            counted: 0,
            touched: BTreeSet::new(),
        }
    }

    pub fn bindings(&self) -> &BTreeMap<Ipv6Addr, Binding> {
        &self.bindings
    }

    /// Bound addresses, and those in quarantine, of a pool.
    pub fn counts(&self, prefix: ipnet::Ipv6Net) -> (usize, usize) {
        let within = |address: &&Ipv6Addr| prefix.contains(*address);
        let bound = self.bindings.keys().filter(within).count();
        (bound, self.quarantine.keys().filter(within).count())
    }

    /// The number of the last classic Binding Update for an address.
    pub fn home_number(&self, address: &Ipv6Addr) -> Option<u16> {
        self.homes.get(address).map(|numbers| numbers.last)
    }

    /// Addresses of which something has changed since the last call.
    pub fn take_touched(&mut self) -> BTreeSet<Ipv6Addr> {
        std::mem::take(&mut self.touched)
    }

    /// Time has come to this.
    pub fn pass(&mut self, now: Now) {
        self.now = now;
        let is_over = |ends_ns: Option<u64>| ends_ns.is_some_and(|at| at <= now.mono_ns);
        for address in self.bindings.keys().copied().collect::<Vec<_>>() {
            let Some(binding) = self.bindings.get_mut(&address) else {
                continue;
            };
            let before = binding.care_ofs.len();
            binding
                .care_ofs
                .retain(|_, care_of| !is_over(care_of.ends_ns));
            let has_less = binding.care_ofs.len() < before;
            if has_less {
                self.touched.insert(address);
            }
            if is_over(binding.ends_ns) {
                self.release(&address);
                continue;
            }
            let before = binding.care_of;
            binding.choose();
            binding.leave(before, now);
            if has_less {
                self.keep(address);
            }
        }
        for (address, _) in self.quarantine.clone() {
            if self.quarantine[&address].until_ns <= now.mono_ns {
                self.quarantine.remove(&address);
                self.be_nobodys(address);
            }
        }
    }

    /// What the operator wants.
    pub fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
    }

    /// The operator ends a binding.
    pub fn end(&mut self, address: &Ipv6Addr) {
        self.release(address);
    }

    /// The anchor starts anew.
    pub fn restart(&mut self, how: Restart, now: Now) {
        self.now = now;
        self.started = now;
        self.draining = false;
        self.released_by.clear();
        self.touched.extend(self.bindings.keys());
        if how == Restart::WithoutJournal {
            self.lose_numbers();
            self.bindings.clear();
            self.quarantine.clear();
            self.kept.clear();
            self.distrust = Distrust::default();
            self.journal_clock = JournalClock::begin(now);
        }
        let guard = if how == Restart::Sudden {
            JOURNAL_GUARD
        } else {
            0
        };
        for association in self.associations.values_mut() {
            association.restart(guard);
        }
        for home in self.homes.values_mut() {
            home.restart(guard);
        }
        self.take_up(how);
    }

    fn lose_numbers(&mut self) {
        self.homes.clear();
        for association in self.associations.values_mut() {
            association.lose_numbers();
        }
    }

    /// Takes a message. `observed` is what came back, which says which of the free addresses was assigned.
    pub fn receive(&mut self, read: &Read, observed: Option<&Read>) -> Expected {
        match read.head {
            Head::Dmip {
                kind: DmipType::DhpQuery,
                ..
            } => Expected::Anything,
            Head::Dmip { .. } => self.request(read, observed),
            Head::Update { .. } => self.home_update(read),
            _ => Expected::Silence("no message for an anchor"),
        }
    }

    /// Which pool an address lies in: `Some(true)` for one of DHoAs.
    fn pool_of(&self, address: &Ipv6Addr) -> Option<bool> {
        let is_dhoa = DHOA_POOLS.iter().any(|pool| pool.contains(address));
        (is_dhoa || HOME_POOL.contains(address)).then_some(is_dhoa)
    }

    /// Whose an address is for good.
    fn owner_for_good(&self, address: &Ipv6Addr) -> Option<usize> {
        let owns = |node: &Node| [node.home, node.own_dhoa].contains(&Some(*address));
        self.nodes.iter().position(owns)
    }

    /// The DHoAs that a mobile node has bound.
    pub fn held(&self, owner: usize) -> impl Iterator<Item = (&Ipv6Addr, &Binding)> {
        let bindings = self.bindings.iter();
        bindings.filter(move |(_, binding)| binding.is_dhoa && binding.owner == owner)
    }

    fn has_room(&self) -> bool {
        self.bindings.len() + self.quarantine.len() < MOST_HOME_ADDRESSES
    }

    /// "A CoA that is not unicast routable: 174 in DMIP messages … a CoA inside a local pool …: 174 in both."
    fn is_local(&self, care_of: &Ipv6Addr) -> bool {
        *care_of == ANCHOR || self.pool_of(care_of).is_some()
    }

    fn is_good_care_of(&self, care_of: &Ipv6Addr) -> bool {
        is_unicast_routable(care_of) && !self.is_local(care_of)
    }

    /// "An assignment ends with its last binding; the DHoA is then quarantined".
    fn release(&mut self, address: &Ipv6Addr) {
        let Some(binding) = self.bindings.remove(address) else {
            return;
        };
        self.touched.insert(*address);
        self.rest(*address, &binding, 0);
    }

    /// Has an address rest whose binding has ended so long ago, if it is one that rests.
    fn rest(&mut self, address: Ipv6Addr, binding: &Binding, ago_ns: u64) {
        let until_ns = self.distrust.end_of_quarantine(self.now.mono_ns, ago_ns);
        if !binding.is_dhoa || self.owner_for_good(&address).is_some() {
            self.kept.remove(&address);
        } else if until_ns > self.now.mono_ns {
            self.counted += 1;
            let quarantine = Quarantine {
                owner: binding.owner,
                until_ns,
                since: self.counted,
            };
            self.quarantine.insert(address, quarantine);
            self.keep(address);
        } else {
            self.be_nobodys(address);
        }
    }

    /// "before another MN can get it": who begins with numbers of its own.
    fn be_nobodys(&mut self, address: Ipv6Addr) {
        self.homes.remove(&address);
        self.kept.remove(&address);
    }

    /// A DMIP message has released an address.
    fn release_by(&mut self, address: &Ipv6Addr, order: Order) {
        self.release(address);
        if self.owner_for_good(address).is_some() {
            self.released_by.insert(*address, order);
        }
    }

    /// Makes a binding, or changes it in place.
    fn bind(&mut self, address: Ipv6Addr, owner: usize, change: impl FnOnce(&mut Binding)) {
        let is_dhoa = self.pool_of(&address) == Some(true);
        self.counted += 1;
        self.touched.insert(address);
        self.quarantine.remove(&address);
        let before = self.bindings.get(&address).map(|binding| binding.care_of);
        let now = self.now;
        let binding = self.bindings.entry(address).or_insert(Binding {
            owner,
            is_dhoa,
            care_of: Ipv6Addr::UNSPECIFIED,
            ends_ns: None,
            order: None,
            dedicated: None,
            modes: Vec::new(),
            care_ofs: BTreeMap::new(),
            flows: BTreeMap::new(),
            previous: None,
            since: self.counted,
        });
        change(binding);
        binding.choose();
        binding.leave(before.unwrap_or(binding.care_of), now);
        self.keep(address);
    }

    /// When what is granted now for so many units of 4 seconds ends.
    fn end_of(&self, lifetime: u16) -> Option<u64> {
        (lifetime != u16::MAX).then(|| self.now.mono_ns + u64::from(lifetime) * 4_000_000_000)
    }

    /// What is left of a binding, in whole units, and at least one.
    fn remaining(&self, binding: &Binding) -> u16 {
        let Some(ends_ns) = binding.ends_ns else {
            return u16::MAX;
        };
        let units = (ends_ns - self.now.mono_ns) / 4_000_000_000;
        u16::try_from(units).expect("a granted lifetime").max(1)
    }
}
