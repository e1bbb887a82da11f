//! Flow rules and further care-of addresses: publish, hand off, remove.

use super::Writer;
use super::flow_compile::{Compiled, Positions};
use super::flow_staging::Staged;
use crate::error::{SegmentError, Table};
use crate::flow::{FlowRule, MAX_CARE_OFS, MAX_FLOW_RULES};
use crate::flow_set::FlowSet;
use crate::home_table::HomeTable;
use crate::layout::header_word;
use crate::pool::Retired;
use crate::sync::Ordering;
use crate::template::{Account, Template, Tunnel};
use core::net::Ipv6Addr;

impl Writer {
    /// Gives a bound home address these care-of addresses (Binding Identification number and tunnel) beside its default one,
    /// and these flow rules, in the order in which they are to be tried, in place of all it had, by one atomic store. None
    /// of either takes them all away. `false` if `home` is not bound.
    ///
    /// Rules whose selector is an exact flow's ([`FlowSelector::exact`](crate::FlowSelector::exact)) go to the table of flows, however
    /// many there are; all others, and each second rule for the same flow, to the list.
    ///
    /// # Errors
    /// [`SegmentError::FlowLimit`] beyond [`MAX_CARE_OFS`], or beyond [`MAX_FLOW_RULES`] in the list; [`SegmentError::NotMetered`] for
    /// a limit where the binding itself is not metered; [`SegmentError::Full`] when as many home addresses have flow rules, or as many
    /// flows, as were declared; [`SegmentError::Busy`], as for [`Writer::publish_binding`], and where workers still hold what the
    /// exact flows said before the last time. Nothing has changed then.
    pub fn publish_flows(
        &mut self,
        home: Ipv6Addr,
        care_ofs: &[(u16, Tunnel)],
        rules: &[FlowRule],
    ) -> Result<bool, SegmentError> {
        self.tidy();
        check_limit("care-of addresses", care_ofs.len(), MAX_CARE_OFS)?;
        let Some(entry) = HomeTable(&self.view).find(&home.octets()) else {
            return Ok(false);
        };
        let replaced = entry.flows();
        let replaced_set = replaced.and_then(|id| self.view.flow_set(id));
        let positions = Positions::new(care_ofs, replaced_set);
        let compiled = Compiled::new(home, rules, &positions);
        check_limit("flow rules", compiled.list.len(), MAX_FLOW_RULES)?;
        let meter = self.meter_for(home, care_ofs.iter().map(|(_, tunnel)| tunnel))?;
        if care_ofs.is_empty() && rules.is_empty() {
            self.set_flows(&entry, None)?;
            if let Some(old) = replaced {
                self.end_flow_set(old);
            }
            return Ok(true);
        }
        let had = replaced_set.and_then(FlowSet::flows);
        self.make_space_for_set(replaced)?;
        let staged = self.stage_flows(had, &compiled.flows)?;
        let set = self.new_flow_set(&positions, &compiled, meter, replaced, &staged);
        let published = set.and_then(|set| {
            self.set_flows(&entry, Some(set))
                .inspect_err(|_| self.give_back_flow_set(set))
        });
        if let Err(error) = published {
            self.unstage(&staged);
            return Err(error);
        }
        self.count_flow_sets(self.flow_sets_in_use.saturating_add(1));
        if let Some(old) = replaced {
            self.retire_flow_set(old);
        }
        self.settle_staged(&staged);
        Ok(true)
    }

    /// Hands off one care-of address of `home`: one new template and one atomic store, however many rules name it. `None`
    /// takes it away. `false` if there is no such care-of address.
    ///
    /// # Errors
    /// [`SegmentError::Busy`], as for [`Writer::publish_binding`].
    pub fn set_care_of(
        &mut self,
        home: Ipv6Addr,
        bid: u16,
        tunnel: Option<&Tunnel>,
    ) -> Result<bool, SegmentError> {
        self.tidy();
        let place = HomeTable(&self.view)
            .find(&home.octets())
            .and_then(|entry| entry.flows())
            .and_then(|id| Some((id, self.view.flow_set(id)?.position(bid)?)));
        let Some((id, position)) = place else {
            return Ok(false);
        };
        let meter = self.meter_for(home, tunnel.into_iter())?;
        let account = account(meter, position);
        let old = self
            .view
            .flow_set(id)
            .and_then(|set| set.template(position));
        let template = match tunnel {
            Some(tunnel) => {
                let before = old.and_then(|old| self.load(old));
                self.begin_test(tunnel, account, before.as_ref());
                Some(self.new_template(tunnel, account)?)
            }
            None => None,
        };
        let Some(set) = self.view.flow_set(id) else {
            return Ok(false);
        };
        set.set_care_of(position, bid, template);
        if template.is_none() {
            // Rules that led there alone are skipped from now on.
            self.generation = self.generation.wrapping_add(1);
            set.set_generation(self.generation);
        }
        if let Some(old) = old {
            self.retire_template(old);
        }
        Ok(true)
    }

