//! Bindings: publish, hand off, remove.

use super::Writer;
use super::growth::Homes;
use crate::anchors::Anchors;
use crate::care_of_filter::CareOfFilter;
use crate::carried::Carried;
use crate::error::{SegmentError, Table};
use crate::hash_table::{HashSlot, HashTable};
use crate::home_table::{HomeEntry, HomeTable};
use crate::homes::Homes as ExpectedHomes;
use crate::layout::ANCHORS;
use crate::pool::Retired;
use crate::slot::State;
use crate::table_growth::Grow;
use crate::template::{Account, Template, TestedCareOf, Tunnel};
use core::net::Ipv6Addr;

impl Writer {
    /// Binds `home` to a tunnel, or changes its tunnel: one new template and one atomic store, after which every packet
    /// uses the new one.
    ///
    /// # Errors
    /// [`SegmentError::Full`] when as many home addresses are bound as were declared, and `home` is none of them, or when 256 other
    /// anchor addresses have been used;
    /// [`SegmentError::Busy`] when the workers still hold all that was replaced or removed lately. Nothing has changed
    /// then.
    pub fn publish_binding(&mut self, home: Ipv6Addr, tunnel: &Tunnel) -> Result<(), SegmentError> {
        self.tidy();
        let anchors = Anchors(&self.view);
        anchors
            .number(tunnel.anchor.octets().into())
            .ok_or(SegmentError::Full {
                table: Table::Anchors,
                capacity: ANCHORS as u32,
            })?;
        let key = home.octets();
        match HomeTable(&self.view).find(&key) {
            Some(entry) => self.hand_off(&entry, tunnel),
            None => self.bind(&key, tunnel),
        }
    }

    /// A binding that is not there yet. Nobody has seen its slot, so that a plain one is plain from the beginning.
    fn bind(&mut self, key: &[u8; 16], tunnel: &Tunnel) -> Result<(), SegmentError> {
        let table = Table::HomeAddresses;
        let capacity = self.view.layout.geometry.home_addresses;
        if self.homes.keys >= capacity {
            return Err(SegmentError::Full { table, capacity });
        }
        self.make_space(table, |writer| {
            writer.vacant_slots::<Homes>(&writer.homes) > 0
        })?;
        let account = self.meter_account(tunnel, None)?;
        let template = if tunnel.is_metered() || tunnel.is_loop(key) {
            Some(self.template_for(tunnel, account, None)?)
        } else {
            None
        };
        let slot = HomeTable(&self.view)
            .claim((*key).into())
            .ok_or(SegmentError::Busy { table })?;
        match template {
            Some(template) => self.set_state(slot, template, None),
            None => {
                let generation = self.next_generation();
                let template = Template::new(tunnel, account, None, generation);
                HomeTable(&self.view).settle(slot, &template);
                CareOfFilter(&self.view).add(&template.destination);
            }
        }
        self.homes.keys += 1;
        self.grow::<Homes>();
        Ok(())
    }

    fn hand_off(&mut self, entry: &HomeEntry, tunnel: &Tunnel) -> Result<(), SegmentError> {
        let before = HomeTable(&self.view).tunnel(entry);
        let account = self.meter_account(tunnel, before.as_ref())?;
        let template = self.template_for(tunnel, account, before.as_ref())?;
        let entry = HomeTable(&self.view).now(entry);
        self.set_state(entry.slot, template, entry.flows());
        self.leave_tunnel(&entry, before.as_ref());
        Ok(())
    }

    /// The template of a binding's default care-of address. A meter that was made for it is given back where it cannot be made.
    fn template_for(
        &mut self,
        tunnel: &Tunnel,
        account: Account,
        before: Option<&Template>,
    ) -> Result<u32, SegmentError> {
        self.new_template(tunnel, account).inspect_err(|_| {
            let had = before.and_then(|before| before.meter);
            if let Some(new) = account.meter.filter(|_| had.is_none()) {
                self.give_back_meter(new);
            }
        })
    }

    /// The one store of a handoff: from now on the binding's packets use `template`, which must be complete.
    fn set_state(&mut self, slot: u32, template: u32, flows: Option<u32>) {
        if let Some(slot) = HomeTable(&self.view).slot(slot) {
            slot.set_state(State::ByTemplate { template, flows });
        }
        if flows.is_none() {
            self.retire(Retired::Settling { slot, template });
        }
    }

