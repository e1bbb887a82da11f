//! Flow rules and further care-of addresses: publish, hand off, remove.

use super::Writer;
use crate::error::{SegmentError, Table};
use crate::flow::{FlowRule, MAX_CARE_OFS, MAX_FLOW_RULES};
use crate::flow_set::FlowSet;
use crate::home_table::HomeTable;
use crate::pool::Retired;
use crate::template::{Account, Template, Tunnel};
use core::net::Ipv6Addr;

impl Writer {
    /// Gives a bound home address these care-of addresses (Binding Identification number and tunnel) beside its default one,
    /// and these flow rules, in the order in which they are to be tried, in place of all it had, by one atomic store. None
    /// of either takes them all away. `false` if `home` is not bound.
    ///
    /// # Errors
    /// [`SegmentError::FlowLimit`] beyond [`MAX_CARE_OFS`] or [`MAX_FLOW_RULES`]; [`SegmentError::NotMetered`] for a limit where
    /// the binding itself is not metered; [`SegmentError::Full`] when as many home
    /// addresses have flow rules as were declared; [`SegmentError::Busy`], as for [`Writer::publish_binding`]. Nothing has
    /// changed then.
    pub fn publish_flows(
        &mut self,
        home: Ipv6Addr,
        care_ofs: &[(u16, Tunnel)],
        rules: &[FlowRule],
    ) -> Result<bool, SegmentError> {
        self.tidy();
        for (what, found, limit) in [
            ("care-of addresses", care_ofs.len(), MAX_CARE_OFS),
            ("flow rules", rules.len(), MAX_FLOW_RULES),
        ] {
            if found > limit {
                return Err(SegmentError::FlowLimit { what, found, limit });
            }
        }
        let Some(entry) = HomeTable(&self.view).find(&home.octets()) else {
            return Ok(false);
        };
        let meter = self.meter_for(home, care_ofs.iter().map(|(_, tunnel)| tunnel))?;
        let set = if care_ofs.is_empty() && rules.is_empty() {
            None
        } else {
            Some(self.new_flow_set(care_ofs, rules, meter, entry.flows())?)
        };
        if let Err(error) = self.set_flows(&entry, set) {
            if let Some(set) = set {
                self.give_back_flow_set(set);
            }
            return Err(error);
        }
        self.flow_sets_in_use += u32::from(set.is_some());
        if let Some(old) = entry.flows() {
            self.retire_flow_set(old);
        }
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

    /// A complete flow set that nobody can reach yet.
    fn new_flow_set(
        &mut self,
        care_ofs: &[(u16, Tunnel)],
        rules: &[FlowRule],
        meter: Option<u32>,
        replaced: Option<u32>,
    ) -> Result<u32, SegmentError> {
        let capacity = self.view.layout.geometry.flow_sets;
        let table = Table::FlowSets;
        if replaced.is_none() && self.flow_sets_in_use >= capacity {
            return Err(SegmentError::Full { table, capacity });
        }
        self.make_space(table, |writer| writer.flow_sets.has_free())?;
        let mut templates = Vec::with_capacity(care_ofs.len());
        for (position, (bid, tunnel)) in care_ofs.iter().enumerate() {
            let account = account(meter, position);
            let before = self.registered(replaced, *bid);
            self.begin_test(tunnel, account, before.as_ref());
            match self.new_template(tunnel, account) {
                Ok(template) => templates.push(template),
                Err(error) => {
                    for template in templates {
                        self.give_back_template(template);
                    }
                    return Err(error);
                }
            }
        }
        self.generation = self.generation.wrapping_add(1);
        let id = self.flow_sets.take().ok_or(SegmentError::Busy { table })?;
        if let Some(set) = self.view.flow_set(id) {
            store(set, self.generation, care_ofs, &templates, rules);
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

    /// Keeps a flow set that readers can no longer find, and its templates, until they have let go of it.
    pub(super) fn retire_flow_set(&mut self, id: u32) {
        for template in self.templates_of(id) {
            self.retire_template(template);
        }
        self.retire(Retired::FlowSet(id));
        self.flow_sets_in_use = self.flow_sets_in_use.saturating_sub(1);
    }
}

/// The account of the care-of address at a position of a flow set.
fn account(meter: Option<u32>, position: usize) -> Account {
    Account {
        meter,
        number: u8::try_from(position + 1).unwrap_or(u8::MAX),
    }
}

fn store(
    set: FlowSet<'_>,
    generation: u64,
    care_ofs: &[(u16, Tunnel)],
    templates: &[u32],
    rules: &[FlowRule],
) {
    for position in 0..MAX_CARE_OFS {
        let bid = care_ofs.get(position).map_or(0, |(bid, _)| *bid);
        set.set_care_of(position, bid, templates.get(position).copied());
    }
    let positions = |bids: &[u16]| {
        care_ofs
            .iter()
            .enumerate()
            .filter(|(_, (bid, _))| bids.contains(bid))
            .fold(0, |mask, (position, _)| mask | 1 << position)
    };
    set.store_rules(
        generation,
        rules
            .iter()
            .map(|rule| (&rule.selector, positions(&rule.bids), rule.discard)),
    );
}
