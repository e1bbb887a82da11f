//! What has to hold after every step

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use dhp_proto::anchor::{BindingView, PoolKind};
use dhp_segment::{FlowKey, FlowVerdict, MAX_CARE_OFS};

use crate::reference::{Binding, CareOf, Flow, on_wire};
use crate::site::{ANCHOR, CORRESPONDENT, NODES, care_of};
use crate::world::{Difference, World, ensure};

/// Every so many turns everything is looked at, in between what has changed.
const ALL_EVERY: u64 = 64;
/// "the previous CoA is good for 2 s more"
const PREVIOUS_NS: u64 = 2_000_000_000;
/// Addresses that are looked at by packets after a turn.
const PROBED: usize = 2;

impl World<'_> {
    /// The anchor and the segment have what the reference has, as far as something may have changed.
    pub fn check(&mut self) -> Result<(), Difference> {
        let touched: Vec<Ipv6Addr> = self.model.take_touched().into_iter().collect();
        self.turns += 1;
        self.coverage.bound(self.model.bindings().len());
        self.check_counts()?;
        for address in &touched {
            self.check_address(address)?;
            self.note_care_ofs(*address);
        }
        let bound = self.model.bindings();
        let turn = usize::try_from(self.turns).expect("few");
        let others = bound.keys().nth(turn % bound.len().max(1)).copied();
        let probed = touched.iter().take(PROBED).copied().chain(others);
        for address in probed.collect::<Vec<_>>() {
            self.probe(address)?;
        }
        if self.turns.is_multiple_of(ALL_EVERY) {
            self.check_all()?;
        }
        Ok(())
    }

    /// The same of everything that ever was bound.
    pub fn check_all(&mut self) -> Result<(), Difference> {
        let known = self.ledger.addresses().chain(self.model.bindings().keys());
        let known: BTreeSet<Ipv6Addr> = known.copied().collect();
        for address in known {
            self.check_address(&address)?;
        }
        self.check_counts()
    }

    fn check_counts(&self) -> Result<(), Difference> {
        let bound = self.model.bindings().len();
        let anchor = self.appliance.signalling.anchor();
        for pool in anchor.pools() {
            let expected = self.model.counts(pool.prefix);
            ensure(expected == (pool.used, pool.quarantined), || {
                format!("bound and in quarantine: {expected:?} expected, {pool:?}")
            })?;
        }
        let tables = self.appliance.signalling.forwarding().pressure();
        let entries = tables.iter().find(|(name, ..)| *name == "home_addresses");
        let entries = entries.map(|(_, entries, _)| *entries);
        ensure(entries == Some(bound as u64), || {
            format!("{bound} bound, in the segment {entries:?}")
        })?;
        let unplaced = self.appliance.signalling.counters().unplaced;
        ensure(unplaced == 0, || {
            format!("the segment had no room for {unplaced}")
        })
    }

    fn check_address(&mut self, address: &Ipv6Addr) -> Result<(), Difference> {
        let now = self.clock.now();
        let expected = self.model.bindings().get(address).cloned();
        let view = self.appliance.signalling.anchor().binding(now, address);
        if let Some(view) = &view {
            self.ledger.enter(*address, view.mn, now.mono_ns)?;
        }
        let actual = view
            .as_ref()
            .map(|view| as_binding(view, expected.as_ref()));
        ensure(actual == expected, || {
            format!("{address}: expected {expected:?}\nin the anchor {actual:?}")
        })?;
        let number = self.model.home_number(address);
        let actual = view.map(|view| (view.home_sequence, view.sequence));
        let order = expected
            .as_ref()
            .map(|binding| binding.order.map(|order| on_wire(order.number)));
        ensure(actual == order.map(|order| (number, order)), || {
            format!("{address}: numbers {number:?}, {order:?} expected: {actual:?}")
        })?;
        self.check_segment(address, expected.as_ref())
    }

    /// The segment has what the binding says: the default care-of address, and for each of a few packets where it goes.
    fn check_segment(
        &self,
        address: &Ipv6Addr,
        expected: Option<&Binding>,
    ) -> Result<(), Difference> {
        let reader = &self.appliance.reader;
        let entry = reader.lookup_home(&address.octets());
        ensure(entry.is_some() == expected.is_some(), || {
            format!("{address} in the segment: {entry:?}, bound: {expected:?}")
        })?;
        let (Some(entry), Some(binding)) = (entry, expected) else {
            return Ok(());
        };
        let tunnel = reader.tunnel(&entry).map(|template| template.tunnel());
        let ends = tunnel.map(|tunnel| (tunnel.anchor, tunnel.care_of));
        ensure(ends == Some((ANCHOR, binding.care_of)), || {
            format!(
                "{address} should go to {}, tunnel {ends:?}",
                binding.care_of
            )
        })?;
        let set = entry.flows().and_then(|id| reader.flow_set(id));
        let address_of = |id| {
            let template = reader.template(id)?;
            Some(Ipv6Addr::from(template.destination))
        };
        let further: Option<Vec<_>> =
            set.map(|set| set.templates().filter_map(address_of).collect());
        let mut further = further.unwrap_or_default();
        further.sort_unstable();
        let expected = binding.care_ofs.values().map(|care_of| care_of.address);
        let mut expected: Vec<_> = expected.filter(|_| binding.care_ofs.len() > 1).collect();
        expected.sort_unstable();
        ensure(further == expected, || {
            format!("{address} should have {expected:?} in its flow set: {further:?}")
        })?;
        for key in flow_keys(*address) {
            let verdict = set.map_or(FlowVerdict::Default, |set| {
                match reader.find_flow(set, &key) {
                    Some(flow) => set.overrules(&key, &flow).unwrap_or(flow.verdict),
                    None => set.verdict(&key),
                }
            });
            let goes_to: BTreeSet<Ipv6Addr> = match (verdict, set) {
                (FlowVerdict::CareOfs(mask), Some(set)) => (0..MAX_CARE_OFS)
                    .filter(|position| mask >> position & 1 == 1)
                    .filter_map(|position| address_of(set.template(position)?))
                    .collect(),
                _ => BTreeSet::from([binding.care_of]),
            };
            let expected = binding.care_ofs_for(&key);
            ensure(goes_to == expected, || {
                format!("{key:?} should go to {expected:?}, goes to {goes_to:?}")
            })?;
        }
        Ok(())
    }

    /// Packets from and to an address: they get where its mobile node is, and nowhere else.
    fn probe(&mut self, address: Ipv6Addr) -> Result<(), Difference> {
        let binding = self.model.bindings().get(&address).cloned();
        // Where there is but one way, one packet tells.
        let is_split = binding
            .as_ref()
            .is_some_and(|binding| binding.care_ofs.len() > 1);
        let keys = flow_keys(address).take(if is_split { usize::MAX } else { 1 });
        for key in keys {
            self.appliance.send_on_cn(&datagram(&key));
            let out = self.appliance.take_from_core();
            let expected = binding.as_ref().map(|binding| binding.care_ofs_for(&key));
            let expected = expected.unwrap_or_default();
            let goes_to: Vec<_> = out.iter().map(|packet| ends(packet)).collect();
            let care_ofs: BTreeSet<_> = goes_to.iter().map(|(_, to)| *to).collect();
            let from_here = goes_to.iter().all(|(from, _)| *from == ANCHOR);
            let is_good = care_ofs == expected && from_here && out.len() <= expected.len().max(1);
            ensure(is_good, || {
                format!("{key:?} should leave to {expected:?}, has left by {goes_to:?}")
            })?;
            self.coverage.probe(match expected.len() {
                0 => "to an address that is not bound",
                1 => "to a mobile node",
                _ => "to several care-of addresses",
            });
            self.appliance.take_from_cn();
        }
        let own = binding
            .as_ref()
            .map(Binding::all_care_ofs)
            .unwrap_or_default();
        for care_of in &own {
            self.coverage.probe("from a mobile node");
            ensure(self.arrives(address, *care_of), || {
                format!("what {address} has sent from {care_of} does not arrive")
            })?;
        }
        let now_ns = self.clock.now().mono_ns;
        let previous = binding.as_ref().and_then(|binding| binding.previous);
        let previous = previous.filter(|(care_of, _)| !own.contains(care_of));
        if let Some((care_of, left_ns)) = previous
            && now_ns < left_ns + PREVIOUS_NS
        {
            self.coverage.probe("from where a mobile node was just now");
            ensure(self.arrives(address, care_of), || {
                format!("what {address} has sent from {care_of} before its handoff is lost")
            })?;
        }
        let turn = usize::try_from(self.turns).expect("few");
        let others = self
            .model
            .bindings()
            .values()
            .nth(turn % self.model.bindings().len().max(1));
        let another = others.map(|other| other.care_of);
        let never = care_of(turn % NODES, 9);
        for care_of in another.into_iter().chain([never]) {
            if !own.contains(&care_of) && !self.may_be_recent(address, care_of) {
                self.coverage.probe("from a stranger");
                ensure(!self.arrives(address, care_of), || {
                    format!("what was sent from {care_of} counts as from {address}")
                })?;
            }
        }
        Ok(())
    }

    /// Whether the address may have been bound there within the last 2 s: "the previous CoA is good for 2 s more".
    fn may_be_recent(&self, address: Ipv6Addr, care_of: Ipv6Addr) -> bool {
        let left_ns = self.left_ns.get(&(address, care_of));
        left_ns.is_some_and(|at_ns| self.clock.now().mono_ns <= at_ns + PREVIOUS_NS)
    }

    fn note_care_ofs(&mut self, address: Ipv6Addr) {
        let now_ns = self.clock.now().mono_ns;
        let binding = self.model.bindings().get(&address);
        let care_ofs = binding.map(Binding::all_care_ofs).unwrap_or_default();
        let before = self
            .bound_at
            .insert(address, care_ofs.clone())
            .unwrap_or_default();
        for left in before.difference(&care_ofs) {
            self.left_ns.insert((address, *left), now_ns);
        }
    }

    /// Whether a packet from this address through a tunnel from there gets to the correspondent.
    fn arrives(&mut self, address: Ipv6Addr, care_of: Ipv6Addr) -> bool {
        let mut packet = vec![0x60, 0, 0, 0, 0, 56, 41, 64];
        packet.extend(care_of.octets());
        packet.extend(ANCHOR.octets());
        packet.extend([0x60, 0, 0, 0, 0, 16, 17, 64]);
        packet.extend(address.octets());
        packet.extend(CORRESPONDENT.octets());
        packet.extend([0, 53, 0, 53, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.appliance.send_on_core(&packet);
        let arrived = self.appliance.take_from_cn();
        arrived
            .iter()
            .any(|packet| ends(packet) == (address, CORRESPONDENT))
    }
}

/// A binding of the anchor in the reference's words. What says in which order bindings were made is the reference's own.
fn as_binding(view: &BindingView<'_>, expected: Option<&Binding>) -> Binding {
    let care_ofs = view.care_ofs.iter().map(|care_of| {
        let of_bid = CareOf {
            priority: care_of.priority,
            address: care_of.address,
            ends_ns: care_of.expires_ns,
        };
        (care_of.bid, of_bid)
    });
    let flows = view.flow_bindings.iter().map(|flow| {
        let of_fid = Flow {
            priority: flow.priority,
            selector: flow.selector,
            bids: flow.bids.iter().copied().collect(),
        };
        (flow.fid, of_fid)
    });
    Binding {
        owner: owner_of(view),
        is_dhoa: view.kind == PoolKind::Dhoa,
        care_of: view.care_of,
        ends_ns: view.expires_ns,
        order: expected.and_then(|binding| binding.order),
        dedicated: view.dedicated,
        modes: view
            .flows
            .iter()
            .map(|flow| (flow.fid, flow.mode))
            .collect(),
        care_ofs: care_ofs.collect::<BTreeMap<_, _>>(),
        flows: flows.collect::<BTreeMap<_, _>>(),
        previous: expected.and_then(|binding| binding.previous),
        since: expected.map_or(0, |binding| binding.since),
    }
}

fn owner_of(view: &BindingView<'_>) -> usize {
    let digits: String = view
        .mn
        .to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().expect("a number")
}

/// Packets that the traffic selectors of the mobile nodes tell apart.
fn flow_keys(home: Ipv6Addr) -> impl Iterator<Item = FlowKey> {
    let kinds = [(17, 53, 80), (17, 53, 443), (17, 99, 80), (6, 53, 80)];
    kinds
        .into_iter()
        .map(move |(next_header, from, to)| FlowKey {
            source: CORRESPONDENT.octets(),
            destination: home.octets(),
            spi: None,
            flow_label: 0,
            ports: Some((from, to)),
            dscp: 0,
            next_header,
        })
}

/// A packet of this flow.
fn datagram(key: &FlowKey) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 20, key.next_header, 64];
    packet.extend(key.source);
    packet.extend(key.destination);
    let (from, to) = key.ports.expect("ports");
    packet.extend(from.to_be_bytes());
    packet.extend(to.to_be_bytes());
    // UDP: length and checksum. TCP: as little else as it may be.
    packet.extend(match key.next_header {
        17 => [0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        _ => [0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0],
    });
    packet
}

/// Source and destination of the (outer) IPv6 header.
pub fn ends(packet: &[u8]) -> (Ipv6Addr, Ipv6Addr) {
    let address = |at: usize| {
        let octets: [u8; 16] = packet[at..at + 16].try_into().expect("16 octets");
        Ipv6Addr::from(octets)
    };
    (address(8), address(24))
}
