//! Both planes have what the reference has

use std::net::Ipv6Addr;

use dhp_proto::anchor::{BindingView, Kept, UnderTest};
use dhp_segment::Template;

use super::World;
use crate::care_of::care_ofs::{Binding, CareOf, first};
use crate::reference::on_wire;
use crate::site::DHOA_POOLS;
use crate::world::{Difference, ensure};

/// A care-of address, and its test.
type Tested = (Ipv6Addr, Option<UnderTest>);

/// A binding as an operator sees it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    mn: String,
    number: Option<u16>,
    ends_ns: Option<u64>,
    /// Of several the first choice.
    default: Tested,
    /// BID, care-of address and its end.
    several: Vec<(u16, Tested, Option<u64>)>,
}

/// What a journal has of a binding: whose it is, and unless it only rests, its number, its first choice, and BID and address of each
/// care-of address that has one.
type InJournal = (
    String,
    Option<(Option<u16>, Ipv6Addr, Vec<(u16, Ipv6Addr)>)>,
);

impl World<'_> {
    /// Both planes have what the reference has, and so would the journal.
    pub(super) fn check(&self) -> Result<(), Difference> {
        self.check_counts()?;
        for (_, address) in &self.assigned {
            self.check_binding(*address)?;
            self.check_kept(*address)?;
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), Difference> {
        let anchor = self.appliance.signalling.anchor();
        let counts = anchor.counters().care_of_tests();
        ensure(self.model.counts == counts, || {
            format!("expected {:?}, counted {counts:?}", self.model.counts)
        })?;
        let ended = counts.passed + counts.failed + counts.abandoned;
        let pending = self.model.pending() as u64;
        ensure(counts.begun == ended + pending, || {
            format!("{pending} tests are going on: {counts:?}")
        })?;
        let pools = anchor.pools();
        let held = pools
            .filter(|pool| DHOA_POOLS.contains(&pool.prefix))
            .map(|pool| (pool.used, pool.quarantined))
            .fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        let expected = (self.model.bindings().len(), self.model.in_quarantine());
        ensure(held == expected, || {
            format!("bound and in quarantine: {expected:?} expected, {held:?}")
        })
    }

    fn check_binding(&self, address: Ipv6Addr) -> Result<(), Difference> {
        let anchor = self.appliance.signalling.anchor();
        let actual = anchor.binding(self.clock.now(), &address).map(seen);
        let binding = self.model.bindings().get(&address);
        let expected = binding.map(|binding| self.expected(binding));
        ensure(actual == expected, || {
            format!("{address}: expected {expected:?}\nin the anchor {actual:?}")
        })?;
        let actual = self.in_segment(&address);
        let default = expected.as_ref().map(|of| of.default);
        let several = expected.iter().flat_map(|of| &of.several);
        let mut several: Vec<Tested> = several.map(|of| of.1).collect();
        // One that has a BID is like one that has none.
        several.retain(|_| binding.is_some_and(|binding| binding.care_ofs.len() > 1));
        several.sort_by_key(order);
        let expected = (default, several);
        ensure(actual == expected, || {
            format!("{address}: expected {expected:?}\nin the segment {actual:?}")
        })
    }

    /// Of a binding what has passed is kept, or that its DHoA rests.
    fn check_kept(&self, address: Ipv6Addr) -> Result<(), Difference> {
        let Some(binding) = self.model.bindings().get(&address) else {
            return Ok(());
        };
        let passed = binding.without(|_| true, self.now_ns());
        let numbered = passed.iter().filter(|(bid, _)| **bid != 0);
        let numbered = numbered.map(|(bid, care_of)| (*bid, care_of.address));
        let mn = self.nodes[binding.owner].id.to_string();
        let bound = first(&passed).map(|(_, first)| {
            let number = Some(on_wire(binding.number));
            (number, first.address, numbered.collect())
        });
        let expected: InJournal = (mn, bound);
        let anchor = self.appliance.signalling.anchor();
        let kept = anchor.kept(self.clock.now(), address);
        let actual = in_journal(&kept);
        ensure(actual.as_ref() == Some(&expected), || {
            format!("{address}: expected {expected:?}\nto be kept {actual:?}")
        })
    }

    fn expected(&self, binding: &Binding) -> Seen {
        let test = |(bid, care_of): (&u16, &CareOf)| {
            let tested = self.model.tested(binding, *bid);
            let test = care_of.is_under_test.then_some(UnderTest { tested });
            (care_of.address, test)
        };
        let care_ofs = binding.care_ofs.iter();
        let all = care_ofs.map(|of| (*of.0, test(of), Some(of.1.ends_ns)));
        Seen {
            mn: self.nodes[binding.owner].id.to_string(),
            number: Some(on_wire(binding.number)),
            ends_ns: Some(binding.ends_ns()),
            default: test(binding.default()),
            several: all.filter(|_| binding.is_numbered()).collect(),
        }
    }

    /// What workers find: where an address goes, and its further care-of addresses.
    fn in_segment(&self, address: &Ipv6Addr) -> (Option<Tested>, Vec<Tested>) {
        let reader = &self.appliance.reader;
        let by_template = |template: Template| {
            let tested = template.tested.and_then(|id| reader.template(id));
            let tested = tested.map(|template| Ipv6Addr::from(template.destination));
            let test = template.is_tested_now().then_some(UnderTest { tested });
            (Ipv6Addr::from(template.destination), test)
        };
        let entry = reader.lookup_home(&address.octets());
        let default = entry.and_then(|entry| reader.tunnel(&entry));
        let set = entry.and_then(|entry| reader.flow_set(entry.flows()?));
        let several = set.iter().flat_map(|set| set.templates());
        let several = several.filter_map(|id| reader.template(id));
        let mut several: Vec<Tested> = several.map(by_template).collect();
        several.sort_by_key(order);
        (default.map(by_template), several)
    }
}

fn seen(view: BindingView<'_>) -> Seen {
    let several = view.care_ofs.iter();
    let several = several.map(|of| (of.bid, (of.address, of.test), of.expires_ns));
    Seen {
        mn: view.mn.to_string(),
        number: view.sequence,
        ends_ns: view.expires_ns,
        default: (view.care_of, view.test),
        several: several.collect(),
    }
}

/// `None`: nothing.
fn in_journal(kept: &Kept) -> Option<InJournal> {
    match kept {
        Kept::Bound(kept) => {
            let numbered = kept.care_ofs.iter();
            let numbered = numbered.map(|care_of| (care_of.bid, care_of.address));
            let number = kept.changed_by.map(|by| by.number);
            let bound = (number, kept.care_of, numbered.collect());
            Some((kept.mn.to_string(), Some(bound)))
        }
        Kept::Quarantined(kept) => Some((kept.mn.to_string(), None)),
        Kept::Free { .. } => None,
    }
}

fn order((care_of, test): &Tested) -> (Ipv6Addr, Option<Option<Ipv6Addr>>) {
    (*care_of, test.map(|test| test.tested))
}
