//! Bindings: publish, hand off, remove.

use super::Writer;
use crate::care_of_filter::CareOfFilter;
use crate::error::{SegmentError, Table};
use crate::home_table::HomeTable;
use crate::pool::Retired;
use crate::template::{Account, Template, TestedCareOf, Tunnel};
use core::net::Ipv6Addr;

impl Writer {
    /// Binds `home` to a tunnel, or changes its tunnel: one new template and one atomic store, after which every packet
    /// uses the new one.
    ///
    /// # Errors
    /// [`SegmentError::Full`] when as many home addresses are bound as were declared, and `home` is none of them;
    /// [`SegmentError::Busy`] when the workers still hold all that was replaced or removed lately. Nothing has changed
    /// then.
    pub fn publish_binding(&mut self, home: Ipv6Addr, tunnel: &Tunnel) -> Result<(), SegmentError> {
        self.tidy();
        let key = home.octets();
        let found = HomeTable(&self.view).find(&key).map(|(entry, _)| entry);
        let table = Table::HomeAddresses;
        if found.is_none() {
            let capacity = self.view.layout.geometry.home_addresses;
            if self.bindings >= capacity {
                return Err(SegmentError::Full { table, capacity });
            }
            self.make_space(table, |writer| writer.records.has_free())?;
        }
        let before = found.and_then(|entry| self.load(entry.template));
        let account = self.meter_account(tunnel, before.as_ref())?;
        let template = match self.new_template(tunnel, account) {
            Ok(template) => template,
            Err(error) => {
                let had = before.and_then(|before| before.meter);
                if let Some(new) = account.meter.filter(|_| had.is_none()) {
                    self.give_back_meter(new);
                }
                return Err(error);
            }
        };
        match found {
            Some(entry) => {
                HomeTable(&self.view).set_template(entry.record, template);
                self.retire_template(entry.template);
            }
            None => {
                let record = self.records.take().ok_or(SegmentError::Busy { table })?;
                HomeTable(&self.view).insert(&key, record, template);
                self.bindings += 1;
            }
        }
        Ok(())
    }

    /// Ends the binding of `home`; `false` if there was none.
    pub fn remove_binding(&mut self, home: Ipv6Addr) -> bool {
        self.tidy();
        let key = home.octets();
        let homes = HomeTable(&self.view);
        let Some((entry, place)) = homes.find(&key) else {
            return false;
        };
        homes.remove(&key, entry.record, place);
        self.retire(Retired::Record(entry.record));
        if let Some(meter) = self
            .load(entry.template)
            .and_then(|template| template.meter)
        {
            self.retire_meter(meter);
        }
        self.retire_template(entry.template);
        if let Some(set) = entry.flows {
            self.retire_flow_set(set);
        }
        self.bindings = self.bindings.saturating_sub(1);
        true
    }

    /// Gives a binding another next hop and MTU, its addresses as they are; `false` if there is none.
    ///
    /// # Errors
    /// [`SegmentError::Busy`], as for [`Writer::publish_binding`].
    pub fn retarget(
        &mut self,
        home: Ipv6Addr,
        next_hop: u32,
        mtu: u16,
    ) -> Result<bool, SegmentError> {
        let Some(template) = self.binding(home) else {
            return Ok(false);
        };
        let tunnel = Tunnel {
            next_hop,
            mtu,
            ..self.describe(&template)
        };
        self.publish_binding(home, &tunnel).map(|()| true)
    }

    /// The binding of `home` as readers see it.
    #[must_use]
    pub fn binding(&self, home: Ipv6Addr) -> Option<Template> {
        let (entry, _) = HomeTable(&self.view).find(&home.octets())?;
        self.load(entry.template)
    }

    pub(super) fn load(&self, template: u32) -> Option<Template> {
        self.view.load_template(template)
    }

    /// The description that would make this template again.
    fn describe(&self, template: &Template) -> Tunnel {
        let mut tunnel = template.tunnel();
        if let Some(test) = &mut tunnel.test {
            let tested = template.tested.and_then(|tested| self.load(tested));
            test.tested = tested.map(|tested| TestedCareOf {
                care_of: tested.destination.into(),
                next_hop: tested.next_hop,
                mtu: tested.mtu,
            });
        }
        tunnel
    }

    /// Every binding, in no order: what a new writer compares with its journal.
    pub fn bindings(&self) -> impl Iterator<Item = (Ipv6Addr, Template)> + '_ {
        let homes = HomeTable(&self.view);
        homes.records().filter_map(move |record| {
            let template = self.load(homes.template(record)?)?;
            Some((homes.key(record)?.into(), template))
        })
    }

    /// Home addresses bound.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bindings as usize
    }

    /// Whether no home address is bound.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bindings == 0
    }

    /// A complete template that nobody can reach yet, and with it that of the tested care-of address, if there is one.
    pub(super) fn new_template(
        &mut self,
        tunnel: &Tunnel,
        account: Account,
    ) -> Result<u32, SegmentError> {
        let tested = match tunnel.to_tested() {
            Some(tested) => Some(self.one_template(&tested, account, None)?),
            None => None,
        };
        let template = self.one_template(tunnel, account, tested);
        if let (Err(_), Some(tested)) = (&template, tested) {
            self.give_back_template(tested);
        }
        template
    }

    fn one_template(
        &mut self,
        tunnel: &Tunnel,
        account: Account,
        tested: Option<u32>,
    ) -> Result<u32, SegmentError> {
        let table = Table::Templates;
        self.make_space(table, |writer| writer.templates.has_free())?;
        let id = self.templates.take().ok_or(SegmentError::Busy { table })?;
        self.generation = self.generation.wrapping_add(1);
        if let Some(slot) = self.view.template(id) {
            Template::new(tunnel, account, tested, self.generation).store(slot);
        }
        CareOfFilter(&self.view).add(&tunnel.care_of.octets());
        Ok(id)
    }

    /// Keeps a template that readers can no longer find, and what it names, until they have let go of it.
    pub(super) fn retire_template(&mut self, id: u32) {
        for id in self.with_tested(id) {
            self.forget_care_of(id);
            self.retire(Retired::Template(id));
        }
    }

    /// Gives back a template that no reader has seen, and what it names.
    pub(super) fn give_back_template(&mut self, id: u32) {
        for id in self.with_tested(id) {
            self.forget_care_of(id);
            self.templates.give(id);
        }
    }

    fn with_tested(&self, id: u32) -> impl Iterator<Item = u32> + use<> {
        let tested = self.load(id).and_then(|template| template.tested);
        [Some(id), tested].into_iter().flatten()
    }

    /// One binding less is at the care-of address of a template.
    fn forget_care_of(&mut self, id: u32) {
        if let Some(template) = self.load(id) {
            CareOfFilter(&self.view).remove(&template.destination);
        }
    }
}