    /// Workers look for flow sets where there are any.
    pub(super) fn count_flow_sets(&mut self, count: u32) {
        self.flow_sets_in_use = count;
        if let Some(word) = self.view.word(header_word::FLOW_SETS) {
            word.store(count.into(), Ordering::Relaxed);
        }
    }

    /// Makes sure that a home address can have a set, in place of `replaced` or as one more.
    fn make_space_for_set(&mut self, replaced: Option<u32>) -> Result<(), SegmentError> {
        let capacity = self.view.layout.geometry.flow_sets;
        let table = Table::FlowSets;
        if replaced.is_none() && self.flow_sets_in_use >= capacity {
            return Err(SegmentError::Full { table, capacity });
        }
        self.make_space(table, |writer| {
            writer.flow_sets.has_free() && (replaced.is_some() || writer.flow_owners.has_free())
        })
    }

    /// A complete flow set that nobody can reach yet.
    fn new_flow_set(
        &mut self,
        positions: &Positions<'_>,
        compiled: &Compiled<'_>,
        meter: Option<u32>,
        replaced: Option<u32>,
        staged: &Staged,
    ) -> Result<u32, SegmentError> {
        let table = Table::FlowSets;
        let mut templates = Vec::new();
        for (position, (bid, tunnel)) in positions.iter() {
            let account = account(meter, position);
            let before = self.registered(replaced, *bid);
            self.begin_test(tunnel, account, before.as_ref());
            match self.new_template(tunnel, account) {
                Ok(template) => templates.push((position, *bid, template)),
                Err(error) => {
                    for (_, _, template) in templates {
                        self.give_back_template(template);
                    }
                    return Err(error);
                }
            }
        }
        self.generation = self.generation.wrapping_add(1);
        let id = self.flow_sets.take().ok_or(SegmentError::Busy { table })?;
        if let Some(set) = self.view.flow_set(id) {
            for position in 0..MAX_CARE_OFS {
                set.set_care_of(position, 0, None);
            }
            for (position, bid, template) in templates {
                set.set_care_of(position, bid, Some(template));
            }
            set.set_flows(staged.owner, staged.side);
            set.set_flow_count(staged.len);
            set.store_rules(self.generation, compiled.list.iter().copied());
        }
        Ok(id)
    }

    /// The meter of a home address, which what is limited needs.
    fn meter_for<'t>(
        &self,
        home: Ipv6Addr,
        mut tunnels: impl Iterator<Item = &'t Tunnel>,
    ) -> Result<Option<u32>, SegmentError> {
        let meter = self.binding(home).and_then(|template| template.meter);
        if meter.is_none() && tunnels.any(Tunnel::is_metered) {
            return Err(SegmentError::NotMetered(home));
        }
        Ok(meter)
    }

    /// The template of a BID's care-of address in a flow set.
    fn registered(&self, flow_set: Option<u32>, bid: u16) -> Option<Template> {
        let set = self.view.flow_set(flow_set?)?;
        self.load(set.template(set.position(bid)?)?)
    }

    /// Gives back a flow set that no reader has seen, and its templates.
    fn give_back_flow_set(&mut self, id: u32) {
        for template in self.templates_of(id) {
            self.give_back_template(template);
        }
        self.flow_sets.give(id);
    }

    fn templates_of(&self, flow_set: u32) -> Vec<u32> {
        self.view
            .flow_set(flow_set)
            .map(|set| set.templates().collect())
            .unwrap_or_default()
    }

    /// Keeps the flow set of a home address that has none any more, and all that belongs to it, until the workers have let go of it.
    pub(super) fn end_flow_set(&mut self, id: u32) {
        // Before the set: there are as many numbers of owners as sets.
        if let Some((owner, _)) = self.view.flow_set(id).and_then(FlowSet::flows) {
            self.retire_flows(owner);
        }
        self.retire_flow_set(id);
    }

    /// Keeps a flow set that readers can no longer find, and its templates, until they have let go of it.
    pub(super) fn retire_flow_set(&mut self, id: u32) {
        for template in self.templates_of(id) {
            self.retire_template(template);
        }
        self.retire(Retired::FlowSet(id));
        self.count_flow_sets(self.flow_sets_in_use.saturating_sub(1));
    }
}

/// The account of the care-of address at a position of a flow set.
fn account(meter: Option<u32>, position: usize) -> Account {
    Account {
        meter,
        number: u8::try_from(position + 1).unwrap_or(u8::MAX),
    }
}

fn check_limit(what: &'static str, found: usize, limit: usize) -> Result<(), SegmentError> {
    if found > limit {
        return Err(SegmentError::FlowLimit { what, found, limit });
    }
    Ok(())
}