    /// Gives a binding another flow set, or none. Its default tunnel has to be a template then.
    pub(super) fn set_flows(
        &mut self,
        entry: &HomeEntry,
        flows: Option<u32>,
    ) -> Result<(), SegmentError> {
        let template = match HomeTable(&self.view).now(entry).state.state() {
            Some(State::ByTemplate { template, .. }) => template,
            Some(State::Plain(_)) if flows.is_some() => {
                let Some(before) = HomeTable(&self.view).tunnel(entry) else {
                    return Ok(());
                };
                let template = self.new_template(&before.tunnel(), Account::default())?;
                CareOfFilter(&self.view).remove(&before.destination);
                template
            }
            _ => return Ok(()),
        };
        self.set_state(entry.slot, template, flows);
        Ok(())
    }

    /// Makes a binding plain again, if it is as it was when that was put off: since then every worker has seen that its tunnel is
    /// not where it is written now.
    pub(super) fn settle(&mut self, slot: u32, template: u32) {
        let homes = HomeTable(&self.view);
        if !self.homes.is_settled() && !homes.is_current(slot) {
            // It has moved, and settles there.
            return;
        }
        let state = homes.slot(slot).and_then(|slot| slot.state().state());
        let flows = None;
        if state == Some(State::ByTemplate { template, flows })
            && let Some(tunnel) = self.load(template)
            && homes.settle(slot, &tunnel)
        {
            // Its care-of address stays in use.
            self.retire(Retired::Template(template));
        }
    }

    /// Keeps the tunnel that a binding had until the workers have let go of it.
    fn leave_tunnel(&mut self, entry: &HomeEntry, before: Option<&Template>) {
        match (entry.state.state(), before) {
            (Some(State::ByTemplate { template, .. }), _) => self.retire_template(template),
            (_, Some(before)) => CareOfFilter(&self.view).remove(&before.destination),
            _ => {}
        }
    }

    /// Ends the binding of `home`; `false` if there was none.
    pub fn remove_binding(&mut self, home: Ipv6Addr) -> bool {
        self.tidy();
        let homes = HomeTable(&self.view);
        let Some(entry) = homes.find(&home.octets()) else {
            return false;
        };
        let before = homes.tunnel(&entry);
        homes.remove(entry.slot);
        self.homes.resting = self.homes.resting.saturating_add(1);
        self.retire(Retired::Home(entry.slot));
        if let Some(meter) = before.and_then(|before| before.meter) {
            self.retire_meter(meter);
        }
        self.leave_tunnel(&entry, before.as_ref());
        if let Some(set) = entry.flows() {
            self.end_flow_set(set);
        }
        self.homes.keys = self.homes.keys.saturating_sub(1);
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
        let homes = HomeTable(&self.view);
        homes.tunnel(&homes.find(&home.octets())?)
    }

    /// Looks ahead at home addresses whose bindings will be asked for or changed, at best some sixteen of them: what has to be
    /// fetched from memory for them is fetched all at once.
    pub fn expect_bindings(&self, homes: impl Iterator<Item = Ipv6Addr> + Clone) {
        let table = ExpectedHomes::new(&self.view);
        let place = |home: Ipv6Addr| table.expect(home.octets().into());
        for home in homes.clone() {
            let _ = place(home);
        }
        for home in homes {
            let _ = table.expect_binding(place(home));
        }
    }

    /// What the binding of `home` has carried.
    #[must_use]
    pub fn carried(&self, home: Ipv6Addr) -> Option<Carried> {
        let homes = HomeTable(&self.view);
        let entry = homes.find(&home.octets())?;
        Some(homes.slot(entry.slot)?.carried())
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
        homes
            .entries()
            .filter_map(move |entry| Some((homes.key(entry.slot)?.into(), homes.tunnel(&entry)?)))
    }

    /// Home addresses bound.
    #[must_use]
    pub fn len(&self) -> usize {
        self.homes.keys as usize
    }

    /// Whether no home address is bound.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.homes.keys == 0
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
        let generation = self.next_generation();
        if let Some(place) = self.view.template(id) {
            Template::new(tunnel, account, tested, generation).store(place);
        }
        CareOfFilter(&self.view).add(&tunnel.care_of.octets());
        Ok(id)
    }

    pub(super) fn next_generation(&mut self) -> u64 {
        self.generation = self.generation.wrapping_add(1);
        self.generation
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
