//! The reference: what DMIPv6 profile 1 §6.4 says becomes of DHoAs
//!
//! Plain maps of what is bound and of what is tested, and no timers: whatever ends has a time.

mod dhoas;
mod kept;
mod request;
mod trials;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use dhp_proto::anchor::CareOfTestCounters;
use dhp_proto::time::Now;

use super::answer::Answer;
use super::care_ofs::Binding;
use crate::journal_time::{Distrust, JournalClock};
use crate::reference::Association;
use crate::site::Node;
use kept::Record;
use request::Request;
use trials::Trial;

/// The anchor, as it should be.
#[derive(Debug)]
pub struct Model {
    nodes: Vec<Node>,
    now: Now,
    started: Now,
    bindings: BTreeMap<Ipv6Addr, Binding>,
    /// By mobile node and care-of address.
    trials: BTreeMap<(usize, Ipv6Addr), Trial>,
    /// Owner, and until when.
    quarantine: BTreeMap<Ipv6Addr, (usize, u64)>,
    /// The numbers that were used, by SPI.
    associations: BTreeMap<u32, Association<Vec<Answer>>>,
    /// Cookies that have been given out.
    given: BTreeSet<Vec<u8>>,
    pub counts: CareOfTestCounters,
    /// DHoAs of which the journal has to be told.
    touched: BTreeSet<Ipv6Addr>,
    kept: BTreeMap<Ipv6Addr, Record>,
    distrust: Distrust,
    journal_clock: JournalClock,
}

impl Model {
    /// At a first start. Mobile nodes use the first of their security associations alone.
    pub fn new(nodes: Vec<Node>, now: Now) -> Self {
        let associations = nodes.iter().enumerate().map(|(owner, node)| {
            let security = &node.associations[0];
            (security.spi(), Association::new(owner, security))
        });
        Self {
            associations: associations.collect(),
            nodes,
            now,
            started: now,
            bindings: BTreeMap::new(),
            trials: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            given: BTreeSet::new(),
            counts: CareOfTestCounters::default(),
            touched: BTreeSet::new(),
            kept: BTreeMap::new(),
            distrust: Distrust::default(),
            journal_clock: JournalClock::begin(now),
        }
    }

    pub fn bindings(&self) -> &BTreeMap<Ipv6Addr, Binding> {
        &self.bindings
    }

    pub fn binding_mut(&mut self, address: &Ipv6Addr) -> Option<&mut Binding> {
        self.bindings.get_mut(address)
    }

    pub fn in_quarantine(&self) -> usize {
        self.quarantine.len()
    }

    /// Time passes, and everything ends in its order.
    pub fn pass(&mut self, now: Now) {
        loop {
            let trial = self.trials.iter().min_by_key(|(_, trial)| trial.ends_ns);
            let trial = trial.map(|(key, trial)| (trial.ends_ns, *key));
            let ends = self.bindings.iter().flat_map(|(address, binding)| {
                let care_ofs = binding.care_ofs.values();
                care_ofs.map(move |care_of| (care_of.ends_ns, *address))
            });
            let care_of = ends.min();
            let next = [trial.map(|of| of.0), care_of.map(|of| of.0)];
            let Some(at_ns) = next
                .into_iter()
                .flatten()
                .min()
                .filter(|at| *at <= now.mono_ns)
            else {
                break;
            };
            self.now = Now {
                mono_ns: at_ns,
                ..now
            };
            match (trial, care_of) {
                (Some((ends_ns, (owner, care_of))), _) if ends_ns == at_ns => {
                    self.fail(owner, care_of);
                }
                (_, Some((_, address))) => self.expire(address),
                (_, None) => unreachable!("something ends"),
            }
        }
        self.now = now;
        self.quarantine.retain(|address, (_, until_ns)| {
            let rests = *until_ns > now.mono_ns;
            if !rests {
                self.touched.insert(*address);
            }
            rests
        });
        self.keep_touched();
    }

    /// The lifetimes of care-of addresses have passed.
    fn expire(&mut self, address: Ipv6Addr) {
        let binding = self.bindings.get_mut(&address).expect("bound");
        let mut left = binding.care_ofs.clone();
        left.retain(|_, care_of| care_of.ends_ns > self.now.mono_ns);
        if left.is_empty() {
            self.end(address);
        } else {
            binding.change_to(left);
            self.touched.insert(address);
            self.abandon();
        }
    }

    /// A binding ends, and its DHoA rests.
    fn end(&mut self, address: Ipv6Addr) {
        if let Some(binding) = self.bindings.remove(&address) {
            self.rest(address, binding.owner, 0);
        }
        self.abandon();
    }

    fn association(&mut self, request: &Request<'_>) -> &mut Association<Vec<Answer>> {
        let association = self.associations.get_mut(&request.spi);
        association.expect("that of a mobile node")
    }
}
