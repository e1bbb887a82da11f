//! Bindings: publish, hand off, remove.

use super::Writer;
use crate::care_of_filter::CareOfFilter;
use crate::error::{SegmentError, Table};
use crate::home_table::HomeTable;
use crate::pool::Retired;
use crate::template::{Template, Tunnel};
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
        match HomeTable(&self.view).find(&key) {
            Some((entry, _)) => {
                let template = self.new_template(tunnel)?;
                HomeTable(&self.view).set_template(entry.record, template);
                self.retire_template(entry.template);
            }
            None => {
                let capacity = self.view.layout.geometry.home_addresses;
                let table = Table::HomeAddresses;
                if self.bindings >= capacity {
                    return Err(SegmentError::Full { table, capacity });
                }
                self.make_space(table, |writer| writer.records.has_free())?;
                let template = self.new_template(tunnel)?;
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
            ..template.tunnel()
        };
        self.publish_binding(home, &tunnel).map(|()| true)
    }

    /// The binding of `home` as readers see it.
    #[must_use]
    pub fn binding(&self, home: Ipv6Addr) -> Option<Template> {
        let (entry, _) = HomeTable(&self.view).find(&home.octets())?;
        self.view
            .slot(&self.view.layout.templates, entry.template)
            .map(Template::load)
    }

    /// Every binding, in no order: what a new writer compares with its journal.
    pub fn bindings(&self) -> impl Iterator<Item = (Ipv6Addr, Template)> + '_ {
        let homes = HomeTable(&self.view);
        homes.records().filter_map(move |record| {
            let slot = self
                .view
                .slot(&self.view.layout.templates, homes.template(record)?)?;
            Some((homes.key(record)?.into(), Template::load(slot)))
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

    /// A complete template that nobody can reach yet.
    pub(super) fn new_template(&mut self, tunnel: &Tunnel) -> Result<u32, SegmentError> {
        let table = Table::Templates;
        self.make_space(table, |writer| writer.templates.has_free())?;
        let id = self.templates.take().ok_or(SegmentError::Busy { table })?;
        self.generation = self.generation.wrapping_add(1);
        if let Some(slot) = self.view.slot(&self.view.layout.templates, id) {
            Template::new(tunnel, self.generation).store(slot);
        }
        CareOfFilter(&self.view).add(&tunnel.care_of.octets());
        Ok(id)
    }

    /// Keeps a template that readers can no longer find until they have let go of it.
    pub(super) fn retire_template(&mut self, id: u32) {
        self.forget_care_of(id);
        self.retire(Retired::Template(id));
    }

    /// One binding less is at the care-of address of a template.
    pub(super) fn forget_care_of(&mut self, id: u32) {
        if let Some(slot) = self.view.slot(&self.view.layout.templates, id) {
            CareOfFilter(&self.view).remove(&Template::load(slot).destination);
        }
    }
}
